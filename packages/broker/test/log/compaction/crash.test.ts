/**
 * A crash before every change that a compaction makes on the disk: of the process alone, and of the power,
 * which takes along what was not synced, names each for itself. Whatever is left, a start makes of it
 * a log in which nothing is missing, nothing is there twice, and nothing that was aborted is read.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { zstdReady } from '@odradek/protocol';
import type { LogConfig } from '../../../src/log/log-config.ts';
import { encodeAborted } from '../../../src/log/transaction-index.ts';
import type { MemoryDisk } from '../memory-disk.ts';
import { timedEnvironment } from '../support.ts';
import { CompactedLog, DIRECTORY, TOPIC } from './compacted-log.ts';
import { PowerDisk } from './power-disk.ts';

const DELETE_RETENTION_MS = 1000;
const CONFIG: Partial<LogConfig> = {
  cleanupPolicy: ['compact'],
  segmentBytes: 700,
  indexIntervalBytes: 100,
  minCleanableDirtyRatio: 0,
  deleteRetentionMs: DELETE_RETENTION_MS,
  fileDeleteDelayMs: 10,
};

beforeAll(() => zstdReady);

/** A log with tombstones, transactions of both kinds and codecs, all of it durable, not compacted yet. */
async function filled(disk: PowerDisk): Promise<CompactedLog> {
  const log = await CompactedLog.open(timedEnvironment(disk), disk, CONFIG);
  for (let step = 0; step < 24; step += 1) {
    const pairs = Array.from({ length: 1 + (step % 3) }, (_, index) => ({
      key: `k${(step * 5 + index) % 9}`,
      value: (step + index) % 5 === 0 ? null : `v${step}.${index}`,
    }));
    const producer = step % 4 === 3 ? null : step % 4;
    const codec = (['none', 'lz4', 'none', 'gzip'] as const)[step % 4] ?? 'none';
    await log.append({ pairs, producer, transactional: producer !== null && producer > 0, codec });
    if (step % 8 === 5) await log.end(1, step % 16 === 5 ? 'abort' : 'commit');
    if (step % 8 === 6) await log.end(2, step % 16 === 6 ? 'commit' : 'abort');
  }
  await log.end(1, 'abort');
  await log.end(2, 'commit');
  await log.log.flush();
  const end = log.log.logEndOffset;
  disk.put(`${DIRECTORY}/recovery-point-offset-checkpoint`, `0\n1\n${TOPIC} 0 ${end}\n`);
  disk.settle();
  return log;
}

/** Numbers from 0 to 1 that look like chance and are always the same. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
}

async function checkStart(of: CompactedLog, left: MemoryDisk, what: string): Promise<void> {
  const environment = timedEnvironment(left, of.nowMs);
  const log = await CompactedLog.crashed(of, environment, left, CONFIG);
  const after = async (): Promise<unknown> => ({
    what,
    problems: await log.problems(DELETE_RETENTION_MS),
    end: log.log.logEndOffset,
    stray: left
      .names(`${DIRECTORY}/${TOPIC}-0`)
      .filter((name) => /cleaned|swap|deleted/.test(name)),
  });
  const fine = { what, problems: [], end: of.log.logEndOffset, stray: [] };
  expect(await after()).toEqual(fine);
  log.log.compaction.cleanedUpTo = null; // The crash may have come after the checkpoint.
  expect(await log.clean()).toBe(true);
  environment.pass(20);
  await environment.settle(5);
  expect(await after()).toEqual(fine);
  await log.close();
}

test('a crash at any moment of a compaction loses nothing and brings nothing back', async () => {
  const disk = new PowerDisk();
  const log = await filled(disk);
  const states: { what: string; left: MemoryDisk }[] = [];
  const chance = dice(7);
  // The second compaction begins when tombstones and the markers of what went may go as well.
  for (const round of [1, 2]) {
    let change = 0;
    disk.beforeChange = () => {
      change += 1;
      const what = `round ${round}, before change ${change}`;
      states.push({ what: `${what}: process`, left: disk.afterLoss(() => true, true) });
      const all = disk.afterLoss(() => false, false);
      states.push({ what: `${what}: power, all names`, left: all });
      const survivors: number[] = [];
      const left = disk.afterLoss((index) => {
        const survives = chance() < 0.5;
        if (survives) survivors.push(index);
        return survives;
      }, chance() < 0.5);
      states.push({ what: `${what}: power, but for the names of ${survivors.join()}`, left });
    };
    expect(await log.clean()).toBe(true);
    disk.beforeChange = null;
    log.log.compaction.cleanedUpTo = null;
    log.environment.pass(DELETE_RETENTION_MS + 1);
    await log.environment.settle(5);
    disk.settle();
  }
  expect(states.length).toBeGreaterThan(200);
  for (const { what, left } of states) await checkStart(log, left, what);
}, 120_000);

test('of the segments that a swap replaces nothing is left, neither logs nor indexes without a log', async () => {
  const disk = new PowerDisk();
  const log = await filled(disk);
  const bases = log.log.compaction.segments.map(({ baseOffset }) => baseOffset);
  const [, second = 0, third = 0] = bases;
  const left = disk.copy();
  const path = (base: number, suffix: string): string =>
    `${DIRECTORY}/${TOPIC}-0/${String(base).padStart(20, '0')}${suffix}`;
  // The first two segments became one, whose transaction index has no entry; of the old ones only the logs are gone.
  const joined = [0, second].map((base) => left.content(path(base, '.log')));
  left.put(path(0, '.log.swap'), Buffer.concat(joined));
  const stale = { producerId: 999n, firstOffset: 0, lastOffset: 1, lastStableOffset: 2 };
  for (const base of [0, second]) {
    left.files.delete(path(base, '.log'));
    left.put(path(base, '.txnindex'), encodeAborted([stale]));
  }
  const restarted = await CompactedLog.crashed(log, timedEnvironment(left), left, CONFIG);
  expect(restarted.log.compaction.segments.map(({ baseOffset }) => baseOffset)).toEqual([
    0,
    ...bases.slice(2),
  ]);
  const told = await restarted.log.abortedTransactions(0, restarted.log.logEndOffset);
  expect(told.map(({ producerId }) => producerId)).not.toContain(999n);
  for (const suffix of ['.index', '.timeindex', '.txnindex'])
    expect(left.files.has(path(second, suffix))).toBe(false);
  const before = await log.read();
  expect(await restarted.read()).toEqual(before);
  expect(third).toBeGreaterThan(second);
  await restarted.close();
});
