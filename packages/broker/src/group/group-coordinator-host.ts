/**
 * The group coordinator of this broker: owns the groups of those partitions of __consumer_offsets that it leads.
 *
 * It drives one machine per group (../core/group/), writes what they want stored, keeps committed offsets, loads a
 * partition when it becomes its leader and lets go when it no longer is, and forgets offsets that have expired.
 * Deciding is the machines' business; requests and responses are in ../api/.
 */
import { encodeBatch, KafkaError, type KafkaErrorName, type RecordInput } from '@odradek/protocol';
import { type Environment, type Log, millis } from '@odradek/runtime';
import { coordinatorPartition } from '../core/group/coordinator-partition.ts';
import type {
  GroupSnapshot,
  GroupState,
  JoinRequest,
  JoinResult,
  MemberIdentity,
  SyncRequest,
  SyncResult,
} from '../core/group/group-types.ts';
import { groupLimits, Room } from '../core/group/limits.ts';
import { type CommittedOffset, OffsetTable } from '../core/group/offsets.ts';
import { groupRecord, offsetRecord } from '../core/group/records.ts';
import { HostedGroup } from './hosted-group-host.ts';
import { loadOffsetsPartition, type ReadableLog } from './offsets-loader-host.ts';
import { subscribedTopics } from './subscriptions.ts';

/** Settings, each named after Kafka's key. */
export interface GroupCoordinatorConfig {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly initialRebalanceDelayMs: number;
  /** Members of one group. */
  readonly maxGroupSize: number;
  /** Bytes of the text that a client may attach to an offset. */
  readonly offsetMetadataMaxBytes: number;
  readonly commitTimeoutMs: number;
  readonly commitRequiredAcks: -1 | 1;
  readonly loadBufferBytes: number;
  readonly retentionMs: number;
  readonly retentionCheckIntervalMs: number;
}

/** What the coordinator needs of the replicas of this broker. */
export interface OffsetsTopic {
  /** Partitions of __consumer_offsets; null while the topic is not there. */
  partitionCount(): number | null;
  log(partition: number): ReadableLog | undefined;
  append(
    partition: number,
    records: Buffer,
    options: { readonly timeoutMs: number; readonly requiredAcks: -1 | 1 },
  ): Promise<{ readonly firstOffset: number }>;
}

/** The groups of one partition of the offsets topic. */
interface Owned {
  readonly partition: number;
  readonly leaderEpoch: number;
  loading: boolean;
  readonly groups: Map<string, HostedGroup>;
}

export interface OffsetToCommit {
  readonly topic: string;
  readonly partition: number;
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
  readonly #owned = new Map<number, Owned>();
  readonly #room = new Room(groupLimits.groupsMaxBytes);
  #running = true;
  #disarmExpiry: () => void = () => undefined;

