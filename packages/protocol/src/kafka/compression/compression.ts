/**
 * Compressing and decompressing records sections (magic 2) and wrapper values (magic 0 and 1).
 *
 * One codec per file; this one chooses. `compress` and `decompress` work in libuv's pool so that
 * the event loop goes on (zstd on a Node without it is the exception, see zstd.ts); the sync twins
 * are for small blocks, where the way to the pool costs more than the work. The bytes given must
 * not change until the promise settles.
 */
import type { Codec } from './codec.ts';
import { gzip } from './gzip.ts';
import {
  type CodecImplementation,
  type CompressOptions,
  DEFAULT_DECOMPRESSED_LIMIT_BYTES,
  DecompressionLimitExceeded,
  type DecompressOptions,
  LENT_BYTES_MAX,
} from './limit.ts';
import { lz4 } from './lz4.ts';
import { snappy } from './snappy.ts';
import { zstd } from './zstd.ts';

const implementations: Readonly<Record<Exclude<Codec, 'none'>, CodecImplementation>> = {
  gzip,
  snappy,
  lz4,
  zstd,
};

/** Compresses off the event loop; `none` gives the same buffer back. */
export async function compress(
  codec: Codec,
  bytes: Buffer,
  options: CompressOptions = {},
): Promise<Buffer> {
  return codec === 'none' ? bytes : implementations[codec].compress(bytes, options);
}

/** Compresses on the calling thread; `none` gives the same buffer back. */
export function compressSync(codec: Codec, bytes: Buffer, options: CompressOptions = {}): Buffer {
  return codec === 'none' ? bytes : implementations[codec].compressSync(bytes, options);
}

/**
 * Decompresses off the event loop; `none` gives the same buffer back.
 * @throws MalformedMessage when the bytes are not what the codec writes
 * @throws DecompressionLimitExceeded when more than `limitBytes` would come out
 */
export async function decompress(
  codec: Codec,
  bytes: Buffer,
  options: DecompressOptions = {},
): Promise<Buffer> {
  const limitBytes = options.limitBytes ?? DEFAULT_DECOMPRESSED_LIMIT_BYTES;
  if (codec === 'none') return withinLimit(bytes, limitBytes);
  return implementations[codec].decompress(bytes, limitBytes, options);
}

/** As `decompress`, on the calling thread. */
export function decompressSync(
  codec: Codec,
  bytes: Buffer,
  options: DecompressOptions = {},
): Buffer {
  const limitBytes = options.limitBytes ?? DEFAULT_DECOMPRESSED_LIMIT_BYTES;
  if (codec === 'none') return withinLimit(bytes, limitBytes);
  return implementations[codec].decompressSync(bytes, limitBytes, options);
}

/**
 * As `decompressSync`, into memory that is used again: what it gives is there until the next call of this module. For
 * bytes that are looked through at once. What becomes more than {@link LENT_BYTES_MAX}, or is unusual, is new memory after all.
 */
export function decompressLent(
  codec: Codec,
  bytes: Buffer,
  options: Pick<DecompressOptions, 'limitBytes'> = {},
): Buffer {
  const { limitBytes = DEFAULT_DECOMPRESSED_LIMIT_BYTES } = options;
  const lent = codec === 'none' ? null : inLentMemory(codec, bytes, limitBytes);
  return lent ?? decompressSync(codec, bytes, { limitBytes });
}

function inLentMemory(
  codec: Exclude<Codec, 'none'>,
  bytes: Buffer,
  limitBytes: number,
): Buffer | null {
  try {
    return implementations[codec].decompressLent(bytes, Math.min(limitBytes, LENT_BYTES_MAX));
  } catch (error) {
    if (error instanceof DecompressionLimitExceeded && limitBytes > LENT_BYTES_MAX) return null;
    throw error;
  }
}

function withinLimit(bytes: Buffer, limitBytes: number): Buffer {
  if (bytes.length > limitBytes) throw new DecompressionLimitExceeded('none', limitBytes);
  return bytes;
}
