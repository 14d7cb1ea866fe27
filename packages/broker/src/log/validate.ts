/**
 * What a leader checks of a batch that a client wants appended, and what it changes in it.
 *
 * Kafka's rules (ProduceRequest, LogValidator), in Kafka's order: one batch of magic 2, its size,
 * its checksum, its header. The records inside are looked at only where a rule cannot do without:
 * on compacted topics, which need keys, and where the topic bounds timestamps. Everywhere else the
 * bytes go through as they came, compressed or not; the checksum has shown that they are the
 * producer's. What Kafka checks besides, that offset deltas count up from zero and that the header's
 * largest timestamp is true, harms nobody but the producer that gets it wrong.
 *
 * Not here: what single records are held to (record-rules.ts), message sets of older producers
 * (validate-message-set.ts), sequences of idempotent producers (core/producer-state/), acks and min.insync.replicas.
 */
import {
  baseOffset,
  baseSequence,
  type Codec,
  checksumMatches,
  codecs,
  compressionOf,
  decodeBatch,
  encodeBatch,
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
  producerEpoch,
  producerId,
  recordCount,
  setLogAppendTime,
  timestampType,
} from '@odradek/protocol';
import { batchSize } from './batches.ts';
import type { LogConfig } from './log-config.ts';
import { needsRecords, RecordRules } from './record-rules.ts';

/**
 * The most bytes that a client's compressed batch may unfold to where its records must be looked
 * at: on compacted topics, with bounded timestamps, or to be compressed anew. Elsewhere there is no bound, for
 * nothing is unfolded.
 */
export const UNFOLDED_BATCH_BYTES_MAX = 32 * 1024 * 1024;

export interface ValidBatch {
  /** What to append: the batch itself, patched in place, or a re-encoded one. */
  readonly bytes: Buffer;
  /** The time that all its records were given; -1 with CreateTime. */
  readonly logAppendTimeMs: number;
}

/**
 * Checks a client's records for one partition and makes them ready to be given offsets.
 * @throws KafkaError: INVALID_RECORD, MESSAGE_TOO_LARGE, CORRUPT_MESSAGE, INVALID_TIMESTAMP,
 * UNSUPPORTED_FOR_MESSAGE_FORMAT; RecordsRefused where single records are to blame
 */
export function validateClientBatch(
  records: Buffer,
  config: LogConfig,
  wallTimeMs: number,
): ValidBatch {
  checkFrame(records, config);
  const bytes = refusing(() => {
    checkHeader(records);
    if (needsRecords(config)) checkRecords(records, config, wallTimeMs);
    return inWantedCodec(records, config);
  });
  if (config.messageTimestampType === 'CreateTime') return { bytes, logAppendTimeMs: -1 };
  setLogAppendTime(bytes, 0, wallTimeMs);
  return { bytes, logAppendTimeMs: wallTimeMs };
}

/** Exactly one batch of magic 2, not too large, with the right checksum. */
function checkFrame(records: Buffer, config: LogConfig): void {
  if (records.length === 0) throw invalid('a produce request holds no batch for the partition');
  const sizeBytes = sizeOf(records);
  if (sizeBytes < 0) throw new KafkaError('CORRUPT_MESSAGE', 'a record batch is cut short');
  if (magic(records, 0) !== 2) {
    throw invalid(`a batch of magic ${magic(records, 0)}, only magic 2 can be produced`);
  }
  if (sizeBytes < records.length) throw invalid('more than one batch for a partition');
  if (baseOffset(records, 0) !== 0)
    throw invalid(`a batch with base offset ${baseOffset(records, 0)}`);
  if (sizeBytes > config.maxMessageBytes) {
    throw new KafkaError(
      'MESSAGE_TOO_LARGE',
      `a batch of ${sizeBytes} bytes, max.message.bytes is ${config.maxMessageBytes}`,
    );
  }
  if (!checksumMatches(records, 0)) {
    throw new KafkaError('CORRUPT_MESSAGE', 'the checksum of a record batch does not match');
  }
}

function sizeOf(records: Buffer): number {
  try {
    return batchSize(records, 0);
  } catch (error) {
    if (error instanceof MalformedMessage) throw corrupt(error);
    throw error;
  }
}

function checkHeader(batch: Buffer): void {
  const count = recordCount(batch, 0);
  if (count <= 0 || count !== lastOffsetDelta(batch, 0) + 1) {
    throw invalid(`${count} records with a last offset delta of ${lastOffsetDelta(batch, 0)}`);
  }
  if (isControl(batch, 0)) throw invalid('clients may not write control batches');
  compressionOf(batch, 0); // Refuses codecs that do not exist.
  maxTimestamp(batch, 0); // And times that are beyond what a number holds.
  if (hasProducerId(batch, 0)) {
    if (producerEpoch(batch, 0) < 0 || baseSequence(batch, 0) < 0) {
      throw invalid(`producer ${producerId(batch, 0)} sent a batch without epoch or sequence`);
    }
  } else if (isTransactional(batch, 0)) {
    throw invalid('a transactional batch without a producer id');
  }
  if (timestampType(batch, 0) === 'LogAppendTime') {
    throw new KafkaError('INVALID_TIMESTAMP', 'clients may not set the log append time');
  }
}

/** Looks at every record. */
function checkRecords(batch: Buffer, config: LogConfig, wallTimeMs: number): void {
  const rules = new RecordRules(config, wallTimeMs);
  const limits = { limitBytes: UNFOLDED_BATCH_BYTES_MAX, verifyChecksum: false };
  const cursor = openRecords(batch, 0, limits);
  for (let batchIndex = 0; cursor.next(); batchIndex++)
    rules.check(batchIndex, cursor.timestamp, cursor.keyLength >= 0);
  rules.conclude();
}

/** The batch in the codec that compression.type asks for; the batch itself where it is content. */
function inWantedCodec(batch: Buffer, config: LogConfig): Buffer {
  const wanted = wantedCodec(config.compressionType);
  if (wanted === null || compressionOf(batch, 0) === wanted) return batch;
  const limits = { limitBytes: UNFOLDED_BATCH_BYTES_MAX, verifyChecksum: false };
  const { records, ...header } = decodeBatch(batch, 0, limits);
  const recoded = encodeBatch({
    records: records.map((record, index) => ({ ...record, offsetDelta: index })),
    compression: wanted,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    transactional: header.transactional,
  });
  if (recoded.length > config.maxMessageBytes) {
    throw new KafkaError(
      'MESSAGE_TOO_LARGE',
      `${recoded.length} bytes as ${wanted}, max.message.bytes is ${config.maxMessageBytes}`,
    );
  }
  return recoded;
}

/** null for 'producer': whatever the producer chose. */
export function wantedCodec(compressionType: string): Codec | null {
  if (compressionType === 'uncompressed') return 'none';
  return codecs.find((codec) => codec === compressionType && codec !== 'none') ?? null;
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

function invalid(detail: string): KafkaError {
  return new KafkaError('INVALID_RECORD', detail);
}

function corrupt(cause: MalformedMessage): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', cause.message, { cause });
}
