/** The TLS settings of a connection, out of its properties: stores in PEM or PKCS12. */
import {
  type ClientTls,
  ConfigError,
  currentTlsVersions,
  type Environment,
  readAuthorities,
  readIdentity,
  tlsVersionRange,
  UnreadableStore,
} from '@odradek/runtime';
import type { ClientProperties } from './client-properties.ts';

/** ZooKeeper's name, and Kafka's. */
const TURNS_IT_ON = ['client.secure', 'ssl.client.enable'];
const KEY_STORE = ['ssl.keystore.location', 'ssl.keystore.password', 'ssl.keystore.passwordpath'];
const TRUST_STORE = [
  'ssl.truststore.location',
  'ssl.truststore.password',
  'ssl.truststore.passwordpath',
];

/**
 * @returns null when the properties do not turn TLS on
 * @throws ConfigError naming the file and the key
 */
export async function tlsSettings(
  properties: ClientProperties,
  { disk, clock }: Environment,
): Promise<ClientTls | null> {
  const textOf = (key: string): string | undefined => properties.get(key)?.value;
  if (!TURNS_IT_ON.some((key) => textOf(key)?.toLowerCase() === 'true')) return null;

  const store = async <T>(
    [location = '', password = '', passwordFile = '']: readonly string[],
    open: (bytes: Buffer, password: string) => T,
  ): Promise<T | null> => {
    const found = properties.get(location);
    if (found === undefined) return null;
    const { value: path, source } = found;
    const bytes = await disk.readFile(path);
    if (bytes === null) throw new ConfigError(`${source}: ${location}: there is no file ${path}`);
    const secretFile = textOf(passwordFile);
    const secret =
      textOf(password) ??
      (secretFile === undefined ? '' : ((await disk.readFile(secretFile))?.toString() ?? ''));
    try {
      return open(bytes, secret.trim());
    } catch (failure) {
      if (!(failure instanceof UnreadableStore)) throw failure;
      throw new ConfigError(`${source}: ${path}: ${failure.message}`, { cause: failure });
    }
  };

  const identity = await store(KEY_STORE, (bytes, password) =>
    readIdentity(bytes, password, clock.wallTime()),
  );
  const authorities = await store(TRUST_STORE, readAuthorities);
  const protocols = textOf('ssl.enabledprotocols') ?? textOf('ssl.protocol');
  return {
    identity,
    authorities,
    // Kafka has a name of an algorithm for it, and an empty one to turn it off.
    verifyHostName:
      textOf('ssl.hostnameverification')?.toLowerCase() !== 'false' &&
      textOf('ssl.endpoint.identification.algorithm') !== '',
    versions:
      protocols === undefined
        ? currentTlsVersions
        : (tlsVersionRange(protocols.split(',').map((name) => name.trim())) ?? currentTlsVersions),
    ciphers: null,
  };
}
