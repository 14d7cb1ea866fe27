/**
 * OffsetFetch: what a group committed; one group before v8, several since. v7+ may insist on offsets that no open
 * transaction can still change. v0, which read from the coordination server, is not served.
 */
import { apis, errorCodes, type KafkaErrorName } from '@odradek/protocol';
import type { OffsetTable } from '../core/group/offsets.ts';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

const SEVERAL_GROUPS_SINCE = 8;
const GROUP_ERROR_SINCE = 2;
const NOTHING_COMMITTED = -1;

interface AskedTopic {
  readonly name: string;
  readonly partitionIndexes: readonly number[];
}

interface AnsweredPartition {
  readonly partitionIndex: number;
  readonly committedOffset: number;
  readonly committedLeaderEpoch: number;
  readonly metadata: string;
  readonly errorCode: number;
}

interface AnsweredTopic {
  readonly name: string;
  readonly partitions: AnsweredPartition[];
}

interface Answer {
  readonly error: KafkaErrorName;
  readonly topics: AnsweredTopic[];
}

export function offsetFetchHandler(coordinator: GroupCoordinator): RegisteredHandler {
  return handler(apis.offsetFetch, [1, 9], (request, { apiVersion }) => {
    const { requireStable } = request;
    const fetch = (groupId: string, asked: readonly AskedTopic[] | null): Answer => {
      const found = coordinator.offsetsOf(groupId);
      if (!found.ok) return { error: found.error, topics: [] };
      return { error: 'NONE', topics: committedOffsets(found.value, asked, requireStable) };
    };
    if (apiVersion >= SEVERAL_GROUPS_SINCE) {
      return {
        throttleTimeMs: 0,
        groups: request.groups.map(({ groupId, topics: asked }) => {
          const { error, topics } = fetch(groupId, asked);
          return { groupId, topics, errorCode: errorCodes[error] };
        }),
      };
    }
    const { error, topics } = fetch(request.groupId, request.topics);
    // Before there was an error for the group, each partition carried it.
    const perPartition = apiVersion < GROUP_ERROR_SINCE && error !== 'NONE';
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes[error],
      topics: perPartition ? refused(request.topics ?? [], error) : topics,
    };
  });
}

/** @param asked null: everything that the group committed */
function committedOffsets(
  offsets: OffsetTable,
  asked: readonly AskedTopic[] | null,
  requireStable: boolean,
): AnsweredTopic[] {
  const answer = (topic: string, partitionIndex: number): AnsweredPartition => {
    if (requireStable && offsets.isUndecided(topic, partitionIndex))
      return nothing(partitionIndex, 'UNSTABLE_OFFSET_COMMIT');
    const committed = offsets.get(topic, partitionIndex);
    if (committed === undefined) return nothing(partitionIndex, 'NONE');
    return {
      partitionIndex,
      committedOffset: committed.offset,
      committedLeaderEpoch: committed.leaderEpoch,
      metadata: committed.metadata,
      errorCode: errorCodes.NONE,
    };
  };
  return (asked ?? everything(offsets)).map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partition) => answer(name, partition)),
  }));
}

function everything(offsets: OffsetTable): AskedTopic[] {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of offsets.all()) {
    const partitions = byTopic.get(topic);
    if (partitions === undefined) byTopic.set(topic, [partition]);
    else partitions.push(partition);
  }
  return [...byTopic].map(([name, partitionIndexes]) => ({ name, partitionIndexes }));
}

function refused(asked: readonly AskedTopic[], error: KafkaErrorName): AnsweredTopic[] {
  return asked.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partition) => nothing(partition, error)),
  }));
}

function nothing(partitionIndex: number, error: KafkaErrorName): AnsweredPartition {
  return {
    partitionIndex,
    committedOffset: NOTHING_COMMITTED,
    committedLeaderEpoch: NOTHING_COMMITTED,
    metadata: '',
    errorCode: errorCodes[error],
  };
}
