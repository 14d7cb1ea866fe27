/**
 * Creating, enlarging and deleting topics: what is asked for is checked and written into the
 * coordination service; the controller, this broker's or another's, sees it there and does the rest.
 *
 * Who may ask, and how long is waited for the outcome, is up to the request handlers in `api/`.
 */
import { KafkaError, type KafkaErrorName } from '@odradek/protocol';
import { ConfigError, type Environment } from '@odradek/runtime';
import type { BrokerConfig } from '../config/broker-config.ts';
import type { EffectiveConfig } from '../config/effective-config.ts';
import { checkTopicSettings } from '../config/topic-config.ts';
import {
  type PlacementBroker,
  type PlacementRequest,
  place,
  startForAddedPartitions,
} from '../core/controller/placement.ts';
import {
  type ReplicaAssignment,
  replicasOnly,
  type TopicAssignment,
} from '../core/controller/state.ts';
import { collidingTopic, topicNameProblem } from '../core/controller/topic-names.ts';
import type { ConfigOverrides, Settings } from '../metadata/config-overrides.ts';
import { type Coordination, hasCode, persist } from '../metadata/coordination.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { randomUuid } from '../metadata/uuid.ts';
import { paths } from '../metadata/znode-paths.ts';
import { decodeTopic, encodeTopic } from '../metadata/znodes.ts';

/** A topic that is wanted: counts (null for the broker's defaults), or replicas chosen by hand. */
export interface WantedTopic {
  readonly name: string;
  readonly partitionCount: number | null;
  readonly replicationFactor: number | null;
  /** Replicas by partition; null to have them placed. */
  readonly assignments: ReadonlyMap<number, readonly number[]> | null;
  readonly settings: Settings;
}

/** A topic that was checked, or created. */
export interface PlannedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: ReadonlyMap<number, readonly number[]>;
  readonly settings: Settings;
}

export interface TopicAdminOptions {
  readonly session: Coordination;
  readonly config: BrokerConfig;
  readonly effective: EffectiveConfig;
  readonly overrides: ConfigOverrides;
  readonly metadata: MetadataView;
  readonly environment: Environment;
}

export class TopicAdmin {
  readonly #options: TopicAdminOptions;
  readonly #session: Coordination;

  constructor(options: TopicAdminOptions) {
    this.#options = options;
    this.#session = options.session;
  }

