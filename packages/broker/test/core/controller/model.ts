/**
 * A cluster in memory for the controller's machine: answers its commands at once, as the
 * coordination service would, and keeps what it sends. No promise, no clock.
 */
import { millis } from '@odradek/runtime';
import type { Command, CommandResult } from '../../../src/core/controller/commands.ts';
import type { ControlRequest } from '../../../src/core/controller/control-batch.ts';
import {
  Controller,
  type ControllerEffect,
  type ControllerInput,
} from '../../../src/core/controller/controller.ts';
import {
  keyOf,
  type PartitionState,
  type RegisteredBroker,
  replicasOnly,
  type TopicAssignment,
  type TopicPartition,
} from '../../../src/core/controller/state.ts';
import type { ControllerReply, ControllerSettings } from '../../../src/core/controller/term.ts';

export interface Sent {
  readonly to: number;
  readonly request: ControlRequest;
}

export const settings: ControllerSettings = {
  deleteTopicEnable: true,
  autoLeaderRebalanceEnable: true,
  leaderImbalancePerBrokerPercentage: 10,
  leaderImbalanceCheckIntervalMs: 300_000,
};

export class Model {
  readonly brokers = new Map<number, RegisteredBroker>();
  readonly topics = new Map<string, TopicAssignment>();
  readonly states = new Map<string, PartitionState>();
  readonly deletions = new Set<string>();
  readonly unclean = new Set<string>();
  isrChanges: TopicPartition[] = [];
  logDirEvents: number[] = [];
  preferredElection: TopicPartition[] = [];
  /** Everything the machine did, in order. */
  effects: ControllerEffect[] = [];
  commands: Command[] = [];
  /** Called before each command: the chance for others to write in between. */
  before: ((command: Command) => void) | null = null;
  #zxid = 100;
  #ids = 0;
  controller: Controller;
  controllerEpoch = 1;

  constructor(options: Partial<ControllerSettings> = {}) {
    this.controller = this.newController(options);
  }

  newController(options: Partial<ControllerSettings> = {}): Controller {
    return new Controller({
      controllerId: 1,
      epoch: this.controllerEpoch,
      settings: { ...settings, ...options },
    });
  }

  /** A new term on the same cluster. */
  failOver(): void {
    this.controllerEpoch += 1;
    this.controller = this.newController();
    this.send({ kind: 'start' });
  }

  register(...ids: number[]): void {
    for (const id of ids) {
      this.#zxid += 1;
      const endpoint = { listener: 'PLAINTEXT', host: `h${id}`, port: 9092 } as const;
      this.brokers.set(id, {
        id,
        epoch: this.#zxid,
        rack: null,
        endpoints: [{ ...endpoint, securityProtocol: 'PLAINTEXT' }],
      });
    }
  }

  createTopic(name: string, ...replicas: number[][]): void {
    this.#ids += 1;
    this.topics.set(name, {
      topicId: `id${this.#ids}`.padEnd(22, 'x'),
      partitions: new Map(replicas.map((ids, index) => [index, replicasOnly(ids)])),
    });
  }

  /** Delivers an input and answers commands until the machine waits for nothing. */
  send(input: ControllerInput | { kind: 'tick' }, now = 0): ControllerEffect[] {
    const first = this.effects.length;
    let pending = this.#take(this.controller.step(input, millis(now)));
    while (pending !== null) {
      const result = this.answer(pending);
      pending = this.#take(this.controller.step({ kind: 'commandDone', result }, millis(now)));
    }
    return this.effects.slice(first);
  }

