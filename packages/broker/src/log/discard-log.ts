/**
 * Logs that leave a broker: their folder gets a name that says so at once, and is removed after
 * file.delete.delay.ms, so that reads under way end in peace. A start finishes what was begun.
 */
import path from 'node:path';
import type { LogDirectories } from './directories.ts';
import { deleteFolderName, strayFolderName } from './file-names.ts';
import type { LogResources } from './log-resources.ts';
import type { PartitionLog } from './partition-log.ts';
import { removeLater } from './retire.ts';

export interface DiscardParts {
  readonly resources: LogResources;
  readonly directories: LogDirectories;
}

/**
 * Ends a log and has its folder removed.
 * @throws KafkaError KAFKA_STORAGE_ERROR when its directory fails over it
 */
export async function discardLog(parts: DiscardParts, log: PartitionLog): Promise<void> {
  const doomed = await renameEnded(parts, log, deleteFolderName);
  if (doomed !== null) removeLater(parts.resources, [doomed], log.config.fileDeleteDelayMs);
}

/** Ends a log and sets its folder aside, for somebody to look at. @throws KafkaError as discardLog */
export async function strayLog(parts: DiscardParts, log: PartitionLog): Promise<void> {
  await renameEnded(parts, log, strayFolderName);
}

/** @returns the folder's new name; null when its directory is offline and the folder stays as it is */
async function renameEnded(
  { resources, directories }: DiscardParts,
  log: PartitionLog,
  nameOf: (topic: string, partition: number, unique: string) => string,
): Promise<string | null> {
  const directory = directories.at(log.directory);
  const { disk, random } = resources.environment;
  directory.logCount -= 1;
  await log.abandon();
  if (!directory.online) return null; // Not to be touched: the folder is found at the next start.
  const unique = random.bytes(16).toString('hex');
  const name = path.join(directory.path, nameOf(log.topic, log.partition, unique));
  await directories.guarded(directory, async () => {
    await disk.rename(log.path, name);
    await disk.syncDirectory(directory.path);
  });
  return name;
}
