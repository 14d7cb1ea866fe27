/**
 * What a partition's log is told about its topic: the topic-level settings that the log itself acts
 * on, in plain numbers. Reading them from properties and znodes happens in ../config/ and
 * ../metadata/. Intervals that Kafka calls "max long" are `Number.POSITIVE_INFINITY` or any number
 * too large to be reached.
 */

export interface LogConfig {
  /** segment.bytes: a segment file is closed before it would grow past this. */
  readonly segmentBytes: number;
  /** segment.ms: a segment is closed when its data spans more than this. */
  readonly segmentMs: number;
  /** segment.jitter.ms: at most this much is taken off segmentMs, by chance, per segment. */
  readonly segmentJitterMs: number;
  /** segment.index.bytes: room for entries in each of a segment's two indexes. */
  readonly segmentIndexBytes: number;
  /** index.interval.bytes: log bytes between two index entries. */
  readonly indexIntervalBytes: number;
  /** retention.ms; -1 keeps for ever. */
  readonly retentionMs: number;
  /** retention.bytes, per partition; -1 keeps everything. */
  readonly retentionBytes: number;
  /** max.message.bytes: the largest batch a client may append, header included. */
  readonly maxMessageBytes: number;
  readonly cleanupPolicy: readonly ('delete' | 'compact')[];
  /** min.cleanable.dirty.ratio: the share of a log that must be new before it is compacted; 0 to 1. */
  readonly minCleanableDirtyRatio: number;
  /** min.compaction.lag.ms: a record is left alone for so long. */
  readonly minCompactionLagMs: number;
  /** max.compaction.lag.ms: after so long a record must be compacted, however clean the log is. */
  readonly maxCompactionLagMs: number;
  /** delete.retention.ms: how long compaction leaves tombstones and markers to readers. */
  readonly deleteRetentionMs: number;
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime';
  readonly messageTimestampBeforeMaxMs: number;
  readonly messageTimestampAfterMaxMs: number;
  /** flush.messages: records after which the log is forced to the medium before it acknowledges. */
  readonly flushIntervalMessages: number;
  /** flush.ms: the longest that written data may wait to be forced to the medium. */
  readonly flushIntervalMs: number;
  /** file.delete.delay.ms: how long files that left the log stay on the disk. */
  readonly fileDeleteDelayMs: number;
  /** compression.type; 'producer' keeps what the client chose. */
  readonly compressionType: string;
  /** compression.gzip.level; -1 is the codec's own choice. */
  readonly compressionGzipLevel: number;
  /** compression.zstd.level */
  readonly compressionZstdLevel: number;
  /** message.downconversion.enable: consumers that know only older formats are served. */
  readonly messageDownconversionEnable: boolean;
  /** preallocate: give a new segment file its full size at once. */
  readonly preallocate: boolean;
}

/** Kafka's own defaults. */
export const defaultLogConfig: LogConfig = {
  segmentBytes: 1_073_741_824,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10_485_760,
  indexIntervalBytes: 4096,
  retentionMs: 604_800_000,
  retentionBytes: -1,
  maxMessageBytes: 1_048_588,
  cleanupPolicy: ['delete'],
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.POSITIVE_INFINITY,
  deleteRetentionMs: 86_400_000,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: Number.POSITIVE_INFINITY,
  messageTimestampAfterMaxMs: Number.POSITIVE_INFINITY,
  flushIntervalMessages: Number.POSITIVE_INFINITY,
  flushIntervalMs: Number.POSITIVE_INFINITY,
  fileDeleteDelayMs: 60_000,
  compressionType: 'producer',
  compressionGzipLevel: -1,
  compressionZstdLevel: 3,
  messageDownconversionEnable: true,
  preallocate: false,
};

/**
 * The longest span of data in one segment: what must be compacted after some time must not sit in
 * the active segment for longer, where compaction does not reach.
 */
export function longestSegmentMs({
  cleanupPolicy,
  maxCompactionLagMs,
  segmentMs,
}: Pick<LogConfig, 'cleanupPolicy' | 'maxCompactionLagMs' | 'segmentMs'>): number {
  const bounded = maxCompactionLagMs > 0 && cleanupPolicy.includes('compact');
  return bounded ? Math.min(maxCompactionLagMs, segmentMs) : segmentMs;
}