  #take(effects: readonly ControllerEffect[]): Command | null {
    let pending: Command | null = null;
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.kind !== 'command') continue;
      if (pending !== null) throw new Error('two commands at once');
      pending = effect.command;
    }
    return pending;
  }

  /** What was sent since the last call, and to whom. */
  takeSent(): Sent[] {
    const sent = this.effects.flatMap((effect): Sent[] =>
      effect.kind === 'send' ? [{ to: effect.brokerId, request: effect.request }] : [],
    );
    this.effects = [];
    return sent;
  }

  replies(): ControllerReply[] {
    return this.effects.flatMap((effect) => (effect.kind === 'reply' ? [effect.reply] : []));
  }

  state(topic: string, partition = 0): PartitionState {
    const state = this.states.get(keyOf(topic, partition));
    if (state === undefined) throw new Error(`no state of ${topic}-${partition}`);
    return state;
  }

  answer(command: Command): CommandResult {
    this.before?.(command);
    this.commands.push(command);
    switch (command.kind) {
      case 'readBrokers':
        return { kind: command.kind, brokers: [...this.brokers.values()] };
      case 'readTopicNames':
        return { kind: command.kind, topics: [...this.topics.keys()] };
      case 'readAssignments':
        return {
          kind: command.kind,
          assignments: new Map([...this.topics].filter(([name]) => command.topics.includes(name))),
        };
      case 'readStates': {
        const keys = new Set(
          command.partitions.map(({ topic, partition }) => keyOf(topic, partition)),
        );
        return {
          kind: command.kind,
          states: new Map([...this.states].filter(([key]) => keys.has(key))),
        };
      }
      case 'writeStates':
        return { kind: command.kind, written: command.writes.map((write) => this.#write(write)) };
      case 'assignTopicIds': {
        const topicIds = new Map<string, string>();
        for (const [name, assignment] of command.topics) {
          this.#ids += 1;
          const topicId = `made${this.#ids}`.padEnd(22, 'x');
          this.topics.set(name, { ...assignment, topicId });
          topicIds.set(name, topicId);
        }
        return { kind: command.kind, topicIds };
      }
      case 'writeAssignment':
        this.topics.set(command.topic, command.assignment);
        return { kind: command.kind };
      case 'readDeletions':
        return { kind: command.kind, topics: [...this.deletions] };
      case 'forgetDeletions':
        for (const topic of command.topics) this.deletions.delete(topic);
        return { kind: command.kind };
      case 'removeTopic':
        for (const partition of this.topics.get(command.topic)?.partitions.keys() ?? [])
          this.states.delete(keyOf(command.topic, partition));
        this.topics.delete(command.topic);
        this.deletions.delete(command.topic);
        return { kind: command.kind };
      case 'readUncleanAllowed':
        return {
          kind: command.kind,
          topics: new Set(command.topics.filter((topic) => this.unclean.has(topic))),
        };
      case 'takeIsrChanges': {
        const partitions = command.discard ? [] : this.isrChanges;
        this.isrChanges = [];
        return { kind: command.kind, partitions };
      }
      case 'takeLogDirEvents': {
        const brokerIds = command.discard ? [] : this.logDirEvents;
        this.logDirEvents = [];
        return { kind: command.kind, brokerIds };
      }
      case 'takePreferredElection': {
        const partitions = this.preferredElection;
        this.preferredElection = [];
        return { kind: command.kind, partitions };
      }
    }
  }

  #write(write: Extract<Command, { kind: 'writeStates' }>['writes'][number]) {
    const { topic, partition, state, expectedPartitionEpoch } = write;
    const key = keyOf(topic, partition);
    const current = this.states.get(key)?.partitionEpoch ?? null;
    if (current !== expectedPartitionEpoch) return { topic, partition, partitionEpoch: null };
    const partitionEpoch = current === null ? 0 : current + 1;
    this.states.set(key, { ...state, controllerEpoch: this.controllerEpoch, partitionEpoch });
    return { topic, partition, partitionEpoch };
  }

  /** A leader changes its ISR in the stored state without asking, as old brokers do. */
  changeIsr(topic: string, isr: number[], partition = 0): void {
    const state = this.state(topic, partition);
    this.states.set(keyOf(topic, partition), {
      ...state,
      isr,
      partitionEpoch: state.partitionEpoch + 1,
    });
  }
}

/** The leaders and ISRs that one LeaderAndIsr request gives, by partition. */
export function rolesIn({
  request,
}: Sent): Record<string, [leader: number, isr: number[], isNew: boolean]> {
  if (request.kind !== 'leaderAndIsr') throw new Error(`a ${request.kind}`);
  return Object.fromEntries(
    request.partitions.map(({ topic, partition, state, isNew }) => [
      keyOf(topic, partition),
      [state.leader, [...state.isr], isNew],
    ]),
  );
}
