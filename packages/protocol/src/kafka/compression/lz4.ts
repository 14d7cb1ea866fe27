/**
 * lz4 in its frame format.
 *
 * A frame is looked over before the library sees it: the library neither bounds its output nor
 * notices a frame that ends between two blocks. Kafka's old quirk is handled here too: in messages
 * of magic 0 the checksum of the frame's header is computed over the frame's magic number as well,
 * so there it is written wrong and not verified. As Java does, bytes after the end mark are ignored.
 *
 * ```
 * magic:uint32le FLG:uint8 BD:uint8 [contentSize:uint64le] HC:uint8
 * (blockSize:uint32le bytes [checksum:4])* 0:uint32le [contentChecksum:4]
 * ```
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 */
import { lazyLibrary } from './library.ts';
import {
  type CodecImplementation,
  DecompressionLimitExceeded,
  malformedBlock,
  refusedBlock,
} from './limit.ts';
import { xxHash32OfFew } from './xx-hash.ts';

const library = lazyLibrary<typeof import('lz4-napi')>('lz4', 'lz4-napi');

const FRAME_MAGIC = 0x184d2204;
const FLAG = { dictionary: 0x01, contentChecksum: 0x04, contentSize: 0x08, blockChecksum: 0x10 };
const FLAGS_AT = 4;
const BLOCK_DESCRIPTOR_AT = 5;
/** FLG and BD follow the magic number of 4 bytes; HC comes after them or after the content size. */
const DESCRIPTOR_BYTES = 2;
const CONTENT_SIZE_BYTES = 8;
const CHECKSUM_BYTES = 4;
/** The bit of a block's size that says that it is stored as it is. */
const STORED = 0x80000000;
/** The longest match takes one more byte for each 255 that it is longer. */
const MOST_BYTES_PER_BYTE = 255;

export const lz4: CodecImplementation = {
  compress: async (bytes, { magic }) => written(await library().compressFrame(bytes), magic),
  compressSync: (bytes, { magic }) => written(library().compressFrameSync(bytes), magic),
  async decompress(bytes, limitBytes, { magic }) {
    const { decompressFrame } = library();
    const frame = checkedFrame(bytes, limitBytes, magic);
    try {
      return await decompressFrame(frame);
    } catch (error) {
      throw refusedBlock('lz4', error);
    }
  },
  decompressSync(bytes, limitBytes, { magic }) {
    const { decompressFrameSync } = library();
    const frame = checkedFrame(bytes, limitBytes, magic);
    try {
      return decompressFrameSync(frame);
    } catch (error) {
      throw refusedBlock('lz4', error);
    }
  },
};

/** For magic 0 the header checksum becomes what the first clients expect. */
function written(frame: Buffer, magic = 2): Buffer {
  if (magic === 0) writeHeaderChecksum(frame, 0);
  return frame;
}

/** A whole frame that will not take more than the limit, its header checksum right for the library. */
function checkedFrame(bytes: Buffer, limitBytes: number, magic = 2): Buffer {
  const end = walkBlocks(bytes, limitBytes);
  const frame = bytes.subarray(0, end);
  if (magic !== 0) return frame;
  const corrected = Buffer.from(frame); // The given bytes are not ours to change.
  writeHeaderChecksum(corrected, FLAGS_AT);
  return corrected;
}

function writeHeaderChecksum(frame: Buffer, from: number): void {
  const at = headerChecksumAt(frame);
  frame[at] = (xxHash32OfFew(frame, from, at) >>> 8) & 0xff;
}

function headerChecksumAt(frame: Buffer): number {
  const flags = frame[FLAGS_AT] ?? 0;
  const sizeBytes = flags & FLAG.contentSize ? CONTENT_SIZE_BYTES : 0;
  return FLAGS_AT + DESCRIPTOR_BYTES + sizeBytes;
}

/** Goes through the blocks of the frame, adding up what they can become. @returns where it ends */
function walkBlocks(bytes: Buffer, limitBytes: number): number {
  const flags = bytes[FLAGS_AT] ?? 0;
  const largestBlockBytes = checkHeader(bytes, limitBytes);
  const checksumBytes = flags & FLAG.blockChecksum ? CHECKSUM_BYTES : 0;
  let position = headerChecksumAt(bytes) + 1;
  let totalBytes = 0;
  while (true) {
    const field = readUInt32LE(bytes, position);
    position += 4;
    if (field === 0) break;
    const stored = field >= STORED;
    const sizeBytes = stored ? field - STORED : field;
    const end = position + sizeBytes;
    if (sizeBytes > largestBlockBytes || end + checksumBytes > bytes.length) {
      throw malformedBlock('lz4', `a block of ${sizeBytes} bytes`);
    }
    // Counting exactly needs a look at every sequence: only worth it where the estimate is too much.
    const mostBytes = Math.min(largestBlockBytes, sizeBytes * MOST_BYTES_PER_BYTE);
    if (stored) totalBytes += sizeBytes;
    else if (totalBytes + mostBytes <= limitBytes) totalBytes += mostBytes;
    else totalBytes += decompressedSize(bytes, position, end);
    if (totalBytes > limitBytes) throw new DecompressionLimitExceeded('lz4', limitBytes);
    position = end + checksumBytes;
  }
  if (flags & FLAG.contentChecksum) position += CHECKSUM_BYTES;
  if (position > bytes.length) throw malformedBlock('lz4', 'it is cut short');
  return position;
}

/** @returns the most bytes that a block of this frame may hold */
function checkHeader(bytes: Buffer, limitBytes: number): number {
  if (readUInt32LE(bytes, 0) !== FRAME_MAGIC) throw malformedBlock('lz4', 'it is not a frame');
  const flags = bytes[FLAGS_AT] ?? 0;
  if (flags >>> 6 !== 1) throw malformedBlock('lz4', 'its frame is of an unknown version');
  if (flags & FLAG.dictionary) throw malformedBlock('lz4', 'it needs a dictionary');
  if (bytes.length <= headerChecksumAt(bytes)) throw malformedBlock('lz4', 'it is cut short');
  if (flags & FLAG.contentSize) {
    const claimed = bytes.readBigUInt64LE(FLAGS_AT + DESCRIPTOR_BYTES);
    if (claimed > BigInt(limitBytes)) throw new DecompressionLimitExceeded('lz4', limitBytes);
  }
  const sizeCode = ((bytes[BLOCK_DESCRIPTOR_AT] ?? 0) >>> 4) & 7;
  if (sizeCode < 4) throw malformedBlock('lz4', `blocks of the unknown size ${sizeCode}`);
  return 2 ** (8 + 2 * sizeCode); // 4: 64 KiB, 5: 256 KiB, 6: 1 MiB, 7: 4 MiB
}

/** Counts what the sequences of one block become: each is some literals and then a match. */
function decompressedSize(bytes: Buffer, start: number, end: number): number {
  let position = start;
  let size = 0;
  while (position < end) {
    const token = bytes[position++] ?? 0;
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && position < end) {
        more = bytes[position++] ?? 0;
        literals += more;
      }
    }
    position += literals;
    size += literals;
    if (position >= end) break; // The last sequence has no match.
    position += 2;
    let match = (token & 15) + 4;
    if (match === 19) {
      let more = 255;
      while (more === 255 && position < end) {
        more = bytes[position++] ?? 0;
        match += more;
      }
    }
    size += match;
  }
  return size;
}

function readUInt32LE(bytes: Buffer, at: number): number {
  if (at + 4 > bytes.length) throw malformedBlock('lz4', 'it is cut short');
  return bytes.readUInt32LE(at);
}
