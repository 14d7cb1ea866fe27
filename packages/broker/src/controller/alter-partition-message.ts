/**
 * AlterPartition as each version has it. Leaders hand over topics with name and id, and the ISR with
 * and without broker epochs; a version has one of each.
 */
import type { alterPartitionRequest, InputOf } from '@odradek/protocol';

export type AlterPartitionInput = InputOf<typeof alterPartitionRequest>;

/** The ISR comes with broker epochs from this version on. */
const EPOCHS_SINCE = 3;
/** Versions before this one have no word for a leader that was elected uncleanly. */
const RECOVERY_STATE_SINCE = 1;

export function alterPartitionMessage(
  request: AlterPartitionInput,
  version: number,
): AlterPartitionInput {
  return {
    ...request,
    topics: request.topics.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((partition) => ({
        ...partition,
        newIsr: version < EPOCHS_SINCE ? (partition.newIsr ?? []) : [],
        newIsrWithEpochs: version < EPOCHS_SINCE ? [] : (partition.newIsrWithEpochs ?? []),
        leaderRecoveryState:
          version < RECOVERY_STATE_SINCE ? 0 : (partition.leaderRecoveryState ?? 0),
      })),
    })),
  };
}
