/**
 * What a leader makes of a message set, as producers from before Kafka 0.11 send it: one batch of
 * magic 2, by Kafka's rules for both.
 *
 * A set is messages one after the other, or one compressed message that wraps others. Each is held
 * to max.message.bytes and its checksum before anything is unpacked; keys and timestamps are then
 * held to the topic's rules, and offsets, which producers only count for themselves, are forgotten.
 * A message at the end that is cut short is left out, as Kafka leaves it out.
 *
 * Not here: producers of today (validate.ts).
 */
import {
  type Codec,
  type DecodedBatch,
  DecompressionLimitExceeded,
  decodeMessage,
  encodeBatch,
  KafkaError,
  magic,
  messageChecksumMatches,
  type Record,
} from '@odradek/protocol';
import {
  type Pace,
  packedAtOnceBytes,
  REBUILT_AT_ONCE_BYTES,
  UNFOLDED_AT_ONCE_BYTES_MAX,
  UNFOLDED_BATCH_BYTES_MAX,
} from './at-once.ts';
import type { LogConfig } from './log-config.ts';
import { RecordRules } from './record-rules.ts';
import {
  levelOf,
  refusing,
  sizeOf,
  tooLarge,
  validateClientBatch,
  wantedCodec,
} from './validate.ts';

const NOTHING = Buffer.alloc(0);

/**
 * Checks what a client sent in Produce 0 to 2 and makes a batch of it; of an empty set, nothing.
 * A batch of magic 2, which Kafka takes in these versions as well, is held to its own rules.
 * @returns what to append; null when there is too much to do `at-once`
 * @throws KafkaError as validateClientBatch
 */
export function validateMessageSet(
  records: Buffer,
  config: LogConfig,
  wallTimeMs: number,
  pace: 'patient',
): Buffer;
export function validateMessageSet(
  records: Buffer,
  config: LogConfig,
  wallTimeMs: number,
  pace: Pace,
): Buffer | null;
export function validateMessageSet(
  records: Buffer,
  config: LogConfig,
  wallTimeMs: number,
  pace: Pace,
): Buffer | null {
  const isHurried = pace === 'at-once';
  if (isHurried && records.length > REBUILT_AT_ONCE_BYTES) return null;
  const messages = checkedMessages(records, config);
  const [first] = messages;
  if (first === undefined) return NOTHING;
  if (magic(records, first) === 2) return validateClientBatch(records, config, wallTimeMs, pace);
  try {
    return refusing(() => asBatch(records, messages, config, wallTimeMs, isHurried));
  } catch (error) {
    const cause = error instanceof KafkaError ? error.cause : null;
    if (!(cause instanceof DecompressionLimitExceeded)) throw error;
    if (isHurried) return null;
    throw new KafkaError('MESSAGE_TOO_LARGE', cause.message, { cause });
  }
}

/** Where the whole messages begin: each small enough and with the right checksum. */
function checkedMessages(records: Buffer, config: LogConfig): number[] {
  const positions: number[] = [];
  for (let at = 0; ; ) {
    const sizeBytes = sizeOf(records, at);
    if (sizeBytes < 0) return positions;
    if (sizeBytes > config.maxMessageBytes) throw tooLarge('a message of', sizeBytes, config);
    // What a batch of magic 2 is held to is seen when all of it is checked.
    if (magic(records, at) < 2 && !messageChecksumMatches(records, at))
      throw new KafkaError('CORRUPT_MESSAGE', 'the checksum of a message does not match');
    positions.push(at);
    at += sizeBytes;
  }
}

/** null: packing it would take too long here. */
function asBatch(
  records: Buffer,
  positions: readonly number[],
  config: LogConfig,
  wallTimeMs: number,
  isHurried: boolean,
): Buffer | null {
  const limitBytes = isHurried ? UNFOLDED_AT_ONCE_BYTES_MAX : UNFOLDED_BATCH_BYTES_MAX;
  const messages = decoded(records, positions, limitBytes);
  const rules = new RecordRules(config, wallTimeMs);
  const taken: Record[] = [];
  let contentBytes = 0;
  for (const { timestampType, records: inside } of messages)
    for (const record of inside) {
      const isStamped = timestampType === 'LogAppendTime';
      rules.check(taken.length, record.timestamp, record.key !== null, isStamped);
      taken.push(record);
      contentBytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
    }
  rules.conclude();
  const codec = wantedCodec(config.compressionType) ?? codecOf(messages);
  const { level } = levelOf(codec, config);
  if (isHurried && contentBytes > packedAtOnceBytes(codec, level)) return null;
  const bytes = encodeBatch({
    records: taken,
    compression: codec,
    ...(level === undefined ? {} : { compressionLevel: level }),
  });
  if (bytes.length > config.maxMessageBytes) throw tooLarge('a batch of', bytes.length, config);
  return bytes;
}

/** All of one format, and a compressed message alone, since it becomes one batch. */
function decoded(
  records: Buffer,
  positions: readonly number[],
  limitBytes: number,
): DecodedBatch[] {
  const format = magic(records, 0);
  const messages: DecodedBatch[] = [];
  // The checksums of whole messages have been looked at; those inside of others have not.
  const limits = { limitBytes };
  for (const at of positions) {
    if (magic(records, at) !== format)
      throw new KafkaError('INVALID_RECORD', `magic ${magic(records, at)} behind ${format}`);
    const message = decodeMessage(records, at, limits);
    if (message.compression !== 'none' && positions.length > 1)
      throw new KafkaError('INVALID_RECORD', 'a compressed message that is not the only one');
    messages.push(message);
  }
  return messages;
}

/** What the producer chose. */
function codecOf(messages: readonly DecodedBatch[]): Codec {
  return messages[0]?.compression ?? 'none';
}
