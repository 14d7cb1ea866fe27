/**
 * How far decompression may go: a few hundred bytes can claim gigabytes, so every codec is given
 * a limit and checks it before it allocates. What all codecs share about failing is here too.
 */
import { MalformedMessage, ProtocolError } from '../../errors.ts';
import type { Codec } from './codec.ts';

/** The limit where a caller gives none. Far above what any usual `max.message.bytes` unpacks to. */
export const DEFAULT_DECOMPRESSED_LIMIT_BYTES = 64 * 1024 * 1024;

export interface CompressOptions {
  /** The codec's own scale: gzip 1 to 9, zstd -131072 to 22; snappy and lz4 have one level here. */
  readonly level?: number;
  /** The message format that the block is for, which matters to lz4 only; 2 when left out. */
  readonly magic?: 0 | 1 | 2;
}

export interface DecompressOptions {
  /** The most bytes that may come out. */
  readonly limitBytes?: number;
  /** The message format that the block is from, which matters to lz4 only; 2 when left out. */
  readonly magic?: 0 | 1 | 2;
}

/** What each codec's file offers. The sync twins work on the calling thread. */
export interface CodecImplementation {
  compress(bytes: Buffer, options: CompressOptions): Promise<Buffer>;
  compressSync(bytes: Buffer, options: CompressOptions): Buffer;
  decompress(bytes: Buffer, limitBytes: number, options: DecompressOptions): Promise<Buffer>;
  decompressSync(bytes: Buffer, limitBytes: number, options: DecompressOptions): Buffer;
  /**
   * As `decompressSync`, of magic 2, into memory that the next such call of any codec may overwrite, and any other call of this codec.
   * @param limitBytes at most {@link LENT_BYTES_MAX}
   * @returns null when it cannot be done in this way, damage included: `decompressSync` knows more
   */
  decompressLent(bytes: Buffer, limitBytes: number): Buffer | null;
}

/** The most that is unfolded into memory that is used again. */
export const LENT_BYTES_MAX = 2 * 1024 * 1024;

/** A block would take more bytes than its reader allows, and was not decompressed. */
export class DecompressionLimitExceeded extends ProtocolError {
  override readonly name = 'DecompressionLimitExceeded';
  readonly code = 'DECOMPRESSION_LIMIT_EXCEEDED';
  readonly retriable = false;
  readonly limitBytes: number;

  constructor(codec: Codec, limitBytes: number, options?: ErrorOptions) {
    super(`a ${codec} block would decompress to more than ${limitBytes} bytes`, options);
    this.limitBytes = limitBytes;
  }
}

/** A block that the codec's library or our own look at it refused. */
export function malformedBlock(codec: Codec, reason: string, options?: ErrorOptions) {
  return new MalformedMessage(`a malformed ${codec} block: ${reason}`, options);
}

/** The same for a failure that a library reported; what we found ourselves stays as it is. */
export function refusedBlock(codec: Codec, cause: unknown): ProtocolError {
  if (cause instanceof ProtocolError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return malformedBlock(codec, reason, { cause });
}
