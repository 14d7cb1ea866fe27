/**
 * What of a batch may be done on the event loop while others wait, and what is left to a worker.
 *
 * A worker costs a copy of the batch and two messages between threads, some 0.1 ms in all. So what
 * is little is done at once, and the event loop is not held up by one batch for more than about a
 * millisecond. How much that is depends on the codec: at the bounds below it takes 0.5 ms to unfold
 * lines of a log that become 250 to 500 KB, and 0.1 to 0.5 ms to pack them (AMD EPYC, Node 20).
 */
import type { Codec } from '@odradek/protocol';

/** Records that lie there uncompressed are looked through at some 5 GB/s, small ones at 1 GB/s. */
export const SURVEYED_AT_ONCE_BYTES = 4 * 1024 * 1024;
/** Compressed bytes that are unfolded at once, if they do not become too many. */
export const UNFOLDED_AT_ONCE_BYTES: Readonly<Record<Codec, number>> = {
  none: SURVEYED_AT_ONCE_BYTES,
  gzip: 32 * 1024,
  snappy: 128 * 1024,
  lz4: 128 * 1024,
  zstd: 64 * 1024,
};
/** The most that they may become. */
export const UNFOLDED_AT_ONCE_BYTES_MAX = 512 * 1024;
/** From this level on zstd takes its time and memory even for a little. */
const SLOW_ZSTD_LEVEL = 7;
/** Unfolded records that are packed anew at once. */
const PACKED_AT_ONCE_BYTES: Readonly<Record<Codec, number>> = {
  none: UNFOLDED_AT_ONCE_BYTES_MAX,
  gzip: 24 * 1024,
  snappy: 128 * 1024,
  lz4: 128 * 1024,
  zstd: 64 * 1024,
};
/** @param level of the codec; its usual one when not given */
export function packedAtOnceBytes(codec: Codec, level = 0): number {
  return codec === 'zstd' && level >= SLOW_ZSTD_LEVEL ? 0 : PACKED_AT_ONCE_BYTES[codec];
}

/** Messages of magic 0 and 1 are taken apart one by one. */
export const REBUILT_AT_ONCE_BYTES = 64 * 1024;

/**
 * The most bytes that a client's compressed batch may unfold to, in a worker: what the client of this
 * project takes. A producer that is told MESSAGE_TOO_LARGE splits the batch.
 */
export const UNFOLDED_BATCH_BYTES_MAX = 64 * 1024 * 1024;

/** Whether the caller waits for everything, or would rather leave what is long to a worker. */
export type Pace = 'patient' | 'at-once';
