/**
 * Unmodified clients that say who they are, by a certificate or by SASL DIGEST-MD5: Debian's zkCli, which is the Java
 * client, and kazoo in the release that Debian packages and in a later one; and our shell at Debian's server. Not here: the C client, which Debian builds
 * with neither.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Authority, oid } from '../../packages/runtime/test/support/certificates.ts';
import { profiles } from '../differential/profiles.ts';
import { findDebians, startReference } from '../differential/reference-server.ts';
import { writeSecurityFiles } from '../differential/security-files.ts';
import { startCoordinator } from '../support/cluster.ts';
import { type Finished, freePorts, projectRoot, Workspace } from '../support/workspace.ts';
import { kazoos } from './kazoos.ts';

const ZKCLI = '/usr/share/zookeeper/bin/zkCli.sh';
/** Debian's class path, and two parts of Netty that it leaves out. */
const CLASS_PATH = [
  '/etc/zookeeper/conf',
  ...['zookeeper', 'netty-resolver', 'netty-codec'].map((name) => `/usr/share/java/${name}.jar`),
].join(':');
const STORE_PASSWORD = 'changeit';
const LOGIN_MODULE = 'org.apache.zookeeper.server.auth.DigestLoginModule';

const workspace = new Workspace();
let plain = '';
let secure = '';

beforeAll(async () => {
  const authority = new Authority();
  const issue = (from: Authority, name: string, hosts: readonly string[] = []): void => {
    const { certificate, key } = from.issue({ subject: [[oid.commonName, name]], hosts });
    workspace.write(`${name}.pem`, certificate);
    workspace.write(`${name}.key`, key);
    workspace.write(`${name}-both.pem`, certificate + key);
  };
  issue(authority, 'server', ['127.0.0.1']);
  issue(authority, 'client');
  issue(new Authority('another'), 'stranger');
  workspace.write('ca.pem', authority.certificate);
  const [securePort = 0] = await freePorts(1);
  const coordinator = await startCoordinator(workspace, undefined, {
    secureClientPort: String(securePort),
    'ssl.keyStore.location': workspace.path('server-both.pem'),
    'ssl.trustStore.location': workspace.path('ca.pem'),
    'java.security.auth.login.config': workspace.write(
      'server-jaas.conf',
      `Server {\n  ${LOGIN_MODULE} required\n  user_alice="secret"\n  user_bob="secret";\n};\n`,
    ),
  });
  plain = coordinator.connect;
  secure = `127.0.0.1:${securePort}`;
});
afterAll(() => workspace.dispose());

test.each(kazoos)('$name: TLS, SASL, and both', async ({ python }) => {
  if (!existsSync(python)) {
    console.warn(`skipped: there is no ${python}`);
    return;
  }
  const script = join(projectRoot, 'test/interop/kazoo_secured.py');
  const finished = await workspace.run(python, [script, plain, secure, workspace.directory], {
    limitMs: 150_000,
  });
  expect(finished.code === 0 ? '' : finished.stderr).toBe('');
  expect(finished.stdout).toContain('all good');
});

