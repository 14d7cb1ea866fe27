/**
 * One term of the controller: a machine that takes events one after the other and never two at once.
 *
 * An event starts a procedure; the procedure asks the coordination service, and is resumed with what
 * came back. Events that arrive meanwhile wait; an event that only says "look again" is not queued
 * twice. Losing office ends the term: the host drops this machine, and the next term begins with a
 * new one that knows nothing.
 *
 * Who is elected, and how commands and requests are carried out, is in `controller/`.
 */
import { type Machine, type Millis, millis, type Tick } from '@odradek/runtime';
import {
  followBrokers,
  noteDirectories,
  probeDirectories,
  relieveBroker,
  resyncBroker,
} from './broker-changes.ts';
import { ask, type Command, type CommandResult, type Procedure } from './commands.ts';
import { ControllerContext, type Replica } from './context.ts';
import {
  completeReplicaDeletions,
  continueDeletions,
  failReplicaDeletions,
  loadDeletions,
  requestDeletions,
} from './deletion.ts';
import { type AlterPartitionCall, alterPartitions, followIsrChanges } from './isr-changes.ts';
import { bringPartitionsOnline, startPartitions } from './partition-states.ts';
import { electPreferredOnRequest, rebalanceLeaders } from './preferred-leaders.ts';
import { startReplicas } from './replica-states.ts';
import type { TopicPartition } from './state.ts';
import { type ControllerSettings, Term, type TermEffect } from './term.ts';
import { followTopic, followTopics, readTopics } from './topic-changes.ts';

/** Events that carry nothing: state lies in the coordination service and is read anew. */
export type ControllerSignal =
  | { readonly kind: 'brokersChanged' }
  | { readonly kind: 'topicsChanged' }
  | { readonly kind: 'topicChanged'; readonly topic: string }
  | { readonly kind: 'deletionsChanged' }
  | { readonly kind: 'isrChanges' }
  | { readonly kind: 'logDirEvents' }
  | { readonly kind: 'preferredElection' }
  | { readonly kind: 'rebalance' }
  /** Some topic, or the cluster, now rather loses records than be without a leader. */
  | { readonly kind: 'uncleanElectionEnabled' };

export type ControllerEvent =
  | ControllerSignal
  | { readonly kind: 'start' }
  /** Requests to a broker were dropped, because it could not be reached: it must be told everything. */
  | { readonly kind: 'resync'; readonly brokerId: number }
  | { readonly kind: 'alterPartition'; readonly token: number; readonly call: AlterPartitionCall }
  | {
      readonly kind: 'controlledShutdown';
      readonly token: number;
      readonly brokerId: number;
      readonly brokerEpoch: number;
    }
  /** A broker's answer to LeaderAndIsr. */
  | {
      readonly kind: 'directoriesKnown';
      readonly brokerId: number;
      readonly brokerEpoch: number;
      readonly failed: readonly TopicPartition[];
      readonly working: readonly TopicPartition[];
    }
  /** A broker's answer to StopReplica with deletion. */
  | {
      readonly kind: 'replicasDeleted';
      readonly brokerId: number;
      readonly brokerEpoch: number;
      readonly deleted: readonly TopicPartition[];
      readonly failed: readonly TopicPartition[];
    };

export type ControllerInput =
  | ControllerEvent
  /** Office is lost: nothing is to be done any more. */
  | { readonly kind: 'resign' }
  | { readonly kind: 'commandDone'; readonly result: CommandResult };

export type ControllerEffect = TermEffect | { readonly kind: 'command'; readonly command: Command };

/** How long after its election a controller first looks at preferred leaders. */
export const FIRST_REBALANCE_AFTER_MS = 5_000;
/** Events that may wait; requests beyond it are sent away to try again. */
export const MAX_QUEUED_EVENTS = 10_000;

export interface ControllerOptions {
  readonly controllerId: number;
  readonly epoch: number;
  readonly settings: ControllerSettings;
}

export class Controller implements Machine<ControllerInput, ControllerEffect> {
  readonly #term: Term;
  readonly #queue: ControllerEvent[] = [];
  #running: Procedure | null = null;
  #nextRebalance: Millis | null = null;
  #hasResigned = false;

  constructor({ controllerId, epoch, settings }: ControllerOptions) {
    this.#term = new Term(new ControllerContext(controllerId, epoch), settings);
  }

  /** What the term knows; for reading only. */
  get context(): ControllerContext {
    return this.#term.context;
  }

  deadline(): Millis | null {
    return this.#nextRebalance;
  }

