/**
 * A look at zstd frames without decompressing them: where each ends, and how much it can become.
 *
 * Needed because a frame may leave out the size of its content (Java's writer does), while a
 * reader has to know what to allocate, and to refuse, beforehand.
 * @see RFC 8878, section 3.1
 */
import { malformedBlock } from './limit.ts';

export interface ZstdFrame {
  readonly start: number;
  readonly end: number;
  /** True for frames that hold data of other programs and no content. */
  readonly skippable: boolean;
  /** The size that the frame itself claims; null when it does not. */
  readonly contentSizeBytes: number | null;
  /** No frame of these blocks can become more. */
  readonly mostBytes: number;
}

const FRAME_MAGIC = 0xfd2fb528;
/** The lowest of 16 magic numbers for frames to be skipped. */
const SKIPPABLE_MAGIC = 0x184d2a50;
const LARGEST_BLOCK_BYTES = 128 * 1024;
const CHECKSUM_BYTES = 4;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const BLOCK_TYPE = { raw: 0, runLength: 1, compressed: 2 } as const;

/**
 * All frames of `bytes`.
 * @throws MalformedMessage when they are not whole frames one after the other
 */
export function zstdFrames(bytes: Buffer): ZstdFrame[] {
  const frames: ZstdFrame[] = [];
  let position = 0;
  do {
    const frame = readFrame(bytes, position);
    frames.push(frame);
    position = frame.end;
  } while (position < bytes.length);
  return frames;
}

function readFrame(bytes: Buffer, start: number): ZstdFrame {
  const magic = readUInt(bytes, start, 4);
  if (magic >>> 4 === SKIPPABLE_MAGIC >>> 4) {
    const end = start + 8 + readUInt(bytes, start + 4, 4);
    if (end > bytes.length) throw cutShort();
    return { start, end, skippable: true, contentSizeBytes: null, mostBytes: 0 };
  }
  if (magic !== FRAME_MAGIC) throw malformedBlock('zstd', 'it is not a frame');
  const descriptor = readUInt(bytes, start + 4, 1);
  const singleSegment = (descriptor & 0x20) !== 0;
  const sizeCode = descriptor >>> 6;
  // In a single segment the content size replaces the window's, so it is there even for code 0.
  const sizeBytes = sizeCode === 0 && singleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeCode] ?? 0);
  let position = start + 5 + (singleSegment ? 0 : 1) + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0);
  const contentSizeBytes = sizeBytes === 0 ? null : readContentSize(bytes, position, sizeBytes);
  position += sizeBytes;
  const blocks = readBlocks(bytes, position);
  const end = blocks.end + (descriptor & 0x04 ? CHECKSUM_BYTES : 0);
  if (end > bytes.length) throw cutShort();
  return { start, end, skippable: false, contentSizeBytes, mostBytes: blocks.mostBytes };
}

function readBlocks(bytes: Buffer, start: number): { end: number; mostBytes: number } {
  let position = start;
  let mostBytes = 0;
  for (let last = false; !last; ) {
    const header = readUInt(bytes, position, 3);
    position += 3;
    last = (header & 1) === 1;
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    if (type === BLOCK_TYPE.runLength) {
      mostBytes += size; // One byte, repeated.
      position += 1;
    } else if (type === BLOCK_TYPE.raw) {
      mostBytes += size;
      position += size;
    } else if (type === BLOCK_TYPE.compressed) {
      mostBytes += LARGEST_BLOCK_BYTES;
      position += size;
    } else {
      throw malformedBlock('zstd', 'a block of a type that is not defined');
    }
    if (size > LARGEST_BLOCK_BYTES) throw malformedBlock('zstd', `a block of ${size} bytes`);
    if (position > bytes.length) throw cutShort();
  }
  return { end: position, mostBytes };
}

function readContentSize(bytes: Buffer, at: number, sizeBytes: number): number {
  const low = readUInt(bytes, at, Math.min(sizeBytes, 4));
  if (sizeBytes === 2) return low + 256; // Smaller ones take one byte.
  return sizeBytes === 8 ? low + readUInt(bytes, at + 4, 4) * 2 ** 32 : low;
}

function readUInt(bytes: Buffer, at: number, sizeBytes: number): number {
  if (at + sizeBytes > bytes.length) throw cutShort();
  return bytes.readUIntLE(at, sizeBytes);
}

function cutShort() {
  return malformedBlock('zstd', 'it is cut short');
}
