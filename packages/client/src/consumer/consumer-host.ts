/**
 * The consumer: what the user calls. Membership is the group's, fetching the fetcher's; here they meet
 * the user's polls, commits and seeks.
 *
 * A poll takes up what the poll before handed out: that is done, may be committed, and may be given up
 * in a rebalance. So whoever works through a poll's records before the next poll loses none.
 */
import { KafkaError } from '@odradek/protocol';
import { type Disarm, millis } from '@odradek/runtime';
import type { Cluster } from '../cluster/cluster-host.ts';
import { ClientMisuse, isRetriable } from '../errors.ts';
import { partitionKey, type TopicPartition } from '../topic-partition.ts';
import { rangeAssignor } from './assignors/range.ts';
import { cooperativeStickyAssignor } from './assignors/sticky.ts';
import { Fetcher } from './fetcher-host.ts';
import { Group } from './group-host.ts';
import { GroupRequests } from './group-requests-host.ts';
import type { MemberIdentity } from './membership.ts';
import { type Place, Positions } from './positions.ts';
import type {
  CommittedOffset,
  ConsumedBatch,
  ConsumedRecord,
  Consumer,
  ConsumerOptions,
  SeekTarget,
} from './types.ts';

/** How old the picture of subscribed topics may become before it is asked for again. */
const METADATA_AGE_MS = 300_000;
const COMMIT_TIMEOUT_MS = 30_000;
/** At the end nobody should wait long for a cluster that is gone. */
const LAST_COMMIT_TIMEOUT_MS = 5_000;
/** One turn of an endless iteration. */
const ITERATION_POLL_MS = 60_000;
/** Without a group: as a coordinator knows those that only keep offsets with it. */
const NO_MEMBER: MemberIdentity = { memberId: '', generationId: -1 };

export class KafkaConsumer implements Consumer {
  readonly #cluster: Cluster;
  readonly #number: number;
  readonly #closed: () => void;
  readonly #options: ConsumerOptions;
  readonly #positions = new Positions();
  readonly #fetcher: Fetcher;
  readonly #requests: GroupRequests | null;
  #group: Group | null = null;
  /** As of the last commit, so that nothing is committed twice. */
  readonly #lastCommitted = new Map<string, number>();
  #committing: Promise<void> = Promise.resolve();
  readonly #alarms: Disarm[] = [];
  #isPolling = false;
  #isClosed = false;

  /** @param closed called once, when it is */
  constructor(cluster: Cluster, options: ConsumerOptions, closed: () => void = () => undefined) {
    this.#closed = closed;
    this.#cluster = cluster;
    this.#number = cluster.nextConsumerNumber();
    this.#options = options;
    const { groupId } = options;
    const timing = timingOf(options);
    this.#requests =
      groupId === undefined
        ? null
        : new GroupRequests(cluster, {
            consumerNumber: this.#number,
            groupId,
            groupInstanceId: options.groupInstanceId ?? null,
            ...timing,
          });
    this.#fetcher = new Fetcher(
      cluster,
      this.#positions,
      {
        consumerNumber: this.#number,
        minBytes: options.minBytes ?? 1,
        maxBytes: options.maxBytes ?? 50 * 1024 * 1024,
        maxPartitionBytes: options.maxPartitionBytes ?? 1024 * 1024,
        maxWaitMs: options.maxWaitMs ?? 500,
        prefetchBytes: options.prefetchBytes ?? 32 * 1024 * 1024,
        isolation: options.isolation ?? 'read_uncommitted',
        offsetReset: options.offsetReset ?? 'latest',
        rackId: options.rackId ?? '',
      },
      (partitions) => this.#readCommitted(partitions),
    );
    this.#every(METADATA_AGE_MS, () => this.#refreshMetadata());
    if (this.#autoCommits)
      this.#every(options.autoCommitIntervalMs ?? 5_000, () => this.#autoCommit());
  }

