/**
 * zstd (RFC 8878): one frame is written, any number is read.
 *
 * Frames are looked over before the engine sees them, because what a frame claims is what would
 * be allocated, and what it does not claim has to be estimated. Which engine runs, and that one
 * of them has to be loaded first, is in zstd-engine.ts.
 */
import {
  type CodecImplementation,
  DecompressionLimitExceeded,
  malformedBlock,
  refusedBlock,
} from './limit.ts';
import { zstdEngine } from './zstd-engine.ts';
import { type ZstdFrame, zstdFrames } from './zstd-frame.ts';

const DEFAULT_LEVEL = 3;

export const zstd: CodecImplementation = {
  compress: (bytes, { level = DEFAULT_LEVEL }) => zstdEngine.compress(bytes, level),
  compressSync: (bytes, { level = DEFAULT_LEVEL }) => zstdEngine.compressSync(bytes, level),
  async decompress(bytes, limitBytes) {
    const parts: Buffer[] = [];
    let leftBytes = limitBytes;
    for (const frame of zstdFrames(bytes)) {
      if (frame.skippable) continue;
      const capacityBytes = checkedCapacity(frame, leftBytes, limitBytes);
      const frameBytes = bytes.subarray(frame.start, frame.end);
      try {
        parts.push(await zstdEngine.decompressFrame(frameBytes, capacityBytes));
      } catch (error) {
        throw failure(error, limitBytes);
      }
      leftBytes -= parts.at(-1)?.length ?? 0;
    }
    return joined(parts);
  },
  decompressSync(bytes, limitBytes) {
    const parts: Buffer[] = [];
    let leftBytes = limitBytes;
    for (const frame of zstdFrames(bytes)) {
      if (frame.skippable) continue;
      const capacityBytes = checkedCapacity(frame, leftBytes, limitBytes);
      const frameBytes = bytes.subarray(frame.start, frame.end);
      try {
        parts.push(zstdEngine.decompressFrameSync(frameBytes, capacityBytes));
      } catch (error) {
        throw failure(error, limitBytes);
      }
      leftBytes -= parts.at(-1)?.length ?? 0;
    }
    return joined(parts);
  },
  decompressLent: (bytes, limitBytes) => {
    const content = zstdEngine.decompressLent(bytes, limitBytes);
    if (content === 'too-large') throw new DecompressionLimitExceeded('zstd', limitBytes);
    return content;
  },
};

/** Room for one frame, after refusing what claims more than is left or than its blocks can hold. */
function checkedCapacity(frame: ZstdFrame, leftBytes: number, limitBytes: number): number {
  const { contentSizeBytes, mostBytes } = frame;
  if (contentSizeBytes !== null && contentSizeBytes > leftBytes) {
    throw new DecompressionLimitExceeded('zstd', limitBytes);
  }
  if (contentSizeBytes !== null && contentSizeBytes > mostBytes) {
    throw malformedBlock('zstd', `it claims ${contentSizeBytes} bytes, too many for its blocks`);
  }
  // A limit of no bytes is none to the engines; one byte more than the limit cannot do harm.
  return Math.max(1, Math.min(contentSizeBytes ?? mostBytes, leftBytes));
}

/** The capacity is never below what a well-formed frame needs, except where the limit cut it down. */
function failure(error: unknown, limitBytes: number): Error {
  if (zstdEngine.isTooSmall(error)) {
    return new DecompressionLimitExceeded('zstd', limitBytes, { cause: error });
  }
  return refusedBlock('zstd', error);
}

function joined(parts: readonly Buffer[]): Buffer {
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}
