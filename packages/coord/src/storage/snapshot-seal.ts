/** The end of a snapshot, read by itself: quick, and says nothing about what is before it. */
import type { Disk } from '@odradek/runtime';
import { RESTORE_REMEDY, StorageDamaged } from './errors.ts';
import { readFileHeader } from './file-header.ts';
import type { StorageFile } from './file-names.ts';
import {
  BLOCK_HEADER_BYTES,
  blockIsIntact,
  decodeSeal,
  readBlockHeader,
  SEAL_BYTES,
  SEAL_MARKER,
  type Seal,
} from './snapshot-format.ts';

/** @throws StorageDamaged, StorageNotUsable, DiskError */
export async function readSeal(disk: Disk, { path, zxid }: StorageFile): Promise<Seal> {
  const file = await disk.open(path, 'read');
  try {
    const { salt } = await readFileHeader(file, 'snapshot', zxid);
    const block = Buffer.alloc(BLOCK_HEADER_BYTES + SEAL_BYTES);
    const position = Math.max(0, (await file.sizeBytes()) - block.length);
    await file.read(block, position);
    if (readBlockHeader(block).marker === SEAL_MARKER && blockIsIntact(block, salt)) {
      return decodeSeal(block);
    }
    throw new StorageDamaged(path, position, 'the snapshot is not complete', RESTORE_REMEDY);
  } finally {
    await file.close();
  }
}
