/**
 * The first 64 bytes of every storage file.
 *
 *   0 magic (8 bytes)  8 version (u32)  12 salt (u32)  16 zxid (i64)  24 previous zxid (i64)
 *   32 zeros  60 CRC-32C of bytes 0 to 59 (u32)          all big-endian
 *
 * The salt is drawn for each file and goes into each checksum in it. So bytes that a client chose
 * can never pass for a record, nor can what is left of another file on a reused disk block.
 */
import { crc32c } from '@odradek/protocol/zookeeper';
import type { DiskFile } from '@odradek/runtime';
import { RESTORE_REMEDY, StorageDamaged, StorageNotUsable } from './errors.ts';
import type { FileKind } from './file-names.ts';

export const FILE_HEADER_BYTES = 64;
const FORMAT_VERSION = 1;
const MAGIC: Readonly<Record<HeaderKind, string>> = {
  log: 'OdradekL',
  snapshot: 'OdradekS',
  backup: 'OdradekB',
};
const CRC_AT = FILE_HEADER_BYTES - 4;

/** What a file is; backups lie outside of the storage's folders, under names of the operator's choice. */
export type HeaderKind = FileKind | 'backup';

export interface FileHeader {
  readonly salt: number;
  /** Log: of the first record. Snapshot: the last transaction applied when it began. Backup: the last one in it. */
  readonly zxid: bigint;
  /** Log: of the last record before this file, 0 for none. Snapshot: 0. Backup: of the snapshot in it. */
  readonly previousZxid: bigint;
}

export function encodeFileHeader(kind: HeaderKind, header: FileHeader): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES);
  bytes.write(MAGIC[kind], 0, 'latin1');
  bytes.writeUInt32BE(FORMAT_VERSION, 8);
  bytes.writeUInt32BE(header.salt, 12);
  bytes.writeBigInt64BE(header.zxid, 16);
  bytes.writeBigInt64BE(header.previousZxid, 24);
  bytes.writeUInt32BE(crc32c(bytes.subarray(0, CRC_AT)), CRC_AT);
  return bytes;
}

/** What a file begins to be by its first bytes; null for none of ours. */
export function kindOfHeader(bytes: Buffer): HeaderKind | null {
  const magic = bytes.toString('latin1', 0, 8);
  for (const kind of ['log', 'snapshot', 'backup'] as const) {
    if (MAGIC[kind] === magic) return kind;
  }
  return null;
}

/**
 * @param zxid that of the file's name; null when the name tells nothing
 * @throws StorageDamaged, or StorageNotUsable for a version that is not ours
 */
export async function readFileHeader(
  file: DiskFile,
  kind: HeaderKind,
  zxid: bigint | null,
): Promise<FileHeader> {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES);
  const readBytes = await file.read(bytes, 0);
  const intact =
    readBytes === FILE_HEADER_BYTES &&
    bytes.toString('latin1', 0, 8) === MAGIC[kind] &&
    bytes.readUInt32BE(CRC_AT) === crc32c(bytes.subarray(0, CRC_AT));
  if (!intact) {
    throw new StorageDamaged(file.path, 0, `the ${kind} file's header is damaged`, RESTORE_REMEDY);
  }
  const version = bytes.readUInt32BE(8);
  if (version !== FORMAT_VERSION) {
    throw new StorageNotUsable(
      `${file.path} has format version ${version}; this server reads version ${FORMAT_VERSION}`,
    );
  }
  const header = {
    salt: bytes.readUInt32BE(12),
    zxid: bytes.readBigInt64BE(16),
    previousZxid: bytes.readBigInt64BE(24),
  };
  if (zxid !== null && header.zxid !== zxid) {
    const damage = `the name says zxid 0x${zxid.toString(16)}, the content 0x${header.zxid.toString(16)}`;
    throw new StorageDamaged(file.path, 16, damage, 'Give the file its old name');
  }
  return header;
}
