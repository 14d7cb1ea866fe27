/**
 * What a leader checks of a batch that a client wants appended, and what it changes in it.
 *
 * Kafka's rules (ProduceRequest, LogValidator), in Kafka's order: one batch of magic 2, its size, its
 * checksum, its header, then the records: that they are well-formed and as many as the header says,
 * keys and timestamps as the topic wants them. Compressed records are unfolded for that.
 *
 * A batch that is right keeps its bytes, but for a largest timestamp that is not true. What is to be
 * in another codec, or whose offsets do not count up from zero, is built anew with everything else as
 * it was. Kafka leaves such offsets alone where nothing is compressed; see docs/compatibility.md.
 *
 * Not here: what single records are held to (record-rules.ts), message sets of older producers
 * (validate-message-set.ts), what is too long for the event loop (at-once.ts, prepare-batch.ts),
 * sequences of idempotent producers (core/producer-state/), acks and min.insync.replicas.
 */
import {
  baseSequence,
  baseTimestamp,
  type Codec,
  checksumMatches,
  codecs,
  compressionOf,
  DecompressionLimitExceeded,
  decodeBatch,
  decompressLent,
  decompressSync,
  encodeBatch,
  hasDeleteHorizon,
  hasProducerId,
  isControl,
  isTransactional,
  KafkaError,
  lastOffsetDelta,
  MalformedMessage,
  magic,
  maxTimestamp,
  openRecords,
  ProtocolError,
  producerId,
  RECORD_BATCH_OVERHEAD,
  type RecordSurvey,
  recordCount,
  repackBatch,
  setCreateTime,
  surveyRecords,
  timestampType,
} from '@odradek/protocol';
import {
  type Pace,
  packedAtOnceBytes,
  UNFOLDED_AT_ONCE_BYTES,
  UNFOLDED_AT_ONCE_BYTES_MAX,
  UNFOLDED_BATCH_BYTES_MAX,
} from './at-once.ts';
import { batchSize } from './batches.ts';
import type { LogConfig } from './log-config.ts';
import { mayRefuse, RecordRules } from './record-rules.ts';

/**
 * Checks a client's records for one partition and makes them ready to be given offsets and, if the
 * topic asks for it, the time of the append.
 * @returns what to append: the batch itself, patched in place, or one built anew; null when there is
 *   too much to do `at-once`
 * @throws KafkaError: INVALID_RECORD, MESSAGE_TOO_LARGE, CORRUPT_MESSAGE, INVALID_TIMESTAMP;
 *   RecordsRefused where single records are to blame
 */
export function validateClientBatch(
  records: Buffer,
  config: LogConfig,
  wallTimeMs: number,
  pace: 'patient',
): Buffer;
export function validateClientBatch(
  records: Buffer,
  config: LogConfig,
  wallTimeMs: number,
  pace: Pace,
): Buffer | null;
export function validateClientBatch(
  records: Buffer,
  config: LogConfig,
  wallTimeMs: number,
  pace: Pace,
): Buffer | null {
  const batch = onlyBatch(records);
  checkFrame(batch, config);
  return refusing(() => {
    checkHeader(batch);
    return checkedRecords(batch, config, wallTimeMs, pace);
  });
}

/**
 * The one batch of magic 2 that a request has for a partition, as Produce 3 and later must. The start
 * of another one behind it is left out, as Kafka leaves it out.
 * @throws KafkaError INVALID_RECORD, CORRUPT_MESSAGE
 */
export function onlyBatch(records: Buffer): Buffer {
  const sizeBytes = sizeOf(records, 0);
  if (sizeBytes < 0) throw invalid('a produce request holds no whole batch for the partition');
  if (magic(records, 0) !== 2)
    throw invalid(`a batch of magic ${magic(records, 0)}, only magic 2 can be produced`);
  if (sizeBytes === records.length) return records;
  if (sizeOf(records, sizeBytes) >= 0) throw invalid('more than one batch for a partition');
  return records.subarray(0, sizeBytes);
}

