/** One command from the command line: what is printed where, and the exit code; both programs. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { nodeEnvironment } from '@odradek/runtime';
import { zkCli, zookeeperShell } from '../../src/commands/zookeeper-shell.ts';
import type { Tool } from '../../src/context.ts';
import { UsageError } from '../../src/options.ts';
import { run, startServer, type TestServer } from './support.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

afterAll(async () => {
  await server.stop();
});

const call = (tool: Tool, words: readonly string[]) =>
  run(tool, [...(tool === zkCli ? ['-server'] : []), server.address, ...words]);

/** What stands before the answer of a command that reached the server. */
const greeting = (tool: Tool): string =>
  `Connecting to ${server.address}\n\nWATCHER::\n\nWatchedEvent state:SyncConnected type:None path:null${
    tool === zkCli ? ' zxid: -1' : ''
  }\n`;

describe.each([
  ['zkCli', zkCli],
  ['zookeeper-shell', zookeeperShell],
])('%s', (name, tool) => {
  test('an answer goes to standard output', async () => {
    const { exitCode, out, err } = await call(tool, ['ls', '/']);
    expect({ exitCode, out, err }).toEqual({
      exitCode: 0,
      out: `${greeting(tool)}[zookeeper]\n`,
      err: '',
    });
  });

  test('`Created` and mistakes go to standard error', async () => {
    const path = `/${name}`;
    expect((await call(tool, ['create', path, 'two words'])).err).toBe(`Created ${path}\n`);
    expect(await call(tool, ['create', path])).toMatchObject({
      exitCode: 1,
      out: greeting(tool),
      err: `Node already exists: ${path}\n`,
    });
    expect((await call(tool, ['get', path])).out).toBe(`${greeting(tool)}two words\n`);
    expect((await call(tool, ['delete', path])).all).toBe(greeting(tool));
  });

  test('a command that does not exist', async () => {
    const { exitCode, err } = await call(tool, ['lss', '/']);
    expect(exitCode).toBe(127);
    expect(err).toMatch(/^ZooKeeper -server host:port .*\n\taddWatch [\s\S]*\n\twhoami \n/);
    expect(err.endsWith('Command not found: Command not found lss\n')).toBe(true);
  });

  test.each([
    [
      ['get', '-q', '/'],
      'org.apache.commons.cli.UnrecognizedOptionException: Unrecognized option: -q\n',
    ],
    [
      ['create', '-t'],
      'org.apache.commons.cli.MissingArgumentException: Missing argument for option: t\n',
    ],
    [['set', '-v', 'x', '/', 'd'], 'For input string: "x"\n'],
    [['set', '-b', '/', '???'], 'Illegal base64 character 3f\n'],
    [
      ['reconfig', '-file', 'nowhere.cfg'],
      'Error processing nowhere.cfgnowhere.cfg (No such file or directory)\n',
    ],
    [
      ['reconfig', '-v', 'x', '-add', 'y'],
      '-v must be followed by a long (configuration version)\n',
    ],
    [['ls'], 'ls [-s] [-w] [-R] path\n'],
  ])('%j is refused without asking the server', async (words, message) => {
    const { exitCode, err } = await call(tool, words);
    expect({ exitCode, err }).toEqual({ exitCode: 1, err: message });
  });

  test('refused credentials end the session', async () => {
    const { exitCode, out } = await call(tool, ['addauth', 'bogus', 'x']);
    expect(exitCode).toBe(1);
    expect(out).toContain('WatchedEvent state:AuthFailed type:None path:null');
  });

  test('under a chroot', async () => {
    const { out } = await run(tool, [
      ...(tool === zkCli ? ['-server'] : []),
      `${server.address}/zookeeper`,
      'ls',
      '/',
    ]);
    expect(out.endsWith('[config, quota]\n')).toBe(true);
  });
});

test('ephemeral nodes go with the program', async () => {
  await call(zkCli, ['create', '-e', '/mine']);
  expect((await call(zkCli, ['ls', '/'])).out.endsWith('[zookeeper]\n')).toBe(true);
});

test('no server there', async () => {
  const nobody = await startServer();
  await nobody.stop();
  expect(await run(zkCli, ['-server', nobody.address, 'ls', '/'])).toMatchObject({
    exitCode: 1,
    err: 'KeeperErrorCode = ConnectionLoss for /\n',
  });
});

test('options of the program; those it does not know are passed over', async () => {
  const words = ['-timeout', '5000', '-r', '-waitforconnection', '-bogus', '-server'];
  const { exitCode, out } = await run(zkCli, [...words, server.address, 'ls', '/zookeeper']);
  expect({ exitCode, out }).toEqual({ exitCode: 0, out: `${greeting(zkCli)}[config, quota]\n` });
  await expect(run(zkCli, ['-timeout', 'x', 'ls', '/'])).rejects.toThrow(UsageError);
  await expect(run(zookeeperShell, ['-timeout', '3'])).rejects.toThrow('host:port is missing');
});

test('TLS settings that cannot be used are named', async () => {
  const diskWith = (content: string) => ({
    ...nodeEnvironment().disk,
    readFile: async (path: string) => (path === 'c.properties' ? Buffer.from(content) : null),
  });
  const attempt = (content: string) =>
    run(zkCli, ['-server', server.address, '-client-configuration', 'c.properties', 'ls', '/'], {
      environment: { disk: diskWith(content) },
    });
  await expect(
    attempt('zookeeper.client.secure=true\nzookeeper.ssl.keyStore.location=none.p12\n'),
  ).rejects.toThrow('c.properties: ssl.keystore.location: there is no file none.p12');
  expect((await attempt('zookeeper.client.secure=false\n')).exitCode).toBe(0);
});