/** Debian's shell with system properties, one command after the other. */
function zkCli(
  server: string,
  properties: Readonly<Record<string, string>>,
  commands: readonly string[],
): Promise<Finished> {
  const flags = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`);
  return workspace.run(
    '/usr/bin/env',
    [`CLIENT_JVMFLAGS=-cp ${CLASS_PATH} ${flags.join(' ')}`, ZKCLI, '-server', server],
    { input: `${[...commands, 'quit'].join('\n')}\n` },
  );
}

function loginFile(user: string, password: string): Readonly<Record<string, string>> {
  const section = `Client {\n  ${LOGIN_MODULE} required\n  username="${user}"\n  password="${password}";\n};\n`;
  const file = workspace.write(`${user}-${password}.conf`, section);
  return { 'java.security.auth.login.config': file };
}

/** A trust store as keytool makes it, and a key store in PEM. */
function stores(who: string | null): Readonly<Record<string, string>> {
  const trust = workspace.path('trust.jks');
  if (!existsSync(trust)) {
    const from = workspace.path('ca.pem');
    const words = ['-importcert', '-noprompt', '-alias', 'ca', '-file', from];
    const store = ['-keystore', trust, '-storetype', 'JKS', '-storepass', STORE_PASSWORD];
    execFileSync('keytool', [...words, ...store], { stdio: 'ignore' });
  }
  return {
    'zookeeper.client.secure': 'true',
    'zookeeper.clientCnxnSocket': 'org.apache.zookeeper.ClientCnxnSocketNetty',
    'zookeeper.ssl.trustStore.location': trust,
    'zookeeper.ssl.trustStore.password': STORE_PASSWORD,
    ...(who !== null && { 'zookeeper.ssl.keyStore.location': workspace.path(`${who}-both.pem`) }),
  };
}

const java = existsSync(ZKCLI) ? test : test.skip;

java("Debian's zkCli with a JAAS file: whoami, and what is alice's alone", async () => {
  const alice = await zkCli(plain, loginFile('alice', 'secret'), [
    'whoami',
    'create /java-alice hers sasl:alice:cdrwa',
    'get /java-alice',
  ]);
  expect(alice.stdout).toMatch(/^sasl: alice$/m);
  expect(alice.stdout).toMatch(/^hers$/m);
  const bob = await zkCli(plain, loginFile('bob', 'secret'), ['whoami', 'get /java-alice']);
  expect(bob.stdout).toMatch(/^sasl: bob$/m);
  expect(bob.stdout + bob.stderr).toContain('Insufficient permission : /java-alice');
});

java("Debian's zkCli with a wrong password is told so", async () => {
  const { stdout, stderr } = await zkCli(plain, loginFile('alice', 'wrong'), ['ls /']);
  expect(stdout).not.toContain('[zookeeper');
  expect(stdout + stderr).toMatch(/AuthFailed|ConnectionLoss/);
});

java("Debian's zkCli over TLS: a certificate is somebody; with a JAAS file it is two", async () => {
  const settings = { ...stores('client'), ...loginFile('bob', 'secret') };
  const { stdout, stderr } = await zkCli(secure, settings, [
    'whoami',
    'create /java-client his x509:CN=client:cdrwa',
    'get /java-client',
    'getAcl /java-client',
  ]);
  expect(stdout).toMatch(/^x509: CN=client$/m);
  expect(stdout).toMatch(/^sasl: bob$/m);
  expect(stdout).toMatch(/^his$/m);
  expect(stdout).toContain("'x509,'CN=client");
  const other = await zkCli(plain, {}, ['get /java-client']);
  expect(other.stdout + other.stderr).toContain('Insufficient permission : /java-client');
  expect(stderr).not.toContain('Exception');
});

java.each(['stranger', null])("Debian's zkCli over TLS as %s does not get in", async (who) => {
  const { stdout } = await zkCli(secure, stores(who), ['ls /']);
  expect(stdout).not.toContain('[zookeeper');
});

java("our zkCli logs in to Debian's server, over TLS and with a JAAS file", async () => {
  const debians = findDebians();
  const profile = profiles.find(({ isSecured }) => isSecured);
  if (typeof debians === 'string' || profile === undefined) throw new Error('there is a server');
  const files = writeSecurityFiles(workspace);
  const server = await startReference(workspace, debians, profile, files);
  const settings = workspace.write(
    'ours.properties',
    `zookeeper.client.secure=true\nzookeeper.ssl.keyStore.location=${files.identityOf('alice')}\nzookeeper.ssl.trustStore.location=${files.settings['ssl.trustStore.location']}\n`,
  );
  const flags = Object.entries(loginFile('root', 'secret')).map(
    ([key, file]) => `-D${key}=${file}`,
  );
  const { stdout } = await workspace.run('/usr/bin/env', [
    `CLIENT_JVMFLAGS=${flags.join(' ')}`,
    join(projectRoot, 'bin/zkCli.sh'),
    ...['-server', `127.0.0.1:${server.tls?.port}`, '-client-configuration', settings, 'whoami'],
  ]);
  expect(stdout).toContain('state:SaslAuthenticated');
  expect(stdout).toMatch(/^x509: CN=alice,O=Acme$/m);
  expect(stdout).toMatch(/^sasl: root$/m);
  await server.stop();
});
