/**
 * A `records` field or a piece of a log: entries of any magic, one after the other.
 *
 * The last one may be cut short, since brokers cut fetched slices by size: it is left out. Where
 * nothing may be missing, as in a produce request, compare the sizes with that of the field.
 */
import { batchSize, magic } from './batch-v2.ts';
import {
  type DecodedBatch,
  type DecodeOptions,
  decodeBatch,
  decodeBatchAsync,
} from './decode-batch.ts';
import { decodeMessage, decodeMessageAsync } from './decode-message-set.ts';

/**
 * The positions of all entries that are there as a whole.
 * @throws MalformedMessage at an entry whose size or magic cannot be right
 */
export function* batchPositions(buffer: Buffer): Generator<number, void, undefined> {
  let position = 0;
  while (true) {
    const sizeBytes = batchSize(buffer, position);
    if (sizeBytes === -1) return;
    yield position;
    position += sizeBytes;
  }
}

/**
 * Decodes one entry of any magic; a message of magic 0 or 1 is a batch of one, or of what it wraps.
 * Throws as `decodeBatch` does.
 */
export function decodeAnyBatch(buffer: Buffer, at: number, options?: DecodeOptions): DecodedBatch {
  return isMagic2(buffer, at)
    ? decodeBatch(buffer, at, options)
    : decodeMessage(buffer, at, options);
}

/** As `decodeAnyBatch`, but a codec's work is done in libuv's pool, off the event loop. */
export async function decodeAnyBatchAsync(
  buffer: Buffer,
  at: number,
  options?: DecodeOptions,
): Promise<DecodedBatch> {
  return isMagic2(buffer, at)
    ? decodeBatchAsync(buffer, at, options)
    : decodeMessageAsync(buffer, at, options);
}

/** Decodes all whole entries, each when it is asked for. Throws as `decodeBatch` does. */
export function* decodeRecordSet(
  buffer: Buffer,
  options?: DecodeOptions,
): Generator<DecodedBatch, void, undefined> {
  for (const at of batchPositions(buffer)) yield decodeAnyBatch(buffer, at, options);
}

/** As `decodeRecordSet`, but a codec's work is done in libuv's pool, off the event loop. */
export async function* decodeRecordSetAsync(
  buffer: Buffer,
  options?: DecodeOptions,
): AsyncGenerator<DecodedBatch, void, undefined> {
  for (const at of batchPositions(buffer)) yield await decodeAnyBatchAsync(buffer, at, options);
}

/** Too few bytes for a magic are left to the decoder, which says so. */
function isMagic2(buffer: Buffer, at: number): boolean {
  return batchSize(buffer, at) === -1 || magic(buffer, at) === 2;
}
