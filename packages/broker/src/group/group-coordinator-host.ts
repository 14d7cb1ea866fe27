/**
 * The group coordinator of this broker: leads requests about groups to the partition of __consumer_offsets that each
 * group belongs to, as far as this broker leads that partition, and says otherwise where to look or when to ask again.
 *
 * What a partition does with them is owned-partition-host.ts; requests and responses are in ../api/.
 */
import type { Codec, KafkaErrorName } from '@odradek/protocol';
import { type Environment, type Log, millis } from '@odradek/runtime';
import { coordinatorPartition } from '../core/group/coordinator-partition.ts';
import { refusedJoin, refusedSync } from '../core/group/generation.ts';
import type {
  GroupSnapshot,
  GroupState,
  JoinRequest,
  JoinResult,
  MemberIdentity,
  SyncRequest,
  SyncResult,
} from '../core/group/group-types.ts';
import { type GroupLimits, groupLimits, Room } from '../core/group/limits.ts';
import { OffsetTable, type TopicPartition } from '../core/group/offsets.ts';
import type { HostedGroup } from './hosted-group-host.ts';
import {
  type OffsetsTopic,
  OwnedPartition,
  type OwnedPartitionOptions,
} from './owned-partition-host.ts';

export type { OffsetsTopic } from './owned-partition-host.ts';

/** Settings, each named after Kafka's key. */
export interface GroupCoordinatorConfig {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly initialRebalanceDelayMs: number;
  /** Members of one group. */
  readonly maxGroupSize: number;
  /** Of the text that a client may attach to an offset; Kafka too counts characters where its key says bytes. */
  readonly offsetMetadataMaxBytes: number;
  readonly commitTimeoutMs: number;
  readonly commitRequiredAcks: -1 | 1;
  /** Of the batches that are written; 'none' when left out. */
  readonly compression?: Codec;
  readonly loadBufferBytes: number;
  readonly retentionMs: number;
  readonly retentionCheckIntervalMs: number;
  /** Limits that Kafka has no keys for. */
  readonly limits?: GroupLimits;
}

export interface OffsetToCommit extends TopicPartition {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestampMs: number | null;
}

export interface GroupDescription {
  readonly error: KafkaErrorName;
  readonly snapshot: GroupSnapshot | null;
}

export interface GroupListing {
  readonly groupId: string;
  readonly protocolType: string;
  readonly state: GroupState;
}

type Found<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: KafkaErrorName };

export class GroupCoordinator {
  readonly #environment: Environment;
  readonly #log: Log;
  readonly #config: GroupCoordinatorConfig;
  readonly #topic: OffsetsTopic;
  readonly #owned = new Map<number, OwnedPartition>();
  readonly #options: OwnedPartitionOptions;
  #running = true;
  #disarmExpiry: () => void = () => undefined;

