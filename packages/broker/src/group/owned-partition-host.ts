/**
 * The groups of one partition of __consumer_offsets, from the election of this broker as its leader to the end of that.
 *
 * Loads them, writes what their machines want stored, and writes before it forgets: offsets that have expired or belong to
 * a deleted topic, and whole groups. Who asks for what is group-coordinator-host.ts; the machines are in ../core/group/.
 */
import {
  type Codec,
  encodeBatch,
  KafkaError,
  type KafkaErrorName,
  type RecordInput,
} from '@odradek/protocol';
import { type Environment, type Log, millis } from '@odradek/runtime';
import type { GroupOptions, GroupSnapshot } from '../core/group/group-types.ts';
import { BYTES_PER_CHAR, GROUP_OVERHEAD_BYTES, type Room } from '../core/group/limits.ts';
import { expiredOffsets } from '../core/group/offset-expiry.ts';
import { type CommittedOffset, OffsetTable, type TopicPartition } from '../core/group/offsets.ts';
import { groupRecord, offsetRecord } from '../core/group/records.ts';
import { HostedGroup } from './hosted-group-host.ts';
import {
  type LoadedGroup,
  loadOffsetsPartition,
  type ReadableLog,
  turn,
} from './offsets-loader-host.ts';
import { subscribedTopics } from './subscriptions.ts';
import { commitError } from './write-errors.ts';

/** A partition that could not be loaded is tried again after this time. */
const LOAD_RETRY_MS = 5_000;
/** Bytes of keys that are removed with one batch: well below any `max.message.bytes`. */
const REMOVAL_BATCH_BYTES = 256 * 1024;
/** Loaded groups and members that are brought to life between two turns of the event loop. */
const TAKEN_IN_PER_TURN = 500;
/** Offsets and groups that a sweep looks at between two turns of the event loop. */
const SWEPT_PER_TURN = 5_000;

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

export interface OwnedPartitionOptions {
  readonly environment: Environment;
  readonly log: Log;
  readonly topic: OffsetsTopic;
  readonly group: GroupOptions;
  readonly offsetsRoom: Room;
  readonly offsetMetadataMaxChars: number;
  readonly commitTimeoutMs: number;
  readonly commitRequiredAcks: -1 | 1;
  readonly compression: Codec;
  readonly loadBufferBytes: number;
  readonly retentionMs: number;
}

export type NewOffset = TopicPartition & { readonly committed: Omit<CommittedOffset, 'logOffset'> };

type Removal = TopicPartition & { readonly record: RecordInput };

type Written =
  | { readonly ok: true; readonly firstOffset: number }
  | { readonly ok: false; readonly error: KafkaErrorName };

export class OwnedPartition {
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly #options: OwnedPartitionOptions;
  readonly #groups = new Map<string, HostedGroup>();
  /** Topics that were deleted while the groups were being loaded. */
  readonly #goneMeanwhile = new Set<string>();
  #isLoading = true;
  #isReleased = false;
  #disarmRetry: () => void = () => undefined;

  constructor(partition: number, leaderEpoch: number, options: OwnedPartitionOptions) {
    this.partition = partition;
    this.leaderEpoch = leaderEpoch;
    this.#options = options;
  }

  get isLoading(): boolean {
    return this.#isLoading;
  }

  groups(): IterableIterator<[string, HostedGroup]> {
    return this.#groups.entries();
  }

  find(groupId: string): HostedGroup | undefined {
    return this.#groups.get(groupId);
  }

  /** A new group; null when there is no room for one more. */
  create(groupId: string): HostedGroup | null {
    const { room } = this.#options.group;
    if (!room.has(groupBytes(groupId))) return null;
    return this.#add(groupId, new OffsetTable(this.#options.offsetsRoom), null, null);
  }

  /** Forgets a group that was made for a request which then came to nothing. */
  dropIfUnused(groupId: string): void {
    const hosted = this.#groups.get(groupId);
    if (hosted?.isUnused === true) this.#drop(groupId, hosted);
  }

  // ---- coming and going --------------------------------------------------------------------------------------

