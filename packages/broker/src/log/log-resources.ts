/**
 * What all logs of a broker share: the outside world, and the bounded stores.
 */
import { BufferPool, type Environment } from '@odradek/runtime';
import { AppendBudget } from './append-budget.ts';
import { AtMost } from './at-most.ts';
import { IndexCache } from './index-cache.ts';
import { OpenFiles } from './open-files.ts';
import { TailCache } from './tail-cache.ts';

export interface LogResources {
  readonly environment: Environment;
  readonly files: OpenFiles;
  readonly indexes: IndexCache;
  /** Memory for big pieces: blocks of the tail cache, and what files are read into. */
  readonly buffers: BufferPool;
  readonly tails: TailCache;
  readonly budget: AppendBudget;
  /** What forces files to the medium, which may take long, and must not keep writes waiting. */
  readonly syncs: AtMost;
}

/**
 * Files that are forced to the medium at once, all logs together. The system calls of all files share
 * a pool of four threads (libuv's default): the others stay free for appends and reads.
 */
export const CONCURRENT_SYNCS_MAX = 2;

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
  return {
    environment,
    files,
    indexes: new IndexCache(files, limits.indexCacheBytes),
    buffers,
    tails: new TailCache(buffers, limits.tailCacheBytes),
    budget: new AppendBudget(limits.pendingBytesLimit),
    syncs: new AtMost(CONCURRENT_SYNCS_MAX),
  };
}