  constructor(environment: Environment, config: GroupCoordinatorConfig, topic: OffsetsTopic) {
    this.#environment = environment;
    this.#log = environment.log.child('groups');
    this.#config = config;
    this.#topic = topic;
    this.#armExpiry();
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
    const before = this.#owned.get(partition);
    if (before !== undefined && before.leaderEpoch >= leaderEpoch) return;
    if (before !== undefined) this.#release(before);
    const owned: Owned = { partition, leaderEpoch, loading: true, groups: new Map() };
    this.#owned.set(partition, owned);
    this.#load(owned).catch((error: unknown) => {
      // Without its groups the partition answers "loading" until a new leader is elected, rather than lying.
      this.#log.error('groups cannot be loaded', { partition, error: asError(error) });
    });
  }

  /** Another broker leads it, or nobody. */
  resigned(partition: number): void {
    const owned = this.#owned.get(partition);
    if (owned === undefined) return;
    this.#owned.delete(partition);
    this.#release(owned);
  }

  #release(owned: Owned): void {
    for (const group of owned.groups.values()) group.deliver({ kind: 'unload' });
    owned.groups.clear();
  }

  async #load(owned: Owned): Promise<void> {
    const log = this.#topic.log(owned.partition);
    if (log === undefined) throw new KafkaError('KAFKA_STORAGE_ERROR', 'the log is not here');
    const began = this.#environment.clock.now();
    const loaded = await loadOffsetsPartition(
      log,
      this.#config.loadBufferBytes,
      () => this.#owned.get(owned.partition) === owned,
      this.#log,
    );
    if (this.#owned.get(owned.partition) !== owned) return;
    for (const [groupId, { stored, stateSinceMs, offsets }] of loaded) {
      owned.groups.set(groupId, this.#host(owned, groupId, offsets, stored, stateSinceMs));
    }
    owned.loading = false;
    this.#log.info('groups loaded', {
      partition: owned.partition,
      groups: owned.groups.size,
      ms: Math.round(this.#environment.clock.now() - began),
    });
  }

  #host(
    owned: Owned,
    groupId: string,
    offsets: OffsetTable,
    stored: GroupSnapshot | null,
    stateSinceMs: number | null,
  ): HostedGroup {
    return new HostedGroup({
      groupId,
      offsets,
      stored,
      stateSinceMs,
      time: this.#environment,
      options: {
        initialRebalanceDelayMs: this.#config.initialRebalanceDelayMs,
        maxSize: this.#config.maxGroupSize,
        limits: groupLimits,
        room: this.#room,
      },
      store: (snapshot) =>
        this.#write(owned, [groupRecord(groupId, snapshot, this.#environment.clock.wallTime())]),
    });
  }

  // ---- requests of members -----------------------------------------------------------------------------------

  async join(groupId: string, request: JoinRequest): Promise<JoinResult> {
    const refuse = (error: KafkaErrorName): JoinResult => ({
      error,
      generationId: -1,
      protocolType: null,
      protocolName: null,
      leader: '',
      memberId: request.memberId,
      skipAssignment: false,
      members: [],
    });
    const { sessionTimeoutMs } = request;
    if (groupId === '') return refuse('INVALID_GROUP_ID');
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#config;
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
      return refuse('INVALID_SESSION_TIMEOUT');
    }
    const found = this.#find(groupId);
    if (!found.ok) return refuse(found.error);
    let group = found.value.groups.get(groupId);
    if (group === undefined) {
      if (request.memberId !== '') return refuse('UNKNOWN_MEMBER_ID');
      group = this.#host(found.value, groupId, new OffsetTable(), null, null);
      found.value.groups.set(groupId, group);
    }
    return group.join(request);
  }

  async sync(groupId: string, request: SyncRequest): Promise<SyncResult> {
    const refuse = (error: KafkaErrorName): SyncResult => ({
      error,
      protocolType: null,
      protocolName: null,
      assignment: Buffer.alloc(0),
    });
    const found = this.#group(groupId);
    // A member that syncs while the coordinator moves is better off joining again.
    if (!found.ok) {
      return refuse(
        found.error === 'COORDINATOR_LOAD_IN_PROGRESS' ? 'REBALANCE_IN_PROGRESS' : found.error,
      );
    }
    return found.value === undefined ? refuse('UNKNOWN_MEMBER_ID') : found.value.sync(request);
  }

  heartbeat(groupId: string, identity: MemberIdentity, generationId: number): KafkaErrorName {
    const found = this.#group(groupId);
    if (!found.ok) return found.error === 'COORDINATOR_LOAD_IN_PROGRESS' ? 'NONE' : found.error;
    if (found.value === undefined) return 'UNKNOWN_MEMBER_ID';
    return found.value.group.heartbeat(identity, generationId, this.#environment.clock.now());
  }

  /** One error for the request, and one for each member. */
  async leave(
    groupId: string,
    members: readonly MemberIdentity[],
  ): Promise<{ readonly error: KafkaErrorName; readonly members: readonly KafkaErrorName[] }> {
    const found = this.#group(groupId);
    if (!found.ok) return { error: found.error, members: [] };
    if (found.value === undefined) {
      return { error: 'NONE', members: members.map(() => 'UNKNOWN_MEMBER_ID') };
    }
    return { error: 'NONE', members: await found.value.leave(members) };
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
    const found = this.#find(groupId);
    if (!found.ok) return all(found.error);
    const owned = found.value;
    let group = owned.groups.get(groupId);
    if (group === undefined) {
      if (generationId >= 0) return all('ILLEGAL_GENERATION');
      group = this.#host(owned, groupId, new OffsetTable(), null, null);
      owned.groups.set(groupId, group);
    }
    const nowMs = this.#environment.clock.wallTime();
    const refusal = group.group.admitCommit(identity, generationId, this.#environment.clock.now());
    if (refusal !== 'NONE') return all(refusal);

    const errors = offsets.map(
      ({ metadata }): KafkaErrorName =>
        Buffer.byteLength(metadata) > this.#config.offsetMetadataMaxBytes
          ? 'OFFSET_METADATA_TOO_LARGE'
          : 'NONE',
    );
    const accepted = offsets
      .filter((_, index) => errors[index] === 'NONE')
      .map((offset) => ({
        topic: offset.topic,
        partition: offset.partition,
        committed: {
          offset: offset.offset,
          leaderEpoch: offset.leaderEpoch,
          metadata: offset.metadata,
          commitTimestampMs: offset.commitTimestampMs ?? nowMs,
          expireTimestampMs:
            retentionMs === null ? null : (offset.commitTimestampMs ?? nowMs) + retentionMs,
        },
      }));
    if (accepted.length === 0) return errors;
    const records = accepted.map(({ topic, partition, committed }) =>
      offsetRecord(groupId, topic, partition, committed, nowMs),
    );
    const written = await this.#write(owned, records);
    if (!written.ok) {
      return errors.map((error) => (error === 'NONE' ? commitError(written.error) : error));
    }
    for (const [index, { topic, partition, committed }] of accepted.entries()) {
      group.offsets.set(topic, partition, { ...committed, logOffset: written.value + index });
    }
    return errors;
  }

  /** The group's committed offsets; an empty table for a group that nobody knows. */
  offsetsOf(groupId: string): Found<OffsetTable> {
    const found = this.#group(groupId, true);
    if (!found.ok) return found;
    return { ok: true, value: found.value?.offsets ?? new OffsetTable() };
  }

  // ---- looking and deleting ----------------------------------------------------------------------------------

  list(): { readonly error: KafkaErrorName; readonly groups: readonly GroupListing[] } {
    if (!this.#running) return { error: 'COORDINATOR_NOT_AVAILABLE', groups: [] };
    const groups: GroupListing[] = [];
    let loading = false;
    for (const owned of this.#owned.values()) {
      loading ||= owned.loading;
      for (const [groupId, { group }] of owned.groups) {
        groups.push({ groupId, protocolType: group.protocolType ?? '', state: group.state });
      }
    }
    return { error: loading ? 'COORDINATOR_LOAD_IN_PROGRESS' : 'NONE', groups };
  }

  describe(groupId: string): GroupDescription {
    const found = this.#group(groupId, true);
    if (!found.ok) return { error: found.error, snapshot: null };
    return { error: 'NONE', snapshot: found.value?.group.snapshot() ?? null };
  }

  async delete(groupId: string): Promise<KafkaErrorName> {
    const found = this.#find(groupId);
    if (!found.ok) return found.error;
    const group = found.value.groups.get(groupId);
    if (group === undefined || group.group.state === 'Dead') return 'GROUP_ID_NOT_FOUND';
    if (group.group.state !== 'Empty' || !group.group.isVacant) return 'NON_EMPTY_GROUP';
    return this.#bury(found.value, groupId, group);
  }

  /** Deleted topics take their committed offsets with them. */
  async forgetTopics(topics: readonly string[]): Promise<void> {
    for (const owned of this.#owned.values()) {
      for (const [groupId, group] of owned.groups) {
        const gone = topics.flatMap((topic) => group.offsets.ofTopic(topic));
        await this.#removeOffsets(owned, groupId, group, gone);
      }
    }
  }

  // ---- expiry ------------------------------------------------------------------------------------------------

  #armExpiry(): void {
    const { clock, timers } = this.#environment;
    this.#disarmExpiry = timers.wakeAt(
      millis(clock.now() + this.#config.retentionCheckIntervalMs),
      () => {
        this.expireOffsets()
          .catch((error: unknown) =>
            this.#log.warn('expired offsets stay for now', { error: asError(error) }),
          )
          .finally(() => {
            if (this.#running) this.#armExpiry();
          });
      },
    );
  }

  /** Removes offsets that have outlived their retention, and groups that have nothing left. */
  async expireOffsets(): Promise<void> {
    const nowMs = this.#environment.clock.wallTime();
    for (const owned of this.#owned.values()) {
      if (owned.loading) continue;
      for (const [groupId, hosted] of owned.groups) {
        const { group, offsets, stateSinceMs } = hosted;
        const snapshot = group.snapshot();
        const expired = offsets.expired(
          {
            protocolType: group.protocolType,
            isEmpty: group.state === 'Empty',
            isStable: group.state === 'Stable',
            emptySinceMs: stateSinceMs,
            subscribed: subscribedTopics(snapshot),
          },
          nowMs,
          this.#config.retentionMs,
        );
        await this.#removeOffsets(owned, groupId, hosted, expired);
        if (group.state === 'Empty' && group.isVacant && offsets.isEmpty) {
          await this.#bury(owned, groupId, hosted);
        }
      }
    }
  }

  async #removeOffsets(
    owned: Owned,
    groupId: string,
    group: HostedGroup,
    gone: readonly {
      readonly topic: string;
      readonly partition: number;
      readonly committed: CommittedOffset;
    }[],
  ): Promise<void> {
    if (gone.length === 0) return;
    const nowMs = this.#environment.clock.wallTime();
    const written = await this.#write(
      owned,
      gone.map(({ topic, partition }) => offsetRecord(groupId, topic, partition, null, nowMs)),
    );
    if (!written.ok) return;
    for (const { topic, partition, committed } of gone) {
      // A commit that came in meanwhile is newer than what was removed.
      if (group.offsets.get(topic, partition) === committed) group.offsets.remove(topic, partition);
    }
  }

  async #bury(owned: Owned, groupId: string, group: HostedGroup): Promise<KafkaErrorName> {
    const nowMs = this.#environment.clock.wallTime();
    const tombstones = [...group.offsets.all()].map(({ topic, partition }) =>
      offsetRecord(groupId, topic, partition, null, nowMs),
    );
    group.deliver({ kind: 'die' });
    owned.groups.delete(groupId);
    const written = await this.#write(owned, [...tombstones, groupRecord(groupId, null, nowMs)]);
    return written.ok ? 'NONE' : commitError(written.error);
  }

  // ---- small parts -------------------------------------------------------------------------------------------

  /** The partition that a group belongs to, if it is this broker's and loaded. */
  #find(groupId: string): Found<Owned> {
    if (!this.#running) return { ok: false, error: 'COORDINATOR_NOT_AVAILABLE' };
    const count = this.#topic.partitionCount();
    const owned =
      count === null ? undefined : this.#owned.get(coordinatorPartition(groupId, count));
    if (owned === undefined) return { ok: false, error: 'NOT_COORDINATOR' };
    if (owned.loading) return { ok: false, error: 'COORDINATOR_LOAD_IN_PROGRESS' };
    return { ok: true, value: owned };
  }

  /** @param anyId the empty id is an ordinary one where no member is meant: consumers without a group commit under it */
  #group(groupId: string, anyId = false): Found<HostedGroup | undefined> {
    if (groupId === '' && !anyId) return { ok: false, error: 'INVALID_GROUP_ID' };
    const found = this.#find(groupId);
    return found.ok ? { ok: true, value: found.value.groups.get(groupId) } : found;
  }

  /** Appends records as one batch; resolves to the offset of the first one. */
  async #write(owned: Owned, records: readonly RecordInput[]): Promise<Found<number>> {
    try {
      const { firstOffset } = await this.#topic.append(owned.partition, encodeBatch({ records }), {
        timeoutMs: this.#config.commitTimeoutMs,
        requiredAcks: this.#config.commitRequiredAcks,
      });
      return { ok: true, value: firstOffset };
    } catch (error) {
      if (error instanceof KafkaError) return { ok: false, error: error.code };
      throw error;
    }
  }
}

/** What a member is told when the offsets topic could not take its commit. */
function commitError(error: KafkaErrorName): KafkaErrorName {
  switch (error) {
    case 'UNKNOWN_TOPIC_OR_PARTITION':
    case 'NOT_ENOUGH_REPLICAS':
    case 'NOT_ENOUGH_REPLICAS_AFTER_APPEND':
      return 'COORDINATOR_NOT_AVAILABLE';
    case 'NOT_LEADER_OR_FOLLOWER':
    case 'KAFKA_STORAGE_ERROR':
      return 'NOT_COORDINATOR';
    case 'MESSAGE_TOO_LARGE':
    case 'RECORD_LIST_TOO_LARGE':
    case 'INVALID_FETCH_SIZE':
      return 'INVALID_COMMIT_OFFSET_SIZE';
    default:
      return error;
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
