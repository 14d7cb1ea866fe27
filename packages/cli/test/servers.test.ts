/** The daemons' commands, with a process table and a disk of the test's own. */
import { describe, expect, test } from '@jest/globals';
import { type Metrics, nodeEnvironment } from '@odradek/runtime';
import { kafkaServerStart, zookeeperServerStart } from '../src/commands/server-start.ts';
import { kafkaServerStop, zookeeperServerStop } from '../src/commands/server-stop.ts';
import type { CommandContext, ProcessEntry } from '../src/context.ts';
import { UsageError } from '../src/options.ts';

class Recorder {
  out = '';
  readonly signals: [number, string][] = [];
  readonly started: { words: readonly string[]; outputFile: string }[] = [];

  context(
    entries: readonly ProcessEntry[] = [],
    variables: Record<string, string> = {},
  ): CommandContext {
    const environment = nodeEnvironment();
    const nothing = new AbortController().signal;
    return {
      environment: {
        ...environment,
        disk: {
          ...environment.disk,
          readFile: async (path: string) =>
            path === 'server.properties' ? Buffer.from('broker.id=0\n') : null,
        },
      },
      stdout: async (text) => {
        this.out += text.toString();
      },
      stderr: async () => undefined,
      lines: async function* () {},
      isTerminal: false,
      prompt: async () => null,
      interrupted: nothing,
      outputClosed: nothing,
      processes: {
        list: async () => entries,
        signal: (pid, signal) => {
          this.signals.push([pid, signal]);
        },
        startDetached: async (words, outputFile) => {
          this.started.push({ words, outputFile });
          return 1;
        },
      },
      eventLoopDelay: () => ({ percentileMs: () => 0, maxMs: () => 0, reset: () => undefined }),
      openFilesLimit: () => null,
      serveMetrics: async (_metrics: Metrics, { port }) => ({ port, close: async () => undefined }),
      upMs: () => 0,
      variables,
      homeDirectory: '/home/somebody',
      hostName: async () => 'localhost',
      baseDirectory: '/base',
    };
  }
}

const table: readonly ProcessEntry[] = [
  {
    pid: 11,
    commandLine:
      '/usr/bin/node /x/packages/cli/dist/main.js kafka-server-start config/server.properties',
  },
  { pid: 12, commandLine: 'node --cpu-prof /y/main.js kafka-server-start a b' },
  { pid: 13, commandLine: 'node /x/packages/cli/dist/main.js zookeeper-server-start z' },
  { pid: 14, commandLine: 'vim /x/packages/cli/dist/main.js kafka-server-start config' },
  { pid: 15, commandLine: 'sh -c node /x/main.js kafka-server-start z' },
  { pid: 16, commandLine: 'node /x/packages/cli/dist/main.js start' },
];

describe('stopping', () => {
  test.each([
    [
      'brokers',
      kafkaServerStop,
      [
        [11, 'TERM'],
        [12, 'TERM'],
      ],
    ],
    ['coordination servers', zookeeperServerStop, [[13, 'TERM']]],
  ])('%s, and nothing else', async (_what, tool, expected) => {
    const recorder = new Recorder();
    expect(await tool.run([], recorder.context(table))).toBe(0);
    expect(recorder.signals).toEqual(expected);
  });

  test('with another signal', async () => {
    const recorder = new Recorder();
    await zookeeperServerStop.run([], recorder.context(table, { SIGNAL: 'KILL' }));
    expect(recorder.signals).toEqual([[13, 'KILL']]);
  });

  test('when there is nothing to stop', async () => {
    const recorder = new Recorder();
    expect(await kafkaServerStop.run([], recorder.context())).toBe(1);
    expect(recorder.out).toBe('No kafka server to stop\n');
  });
});

describe('starting', () => {
  test('in the background: the same words without -daemon, output into the log folder', async () => {
    const recorder = new Recorder();
    const words = ['-daemon', 'server.properties', '--override', 'broker.id=3'];
    expect(await kafkaServerStart.run(words, recorder.context())).toBe(0);
    expect(await kafkaServerStart.run(words, recorder.context([], { LOG_DIR: '/var/log/k' }))).toBe(
      0,
    );
    const expected = ['kafka-server-start', 'server.properties', '--override', 'broker.id=3'];
    expect(recorder.started).toEqual([
      { words: expected, outputFile: '/base/logs/kafkaServer.out' },
      { words: expected, outputFile: '/var/log/k/kafkaServer.out' },
    ]);
  });

  test.each([
    ['no file', ['-daemon'], /properties file is missing/],
    ['a stray word', ['server.properties', 'stray'], /Found non argument parameters: stray/],
    ['an override without a value', ['server.properties', '--override'], /--override wants/],
  ])('%s is refused', async (_what, words, message) => {
    const attempt = kafkaServerStart.run(words, new Recorder().context());
    await expect(attempt).rejects.toThrow(UsageError);
    await expect(kafkaServerStart.run(words, new Recorder().context())).rejects.toThrow(message);
  });

  test('a file that is not there is named', async () => {
    await expect(zookeeperServerStart.run(['zoo.cfg'], new Recorder().context())).rejects.toThrow(
      /zoo\.cfg cannot be read/,
    );
  });

  test('--version', async () => {
    const recorder = new Recorder();
    expect(await kafkaServerStart.run(['--version'], recorder.context())).toBe(0);
    expect(recorder.out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
