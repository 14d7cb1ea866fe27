/**
 * Carrying out what the controller says: LeaderAndIsr and StopReplica.
 *
 * Requests are carried out one after the other, since making logs and waiting for truncations takes
 * time and a later request must not overtake. Within a request all partitions are judged on their
 * own; one that fails does not keep the others from their roles. The answer is given when every
 * log is there and every role is taken.
 */
import {
  errorCodes,
  KafkaError,
  type KafkaErrorName,
  type LeaderAndIsrRequest,
  type StopReplicaRequest,
} from '@odradek/protocol';
import { type Log, OdradekError } from '@odradek/runtime';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import { judge, mayStop } from '../core/partition/assignment.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { FetcherPool } from './fetcher-pool.ts';
import type { AssignedPartition, Partition } from './partition.ts';

/** Hears which partitions this broker begins and ceases to lead. */
export interface LeadershipListener {
  elected(topic: string, partition: number, leaderEpoch: number): void;
  /** `leaderEpoch` is null when the replica is gone altogether. */
  resigned(topic: string, partition: number, leaderEpoch: number | null): void;
}

/** The logs, as far as replicas are made and removed. */
export interface LogStore {
  get(topic: string, partition: number): PartitionLog | undefined;
  getOrCreate(
    topic: string,
    partition: number,
    topicId: string | null,
    isNew: boolean,
  ): Promise<PartitionLog>;
  delete(topic: string, partition: number): Promise<void>;
}

/** The partitions of this broker. */
export interface PartitionSet {
  get(topic: string, partition: number): Partition | undefined;
  add(topic: string, partition: number, log: PartitionLog): Partition;
  remove(partition: Partition): void;
  /** There is a replica that lies in a directory which has failed: nothing else is known of it. */
  isLost(topic: string, partition: number): boolean;
  lose(topic: string, partition: number): void;
}

/** Moves of replicas between directories; see log-dir-changes.ts. */
export interface Moves {
  /** Goes on with a move that was under way, if there was one. */
  resume(partition: Partition): void;
  /** Nothing is copied of it any more when this resolves. */
  stop(partition: Partition): Promise<void>;
}

export interface ControlRequestsOptions {
  readonly brokerId: number;
  readonly partitions: PartitionSet;
  readonly logs: LogStore;
  readonly fetchers: FetcherPool;
  readonly moves: Moves;
  readonly log: Log;
}

/** One partition of a LeaderAndIsr request, whatever its version. */
interface PartitionOrder extends AssignedPartition {
  readonly topic: string;
  readonly index: number;
  readonly topicId: string | null;
  readonly isNew: boolean;
}

interface StopOrder {
  readonly topic: string;
  readonly index: number;
  readonly leaderEpoch: number;
  readonly deleteLog: boolean;
}

/** How one partition fared. */
export interface PartitionOutcome {
  readonly topic: string;
  readonly topicId: string;
  readonly index: number;
  readonly errorCode: number;
}

type RawState = LeaderAndIsrRequest['topicStates'][number]['partitionStates'][number];

export class ControlRequests {
  readonly #options: ControlRequestsOptions;
  readonly #listeners: LeadershipListener[] = [];
  /** The end of the line of requests. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ControlRequestsOptions) {
    this.#options = options;
  }

  onLeadership(listener: LeadershipListener): void {
    this.#listeners.push(listener);
  }

  leaderAndIsr(request: LeaderAndIsrRequest): Promise<readonly PartitionOutcome[]> {
    return this.#inTurn(() =>
      Promise.all(
        ordersOf(request).map(async (order) => ({
          topic: order.topic,
          topicId: order.topicId ?? NO_TOPIC_ID,
          index: order.index,
          errorCode: await this.#errorCodeOf(order.topic, order.index, () => this.#assign(order)),
        })),
      ),
    );
  }

  stopReplica(request: StopReplicaRequest): Promise<readonly PartitionOutcome[]> {
    return this.#inTurn(() =>
      Promise.all(
        stopOrdersOf(request).map(async (order) => ({
          topic: order.topic,
          topicId: NO_TOPIC_ID,
          index: order.index,
          errorCode: await this.#errorCodeOf(order.topic, order.index, () => this.#stop(order)),
        })),
      ),
    );
  }

  /** Runs something that must not meet a request of the controller's. */
  exclusively<Result>(run: () => Promise<Result>): Promise<Result> {
    return this.#inTurn(run);
  }

