/**
 * What all logs of a broker share: the outside world, and the bounded stores.
 */
import type { Environment } from '@odradek/runtime';
import { AppendBudget } from './append-budget.ts';
import { AtMost } from './at-most.ts';
import { IndexCache } from './index-cache.ts';
import { OpenFiles } from './open-files.ts';
import { TailCache } from './tail-cache.ts';

export interface LogResources {
  readonly environment: Environment;
  readonly files: OpenFiles;
  readonly indexes: IndexCache;
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
  readonly tailCacheBytes?: number | undefined;
  readonly pendingBytesLimit?: number | undefined;
  readonly indexCacheBytes?: number | undefined;
  readonly openFilesLimit?: number | undefined;
}

export function logResources(environment: Environment, limits: LogLimits = {}): LogResources {
  const files = new OpenFiles(environment.disk, limits.openFilesLimit);
  return {
    environment,
    files,
    indexes: new IndexCache(files, limits.indexCacheBytes),
    tails: new TailCache(limits.tailCacheBytes),
    budget: new AppendBudget(limits.pendingBytesLimit),
    syncs: new AtMost(CONCURRENT_SYNCS_MAX),
  };
}