  /**
   * Checks what is wanted and chooses replicas, without writing anything.
   * @throws KafkaError that says what is wrong with it
   */
  async plan(wanted: WantedTopic): Promise<PlannedTopic> {
    const { name, settings } = wanted;
    const problem = topicNameProblem(name);
    if (problem !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', problem);
    await this.#refuseExisting(name);
    const partitions = this.#partitionsOf(wanted);
    this.#checkSettings(settings);
    return { name, settings, partitions, topicId: randomUuid(this.#options.environment.random) };
  }

  /**
   * Writes a planned topic.
   * @throws KafkaError TOPIC_ALREADY_EXISTS when somebody else was faster
   */
  async create({ name, topicId, partitions, settings }: PlannedTopic): Promise<void> {
    const { overrides } = this.#options;
    // The settings first: brokers read them when they first hear of the topic.
    if (settings.size > 0) await overrides.storeQuietly('topics', name, settings);
    const data = encodeTopic({ topicId, partitions: assignmentOf(partitions) });
    try {
      await persist(this.#session, () => this.#session.create(paths.topic(name), data));
    } catch (error) {
      if (!hasCode(error, 'NODE_EXISTS')) throw error;
      // A lost answer makes us try again and find what we wrote ourselves.
      const node = await this.#session.get(paths.topic(name));
      if (node === null || decodeTopic(name, node.data).topicId !== topicId) throw exists(name);
    }
  }

  /** Asks the controller to delete a topic; asking again does no harm. */
  async requestDeletion(topic: string): Promise<void> {
    if (!this.#options.config.values['delete.topic.enable'])
      throw new KafkaError('TOPIC_DELETION_DISABLED', 'Topic deletion is disabled.');
    try {
      await persist(this.#session, () => this.#session.create(paths.deleteTopic(topic), null));
    } catch (error) {
      if (!hasCode(error, 'NODE_EXISTS')) throw error;
    }
  }

  async isMarkedForDeletion(topic: string): Promise<boolean> {
    return (await this.#session.exists(paths.deleteTopic(topic))) !== null;
  }

  /**
   * Adds partitions to a topic.
   * @param assignments replicas of each new partition; null to have them placed
   * @throws KafkaError that says what is wrong
   */
  async addPartitions(
    topic: string,
    partitionCount: number,
    assignments: readonly (readonly number[])[] | null,
    validateOnly: boolean,
  ): Promise<void> {
    for (;;) {
      const node = await this.#session.get(paths.topic(topic));
      if (node === null || (await this.isMarkedForDeletion(topic)))
        throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `The topic '${topic}' does not exist.`);
      const before = decodeTopic(topic, node.data);
      const after = this.#grown(topic, before, partitionCount, assignments);
      if (validateOnly) return;
      try {
        const { version } = node.stat;
        await this.#session.set(paths.topic(topic), encodeTopic(after), version);
        return;
      } catch (error) {
        if (hasCode(error, 'NO_NODE', 'BAD_VERSION')) continue; // Somebody changed it: look again.
        if (!hasCode(error, 'CONNECTION_LOSS')) throw error;
        await this.#session.whenConnected();
        const written = await this.#session.get(paths.topic(topic));
        if (written !== null && decodeTopic(topic, written.data).partitions.size >= partitionCount)
          return; // It happened although the answer was lost.
      }
    }
  }

  async #refuseExisting(name: string): Promise<void> {
    if (this.#options.metadata.topic(name) !== undefined) throw exists(name);
    if ((await this.#session.exists(paths.topic(name))) !== null) throw exists(name);
    if (await this.isMarkedForDeletion(name))
      throw new KafkaError('TOPIC_ALREADY_EXISTS', `Topic '${name}' is marked for deletion.`);
    if (!/[._]/.test(name)) return;
    const listed = await this.#session.children(paths.topics);
    const other = collidingTopic(name, listed?.names ?? []);
    if (other !== null)
      throw new KafkaError(
        'INVALID_TOPIC_EXCEPTION',
        `Topic '${name}' collides with existing topics: ${other}`,
      );
  }

  #partitionsOf(wanted: WantedTopic): ReadonlyMap<number, readonly number[]> {
    const { values } = this.#options.config;
    if (wanted.assignments !== null) {
      checkAssignments(wanted.assignments, 0);
      return wanted.assignments;
    }
    const partitionCount = wanted.partitionCount ?? values['num.partitions'];
    const replicationFactor = wanted.replicationFactor ?? values['default.replication.factor'];
    const start = this.#randomBroker();
    const shift = this.#randomBroker();
    return this.#placed({ partitionCount, replicationFactor, start, shift });
  }

  #placed(request: Omit<PlacementRequest, 'brokers'>): ReadonlyMap<number, readonly number[]> {
    const placement = place({ ...request, brokers: this.#brokers() });
    if (placement.kind === 'placed') return placement.replicas;
    const { code, reason } = placement.refusal;
    throw new KafkaError(code, reason);
  }

  #grown(
    topic: string,
    before: TopicAssignment,
    partitionCount: number,
    assignments: readonly (readonly number[])[] | null,
  ): TopicAssignment {
    const current = before.partitions.size;
    const first = before.partitions.get(0)?.replicas ?? [];
    for (const { adding, removing } of before.partitions.values())
      if (adding.length > 0 || removing.length > 0)
        throw new KafkaError(
          'REASSIGNMENT_IN_PROGRESS',
          `A partition reassignment is in progress for the topic '${topic}'.`,
        );
    const added = partitionCount - current;
    if (added < 0)
      throw refusePartitions(
        `The topic ${topic} currently has ${current} partition(s); ${partitionCount} would not be an increase.`,
      );
    if (added === 0) throw refusePartitions(`Topic already has ${current} partition(s).`);
    const replicas =
      assignments === null
        ? this.#placedAfter(first, current, added)
        : chosenAfter(assignments, current, added, first.length);
    return {
      topicId: before.topicId,
      partitions: new Map([...before.partitions, ...assignmentOf(replicas)]),
    };
  }

  #placedAfter(
    first: readonly number[],
    current: number,
    added: number,
  ): ReadonlyMap<number, readonly number[]> {
    const start = startForAddedPartitions(this.#brokers(), first[0] ?? 0);
    return this.#placed({
      partitionCount: added,
      replicationFactor: first.length,
      start,
      shift: start,
      firstPartition: current,
    });
  }

  #checkSettings(settings: Settings): void {
    try {
      checkTopicSettings(this.#options.effective, settings);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      throw new KafkaError('INVALID_CONFIG', error.message, { cause: error });
    }
  }

  #brokers(): readonly PlacementBroker[] {
    return [...this.#options.metadata.liveBrokers()].map(({ id, rack }) => ({ id, rack }));
  }

  #randomBroker(): number {
    const count = this.#brokers().length;
    return count === 0 ? 0 : this.#options.environment.random.below(count);
  }
}

function assignmentOf(
  partitions: ReadonlyMap<number, readonly number[]>,
): ReadonlyMap<number, ReplicaAssignment> {
  return new Map([...partitions].map(([partition, ids]) => [partition, replicasOnly(ids)]));
}

function chosenAfter(
  assignments: readonly (readonly number[])[],
  current: number,
  added: number,
  replicationFactor: number,
): ReadonlyMap<number, readonly number[]> {
  if (assignments.length !== added)
    throw refuseAssignment(
      `Increasing the number of partitions by ${added} but ${assignments.length} assignments provided.`,
    );
  const chosen = new Map(assignments.map((ids, index) => [current + index, ids]));
  checkAssignments(chosen, current);
  for (const ids of chosen.values())
    if (ids.length !== replicationFactor)
      throw refuseAssignment(
        `Inconsistent replication factor: the topic has ${replicationFactor} replicas, but an assignment has ${ids.length}.`,
      );
  return chosen;
}

/** Partitions without gaps from `first` on, equally many replicas, none twice. */
function checkAssignments(
  assignments: ReadonlyMap<number, readonly number[]>,
  first: number,
): void {
  const counts = new Set([...assignments.values()].map((ids) => ids.length));
  if (assignments.size === 0 || counts.has(0))
    throw refuseAssignment('Every partition needs at least one replica.');
  if (counts.size > 1)
    throw refuseAssignment('All partitions should have the same number of replicas.');
  for (let partition = first; partition < first + assignments.size; partition += 1) {
    const ids = assignments.get(partition);
    if (ids === undefined)
      throw refuseAssignment(
        `Partitions should be a consecutive 0-based integer sequence: ${partition} is missing.`,
      );
    if (new Set(ids).size !== ids.length)
      throw refuseAssignment(`Duplicate replicas in the assignment of partition ${partition}.`);
    if (ids.some((id) => id < 0))
      throw refuseAssignment(`Invalid broker id in the assignment of partition ${partition}.`);
  }
}

const exists = (name: string): KafkaError =>
  new KafkaError('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`);
const refusePartitions = (reason: string): KafkaError =>
  new KafkaError('INVALID_PARTITIONS', reason);
const refuseAssignment = (reason: string): KafkaError =>
  new KafkaError('INVALID_REPLICA_ASSIGNMENT', reason);

/** What a KafkaError says, without its code in front. */
export function reasonOf(error: KafkaError): string {
  const prefix = `${error.code satisfies KafkaErrorName}: `;
  return error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
}
