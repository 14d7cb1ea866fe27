/**
 * What is left after kill -9: the log is cut at every byte, and damaged at every byte, and must come
 * back with exactly the whole and sound batches before that place, with indexes, epochs and producer
 * state as if nothing else had ever been appended.
 */
import { describe, expect, test } from '@jest/globals';
import type { LogManager } from '../../src/log/log-manager.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import { MemoryDisk } from './memory-disk.ts';
import {
  append,
  batchOf,
  config,
  openManager,
  readAll,
  timedEnvironment,
  written,
} from './support.ts';

const DIRECTORY = '/data';
const FOLDER = '/data/t-0';
const SEGMENT_0 = `${FOLDER}/00000000000000000000.log`;

interface Written {
  readonly disk: MemoryDisk;
  readonly batches: readonly {
    bytes: Buffer;
    firstOffset: number;
    nextOffset: number;
    epoch: number;
  }[];
}

const settings = { indexIntervalBytes: 100, segmentBytes: 100_000 };

function open(disk: MemoryDisk, changes: Partial<typeof settings> = {}): Promise<LogManager> {
  return openManager(DIRECTORY, {
    environment: timedEnvironment(disk),
    config: { ...settings, ...changes },
  });
}

/** A log of several epochs and two producers, as a killed process leaves it. */
async function killedLog(segmentBytes = settings.segmentBytes): Promise<Written> {
  const disk = new MemoryDisk();
  const manager = await open(disk, { segmentBytes });
  const log = await manager.getOrCreate('t', 0, null);
  const batches: Written['batches'][number][] = [];
  for (let index = 0; index < 8; index++) {
    const bytes = batchOf({
      count: 1 + (index % 3),
      mark: index,
      timestamp: 1_700_000_000_000 + index * 10,
      compression: index % 4 === 3 ? 'gzip' : 'none',
      ...(index % 2 === 0 ? { producerId: 5n, baseSequence: sequenceOf(index) } : {}),
    });
    const epoch = index >> 1;
    const { firstOffset, lastOffset } = await append(log, bytes, epoch);
    batches.push({ bytes, firstOffset, nextOffset: lastOffset + 1, epoch });
  }
  return { disk: disk.copy(), batches };
}

/** Sequence of the batch with this index: the producer wrote every other one, of 1 + index % 3 records. */
function sequenceOf(index: number): number {
  let sequence = 0;
  for (let at = 0; at < index; at += 2) sequence += 1 + (at % 3);
  return sequence;
}

async function expectPrefix(log: PartitionLog, kept: Written['batches']): Promise<void> {
  const end = kept.at(-1)?.nextOffset ?? 0;
  expect(log.logEndOffset).toBe(end);
  expect(await readAll(log)).toEqual(Buffer.concat(kept.map(({ bytes }) => bytes)));
  expect(log.latestEpoch).toBe(kept.at(-1)?.epoch ?? null);
  for (const { firstOffset, nextOffset, epoch } of kept) {
    expect(log.epochOf(firstOffset)).toBe(epoch);
    const slice = await log.read(nextOffset - 1, 1, end, true);
    expect(slice.firstOffset).toBe(firstOffset);
  }
  const idempotent = kept.filter((_, index) => index % 2 === 0).slice(-5);
  const [producer] = [...log.activeProducers()];
  expect(producer?.batches.map(({ firstOffset }) => firstOffset)).toEqual(
    idempotent.length === 0 ? undefined : idempotent.map(({ firstOffset }) => firstOffset),
  );
}

test('cut at every byte, the log is the batches before the cut', async () => {
  const { disk, batches } = await killedLog();
  const whole = disk.content(SEGMENT_0);
  for (let size = 0; size <= whole.length; size++) {
    const crashed = disk.copy();
    crashed.put(SEGMENT_0, whole.subarray(0, size));
    const manager = await open(crashed);
    const log = manager.get('t', 0);
    let end = 0;
    const kept = batches.filter(({ bytes }) => {
      end += bytes.length;
      return end <= size;
    });
    await expectPrefix(log!, kept);
    const next = await append(log!, batchOf({ mark: 99 }), 9);
    expect(next.firstOffset).toBe(kept.at(-1)?.nextOffset ?? 0);
    await manager.close();
  }
});

