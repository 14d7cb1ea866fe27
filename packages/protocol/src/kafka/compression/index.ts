/** Compression of records: what users of the package see. The codecs themselves stay inside. */
export { type Codec, codecId, codecOf, codecs } from './codec.ts';
export {
  compress,
  compressSync,
  decompress,
  decompressLent,
  decompressSync,
} from './compression.ts';
export {
  type CompressOptions,
  DEFAULT_DECOMPRESSED_LIMIT_BYTES,
  DecompressionLimitExceeded,
  type DecompressOptions,
  LENT_BYTES_MAX,
} from './limit.ts';
export { zstdImplementation, zstdReady } from './zstd-engine.ts';
