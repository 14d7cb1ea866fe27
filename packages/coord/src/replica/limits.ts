/** The limits of replication, by name and unit. */
const KIB = 1024;
const MIB = 1024 * KIB;

export interface ReplicaLimits {
  /** Of the newest transactions, this many bytes stay in memory for learners that were away for a moment. */
  readonly recentBytes: number;
  /** A message of a history or of a snapshot holds about this much. */
  readonly feedChunkBytes: number;
  /** A learner in step that leaves this much unread is dropped. */
  readonly learnerUnsentBytes: number;
  /** So many learners may be sent a snapshot at once (leader.maxConcurrentSnapshotSyncs). */
  readonly snapshotFeeds: number;
  /** So many learners may be sent a part of the log at once (leader.maxConcurrentDiffSyncs). */
  readonly diffFeeds: number;
  /** A snapshot is sent no faster than this, so that writes go on beside it. */
  readonly snapshotBytesPerSecond: number;
  /** The same for a part of the log that is read from the disk. */
  readonly historyBytesPerSecond: number;
  /** A snapshot is read this long at most before others have their turn. */
  readonly snapshotSliceMs: number;
  /** Of what a leader sends, this much may wait for the disk; then the link is held back. */
  readonly intakeBytes: number;
  /**
   * This much may wait to be applied. Of a history that is not certain yet the rest is read from the disk
   * later; while the tree is made anew the link is held back.
   */
  readonly unappliedBytes: number;
  /** From this counter of a zxid on, a new epoch is sought. */
  readonly handOverCounter: number;
  /** How often a leader that cannot be reached is tried before another is looked for. */
  readonly connectAttempts: number;
  /** The wait before the second attempt; each next one is twice as long. */
  readonly connectRetryMs: number;
}

export const DEFAULT_LIMITS: ReplicaLimits = {
  recentBytes: 4 * MIB,
  feedChunkBytes: 256 * KIB,
  learnerUnsentBytes: 64 * MIB,
  snapshotFeeds: 10,
  diffFeeds: 100,
  snapshotBytesPerSecond: 24 * MIB,
  historyBytesPerSecond: 48 * MIB,
  snapshotSliceMs: 2,
  intakeBytes: 8 * MIB,
  unappliedBytes: 64 * MIB,
  handOverCounter: 0xffff_0000 - 0x1_0000,
  connectAttempts: 6,
  connectRetryMs: 10,
};