  /** A replica is gone with its directory: whoever relies on its being led here should know. */
  lost(topic: string, index: number): void {
    for (const listener of this.#listeners) listener.resigned(topic, index, null);
  }

  /** Resolves when all requests so far are carried out. */
  async settled(): Promise<void> {
    await this.#last;
  }

  #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(run);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #errorCodeOf(
    topic: string,
    index: number,
    run: () => Promise<KafkaErrorName>,
  ): Promise<number> {
    try {
      return errorCodes[await run()];
    } catch (error) {
      if (error instanceof KafkaError) return error.wire;
      if (!(error instanceof OdradekError)) throw error;
      this.#options.log.error('the controller could not be obeyed', {
        partition: `${topic}-${index}`,
        error,
      });
      return errorCodes.KAFKA_STORAGE_ERROR;
    }
  }

  async #assign(order: PartitionOrder): Promise<KafkaErrorName> {
    const { brokerId, partitions, logs, fetchers, moves } = this.#options;
    const { topic, index } = order;
    const held = partitions.get(topic, index);
    if (held?.isOffline || partitions.isLost(topic, index)) return 'KAFKA_STORAGE_ERROR';
    const known = held?.log ?? logs.get(topic, index);
    const verdict = judge(
      order,
      known === undefined ? null : { leaderEpoch: held?.leaderEpoch ?? -1, topicId: known.topicId },
      brokerId,
    );
    if (verdict !== 'lead' && verdict !== 'follow' && verdict !== 'adopt-topic-id') return verdict;
    const log = await this.#logFor(order);
    if (log === null) return 'KAFKA_STORAGE_ERROR';
    if (verdict === 'adopt-topic-id') return 'NONE';
    const partition = held ?? partitions.add(topic, index, log);
    fetchers.unfollow(partition);
    await partition.quiesced();
    if (verdict === 'lead') this.#lead(partition, order);
    else this.#follow(partition, order);
    moves.resume(partition);
    return 'NONE';
  }

  /** null when the replica cannot be had: it lies, or would lie, in a directory that has failed. */
  async #logFor({ topic, index, topicId, isNew }: PartitionOrder): Promise<PartitionLog | null> {
    const { logs, partitions } = this.#options;
    try {
      return await logs.getOrCreate(topic, index, topicId, isNew);
    } catch (error) {
      if (!(error instanceof KafkaError) || error.code !== 'KAFKA_STORAGE_ERROR') throw error;
      if (partitions.get(topic, index) === undefined) partitions.lose(topic, index);
      return null;
    }
  }

  #lead(partition: Partition, order: PartitionOrder): void {
    partition.lead(order);
    this.#options.log.info('leading', {
      partition: `${order.topic}-${order.index}`,
      leaderEpoch: order.leaderEpoch,
      isr: order.isr.join(','),
      from: partition.log.nextOffset,
      highWatermark: partition.highWatermark,
    });
    for (const listener of this.#listeners)
      listener.elected(order.topic, order.index, order.leaderEpoch);
  }

  #follow(partition: Partition, order: PartitionOrder): void {
    partition.follow(order);
    this.#options.log.info('following', {
      partition: `${order.topic}-${order.index}`,
      leader: order.leader,
      leaderEpoch: order.leaderEpoch,
      from: partition.log.nextOffset,
      highWatermark: partition.highWatermark,
    });
    for (const listener of this.#listeners)
      listener.resigned(order.topic, order.index, order.leaderEpoch);
    if (order.leader >= 0) this.#options.fetchers.follow(partition, order.leader);
  }

  async #stop({ topic, index, leaderEpoch, deleteLog }: StopOrder): Promise<KafkaErrorName> {
    const { partitions, logs, fetchers, moves } = this.#options;
    if (partitions.isLost(topic, index)) return 'KAFKA_STORAGE_ERROR';
    const partition = partitions.get(topic, index);
    if (partition !== undefined) {
      if (partition.isOffline) return 'KAFKA_STORAGE_ERROR';
      if (!mayStop(leaderEpoch, partition.leaderEpoch)) return 'FENCED_LEADER_EPOCH';
      fetchers.unfollow(partition);
      await moves.stop(partition);
      await partition.quiesced();
      partition.stop();
      partitions.remove(partition);
      for (const listener of this.#listeners) listener.resigned(topic, index, null);
      this.#options.log.info('replica stopped', { partition: `${topic}-${index}`, deleteLog });
    }
    if (deleteLog) await logs.delete(topic, index);
    return 'NONE';
  }
}

/** Old versions list partitions flat, newer ones by topic. */
function ordersOf(request: LeaderAndIsrRequest): PartitionOrder[] {
  const orders = request.ungroupedPartitionStates.map((state) =>
    orderOf(state.topicName, null, state),
  );
  for (const { topicName, topicId, partitionStates } of request.topicStates)
    for (const state of partitionStates)
      orders.push(orderOf(topicName, topicId === NO_TOPIC_ID ? null : topicId, state));
  return orders;
}

const orderOf = (topic: string, topicId: string | null, state: RawState): PartitionOrder => ({
  topic,
  topicId,
  index: state.partitionIndex,
  leader: state.leader,
  leaderEpoch: state.leaderEpoch,
  isr: state.isr,
  // While replicas come and go the controller lists all of them here.
  replicas: state.replicas,
  partitionEpoch: state.partitionEpoch,
  recoveryState: state.leaderRecoveryState,
  isNew: state.isNew,
});

const NO_EPOCH = -1;

function stopOrdersOf(request: StopReplicaRequest): StopOrder[] {
  const { deletePartitions: deleteLog } = request;
  const orders: StopOrder[] = request.ungroupedPartitions.map(({ topicName, partitionIndex }) => ({
    topic: topicName,
    index: partitionIndex,
    leaderEpoch: NO_EPOCH,
    deleteLog,
  }));
  for (const { name: topic, partitionIndexes } of request.topics)
    for (const index of partitionIndexes)
      orders.push({ topic, index, leaderEpoch: NO_EPOCH, deleteLog });
  for (const { topicName: topic, partitionStates } of request.topicStates)
    for (const { partitionIndex: index, leaderEpoch, deletePartition } of partitionStates)
      orders.push({ topic, index, leaderEpoch, deleteLog: deletePartition });
  return orders;
}
