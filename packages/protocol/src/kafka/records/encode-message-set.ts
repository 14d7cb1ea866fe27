/**
 * Writing message sets of magic 0 and 1, for clients from before 2017.
 *
 * Without a codec a set is its messages one after the other. With one, the set is compressed and
 * becomes the value of a wrapper message, which bears the offset of the last one inside; offsets
 * inside count from 0 in magic 1 and are absolute in magic 0. Headers, producers and
 * transactions do not exist here, and magic 0 has no timestamps either.
 */
import { UnencodableValue } from '../../errors.ts';
import type { Codec } from '../compression/codec.ts';
import { compress, compressSync } from '../compression/compression.ts';
import { NO_TIMESTAMP, type TimestampType } from './batch-v2.ts';
import { type LegacyMagic, messageSize, writeMessage } from './message.ts';
import type { RecordInput } from './record.ts';

export interface MessageSetInput {
  readonly magic: LegacyMagic;
  /** Headers are not written: who converts down has decided that they may go. */
  readonly records: readonly RecordInput[];
  readonly baseOffset?: number;
  /** zstd came after these formats. */
  readonly compression?: Codec;
  readonly compressionLevel?: number;
  /** LogAppendTime makes `appendTimestamp` the timestamp of all messages. */
  readonly timestampType?: TimestampType;
  readonly appendTimestamp?: number;
}

/**
 * Encodes a message set on the calling thread; nothing becomes an empty buffer.
 * @throws UnencodableValue for zstd
 */
export function encodeMessageSet(input: MessageSetInput): Buffer {
  const codec = codecOfInput(input);
  if (codec === 'none' || input.records.length === 0) return encodeMessages(input, baseOf(input));
  const inner = encodeMessages(input, innerBaseOf(input));
  return wrapped(input, compressSync(codec, inner, optionsOf(input)));
}

/** As `encodeMessageSet`, but a codec's work is done in libuv's pool, off the event loop. */
export async function encodeMessageSetAsync(input: MessageSetInput): Promise<Buffer> {
  const codec = codecOfInput(input);
  if (codec === 'none' || input.records.length === 0) return encodeMessages(input, baseOf(input));
  const inner = encodeMessages(input, innerBaseOf(input));
  return wrapped(input, await compress(codec, inner, optionsOf(input)));
}

function codecOfInput({ compression = 'none' }: MessageSetInput): Codec {
  if (compression === 'zstd') {
    throw new UnencodableValue('zstd is not allowed in message sets of magic 0 and 1');
  }
  return compression;
}

function optionsOf({ magic, compressionLevel }: MessageSetInput) {
  return compressionLevel === undefined ? { magic } : { magic, level: compressionLevel };
}

function baseOf({ baseOffset = 0 }: MessageSetInput): number {
  return baseOffset;
}

/** From where the offsets inside of a wrapper count. */
function innerBaseOf(input: MessageSetInput): number {
  return input.magic === 1 ? 0 : baseOf(input);
}

function timestampOf(input: MessageSetInput, timestamp: number): number {
  return input.timestampType === 'LogAppendTime'
    ? (input.appendTimestamp ?? NO_TIMESTAMP)
    : timestamp;
}

function encodeMessages(input: MessageSetInput, base: number): Buffer {
  const { magic, records, timestampType = 'CreateTime' } = input;
  let sizeBytes = 0;
  for (const { key, value } of records) sizeBytes += messageSize(magic, key, value);
  const target = Buffer.allocUnsafe(sizeBytes);
  let position = 0;
  for (const [index, { key, value, timestamp, offsetDelta }] of records.entries()) {
    position = writeMessage(target, position, {
      magic,
      offset: base + (offsetDelta ?? index),
      compression: 'none',
      timestampType,
      timestamp: timestampOf(input, timestamp),
      key,
      value,
    });
  }
  return target;
}

function wrapped(input: MessageSetInput, value: Buffer): Buffer {
  const { magic, records, timestampType = 'CreateTime' } = input;
  let largest = NO_TIMESTAMP;
  for (const { timestamp } of records) if (timestamp > largest) largest = timestamp;
  const target = Buffer.allocUnsafe(messageSize(magic, null, value));
  writeMessage(target, 0, {
    magic,
    offset: baseOf(input) + (records.at(-1)?.offsetDelta ?? records.length - 1),
    compression: codecOfInput(input),
    timestampType,
    timestamp: timestampOf(input, largest),
    key: null,
    value,
  });
  return target;
}
