/** Records in all their formats: what users of the package see. */
export {
  attributes,
  BATCH_ATTRIBUTE,
  baseOffset,
  baseSequence,
  baseTimestamp,
  batchSize,
  checksumMatches,
  compressionOf,
  crc,
  hasDeleteHorizon,
  hasProducerId,
  isControl,
  isTransactional,
  LOG_OVERHEAD,
  lastOffset,
  lastOffsetDelta,
  magic,
  maxTimestamp,
  NO_PARTITION_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  RECORD_BATCH_OVERHEAD,
  recordCount,
  setBaseOffset,
  setCreateTime,
  setLogAppendTime,
  setMaxTimestamp,
  setPartitionLeaderEpoch,
  setProducer,
  type TimestampType,
  timestampType,
} from './batch-v2.ts';
export {
  type ControlRecord,
  controlMarkerOf,
  decodeControlRecord,
  encodeTransactionMarker,
  readControlMarker,
  type TransactionEnd,
  type TransactionMarker,
} from './control.ts';
export { type Crc32cImplementation, crc32c, crc32cImplementation } from './crc32c.ts';
export {
  type DecodedBatch,
  type DecodeOptions,
  decodeBatch,
  decodeBatchAsync,
  openRecords,
  openRecordsAsync,
} from './decode-batch.ts';
export { decodeMessage, decodeMessageAsync } from './decode-message-set.ts';
export { type DownConversion, downConvert } from './down-convert.ts';
export {
  type BatchInput,
  encodeBatch,
  encodeBatchAsync,
  encodedRecordsSize,
  repackBatch,
} from './encode-batch.ts';
export {
  encodeMessageSet,
  encodeMessageSetAsync,
  type MessageSetInput,
} from './encode-message-set.ts';
export { type LegacyMagic, messageChecksumMatches } from './message.ts';
export { type Record, RecordCursor, type RecordHeader, type RecordInput } from './record.ts';
export {
  batchPositions,
  decodeAnyBatch,
  decodeAnyBatchAsync,
  decodeRecordSet,
  decodeRecordSetAsync,
} from './record-set.ts';
export { type RecordSurvey, surveyRecords } from './survey-records.ts';
export { emptiedBatch, KeptRecords, thinnedBatch } from './thinned-batch.ts';
