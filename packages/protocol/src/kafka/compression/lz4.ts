/**
 * lz4 in its frame format, of which the layout is in lz4-frame.ts.
 *
 * The library is given blocks, not frames: its own frame reader takes ten times as long, has no
 * bound, and does not notice a frame that ends between two blocks. Only frames whose blocks are
 * linked or have checksums, which Kafka's clients do not write, still go to it as a whole.
 */
import { UnfoldedBlocks } from './block-decoders.ts';
import { inTurn, lazyLibrary } from './library.ts';
import { type CodecImplementation, malformedBlock, refusedBlock } from './limit.ts';
import {
  estimatedSize,
  exactSize,
  type Lz4Block,
  type Lz4Frame,
  lz4FrameOf,
  readLz4Frame,
  WRITTEN_BLOCK_BYTES,
  withRightChecksum,
} from './lz4-frame.ts';

const library = lazyLibrary<typeof import('lz4-napi')>('lz4', 'lz4-napi');

/** The library's blocks have the size of their content in front, as uint32le. */
const SIZE_BYTES = 4;
/** Up to here allocating what a block might become is cheaper than counting what it does become. */
const COUNTED_ABOVE_BYTES = 256 * 1024;

export const lz4: CodecImplementation = {
  async compress(bytes, { magic = 2 }) {
    const { compress } = library();
    const slices = slicesOf(bytes);
    const blocks = await inTurn(slices, (slice) => compress(slice));
    return lz4FrameOf(
      blocks.map((block, index) => smaller(block, slices[index])),
      magic,
    );
  },
  compressSync(bytes, { magic = 2 }) {
    const { compressSync } = library();
    return lz4FrameOf(
      slicesOf(bytes).map((slice) => smaller(compressSync(slice), slice)),
      magic,
    );
  },
  async decompress(bytes, limitBytes, { magic = 2 }) {
    const { uncompress, decompressFrame } = library();
    const frame = readLz4Frame(bytes, limitBytes, magic);
    try {
      if (frame.linkedOrChecked) return await decompressFrame(wholeFrame(bytes, frame, magic));
      const parts = await inTurn(frame.blocks, (block) =>
        block.stored
          ? bytes.subarray(block.start, block.end)
          : uncompress(sized(bytes, block, frame)),
      );
      return joined(frame, parts);
    } catch (error) {
      throw refusedBlock('lz4', error);
    }
  },
  decompressSync(bytes, limitBytes, { magic = 2 }) {
    const { uncompressSync, decompressFrameSync } = library();
    const frame = readLz4Frame(bytes, limitBytes, magic);
    try {
      if (frame.linkedOrChecked) return decompressFrameSync(wholeFrame(bytes, frame, magic));
      return joined(
        frame,
        frame.blocks.map((block) =>
          block.stored
            ? bytes.subarray(block.start, block.end)
            : uncompressSync(sized(bytes, block, frame)),
        ),
      );
    } catch (error) {
      throw refusedBlock('lz4', error);
    }
  },
  decompressLent(bytes, limitBytes) {
    const frame = readLz4Frame(bytes, limitBytes, 2); // What is too much is seen before it is unfolded.
    if (frame.linkedOrChecked) return null;
    const unfolded = new UnfoldedBlocks(limitBytes);
    for (const { start, end, stored } of frame.blocks) {
      if (stored) unfolded.addStored(bytes, start, end);
      else if (unfolded.add('lz4', bytes, start, end, frame.largestBlockBytes) < 0) return null;
    }
    const { content } = unfolded;
    return frame.contentSizeBytes === null || frame.contentSizeBytes === content.length
      ? content
      : null;
  },
};

function slicesOf(bytes: Buffer): Buffer[] {
  const slices: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += WRITTEN_BLOCK_BYTES) {
    slices.push(bytes.subarray(start, start + WRITTEN_BLOCK_BYTES));
  }
  return slices;
}

/** A block that would not become smaller is stored; readers may refuse one above the block size. */
function smaller(block: Buffer, slice: Buffer = block): { bytes: Buffer; stored: boolean } {
  const bytes = block.subarray(SIZE_BYTES);
  return bytes.length < slice.length ? { bytes, stored: false } : { bytes: slice, stored: true };
}

/** The block as the library wants it; a size that is too large only costs memory. */
function sized(bytes: Buffer, block: Lz4Block, { largestBlockBytes }: Lz4Frame): Buffer {
  const estimate = estimatedSize(block, largestBlockBytes);
  const capacityBytes = estimate > COUNTED_ABOVE_BYTES ? exactSize(bytes, block) : estimate;
  const prefixed = Buffer.allocUnsafe(SIZE_BYTES + block.end - block.start);
  prefixed.writeUInt32LE(capacityBytes, 0);
  bytes.copy(prefixed, SIZE_BYTES, block.start, block.end);
  return prefixed;
}

function wholeFrame(bytes: Buffer, { end }: Lz4Frame, magic: number): Buffer {
  const frame = bytes.subarray(0, end);
  return magic === 0 ? withRightChecksum(frame) : frame;
}

function joined({ contentSizeBytes }: Lz4Frame, parts: readonly Buffer[]): Buffer {
  const content = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  if (contentSizeBytes !== null && contentSizeBytes !== content.length) {
    throw malformedBlock('lz4', `${content.length} bytes that should be ${contentSizeBytes}`);
  }
  return content;
}
