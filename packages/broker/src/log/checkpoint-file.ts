/**
 * Kafka's checkpoint files: a version, a count, and one entry per line. Two kinds: offsets per
 * partition, one file for a data directory; and leader epochs, one file for each partition.
 *
 * A missing or empty file has no entries. A wrong version, count or line is LogDamaged: what follows
 * from such a file would be silent loss. Writing replaces the file, so a crash leaves old or new.
 */
import type { Disk } from '@odradek/runtime';
import { LogDamaged } from './log-types.ts';

const VERSION = '0';

/** `topic-partition`, the key of offset checkpoints in memory. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

export interface EpochEntry {
  readonly epoch: number;
  readonly startOffset: number;
}

export async function readOffsetCheckpoint(disk: Disk, path: string): Promise<Map<string, number>> {
  const offsets = new Map<string, number>();
  for (const line of decodeEntries(await disk.readFile(path), path)) {
    const [topic, partition, offset, ...rest] = line.split(' ');
    if (topic === undefined || rest.length > 0) throw malformed(path, line);
    offsets.set(
      partitionKey(topic, wholeNumber(partition, path, line)),
      wholeNumber(offset, path, line),
    );
  }
  return offsets;
}

export interface OffsetEntry {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export function encodeOffsetCheckpoint(entries: readonly OffsetEntry[]): string {
  return textOf(entries.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`));
}

/** @param path for messages */
export function decodeEpochCheckpoint(content: Buffer, path: string): EpochEntry[] {
  return decodeEntries(content, path).map((line) => {
    const [epoch, startOffset, ...rest] = line.split(' ');
    if (rest.length > 0) throw malformed(path, line);
    return {
      epoch: wholeNumber(epoch, path, line),
      startOffset: wholeNumber(startOffset, path, line),
    };
  });
}

export function writeEpochCheckpoint(
  disk: Disk,
  path: string,
  entries: readonly EpochEntry[],
): Promise<void> {
  const lines = entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`);
  return disk.replaceFile(path, textOf(lines));
}

function decodeEntries(content: Buffer | null, path: string): string[] {
  if (content === null || content.length === 0) return [];
  const [version, count, ...lines] = content.toString('utf8').split('\n');
  if (version !== VERSION) throw new LogDamaged(`${path}: version ${version}, expected ${VERSION}`);
  const entries = lines.filter((line) => line !== '');
  if (String(entries.length) !== count) {
    throw new LogDamaged(`${path}: ${entries.length} entries where the file promises ${count}`);
  }
  return entries;
}

function textOf(lines: readonly string[]): string {
  return `${[VERSION, lines.length, ...lines].join('\n')}\n`;
}

function wholeNumber(text: string | undefined, path: string, line: string): number {
  if (text === undefined || !/^\d+$/.test(text)) throw malformed(path, line);
  return Number(text);
}

function malformed(path: string, line: string): LogDamaged {
  return new LogDamaged(`${path}: malformed line "${line}"`);
}