test('damaged at every byte, nothing at or behind the damage is believed', async () => {
  const { disk, batches } = await killedLog();
  const whole = disk.content(SEGMENT_0);
  for (let at = 0; at < whole.length; at++) {
    const crashed = disk.copy();
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 0x55;
    crashed.put(SEGMENT_0, damaged);
    const log = (await open(crashed)).get('t', 0);
    let end = 0;
    const sound = batches.filter(({ bytes }) => {
      end += bytes.length;
      return end <= at;
    });
    // Offset and leader epoch are outside of the checksum: such damage may go unnoticed, no other.
    const start = sound.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (at - start < 8 || (at - start >= 12 && at - start < 16)) continue;
    await expectPrefix(log!, sound);
  }
});

test.each([
  { name: 'zeros behind the end, as a preallocated file has them', tail: Buffer.alloc(500) },
  { name: 'noise behind the end', tail: Buffer.alloc(500, 0xa7) },
  {
    name: 'an enormous length',
    tail: Buffer.from('0000000000000000ffffffff00000000020000', 'hex'),
  },
])('$name is cut off', async ({ tail }) => {
  const { disk, batches } = await killedLog();
  const whole = disk.content(SEGMENT_0);
  disk.put(SEGMENT_0, Buffer.concat([whole, tail]));
  const log = (await open(disk)).get('t', 0);
  await expectPrefix(log!, batches);
  expect(disk.content(SEGMENT_0).length).toBe(whole.length);
});

describe('a log of several segments', () => {
  test('comes back whole, whatever was left of its indexes', async () => {
    const { disk, batches } = await killedLog(300);
    const logs = disk.names(FOLDER).filter((name) => name.endsWith('.log'));
    expect(logs.length).toBeGreaterThan(2);
    const damage: ((name: string) => void)[] = [
      () => {},
      (name) => disk.files.delete(`${FOLDER}/${name}`),
      (name) => disk.put(`${FOLDER}/${name}`, Buffer.alloc(1024)),
      (name) => disk.put(`${FOLDER}/${name}`, Buffer.alloc(13, 0xff)),
    ];
    for (const harm of damage) {
      for (const name of disk.names(FOLDER)) if (/\.(time)?index$/.test(name)) harm(name);
      await expectPrefix((await open(disk.copy(), { segmentBytes: 300 })).get('t', 0)!, batches);
    }
  });

  test('a cut in an early segment costs all later ones', async () => {
    const { disk, batches } = await killedLog(300);
    const whole = disk.content(SEGMENT_0);
    disk.put(SEGMENT_0, whole.subarray(0, whole.length - 1));
    disk.put('/data/recovery-point-offset-checkpoint', '0\n0\n');
    const log = (await open(disk, { segmentBytes: 300 })).get('t', 0);
    let end = 0;
    const kept = batches.filter(({ bytes }) => {
      end += bytes.length;
      return end < whole.length;
    });
    await expectPrefix(log!, kept);
    expect(disk.names(FOLDER).filter((name) => name.endsWith('.log'))).toHaveLength(1);
  });

  test.each([
    { name: 'ends the log', cleanedUpTo: null },
    {
      name: 'is what a compaction left, though the topic is compacted no more',
      cleanedUpTo: 1_000,
    },
  ])('a gap between two segments $name', async ({ cleanedUpTo }) => {
    const { disk, batches } = await killedLog(300);
    let end = 0;
    const inFirst = batches.filter(({ bytes }) => {
      end += bytes.length;
      return end <= disk.content(SEGMENT_0).length;
    });
    const lost = inFirst.pop();
    expect(inFirst.length).toBeGreaterThan(0);
    const kept = disk.content(SEGMENT_0).length - (lost?.bytes.length ?? 0);
    disk.put(SEGMENT_0, disk.content(SEGMENT_0).subarray(0, kept));
    disk.put('/data/recovery-point-offset-checkpoint', '0\n0\n');
    if (cleanedUpTo !== null)
      disk.put('/data/cleaner-offset-checkpoint', `0\n1\nt 0 ${cleanedUpTo}\n`);
    const log = (await open(disk, { segmentBytes: 300 })).get('t', 0);
    if (cleanedUpTo === null) await expectPrefix(log!, inFirst);
    else expect(log?.logEndOffset).toBe(batches.at(-1)?.nextOffset);
  });

  test('segments below the recovery point are believed, not read', async () => {
    const { disk, batches } = await killedLog(300);
    const bases = disk
      .names(FOLDER)
      .filter((name) => name.endsWith('.log'))
      .map((name) => Number(name.slice(0, 20)));
    const last = bases.at(-1) ?? 0;
    disk.put('/data/recovery-point-offset-checkpoint', `0\n1\nt 0 ${last}\n`);
    const damaged = disk.content(SEGMENT_0);
    damaged[40] = (damaged[40] ?? 0) ^ 1;
    disk.put(SEGMENT_0, damaged);
    const log = (await open(disk, { segmentBytes: 300 })).get('t', 0);
    expect(log?.logEndOffset).toBe(batches.at(-1)?.nextOffset);
    expect(disk.content(SEGMENT_0)).toEqual(damaged);
  });
});

