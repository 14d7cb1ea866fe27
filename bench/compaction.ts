/**
 * Compaction: how many MB of log per second and CPU second, and what it does to producers meanwhile. A log with
 * keys that come five times each is compacted in its worker thread while another partition is appended to at a steady
 * rate; the longest and the usual delay of the event loop are measured with the same appends before, without compaction.
 *
 *   npm run bench:compaction -- [MB of log, 256 when left out]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Codec, encodeBatch, zstdReady } from '@odradek/protocol';
import { nodeEnvironment } from '@odradek/runtime';
import {
  defaultCleanerSettings,
  LogCleaner,
} from '../packages/broker/src/log/compaction/log-cleaner.ts';
import { defaultLogConfig } from '../packages/broker/src/log/log-config.ts';
import { LogManager } from '../packages/broker/src/log/log-manager.ts';
import type { PartitionLog } from '../packages/broker/src/log/partition-log.ts';

const MB = 1_000_000;
const T = 1_700_000_000_000;
const BATCH_BYTES = 16_000;
/** How often each key comes. */
const REPEATS = 5;
/** Bytes appended to the other partition with each tick of 10 ms: 20 MB/s. */
const TICK_MS = 10;
const TICK_BATCHES = 12;
const UNDISTURBED_MS = 3_000;

interface Shape {
  readonly valueBytes: number;
  readonly codec: Codec;
}

const shapes: readonly Shape[] = [
  { valueBytes: 100, codec: 'none' },
  { valueBytes: 1000, codec: 'none' },
  { valueBytes: 100, codec: 'lz4' },
  { valueBytes: 1000, codec: 'zstd' },
];

/** Values of which a codec makes about half: hexadecimal digits without a pattern. */
function digits(sizeBytes: number, seed: number): Buffer {
  const value = Buffer.alloc(sizeBytes);
  let state = seed + 1;
  for (let at = 0; at < sizeBytes; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    value[at] = '0123456789abcdef'.charCodeAt((state >>> 16) & 15);
  }
  return value;
}

async function written(log: PartitionLog): Promise<void> {
  while (log.logEndOffset < log.nextOffset) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  log.updateHighWatermark(log.logEndOffset);
}

/** Fills a log with about so many bytes, before compression. */
async function fill(log: PartitionLog, sizeBytes: number, { valueBytes, codec }: Shape) {
  const perBatch = Math.max(1, Math.floor(BATCH_BYTES / (valueBytes + 25)));
  const batches = Math.ceil(sizeBytes / BATCH_BYTES);
  const keys = Math.ceil((perBatch * batches) / REPEATS);
  let count = 0;
  for (let batch = 0; batch < batches; batch += 1) {
    const records = Array.from({ length: perBatch }, () => {
      count += 1;
      const key = Buffer.from(`key-${String((count * 7919) % keys).padStart(12, '0')}`);
      return { key, value: digits(valueBytes, count), timestamp: T + count };
    });
    log.appendAsLeader(encodeBatch({ records, compression: codec }), {
      leaderEpoch: 0,
      origin: 'client',
    });
    if (batch % 64 === 0) await written(log);
  }
  await written(log);
  return count;
}

/** Appends at a steady rate until told to stop, and measures the event loop meanwhile. */
function appending(log: PartitionLog) {
  const records = Array.from({ length: 15 }, (_, index) => ({
    key: null,
    value: digits(1000, index),
    timestamp: T + index,
  }));
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  const timer = setInterval(() => {
    for (let batch = 0; batch < TICK_BATCHES; batch += 1) {
      log.appendAsLeader(encodeBatch({ records }), { leaderEpoch: 0, origin: 'client' });
    }
  }, TICK_MS);
  return async () => {
    clearInterval(timer);
    delays.disable();
    await written(log);
    const ms = (nanoseconds: number): string => (nanoseconds / 1e6).toFixed(1);
    return { max: ms(delays.max), p99: ms(delays.percentile(99)) };
  };
}

async function measure(shape: Shape, sizeBytes: number): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'odradek-bench-compaction-'));
  const environment = nodeEnvironment();
  const logs = await LogManager.open({
    directories: [folder],
    clusterId: 'AAAAAAAAAAAAAAAAAAAAAA',
    brokerId: 0,
    environment,
    logConfigOf: (topic) => ({
      ...defaultLogConfig,
      segmentBytes: 16 * 1024 * 1024,
      cleanupPolicy: topic === 'compacted' ? ['compact'] : ['delete'],
      retentionBytes: 256 * 1024 * 1024,
      fileDeleteDelayMs: 0,
    }),
  });
  try {
    const log = await logs.getOrCreate('compacted', 0, null);
    const other = await logs.getOrCreate('other', 0, null);
    const records = await fill(log, sizeBytes, shape);
    const cleaner = new LogCleaner({
      environment,
      logs: () => logs.all(),
      settings: () => defaultCleanerSettings,
      applyRetention: () => Promise.resolve(),
    });
    const alone = appending(other);
    await new Promise((resolve) => setTimeout(resolve, UNDISTURBED_MS));
    const undisturbed = await alone();
    const beside = appending(other);
    const sizeBefore = log.sizeBytes;
    const cpu = process.cpuUsage();
    const began = performance.now();
    await cleaner.cleanOnce();
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const after = await beside();
    const { bytesRead, bytesWritten } = cleaner.stats;
    console.log(
      [
        `${shape.valueBytes} B ${shape.codec}:`.padEnd(14),
        `${(sizeBefore / MB).toFixed(0)} MB, ${records} records -> ${(log.sizeBytes / MB).toFixed(0)} MB`,
        `${(sizeBefore / MB / seconds).toFixed(0)} MB/s of log`,
        `${((bytesRead + bytesWritten) / MB / seconds).toFixed(0)} MB/s read and written`,
        `${(((user + system) / 1e6 / sizeBefore) * 1e9).toFixed(1)} CPU s/GB, appends included`,
        `event loop max ${after.max} ms, p99 ${after.p99} ms`,
        `(without: ${undisturbed.max}, ${undisturbed.p99})`,
      ].join('  '),
    );
  } finally {
    await logs.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

await zstdReady;
const sizeBytes = Number(process.argv[2] ?? 256) * MB;
for (const shape of shapes) await measure(shape, sizeBytes);
process.exit(0);