  /** Loads the groups in the background. Until that has succeeded the partition answers "loading", rather than lying. */
  load(): void {
    const { log, environment } = this.#options;
    this.#load().catch((reason: unknown) => {
      if (this.#isReleased) return;
      const error = reason instanceof Error ? reason : new Error(String(reason));
      const { partition } = this;
      if (!this.#isLoading) {
        log.warn('offsets of topics that were deleted meanwhile stay for now', {
          partition,
          error,
        });
        return;
      }
      log.error('groups cannot be loaded', { partition, error, retryAfterMs: LOAD_RETRY_MS });
      const at = millis(environment.clock.now() + LOAD_RETRY_MS);
      this.#disarmRetry = environment.timers.wakeAt(at, () => this.load());
    });
  }

  /** Another broker leads the partition: whoever waits here is told so. */
  release(): void {
    this.#isReleased = true;
    this.#disarmRetry();
    for (const [groupId, hosted] of [...this.#groups]) {
      hosted.deliver({ kind: 'unload' });
      this.#drop(groupId, hosted);
    }
  }

  async #load(): Promise<void> {
    const { topic, environment, log, loadBufferBytes, offsetsRoom } = this.#options;
    const records = topic.log(this.partition);
    if (records === undefined) throw new KafkaError('KAFKA_STORAGE_ERROR', 'the log is not here');
    const began = environment.clock.now();
    const loaded = await loadOffsetsPartition(records, {
      time: environment,
      events: log,
      bufferBytes: loadBufferBytes,
      room: offsetsRoom,
      wanted: () => !this.#isReleased,
    });
    if (loaded === null) return;
    await this.#takeIn(loaded);
    if (this.#isReleased) return;
    this.#isLoading = false;
    log.info('groups loaded', {
      partition: this.partition,
      groups: this.#groups.size,
      tookMs: Math.round(environment.clock.now() - began),
    });
    if (this.#goneMeanwhile.size > 0) await this.forgetTopics(this.#goneMeanwhile);
  }

  async #takeIn(loaded: ReadonlyMap<string, LoadedGroup>): Promise<void> {
    let untilTurn = TAKEN_IN_PER_TURN;
    for (const [groupId, { stored, stateSinceMs, offsets }] of loaded) {
      if (this.#isReleased) offsets.clear();
      else this.#add(groupId, offsets, stored, stateSinceMs);
      untilTurn -= 1 + (stored?.members.length ?? 0);
      if (untilTurn > 0) continue;
      untilTurn = TAKEN_IN_PER_TURN;
      await turn(this.#options.environment);
    }
  }

  #add(
    groupId: string,
    offsets: OffsetTable,
    stored: GroupSnapshot | null,
    stateSinceMs: number | null,
  ): HostedGroup {
    const { environment, group } = this.#options;
    const hosted = new HostedGroup({
      groupId,
      offsets,
      stored,
      stateSinceMs,
      time: environment,
      options: group,
      store: (snapshot) => this.#store(groupId, snapshot),
    });
    this.#groups.set(groupId, hosted);
    group.room.take(groupBytes(groupId));
    return hosted;
  }

  #drop(groupId: string, hosted: HostedGroup): void {
    if (this.#groups.get(groupId) !== hosted) return;
    this.#groups.delete(groupId);
    hosted.offsets.clear();
    this.#options.group.room.take(-groupBytes(groupId));
  }

  // ---- offsets -----------------------------------------------------------------------------------------------

  /** Writes commits that were admitted; one error each, in order. Those that cannot be taken do not stop the others. */
  async commit(
    groupId: string,
    { offsets }: HostedGroup,
    commits: readonly NewOffset[],
  ): Promise<readonly KafkaErrorName[]> {
    const errors = commits.map((commit) => this.#commitRefusal(offsets, commit));
    const accepted = commits.filter((_, index) => errors[index] === 'NONE');
    if (accepted.length === 0) return errors;
    for (const { topic, partition } of accepted) offsets.beginWrite(topic, partition);
    const nowMs = this.#options.environment.clock.wallTime();
    const written = await this.#write(
      accepted.map(({ topic, partition, committed }) =>
        offsetRecord(groupId, topic, partition, committed, nowMs),
      ),
    );
    // The group may have been deleted meanwhile: then its removal lies behind the commit.
    const isKept = this.#groups.get(groupId)?.offsets === offsets;
    for (const [index, { topic, partition, committed }] of accepted.entries()) {
      offsets.endWrite(topic, partition);
      if (written.ok && isKept)
        offsets.set(topic, partition, { ...committed, logOffset: written.firstOffset + index });
    }
    if (written.ok) return errors;
    const failure = commitError(written.error);
    return errors.map((error) => (error === 'NONE' ? failure : error));
  }

  #commitRefusal(
    offsets: OffsetTable,
    { topic, partition, committed: { metadata } }: NewOffset,
  ): KafkaErrorName {
    if (metadata.length > this.#options.offsetMetadataMaxChars) return 'OFFSET_METADATA_TOO_LARGE';
    const growth = offsets.growthBytes(topic, partition, metadata);
    return this.#options.offsetsRoom.has(growth) ? 'NONE' : 'COORDINATOR_NOT_AVAILABLE';
  }

  /** Removes what has outlived its retention, and groups that have nothing left. */
  async expire(): Promise<void> {
    const nowMs = this.#options.environment.clock.wallTime();
    await this.#sweep(async (groupId, hosted) => {
      const { group, offsets, stateSinceMs } = hosted;
      const expired = expiredOffsets(
        offsets,
        {
          protocolType: group.protocolType,
          isEmpty: group.state === 'Empty',
          isStable: group.state === 'Stable',
          emptySinceMs: stateSinceMs,
          subscribed: group.state === 'Stable' ? subscribedTopics(group.snapshot()) : null,
        },
        nowMs,
        this.#options.retentionMs,
      );
      await this.#removeOffsets(groupId, hosted, expired);
      if (group.state === 'Empty' && group.isVacant && offsets.isEmpty)
        await this.#bury(groupId, hosted);
    });
  }

  /** Topics that were deleted take their committed offsets with them. */
  async forgetTopics(topics: ReadonlySet<string>): Promise<void> {
    if (this.#isLoading) {
      for (const topic of topics) this.#goneMeanwhile.add(topic);
      return;
    }
    await this.#sweep(async (groupId, hosted) => {
      const gone = [...hosted.offsets.known()].filter(({ topic }) => topics.has(topic));
      await this.#removeOffsets(groupId, hosted, gone);
    });
  }

  async #sweep(visit: (groupId: string, hosted: HostedGroup) => Promise<void>): Promise<void> {
    let untilTurn = SWEPT_PER_TURN;
    for (const [groupId, hosted] of [...this.#groups]) {
      if (this.#isReleased) return;
      if (this.#groups.get(groupId) !== hosted) continue;
      await visit(groupId, hosted);
      untilTurn -= 1 + hosted.offsets.size;
      if (untilTurn > 0) continue;
      untilTurn = SWEPT_PER_TURN;
      await turn(this.#options.environment);
    }
  }

  // ---- forgetting --------------------------------------------------------------------------------------------

  /** Deletes an empty group with its offsets. */
  async delete(groupId: string): Promise<KafkaErrorName> {
    const hosted = this.#groups.get(groupId);
    if (hosted === undefined || hosted.group.state === 'Dead') return 'GROUP_ID_NOT_FOUND';
    if (hosted.group.state !== 'Empty') return 'NON_EMPTY_GROUP';
    const error = await this.#bury(groupId, hosted);
    return error === null ? 'NONE' : commitError(error);
  }

  /** Writes what removes the group, and forgets it then. Whoever asks for it meanwhile is told to try again. */
  async #bury(groupId: string, hosted: HostedGroup): Promise<KafkaErrorName | null> {
    const { offsets, stateSinceMs } = hosted;
    const snapshot = hosted.group.snapshot();
    hosted.deliver({ kind: 'die' });
    let error = await this.#removeOffsets(groupId, hosted, [...offsets.known()]);
    // A group that never had a generation has no record either.
    if (error === null && snapshot.generation > 0) {
      const nowMs = this.#options.environment.clock.wallTime();
      const written = await this.#write([groupRecord(groupId, null, nowMs)]);
      if (!written.ok) error = written.error;
    }
    if (this.#groups.get(groupId) !== hosted) return error;
    if (error === null) {
      this.#drop(groupId, hosted);
      return null;
    }
    // What could not be written is not forgotten.
    this.#options.group.room.take(-groupBytes(groupId));
    this.#add(groupId, offsets, snapshot, stateSinceMs);
    return error;
  }

  async #removeOffsets(
    groupId: string,
    { offsets }: HostedGroup,
    gone: readonly TopicPartition[],
  ): Promise<KafkaErrorName | null> {
    const nowMs = this.#options.environment.clock.wallTime();
    const remove = async (batch: readonly Removal[]): Promise<KafkaErrorName | null> => {
      const written = await this.#write(batch.map(({ record }) => record));
      if (!written.ok) return written.error;
      for (const [index, { topic, partition }] of batch.entries())
        offsets.remove(topic, partition, written.firstOffset + index);
      return null;
    };
    let batch: Removal[] = [];
    let bytes = 0;
    for (const { topic, partition } of gone) {
      const record = offsetRecord(groupId, topic, partition, null, nowMs);
      batch.push({ topic, partition, record });
      bytes += record.key?.length ?? 0;
      if (bytes < REMOVAL_BATCH_BYTES) continue;
      const error = await remove(batch);
      if (error !== null) return error;
      batch = [];
      bytes = 0;
    }
    return batch.length === 0 ? null : remove(batch);
  }

  // ---- writing -----------------------------------------------------------------------------------------------

  async #store(groupId: string, snapshot: GroupSnapshot): Promise<KafkaErrorName | null> {
    const nowMs = this.#options.environment.clock.wallTime();
    const written = await this.#write([groupRecord(groupId, snapshot, nowMs)]);
    if (written.ok) return null;
    this.#options.log.warn('a group could not be stored', { groupId, error: written.error });
    return written.error;
  }

  /** Appends records as one batch. */
  async #write(records: readonly RecordInput[]): Promise<Written> {
    const { topic, compression, commitTimeoutMs, commitRequiredAcks } = this.#options;
    // What was decided on the state before must not be written behind what the next leader, be it this broker, has read.
    if (this.#isReleased) return { ok: false, error: 'NOT_COORDINATOR' };
    try {
      const { firstOffset } = await topic.append(
        this.partition,
        encodeBatch({ records, compression }),
        { timeoutMs: commitTimeoutMs, requiredAcks: commitRequiredAcks },
      );
      return { ok: true, firstOffset };
    } catch (error) {
      if (error instanceof KafkaError) return { ok: false, error: error.code };
      throw error;
    }
  }
}

const groupBytes = (groupId: string): number =>
  GROUP_OVERHEAD_BYTES + groupId.length * BYTES_PER_CHAR;
