/**
 * Reading message sets of magic 0 and 1: each message is a batch of its own, and a wrapper message
 * a batch of all that it holds.
 *
 * Offsets inside a wrapper are absolute in magic 0. In magic 1 they are relative, and the wrapper
 * bears the absolute offset of the last one, so they can only be told once all have been read:
 * absolute = wrapper - last inner + inner. That is right also for the old brokers that stored
 * absolute ones inside of magic 1.
 */
import { MalformedMessage } from '../../errors.ts';
import { decompress, decompressSync } from '../compression/compression.ts';
import { DEFAULT_DECOMPRESSED_LIMIT_BYTES } from '../compression/limit.ts';
import {
  NO_PARTITION_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
} from './batch-v2.ts';
import type { DecodedBatch, DecodeOptions } from './decode-batch.ts';
import { type Message, readMessage } from './message.ts';
import type { Record } from './record.ts';

/**
 * Decodes the message at `at` and, if it is a wrapper, those inside, on the calling thread.
 * @throws MalformedMessage when the bytes cannot be a message of magic 0 or 1
 * @throws KafkaError CORRUPT_MESSAGE when its checksum or that of one inside does not match
 * @throws DecompressionLimitExceeded when those inside would take more than `limitBytes`
 */
export function decodeMessage(
  buffer: Buffer,
  at: number,
  options: DecodeOptions = {},
): DecodedBatch {
  const message = readMessage(buffer, at, options.verifyChecksum ?? true);
  if (message.compression === 'none') return asBatch(message, [asRecord(message, message)]);
  const { codec, value, limits } = compressedPart(message, options);
  return unwrapped(message, decompressSync(codec, value, limits), options);
}

/** As `decodeMessage`, but a codec's work is done in libuv's pool, off the event loop. */
export async function decodeMessageAsync(
  buffer: Buffer,
  at: number,
  options: DecodeOptions = {},
): Promise<DecodedBatch> {
  const message = readMessage(buffer, at, options.verifyChecksum ?? true);
  if (message.compression === 'none') return asBatch(message, [asRecord(message, message)]);
  const { codec, value, limits } = compressedPart(message, options);
  return unwrapped(message, await decompress(codec, value, limits), options);
}

function compressedPart(wrapper: Message, { limitBytes }: DecodeOptions) {
  const { compression: codec, value, magic } = wrapper;
  if (codec === 'zstd') throw new MalformedMessage(`zstd in a message of magic ${magic}`);
  if (value === null) throw new MalformedMessage('a wrapper message without a value');
  const limits = { limitBytes: limitBytes ?? DEFAULT_DECOMPRESSED_LIMIT_BYTES, magic };
  return { codec, value, limits };
}

function unwrapped(wrapper: Message, set: Buffer, options: DecodeOptions): DecodedBatch {
  const messages = innerMessages(wrapper, set, options.verifyChecksum ?? true);
  const lastInner = messages.at(-1)?.offset ?? 0;
  const shift = wrapper.magic === 1 ? wrapper.offset - lastInner : 0;
  const records = messages.map((message) => asRecord(message, wrapper, message.offset + shift));
  return asBatch(wrapper, records);
}

function innerMessages(wrapper: Message, set: Buffer, verifyChecksum: boolean): Message[] {
  const messages: Message[] = [];
  for (let position = 0; position < set.length; ) {
    const message = readMessage(set, position, verifyChecksum);
    if (message.magic !== wrapper.magic) {
      throw new MalformedMessage(`magic ${message.magic} inside of magic ${wrapper.magic}`);
    }
    if (message.compression !== 'none') {
      throw new MalformedMessage('a compressed message inside of a compressed one');
    }
    messages.push(message);
    position += message.sizeBytes;
  }
  if (messages.length === 0) throw new MalformedMessage('a wrapper message without messages');
  return messages;
}

/** With LogAppendTime the timestamp is the one that the broker wrote on the outside. */
function asRecord(message: Message, outer: Message, offset = message.offset): Record {
  const { key, value } = message;
  const { timestamp } = outer.timestampType === 'LogAppendTime' ? outer : message;
  return { offset, timestamp, key, value, headers: [] };
}

function asBatch(message: Message, records: readonly Record[]): DecodedBatch {
  return {
    sizeBytes: message.sizeBytes,
    magic: message.magic,
    baseOffset: records[0]?.offset ?? message.offset,
    lastOffset: records.at(-1)?.offset ?? message.offset,
    partitionLeaderEpoch: NO_PARTITION_LEADER_EPOCH,
    compression: message.compression,
    timestampType: message.timestampType,
    maxTimestamp: message.timestamp,
    transactional: false,
    control: false,
    deleteHorizonMs: null,
    producerId: NO_PRODUCER_ID,
    producerEpoch: NO_PRODUCER_EPOCH,
    baseSequence: NO_SEQUENCE,
    records,
  };
}
