/**
 * The requests of one member to its group's coordinator, one attempt each: what to make of a failure is
 * membership.ts's to say. Answers come as codes, also where no answer came.
 */
import { apis, errorCodes, KafkaError, kafkaErrorOf } from '@odradek/protocol';
import { groupOffsets } from '../admin/groups-host.ts';
import type { Cluster } from '../cluster/cluster-host.ts';
import { isRetriable } from '../errors.ts';
import { partitionKey, type TopicPartition } from '../topic-partition.ts';
import type { MemberIdentity } from './membership.ts';
import type { CommittedOffset } from './types.ts';

export const CONSUMER_PROTOCOL_TYPE = 'consumer';
const REQUEST_TIMEOUT_MS = 30_000;
/** Beyond the time the group itself may take. */
const JOIN_SLACK_MS = 5_000;
/** v9 is for the newer group protocol, v10 takes topic ids. */
const OFFSET_COMMIT_VERSION_MAX = 8;
const ANSWERS_FOR_MEMBERSHIP: ReadonlySet<number> = new Set([
  errorCodes.REBALANCE_IN_PROGRESS,
  errorCodes.ILLEGAL_GENERATION,
  errorCodes.UNKNOWN_MEMBER_ID,
  errorCodes.FENCED_INSTANCE_ID,
]);

export interface GroupRequestsOptions {
  /** Names this consumer's own connections. */
  readonly consumerNumber: number;
  readonly groupId: string;
  readonly groupInstanceId: string | null;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
}

export interface JoinAnswer {
  readonly errorCode: number;
  readonly memberId: string;
  readonly generationId: number;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Buffer;
  }[];
}

export class GroupRequests {
  readonly #cluster: Cluster;
  readonly #options: GroupRequestsOptions;

  constructor(cluster: Cluster, options: GroupRequestsOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  join(
    { memberId }: MemberIdentity,
    protocols: readonly { readonly name: string; readonly metadata: Buffer }[],
  ): Promise<JoinAnswer> {
    const { groupId, groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options;
    return this.#cluster.callOnce({
      ...this.#toCoordinator,
      api: apis.joinGroup,
      purpose: `group ${this.#options.consumerNumber}`,
      timeoutMs: rebalanceTimeoutMs + JOIN_SLACK_MS,
      body: (version) => ({
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId,
        ...instanceField(version, 5, groupInstanceId),
        protocolType: CONSUMER_PROTOCOL_TYPE,
        protocols,
      }),
    });
  }

