/**
 * Who does zstd's work: node:zlib where the running Node has it (22.15 and later), else a
 * WebAssembly build.
 *
 * The WebAssembly build works on the calling thread, also for the promises, and takes a few
 * milliseconds to load, which begins when this file is first imported. The promises wait for it;
 * the sync functions cannot, so who uses them right after start awaits `zstdReady` before. An
 * engine is given one frame at a time, since node:zlib stops after the first one without a word.
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { KafkaError } from '../errors.ts';
import { lazyLibrary } from './library.ts';

export interface ZstdEngine {
  compress(bytes: Buffer, level: number): Promise<Buffer>;
  compressSync(bytes: Buffer, level: number): Buffer;
  /** Fails, in its own way, when the frame holds more than `capacityBytes`. */
  decompressFrame(frame: Buffer, capacityBytes: number): Promise<Buffer>;
  decompressFrameSync(frame: Buffer, capacityBytes: number): Buffer;
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
    // The library tells only zstd's number: -70 is "destination buffer is too small".
    isTooSmall: (failure) => String(failure).endsWith(' -70'),
  };
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
