/**
 * Writes a snapshot slice by slice while the server goes on: entries are pulled for a few
 * milliseconds, the block they make is written, and everybody else gets their turn.
 */
import { dirname } from 'node:path';
import {
  type Clock,
  type Disk,
  type DiskFile,
  invariant,
  type Random,
  type Timers,
} from '@odradek/runtime';
import { encodeFileHeader, FILE_HEADER_BYTES } from './file-header.ts';
import { storagePath, UNFINISHED } from './file-names.ts';
import {
  BLOCK_HEADER_BYTES,
  BLOCK_MARKER,
  ENTRY_HEADER_BYTES,
  encodeSeal,
  sealBlock,
} from './snapshot-format.ts';
import type { StorageSettings } from './types.ts';

/** A block is written when it has reached this size, if its slice is not over before. */
const BLOCK_BYTES = 512 * 1024;

export interface SnapshotEnvironment {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
}

export interface SnapshotResult {
  readonly path: string;
  readonly entryCount: number;
  readonly sizeBytes: number;
}

/** Collects entries into a block; the buffer is used again for the next. */
class BlockBuilder {
  #bytes = Buffer.allocUnsafe(BLOCK_HEADER_BYTES + BLOCK_BYTES);
  #end = BLOCK_HEADER_BYTES;
  entryCount = 0;

  get isFull(): boolean {
    return this.#end - BLOCK_HEADER_BYTES >= BLOCK_BYTES;
  }

  add(entry: Uint8Array): void {
    const end = this.#end + ENTRY_HEADER_BYTES + entry.byteLength;
    if (end > this.#bytes.length) {
      const bigger = Buffer.allocUnsafe(Math.max(end, 2 * this.#bytes.length));
      this.#bytes.copy(bigger, 0, 0, this.#end);
      this.#bytes = bigger;
    }
    this.#bytes.writeUInt32BE(entry.byteLength, this.#end);
    this.#bytes.set(entry, this.#end + ENTRY_HEADER_BYTES);
    this.#end = end;
    this.entryCount++;
  }

  /** The finished block; the builder is empty afterwards. Valid until the next `add`. */
  take(number: number, salt: number): Buffer {
    const block = this.#bytes.subarray(0, this.#end);
    const contentBytes = this.#end - BLOCK_HEADER_BYTES;
    const { entryCount } = this;
    sealBlock(block, { marker: BLOCK_MARKER, contentBytes, entryCount, number }, salt);
    this.#end = BLOCK_HEADER_BYTES;
    this.entryCount = 0;
    return block;
  }
}

/**
 * Writes the snapshot and gives it its name only when all of it is on the disk.
 * @param options.endZxid asked after the last entry: up to where the log is durable
 * @param options.checkOpen throws when the work is to be given up; asked after each slice
 */
export async function writeSnapshotFile(
  environment: SnapshotEnvironment,
  options: {
    readonly folder: string;
    readonly zxid: bigint;
    readonly entries: Iterable<Uint8Array>;
    readonly settings: StorageSettings;
    readonly endZxid: () => bigint;
    readonly checkOpen: () => void;
  },
): Promise<SnapshotResult> {
  const { disk } = environment;
  const path = storagePath(options.folder, 'snapshot', options.zxid);
  const unfinished = path + UNFINISHED;
  const file = await disk.open(unfinished, 'write');
  try {
    await file.truncate(0);
    const { entryCount, sizeBytes } = await writeContent(file, environment, options);
    await file.close();
    await disk.rename(unfinished, path);
    await disk.syncDirectory(dirname(path));
    return { path, entryCount, sizeBytes };
  } catch (error) {
    await file.close();
    // A disk that is full gets its room back; when even that fails, the next start removes it.
    await disk.remove(unfinished).catch(() => undefined);
    throw error;
  }
}

async function writeContent(
  file: DiskFile,
  { clock, timers, random }: SnapshotEnvironment,
  { zxid, entries, settings, endZxid, checkOpen }: Parameters<typeof writeSnapshotFile>[1],
): Promise<{ entryCount: number; sizeBytes: number }> {
  const salt = random.bytes(4).readUInt32BE(0);
  const header = encodeFileHeader('snapshot', { salt, zxid, previousZxid: 0n });
  await file.write([header], 0);
  let position = FILE_HEADER_BYTES;
  let syncedTo = 0;
  let blockCount = 0;
  let entryCount = 0;
  const block = new BlockBuilder();
  const finishBlock = async (): Promise<void> => {
    const bytes = block.take(blockCount++, salt);
    await file.write([bytes], position);
    position += bytes.length;
    if (position - syncedTo < settings.snapshotSyncBytes) return;
    await file.sync();
    syncedTo = position;
  };
  let sliceEndsAt = clock.now() + settings.snapshotSliceMs;
  for (const entry of entries) {
    invariant(
      entry.byteLength <= settings.recordBytes,
      `a snapshot entry of ${entry.byteLength} bytes is over recordBytes`,
    );
    block.add(entry);
    entryCount++;
    if (!block.isFull && clock.now() < sliceEndsAt) continue;
    await finishBlock();
    await nextTurn(timers);
    checkOpen();
    sliceEndsAt = clock.now() + settings.snapshotSliceMs;
  }
  if (block.entryCount > 0) await finishBlock();
  const seal = encodeSeal({ endZxid: endZxid(), entryCount }, blockCount, salt);
  await file.write([seal], position);
  await file.sync();
  return { entryCount, sizeBytes: position + seal.length };
}

function nextTurn(timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    timers.afterTurn(resolve);
  });
}
