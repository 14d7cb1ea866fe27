/** The shell as a person meets it: prompts, completion, a server that goes and comes, leaving. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { zkCli, zookeeperShell } from '../../src/commands/zookeeper-shell.ts';
import { run, startServer, type TestServer } from './support.ts';

let server: TestServer;

beforeEach(async () => {
  server = await startServer();
});

afterEach(async () => {
  await server.stop();
});

/** Types the lines at a terminal; returns the prompts that were shown. */
async function typing(lines: readonly string[]): Promise<{ prompts: string[]; exitCode: number }> {
  const prompts: string[] = [];
  const left = [...lines];
  const { exitCode } = await run(zookeeperShell, [server.address], {
    isTerminal: true,
    answer: async (prompt) => {
      prompts.push(prompt);
      return left.shift() ?? null;
    },
  });
  return { prompts, exitCode };
}

test('prompts say where, in which state, and how many commands there were', async () => {
  const { prompts, exitCode } = await typing(['ls /', '', '   ', 'close', 'ls /']);
  const states = [
    'CONNECTED) 0',
    'CONNECTED) 1',
    'CONNECTED) 1',
    'CONNECTED) 1',
    'CLOSED) 2',
    'CLOSED) 3',
  ];
  expect(prompts).toEqual(states.map((state) => `[zk: ${server.address}(${state}] `));
  expect(exitCode).toBe(0);
});

test.each([
  ['the last command', ['get /none'], 1],
  ['the last command, if that one was right', ['get /none', 'ls /'], 0],
  ['the last command before quit', ['get /none', 'quit', 'ls /'], 1],
])('the exit code is of %s', async (_what, lines, expected) => {
  expect((await typing(lines)).exitCode).toBe(expected);
});

test('a pipe into zookeeper-shell sees answers only', async () => {
  const { out } = await run(zookeeperShell, [server.address], {
    lines: ['ls /', 'get /zookeeper'],
  });
  expect(out).toBe(
    `Connecting to ${server.address}\nWelcome to ZooKeeper!\nJLine support is disabled\n\nWATCHER::\n\n` +
      'WatchedEvent state:SyncConnected type:None path:null\n[zookeeper]\n\n',
  );
});

test('completion: commands, then paths', async () => {
  const found: unknown[] = [];
  const halfTyped = ['get', 'zz', 'get /zoo', 'get -s /zookeeper/', 'get /none/', 'get x'];
  await run(zkCli, ['-server', server.address], {
    isTerminal: true,
    answer: async (_prompt, complete) => {
      for (const line of halfTyped)
        found.push(await complete?.(line).catch(() => [[], 'no answer']));
      return null;
    },
  });
  expect(found).toEqual([
    [['get', 'getAcl', 'getAllChildrenNumber', 'getEphemerals'], 'get'],
    [[], 'zz'],
    [['/zookeeper'], '/zoo'],
    [['/zookeeper/config', '/zookeeper/quota'], '/zookeeper/'],
    [[], 'no answer'],
    [[], 'x'],
  ]);
});

test('connect goes elsewhere; a name that is none costs nothing', async () => {
  const other = await startServer();
  const { all } = await run(zookeeperShell, [server.address], {
    lines: ['create /here', 'connect nowhere:port', 'ls /', `connect ${other.address}`, 'ls /'],
  });
  await other.stop();
  expect(all).toContain('"nowhere:port" is not host:port\n[here, zookeeper]\n');
  expect(all.endsWith('[zookeeper]\n')).toBe(true);
});

test('a server that goes away: commands say so', async () => {
  const lines = ['ls /', 'stop', 'ls /'];
  const prompts: string[] = [];
  const { all } = await run(zkCli, ['-server', server.address], {
    isTerminal: true,
    answer: async (prompt) => {
      prompts.push(prompt);
      const line = lines.shift() ?? null;
      if (line !== 'stop') return line;
      await server.stop();
      return 'ls /zookeeper';
    },
  });
  expect(all).toContain('WatchedEvent state:Disconnected type:None path:null zxid: -1\n');
  expect(all.endsWith('KeeperErrorCode = ConnectionLoss for /\n')).toBe(true);
  expect(prompts.at(-1)).toBe(`[zk: ${server.address}(CONNECTING) 3] `);
});

test('a signal ends it, the session too', async () => {
  const stop = new AbortController();
  const finished = run(zkCli, ['-server', server.address], {
    isTerminal: true,
    interrupted: stop.signal,
    answer: async () => {
      stop.abort();
      return await new Promise(() => undefined);
    },
  });
  expect((await finished).all).not.toContain('Closed');
});
