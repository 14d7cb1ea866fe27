/**
 * Who does zstd's work: node:zlib where the running Node has it (22.15 and later), else a
 * WebAssembly build.
 *
 * The WebAssembly build works on the calling thread, also for the promises, and takes a few
 * milliseconds to load, which begins when this file is first imported. The promises wait for it;
 * the sync functions cannot, so who uses them right after start awaits `zstdReady` before. An
 * engine is given one frame at a time, since node:zlib stops after the first one without a word.
 */
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { KafkaError } from '../errors.ts';
import { lazyLibrary } from './library.ts';
import { LENT_BYTES_MAX } from './limit.ts';

export interface ZstdEngine {
  compress(bytes: Buffer, level: number): Promise<Buffer>;
  compressSync(bytes: Buffer, level: number): Buffer;
  /** Fails, in its own way, when the frame holds more than `capacityBytes`. */
  decompressFrame(frame: Buffer, capacityBytes: number): Promise<Buffer>;
  decompressFrameSync(frame: Buffer, capacityBytes: number): Buffer;
  /**
   * All frames of `bytes`, into memory that the next call of this engine overwrites.
   * @param limitBytes at most LENT_BYTES_MAX
   * @returns null when there is no such way here, or they are damaged
   */
  decompressLent(bytes: Buffer, limitBytes: number): Buffer | 'too-large' | null;
  /** Whether a failure of the two above was about the capacity. */
  isTooSmall(failure: unknown): boolean;
}

/** node:zlib's functions that came after Node 20, as far as they are used here. */
interface ZstdOfNode {
  zstdCompress(bytes: Buffer, options: NodeCompressOptions, done: Done): void;
  zstdCompressSync(bytes: Buffer, options: NodeCompressOptions): Buffer;
  zstdDecompress(bytes: Buffer, options: NodeDecompressOptions, done: Done): void;
  zstdDecompressSync(bytes: Buffer, options: NodeDecompressOptions): Buffer;
}
type NodeCompressOptions = { params: Record<number, number>; pledgedSrcSize: number };
type NodeDecompressOptions = { maxOutputLength: number };
type Done = (error: Error | null, result: Buffer) => void;

/** `ZSTD_c_compressionLevel`: the parameter's number in zstd's own interface. */
const COMPRESSION_LEVEL_PARAMETER = 100;

const wasm = lazyLibrary<typeof import('@bokuweb/zstd-wasm')>('zstd', '@bokuweb/zstd-wasm');
let wasmLoaded = false;

const nodeHasIt = 'zstdCompress' in zlib && 'zstdDecompress' in zlib;

/** Which one runs: `node` works off the event loop, `wasm` on it. */
export const zstdImplementation: 'node' | 'wasm' = nodeHasIt ? 'node' : 'wasm';

/** Settles when zstd can be used synchronously. */
export const zstdReady: Promise<void> = nodeHasIt ? Promise.resolve() : loadWasm();
zstdReady.catch(() => {}); // Whoever needs zstd awaits it and is told; nobody else has to care.

export const zstdEngine: ZstdEngine = nodeHasIt
  ? engineOfNode(zlib as unknown as ZstdOfNode)
  : engineOfWasm();

function engineOfNode(node: ZstdOfNode): ZstdEngine {
  const compressInPool = promisify(node.zstdCompress);
  const decompressInPool = promisify(node.zstdDecompress);
  // With the size pledged the frame tells it, and readers allocate once.
  const optionsOf = (bytes: Buffer, level: number) => ({
    params: { [COMPRESSION_LEVEL_PARAMETER]: level },
    pledgedSrcSize: bytes.length,
  });
  return {
    compress: (bytes, level) => compressInPool(bytes, optionsOf(bytes, level)),
    compressSync: (bytes, level) => node.zstdCompressSync(bytes, optionsOf(bytes, level)),
    decompressFrame: (frame, maxOutputLength) => decompressInPool(frame, { maxOutputLength }),
    decompressFrameSync: (frame, maxOutputLength) =>
      node.zstdDecompressSync(frame, { maxOutputLength }),
    decompressLent: () => null,
    isTooSmall: (failure) =>
      failure !== null &&
      typeof failure === 'object' &&
      Reflect.get(failure, 'code') === 'ERR_BUFFER_TOO_LARGE',
  };
}

