/**
 * The way of ISR changes to the controller: AlterPartition, one request at a time, with all that
 * has come together meanwhile (KIP-497).
 *
 * A partition has at most one change under way (its leader sees to that), so what waits here is
 * bounded by the number of partitions. A change whose partition has moved on is dropped when its
 * turn comes.
 */
import {
  type AlterPartitionResponse,
  type alterPartitionRequest,
  type InputOf,
  type KafkaErrorName,
  kafkaErrorOf,
} from '@odradek/protocol';
import { type Clock, type Log, millis, type Timers } from '@odradek/runtime';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import type { IsrProposal, PartitionLeader } from '../core/partition/leader.ts';

/** After a failure that is nobody's fault: no controller, or a new one. */
const RETRY_AFTER_MS = 50;

/** What the answer is handed to: the replica whose leader proposed. */
export interface IsrOwner {
  readonly topic: string;
  readonly index: number;
  readonly leader: PartitionLeader | null;
  readonly log: { readonly topicId: string | null };
  isrDecided(
    leader: PartitionLeader,
    outcome: { readonly isr: readonly number[]; readonly partitionEpoch: number } | 'refused',
  ): void;
}

type TopicInput = NonNullable<InputOf<typeof alterPartitionRequest>['topics']>[number];
type PartitionInput = TopicInput['partitions'][number];

/**
 * Asks the active controller for changes, in this broker's name. Topics have their name and id,
 * and new ISRs both forms: the sender picks the version. Rejects when nobody could be asked.
 */
export type AlterPartition = (topics: readonly TopicInput[]) => Promise<AlterPartitionResponse>;

export interface IsrChangesOptions {
  readonly alterPartition: AlterPartition;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

interface Change {
  readonly owner: IsrOwner;
  readonly leader: PartitionLeader;
  readonly proposal: IsrProposal;
}

type PartitionAnswer = AlterPartitionResponse['topics'][number]['partitions'][number];

export class IsrChanges {
  readonly #options: IsrChangesOptions;
  #waiting: Change[] = [];
  #busy = false;
  #closed = false;

  constructor(options: IsrChangesOptions) {
    this.#options = options;
  }

  /** Asks the controller to make `proposal`; `owner.isrDecided` hears of it. */
  submit(owner: IsrOwner, leader: PartitionLeader, proposal: IsrProposal): void {
    this.#waiting.push({ owner, leader, proposal });
    if (!this.#busy && !this.#closed) this.#sendSoon();
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  #sendSoon(): void {
    this.#busy = true;
    this.#options.timers.afterTurn(() => this.#send());
  }

  #send(): void {
    const changes = this.#waiting.filter(isCurrent);
    this.#waiting = [];
    if (changes.length === 0 || this.#closed) {
      this.#busy = false;
      return;
    }
    this.#options.alterPartition(topicsOf(changes)).then(
      (response) => this.#answered(changes, response),
      (error: unknown) => {
        this.#options.log.debug('AlterPartition did not get through', { error: asError(error) });
        this.#retry(changes);
      },
    );
  }

  #answered(changes: readonly Change[], response: AlterPartitionResponse): void {
    if (response.errorCode !== 0) {
      this.#options.log.debug('the controller refused AlterPartition', {
        error: kafkaErrorOf(response.errorCode),
      });
      this.#retry(changes);
      return;
    }
    const again: Change[] = [];
    for (const change of changes) {
      const answer = answerTo(change, response);
      if (answer === undefined || !this.#settle(change, answer)) again.push(change);
    }
    if (again.length > 0) this.#retry(again);
    else if (this.#waiting.length > 0) this.#sendSoon();
    else this.#busy = false;
  }

  /** @returns false when the change is to be asked for again */
  #settle({ owner, leader, proposal }: Change, answer: PartitionAnswer): boolean {
    const error: KafkaErrorName = kafkaErrorOf(answer.errorCode);
    const where = `${owner.topic}-${owner.index}`;
    switch (error) {
      case 'NONE':
        if (answer.leaderEpoch !== proposal.leaderEpoch) return true; // A LeaderAndIsr is coming.
        this.#options.log.info('ISR changed', {
          partition: where,
          isr: answer.isr.join(','),
          partitionEpoch: answer.partitionEpoch,
        });
        owner.isrDecided(leader, { isr: answer.isr, partitionEpoch: answer.partitionEpoch });
        return true;
      case 'INELIGIBLE_REPLICA':
      case 'OPERATION_NOT_ATTEMPTED':
        owner.isrDecided(leader, 'refused');
        return true;
      case 'UNKNOWN_TOPIC_OR_PARTITION':
      case 'UNKNOWN_TOPIC_ID':
      case 'FENCED_LEADER_EPOCH':
      case 'INVALID_UPDATE_VERSION':
      case 'INVALID_REQUEST':
      case 'NEW_LEADER_ELECTED':
        // The controller knows something newer and will tell us; until then nothing is proposed.
        this.#options.log.warn('ISR change is obsolete', { partition: where, error });
        return true;
      default:
        return false;
    }
  }

  #retry(changes: readonly Change[]): void {
    this.#waiting = [...changes, ...this.#waiting];
    const { clock, timers } = this.#options;
    timers.wakeAt(millis(clock.now() + RETRY_AFTER_MS), () => this.#send());
  }
}

const isCurrent = ({ owner, leader, proposal }: Change): boolean =>
  owner.leader === leader && leader.proposed === proposal;

function topicsOf(changes: readonly Change[]): TopicInput[] {
  const topics = new Map<
    string,
    { topicName: string; topicId: string; partitions: PartitionInput[] }
  >();
  for (const { owner, proposal } of changes) {
    const topic = topics.get(owner.topic) ?? {
      topicName: owner.topic,
      topicId: owner.log.topicId ?? NO_TOPIC_ID,
      partitions: [],
    };
    topics.set(owner.topic, topic);
    topic.partitions.push({
      partitionIndex: owner.index,
      leaderEpoch: proposal.leaderEpoch,
      newIsr: proposal.isr,
      newIsrWithEpochs: proposal.isr.map((id) => ({ brokerId: id, brokerEpoch: -1 })),
      leaderRecoveryState: proposal.recoveryState,
      partitionEpoch: proposal.partitionEpoch,
    });
  }
  return [...topics.values()];
}

function answerTo(
  { owner }: Change,
  response: AlterPartitionResponse,
): PartitionAnswer | undefined {
  const topicId = owner.log.topicId;
  const topic = response.topics.find((candidate) =>
    candidate.topicId !== NO_TOPIC_ID
      ? candidate.topicId === topicId
      : candidate.topicName === owner.topic,
  );
  return topic?.partitions.find(({ partitionIndex }) => partitionIndex === owner.index);
}

const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown));
