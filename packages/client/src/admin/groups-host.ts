/** Groups as the tools see them: listed at every broker, described and deleted at their coordinators. */
import {
  apis,
  consumerProtocolAssignment,
  type DescribeGroupsResponse,
  KafkaError,
  kafkaErrorOf,
  Reader,
} from '@odradek/protocol';
import type { Cluster } from '../cluster/cluster-host.ts';
import { comparePartitions, type TopicPartition } from '../topic-partition.ts';
import { failureOf } from './failures.ts';
import type { GroupDescription, GroupListing, GroupMember, Outcome } from './types.ts';

/** One group per request, as all versions can; v8 on takes several. */
const OFFSET_FETCH_VERSION_MAX = 7;
const DESCRIBE_GROUPS_VERSION_MAX = 5;

export async function listGroups(cluster: Cluster): Promise<readonly GroupListing[]> {
  await cluster.refresh([]);
  const answers = await Promise.all(
    cluster.view.brokers.map(({ id }) =>
      cluster.call({
        target: { kind: 'broker', id },
        api: apis.listGroups,
        body: () => ({}),
        codeOf: ({ errorCode }) => errorCode,
      }),
    ),
  );
  const groups = new Map<string, GroupListing>();
  for (const { groups: listed } of answers)
    for (const { groupId, protocolType, groupState } of listed)
      groups.set(groupId, { groupId, protocolType, state: groupState });
  return [...groups.values()].sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
}

export async function describeGroups(
  cluster: Cluster,
  groupIds: readonly string[],
): Promise<readonly GroupDescription[]> {
  return await Promise.all(
    groupIds.map(async (groupId) => {
      const { groups } = await cluster.call({
        target: { kind: 'group', id: groupId },
        api: apis.describeGroups,
        maxVersion: DESCRIBE_GROUPS_VERSION_MAX,
        body: () => ({ groups: [groupId] }),
        codeOf: (response) => retriableCodeOf(response.groups[0]?.errorCode),
      });
      const [group] = groups;
      if (group === undefined) throw new KafkaError('UNKNOWN_SERVER_ERROR', 'an empty answer');
      return descriptionOf(group, await cluster.coordinatorOf(groupId));
    }),
  );
}

export async function deleteGroups(
  cluster: Cluster,
  groupIds: readonly string[],
): Promise<readonly Outcome[]> {
  return await Promise.all(
    groupIds.map(async (groupId) => {
      const { results } = await cluster.call({
        target: { kind: 'group', id: groupId },
        api: apis.deleteGroups,
        body: () => ({ groupsNames: [groupId] }),
        codeOf: (response) => retriableCodeOf(response.results[0]?.errorCode),
      });
      return { name: groupId, error: failureOf(results[0]?.errorCode ?? 0) };
    }),
  );
}

/** @param partitions null for all that have a committed offset */
export async function groupOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[] | null,
): Promise<
  readonly (TopicPartition & {
    readonly offset: number;
    readonly metadata: string;
    readonly leaderEpoch: number;
  })[]
> {
  const { topics } = await cluster.call({
    target: { kind: 'group', id: groupId },
    api: apis.offsetFetch,
    maxVersion: OFFSET_FETCH_VERSION_MAX,
    body: (version) => ({
      groupId,
      topics: partitions === null ? null : byTopic(partitions),
      ...(version >= 7 ? { requireStable: true } : {}),
    }),
    codeOf: (response) =>
      response.errorCode ||
      (response.topics.flatMap((topic) => topic.partitions).find(({ errorCode }) => errorCode !== 0)
        ?.errorCode ??
        0),
  });
  return topics
    .flatMap(({ name, partitions: committed }) =>
      committed.map((partition) => ({
        topic: name,
        partition: partition.partitionIndex,
        offset: partition.committedOffset,
        metadata: partition.metadata ?? '',
        leaderEpoch: partition.committedLeaderEpoch,
      })),
    )
    .filter(({ offset }) => offset >= 0)
    .sort(comparePartitions);
}

function byTopic(partitions: readonly TopicPartition[]) {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions)
    topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  return [...topics].map(([name, partitionIndexes]) => ({ name, partitionIndexes }));
}

/** What the coordinator's move or loading explains; everything else is the caller's to see. */
function retriableCodeOf(code = 0): number {
  return code !== 0 && new KafkaError(kafkaErrorOf(code)).retriable ? code : 0;
}

function descriptionOf(
  group: DescribeGroupsResponse['groups'][number],
  coordinatorId: number,
): GroupDescription {
  const isConsumer = group.protocolType === 'consumer';
  return {
    groupId: group.groupId,
    error: failureOf(group.errorCode),
    state: group.groupState,
    protocolType: group.protocolType,
    protocol: group.protocolData,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      assignment: isConsumer ? assignmentOf(member) : [],
    })),
    coordinatorId,
  };
}

function assignmentOf({
  memberAssignment,
}: {
  readonly memberAssignment: Buffer;
}): GroupMember['assignment'] {
  if (memberAssignment.length === 0) return [];
  const reader = new Reader(memberAssignment);
  const version = Math.min(reader.int16(), consumerProtocolAssignment.spec.versions[1]);
  const { assignedPartitions } = consumerProtocolAssignment.decodeFrom(reader, version);
  return assignedPartitions
    .flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition })))
    .sort(comparePartitions);
}
