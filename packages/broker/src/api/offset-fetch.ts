/**
 * OffsetFetch: what a group committed; one group before v8, several since.
 * v0, which read from the coordination server, is not served.
 */
import { apis, errorCodes, type KafkaErrorName } from '@odradek/protocol';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

const SEVERAL_GROUPS_SINCE = 8;
const GROUP_ERROR_SINCE = 2;
const NOTHING_COMMITTED = -1;

interface AskedTopic {
  readonly name: string;
  readonly partitionIndexes: readonly number[];
}

interface AnsweredTopic {
  readonly name: string;
  readonly partitions: {
    readonly partitionIndex: number;
    readonly committedOffset: number;
    readonly committedLeaderEpoch: number;
    readonly metadata: string;
    readonly errorCode: number;
  }[];
}

export function offsetFetchHandler(coordinator: GroupCoordinator): RegisteredHandler {
  return handler(apis.offsetFetch, [1, 9], (request, { apiVersion }) => {
    if (apiVersion >= SEVERAL_GROUPS_SINCE) {
      return {
        throttleTimeMs: 0,
        groups: request.groups.map(({ groupId, topics }) => {
          const { error, answer } = fetchOffsets(coordinator, groupId, topics);
          return { groupId, topics: answer, errorCode: errorCodes[error] };
        }),
      };
    }
    const { error, answer } = fetchOffsets(coordinator, request.groupId, request.topics);
    // Before there was an error for the group, each partition carried it.
    const perPartition = apiVersion < GROUP_ERROR_SINCE && error !== 'NONE';
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes[error],
      topics: perPartition ? withError(request.topics ?? [], error) : answer,
    };
  });
}

/** @param asked null: everything that the group committed */
function fetchOffsets(
  coordinator: GroupCoordinator,
  groupId: string,
  asked: readonly AskedTopic[] | null,
): { readonly error: KafkaErrorName; readonly answer: AnsweredTopic[] } {
  const found = coordinator.offsetsOf(groupId);
  if (!found.ok) return { error: found.error, answer: [] };
  const offsets = found.value;
  if (asked !== null) {
    const answer = asked.map(({ name, partitionIndexes }) => ({
      name,
      partitions: partitionIndexes.map((partitionIndex) => {
        const committed = offsets.get(name, partitionIndex);
        return {
          partitionIndex,
          committedOffset: committed?.offset ?? NOTHING_COMMITTED,
          committedLeaderEpoch: committed?.leaderEpoch ?? NOTHING_COMMITTED,
          metadata: committed?.metadata ?? '',
          errorCode: errorCodes.NONE,
        };
      }),
    }));
    return { error: 'NONE', answer };
  }
  const byTopic = new Map<string, AnsweredTopic>();
  for (const { topic, partition, committed } of offsets.all()) {
    let answered = byTopic.get(topic);
    if (answered === undefined) {
      answered = { name: topic, partitions: [] };
      byTopic.set(topic, answered);
    }
    answered.partitions.push({
      partitionIndex: partition,
      committedOffset: committed.offset,
      committedLeaderEpoch: committed.leaderEpoch,
      metadata: committed.metadata,
      errorCode: errorCodes.NONE,
    });
  }
  return { error: 'NONE', answer: [...byTopic.values()] };
}

function withError(asked: readonly AskedTopic[], error: KafkaErrorName): AnsweredTopic[] {
  return asked.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: NOTHING_COMMITTED,
      committedLeaderEpoch: NOTHING_COMMITTED,
      metadata: '',
      errorCode: errorCodes[error],
    })),
  }));
}
