/**
 * All replicas of this broker, put together: which there are, who may read and write them, and the
 * work that comes round by time (taking laggards out of the ISR, noting high watermarks).
 *
 * What is decided is in ../core/partition/, what one replica does in partition.ts, following in
 * fetcher.ts, the controller's orders in control-requests.ts, fetches in fetch-service.ts.
 */
import {
  type FetchRequest,
  KafkaError,
  type KafkaErrorName,
  type LeaderAndIsrRequest,
  type StopReplicaRequest,
} from '@odradek/protocol';
import { type Disarm, type Environment, millis } from '@odradek/runtime';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { AppendOrigin, AppendResult } from '../log/log-types.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { DeadlineQueue } from '../time/deadline-queue.ts';
import {
  ControlRequests,
  type LeadershipListener,
  type PartitionOutcome,
  type PartitionSet,
} from './control-requests.ts';
import { FetchWakeups } from './delayed-fetch.ts';
import { DelayedProduce } from './delayed-produce.ts';
import type { ReplicaLookup } from './fetch-read.ts';
import {
  type FetchAnswer,
  type FetchCounts,
  type FetchRequester,
  FetchService,
  type FetchServiceOptions,
} from './fetch-service.ts';
import { FetchSessions } from './fetch-sessions.ts';
import type { SourceConnection } from './fetcher.ts';
import { FetcherPool } from './fetcher-pool.ts';
import { type AlterPartition, IsrChanges } from './isr-changes.ts';
import { type DirectoryWish, LogDirChanges } from './log-dir-changes.ts';
import { LogDirMover } from './log-dir-mover.ts';
import { Partition, type PartitionContext } from './partition.ts';
import { PartitionTable } from './partition-table.ts';

/** The settings replication goes by; names as in the broker's configuration. */
export interface ReplicaSettings {
  /** replica.lag.time.max.ms */
  readonly lagMaxMs: number;
  /** replica.fetch.wait.max.ms, .min.bytes, .max.bytes, .response.max.bytes, .backoff.ms */
  readonly fetchWaitMaxMs: number;
  readonly fetchMinBytes: number;
  readonly fetchPartitionMaxBytes: number;
  readonly fetchResponseMaxBytes: number;
  readonly fetchBackoffMs: number;
  /** num.replica.fetchers */
  readonly fetchersPerSource: number;
  /** fetch.max.bytes */
  readonly consumerFetchMaxBytes: number;
  /** max.incremental.fetch.session.cache.slots */
  readonly fetchSessionSlots: number;
  /** replica.selector.class is the rack-aware one: consumers are sent to a replica in their rack. */
  readonly readsNearby: boolean;
  /** replica.high.watermark.checkpoint.interval.ms */
  readonly highWatermarkCheckpointMs: number;
  /** num.replica.alter.log.dirs.threads; null: one for each directory. */
  readonly concurrentMoves: number | null;
  /** alter.log.dirs.replication.quota.window.num and .size.seconds, in milliseconds */
  readonly moveQuotaWindowCount: number;
  readonly moveQuotaWindowMs: number;
}

export interface ReplicaManagerOptions {
  readonly brokerId: number;
  readonly environment: Environment;
  readonly settings: ReplicaSettings;
  readonly logs: LogManager;
  readonly metadata: MetadataView;
  /** Memory for answers. */
  readonly room: FetchServiceOptions['room'];
  /** The coordinator session is in doubt. */
  fenced(): boolean;
  brokerEpoch(): number | null;
  minInsyncReplicasOf(topic: string): number;
  /** replica.alter.log.dirs.io.max.bytes.per.second; Infinity for no limit. */
  moveBytesPerSecond(): number;
  readonly alterPartition: AlterPartition;
  connectTo(brokerId: number): Promise<SourceConnection>;
}

