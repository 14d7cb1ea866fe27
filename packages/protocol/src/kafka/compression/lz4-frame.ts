/**
 * The frame format around lz4 blocks: reading its layout, and the one header that we write.
 *
 * ```
 * magic:uint32le FLG:uint8 BD:uint8 [contentSize:uint64le] HC:uint8
 * (blockSize:uint32le bytes [checksum:4])* 0:uint32le [contentChecksum:4]
 * ```
 * HC is a byte of the xxHash32 of FLG to contentSize. In messages of magic 0 it is computed over the
 * magic number as well, an old mistake of Kafka's that those clients depend on: there it is written
 * wrong and not verified. As Java does, bytes after the end of the frame are ignored.
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 */
import { DecompressionLimitExceeded, malformedBlock } from './limit.ts';
import { xxHash32OfFew } from './xx-hash.ts';

export interface Lz4Block {
  readonly start: number;
  readonly end: number;
  /** The bytes are the content itself. */
  readonly stored: boolean;
}

export interface Lz4Frame {
  readonly blocks: readonly Lz4Block[];
  /** No block can become more. */
  readonly largestBlockBytes: number;
  /** Blocks refer to earlier ones, or have checksums: more than the block format is needed. */
  readonly linkedOrChecked: boolean;
  /** What the frame says that comes out; null when it does not. */
  readonly contentSizeBytes: number | null;
  readonly end: number;
}

/** Independent blocks of at most 64 KiB, no checksums: the header that Java's clients write. */
export const WRITTEN_BLOCK_BYTES = 64 * 1024;
const HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
const HEADER_OF_MAGIC_0 = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x1a]);

const FRAME_MAGIC = 0x184d2204;
const FLAG = {
  dictionary: 0x01,
  contentChecksum: 0x04,
  contentSize: 0x08,
  blockChecksum: 0x10,
  independent: 0x20,
} as const;
const FLAGS_AT = 4;
const BLOCK_DESCRIPTOR_AT = 5;
const CONTENT_SIZE_AT = 6;
const CONTENT_SIZE_BYTES = 8;
const CHECKSUM_BYTES = 4;
/** The bit of a block's size that says that it is stored. */
const STORED = 0x80000000;
/** The longest match takes one more byte for each 255 that it is longer. */
const MOST_BYTES_PER_BYTE = 255;

/** A frame of blocks that have been compressed already; `stored` ones as they are. */
export function lz4FrameOf(
  blocks: readonly { readonly bytes: Buffer; readonly stored: boolean }[],
  magic: number,
): Buffer {
  const parts: Buffer[] = [magic === 0 ? HEADER_OF_MAGIC_0 : HEADER];
  for (const { bytes, stored } of blocks) {
    const size = Buffer.allocUnsafe(4);
    size.writeUInt32LE(stored ? bytes.length + STORED : bytes.length, 0);
    parts.push(size, bytes);
  }
  parts.push(Buffer.alloc(4)); // The end mark.
  return Buffer.concat(parts);
}

/**
 * Reads the layout of a frame.
 * @throws MalformedMessage when it is not a whole frame
 * @throws DecompressionLimitExceeded when more than `limitBytes` would come out
 */
