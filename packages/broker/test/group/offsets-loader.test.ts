/** Reading the offsets topic from a log that is not as helpful as the usual one. */
import { describe, expect, test } from '@jest/globals';
import { encodeBatch, encodeMessageSet, KafkaError, MalformedMessage } from '@odradek/protocol';
import { silentLog } from '@odradek/runtime';
import { Room } from '../../src/core/group/limits.ts';
import { offsetRecord } from '../../src/core/group/records.ts';
import { loadOffsetsPartition, type ReadableLog } from '../../src/group/offsets-loader-host.ts';
import { timedEnvironment } from '../log/support.ts';

const record = (partition: number, offset: number) =>
  offsetRecord(
    'g',
    't',
    partition,
    { offset, leaderEpoch: -1, metadata: '', commitTimestampMs: 1, expireTimestampMs: null },
    1,
  );

const batch = (baseOffset: number, ...offsets: readonly number[]): Buffer =>
  encodeBatch({ baseOffset, records: offsets.map((offset, index) => record(index, offset)) });

/** A log that hands out one prepared slice for each read. */
function logOf(
  slices: readonly {
    readonly from: number;
    readonly chunks: readonly Buffer[];
    readonly next: number;
  }[],
  nextOffset: number,
): ReadableLog & { logEndOffset: number } {
  return {
    logStartOffset: slices[0]?.from ?? 0,
    logEndOffset: nextOffset,
    nextOffset,
    read(offset) {
      const slice = slices.find(({ from }) => from === offset);
      return { chunks: slice?.chunks ?? [], nextOffset: slice?.next ?? offset };
    },
  };
}

function load(log: ReadableLog, options: { wanted?: () => boolean; room?: Room } = {}) {
  const environment = timedEnvironment();
  const loading = loadOffsetsPartition(log, {
    time: environment,
    events: silentLog,
    bufferBytes: 1000,
    room: options.room ?? new Room(1 << 20),
    wanted: options.wanted ?? (() => true),
  });
  return { environment, loading };
}

const offsetsIn = (groups: Awaited<ReturnType<typeof loadOffsetsPartition>>): number[] =>
  [...(groups?.get('g')?.offsets.all() ?? [])].map(({ committed }) => committed.offset);

describe('the end', () => {
  test('what was appended and is not written yet is waited for', async () => {
    const log = logOf(
      [
        { from: 0, chunks: [batch(0, 1, 2)], next: 2 },
        { from: 2, chunks: [batch(2, 10)], next: 3 },
      ],
      3,
    );
    log.logEndOffset = 2;
    const { environment, loading } = load(log);
    await environment.settle();
    environment.pass(100);
    await environment.settle();
    log.logEndOffset = 3;
    environment.pass(100);
    expect(offsetsIn(await loading)).toEqual([10, 2]);
  });

  test('a gap that compaction left is the end', async () => {
    const log = logOf([{ from: 0, chunks: [batch(0, 1)], next: 1 }], 7);
    expect(offsetsIn(await load(log).loading)).toEqual([1]);
  });
});

describe('formats', () => {
  test('several batches in a chunk, several chunks in a slice', async () => {
    const log = logOf(
      [{ from: 0, chunks: [Buffer.concat([batch(0, 1), batch(1, 2)]), batch(2, 3)], next: 3 }],
      3,
    );
    expect(offsetsIn(await load(log).loading)).toEqual([3]);
  });

  test.each([0, 1] as const)('messages of magic %i, from before 0.11', async (magic) => {
    const messages = encodeMessageSet({ magic, records: [record(0, 5), record(1, 6)] });
    const log = logOf([{ from: 0, chunks: [messages], next: 2 }], 2);
    expect(offsetsIn(await load(log).loading)).toEqual([5, 6]);
  });
});

describe('failures give back the room that was taken', () => {
  const good = { from: 0, chunks: [batch(0, 1, 2)], next: 2 };

  test('bytes that are damaged', async () => {
    const damaged = batch(2, 3);
    damaged.writeUInt8(damaged.readUInt8(damaged.length - 1) ^ 1, damaged.length - 1);
    const room = new Room(1 << 20);
    const log = logOf([good, { from: 2, chunks: [damaged], next: 3 }], 3);
    await expect(load(log, { room }).loading).rejects.toThrow(KafkaError);
    expect(room.usedBytes).toBe(0);
  });

  test('a batch that is cut off', async () => {
    const log = logOf([good, { from: 2, chunks: [batch(2, 3).subarray(0, 40)], next: 3 }], 3);
    await expect(load(log).loading).rejects.toThrow(/cut off/);
  });

  test('a size that is impossible', async () => {
    const impossible = Buffer.alloc(80, 0xff);
    const log = logOf([good, { from: 2, chunks: [impossible], next: 3 }], 3);
    await expect(load(log).loading).rejects.toThrow(MalformedMessage);
  });

  test('being called off', async () => {
    const room = new Room(1 << 20);
    let reads = 0;
    const log = logOf([good, { from: 2, chunks: [batch(2, 3)], next: 3 }], 3);
    const loading = load(log, { room, wanted: () => ++reads < 2 }).loading;
    expect(await loading).toBeNull();
    expect(room.usedBytes).toBe(0);
  });
});
