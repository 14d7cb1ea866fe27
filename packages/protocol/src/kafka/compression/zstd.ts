/**
 * zstd: node:zlib's where the running Node has it (22.15 and later), else a WebAssembly build.
 *
 * The WebAssembly build works on the calling thread, also for the promises, and takes a few
 * milliseconds to load, which begins with the first import of this file. The promises wait for it;
 * the sync twins cannot, so who uses them with zstd right after start awaits `zstdReady` before.
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import {
  compress as compressInWasm,
  decompress as decompressInWasm,
  init as loadWasm,
} from '@bokuweb/zstd-wasm';
import { KafkaError } from '../errors.ts';
import {
  type CodecImplementation,
  DecompressionLimitExceeded,
  malformedBlock,
  refusedBlock,
} from './limit.ts';
import { type ZstdFrame, zstdFrames } from './zstd-frame.ts';

const DEFAULT_LEVEL = 3;
/** `ZSTD_c_compressionLevel`: the parameter's number in zstd's own interface. */
const COMPRESSION_LEVEL_PARAMETER = 100;

/** node:zlib's functions that came after Node 20, as far as they are used here. */
interface ZstdOfNode {
  compress(bytes: Buffer, options: { params: Record<number, number> }): Promise<Buffer>;
  compressSync(bytes: Buffer, options: { params: Record<number, number> }): Buffer;
  decompress(bytes: Buffer, options: { maxOutputLength: number }): Promise<Buffer>;
  decompressSync(bytes: Buffer, options: { maxOutputLength: number }): Buffer;
}

const ofNode = zstdOfNode();
let wasmLoaded = false;

/** Which one runs: `node` works off the event loop, `wasm` on it. */
export const zstdImplementation: 'node' | 'wasm' = ofNode === null ? 'wasm' : 'node';

/** Settles when zstd can be used synchronously. */
export const zstdReady: Promise<void> = ofNode === null ? load() : Promise.resolve();
zstdReady.catch(() => {}); // Whoever needs zstd awaits it and is told; nobody else has to care.

export const zstd: CodecImplementation = ofNode === null ? inWasm() : inNode(ofNode);

function inNode(node: ZstdOfNode): CodecImplementation {
  const levelled = (level = DEFAULT_LEVEL) => ({
    params: { [COMPRESSION_LEVEL_PARAMETER]: level },
  });
  return {
    compress: (bytes, { level }) => node.compress(bytes, levelled(level)),
    compressSync: (bytes, { level }) => node.compressSync(bytes, levelled(level)),
    async decompress(bytes, limitBytes) {
      checkedFrames(bytes, limitBytes);
      try {
        return await node.decompress(bytes, { maxOutputLength: limitBytes });
      } catch (error) {
        throw failureOfNode(error, limitBytes);
      }
    },
    decompressSync(bytes, limitBytes) {
      checkedFrames(bytes, limitBytes);
      try {
        return node.decompressSync(bytes, { maxOutputLength: limitBytes });
      } catch (error) {
        throw failureOfNode(error, limitBytes);
      }
    },
  };
}

function failureOfNode(error: unknown, limitBytes: number): Error {
  const tooLarge =
    error instanceof RangeError && Reflect.get(error, 'code') === 'ERR_BUFFER_TOO_LARGE';
  if (tooLarge) return new DecompressionLimitExceeded('zstd', limitBytes, { cause: error });
  return refusedBlock('zstd', error);
}

function inWasm(): CodecImplementation {
  return {
    async compress(bytes, { level }) {
      await zstdReady;
      return compressLoaded(bytes, level);
    },
    compressSync(bytes, { level }) {
      requireLoaded();
      return compressLoaded(bytes, level);
    },
    async decompress(bytes, limitBytes) {
      await zstdReady;
      return decompressLoaded(bytes, limitBytes);
    },
    decompressSync(bytes, limitBytes) {
      requireLoaded();
      return decompressLoaded(bytes, limitBytes);
    },
  };
}

async function load(): Promise<void> {
  await loadWasm();
  wasmLoaded = true;
}

function requireLoaded(): void {
  if (wasmLoaded) return;
  throw new KafkaError(
    'UNSUPPORTED_COMPRESSION_TYPE',
    'zstd is still loading: await zstdReady before the first synchronous use',
  );
}

function compressLoaded(bytes: Buffer, level = DEFAULT_LEVEL): Buffer {
  return asBuffer(compressInWasm(bytes, level));
}

/** Frame by frame, since the library allocates by the first one's claim. */
function decompressLoaded(bytes: Buffer, limitBytes: number): Buffer {
  const parts: Buffer[] = [];
  let leftBytes = limitBytes;
  for (const frame of checkedFrames(bytes, limitBytes)) {
    if (frame.skippable) continue;
    const part = decompressFrame(
      bytes.subarray(frame.start, frame.end),
      frame,
      leftBytes,
      limitBytes,
    );
    leftBytes -= part.length;
    parts.push(part);
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

function decompressFrame(
  bytes: Buffer,
  frame: ZstdFrame,
  leftBytes: number,
  limitBytes: number,
): Buffer {
  const capacityBytes = Math.min(frame.mostBytes, leftBytes);
  try {
    return asBuffer(decompressInWasm(bytes, { defaultHeapSize: capacityBytes }));
  } catch (error) {
    // -70 is zstd's "destination buffer is too small": only possible where the limit cut it down.
    const tooSmall = error instanceof Error && error.message.endsWith(' -70');
    if (tooSmall && capacityBytes < frame.mostBytes) {
      throw new DecompressionLimitExceeded('zstd', limitBytes, { cause: error });
    }
    throw refusedBlock('zstd', error);
  }
}

/** Refuses what claims more than the limit, or claims more than its blocks could ever hold. */
function checkedFrames(bytes: Buffer, limitBytes: number): ZstdFrame[] {
  const frames = zstdFrames(bytes);
  let claimedBytes = 0;
  for (const { contentSizeBytes, mostBytes } of frames) {
    claimedBytes += contentSizeBytes ?? 0;
    if (claimedBytes > limitBytes) throw new DecompressionLimitExceeded('zstd', limitBytes);
    if (contentSizeBytes !== null && contentSizeBytes > mostBytes) {
      throw malformedBlock('zstd', `it claims ${contentSizeBytes} bytes, too many for its blocks`);
    }
  }
  return frames;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function zstdOfNode(): ZstdOfNode | null {
  const functions: Record<string, unknown> = { ...zlib };
  const { zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } = functions;
  if (
    typeof zstdCompress !== 'function' ||
    typeof zstdCompressSync !== 'function' ||
    typeof zstdDecompress !== 'function' ||
    typeof zstdDecompressSync !== 'function'
  ) {
    return null;
  }
  return {
    compress: promisify(zstdCompress as never) as ZstdOfNode['compress'],
    compressSync: zstdCompressSync as ZstdOfNode['compressSync'],
    decompress: promisify(zstdDecompress as never) as ZstdOfNode['decompress'],
    decompressSync: zstdDecompressSync as ZstdOfNode['decompressSync'],
  };
}