export function readLz4Frame(bytes: Buffer, limitBytes: number, magic: number): Lz4Frame {
  if (readUInt32LE(bytes, 0) !== FRAME_MAGIC) throw malformedBlock('lz4', 'it is not a frame');
  const flags = bytes[FLAGS_AT] ?? 0;
  const checksumAt = headerChecksumAt(bytes);
  if (flags >>> 6 !== 1) throw malformedBlock('lz4', 'its frame is of an unknown version');
  if (flags & FLAG.dictionary) throw malformedBlock('lz4', 'it needs a dictionary');
  if (bytes.length <= checksumAt) throw malformedBlock('lz4', 'it is cut short');
  if (magic !== 0 && bytes[checksumAt] !== headerChecksum(bytes)) {
    throw malformedBlock('lz4', 'the checksum of its header does not match');
  }
  const contentSizeBytes = flags & FLAG.contentSize ? readContentSize(bytes, limitBytes) : null;
  const largestBlockBytes = readLargestBlock(bytes);
  const blockChecksumBytes = flags & FLAG.blockChecksum ? CHECKSUM_BYTES : 0;
  const blocks: Lz4Block[] = [];
  let mostBytes = 0;
  let position = checksumAt + 1;
  while (true) {
    const field = readUInt32LE(bytes, position);
    position += 4;
    if (field === 0) break;
    const stored = field >= STORED;
    const end = position + (stored ? field - STORED : field);
    if (end - position > largestBlockBytes || end + blockChecksumBytes > bytes.length) {
      throw malformedBlock('lz4', `a block of ${end - position} bytes`);
    }
    const block = { start: position, end, stored };
    const estimate = estimatedSize(block, largestBlockBytes);
    mostBytes += mostBytes + estimate <= limitBytes ? estimate : exactSize(bytes, block);
    if (mostBytes > limitBytes) throw new DecompressionLimitExceeded('lz4', limitBytes);
    blocks.push(block);
    position = end + blockChecksumBytes;
  }
  if (flags & FLAG.contentChecksum) position += CHECKSUM_BYTES;
  if (position > bytes.length) throw malformedBlock('lz4', 'it is cut short');
  const checked = flags & (FLAG.contentChecksum | FLAG.blockChecksum);
  const linkedOrChecked = checked !== 0 || !(flags & FLAG.independent);
  return { blocks, largestBlockBytes, linkedOrChecked, contentSizeBytes, end: position };
}

/** A copy of the frame whose header checksum is right, for libraries that know nothing of magic 0. */
export function withRightChecksum(frame: Buffer): Buffer {
  const corrected = Buffer.from(frame);
  corrected[headerChecksumAt(corrected)] = headerChecksum(corrected);
  return corrected;
}

/** What a block can become at most, from its size alone. */
export function estimatedSize(block: Lz4Block, largestBlockBytes: number): number {
  const sizeBytes = block.end - block.start;
  if (block.stored) return sizeBytes;
  return Math.min(largestBlockBytes, sizeBytes * MOST_BYTES_PER_BYTE);
}

/** Counts what the sequences of a block become: each is some literals and then a match. */
export function exactSize(bytes: Buffer, { start, end, stored }: Lz4Block): number {
  if (stored) return end - start;
  let position = start;
  let size = 0;
  while (position < end) {
    const token = bytes[position++] ?? 0;
    let literals = token >>> 4;
    if (literals === 15) {
      for (let more = 255; more === 255 && position < end; literals += more) {
        more = bytes[position++] ?? 0;
      }
    }
    position += literals;
    size += literals;
    if (position >= end) break; // The last sequence has no match.
    position += 2; // How far back the match is.
    let match = (token & 15) + 4;
    if (match === 19) {
      for (let more = 255; more === 255 && position < end; match += more) {
        more = bytes[position++] ?? 0;
      }
    }
    size += match;
  }
  return size;
}

function headerChecksumAt(frame: Buffer): number {
  const sized = ((frame[FLAGS_AT] ?? 0) & FLAG.contentSize) !== 0;
  return sized ? CONTENT_SIZE_AT + CONTENT_SIZE_BYTES : CONTENT_SIZE_AT;
}

function headerChecksum(frame: Buffer): number {
  return (xxHash32OfFew(frame, FLAGS_AT, headerChecksumAt(frame)) >>> 8) & 0xff;
}

function readContentSize(bytes: Buffer, limitBytes: number): number {
  const claimed = bytes.readBigUInt64LE(CONTENT_SIZE_AT);
  if (claimed > BigInt(limitBytes)) throw new DecompressionLimitExceeded('lz4', limitBytes);
  return Number(claimed);
}

function readLargestBlock(bytes: Buffer): number {
  const code = ((bytes[BLOCK_DESCRIPTOR_AT] ?? 0) >>> 4) & 7;
  if (code < 4) throw malformedBlock('lz4', `blocks of the unknown size ${code}`);
  return 2 ** (8 + 2 * code); // 4: 64 KiB, 5: 256 KiB, 6: 1 MiB, 7: 4 MiB
}

function readUInt32LE(bytes: Buffer, at: number): number {
  if (at + 4 > bytes.length) throw malformedBlock('lz4', 'it is cut short');
  return bytes.readUInt32LE(at);
}
