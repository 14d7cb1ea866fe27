/**
 * Carries out the commands of the controller's machine in the coordination service.
 *
 * Every write goes together with a check of /controller_epoch, so a controller that was replaced
 * without noticing changes nothing any more: its write fails as {@link ControllerMoved}. Writes of
 * many partitions share a request. Reads set the watches that bring the machine its next signals.
 */
import { MultiFailed, type MultiOperation, type Watcher } from '@odradek/client';
import { type Log, OdradekError, type Random } from '@odradek/runtime';
import type {
  Command,
  CommandResult,
  StateWrite,
  StateWritten,
} from '../core/controller/commands.ts';
import type { ControllerSignal } from '../core/controller/controller.ts';
import {
  keyOf,
  type PartitionState,
  type TopicAssignment,
  type TopicPartition,
} from '../core/controller/state.ts';
import { type Coordination, hasCode, inPortions, persist } from '../metadata/coordination.ts';
import { randomUuid } from '../metadata/uuid.ts';
import { MalformedZnode } from '../metadata/znode-json.ts';
import { paths } from '../metadata/znode-paths.ts';
import {
  decodeBroker,
  decodeLogDirEvent,
  decodePartitionList,
  decodePartitionState,
  decodeTopic,
  encodePartitionState,
  encodeTopic,
} from '../metadata/znodes.ts';

/** Somebody else became controller: nothing was written. */
export class ControllerMoved extends OdradekError {
  override readonly name = 'ControllerMoved';
  readonly code = 'CONTROLLER_MOVED';
  readonly retriable = false;
}

/** Operations in one request: a few tens of kilobytes, far below the service's limit of 1 MiB. */
const OPERATIONS_PER_MULTI = 100;

export interface ControllerStoreOptions {
  readonly session: Coordination;
  /** What we were elected with. */
  readonly epoch: number;
  /** The version of /controller_epoch that belongs to it. */
  readonly epochVersion: number;
  readonly random: Random;
  readonly log: Log;
  /** Called when something that was read has changed. */
  readonly signal: (signal: ControllerSignal) => void;
  /** Of these topics, those whose settings allow unclean elections. */
  readonly uncleanAllowed: (topics: readonly string[]) => ReadonlySet<string>;
}

export class ControllerStore {
  readonly #options: ControllerStoreOptions;
  readonly #session: Coordination;
  /** One watcher for each path, so that reading again does not add a second one. */
  readonly #watchers = new Map<string, Watcher>();

  constructor(options: ControllerStoreOptions) {
    this.#options = options;
    this.#session = options.session;
  }

