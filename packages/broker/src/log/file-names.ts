/**
 * The names of Kafka's files and folders: segments by base offset, partitions by topic, and the
 * suffixes of what is on its way out. Pure text.
 */

export const SUFFIX = {
  log: '.log',
  offsetIndex: '.index',
  timeIndex: '.timeindex',
  transactionIndex: '.txnindex',
  producerSnapshot: '.snapshot',
  /** Left the log; removed after file.delete.delay.ms. */
  deleted: '.deleted',
  /** A compaction's output that is not finished. */
  cleaned: '.cleaned',
  /** A compaction's output that is finished and takes the place of its sources. */
  swap: '.swap',
} as const;

export const LEADER_EPOCH_FILE = 'leader-epoch-checkpoint';
export const PARTITION_METADATA_FILE = 'partition.metadata';
export const META_PROPERTIES_FILE = 'meta.properties';
export const LOCK_FILE = '.lock';
export const CLEAN_SHUTDOWN_FILE = '.kafka_cleanshutdown';
export const RECOVERY_POINT_FILE = 'recovery-point-offset-checkpoint';
export const LOG_START_FILE = 'log-start-offset-checkpoint';
export const HIGH_WATERMARK_FILE = 'replication-offset-checkpoint';
export const CLEANER_OFFSET_FILE = 'cleaner-offset-checkpoint';

/** Longest name of a folder, in characters. */
const FOLDER_NAME_MAX = 255;

/** `42` with `.log` is `00000000000000000042.log`. */
export function segmentFileName(baseOffset: number, suffix: string): string {
  return `${String(baseOffset).padStart(20, '0')}${suffix}`;
}

/** The offset that a file is named by, or null when the name is not 20 digits and `suffix`. */
export function offsetOfFileName(name: string, suffix: string): number | null {
  if (name.length !== 20 + suffix.length || !name.endsWith(suffix)) return null;
  const digits = name.slice(0, 20);
  return /^\d{20}$/.test(digits) ? Number(digits) : null;
}

export type FolderKind = 'live' | 'delete' | 'future' | 'stray';

export interface PartitionFolder {
  readonly kind: FolderKind;
  readonly topic: string;
  readonly partition: number;
}

/** What a folder of a data directory is, or null when it is no partition's. */
export function parsePartitionFolder(name: string): PartitionFolder | null {
  const suffixed = /^(.*)\.[0-9a-f]{32}-(delete|future|stray)$/.exec(name);
  const kind = (suffixed?.[2] ?? 'live') as FolderKind;
  const stem = suffixed?.[1] ?? name;
  // A folder that was cut to fit may have lost its partition number; it is only waiting to go.
  const cut = kind === 'delete' || kind === 'stray';
  const parts = /^(.+)-(\d+)$/.exec(stem);
  if (parts === null) return cut ? { kind, topic: stem, partition: -1 } : null;
  const [, topic = '', partition = ''] = parts;
  return { kind, topic, partition: Number(partition) };
}

export function partitionFolderName(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** @param unique 32 hexadecimal digits, so that a topic may be deleted again before this one is gone */
export function deleteFolderName(topic: string, partition: number, unique: string): string {
  return cutName(topic, `-${partition}.${unique}-delete`);
}

/** A log that nobody knows what to do with: never loaded, never removed. */
export function strayFolderName(topic: string, partition: number, unique: string): string {
  return cutName(topic, `-${partition}.${unique}-stray`);
}

/** A copy on its way to another directory. Its topic must be known again, so it is never cut. */
export function futureFolderName(topic: string, partition: number, unique: string): string {
  return `${partitionFolderName(topic, partition)}.${unique}-future`;
}

/** A future log's folder would have a name that file systems do not take. */
export function isTooLongToMove(topic: string, partition: number): boolean {
  return futureFolderName(topic, partition, '0'.repeat(32)).length > FOLDER_NAME_MAX;
}

const cutName = (topic: string, suffix: string): string =>
  topic.slice(0, FOLDER_NAME_MAX - suffix.length) + suffix;
