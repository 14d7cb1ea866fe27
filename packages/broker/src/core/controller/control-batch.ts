/**
 * What the controller tells brokers, gathered while a change is worked out and handed over at its
 * end: for each broker at most one LeaderAndIsr, one UpdateMetadata and one StopReplica, in this
 * order, because a broker must know a partition's leader before it is told to follow or to stop.
 *
 * Every UpdateMetadata carries all live brokers. Versions and bytes are the host's business.
 */
import type { ControllerContext, PartitionRecord } from './context.ts';
import { keyOf, type PartitionState, type RegisteredBroker, type TopicPartition } from './state.ts';

/** Leader and leader epoch that say "being deleted". */
export const DURING_DELETE = -2;
/** The leader epoch of a partition that never had a leader. */
const NO_EPOCH = -1;

export interface PartitionInstruction extends TopicPartition {
  readonly topicId: string | null;
  readonly state: PartitionState;
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
  /** The replica did not exist before. */
  readonly isNew: boolean;
}

export interface PartitionAnnouncement extends TopicPartition {
  readonly topicId: string | null;
  readonly state: PartitionState;
  readonly replicas: readonly number[];
  readonly offlineReplicas: readonly number[];
}

export interface StopInstruction extends TopicPartition {
  readonly leaderEpoch: number;
  readonly delete: boolean;
}

export type ControlRequest =
  | {
      readonly kind: 'leaderAndIsr';
      readonly controllerEpoch: number;
      readonly partitions: readonly PartitionInstruction[];
      readonly liveLeaders: readonly RegisteredBroker[];
    }
  | {
      readonly kind: 'updateMetadata';
      readonly controllerEpoch: number;
      readonly partitions: readonly PartitionAnnouncement[];
      readonly liveBrokers: readonly RegisteredBroker[];
    }
  | {
      readonly kind: 'stopReplica';
      readonly controllerEpoch: number;
      readonly partitions: readonly StopInstruction[];
    };

export interface AddressedRequest {
  readonly brokerId: number;
  /** The life of the broker that is meant. */
  readonly brokerEpoch: number;
  readonly request: ControlRequest;
}

export class ControlBatch {
  readonly #context: ControllerContext;
  readonly #leaderAndIsr = new Map<
    number,
    Map<string, { record: PartitionRecord; isNew: boolean }>
  >();
  readonly #announceTo = new Set<number>();
  readonly #announced = new Map<string, PartitionRecord>();
  readonly #stops = new Map<number, Map<string, StopInstruction>>();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  /** Tells these brokers to lead or follow as stored, and everybody who leads now. */
  leaderAndIsr(brokerIds: Iterable<number>, record: PartitionRecord, isNew: boolean): void {
    for (const brokerId of brokerIds) {
      const partitions = this.#leaderAndIsr.get(brokerId) ?? new Map();
      this.#leaderAndIsr.set(brokerId, partitions);
      // New once in a batch is new for the whole batch: the replica does not exist there yet.
      const already = partitions.get(record.key)?.isNew ?? false;
      partitions.set(record.key, { record, isNew: isNew || already });
    }
    this.announce(this.#context.brokers.keys(), [record]);
  }

  /** Tells these brokers who is alive, and where these partitions stand. */
  announce(brokerIds: Iterable<number>, records: Iterable<PartitionRecord>): void {
    for (const brokerId of brokerIds) this.#announceTo.add(brokerId);
    for (const record of records)
      if (record.stored !== null) this.#announced.set(record.key, record);
  }

  /** Tells a broker to stop its replica, and to remove its log when `remove`. */
  stop(brokerId: number, record: PartitionRecord, remove: boolean): void {
    const partitions = this.#stops.get(brokerId) ?? new Map<string, StopInstruction>();
    this.#stops.set(brokerId, partitions);
    const { topic, partition, key, stored } = record;
    const already = partitions.get(key)?.delete ?? false;
    const leaderEpoch = this.#context.deleting.has(topic)
      ? DURING_DELETE
      : (stored?.leaderEpoch ?? NO_EPOCH);
    partitions.set(key, { topic, partition, leaderEpoch, delete: remove || already });
  }

  /** Hands over all that was gathered, for live brokers only, and begins anew. */
  flush(): readonly AddressedRequest[] {
    const { epoch: controllerEpoch } = this.#context;
    const requests: AddressedRequest[] = [];
    const address = (brokerId: number, request: ControlRequest): void => {
      const broker = this.#context.brokers.get(brokerId);
      if (broker !== undefined) requests.push({ brokerId, brokerEpoch: broker.epoch, request });
    };
    for (const [brokerId, partitions] of this.#leaderAndIsr)
      address(brokerId, this.#leaderAndIsrRequest([...partitions.values()]));
    if (this.#announceTo.size > 0) {
      const request: ControlRequest = {
        kind: 'updateMetadata',
        controllerEpoch,
        partitions: [...this.#announced.values()].flatMap((record) => this.#announcement(record)),
        liveBrokers: [...this.#context.brokers.values()],
      };
      for (const brokerId of this.#announceTo) address(brokerId, request);
    }
    for (const [brokerId, partitions] of this.#stops) {
      const request = { kind: 'stopReplica', controllerEpoch } as const;
      address(brokerId, { ...request, partitions: [...partitions.values()] });
    }
    this.#leaderAndIsr.clear();
    this.#announceTo.clear();
    this.#announced.clear();
    this.#stops.clear();
    return requests;
  }

  #leaderAndIsrRequest(
    entries: readonly { record: PartitionRecord; isNew: boolean }[],
  ): ControlRequest {
    const leaders = new Set<number>();
    const partitions = entries.flatMap(({ record, isNew }): PartitionInstruction[] => {
      const { topic, partition, stored, assignment } = record;
      if (stored === null) return [];
      leaders.add(stored.leader);
      const topicId = this.#topicIdOf(topic);
      return [{ topic, partition, topicId, state: stored, ...assignment, isNew }];
    });
    const liveLeaders = [...leaders].flatMap((id) => this.#context.brokers.get(id) ?? []);
    const { epoch: controllerEpoch } = this.#context;
    return { kind: 'leaderAndIsr', controllerEpoch, partitions, liveLeaders };
  }

  #announcement(record: PartitionRecord): PartitionAnnouncement[] {
    const { topic, partition, stored, assignment } = record;
    if (stored === null) return [];
    const state = this.#context.deleting.has(topic) ? { ...stored, leader: DURING_DELETE } : stored;
    const offlineReplicas = assignment.replicas.filter(
      (id) => !this.#context.isOnline(id, keyOf(topic, partition)),
    );
    const topicId = this.#topicIdOf(topic);
    return [{ topic, partition, topicId, state, replicas: assignment.replicas, offlineReplicas }];
  }

  #topicIdOf(topic: string): string | null {
    return this.#context.topics.get(topic)?.topicId ?? null;
  }
}