/**
 * Size of the batch or message at `at`; negative when it is cut short.
 * @throws KafkaError CORRUPT_MESSAGE for a size that cannot be
 */
export function sizeOf(records: Buffer, at: number): number {
  try {
    return batchSize(records, at);
  } catch (error) {
    if (error instanceof MalformedMessage)
      throw new KafkaError('CORRUPT_MESSAGE', error.message, { cause: error });
    throw error;
  }
}

function checkFrame(batch: Buffer, config: LogConfig): void {
  // As two halves: a client may have put there what is no offset at all.
  if (batch.readInt32BE(0) !== 0 || batch.readInt32BE(4) !== 0)
    throw invalid(`a batch with base offset ${batch.readBigInt64BE(0)}`);
  if (batch.length > config.maxMessageBytes) throw tooLarge('a batch of', batch.length, config);
  if (!checksumMatches(batch, 0))
    throw new KafkaError('CORRUPT_MESSAGE', 'the checksum of a record batch does not match');
}

function checkHeader(batch: Buffer): void {
  const count = recordCount(batch, 0);
  if (count <= 0 || count !== lastOffsetDelta(batch, 0) + 1)
    throw invalid(`${count} records with a last offset delta of ${lastOffsetDelta(batch, 0)}`);
  if (isControl(batch, 0)) throw invalid('clients may not write control batches');
  if (hasProducerId(batch, 0)) {
    if (baseSequence(batch, 0) < 0)
      throw invalid(`producer ${producerId(batch, 0)} sent a batch without a sequence`);
  } else if (isTransactional(batch, 0)) {
    throw invalid('a transactional batch without a producer id');
  }
}

function checkedRecords(
  batch: Buffer,
  config: LogConfig,
  wallTimeMs: number,
  pace: Pace,
): Buffer | null {
  const codec = compressionOf(batch, 0);
  const wanted = wantedCodec(config.compressionType) ?? codec;
  const isHurried = pace === 'at-once';
  if (isHurried && batch.length > UNFOLDED_AT_ONCE_BYTES[codec]) return null;
  // What is packed anew needs its records for longer than borrowed memory has them.
  const unfold = wanted === codec ? decompressLent : decompressSync;
  const section = codec === 'none' ? null : unfolded(batch, codec, isHurried, unfold);
  if (isHurried && section === undefined) return null;
  const from = section ?? batch;
  if (isHurried && wanted !== codec) {
    const { level } = levelOf(wanted, config);
    if (from.length > packedAtOnceBytes(wanted, level)) return null;
  }
  const start = section ? 0 : RECORD_BATCH_OVERHEAD;
  const survey = surveyRecords(from, start, from.length, recordCount(batch, 0));
  // Borrowed memory may be gone after the next line, which can unfold the batch once more.
  const kept = wanted === codec ? null : from.subarray(start);
  const largest = checkRules(batch, survey, config, wallTimeMs);
  if (wanted !== codec || !survey.countsUp)
    return rebuilt(batch, kept, survey, wanted, largest, config);
  const isStamped = timestampType(batch, 0) === 'LogAppendTime';
  if (isStamped || maxTimestamp(batch, 0) !== largest) setCreateTime(batch, 0, largest);
  return batch;
}

/** undefined: it would take too long here. */
function unfolded(
  batch: Buffer,
  codec: Codec,
  isHurried: boolean,
  unfold: typeof decompressLent,
): Buffer | undefined {
  const limitBytes = isHurried ? UNFOLDED_AT_ONCE_BYTES_MAX : UNFOLDED_BATCH_BYTES_MAX;
  try {
    return unfold(codec, batch.subarray(RECORD_BATCH_OVERHEAD), { limitBytes });
  } catch (error) {
    if (!(error instanceof DecompressionLimitExceeded)) throw error;
    if (isHurried) return undefined;
    throw new KafkaError('MESSAGE_TOO_LARGE', error.message, { cause: error });
  }
}