  subscribe(topics: readonly string[] | RegExp): void {
    this.#refuseWhenClosed();
    if (this.#requests === null) throw new ClientMisuse('subscribing needs a groupId');
    if (this.#group === null && this.#positions.places.length > 0)
      throw new ClientMisuse('partitions are assigned by hand already');
    this.#group ??= this.#openGroup(this.#requests);
    this.#group.subscribe(topics);
  }

  assign(partitions: readonly TopicPartition[]): void {
    this.#refuseWhenClosed();
    if (this.#group !== null) throw new ClientMisuse('the group assigns the partitions');
    // Without a group nothing is committed: the reset policy decides.
    this.#positions.assign(partitions, 'committed');
    this.#learnTopics(partitions);
    this.#fetcher.pump();
  }

  assignment(): readonly TopicPartition[] {
    return this.#positions.places.map(({ topic, partition }) => ({ topic, partition }));
  }

  seek(partition: TopicPartition, target: SeekTarget): void {
    this.#positions.seek(this.#place(partition), target);
    this.#fetcher.pump();
  }

  position(partition: TopicPartition): number | null {
    return this.#place(partition).position;
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#place(partition).isPaused = true;
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) this.#place(partition).isPaused = false;
    this.#fetcher.pump();
    this.#fetcher.wake();
  }

  poll(timeoutMs: number): Promise<readonly ConsumedBatch[]> {
    return this.#poll(timeoutMs, () => false);
  }

  async *batches({
    signal,
  }: {
    readonly signal?: AbortSignal;
  } = {}): AsyncGenerator<ConsumedBatch> {
    const wake = (): void => this.#fetcher.wake();
    signal?.addEventListener('abort', wake);
    const mustStop = (): boolean => this.#isClosed || (signal?.aborted ?? false);
    let left: readonly ConsumedBatch[] = [];
    try {
      while (!mustStop()) {
        left = await this.#poll(ITERATION_POLL_MS, mustStop);
        while (left.length > 0 && !mustStop()) {
          const [batch, ...others] = left;
          left = others; // The one that is handed out counts, also if the loop ends with it.
          if (batch !== undefined) yield batch;
        }
      }
    } finally {
      signal?.removeEventListener('abort', wake);
      for (const batch of left) this.#giveBack(batch, batch.records[0]);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ConsumedRecord> {
    for await (const batch of this.batches()) {
      let at = 0;
      try {
        for (; at < batch.records.length; ) {
          const record = batch.records[at];
          at += 1;
          if (record !== undefined) yield record;
        }
      } finally {
        this.#giveBack(batch, batch.records[at]);
      }
    }
  }

  async commit(offsets?: readonly CommittedOffset[]): Promise<void> {
    this.#refuseWhenClosed();
    if (offsets === undefined) this.#positions.takeUp();
    await this.#commit(offsets ?? this.#positions.doneOffsets(), COMMIT_TIMEOUT_MS);
  }

  async committed(
    partitions: readonly TopicPartition[],
  ): Promise<readonly (CommittedOffset | null)[]> {
    if (this.#requests === null) throw new ClientMisuse('committed offsets need a groupId');
    const found = await this.#requests.committed(partitions);
    return partitions.map((partition) => found.get(partitionKey(partition)) ?? null);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const disarm of this.#alarms) disarm();
    this.#fetcher.close();
    this.#positions.takeUp();
    const owned = this.assignment();
    try {
      if (this.#autoCommits) await this.#commitDone(LAST_COMMIT_TIMEOUT_MS);
    } catch (error) {
      this.#logCommitFailure(error);
    }
    if (this.#group !== null) {
      if (owned.length > 0) this.#options.onRevoked?.(owned, false);
      await this.#group.leave();
    }
    this.#cluster.releaseConsumer(this.#number);
    this.#closed();
  }

  get #autoCommits(): boolean {
    return this.#requests !== null && (this.#options.autoCommit ?? true);
  }

  #openGroup(requests: GroupRequests): Group {
    const timing = timingOf(this.#options);
    return new Group(
      this.#cluster,
      requests,
      {
        ...timing,
        assignors: this.#options.assignors ?? [rangeAssignor, cooperativeStickyAssignor],
        groupInstanceId: this.#options.groupInstanceId ?? null,
        heartbeatIntervalMs: this.#options.heartbeatIntervalMs ?? 3_000,
        rackId: this.#options.rackId ?? null,
        allowAutoTopicCreation: this.#options.allowAutoTopicCreation ?? false,
      },
      {
        owned: () => this.assignment(),
        revoke: (partitions, lost) => this.#revoke(partitions, lost),
        take: (partitions, added) => {
          this.#positions.assign(partitions, 'committed');
          if (added.length > 0) this.#options.onAssigned?.(added);
          this.#fetcher.pump();
        },
        callForPoll: () => this.#fetcher.wake(),
        fail: (error) => this.#fetcher.fail(error),
      },
    );
  }

  async #poll(timeoutMs: number, mustStop: () => boolean): Promise<readonly ConsumedBatch[]> {
    this.#refuseWhenClosed();
    if (this.#isPolling) throw new ClientMisuse('a poll is under way already');
    this.#isPolling = true;
    try {
      const deadlineMs = this.#cluster.environment.clock.now() + timeoutMs;
      return await this.#pollUntil(deadlineMs, mustStop);
    } finally {
      this.#isPolling = false;
    }
  }

  async #pollUntil(deadlineMs: number, mustStop: () => boolean): Promise<readonly ConsumedBatch[]> {
    this.#positions.takeUp();
    const maxRecords = this.#options.maxPollRecords ?? 10_000;
    const { clock } = this.#cluster.environment;
    for (;;) {
      await this.#group?.polled();
      this.#fetcher.pump();
      if (this.#fetcher.hasNews) {
        const batches = await this.#fetcher.take(maxRecords);
        if (batches.length > 0) return batches;
      }
      if (this.#isClosed || mustStop() || clock.now() >= deadlineMs) return [];
      const hasWork = this.#fetcher.hasNews || this.#group?.hasStep === true;
      if (!hasWork) await this.#nextNews(deadlineMs);
    }
  }

  /** Waits for records, a step of the group, the end of the time, or somebody who stops it. */
  #nextNews(deadlineMs: number): Promise<void> {
    const { timers } = this.#cluster.environment;
    return new Promise((resolve) => {
      const done = (): void => {
        disarm();
        forget();
        resolve();
      };
      const disarm = timers.wakeAt(millis(deadlineMs), done);
      const forget = this.#fetcher.whenNews(done);
    });
  }

  /** What was polled and not looked at is read again. */
  #giveBack(batch: ConsumedBatch, first: ConsumedRecord | undefined): void {
    const place = this.#positions.get(batch);
    if (place !== undefined && first !== undefined && !this.#isClosed)
      this.#positions.seek(place, first.offset);
  }

  async #revoke(partitions: readonly TopicPartition[], lost: boolean): Promise<void> {
    if (!lost && this.#autoCommits) {
      try {
        await this.#commitDone(COMMIT_TIMEOUT_MS);
      } catch (error) {
        this.#logCommitFailure(error);
      }
    }
    for (const partition of partitions) this.#lastCommitted.delete(partitionKey(partition));
    this.#options.onRevoked?.(partitions, lost);
  }

  #autoCommit(): void {
    this.#commitDone(COMMIT_TIMEOUT_MS).catch((error: unknown) => this.#logCommitFailure(error));
  }

  async #commitDone(timeoutMs: number): Promise<void> {
    const changed = this.#positions
      .doneOffsets()
      .filter((one) => this.#lastCommitted.get(partitionKey(one)) !== one.offset);
    if (changed.length > 0) await this.#commit(changed, timeoutMs);
  }

  /** One commit at a time: a later one must not arrive before an earlier one. */
  #commit(offsets: readonly CommittedOffset[], timeoutMs: number): Promise<void> {
    const requests = this.#requests;
    if (requests === null) return Promise.reject(new ClientMisuse('committing needs a groupId'));
    if (offsets.length === 0) return Promise.resolve();
    const committing = this.#committing.then(async () => {
      try {
        await requests.commit(this.#group?.identity ?? NO_MEMBER, offsets, timeoutMs);
      } catch (error) {
        if (error instanceof KafkaError) this.#group?.commitRefused(error.wire);
        throw error;
      }
      for (const one of offsets) this.#lastCommitted.set(partitionKey(one), one.offset);
    });
    this.#committing = committing.catch(() => undefined);
    return committing;
  }

  async #readCommitted(
    partitions: readonly TopicPartition[],
  ): Promise<ReadonlyMap<string, number>> {
    if (this.#requests === null) return new Map();
    const found = await this.#requests.committed(partitions);
    return new Map([...found].map(([key, { offset }]) => [key, offset]));
  }

  #refreshMetadata(): void {
    const names = this.#group === null ? this.#assignedTopics() : this.#group.topics;
    if (names !== null && names.length === 0) return;
    this.#cluster.refresh(names).catch(() => undefined); // The next one will do.
  }

  #assignedTopics(): readonly string[] {
    return [...new Set(this.#positions.places.map(({ topic }) => topic))];
  }

  #learnTopics(partitions: readonly TopicPartition[]): void {
    const unknown = partitions
      .map(({ topic }) => topic)
      .filter((topic) => this.#cluster.view.topic(topic) === undefined);
    if (unknown.length === 0) return;
    this.#cluster
      .refresh([...new Set(unknown)], this.#options.allowAutoTopicCreation ?? false)
      .catch((error: unknown) => {
        // A cluster that cannot be reached yet is asked again by the fetcher.
        if (!isRetriable(error))
          this.#fetcher.fail(error instanceof Error ? error : new Error(String(error)));
      });
  }

  #every(intervalMs: number, run: () => void): void {
    const { clock, timers } = this.#cluster.environment;
    const index = this.#alarms.length;
    const arm = (): void => {
      this.#alarms[index] = timers.wakeAt(millis(clock.now() + intervalMs), () => {
        run();
        arm();
      });
    };
    arm();
  }

  #place(partition: TopicPartition): Place {
    const place = this.#positions.get(partition);
    if (place === undefined)
      throw new ClientMisuse(`${partitionKey(partition)} is not assigned to this consumer`);
    return place;
  }

  #logCommitFailure(error: unknown): void {
    this.#cluster.environment.log.warn('offsets could not be committed', { reason: String(error) });
  }

  #refuseWhenClosed(): void {
    if (this.#isClosed) throw new ClientMisuse('the consumer is closed');
  }
}

function timingOf({ sessionTimeoutMs, rebalanceTimeoutMs }: ConsumerOptions) {
  return {
    sessionTimeoutMs: sessionTimeoutMs ?? 45_000,
    rebalanceTimeoutMs: rebalanceTimeoutMs ?? 300_000,
  };
}
