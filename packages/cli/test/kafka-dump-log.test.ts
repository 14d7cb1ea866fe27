/**
 * kafka-dump-log beside Kafka's own: the files of fixtures/dump-log, sound and damaged, and what the
 * tool of Kafka 3.9.1 printed for them (kafka-3.9.1.json; its stack traces are not kept).
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { nodeEnvironment } from '@odradek/runtime';
import { inHashOrder } from '../src/commands/kafka-dump-log/hash-order.ts';
import type { CommandContext } from '../src/context.ts';
import { UsageError } from '../src/options.ts';
import { tools } from '../src/tools.ts';

const folder = resolve(import.meta.dirname, 'fixtures/dump-log');

interface Call {
  readonly files: string;
  readonly words: readonly string[];
  readonly code: number;
  readonly out: readonly string[];
  /** null: the original failed with a stack trace. */
  readonly err: readonly string[] | null;
}

const calls = JSON.parse(readFileSync(join(folder, 'kafka-3.9.1.json'), 'utf8')) as Call[];

async function run(...words: string[]) {
  const tool = await tools['kafka-dump-log']?.();
  let out = '';
  let err = '';
  const context = {
    environment: nodeEnvironment(),
    stdout: async (text: string | Uint8Array) => {
      out += text.toString();
    },
    stderr: async (text: string | Uint8Array) => {
      err += text.toString();
    },
    outputClosed: new AbortController().signal,
    interrupted: new AbortController().signal,
  } as unknown as CommandContext;
  const code = await Promise.resolve(tool?.run(words, context)).catch((failure: Error) => failure);
  const short = (text: string): string => text.replaceAll(`${folder}/`, '');
  return { code, out: short(out), err: short(err) };
}

const paths = (files: string): string =>
  files
    .split(',')
    .map((file) => join(folder, file))
    .join(',');

describe('as Kafka 3.9.1', () => {
  test.each(calls.map((call) => [`${call.files} ${call.words.join(' ')}`, call] as const))(
    '%s',
    async (_title, call) => {
      const ours = await run('--files', paths(call.files), ...call.words);
      // Where Kafka's tool dies in the middle of a line, ours ends it.
      expect(ours.out.replace(/\n$/, '').split('\n')).toEqual(
        call.out.join('\n').replace(/\n$/, '').split('\n'),
      );
      if (call.err === null) {
        expect(ours.code).toMatchObject({ retriable: false, message: expect.any(String) });
      } else {
        expect({ code: ours.code, err: ours.err.split('\n') }).toEqual({ code: 0, err: call.err });
      }
    },
  );
});

test.each([
  ['--cluster-metadata-decoder', 'cannot be decoded'],
  ['--remote-log-metadata-decoder', 'cannot be decoded'],
  ['--max-bytes=many', 'a whole number is expected'],
])('refuses %s', async (word, message) => {
  const { code } = await run('--files', paths('00000000000000000000.log'), word);
  expect(code).toBeInstanceOf(UsageError);
  expect(String(code)).toContain(message);
});

test('partitions of a transaction come in the order of the hash table of Kafka', () => {
  const of = (topic: string, ...partitions: number[]) =>
    partitions.map((partition) => ({ topic, partition }));
  const shown = (order: readonly { topic: string; partition: number }[]): string =>
    order.map(({ topic, partition }) => `${topic}-${partition}`).join(',');
  expect(shown(inHashOrder(of('a', 5, 4, 3, 2, 1, 0, 0)))).toBe('a-2,a-1,a-0,a-5,a-4,a-3');
  expect(shown(inHashOrder([...of('b', 3, 1, 2), ...of('é', 7)]))).toBe('b-3,b-2,b-1,é-7');
  expect(inHashOrder([])).toEqual([]);
});