/** Holds the records to the topic's rules. @returns their largest timestamp, at least -1 */
function checkRules(
  batch: Buffer,
  { minTimestampDelta, maxTimestampDelta, lacksKey }: Readonly<RecordSurvey>,
  config: LogConfig,
  wallTimeMs: number,
): number {
  const isStamped = timestampType(batch, 0) === 'LogAppendTime';
  const base = isStamped ? maxTimestamp(batch, 0) : baseTimestamp(batch, 0);
  const smallest = isStamped ? base : base + minTimestampDelta;
  const largest = isStamped ? base : base + maxTimestampDelta;
  if (mayRefuse(config, wallTimeMs, smallest, largest, lacksKey, isStamped)) {
    const rules = new RecordRules(config, wallTimeMs);
    const limits = { limitBytes: UNFOLDED_BATCH_BYTES_MAX, verifyChecksum: false };
    const cursor = openRecords(batch, 0, limits);
    for (let batchIndex = 0; cursor.next(); batchIndex++)
      rules.check(batchIndex, cursor.timestamp, cursor.keyLength >= 0, isStamped);
    rules.conclude();
  }
  return Math.max(-1, largest);
}

/**
 * The batch in another codec, or with offsets that count up.
 * @param section its records, uncompressed; null: to be unfolded again
 */
function rebuilt(
  batch: Buffer,
  section: Buffer | null,
  survey: Readonly<RecordSurvey>,
  codec: Codec,
  largest: number,
  config: LogConfig,
): Buffer {
  const reusable =
    section !== null &&
    survey.countsUp &&
    !survey.hasAttributes &&
    // The base is the first record's timestamp, in what Kafka builds.
    survey.firstTimestampDelta === 0 &&
    timestampType(batch, 0) === 'CreateTime' &&
    !hasDeleteHorizon(batch, 0)
      ? section
      : null;
  const level = levelOf(codec, config);
  const anew = reusable
    ? repackBatch(batch, reusable, { codec, maxTimestamp: largest, ...level })
    : encodedAnew(batch, codec, level);
  if (anew.length > config.maxMessageBytes) throw tooLarge(`as ${codec}`, anew.length, config);
  return anew;
}

function encodedAnew(batch: Buffer, codec: Codec, { level }: { readonly level?: number }): Buffer {
  const limits = { limitBytes: UNFOLDED_BATCH_BYTES_MAX, verifyChecksum: false };
  const { records, transactional, ...header } = decodeBatch(batch, 0, limits);
  return encodeBatch({
    records: records.map((record, index) => ({ ...record, offsetDelta: index })),
    compression: codec,
    ...(level === undefined ? {} : { compressionLevel: level }),
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    transactional,
  });
}

/** null for 'producer': whatever the producer chose. */
export function wantedCodec(compressionType: string): Codec | null {
  if (compressionType === 'uncompressed') return 'none';
  return codecs.find((codec) => codec === compressionType && codec !== 'none') ?? null;
}

/** The level that the topic asks for, if the codec has levels here. */
export function levelOf(codec: Codec, config: LogConfig): { readonly level?: number } {
  if (codec === 'gzip') return { level: config.compressionGzipLevel };
  return codec === 'zstd' ? { level: config.compressionZstdLevel } : {};
}

/** Turns what the decoders say of impossible bytes into the protocol's error. */
export function refusing<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ProtocolError) || error instanceof KafkaError) throw error;
    throw new KafkaError('INVALID_RECORD', error.message, { cause: error });
  }
}

/** @param what such as "a batch of" */
export function tooLarge(
  what: string,
  sizeBytes: number,
  { maxMessageBytes }: LogConfig,
): KafkaError {
  const detail = `${what} ${sizeBytes} bytes, max.message.bytes is ${maxMessageBytes}`;
  return new KafkaError('MESSAGE_TOO_LARGE', detail);
}

function invalid(detail: string): KafkaError {
  return new KafkaError('INVALID_RECORD', detail);
}
