/**
 * Snapshot files: the header of every storage file, then blocks of entries, then a seal.
 *
 * A block:  0 marker (u32)  4 content size (u32)  8 entries in it (u32)  12 its number (u32)
 *   16 CRC-32C of bytes 0 to 15 and the content, begun with the file's salt (u32)  20 content:
 *   for each entry its size (u32) and its bytes
 * The seal is a block without entries whose content is: zxid up to which the log must reach (i64),
 *   entries in all (i64). A snapshot without its seal is not one.
 *
 * The seal's zxid: entries are read while transactions go on, so they may show effects of later ones
 * than the snapshot is named after. Only with the log up to there do they make a consistent state.
 */
import { crc32c } from '@odradek/protocol/zookeeper';

export const BLOCK_HEADER_BYTES = 20;
export const ENTRY_HEADER_BYTES = 4;
export const SEAL_BYTES = 16;
export const BLOCK_MARKER = 0x4f647242; // "OdrB"
export const SEAL_MARKER = 0x4f64725a; // "OdrZ"
const CRC_AT = 16;

export interface BlockHeader {
  readonly marker: number;
  readonly contentBytes: number;
  readonly entryCount: number;
  readonly number: number;
}

export interface Seal {
  /** The last transaction whose effects may be in the entries. */
  readonly endZxid: bigint;
  readonly entryCount: number;
}

/** Writes the header in front of the content, which is in `block` from BLOCK_HEADER_BYTES on. */
export function sealBlock(block: Buffer, header: BlockHeader, salt: number): void {
  block.writeUInt32BE(header.marker, 0);
  block.writeUInt32BE(header.contentBytes, 4);
  block.writeUInt32BE(header.entryCount, 8);
  block.writeUInt32BE(header.number, 12);
  block.writeUInt32BE(checksum(block, header.contentBytes, salt), CRC_AT);
}

/** @param bytes at least BLOCK_HEADER_BYTES */
export function readBlockHeader(bytes: Buffer): BlockHeader {
  return {
    marker: bytes.readUInt32BE(0),
    contentBytes: bytes.readUInt32BE(4),
    entryCount: bytes.readUInt32BE(8),
    number: bytes.readUInt32BE(12),
  };
}

/** @param block a whole block */
export function blockIsIntact(block: Buffer, salt: number): boolean {
  const contentBytes = block.length - BLOCK_HEADER_BYTES;
  return block.readUInt32BE(CRC_AT) === checksum(block, contentBytes, salt);
}

function checksum(block: Buffer, contentBytes: number, salt: number): number {
  const content = block.subarray(BLOCK_HEADER_BYTES, BLOCK_HEADER_BYTES + contentBytes);
  return crc32c(content, crc32c(block.subarray(0, CRC_AT), salt));
}

export function encodeSeal(seal: Seal, number: number, salt: number): Buffer {
  const block = Buffer.alloc(BLOCK_HEADER_BYTES + SEAL_BYTES);
  block.writeBigInt64BE(seal.endZxid, BLOCK_HEADER_BYTES);
  block.writeBigInt64BE(BigInt(seal.entryCount), BLOCK_HEADER_BYTES + 8);
  const header = { marker: SEAL_MARKER, contentBytes: SEAL_BYTES, entryCount: 0, number };
  sealBlock(block, header, salt);
  return block;
}

export function decodeSeal(block: Buffer): Seal {
  return {
    endZxid: block.readBigInt64BE(BLOCK_HEADER_BYTES),
    entryCount: Number(block.readBigInt64BE(BLOCK_HEADER_BYTES + 8)),
  };
}
