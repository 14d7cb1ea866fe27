/** The shell logs in by SASL: with the JAAS file of the original's scripts, as the original's words are. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { zkCli, zookeeperShell } from '../../src/commands/zookeeper-shell.ts';
import { run, startServer, type TestServer } from './support.ts';

const MODULE = 'org.apache.zookeeper.server.auth.DigestLoginModule required';

let directory: string;
let server: TestServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'odradek-shell-sasl-'));
  const users = await file('server.conf', `Server {\n${MODULE}\nuser_alice="se\\"cret";\n};\n`);
  server = await startServer(`java.security.auth.login.config=${users}\n`);
});

afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text);
  return path;
}

const login = (password: string, section = 'Client'): Promise<string> =>
  file(
    `${section}-${password.length}.conf`,
    `${section} {\n${MODULE}\nusername="alice" password="${password}";\n};\n`,
  );
const RIGHT = 'se\\"cret';

test('zkCli, by CLIENT_JVMFLAGS: events in the order of the original, and a list that names the user', async () => {
  const variables = {
    CLIENT_JVMFLAGS: `-Xmx1g -Djava.security.auth.login.config=${await login(RIGHT)}`,
  };
  const lines = ['create /hers x sasl:alice:cdrwa', 'get /hers', 'whoami'];
  const { exitCode, out } = await run(zkCli, ['-server', server.address, '-waitforconnection'], {
    variables,
    lines,
  });
  expect(exitCode).toBe(0);
  expect(out).toMatch(/state:SyncConnected type:None[\s\S]*state:SaslAuthenticated type:None/);
  expect(out).toContain('\nx\n');
  expect(out).toMatch(/^sasl: alice$/m);
  const other = await run(zkCli, ['-server', server.address, 'get', '/hers']);
  expect(other).toMatchObject({ exitCode: 1, err: 'Insufficient permission : /hers\n' });
});

test('zookeeper-shell, by KAFKA_OPTS; the file of properties overrules it', async () => {
  const wrong = await login('wrong');
  const variables = { KAFKA_OPTS: `-Djava.security.auth.login.config=${wrong}` };
  const right = await file(
    'right.properties',
    `java.security.auth.login.config=${await login(RIGHT, 'Mine')}\nzookeeper.sasl.clientconfig=Mine\n`,
  );
  const words = ['-zk-tls-config-file', right, 'whoami'];
  const { exitCode, out } = await run(zookeeperShell, [server.address, ...words], { variables });
  expect(exitCode).toBe(0);
  expect(out).toMatch(/^sasl: alice$/m);
});

test('a wrong password is the end of the session', async () => {
  const variables = { KAFKA_OPTS: `-Djava.security.auth.login.config=${await login('wrong')}` };
  const { exitCode, out, err } = await run(zookeeperShell, [server.address, 'ls', '/'], {
    variables,
  });
  expect(exitCode).toBe(1);
  expect(out).toContain('state:AuthFailed type:None');
  expect(err).toBe('KeeperErrorCode = AuthFailed for /\n');
});

test('a server without SASL is not one that knows who we are', async () => {
  const without = await startServer();
  try {
    const variables = { KAFKA_OPTS: `-Djava.security.auth.login.config=${await login(RIGHT)}` };
    const { exitCode, err } = await run(zookeeperShell, [without.address, 'ls', '/'], {
      variables,
    });
    expect({ exitCode, err }).toEqual({ exitCode: 1, err: 'KeeperErrorCode = AuthFailed for /\n' });
  } finally {
    await without.stop();
  }
});

test.each([
  ['sasl.client=false', (path: string) => `${path} -Dzookeeper.sasl.client=false`, 'Client'],
  ['a file without the section Client', (path: string) => path, 'KafkaClient'],
])('%s: nobody logs in', async (_what, flags, section) => {
  const path = await login(RIGHT, section);
  const variables = { JVMFLAGS: `-Djava.security.auth.login.config=${flags(path)}` };
  const { exitCode, out } = await run(zkCli, ['-server', server.address, 'whoami'], { variables });
  expect(exitCode).toBe(0);
  expect(out).not.toContain('sasl');
});

test.each([
  ['no file', '/nowhere/jaas.conf', /JVMFLAGS: java.security.auth.login.config: there is no file/],
  ['Kerberos', 'Client { com.sun.security.auth.module.Krb5LoginModule required; };', /no Kerberos/],
  ['nobody', `Client { ${MODULE} username="alice"; };`, /must have a username and a password/],
  ['no JAAS', 'Client [', /line 1: "\[" where "{" should be/],
])('%s is told', async (_what, text, expected) => {
  const path = text.startsWith('/') ? text : await file('odd.conf', text);
  const variables = { JVMFLAGS: `-Djava.security.auth.login.config=${path}` };
  const words = ['-server', server.address, 'ls', '/'];
  await expect(run(zkCli, words, { variables })).rejects.toThrow(expected);
});
