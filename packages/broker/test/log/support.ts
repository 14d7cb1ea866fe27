/**
 * What the log's tests share: a real temporary folder, an environment over it whose clock and timers
 * can be pushed, and batches to append.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encodeBatch } from '@odradek/protocol';
import {
  BufferPool,
  type Clock,
  type Disk,
  type Environment,
  inlineWorkers,
  millis,
  nodeEnvironment,
  type Timers,
} from '@odradek/runtime';
import { defaultLogConfig, type LogConfig } from '../../src/log/log-config.ts';
import { LogManager, type LogManagerOptions } from '../../src/log/log-manager.ts';
import type { AppendResult, LogSlice } from '../../src/log/log-types.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';

/** Runs `test` with a folder of its own, which is gone afterwards. */
export async function withFolder<T>(test: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'odradek-log-'));
  try {
    return await test(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An environment in which time stands still until it is pushed. */
export interface TimedEnvironment extends Environment {
  /** Waits for `turns` turns of the event loop: what was started without being awaited gets on. */
  settle(turns?: number): Promise<void>;
  /** Lets time pass and wakes whom it is due to. */
  pass(spanMs: number): void;
}

export function timedEnvironment(
  disk: Disk = nodeEnvironment().disk,
  startMs = 1_700_000_000_000,
): TimedEnvironment {
  const real = { ...nodeEnvironment(), disk };
  let nowMs = startMs;
  let alarms: { deadline: number; wake: () => void }[] = [];
  const clock: Clock = { now: () => millis(nowMs), wallTime: () => millis(nowMs) };
  const timers: Timers = {
    afterTurn: real.timers.afterTurn,
    wakeAt(deadline, wake) {
      const alarm = { deadline, wake };
      alarms.push(alarm);
      return () => {
        alarms = alarms.filter((other) => other !== alarm);
      };
    },
  };
  return {
    ...real,
    clock,
    timers,
    workers: inlineWorkers({ disk, clock, timers }),
    async settle(turns = 50) {
      for (let turn = 0; turn < turns; turn++) {
        await new Promise<void>((resolve) => real.timers.afterTurn(resolve));
      }
    },
    pass(spanMs) {
      nowMs += spanMs;
      const due = alarms.filter(({ deadline }) => deadline <= nowMs);
      alarms = alarms.filter(({ deadline }) => deadline > nowMs);
      for (const { wake } of due) wake();
    },
  };
}

export interface BatchSpec {
  readonly count?: number;
  readonly timestamp?: number;
  readonly valueBytes?: number;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly transactional?: boolean;
  readonly baseOffset?: number;
  readonly leaderEpoch?: number;
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4';
  readonly key?: string | null;
  /** Makes batches tell each other apart. */
  readonly mark?: number;
}

export function batchOf(spec: BatchSpec = {}): Buffer {
  const { count = 1, timestamp = 1_700_000_000_000, valueBytes = 10, mark = 0, key = null } = spec;
  return encodeBatch({
    records: Array.from({ length: count }, (_, index) => ({
      key: key === null ? null : Buffer.from(key),
      value: Buffer.alloc(valueBytes, mark + index),
      timestamp: timestamp + index,
    })),
    baseOffset: spec.baseOffset ?? 0,
    partitionLeaderEpoch: spec.leaderEpoch ?? -1,
    compression: spec.compression ?? 'none',
    ...(spec.producerId === undefined
      ? {}
      : {
          producerId: spec.producerId,
          producerEpoch: spec.producerEpoch ?? 0,
          baseSequence: spec.baseSequence ?? 0,
        }),
    transactional: spec.transactional ?? false,
  });
}

export function config(changes: Partial<LogConfig> = {}): LogConfig {
  return { ...defaultLogConfig, ...changes };
}

export function openManager(
  directory: string,
  changes: Partial<LogManagerOptions> & { readonly config?: Partial<LogConfig> } = {},
): Promise<LogManager> {
  const { config: configChanges, ...options } = changes;
  return LogManager.open({
    directories: [directory],
    clusterId: 'AAAAAAAAAAAAAAAAAAAAAA',
    brokerId: 0,
    logConfigOf: () => config(configChanges),
    environment: nodeEnvironment(),
    buffers: new BufferPool({ poison: true }),
    ...options,
  });
}

/** Appends as leader of epoch 0 and waits until the log has it. */
export async function append(
  log: PartitionLog,
  records: Buffer,
  leaderEpoch = 0,
): Promise<AppendResult> {
  const result = log.appendAsLeader(records, { leaderEpoch, origin: 'client' });
  await written(log);
  return result;
}

/** Resolves when everything that was appended has been written. */
export async function written(log: PartitionLog): Promise<void> {
  const wanted = log.nextOffset;
  if (log.logEndOffset >= wanted) return;
  await new Promise<void>((resolve) => {
    const before = log.onAdvance;
    log.onAdvance = (advanced) => {
      before?.(advanced);
      if (advanced.logEndOffset < wanted) return;
      log.onAdvance = before;
      resolve();
    };
  });
}

export function bytesOf(slice: LogSlice): Buffer {
  return Buffer.concat(slice.chunks);
}

/** Everything from `offset` on. */
export async function readAll(log: PartitionLog, offset = log.logStartOffset): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = offset; at < log.logEndOffset; ) {
    const slice = await log.read(at, 1 << 20, log.logEndOffset, true);
    if (slice.sizeBytes === 0) break;
    parts.push(bytesOf(slice));
    for (const memory of slice.lent) memory.release();
    at = slice.nextOffset;
  }
  return Buffer.concat(parts);
}
