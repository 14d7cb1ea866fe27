/**
 * What a start makes of a partition that has a folder in two data directories.
 *
 * That happens when the process ends, or one of the two directories fails, while a log that was moved
 * takes the place of the one it was copied from (future-logs.ts). Until the replacement the old log is
 * ahead or level, after it the new one is; and what one has beyond the other was acknowledged only
 * there. So the longer one is the partition's log. Apache Kafka leaves the choice to its operator and
 * does not start.
 */
import path from 'node:path';
import { type DiscardParts, discardLog, strayLog } from './discard-log.ts';
import { PARTITION_METADATA_FILE } from './file-names.ts';
import type { EpochEnd } from './log-types.ts';
import type { PartitionLog } from './partition-log.ts';

/** What is compared of each log. */
export interface Twin {
  readonly latestEpoch: number | null;
  readonly logEndOffset: number;
  /** When its folder was made; both clocks are of this machine. */
  readonly madeAtMs: number;
  endOffsetForEpoch(epoch: number): EpochEnd;
}

/** Tells whether `one` is to stay rather than `other`: it has seen more leaders, is longer, or younger. */
export function staysRatherThan(one: Twin, other: Twin): boolean {
  const epochs = (one.latestEpoch ?? -1) - (other.latestEpoch ?? -1);
  if (epochs !== 0) return epochs > 0;
  if (one.logEndOffset !== other.logEndOffset) return one.logEndOffset > other.logEndOffset;
  return one.madeAtMs > other.madeAtMs;
}

/** Tells whether all that `left` has is in `kept` too, so that nothing goes with it. */
export function isContained(left: Twin, kept: Twin): boolean {
  if (left.latestEpoch === null) return left.logEndOffset <= kept.logEndOffset;
  const { epoch, endOffset } = kept.endOffsetForEpoch(left.latestEpoch);
  return epoch === left.latestEpoch && left.logEndOffset <= endOffset;
}

/**
 * Ends one of two logs of the same partition, or of two future logs of it.
 * @param keep is given the one that stays before anything is done to the other
 * @throws KafkaError KAFKA_STORAGE_ERROR when the directory of the other fails over it
 */
export async function settleTwins(
  parts: DiscardParts,
  [first, second]: readonly [PartitionLog, PartitionLog],
  keep: (log: PartitionLog) => void,
): Promise<void> {
  const one = await twinOf(parts, first);
  const other = await twinOf(parts, second);
  const firstStays = staysRatherThan(one, other);
  const [stays, leaves] = firstStays ? [first, second] : [second, first];
  // Of a copy there is no harm in losing what it has alone.
  const isSafe =
    leaves.isFuture || (firstStays ? isContained(other, one) : isContained(one, other));
  parts.resources.environment.log.warn('a partition has a folder in two log directories', {
    partition: stays.name,
    stays: stays.path,
    leaves: leaves.path,
    reason: isSafe ? 'all of it is in the other one' : 'the other one is newer; it is set aside',
  });
  keep(stays);
  await (isSafe ? discardLog(parts, leaves) : strayLog(parts, leaves));
}

async function twinOf({ resources }: DiscardParts, log: PartitionLog): Promise<Twin> {
  const { disk } = resources.environment;
  const metadata = await disk.status(path.join(log.path, PARTITION_METADATA_FILE));
  return {
    latestEpoch: log.latestEpoch,
    logEndOffset: log.logEndOffset,
    madeAtMs: metadata?.modifiedAtMs ?? 0,
    endOffsetForEpoch: (epoch) => log.endOffsetForEpoch(epoch),
  };
}
