/**
 * Files that leave a log: renamed at once, so that no start finds them, and removed after
 * file.delete.delay.ms, so that reads under way end in peace. A start removes what was left over.
 */
import { DiskError, millis } from '@odradek/runtime';
import { SUFFIX } from './file-names.ts';
import type { LogResources } from './log-resources.ts';
import type { Segment } from './segment.ts';

const SEGMENT_SUFFIXES = [
  SUFFIX.log,
  SUFFIX.offsetIndex,
  SUFFIX.timeIndex,
  SUFFIX.transactionIndex,
] as const;

/** Renames the files of segments that were taken out of their log, and sees to their removal. */
export async function retireSegments(
  resources: LogResources,
  segments: readonly Segment[],
  deleteDelayMs: number,
): Promise<void> {
  const { environment, files, indexes } = resources;
  const renamed: string[] = [];
  for (const segment of segments) {
    indexes.drop(segment.offsetIndex.entries);
    indexes.drop(segment.timeIndex.entries);
    for (const suffix of SEGMENT_SUFFIXES) {
      const path = segment.pathOf(suffix);
      files.drop(path);
      if ((await environment.disk.status(path)) === null) continue;
      await environment.disk.rename(path, path + SUFFIX.deleted);
      files.drop(path); // A reader may have opened it meanwhile, and another file may get its name.
      renamed.push(path + SUFFIX.deleted);
    }
  }
  if (renamed.length > 0) removeLater(resources, renamed, deleteDelayMs);
}

/** Removes files or folders after a delay; a failure is logged and left to the next start. */
export function removeLater(
  { environment }: LogResources,
  paths: readonly string[],
  delayMs: number,
): void {
  const { clock, disk, log, timers } = environment;
  const remove = async (): Promise<void> => {
    for (const path of paths) {
      try {
        await disk.remove(path);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        log.warn('could not remove what was deleted', { path, error });
      }
    }
  };
  timers.wakeAt(millis(clock.now() + delayMs), () => void remove());
}
