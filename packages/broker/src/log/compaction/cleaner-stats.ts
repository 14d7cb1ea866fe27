/** What the cleaner counts, for metrics; names and meanings after Kafka's LogCleaner and LogCleanerManager. */
export interface CleanerStats {
  /** Compactions that came to their end. */
  readonly passes: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Of the log that was dirtiest when last looked, 0 to 100. */
  readonly maxDirtyPercent: number;
  /** What the last compaction wrote, of what it went over, 0 to 100. */
  readonly recopyPercent: number;
  /** How long the last compaction took, in seconds. */
  readonly lastPassSeconds: number;
  /** How full the table of keys became in the last compaction, 0 to 100. */
  readonly tablePercent: number;
  /** For how long some dirty segment has waited beyond max.compaction.lag.ms, in seconds. */
  readonly maxOverdueSeconds: number;
  readonly uncleanablePartitions: number;
  /** Bytes of their logs that would be compacted if they could. */
  readonly uncleanableBytes: number;
}

export const NO_CLEANER: CleanerStats = {
  passes: 0,
  bytesRead: 0,
  bytesWritten: 0,
  maxDirtyPercent: 0,
  recopyPercent: 0,
  lastPassSeconds: 0,
  tablePercent: 0,
  maxOverdueSeconds: 0,
  uncleanablePartitions: 0,
  uncleanableBytes: 0,
};
