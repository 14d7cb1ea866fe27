/**
 * One message of the formats before magic 2, as it lies in a message set.
 *
 * ```
 * offset:int64 size:int32 crc:uint32 magic:int8 attributes:int8 [timestamp:int64] key value
 * ```
 * Magic 1 added the timestamp. Key and value are behind an int32 length, -1 for null. The checksum
 * is the CRC-32 of gzip and covers all from the magic on. What compressed messages hold, and which
 * offsets they stand for, is in decode-message-set.ts and encode-message-set.ts.
 */
import { crc32 } from 'node:zlib';
import { MalformedMessage } from '../../errors.ts';
import { CODEC_MASK, type Codec, codecId, codecOf } from '../compression/codec.ts';
import { KafkaError } from '../errors.ts';
import { batchSize, LOG_OVERHEAD, magic, NO_TIMESTAMP, type TimestampType } from './batch-v2.ts';
import { readInt64, writeInt64 } from './int64.ts';

export type LegacyMagic = 0 | 1;

/** A message taken apart; key and value are slices. */
export interface Message {
  readonly sizeBytes: number;
  readonly offset: number;
  readonly magic: LegacyMagic;
  readonly compression: Codec;
  readonly timestampType: TimestampType;
  /** -1 in magic 0. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

const CRC_AT = 12;
const MAGIC_AT = 16;
const ATTRIBUTES_AT = 17;
const TIMESTAMP_AT = 18;
const LOG_APPEND_TIME = 0x08;
/** Where the length of the key is. */
const KEY_AT = { 0: 18, 1: 26 } as const;
const LENGTH_BYTES = 4;

/** Bytes of a message with its offset and size fields. */
export function messageSize(
  format: LegacyMagic,
  key: Uint8Array | null,
  value: Uint8Array | null,
): number {
  return KEY_AT[format] + 2 * LENGTH_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
}

/** Writes a message for which there is room. @returns the position after it */
export function writeMessage(
  target: Buffer,
  at: number,
  message: {
    readonly magic: LegacyMagic;
    readonly offset: number;
    readonly compression: Codec;
    readonly timestampType: TimestampType;
    readonly timestamp: number;
    readonly key: Uint8Array | null;
    readonly value: Uint8Array | null;
  },
): number {
  const { magic: format, key, value } = message;
  const end = at + messageSize(format, key, value);
  writeInt64(target, message.offset, at);
  target.writeInt32BE(end - at - LOG_OVERHEAD, at + 8);
  target.writeInt8(format, at + MAGIC_AT);
  // Magic 0 knows no timestamps, so none that came from a log either.
  const timed = format === 1 && message.timestampType === 'LogAppendTime' ? LOG_APPEND_TIME : 0;
  target.writeInt8(codecId(message.compression) | timed, at + ATTRIBUTES_AT);
  if (format === 1) writeInt64(target, message.timestamp, at + TIMESTAMP_AT);
  const position = writeNullable(target, key, at + KEY_AT[format]);
  writeNullable(target, value, position);
  target.writeUInt32BE(crc32(target.subarray(at + MAGIC_AT, end)), at + CRC_AT);
  return end;
}

function writeNullable(target: Buffer, bytes: Uint8Array | null, at: number): number {
  target.writeInt32BE(bytes === null ? -1 : bytes.length, at);
  if (bytes !== null) target.set(bytes, at + LENGTH_BYTES);
  return at + LENGTH_BYTES + (bytes?.length ?? 0);
}

/**
 * Takes the message at `at` apart.
 * @throws MalformedMessage when the bytes cannot be a whole message of magic 0 or 1
 * @throws KafkaError CORRUPT_MESSAGE when the checksum does not match, if that is to be looked at
 */
export function readMessage(buffer: Buffer, at: number, verifyChecksum: boolean): Message {
  const sizeBytes = batchSize(buffer, at);
  if (sizeBytes === -1) throw new MalformedMessage('a message is cut short');
  const format = magic(buffer, at);
  if (format !== 0 && format !== 1) {
    throw new MalformedMessage(`a message of magic ${format} where 0 or 1 is expected`);
  }
  const end = at + sizeBytes;
  if (verifyChecksum && !messageChecksumMatches(buffer, at)) {
    throw new KafkaError('CORRUPT_MESSAGE', 'the checksum of a message does not match');
  }
  const attributes = buffer.readInt8(at + ATTRIBUTES_AT);
  const keyAt = at + KEY_AT[format];
  const key = readNullable(buffer, keyAt, end);
  const valueAt = keyAt + LENGTH_BYTES + (key?.length ?? 0);
  const value = readNullable(buffer, valueAt, end);
  if (valueAt + LENGTH_BYTES + (value?.length ?? 0) !== end) {
    throw new MalformedMessage('a message goes on after its value');
  }
  return {
    sizeBytes,
    offset: readInt64(buffer, at),
    magic: format,
    compression: codecOf(attributes & CODEC_MASK),
    timestampType: format === 1 && attributes & LOG_APPEND_TIME ? 'LogAppendTime' : 'CreateTime',
    timestamp: format === 1 ? readInt64(buffer, at + TIMESTAMP_AT) : NO_TIMESTAMP,
    key,
    value,
  };
}

/** Tells whether a message's bytes are those that were written. Needs the whole message at `at`. */
export function messageChecksumMatches(buffer: Buffer, at: number): boolean {
  const end = at + LOG_OVERHEAD + buffer.readInt32BE(at + 8);
  return crc32(buffer.subarray(at + MAGIC_AT, end)) === buffer.readUInt32BE(at + CRC_AT);
}

function readNullable(buffer: Buffer, at: number, end: number): Buffer | null {
  if (at + LENGTH_BYTES > end) throw new MalformedMessage('a message ends before its value');
  const length = buffer.readInt32BE(at);
  if (length === -1) return null;
  if (length < 0 || length > end - at - LENGTH_BYTES) {
    throw new MalformedMessage(`a message field of length ${length}`);
  }
  return buffer.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length);
}