  step(input: ControllerInput | Tick, now: Millis): readonly ControllerEffect[] {
    if (this.#hasResigned) return [];
    switch (input.kind) {
      case 'resign':
        this.#hasResigned = true;
        this.#queue.length = 0;
        this.#running = null;
        this.#nextRebalance = null;
        return [];
      case 'commandDone':
        return this.#advance(input.result, now);
      case 'tick':
        if (this.#nextRebalance === null || now < this.#nextRebalance) return [];
        this.#nextRebalance = millis(now + this.#term.settings.leaderImbalanceCheckIntervalMs);
        return this.#enqueue({ kind: 'rebalance' }, now);
      default:
        return this.#enqueue(input, now);
    }
  }

  #enqueue(event: ControllerEvent, now: Millis): readonly ControllerEffect[] {
    if (isSignal(event) && this.#queue.some((queued) => sameSignal(queued, event))) return [];
    if (this.#queue.length >= MAX_QUEUED_EVENTS && this.#sendAway(event))
      return this.#term.takeEffects();
    this.#queue.push(event);
    return this.#running === null ? this.#advance(null, now) : [];
  }

  /** Only requests can be sent away: their senders try again. Answers of brokers are few by nature. */
  #sendAway(event: ControllerEvent): boolean {
    if (event.kind === 'alterPartition') {
      const reply = { kind: event.kind, error: 'NOT_CONTROLLER', partitions: [] } as const;
      this.#term.emit({ kind: 'reply', token: event.token, reply });
      return true;
    }
    if (event.kind === 'controlledShutdown') {
      const reply = { kind: event.kind, error: 'NOT_CONTROLLER', remaining: [] } as const;
      this.#term.emit({ kind: 'reply', token: event.token, reply });
      return true;
    }
    return false;
  }

  /** Resumes the running procedure, then starts the next ones until one has to wait. */
  #advance(result: CommandResult | null, now: Millis): readonly ControllerEffect[] {
    let next = result;
    for (;;) {
      if (this.#running === null) {
        const event = this.#queue.shift();
        if (event === undefined) return this.#term.takeEffects();
        this.#running = this.#procedureFor(event, now);
        next = null;
      }
      const step = next === null ? this.#running.next() : this.#running.next(next);
      if (step.done !== true)
        return [...this.#term.takeEffects(), { kind: 'command', command: step.value }];
      this.#running = null;
    }
  }

  #procedureFor(event: ControllerEvent, now: Millis): Procedure {
    const term = this.#term;
    switch (event.kind) {
      case 'start':
        return this.#takeOffice(now);
      case 'brokersChanged':
        return followBrokers(term);
      case 'topicsChanged':
        return followTopics(term);
      case 'topicChanged':
        return followTopic(term, event.topic);
      case 'deletionsChanged':
        return requestDeletions(term);
      case 'isrChanges':
        return followIsrChanges(term);
      case 'logDirEvents':
        return probeDirectories(term);
      case 'preferredElection':
        return electPreferredOnRequest(term);
      case 'rebalance':
        return rebalanceLeaders(term);
      case 'uncleanElectionEnabled':
        return bringPartitionsOnline(term);
      case 'resync':
        return resyncBroker(term, event.brokerId);
      case 'alterPartition':
        return alterPartitions(term, event.token, event.call);
      case 'controlledShutdown':
        return relieveBroker(term, event.token, event.brokerId, event.brokerEpoch);
      case 'directoriesKnown':
        if (!this.#isCurrent(event)) return nothing();
        return noteDirectories(term, event.brokerId, event.failed, event.working);
      case 'replicasDeleted':
        if (!this.#isCurrent(event)) return nothing();
        return this.#followDeletions(event.brokerId, event.deleted, event.failed);
    }
  }

  /** An answer counts only while the broker that gave it is still in the same life. */
  #isCurrent({ brokerId, brokerEpoch }: { brokerId: number; brokerEpoch: number }): boolean {
    return this.context.brokers.get(brokerId)?.epoch === brokerEpoch;
  }

  *#followDeletions(
    brokerId: number,
    deleted: readonly TopicPartition[],
    failed: readonly TopicPartition[],
  ): Procedure {
    const replicas = (partitions: readonly TopicPartition[]): Replica[] =>
      partitions.flatMap(({ topic, partition }) => {
        const record = this.context.partition(topic, partition);
        return record?.replicas.get(brokerId) === 'deletionStarted'
          ? [{ partition: record, brokerId }]
          : [];
      });
    yield* failReplicaDeletions(this.#term, replicas(failed));
    yield* completeReplicaDeletions(this.#term, replicas(deleted));
  }

  /** The failover: reads the whole state, tells everybody who is alive, then puts things right. */
  *#takeOffice(now: Millis): Procedure {
    const term = this.#term;
    const { context, batch, settings } = term;
    // What was announced to an earlier controller is part of the state that is read now.
    yield* ask({ kind: 'takeLogDirEvents', discard: true });
    yield* ask({ kind: 'takeIsrChanges', discard: true });
    const { brokers } = yield* ask({ kind: 'readBrokers' });
    for (const broker of brokers) {
      context.brokers.set(broker.id, broker);
      term.emit({ kind: 'openChannel', broker });
    }
    const { topics } = yield* ask({ kind: 'readTopicNames' });
    for (const [name, assignment] of yield* readTopics(term, topics))
      context.addTopic(name, assignment);
    const partitions = [...context.partitions()];
    const { states } = yield* ask({ kind: 'readStates', partitions });
    for (const record of partitions) record.stored = states.get(record.key) ?? null;
    yield* loadDeletions(term);
    // Brokers must know who is alive before they can follow anybody.
    batch.announce(context.brokers.keys(), []);
    term.flush();
    yield* startReplicas(term);
    yield* startPartitions(term);
    yield* continueDeletions(term);
    yield* electPreferredOnRequest(term);
    if (settings.autoLeaderRebalanceEnable)
      this.#nextRebalance = millis(now + FIRST_REBALANCE_AFTER_MS);
    term.note(
      'info',
      `controller of epoch ${context.epoch}: ${brokers.length} brokers, ${topics.length} topics, ${partitions.length} partitions`,
    );
  }
}

function* nothing(): Procedure {}

const carriesNothing: ReadonlySet<ControllerEvent['kind']> = new Set([
  'brokersChanged',
  'topicsChanged',
  'topicChanged',
  'deletionsChanged',
  'isrChanges',
  'logDirEvents',
  'preferredElection',
  'rebalance',
  'uncleanElectionEnabled',
]);

const isSignal = (event: ControllerEvent): event is ControllerSignal =>
  carriesNothing.has(event.kind);

function sameSignal(queued: ControllerEvent, signal: ControllerSignal): boolean {
  if (queued.kind !== signal.kind) return false;
  return queued.kind !== 'topicChanged' || signal.kind !== 'topicChanged'
    ? true
    : queued.topic === signal.topic;
}