describe('what was in flight', () => {
  test('deleted and unfinished compacted files go, indexes without a log too', async () => {
    const { disk, batches } = await killedLog();
    for (const name of [
      '00000000000000000007.log.deleted',
      '00000000000000000000.log.cleaned',
      '00000000000000000000.index.swap',
      '00000000000000000000.log.swap',
      '00000000000000000003.index',
      '00000000000000000003.timeindex',
    ]) {
      disk.put(`${FOLDER}/${name}`, 'anything');
    }
    await expectPrefix((await open(disk)).get('t', 0)!, batches);
    expect(disk.names(FOLDER).filter((name) => /deleted|cleaned|swap|0003/.test(name))).toEqual([]);
  });

  test('a finished compaction takes the place of its sources', async () => {
    const { disk, batches } = await killedLog(300);
    const compacted = batches[1]!.bytes;
    // Stands for the first segments: what lies in its range of offsets goes.
    disk.put(`${FOLDER}/00000000000000000000.log.swap`, compacted);
    const manager = await open(disk, { segmentBytes: 300 });
    const content = await readAll(manager.get('t', 0)!);
    expect(content.subarray(0, compacted.length)).toEqual(compacted);
    expect(content.includes(batches[0]!.bytes)).toBe(false);
  });
});

test('a log that ends below its start is begun anew there', async () => {
  const { disk } = await killedLog();
  disk.put('/data/log-start-offset-checkpoint', '0\n1\nt 0 1000\n');
  const log = (await open(disk)).get('t', 0)!;
  expect([log.logStartOffset, log.logEndOffset]).toEqual([1000, 1000]);
  expect((await append(log, batchOf())).firstOffset).toBe(1000);
});

test('after an orderly stop nothing is recovered, and producers are known', async () => {
  const { disk, batches } = await killedLog();
  const first = await open(disk);
  await first.close();
  expect(disk.files.has('/data/.kafka_cleanshutdown')).toBe(true);
  expect(disk.names(FOLDER)).toContain(
    `${String(batches.at(-1)?.nextOffset).padStart(20, '0')}.snapshot`,
  );
  const writes = disk.count('write');
  const second = await open(disk);
  expect(disk.count('write')).toBe(writes);
  expect(disk.files.has('/data/.kafka_cleanshutdown')).toBe(false);
  const log = second.get('t', 0)!;
  expect(log.logEndOffset).toBe(batches.at(-1)?.nextOffset);
  expect(log.recoveryPoint).toBe(log.logEndOffset);
  const again = log.appendAsLeader(Buffer.from(stripped(batches[6]!.bytes)), {
    leaderEpoch: 3,
    origin: 'client',
  });
  expect(again).toMatchObject({ duplicate: true, firstOffset: batches[6]?.firstOffset });
});

test('a snapshot that was torn is thrown away and the log replayed', async () => {
  const { disk, batches } = await killedLog(300);
  for (const name of disk.names(FOLDER)) {
    if (name.endsWith('.snapshot'))
      disk.put(`${FOLDER}/${name}`, disk.content(`${FOLDER}/${name}`).subarray(0, 7));
  }
  await expectPrefix((await open(disk, { segmentBytes: 300 })).get('t', 0)!, batches);
});

test('preallocated files are cut to their content by an orderly stop', async () => {
  const disk = new MemoryDisk();
  const preallocating = {
    environment: timedEnvironment(disk),
    config: config({ segmentBytes: 4000, preallocate: true }),
  };
  const manager = await openManager(DIRECTORY, preallocating);
  const log = await manager.getOrCreate('t', 0, null);
  const bytes = batchOf({ count: 2 });
  log.appendAsLeader(bytes, { leaderEpoch: 0, origin: 'client' });
  await written(log);
  expect(disk.content(SEGMENT_0).length).toBe(4000);
  const crashed = disk.copy();
  await manager.close();
  expect(disk.content(SEGMENT_0)).toEqual(bytes);
  const log2 = (
    await openManager(DIRECTORY, { ...preallocating, environment: timedEnvironment(crashed) })
  ).get('t', 0);
  expect(log2?.logEndOffset).toBe(2);
});

/** A batch as its producer sent it: without what the leader put in. */
function stripped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.fill(0, 0, 8);
  return copy;
}
