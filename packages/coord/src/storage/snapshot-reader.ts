/** Reads snapshots: first all through to see whether one is whole and right, then its entries. */
import { type Disk, DiskError } from '@odradek/runtime';
import { RESTORE_REMEDY, StorageDamaged } from './errors.ts';
import {
  FILE_HEADER_BYTES,
  type FileHeader,
  type HeaderKind,
  readFileHeader,
} from './file-header.ts';
import type { StorageFile } from './file-names.ts';
import { FileWindow } from './file-window.ts';
import {
  BLOCK_HEADER_BYTES,
  BLOCK_MARKER,
  blockIsIntact,
  decodeSeal,
  ENTRY_HEADER_BYTES,
  readBlockHeader,
  SEAL_BYTES,
  SEAL_MARKER,
  type Seal,
} from './snapshot-format.ts';

/** A snapshot that was read through and found right. */
export interface ValidSnapshot extends StorageFile {
  readonly seal: Seal;
  readonly sizeBytes: number;
}

/** A file of blocks: a snapshot, or a backup, whose name tells no zxid. */
export interface BlockFile {
  readonly path: string;
  readonly kind: HeaderKind;
  readonly zxid: bigint | null;
}

/** A block that was checked. */
export interface Block {
  readonly header: FileHeader;
  /** With its header. */
  readonly sizeBytes: number;
  readonly content: Buffer;
  readonly entryCount: number;
  /** Of the last block only. */
  readonly seal: Seal | null;
}

/** @throws StorageDamaged, StorageNotUsable (another format version), DiskError */
export async function checkSnapshot(disk: Disk, snapshot: StorageFile): Promise<ValidSnapshot> {
  let sizeBytes = FILE_HEADER_BYTES;
  for await (const block of blocksOf(disk, { ...snapshot, kind: 'snapshot' })) {
    sizeBytes += block.sizeBytes;
    if (block.seal !== null) return { ...snapshot, seal: block.seal, sizeBytes };
  }
  throw new StorageDamaged(snapshot.path, null, 'the snapshot is not complete', RESTORE_REMEDY);
}

/** @throws like checkSnapshot, when the file changed since */
export async function* entriesOf(disk: Disk, snapshot: StorageFile): AsyncGenerator<Uint8Array> {
  for await (const block of blocksOf(disk, { ...snapshot, kind: 'snapshot' })) {
    yield* entriesIn(block);
  }
}

/** The entries of one block. */
export function* entriesIn({ content, entryCount }: Block): Iterable<Buffer> {
  let at = 0;
  for (let n = 0; n < entryCount; n++) {
    const start = at + ENTRY_HEADER_BYTES;
    at = start + content.readUInt32BE(at);
    yield content.subarray(start, at);
  }
}

/**
 * The blocks of a file, each checked; the last one has the seal.
 * @throws StorageDamaged, StorageNotUsable, DiskError
 */
export async function* blocksOf(
  disk: Disk,
  { path, kind, zxid }: BlockFile,
): AsyncGenerator<Block> {
  const file = await disk.open(path, 'read');
  try {
    const header = await readFileHeader(file, kind, zxid);
    const { salt } = header;
    const window = new FileWindow(file, await file.sizeBytes());
    let entriesSoFar = 0;
    for (let position = FILE_HEADER_BYTES, number = 0; ; number++) {
      const bytes = await wholeBlock(window, position);
      const intact =
        bytes !== null && readBlockHeader(bytes).number === number && blockIsIntact(bytes, salt);
      const block = intact ? toBlock(bytes, header) : null;
      const endsRight = (seal: Seal): boolean =>
        seal.entryCount === entriesSoFar && position + (bytes?.length ?? 0) === window.sizeBytes;
      if (block === null || (block.seal !== null && !endsRight(block.seal))) {
        throw new StorageDamaged(path, position, `the ${kind} is damaged`, RESTORE_REMEDY);
      }
      yield block;
      if (block.seal !== null) return;
      position += block.sizeBytes;
      entriesSoFar += block.entryCount;
    }
  } finally {
    await file.close();
  }
}

/** The block at `position` as its header tells its size, or null when the file ends before it does. */
async function wholeBlock(window: FileWindow, position: number): Promise<Buffer | null> {
  const header = await bytesAt(window, position, BLOCK_HEADER_BYTES);
  if (header === null) return null;
  return bytesAt(window, position, BLOCK_HEADER_BYTES + readBlockHeader(header).contentBytes);
}

async function bytesAt(
  window: FileWindow,
  position: number,
  countBytes: number,
): Promise<Buffer | null> {
  if (position + countBytes > window.sizeBytes) return null;
  const there = window.peek(position, countBytes);
  if (there !== null) return there;
  await window.load(position, countBytes);
  return window.peek(position, countBytes);
}

/** @param bytes an intact block */
function toBlock(bytes: Buffer, header: FileHeader): Block | null {
  const { marker, contentBytes, entryCount } = readBlockHeader(bytes);
  const content = bytes.subarray(BLOCK_HEADER_BYTES);
  const sizeBytes = bytes.length;
  if (marker === BLOCK_MARKER) return { header, sizeBytes, content, entryCount, seal: null };
  if (marker !== SEAL_MARKER || contentBytes !== SEAL_BYTES) return null;
  return { header, sizeBytes, content, entryCount: 0, seal: decodeSeal(bytes) };
}

/** Whether a snapshot failed the check for what is in it, so that an older one may serve instead. */
export function isUnreadable(error: unknown): error is StorageDamaged | DiskError {
  return error instanceof StorageDamaged || (error instanceof DiskError && error.code === 'EIO');
}
