/**
 * The broker's log engine on a real disk (a folder under the system's temporary one): appends of
 * batches as clients send them, and reads from memory and from files. What a plain writev of the same
 * buffers does is the baseline: the difference is what the log costs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { baseOffset, encodeBatch, setBaseOffset } from '@odradek/protocol';
import { type DiskFile, nodeEnvironment } from '@odradek/runtime';
import { defaultLogConfig } from '../packages/broker/src/log/log-config.ts';
import { LogManager } from '../packages/broker/src/log/log-manager.ts';
import type { PartitionLog } from '../packages/broker/src/log/partition-log.ts';
import { benchmark } from './harness.ts';

const T = 1_700_000_000_000;
/** Requests that are in flight at once, as with a few pipelining producers. */
const IN_FLIGHT = 8;

const environment = nodeEnvironment();
const folder = mkdtempSync(path.join(tmpdir(), 'odradek-bench-log-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let opened: Promise<LogManager> | null = null;
function manager(): Promise<LogManager> {
  opened ??= LogManager.open({
    directories: [folder],
    clusterId: 'AAAAAAAAAAAAAAAAAAAAAA',
    brokerId: 0,
    environment,
    // Small segments and little kept, so that a benchmark fits on any disk.
    logConfigOf: () => ({
      ...defaultLogConfig,
      segmentBytes: 256 * 1024 * 1024,
      retentionBytes: 512 * 1024 * 1024,
      fileDeleteDelayMs: 0,
    }),
  });
  return opened;
}

function batchOfSize(sizeBytes: number, valueBytes: number): Buffer {
  const count = Math.floor(sizeBytes / (valueBytes + 10));
  return encodeBatch({
    records: Array.from({ length: count }, (_, index) => ({
      key: null,
      value: Buffer.alloc(valueBytes, index),
      timestamp: T + index,
    })),
  });
}

/** Resolves once the log ends at `offset` or behind it. */
function until(log: PartitionLog, offset: number): Promise<void> {
  if (log.logEndOffset >= offset) return Promise.resolve();
  return new Promise((resolve) => {
    log.onAdvance = () => {
      if (log.logEndOffset >= offset) resolve();
    };
  });
}

/** Appends `operations` batches, IN_FLIGHT at a time, each in its own buffer as from a socket. */
async function appendAll(log: PartitionLog, batch: Buffer, operations: number): Promise<number> {
  const frames = Array.from({ length: IN_FLIGHT }, () => Buffer.from(batch));
  let checksum = 0;
  for (let done = 0; done < operations; ) {
    let last = 0;
    for (let index = 0; index < IN_FLIGHT && done < operations; index++, done++) {
      const frame = frames[index] ?? batch;
      setBaseOffset(frame, 0, 0);
      const result = log.appendAsLeader(frame, { leaderEpoch: 0, origin: 'client' });
      checksum += result.recordCount;
      last = result.lastOffset;
    }
    await until(log, last + 1);
  }
  log.updateHighWatermark(log.logEndOffset);
  await log.deleteOldSegments();
  return checksum;
}

const large = batchOfSize(1_000_000, 1000);
const small = batchOfSize(16_000, 100);

let plain: Promise<DiskFile> | null = null;
benchmark(
  'log: plain writev of 1 MB buffers, 8 at once',
  { unit: 'buffer', smoke: 16, full: 400, bytes: large.length },
  async (operations) => {
    plain ??= environment.disk.open(path.join(folder, 'plain'), 'write');
    const file = await plain;
    await file.truncate(0);
    let position = 0;
    let checksum = 0;
    for (let done = 0; done < operations; done += IN_FLIGHT) {
      await file.write(
        Array.from({ length: IN_FLIGHT }, () => large),
        position,
      );
      position += IN_FLIGHT * large.length;
      checksum += IN_FLIGHT;
    }
    return checksum;
  },
);

benchmark(
  'log: append 1 MB batches of 1 KB records',
  {
    unit: 'batch',
    smoke: 16,
    full: 400,
    bytes: large.length,
    baseline: 'log: plain writev of 1 MB buffers, 8 at once',
  },
  async (operations) =>
    appendAll(await (await manager()).getOrCreate('large', 0, null), large, operations),
);

benchmark(
  'log: append 16 KB batches of 100-byte records',
  { unit: 'batch', smoke: 16, full: 8000, bytes: small.length },
  async (operations) =>
    appendAll(await (await manager()).getOrCreate('small', 0, null), small, operations),
);

/** Partitions that one request appends to, in the benchmark of many. */
const PARTITIONS = 100;
benchmark(
  `log: append 16 KB batches to ${PARTITIONS} partitions in turn`,
  { unit: 'batch', smoke: PARTITIONS, full: 40 * PARTITIONS, bytes: small.length },
  async (operations) => {
    const logs: PartitionLog[] = [];
    for (let index = 0; index < PARTITIONS; index++) {
      logs.push(await (await manager()).getOrCreate('many', index, null));
    }
    let checksum = 0;
    for (let done = 0; done < operations; done += PARTITIONS) {
      const ends = logs.map((log) => {
        const frame = Buffer.from(small);
        const result = log.appendAsLeader(frame, { leaderEpoch: 0, origin: 'client' });
        checksum += result.recordCount;
        return until(log, result.lastOffset + 1);
      });
      await Promise.all(ends);
    }
    return checksum;
  },
);

/** A log with `count` of these batches that is only read. */
async function readable(name: string, batch: Buffer, count: number): Promise<PartitionLog> {
  const known = (await manager()).get(name, 0);
  const log = known ?? (await (await manager()).getOrCreate(name, 0, null));
  if (log.nextOffset > 0) return log;
  for (let done = 0; done < count; done++) {
    log.appendAsLeader(Buffer.from(batch), { leaderEpoch: 0, origin: 'client' });
  }
  await until(log, log.nextOffset);
  return log;
}

const READ_BYTES = 1024 * 1024;

async function readOn(log: PartitionLog, from: number, operations: number): Promise<number> {
  let offset = from;
  let checksum = 0;
  for (let done = 0; done < operations; done++) {
    if (offset >= log.logEndOffset) offset = from;
    const answer = log.read(offset, READ_BYTES, log.logEndOffset, true);
    const slice = answer instanceof Promise ? await answer : answer;
    checksum += baseOffset(slice.chunks[0] ?? Buffer.alloc(8), 0) - offset + 1;
    offset = slice.nextOffset;
  }
  return checksum;
}

benchmark(
  'log: read 1 MB pieces of 16 KB batches from the tail cache',
  { unit: 'read', smoke: 10, full: 20_000 },
  async (operations) => readOn(await readable('tail', small, 500), 0, operations),
);

benchmark(
  'log: read 1 MB pieces of 16 KB batches from the file',
  { unit: 'read', smoke: 10, full: 500, bytes: 64 * small.length },
  async (operations) => readOn(await readable('file', small, 12_000), 0, operations),
);

const recordsIn = Math.floor(16_000 / 110);
benchmark(
  'log: read one batch at an offset found through the index',
  { unit: 'read', smoke: 10, full: 2000 },
  async (operations) => {
    const log = await readable('file', small, 12_000);
    let checksum = 0;
    for (let done = 0; done < operations; done++) {
      const offset = ((done * 7919) % 5000) * recordsIn + 5;
      const slice = await log.read(offset, 1, log.logEndOffset, true);
      checksum += slice.firstOffset <= offset && offset < slice.nextOffset ? 1 : Number.NaN;
    }
    return checksum;
  },
);
