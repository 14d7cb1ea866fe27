/**
 * Goal: much is converted for old consumers as a little is, in a thread, and they hear nothing of workers.
 * Method: the protocol package's conversion of the same bytes is the model.
 */
import { afterAll, expect, test } from '@jest/globals';
import { decodeRecordSet, downConvert, encodeBatch, zstdReady } from '@odradek/protocol';
import { nodeEnvironment, nodeWorkers, WorkerDied, WorkersBusy } from '@odradek/runtime';
import {
  CONVERTED_AT_ONCE_BYTES,
  type Conversion,
  convertDown,
} from '../../src/replica/convert-down.ts';

await zstdReady;
const T = 1_700_000_000_000;
const { timers } = nodeEnvironment();
const workers = nodeWorkers();
afterAll(() => workers.close());

const batchOf = (compression: 'none' | 'gzip' | 'lz4' | 'zstd', baseOffset: number): Buffer =>
  encodeBatch({
    baseOffset,
    compression,
    records: Array.from({ length: 200 }, (_, index) => ({
      key: Buffer.from(`${index}`),
      value: Buffer.from(`${Math.sin(index)}`.repeat(60)),
      timestamp: T + index,
    })),
  });
const chunks = (codec: 'none' | 'gzip' | 'lz4' | 'zstd'): Buffer[] => [
  Buffer.concat([batchOf(codec, 0), batchOf('none', 200)]),
  batchOf(codec, 400),
];
const conversion = (changes: Partial<Conversion> = {}): Conversion => ({
  magic: 1,
  fromOffset: 3,
  limitBytes: 1 << 20,
  wholeFirst: true,
  unfoldedBytesMax: 1 << 26,
  ...changes,
});
const pause = (): Promise<void> => Promise.resolve();

test.each(['none', 'gzip', 'lz4'] as const)('%s', async (codec) => {
  for (const magic of [0, 1] as const)
    for (const limitBytes of [1 << 20, 200_000, 100]) {
      const batches = chunks(codec);
      const wanted = conversion({ magic, limitBytes });
      expect(batches.reduce((sum, { length }) => sum + length, 0)).toBeGreaterThan(
        CONVERTED_AT_ONCE_BYTES,
      );
      const inThread = Buffer.concat(await convertDown(batches, wanted, { workers, timers }));
      const here = Buffer.concat(await downConvert(batches, { ...wanted, pause }));
      expect(inThread.equals(here)).toBe(true);
      expect([...decodeRecordSet(inThread)].every((set) => set.magic === magic)).toBe(true);
    }
  expect(workers.threadCount).toBeGreaterThan(0);
});

test('what has no older form is refused with the code that says so', async () => {
  await expect(
    convertDown(chunks('zstd'), conversion(), { workers, timers }),
  ).rejects.toMatchObject({ code: 'UNSUPPORTED_COMPRESSION_TYPE' });
});

test.each([new WorkerDied('x'), new WorkersBusy(1)])('%s: done here instead', async (error) => {
  const failing = { run: () => Promise.reject(error) };
  const batches = chunks('gzip');
  const done = await convertDown(batches, conversion(), { workers: failing, timers });
  expect(Buffer.concat(done)).toEqual(
    Buffer.concat(await downConvert(batches, { ...conversion(), pause })),
  );
});
