/**
 * What all logs of a broker share: the outside world, and the bounded stores.
 */
import { BufferPool, type Environment } from '@odradek/runtime';
import { AppendBudget } from './append-budget.ts';
import { AtMost } from './at-most.ts';
import { forBriefUses } from './brief-uses.ts';
import { IndexCache } from './index-cache.ts';
import { OpenFiles } from './open-files.ts';
import { TailCache } from './tail-cache.ts';

export interface LogResources {
  /** Its disk is for files that are opened for a moment. */
  readonly environment: Environment;
  readonly files: OpenFiles;
  readonly indexes: IndexCache;
  /** Memory for big pieces: blocks of the tail cache, and what files are read into. */
  readonly buffers: BufferPool;
  readonly tails: TailCache;
  readonly budget: AppendBudget;
  /** What forces files to the medium, which may take long, and must not keep writes waiting. */
  readonly syncs: AtMost;
  /** What reads files for those who read logs: as long as syncs, on a slow disk. In the order of asking. */
  readonly reads: AtMost;
  /** Look-ups by time: each may unfold a batch. */
  readonly timeLookups: AtMost;
}

/**
 * Files that are forced to the medium at once, all logs together. The system calls of all files share
 * a pool of four threads (libuv's default): the others stay free for appends and reads.
 */
export const CONCURRENT_SYNCS_MAX = 2;

/**
 * Files that are read at once, all logs and readers together. A read of many bytes is made in pieces
 * (log-reader.ts) that queue up again, so that readers of old data come in turn, a piece each, however
 * many there are.
 */
export const CONCURRENT_READS_MAX = 2;

/** Syncs and reads together: with all four threads of the pool in them, no append would be written. */
export const SLOW_OPERATIONS_MAX = 3;

/** Look-ups by time at once, all logs together; what each may unfold is bounded in time-lookup.ts. */
export const CONCURRENT_TIME_LOOKUPS_MAX = 2;

/** Bounds of the shared stores; each has a default where it is declared. */
export interface LogLimits {
  /** The broker's pool; one of their own when not given. */
  readonly buffers?: BufferPool | undefined;
  readonly tailCacheBytes?: number | undefined;
  readonly pendingBytesLimit?: number | undefined;
  readonly indexCacheBytes?: number | undefined;
  readonly openFilesLimit?: number | undefined;
}

export function logResources(environment: Environment, limits: LogLimits = {}): LogResources {
  const files = new OpenFiles(environment.disk, limits.openFilesLimit);
  const buffers = limits.buffers ?? new BufferPool();
  const slowOperations = new AtMost(SLOW_OPERATIONS_MAX);
  return {
    environment: { ...environment, disk: forBriefUses(environment.disk) },
    files,
    indexes: new IndexCache(files, limits.indexCacheBytes),
    buffers,
    tails: new TailCache(buffers, limits.tailCacheBytes),
    budget: new AppendBudget(limits.pendingBytesLimit),
    syncs: new AtMost(CONCURRENT_SYNCS_MAX, slowOperations),
    reads: new AtMost(CONCURRENT_READS_MAX, slowOperations),
    timeLookups: new AtMost(CONCURRENT_TIME_LOOKUPS_MAX),
  };
}