  /** @throws ControllerMoved, or ZooKeeperError when the session is gone */
  async perform(command: Command): Promise<CommandResult> {
    switch (command.kind) {
      case 'readBrokers':
        return { kind: command.kind, brokers: await this.#readBrokers() };
      case 'readTopicNames':
        return { kind: command.kind, topics: await this.#names(paths.topics, 'topicsChanged') };
      case 'readAssignments':
        return { kind: command.kind, assignments: await this.#readAssignments(command.topics) };
      case 'readStates':
        return { kind: command.kind, states: await this.#readStates(command.partitions) };
      case 'writeStates':
        return { kind: command.kind, written: await this.#writeStates(command.writes) };
      case 'assignTopicIds':
        return { kind: command.kind, topicIds: await this.#assignTopicIds(command.topics) };
      case 'writeAssignment':
        await this.#writeAssignment(command.topic, command.assignment);
        return { kind: command.kind };
      case 'readDeletions':
        return {
          kind: command.kind,
          topics: await this.#names(paths.deleteTopics, 'deletionsChanged'),
        };
      case 'forgetDeletions':
        await this.#removeAll(command.topics.map(paths.deleteTopic));
        return { kind: command.kind };
      case 'removeTopic':
        await this.#removeTopic(command.topic);
        return { kind: command.kind };
      case 'readUncleanAllowed':
        return { kind: command.kind, topics: this.#options.uncleanAllowed(command.topics) };
      case 'takeIsrChanges': {
        const found = await this.#take(paths.isrChanges, 'isrChanges', decodePartitionList);
        return { kind: command.kind, partitions: command.discard ? [] : found.flat() };
      }
      case 'takeLogDirEvents': {
        const found = await this.#take(paths.logDirEvents, 'logDirEvents', decodeLogDirEvent);
        return { kind: command.kind, brokerIds: command.discard ? [] : found };
      }
      case 'takePreferredElection':
        return { kind: command.kind, partitions: await this.#takePreferredElection() };
    }
  }

  async #readBrokers() {
    const ids = (await this.#names(paths.brokerIds, 'brokersChanged')).map(Number);
    const watcher = this.#watcher(`${paths.brokerIds}/`, { kind: 'brokersChanged' });
    const brokers = await inPortions(ids, async (id) => {
      const node = await this.#session.get(paths.brokerId(id), watcher);
      if (node === null) return [];
      return this.#understood(() => decodeBroker(id, node.data, node.stat.czxid));
    });
    return brokers.flat();
  }

  async #readAssignments(topics: readonly string[]): Promise<ReadonlyMap<string, TopicAssignment>> {
    const assignments = new Map<string, TopicAssignment>();
    await inPortions(topics, async (topic) => {
      const path = paths.topic(topic);
      const watcher = this.#watcher(path, { kind: 'topicChanged', topic });
      const node = await this.#session.get(path, watcher);
      if (node === null) return;
      for (const assignment of this.#understood(() => decodeTopic(topic, node.data)))
        assignments.set(topic, assignment);
    });
    return assignments;
  }

  async #readStates(
    partitions: readonly TopicPartition[],
  ): Promise<ReadonlyMap<string, PartitionState>> {
    const states = new Map<string, PartitionState>();
    await inPortions(partitions, async ({ topic, partition }) => {
      const path = paths.partitionState(topic, partition);
      const node = await this.#session.get(path);
      if (node === null) return;
      for (const state of this.#understood(() => decodePartitionState(path, node.data)))
        states.set(keyOf(topic, partition), { ...state, partitionEpoch: node.stat.version });
    });
    return states;
  }

  async #writeStates(writes: readonly StateWrite[]): Promise<readonly StateWritten[]> {
    const created = writes.filter(({ expectedPartitionEpoch }) => expectedPartitionEpoch === null);
    const changed = writes.filter(({ expectedPartitionEpoch }) => expectedPartitionEpoch !== null);
    for (const topic of new Set(created.map((write) => write.topic)))
      await this.#attempt([{ kind: 'create', path: paths.partitions(topic), data: null }]);
    // Each creation is two operations: the partition's node, and its state below it.
    return [
      ...(await this.#writePortions(created, OPERATIONS_PER_MULTI / 2)),
      ...(await this.#writePortions(changed, OPERATIONS_PER_MULTI)),
    ];
  }

  async #writePortions(
    writes: readonly StateWrite[],
    portionCount: number,
  ): Promise<readonly StateWritten[]> {
    const written: StateWritten[] = [];
    for (let start = 0; start < writes.length; start += portionCount) {
      const portion = writes.slice(start, start + portionCount);
      const together = await this.#attempt(portion.flatMap((write) => this.#operations(write)));
      // All or nothing: when one of them was changed by somebody else, each is tried on its own.
      if (together) written.push(...portion.map(succeeded));
      else for (const write of portion) written.push(await this.#writeAlone(write));
    }
    return written;
  }

  #operations({ topic, partition, state, expectedPartitionEpoch }: StateWrite): MultiOperation[] {
    const path = paths.partitionState(topic, partition);
    const data = encodePartitionState(state, this.#options.epoch);
    if (expectedPartitionEpoch !== null)
      return [{ kind: 'set', path, data, version: expectedPartitionEpoch }];
    return [
      { kind: 'create', path: paths.partition(topic, partition), data: null },
      { kind: 'create', path, data },
    ];
  }

  async #writeAlone(write: StateWrite): Promise<StateWritten> {
    const operations = this.#operations(write);
    if (await this.#attempt(operations)) return succeeded(write);
    const { topic, partition, expectedPartitionEpoch } = write;
    const lost = { topic, partition, partitionEpoch: null };
    if (expectedPartitionEpoch !== null) return lost;
    // The partition's node can be left from a creation that did not get as far as the state.
    return (await this.#attempt(operations.slice(1))) ? succeeded(write) : lost;
  }

  async #assignTopicIds(
    topics: ReadonlyMap<string, TopicAssignment>,
  ): Promise<ReadonlyMap<string, string>> {
    const assigned = new Map<string, string>();
    for (const [topic, assignment] of topics) {
      const topicId = randomUuid(this.#options.random);
      const data = encodeTopic({ ...assignment, topicId });
      if (await this.#attempt([{ kind: 'set', path: paths.topic(topic), data }]))
        assigned.set(topic, topicId);
    }
    return assigned;
  }

  async #writeAssignment(topic: string, assignment: TopicAssignment): Promise<void> {
    const data = encodeTopic(assignment);
    await this.#attempt([{ kind: 'set', path: paths.topic(topic), data }]);
  }

  async #removeTopic(topic: string): Promise<void> {
    await this.#removeTree(paths.topic(topic));
    await this.#removeAll([paths.configOf('topics', topic)]);
    // The wish goes last: until then a new controller would begin the deletion again.
    await this.#removeAll([paths.deleteTopic(topic)]);
  }

  async #removeTree(path: string): Promise<void> {
    const doomed: string[] = [];
    const visit = async (node: string): Promise<void> => {
      const listed = await this.#session.children(node);
      if (listed === null) return;
      for (const name of listed.names) await visit(`${node}/${name}`);
      doomed.push(node);
    };
    await visit(path);
    await this.#removeAll(doomed);
  }

  /** Removes nodes in this order; those that are gone already do not matter. */
  async #removeAll(doomed: readonly string[]): Promise<void> {
    for (let start = 0; start < doomed.length; start += OPERATIONS_PER_MULTI) {
      const portion = doomed.slice(start, start + OPERATIONS_PER_MULTI);
      const remove = (path: string): MultiOperation => ({ kind: 'remove', path });
      if (await this.#attempt(portion.map(remove))) continue;
      for (const path of portion) await this.#attempt([remove(path)]);
    }
  }

  /** Reads and removes what lies in a folder of notifications. */
  async #take<T>(
    folder: string,
    kind: 'isrChanges' | 'logDirEvents',
    decode: (path: string, data: Buffer) => T,
  ): Promise<readonly T[]> {
    const names = await this.#names(folder, kind);
    const found = await inPortions(names, async (name) => {
      const path = `${folder}/${name}`;
      const node = await this.#session.get(path);
      return node === null ? [] : this.#understood(() => decode(path, node.data));
    });
    await this.#removeAll(names.map((name) => `${folder}/${name}`));
    return found.flat();
  }

  async #takePreferredElection(): Promise<readonly TopicPartition[]> {
    const path = paths.preferredElection;
    const watcher = this.#watcher(path, { kind: 'preferredElection' });
    const node = await this.#session.get(path, watcher);
    if (node === null) return [];
    const found = this.#understood(() => decodePartitionList(path, node.data)).flat();
    await this.#removeAll([path]);
    return found;
  }

  async #names(
    folder: string,
    kind: Exclude<ControllerSignal['kind'], 'topicChanged'>,
  ): Promise<readonly string[]> {
    const listed = await this.#session.children(folder, this.#watcher(folder, { kind }));
    return listed?.names ?? [];
  }

  /** All operations, or false when one of them found something else than it expects. */
  async #attempt(operations: readonly MultiOperation[]): Promise<boolean> {
    if (operations.length === 0) return true;
    const { session, epochVersion } = this.#options;
    const check = { kind: 'check', path: paths.controllerEpoch, version: epochVersion } as const;
    try {
      await persist(session, () => session.multi([check, ...operations]));
      return true;
    } catch (error) {
      if (error instanceof MultiFailed && error.operationIndex === 0)
        throw new ControllerMoved('another broker became controller', { cause: error });
      if (hasCode(error, 'BAD_VERSION', 'NODE_EXISTS', 'NO_NODE', 'NOT_EMPTY')) return false;
      throw error;
    }
  }

  /** A znode that makes no sense is told about and left alone; it must not stop the others. */
  #understood<T>(decode: () => T): readonly T[] {
    try {
      return [decode()];
    } catch (error) {
      if (!(error instanceof MalformedZnode)) throw error;
      this.#options.log.error('ignoring a damaged znode', { reason: error.message });
      return [];
    }
  }

  #watcher(key: string, signal: ControllerSignal): Watcher {
    const known = this.#watchers.get(key);
    if (known !== undefined) return known;
    // A session that ended takes office away: no signal is of use then.
    const watcher: Watcher = ({ kind }) => {
      if (kind === 'deleted' && signal.kind === 'topicChanged') this.#watchers.delete(key); // Topics come and go; their watchers too.
      if (kind !== 'session') this.#options.signal(signal);
    };
    this.#watchers.set(key, watcher);
    return watcher;
  }
}

function succeeded({ topic, partition, expectedPartitionEpoch }: StateWrite): StateWritten {
  // A fresh node has version 0, every write adds one.
  const partitionEpoch = expectedPartitionEpoch === null ? 0 : expectedPartitionEpoch + 1;
  return { topic, partition, partitionEpoch };
}