  /** @returns code and this member's assignment */
  sync(
    { memberId, generationId }: MemberIdentity,
    protocolName: string,
    assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[],
  ): Promise<{ readonly errorCode: number; readonly assignment: Buffer }> {
    const { groupId, groupInstanceId, rebalanceTimeoutMs } = this.#options;
    return this.#cluster.callOnce({
      ...this.#toCoordinator,
      api: apis.syncGroup,
      purpose: `group ${this.#options.consumerNumber}`,
      timeoutMs: rebalanceTimeoutMs + JOIN_SLACK_MS,
      body: (version) => ({
        groupId,
        generationId,
        memberId,
        ...instanceField(version, 3, groupInstanceId),
        ...(version >= 5 ? { protocolType: CONSUMER_PROTOCOL_TYPE, protocolName } : {}),
        assignments,
      }),
    });
  }

  async heartbeat({ memberId, generationId }: MemberIdentity): Promise<number> {
    const { groupId, groupInstanceId, sessionTimeoutMs } = this.#options;
    const { errorCode } = await this.#cluster.callOnce({
      ...this.#toCoordinator,
      api: apis.heartbeat,
      purpose: `heartbeat ${this.#options.consumerNumber}`,
      timeoutMs: Math.min(sessionTimeoutMs, REQUEST_TIMEOUT_MS),
      body: (version) => ({
        groupId,
        generationId,
        memberId,
        ...instanceField(version, 3, groupInstanceId),
      }),
    });
    return errorCode;
  }

  async leave({ memberId }: MemberIdentity, timeoutMs: number): Promise<void> {
    await this.#cluster.callOnce({
      ...this.#toCoordinator,
      api: apis.leaveGroup,
      purpose: `heartbeat ${this.#options.consumerNumber}`,
      timeoutMs,
      body: (version) =>
        version >= 3
          ? { groupId: this.#options.groupId, members: [{ memberId }] }
          : { groupId: this.#options.groupId, memberId },
    });
  }

  /**
   * Commits; tries again while the coordinator is on the move.
   * @throws KafkaError of the first partition that was refused
   */
  async commit(
    { memberId, generationId }: MemberIdentity,
    offsets: readonly CommittedOffset[],
    timeoutMs: number,
  ): Promise<void> {
    const { groupId, groupInstanceId } = this.#options;
    const { topics } = await this.#cluster.call({
      ...this.#toCoordinator,
      api: apis.offsetCommit,
      purpose: `heartbeat ${this.#options.consumerNumber}`,
      timeoutMs,
      maxVersion: OFFSET_COMMIT_VERSION_MAX,
      body: (version) => ({
        groupId,
        generationIdOrMemberEpoch: generationId,
        memberId,
        ...instanceField(version, 7, groupInstanceId),
        topics: commitTopics(version, offsets),
      }),
      codeOf: (response) => {
        const codes = response.topics.flatMap(({ partitions }) =>
          partitions.map(({ errorCode }) => errorCode),
        );
        // Membership's codes are retriable in themselves, but not with the same generation.
        return codes.find((code) => code !== 0 && !ANSWERS_FOR_MEMBERSHIP.has(code)) ?? 0;
      },
    });
    for (const { name, partitions } of topics)
      for (const { partitionIndex, errorCode } of partitions)
        if (errorCode !== 0)
          throw new KafkaError(kafkaErrorOf(errorCode), `commit of ${name}-${partitionIndex}`);
  }

  async committed(
    partitions: readonly TopicPartition[],
  ): Promise<ReadonlyMap<string, CommittedOffset>> {
    const found = await groupOffsets(this.#cluster, this.#options.groupId, partitions);
    return new Map(found.map((offset) => [partitionKey(offset), offset]));
  }

  forgetCoordinator(): void {
    this.#cluster.forgetCoordinator(this.#toCoordinator.target);
  }

  get #toCoordinator() {
    return { target: { kind: 'group', id: this.#options.groupId } as const };
  }
}

/**
 * The code that stands for a request without an answer.
 * @throws what no repetition helps and no code says
 */
export function codeOfFailure(error: unknown): number {
  if (error instanceof KafkaError && !isConnectionTrouble(error)) return error.wire;
  if (isRetriable(error)) return errorCodes.NETWORK_EXCEPTION;
  throw error;
}

/** Codes that speak of brokers, not of the group. */
function isConnectionTrouble({ code }: KafkaError): boolean {
  return code === 'LEADER_NOT_AVAILABLE' || code === 'BROKER_NOT_AVAILABLE';
}

/** A version that lacks the field takes no instance id; a static member cannot be one there. */
function instanceField(version: number, since: number, groupInstanceId: string | null) {
  return version >= since ? { groupInstanceId } : {};
}

function commitTopics(version: number, offsets: readonly CommittedOffset[]) {
  const topics = new Map<
    string,
    {
      partitionIndex: number;
      committedOffset: number;
      committedLeaderEpoch?: number;
      committedMetadata: string | null;
    }[]
  >();
  for (const { topic, partition, offset, metadata, leaderEpoch } of offsets) {
    const entry = {
      partitionIndex: partition,
      committedOffset: offset,
      ...(version >= 6 && leaderEpoch !== undefined ? { committedLeaderEpoch: leaderEpoch } : {}),
      committedMetadata: metadata ?? '',
    };
    const known = topics.get(topic);
    if (known === undefined) topics.set(topic, [entry]);
    else known.push(entry);
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }));
}
