/**
 * snappy, as one raw block or in the framing of xerial's snappy-java.
 *
 * Java and Scala clients write the framing, librdkafka and others one raw block: both are read,
 * the framing is written. It is a header of 16 bytes (a magic of 8, two versions), then blocks,
 * each behind its size as int32. A raw block begins with the size of what comes out, so limits are
 * checked before anything is allocated.
 */
import { UnfoldedBlocks } from './block-decoders.ts';
import { inTurn, lazyLibrary } from './library.ts';
import {
  type CodecImplementation,
  DecompressionLimitExceeded,
  malformedBlock,
  refusedBlock,
} from './limit.ts';

const library = lazyLibrary<typeof import('snappy')>('snappy', 'snappy');

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_VERSION = 1;
const XERIAL_HEADER_BYTES = 16;
/** What goes into one block of the framing; snappy-java's own choice. */
const XERIAL_BLOCK_BYTES = 32 * 1024;
/** The densest element copies 64 bytes and takes 3. */
const MOST_BYTES_PER_BYTE = 64 / 3;

/** The library's own buffers come from outside of V8 and are slower to make than a copy. */
const ENCODING = { copyOutputData: true } as const;
const DECODING = { asBuffer: true, copyOutputData: true } as const;

export const snappy: CodecImplementation = {
  async compress(bytes) {
    const { compress } = library();
    return framed(await inTurn(slices(bytes), (slice) => compress(slice, ENCODING)));
  },
  compressSync(bytes) {
    const { compressSync } = library();
    return framed(slices(bytes).map((slice) => compressSync(slice, ENCODING)));
  },
  async decompress(bytes, limitBytes) {
    const { uncompress } = library();
    const blocks = blocksOf(bytes, limitBytes);
    try {
      return joined(
        await inTurn(blocks, async (block) => asBuffer(await uncompress(block, DECODING))),
      );
    } catch (error) {
      throw refusedBlock('snappy', error);
    }
  },
  decompressSync(bytes, limitBytes) {
    const { uncompressSync } = library();
    const blocks = blocksOf(bytes, limitBytes);
    try {
      return joined(blocks.map((block) => asBuffer(uncompressSync(block, DECODING))));
    } catch (error) {
      throw refusedBlock('snappy', error);
    }
  },
  decompressLent(bytes, limitBytes) {
    const unfolded = new UnfoldedBlocks(limitBytes);
    for (const block of blocksOf(bytes, limitBytes)) {
      const sizeBytes = uncompressedSize(block);
      const start = 1 + block.findIndex((byte) => byte < 0x80);
      if (unfolded.add('snappy', block, start, block.length, sizeBytes) !== sizeBytes) return null;
    }
    return unfolded.content;
  },
};

function slices(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += XERIAL_BLOCK_BYTES) {
    parts.push(bytes.subarray(start, start + XERIAL_BLOCK_BYTES));
  }
  return parts;
}

function framed(blocks: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(XERIAL_HEADER_BYTES);
  XERIAL_MAGIC.copy(header);
  header.writeInt32BE(XERIAL_VERSION, 8);
  header.writeInt32BE(XERIAL_VERSION, 12);
  const parts: Buffer[] = [header];
  for (const block of blocks) {
    const size = Buffer.allocUnsafe(4);
    size.writeInt32BE(block.length, 0);
    parts.push(size, block);
  }
  return Buffer.concat(parts);
}

/** The raw blocks of either form, after a look at how much they will take. */
function blocksOf(bytes: Buffer, limitBytes: number): Buffer[] {
  const blocks = startsWithMagic(bytes, 0) ? xerialBlocks(bytes) : [bytes];
  let totalBytes = 0;
  for (const block of blocks) {
    const sizeBytes = uncompressedSize(block);
    totalBytes += sizeBytes;
    if (totalBytes > limitBytes) throw new DecompressionLimitExceeded('snappy', limitBytes);
    if (sizeBytes > block.length * MOST_BYTES_PER_BYTE) {
      throw malformedBlock('snappy', `${sizeBytes} bytes out of ${block.length}`);
    }
  }
  return blocks;
}

function startsWithMagic(bytes: Buffer, at: number): boolean {
  return (
    bytes.length - at >= XERIAL_MAGIC.length &&
    bytes.compare(XERIAL_MAGIC, 0, XERIAL_MAGIC.length, at, at + XERIAL_MAGIC.length) === 0
  );
}

function xerialBlocks(bytes: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  let position = 0;
  while (position < bytes.length) {
    // Streams may be joined: a header can stand wherever a block could begin.
    if (startsWithMagic(bytes, position)) {
      position += XERIAL_HEADER_BYTES;
      if (position > bytes.length) throw malformedBlock('snappy', 'cut short in the header');
      continue;
    }
    if (bytes.length - position < 4) throw malformedBlock('snappy', 'cut short between blocks');
    const sizeBytes = bytes.readInt32BE(position);
    position += 4;
    if (sizeBytes <= 0 || sizeBytes > bytes.length - position) {
      throw malformedBlock('snappy', `a block of ${sizeBytes} bytes`);
    }
    blocks.push(bytes.subarray(position, position + sizeBytes));
    position += sizeBytes;
  }
  return blocks;
}

/** The varint that a raw block begins with. */
function uncompressedSize(block: Buffer): number {
  let size = 0;
  for (let index = 0; index < 5; index++) {
    const byte = block[index];
    if (byte === undefined) break;
    size += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return size;
  }
  throw malformedBlock('snappy', 'it does not begin with a size');
}

/** The library's types allow for text, which only comes if it is asked for. */
function asBuffer(content: Buffer | string): Buffer {
  return typeof content === 'string' ? Buffer.from(content) : content;
}

function joined(parts: readonly Buffer[]): Buffer {
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}
