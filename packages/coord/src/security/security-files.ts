/**
 * Reads the files that the security settings name: key store, trust store, JAAS file. Whatever is
 * wrong with one is a ConfigError that names the key, its place, the file and the reason.
 */
import {
  type Disk,
  DiskError,
  type Environment,
  readAuthorities,
  readIdentity,
  type ServerTls,
  UnreadableStore,
} from '@odradek/runtime';
import type { SaslSettings } from '../config/security-settings.ts';
import type { RefuseKey, SecurityKey, StoreFile, TlsParts } from '../config/tls-settings.ts';
import { MalformedJaas, parseJaas } from './jaas.ts';

const DIGEST_MODULE = 'org.apache.zookeeper.server.auth.DigestLoginModule';
const USER_PREFIX = 'user_';
const SUPER = 'super';

/** Handshakes of one address at once when its connections are not limited. */
const HANDSHAKES_PER_ADDRESS = 1_000;

/**
 * @param connectionsPerAddressMax 0: any number
 * @throws ConfigError
 */
export async function loadTls(
  { disk, clock }: Pick<Environment, 'disk' | 'clock'>,
  settings: TlsParts,
  refuse: RefuseKey,
  connectionsPerAddressMax: number,
): Promise<ServerTls> {
  const { keyStore, trustStore, clientAuthentication, versions, ciphers, handshakeMsMax } =
    settings;
  const open = async <Opened>(
    file: StoreFile,
    read: (bytes: Buffer, password: string) => Opened,
  ): Promise<Opened> => {
    const bytes = await contentOf(disk, file.path, `${file.key}.location`, refuse);
    const password = await passwordOf(disk, file, refuse);
    try {
      return read(bytes, password);
    } catch (error) {
      if (!(error instanceof UnreadableStore)) throw error;
      throw refuse(`${file.key}.location`, error.message);
    }
  };
  return {
    identity: await open(keyStore, (bytes, password) =>
      readIdentity(bytes, password, clock.wallTime()),
    ),
    authorities: trustStore === null ? null : await open(trustStore, readAuthorities),
    clientAuthentication,
    versions,
    ciphers,
    handshakeMsMax,
    handshakesPerAddressMax: connectionsPerAddressMax || HANDSHAKES_PER_ADDRESS,
    alsoPlain: false,
  };
}

/** The files that TLS is made of, as far as certReload looks at them. */
export const tlsFiles = ({ keyStore, trustStore }: TlsParts): readonly string[] =>
  [keyStore, trustStore].flatMap((file) =>
    file === null ? [] : [file.path, ...(file.passwordPath === null ? [] : [file.passwordPath])],
  );

/**
 * The users of SASL with their passwords.
 * @throws ConfigError
 */
export async function loadSaslUsers(
  disk: Disk,
  { file, section, superPassword }: SaslSettings,
  refuse: RefuseKey,
): Promise<ReadonlyMap<string, string>> {
  const key = 'java.security.auth.login.config';
  const text = (await contentOf(disk, file, key, refuse)).toString('utf8');
  const modules = sectionsOf(text, refuse).get(section);
  if (modules === undefined) throw refuse(key, `it has no section ${section}`);
  const module = modules.find(({ className }) => className === DIGEST_MODULE);
  if (module === undefined) {
    const found = modules.map(({ className }) => className).join(', ');
    throw refuse(
      key,
      `section ${section} must have ${DIGEST_MODULE}, not ${found}: this version has DIGEST-MD5 and no Kerberos`,
    );
  }
  const users = new Map<string, string>();
  for (const [option, password] of module.options) {
    if (option.startsWith(USER_PREFIX)) users.set(option.slice(USER_PREFIX.length), password);
  }
  if (users.size === 0) throw refuse(key, `section ${section} has no user_<name>="<password>"`);
  // As in the original, it replaces the password of a user who is there, and makes none.
  if (superPassword !== null && users.has(SUPER)) users.set(SUPER, superPassword.reveal());
  return users;
}

function sectionsOf(text: string, refuse: RefuseKey): ReturnType<typeof parseJaas> {
  try {
    return parseJaas(text);
  } catch (error) {
    if (!(error instanceof MalformedJaas)) throw error;
    throw refuse('java.security.auth.login.config', error.message);
  }
}

async function passwordOf(
  disk: Disk,
  { key, password, passwordPath }: StoreFile,
  refuse: RefuseKey,
): Promise<string> {
  if (passwordPath === null) return password?.reveal() ?? '';
  const bytes = await contentOf(disk, passwordPath, `${key}.passwordPath`, refuse);
  return bytes.toString('utf8').replace(/[\r\n]+$/, '');
}

async function contentOf(
  disk: Disk,
  path: string,
  key: SecurityKey,
  refuse: RefuseKey,
): Promise<Buffer> {
  try {
    const bytes = await disk.readFile(path);
    if (bytes !== null) return bytes;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw refuse(key, `the file cannot be read: ${error.code}`);
  }
  throw refuse(key, 'there is no such file');
}
