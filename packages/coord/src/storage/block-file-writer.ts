/**
 * Writes a file of entries in checksummed blocks (snapshot-format.ts), which gets its name only when
 * all of it is on the disk. What the entries are, and when to let others work, is the caller's affair.
 */
import { dirname } from 'node:path';
import { type Disk, type DiskFile, invariant, type Random } from '@odradek/runtime';
import { encodeFileHeader, FILE_HEADER_BYTES, type HeaderKind } from './file-header.ts';
import { UNFINISHED } from './file-names.ts';
import {
  BLOCK_HEADER_BYTES,
  BLOCK_MARKER,
  ENTRY_HEADER_BYTES,
  encodeSeal,
  sealBlock,
} from './snapshot-format.ts';
import type { StorageSettings } from './types.ts';

/** A block is full when it has reached this size. */
const BLOCK_BYTES = 512 * 1024;

export interface BlockFileResult {
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

export class BlockFileWriter {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #file: DiskFile;
  readonly #salt: number;
  readonly #settings: Pick<StorageSettings, 'recordBytes' | 'snapshotSyncBytes'>;
  readonly #block = new BlockBuilder();
  #position = FILE_HEADER_BYTES;
  #syncedTo = 0;
  #blockCount = 0;
  #entryCount = 0;

  private constructor(
    disk: Disk,
    path: string,
    file: DiskFile,
    salt: number,
    settings: Pick<StorageSettings, 'recordBytes' | 'snapshotSyncBytes'>,
  ) {
    this.#disk = disk;
    this.#path = path;
    this.#file = file;
    this.#salt = salt;
    this.#settings = settings;
  }

  /** @param path the name it will have in the end */
  static async create(
    { disk, random }: { readonly disk: Disk; readonly random: Random },
    path: string,
    kind: HeaderKind,
    { zxid, previousZxid = 0n }: { readonly zxid: bigint; readonly previousZxid?: bigint },
    settings: Pick<StorageSettings, 'recordBytes' | 'snapshotSyncBytes'>,
  ): Promise<BlockFileWriter> {
    const file = await disk.open(path + UNFINISHED, 'write');
    const salt = random.bytes(4).readUInt32BE(0);
    const writer = new BlockFileWriter(disk, path, file, salt, settings);
    try {
      await file.truncate(0);
      await file.write([encodeFileHeader(kind, { salt, zxid, previousZxid })], 0);
    } catch (error) {
      await writer.abandon();
      throw error;
    }
    return writer;
  }

  /** Time to `flush`. */
  get isFull(): boolean {
    return this.#block.isFull;
  }

  add(entry: Uint8Array): void {
    invariant(
      entry.byteLength <= this.#settings.recordBytes,
      `a snapshot entry of ${entry.byteLength} bytes is over recordBytes`,
    );
    this.#block.add(entry);
    this.#entryCount++;
  }

  /** Writes what was added; syncs now and then, so that no sync is long. */
  async flush(): Promise<void> {
    if (this.#block.entryCount === 0) return;
    const bytes = this.#block.take(this.#blockCount++, this.#salt);
    await this.#file.write([bytes], this.#position);
    this.#position += bytes.length;
    if (this.#position - this.#syncedTo < this.#settings.snapshotSyncBytes) return;
    await this.#file.sync();
    this.#syncedTo = this.#position;
  }

  /** Writes the end, makes everything durable and gives the file its name. */
  async finish(endZxid: bigint): Promise<BlockFileResult> {
    await this.flush();
    const entryCount = this.#entryCount;
    const seal = encodeSeal({ endZxid, entryCount }, this.#blockCount, this.#salt);
    await this.#file.write([seal], this.#position);
    await this.#file.sync();
    await this.#file.close();
    await this.#disk.rename(this.#path + UNFINISHED, this.#path);
    await this.#disk.syncDirectory(dirname(this.#path));
    return { path: this.#path, entryCount, sizeBytes: this.#position + seal.length };
  }

  /** Gives up and removes what was written: a disk that is full gets its room back. */
  async abandon(): Promise<void> {
    await this.#file.close();
    // When even that fails, the next start removes it.
    await this.#disk.remove(this.#path + UNFINISHED).catch(() => undefined);
  }
}