function engineOfWasm(): ZstdEngine {
  const compress = (bytes: Buffer, level: number) => asBuffer(wasm().compress(bytes, level));
  const decompress = (frame: Buffer, capacityBytes: number) =>
    asBuffer(wasm().decompress(frame, { defaultHeapSize: capacityBytes }));
  return {
    async compress(bytes, level) {
      await zstdReady;
      return compress(bytes, level);
    },
    compressSync(bytes, level) {
      requireLoaded();
      return compress(bytes, level);
    },
    async decompressFrame(frame, capacityBytes) {
      await zstdReady;
      return decompress(frame, capacityBytes);
    },
    decompressFrameSync(frame, capacityBytes) {
      requireLoaded();
      return decompress(frame, capacityBytes);
    },
    decompressLent(bytes, limitBytes) {
      if (!wasmLoaded || bytes.length > LENT_BYTES_MAX) return null;
      if (lent === undefined) lent = lentMemory();
      if (lent === null) return null;
      const { heap, inputAt, outputAt } = lent;
      heap.HEAPU8.set(bytes, inputAt);
      const sizeBytes = heap._ZSTD_decompress(outputAt, limitBytes, inputAt, bytes.length);
      if (sizeBytes === DESTINATION_TOO_SMALL) return 'too-large';
      if (sizeBytes < 0 || sizeBytes > limitBytes) return null;
      return Buffer.from(heap.HEAPU8.buffer, outputAt, sizeBytes);
    },
    // The library tells only zstd's number: -70 is "destination buffer is too small".
    isTooSmall: (failure) => String(failure).endsWith(` ${DESTINATION_TOO_SMALL}`),
  };
}

/** Of zstd's errors, as a number below zero. */
const DESTINATION_TOO_SMALL = -70;

/** What is used of the library's insides: its memory, which moves when it grows, and what works on it. */
interface WasmHeap {
  readonly HEAPU8: Uint8Array<ArrayBuffer>;
  _malloc(sizeBytes: number): number;
  _ZSTD_decompress(to: number, roomBytes: number, from: number, sizeBytes: number): number;
}

interface LentMemory {
  readonly heap: WasmHeap;
  readonly inputAt: number;
  readonly outputAt: number;
}

/** null: not with this version of the library. */
let lent: LentMemory | null | undefined;

/** Room in the library's own memory, which its functions would allocate anew, clear, and copy out of for each frame. */
function lentMemory(): LentMemory | null {
  const heap = heapOfLibrary();
  if (heap === null) return null;
  const inputAt = heap._malloc(LENT_BYTES_MAX);
  const outputAt = heap._malloc(LENT_BYTES_MAX);
  return inputAt > 0 && outputAt > 0 ? { heap, inputAt, outputAt } : null;
}

function heapOfLibrary(): WasmHeap | null {
  try {
    const inside = createRequire(createRequire(import.meta.url).resolve('@bokuweb/zstd-wasm'));
    const heap: unknown = Object(inside('./module.js')).Module;
    return isHeap(heap) ? heap : null;
  } catch {
    return null; // Its files are arranged otherwise.
  }
}

function isHeap(heap: unknown): heap is WasmHeap {
  return (
    typeof heap === 'object' &&
    heap !== null &&
    ArrayBuffer.isView(Reflect.get(heap, 'HEAPU8')) &&
    typeof Reflect.get(heap, '_malloc') === 'function' &&
    typeof Reflect.get(heap, '_ZSTD_decompress') === 'function'
  );
}

async function loadWasm(): Promise<void> {
  await wasm().init();
  wasmLoaded = true;
}

function requireLoaded(): void {
  if (wasmLoaded) return;
  throw new KafkaError(
    'UNSUPPORTED_COMPRESSION_TYPE',
    'zstd is still loading: await zstdReady before the first synchronous use',
  );
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
