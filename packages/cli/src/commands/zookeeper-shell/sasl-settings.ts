/**
 * Who logs in by SASL: the JAAS file of `java.security.auth.login.config`, its section `Client` or the one that
 * `zookeeper.sasl.clientconfig` names.
 *
 *   Client {
 *     org.apache.zookeeper.server.auth.DigestLoginModule required
 *     username="alice" password="secret";
 *   };
 */
import type { SaslUser } from '@odradek/client';
import { MalformedJaas, parseJaas } from '@odradek/coord';
import { ConfigError, type Disk } from '@odradek/runtime';
import type { ClientProperties } from './client-properties.ts';

const LOGIN_FILE = 'java.security.auth.login.config';
const DIGEST_MODULE = 'org.apache.zookeeper.server.auth.DigestLoginModule';
const USUAL_SECTION = 'Client';

/**
 * @returns null when nobody is to log in: no file, no section `Client`, or `zookeeper.sasl.client=false`
 * @throws ConfigError naming file and section
 */
export async function saslSettings(
  properties: ClientProperties,
  disk: Disk,
): Promise<SaslUser | null> {
  const login = properties.get(LOGIN_FILE);
  if (login === undefined || properties.get('sasl.client')?.value.toLowerCase() === 'false')
    return null;
  const file = login.value;
  const content = await disk.readFile(file);
  if (content === null)
    throw new ConfigError(`${login.source}: ${LOGIN_FILE}: there is no file ${file}`);
  const named = properties.get('sasl.clientconfig')?.value;
  const section = named ?? USUAL_SECTION;
  const modules = sectionsOf(content.toString('utf8'), file).get(section);
  if (modules === undefined) {
    // Such a file may be meant for somebody else in the same process.
    if (named === undefined) return null;
    throw new ConfigError(`${file}: there is no section ${section}`);
  }
  const module = modules.find(({ className }) => className === DIGEST_MODULE);
  if (module === undefined)
    throw new ConfigError(
      `${file}: section ${section} must have ${DIGEST_MODULE}: this version has DIGEST-MD5 and no Kerberos`,
    );
  const [user, password] = [module.options.get('username'), module.options.get('password')];
  if (user === undefined || password === undefined)
    throw new ConfigError(`${file}: section ${section} must have a username and a password`);
  return { user, password };
}

function sectionsOf(text: string, file: string): ReturnType<typeof parseJaas> {
  try {
    return parseJaas(text);
  } catch (failure) {
    if (!(failure instanceof MalformedJaas)) throw failure;
    throw new ConfigError(`${file}: ${failure.message}`, { cause: failure });
  }
}