  constructor(environment: Environment, config: GroupCoordinatorConfig, topic: OffsetsTopic) {
    this.#environment = environment;
    this.#log = environment.log.child('groups');
    this.#config = config;
    this.#topic = topic;
    const limits = config.limits ?? groupLimits;
    this.#options = {
      environment,
      log: this.#log,
      topic,
      group: {
        initialRebalanceDelayMs: config.initialRebalanceDelayMs,
        maxSize: config.maxGroupSize,
        limits,
        room: this.#room('groups and members', limits.groupsMaxBytes),
      },
      offsetsRoom: this.#room('committed offsets', limits.offsetsMaxBytes),
      offsetMetadataMaxChars: config.offsetMetadataMaxBytes,
      commitTimeoutMs: config.commitTimeoutMs,
      commitRequiredAcks: config.commitRequiredAcks,
      compression: config.compression ?? 'none',
      loadBufferBytes: config.loadBufferBytes,
      retentionMs: config.retentionMs,
    };
    this.#armExpiry();
  }

  #room(what: string, limitBytes: number): Room {
    return new Room(limitBytes, () =>
      this.#log.warn(`there is no room for more ${what}: clients are refused`, { limitBytes }),
    );
  }

  /** No more answers; what is parked is told to look elsewhere. */
  stop(): void {
    this.#running = false;
    this.#disarmExpiry();
    for (const partition of [...this.#owned.keys()]) this.resigned(partition);
  }

  // ---- leadership --------------------------------------------------------------------------------------------

  /** This broker leads a partition of the offsets topic now: load its groups in the background. */
  elected(partition: number, leaderEpoch: number): void {
    if (!this.#running) return;
    const before = this.#owned.get(partition);
    if (before !== undefined && before.leaderEpoch >= leaderEpoch) return;
    before?.release();
    const owned = new OwnedPartition(partition, leaderEpoch, this.#options);
    this.#owned.set(partition, owned);
    owned.load();
  }

  /** Another broker leads it, or nobody. */
  resigned(partition: number): void {
    this.#owned.get(partition)?.release();
    this.#owned.delete(partition);
  }

  // ---- requests of members -----------------------------------------------------------------------------------

  async join(groupId: string, request: JoinRequest): Promise<JoinResult> {
    const { memberId, sessionTimeoutMs } = request;
    const found = this.#partitionOf(groupId, 'named');
    if (!found.ok) return refusedJoin(found.error, memberId);
    const owned = found.value;
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#config;
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs)
      return refusedJoin('INVALID_SESSION_TIMEOUT', memberId);
    let group = owned.find(groupId) ?? null;
    if (group === null && memberId !== '') return refusedJoin('UNKNOWN_MEMBER_ID', memberId);
    group ??= owned.create(groupId);
    if (group === null) return refusedJoin('COORDINATOR_NOT_AVAILABLE', memberId);
    const result = await group.join(request);
    if (result.error !== 'NONE') owned.dropIfUnused(groupId);
    return result;
  }

  async sync(groupId: string, request: SyncRequest): Promise<SyncResult> {
    const found = this.#group(groupId, 'named');
    if (!found.ok) {
      // A member that syncs while the coordinator moves is better off joining again.
      const isLoading = found.error === 'COORDINATOR_LOAD_IN_PROGRESS';
      return refusedSync(isLoading ? 'REBALANCE_IN_PROGRESS' : found.error);
    }
    return found.value?.sync(request) ?? refusedSync('UNKNOWN_MEMBER_ID');
  }

  heartbeat(groupId: string, identity: MemberIdentity, generationId: number): KafkaErrorName {
    const found = this.#group(groupId, 'named');
    if (!found.ok) return found.error === 'COORDINATOR_LOAD_IN_PROGRESS' ? 'NONE' : found.error;
    if (found.value === undefined) return 'UNKNOWN_MEMBER_ID';
    return found.value.group.heartbeat(identity, generationId, this.#environment.clock.now());
  }

  /** One error for the request, and one for each member. */
  async leave(
    groupId: string,
    members: readonly MemberIdentity[],
  ): Promise<{ readonly error: KafkaErrorName; readonly members: readonly KafkaErrorName[] }> {
    const found = this.#group(groupId, 'named');
    if (!found.ok) return { error: found.error, members: [] };
    const group = found.value;
    if (group === undefined)
      return { error: 'NONE', members: members.map(() => 'UNKNOWN_MEMBER_ID') };
    if (group.group.state === 'Dead') return { error: 'COORDINATOR_NOT_AVAILABLE', members: [] };
    return { error: 'NONE', members: await group.leave(members) };
  }

  // ---- offsets -----------------------------------------------------------------------------------------------

  /** One error per offset, in order. */
  async commit(
    groupId: string,
    identity: MemberIdentity,
    generationId: number,
    retentionMs: number | null,
    offsets: readonly OffsetToCommit[],
  ): Promise<readonly KafkaErrorName[]> {
    const all = (error: KafkaErrorName): KafkaErrorName[] => offsets.map(() => error);
    const found = this.#partitionOf(groupId, 'any');
    if (!found.ok) return all(found.error);
    const owned = found.value;
    let group = owned.find(groupId) ?? null;
    if (group === null && generationId >= 0) return all('ILLEGAL_GENERATION');
    group ??= owned.create(groupId);
    if (group === null) return all('COORDINATOR_NOT_AVAILABLE');
    const { clock } = this.#environment;
    const refusal = group.group.admitCommit(identity, generationId, clock.now());
    if (refusal !== 'NONE') return all(refusal);
    const nowMs = clock.wallTime();
    const errors = await owned.commit(
      groupId,
      group,
      offsets.map(({ topic, partition, commitTimestampMs, offset, leaderEpoch, metadata }) => ({
        topic,
        partition,
        committed: {
          offset,
          leaderEpoch,
          metadata,
          commitTimestampMs: commitTimestampMs ?? nowMs,
          expireTimestampMs: retentionMs === null ? null : nowMs + retentionMs,
        },
      })),
    );
    owned.dropIfUnused(groupId); // Nothing of it could be written.
    return errors;
  }

  /** The group's committed offsets; an empty table for a group that nobody knows. */
  offsetsOf(groupId: string): Found<OffsetTable> {
    const found = this.#group(groupId, 'any');
    if (!found.ok) return found;
    return { ok: true, value: found.value?.offsets ?? new OffsetTable(this.#options.offsetsRoom) };
  }

  // ---- looking and deleting ----------------------------------------------------------------------------------

  list(): { readonly error: KafkaErrorName; readonly groups: readonly GroupListing[] } {
    if (!this.#running) return { error: 'COORDINATOR_NOT_AVAILABLE', groups: [] };
    const groups: GroupListing[] = [];
    let loading = false;
    for (const owned of this.#owned.values()) {
      loading ||= owned.isLoading;
      for (const [groupId, { group }] of owned.groups())
        groups.push({ groupId, protocolType: group.protocolType ?? '', state: group.state });
    }
    return { error: loading ? 'COORDINATOR_LOAD_IN_PROGRESS' : 'NONE', groups };
  }

  describe(groupId: string): GroupDescription {
    const found = this.#group(groupId, 'any');
    if (!found.ok) return { error: found.error, snapshot: null };
    return { error: 'NONE', snapshot: found.value?.group.snapshot() ?? null };
  }

  async delete(groupId: string): Promise<KafkaErrorName> {
    const found = this.#partitionOf(groupId, 'any');
    return found.ok ? found.value.delete(groupId) : found.error;
  }

  /** Deleted topics take their committed offsets with them. */
  async forgetTopics(topics: readonly string[]): Promise<void> {
    const gone = new Set(topics);
    for (const owned of [...this.#owned.values()]) await owned.forgetTopics(gone);
  }

  // ---- expiry ------------------------------------------------------------------------------------------------

  #armExpiry(): void {
    const { clock, timers } = this.#environment;
    const at = millis(clock.now() + this.#config.retentionCheckIntervalMs);
    this.#disarmExpiry = timers.wakeAt(at, () => {
      this.expireOffsets()
        .catch((error: unknown) =>
          this.#log.warn('expired offsets stay for now', {
            error: error instanceof Error ? error : new Error(String(error)),
          }),
        )
        .finally(() => {
          if (this.#running) this.#armExpiry();
        });
    });
  }

  /** Removes offsets that have outlived their retention, and groups that have nothing left. */
  async expireOffsets(): Promise<void> {
    for (const owned of [...this.#owned.values()]) await owned.expire();
  }

  // ---- small parts -------------------------------------------------------------------------------------------

  /**
   * The partition that a group belongs to, if it is this broker's and loaded.
   * @param kind 'any': the empty id is an ordinary one, under which consumers without a group commit
   */
  #partitionOf(groupId: string, kind: 'named' | 'any'): Found<OwnedPartition> {
    const refuse = (error: KafkaErrorName) => ({ ok: false, error }) as const;
    if (groupId === '' && kind === 'named') return refuse('INVALID_GROUP_ID');
    if (!this.#running) return refuse('COORDINATOR_NOT_AVAILABLE');
    const count = this.#topic.partitionCount();
    if (count === null) return refuse('NOT_COORDINATOR');
    const owned = this.#owned.get(coordinatorPartition(groupId, count));
    if (owned === undefined) return refuse('NOT_COORDINATOR');
    return owned.isLoading ? refuse('COORDINATOR_LOAD_IN_PROGRESS') : { ok: true, value: owned };
  }

  #group(groupId: string, kind: 'named' | 'any'): Found<HostedGroup | undefined> {
    const found = this.#partitionOf(groupId, kind);
    return found.ok ? { ok: true, value: found.value.find(groupId) } : found;
  }
}