export class ReplicaManager implements ReplicaLookup {
  readonly deadlines: DeadlineQueue;
  readonly #options: ReplicaManagerOptions;
  readonly #partitions = new PartitionTable<Partition>();
  /** Replicas of which only this is known: they lie in a directory that has failed. */
  readonly #lost = new PartitionTable<true>();
  readonly #moves: LogDirChanges;
  readonly #mover: LogDirMover;
  readonly #context: PartitionContext;
  readonly #isrChanges: IsrChanges;
  readonly #fetchers: FetcherPool;
  readonly #control: ControlRequests;
  readonly #fetches: FetchService;
  readonly #checkpointed: ReadonlyMap<string, number>;
  readonly #disarms = new Set<Disarm>();
  #checkpointing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: ReplicaManagerOptions) {
    this.#options = options;
    const { environment, settings, logs, metadata, brokerId } = options;
    const { clock, timers, random } = environment;
    const log = environment.log.child('replica');
    this.deadlines = new DeadlineQueue(environment);
    this.#checkpointed = logs.readHighWatermarks();
    this.#isrChanges = new IsrChanges({
      alterPartition: options.alterPartition,
      clock,
      timers,
      log,
    });
    this.#context = {
      brokerId,
      clock,
      lagMaxMs: settings.lagMaxMs,
      isrChanges: this.#isrChanges,
      isAlive: (id) => metadata.liveBroker(id) !== undefined,
      minInsyncReplicasOf: (topic) => options.minInsyncReplicasOf(topic),
      fenced: () => options.fenced(),
    };
    this.#fetchers = new FetcherPool({
      brokerId,
      connect: (sourceId) => options.connectTo(sourceId),
      brokerEpoch: () => options.brokerEpoch(),
      clock,
      timers,
      log,
      maxWaitMs: settings.fetchWaitMaxMs,
      minBytes: settings.fetchMinBytes,
      partitionMaxBytes: settings.fetchPartitionMaxBytes,
      responseMaxBytes: settings.fetchResponseMaxBytes,
      backoffMs: settings.fetchBackoffMs,
      fetchersPerSource: settings.fetchersPerSource,
    });
    const partitions: PartitionSet = {
      get: (topic, index) => this.#partitions.get(topic, index),
      add: (topic, index, partitionLog) => this.#add(topic, index, partitionLog),
      remove: ({ topic, index }) => this.#partitions.delete(topic, index),
      isLost: (topic, index) => this.#lost.get(topic, index) ?? false,
      lose: (topic, index) => this.#lost.set(topic, index, true),
    };
    this.#mover = new LogDirMover({
      logs,
      clock,
      timers,
      log,
      concurrentMoves: settings.concurrentMoves ?? logs.directories.length,
      readMaxBytes: settings.fetchPartitionMaxBytes,
      quota: { windowCount: settings.moveQuotaWindowCount, windowMs: settings.moveQuotaWindowMs },
      bytesPerSecond: () => options.moveBytesPerSecond(),
      backoffMs: settings.fetchBackoffMs,
    });
    this.#moves = new LogDirChanges({
      logs,
      partitions,
      mover: this.#mover,
      isKnown: (topic, index) => metadata.topic(topic)?.partitions.has(index) ?? false,
      log,
    });
    this.#control = new ControlRequests({
      brokerId,
      partitions,
      logs,
      fetchers: this.#fetchers,
      moves: this.#moves,
      log,
    });
    this.#fetches = new FetchService({
      clock,
      timers,
      workers: environment.workers,
      sessions: new FetchSessions({
        slots: settings.fetchSessionSlots,
        randomBelow: (limit) => random.below(limit),
        tellsHighWatermarks: settings.readsNearby,
        topicNameById: (topicId) => metadata.topicNameById(topicId),
      }),
      replicas: this,
      wakeups: new FetchWakeups(timers),
      deadlines: this.deadlines,
      consumerMaxBytes: settings.consumerFetchMaxBytes,
      room: options.room,
      endpointOf: (id, listenerName) => this.#endpointOf(id, listenerName),
      readsNearby: settings.readsNearby,
      brokerId,
    });
    logs.onDirectoryFailure((directory, failed, copies) =>
      this.#directoryFailed(directory, failed, copies),
    );
    this.#every(settings.lagMaxMs / 2, () => {
      for (const partition of this.#partitions.values()) partition.shrinkIsr();
    });
    this.#every(settings.highWatermarkCheckpointMs, () => {
      void this.checkpointHighWatermarks();
    });
  }

  // Look-up.

  /** The replica this broker holds; undefined when it holds none. */
  partition(topic: string, index: number): Partition | undefined {
    return this.#partitions.get(topic, index);
  }

  /** The log of a replica this broker holds. */
  log(topic: string, index: number): PartitionLog | undefined {
    return this.#partitions.get(topic, index)?.log;
  }

  /** The replica a request means, or the error when this broker holds none. */
  replicaFor(topic: string | null, topicId: string, index: number): Partition | KafkaErrorName {
    if (topic === null) return 'UNKNOWN_TOPIC_ID';
    const partition = this.#partitions.get(topic, index);
    if (partition === undefined) return this.absence(topic, index);
    const ownId = partition.log.topicId;
    if (topicId !== NO_TOPIC_ID && ownId !== null && ownId !== topicId)
      return 'INCONSISTENT_TOPIC_ID';
    return partition;
  }

  /** Why a partition is not here: it is somebody else's, or nobody's. */
  absence(topic: string, index: number): KafkaErrorName {
    if (this.#lost.get(topic, index)) return 'KAFKA_STORAGE_ERROR';
    const known = this.#options.metadata.topic(topic)?.partitions.has(index) ?? false;
    return known ? 'NOT_LEADER_OR_FOLLOWER' : 'UNKNOWN_TOPIC_OR_PARTITION';
  }

  /** Who leads a partition that is not led here, as far as is known. */
  leaderOf(
    topic: string,
    index: number,
    held: Partition | null,
  ): { leaderId: number; leaderEpoch: number } {
    const known = this.#options.metadata.topic(topic)?.partitions.get(index);
    const leaderEpoch = Math.max(held?.leaderEpoch ?? -1, known?.leaderEpoch ?? -1);
    const isNewer = held !== null && held.leaderEpoch === leaderEpoch && held.leader === null;
    return { leaderId: isNewer ? held.leaderId : (known?.leader ?? -1), leaderEpoch };
  }

  /** How many partitions this broker leads and follows, and how they are. */
  counts(): { led: number; followed: number; offline: number; underReplicated: number } {
    const counts = { led: 0, followed: 0, offline: 0, underReplicated: 0 };
    for (const { leader, isFollower, isOffline } of this.#partitions.values()) {
      if (leader !== null) counts.led += 1;
      if (leader !== null && leader.isr.length < leader.replicas.length)
        counts.underReplicated += 1;
      if (isFollower) counts.followed += 1;
      if (isOffline) counts.offline += 1;
    }
    for (const _ of this.#lost.values()) counts.offline += 1;
    return counts;
  }

  /** What is fetched here. */
  fetchCounts(): FetchCounts {
    return this.#fetches.counts();
  }

  // Requests.

  /**
   * Appends to one partition, for this broker's own coordinators.
   * @returns when the log is written (1) or all that count have it (-1)
   * @throws KafkaError
   */
  async appendToPartition(
    topic: string,
    index: number,
    records: Buffer,
    options: {
      readonly timeoutMs: number;
      readonly requiredAcks: -1 | 1;
      readonly origin: AppendOrigin;
    },
  ): Promise<AppendResult> {
    const partition = this.replicaFor(topic, NO_TOPIC_ID, index);
    if (typeof partition === 'string') throw new KafkaError(partition);
    const appended = partition.append(records, options.requiredAcks, options.origin);
    const result = appended instanceof Promise ? await appended : appended;
    return new Promise((resolve, reject) => {
      let failure: KafkaErrorName | null = null;
      const wait = new DelayedProduce(options.requiredAcks, () => {
        if (failure === null) resolve(result);
        else reject(new KafkaError(failure));
      });
      wait.expect(partition, result.lastOffset + 1, {
        failed: (error) => {
          failure = error;
        },
      });
      wait.begin(this.deadlines, options.timeoutMs);
    });
  }

  fetch(
    request: FetchRequest,
    version: number,
    requester: FetchRequester,
  ): FetchAnswer | Promise<FetchAnswer> {
    return this.#fetches.fetch(request, version, requester);
  }

  /** Takes the roles that the controller assigns. */
  assignRoles(request: LeaderAndIsrRequest): Promise<readonly PartitionOutcome[]> {
    return this.#control.leaderAndIsr(request);
  }

  stopReplicas(request: StopReplicaRequest): Promise<readonly PartitionOutcome[]> {
    return this.#control.stopReplica(request);
  }

  /** Has replicas moved to other data directories; one outcome for each, in their order. */
  placeInDirectories(wishes: readonly DirectoryWish[]): Promise<readonly KafkaErrorName[]> {
    return this.#control.exclusively(() =>
      Promise.all(wishes.map((wish) => this.#moves.place(wish))),
    );
  }

  onLeadership(listener: LeadershipListener): void {
    this.#control.onLeadership(listener);
  }

  // Work that comes round.

  /** Notes the high watermarks of all replicas on the disk. */
  checkpointHighWatermarks(): Promise<void> {
    this.#checkpointing = this.#checkpointing.then(async () => {
      try {
        await this.#options.logs.checkpointHighWatermarks(
          (log) => this.#partitions.get(log.topic, log.partition)?.highWatermark ?? null,
        );
      } catch (error) {
        if (!(error instanceof Error && 'code' in error)) throw error;
        this.#options.environment.log.error('high watermarks could not be noted', { error });
      }
    });
    return this.#checkpointing;
  }

  /** Stops following and waiting; the logs stay open. Leaders go on to serve until they are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const disarm of this.#disarms) disarm();
    this.#fetchers.close();
    this.#isrChanges.close();
    await this.#control.settled();
    await this.#mover.close();
    for (const partition of this.#partitions.values()) await partition.quiesced();
    await this.checkpointHighWatermarks();
    for (const partition of this.#partitions.values()) partition.stop();
    this.deadlines.close();
  }

  #add(topic: string, index: number, log: PartitionLog): Partition {
    const noted = this.#checkpointed.get(`${topic}-${index}`) ?? log.logStartOffset;
    const partition = new Partition(topic, index, log, noted, this.#context);
    this.#partitions.set(topic, index, partition);
    return partition;
  }

  #endpointOf(
    brokerId: number,
    listenerName: string,
  ): { host: string; port: number; rack: string | null } | null {
    const broker = this.#options.metadata.liveBroker(brokerId);
    const endpoint = broker?.endpoints.get(listenerName);
    if (broker === undefined || endpoint === undefined) return null;
    return { host: endpoint.host, port: endpoint.port, rack: broker.rack };
  }

  #directoryFailed(
    directory: string,
    failed: readonly PartitionLog[],
    copies: readonly PartitionLog[],
  ): void {
    for (const { topic, partition: index } of copies) {
      const partition = this.#partitions.get(topic, index);
      if (partition !== undefined) this.#moves.copyFailed(partition);
    }
    let count = 0;
    for (const log of failed) {
      const partition = this.#partitions.get(log.topic, log.partition);
      if (partition === undefined || partition.log !== log) continue;
      this.#fetchers.unfollow(partition);
      partition.goOffline();
      this.#moves.logFailed(partition);
      this.#control.lost(partition.topic, partition.index);
      count += 1;
    }
    this.#options.environment.log.error('a log directory is offline', {
      directory,
      partitions: count,
    });
  }

  #every(periodMs: number, run: () => void): void {
    const { clock, timers } = this.#options.environment;
    const again = (): void => {
      const disarm = timers.wakeAt(millis(clock.now() + periodMs), () => {
        this.#disarms.delete(disarm);
        if (this.#closed) return;
        run();
        again();
      });
      this.#disarms.add(disarm);
    };
    again();
  }
}
