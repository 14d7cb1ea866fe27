/**
 * AlterPartition as each version has it. Leaders hand over topics with name and id, and the ISR with
 * or without broker epochs; a version has one of each.
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
        ...isrOf(partition, version),
        leaderRecoveryState:
          version < RECOVERY_STATE_SINCE ? 0 : (partition.leaderRecoveryState ?? 0),
      })),
    })),
  };
}

type PartitionInput = AlterPartitionInput['topics'][number]['partitions'][number];

function isrOf({ newIsr = [], newIsrWithEpochs = [] }: PartitionInput, version: number) {
  if (version < EPOCHS_SINCE) {
    const ids = newIsr.length > 0 ? newIsr : newIsrWithEpochs.map(({ brokerId }) => brokerId);
    return { newIsr: ids, newIsrWithEpochs: [] };
  }
  const states =
    newIsrWithEpochs.length > 0 ? newIsrWithEpochs : newIsr.map((brokerId) => ({ brokerId }));
  return { newIsr: [], newIsrWithEpochs: states };
}
