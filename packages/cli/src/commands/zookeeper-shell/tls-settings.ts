/**
 * The TLS settings of a connection, out of the properties file of `-client-configuration` (ZooKeeper's
 * names) or `-zk-tls-config-file` (Kafka's names for the same): stores in PEM or PKCS12.
 */
import {
  type ClientTls,
  ConfigError,
  currentTlsVersions,
  type Environment,
  type PropertyEntry,
  parseProperties,
  readAuthorities,
  readIdentity,
  tlsVersionRange,
  UnreadableStore,
} from '@odradek/runtime';

/** Kafka's spelling by ZooKeeper's, without `zookeeper.`; capitals do not count. */
const TURNS_IT_ON = ['client.secure', 'ssl.client.enable'];
const KEY_STORE = ['ssl.keystore.location', 'ssl.keystore.password', 'ssl.keystore.passwordpath'];
const TRUST_STORE = [
  'ssl.truststore.location',
  'ssl.truststore.password',
  'ssl.truststore.passwordpath',
];

/**
 * @returns null when the file does not turn TLS on
 * @throws ConfigError naming the file and the key
 */
export async function tlsSettings(
  file: string,
  { disk, clock }: Environment,
): Promise<ClientTls | null> {
  const content = await disk.readFile(file);
  if (content === null) throw new ConfigError(`${file} cannot be read: there is no such file`);
  const values = valuesOf(parseProperties(content.toString(), file));
  if (!TURNS_IT_ON.some((key) => values.get(key)?.toLowerCase() === 'true')) return null;

  const store = async <T>(
    [location = '', password = '', passwordFile = '']: readonly string[],
    open: (bytes: Buffer, password: string) => T,
  ): Promise<T | null> => {
    const path = values.get(location);
    if (path === undefined) return null;
    const bytes = await disk.readFile(path);
    if (bytes === null) throw new ConfigError(`${file}: ${location}: there is no file ${path}`);
    const secretFile = values.get(passwordFile);
    const secret =
      values.get(password) ??
      (secretFile === undefined ? '' : ((await disk.readFile(secretFile))?.toString() ?? ''));
    try {
      return open(bytes, secret.trim());
    } catch (failure) {
      if (!(failure instanceof UnreadableStore)) throw failure;
      throw new ConfigError(`${file}: ${path}: ${failure.message}`, { cause: failure });
    }
  };

  const identity = await store(KEY_STORE, (bytes, password) =>
    readIdentity(bytes, password, clock.wallTime()),
  );
  const authorities = await store(TRUST_STORE, readAuthorities);
  const protocols = values.get('ssl.enabledprotocols') ?? values.get('ssl.protocol');
  return {
    identity,
    authorities,
    // Kafka has a name of an algorithm for it, and an empty one to turn it off.
    verifyHostName:
      values.get('ssl.hostnameverification')?.toLowerCase() !== 'false' &&
      values.get('ssl.endpoint.identification.algorithm') !== '',
    versions:
      protocols === undefined
        ? currentTlsVersions
        : (tlsVersionRange(protocols.split(',').map((name) => name.trim())) ?? currentTlsVersions),
    ciphers: null,
  };
}

function valuesOf(entries: readonly PropertyEntry[]): ReadonlyMap<string, string> {
  return new Map(
    entries.map(({ key, value }) => [key.toLowerCase().replace(/^zookeeper\./, ''), value.trim()]),
  );
}
