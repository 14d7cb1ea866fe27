/**
 * A consumer in its group: carries out what membership.ts says. Giving partitions up and taking them over
 * happens inside the user's polls, so that what a poll handed out is done before it is committed; a
 * member that owns nothing has nothing to wait for.
 */
import { errorCodes, KafkaError } from '@odradek/protocol';
import { type Deliver, drive, InvariantViolation } from '@odradek/runtime';
import type { Cluster } from '../cluster/cluster-host.ts';
import { comparePartitions, partitionKey, type TopicPartition } from '../topic-partition.ts';
import type { Assignor } from './assignors/assignor.ts';
import { codeOfFailure, type GroupRequests, type JoinAnswer } from './group-requests-host.ts';
import {
  type MemberIdentity,
  Membership,
  type MembershipEffect,
  type MembershipInput,
} from './membership.ts';
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './subscription.ts';

export interface GroupOptions {
  readonly assignors: readonly Assignor[];
  readonly groupInstanceId: string | null;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly rackId: string | null;
  readonly allowAutoTopicCreation: boolean;
}

/** The consumer around it. */
export interface GroupOwner {
  /** What is read now. */
  owned(): readonly TopicPartition[];
  /** Before these go: commits (unless lost) and tells the user. */
  revoke(partitions: readonly TopicPartition[], lost: boolean): Promise<void>;
  /** From now on these are read; tells the user what is new. */
  take(partitions: readonly TopicPartition[], added: readonly TopicPartition[]): void;
  /** A step waits for the next poll. */
  callForPoll(): void;
  fail(error: Error): void;
}

const RETRY_BACKOFF_MS = 100;
const LEAVE_TIMEOUT_MS = 3_000;

export class Group {
  readonly #cluster: Cluster;
  readonly #requests: GroupRequests;
  readonly #options: GroupOptions;
  readonly #owner: GroupOwner;
  readonly #membership: Membership;
  readonly #deliver: Deliver<MembershipInput>;
  readonly #isCooperative: boolean;
  readonly #forgetChanges: () => void;
  #wanted: readonly string[] | RegExp = [];
  #topics: readonly string[] = [];
  /** Of the last join, while this member leads. */
  #joined: JoinAnswer | null = null;
  #assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[] = [];
  #assigned: readonly TopicPartition[] = [];
  /** What the partitions were dealt by; a change calls for another deal. Empty for followers. */
  #dealtBy: ReadonlyMap<string, number> = new Map();
  /** Waits for a poll. */
  #step: (() => Promise<void>) | null = null;
  #leaving: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster, requests: GroupRequests, options: GroupOptions, owner: GroupOwner) {
    this.#cluster = cluster;
    this.#requests = requests;
    this.#options = options;
    this.#owner = owner;
    // Eager members in the group give up everything: cooperation needs every assignor to allow it.
    this.#isCooperative = options.assignors.every(({ isCooperative }) => isCooperative);
    this.#membership = new Membership({ ...options, retryBackoffMs: RETRY_BACKOFF_MS });
    this.#deliver = drive(this.#membership, cluster.environment, (effect) => this.#perform(effect));
    this.#forgetChanges = cluster.onChange(() => this.#clusterChanged());
  }

  /** Partitions are settled: no rebalance is under way. */
  get isStable(): boolean {
    return this.#membership.phase === 'stable';
  }

  /** A step waits for the next poll. */
  get hasStep(): boolean {
    return this.#step !== null;
  }

  /** As commits must carry it. */
  get identity(): MemberIdentity {
    return this.#membership.identity;
  }

  /** The topics subscribed to, or those that match as of the last join. */
  get topics(): readonly string[] | null {
    return this.#wanted instanceof RegExp ? null : this.#wanted;
  }

  subscribe(wanted: readonly string[] | RegExp): void {
    this.#wanted = wanted;
    if (this.#membership.phase === 'idle') this.#deliver({ kind: 'start' });
    else this.#deliver({ kind: 'rejoin' });
  }

  /** At the start of each poll: does what had to wait for one. */
  async polled(): Promise<void> {
    this.#deliver({ kind: 'polled' });
    while (this.#step !== null) {
      const step = this.#step;
      this.#step = null;
      await step();
    }
  }

  commitRefused(code: number): void {
    this.#deliver({ kind: 'commitRefused', code });
  }

  /** Resolves when the group knows, or a little later when it does not answer. */
  async leave(): Promise<void> {
    this.#forgetChanges();
    this.#deliver({ kind: 'leave' });
    await this.#leaving;
  }

  #perform(effect: MembershipEffect): void {
    switch (effect.kind) {
      case 'prepare':
        this.#inPoll(() => this.#prepare(effect.attempt, effect.lost));
        break;
      case 'join':
        this.#supervise(effect.attempt, this.#join(effect.attempt, effect.identity));
        break;
      case 'assign':
        this.#supervise(effect.attempt, this.#assign(effect.attempt));
        break;
      case 'sync':
        this.#supervise(
          effect.attempt,
          this.#sync(effect.attempt, effect.identity, effect.protocolName),
        );
        break;
      case 'apply':
        this.#inPoll(() => this.#apply(effect.attempt));
        break;
      case 'beat':
        this.#beat(effect.identity);
        break;
      case 'forgetCoordinator':
        this.#requests.forgetCoordinator();
        break;
      case 'leave':
        this.#leaving = this.#sayGoodbye(effect.identity);
        break;
      case 'fail':
        this.#owner.fail(new KafkaError(effect.code, 'the group does not take this member'));
        break;
    }
  }

  /** Now, when there is nothing that the user may be working on; otherwise in the next poll. */
  #inPoll(step: () => Promise<void>): void {
    if (this.#owner.owned().length === 0) {
      this.#step = null;
      step().catch((error: unknown) => this.#owner.fail(asError(error)));
    } else {
      this.#step = step;
      this.#owner.callForPoll();
    }
  }

  async #prepare(attempt: number, lost: boolean): Promise<void> {
    const owned = this.#owner.owned();
    if (owned.length > 0 && (lost || !this.#isCooperative)) {
      await this.#owner.revoke(owned, lost);
      this.#owner.take([], []);
    }
    this.#deliver({ kind: 'prepared', attempt });
  }

  async #join(attempt: number, identity: MemberIdentity): Promise<void> {
    this.#topics = await this.#subscribedTopics();
    const owned = this.#isCooperative ? this.#owner.owned() : [];
    const { generationId: generation } = identity;
    const answer = await this.#requests.join(
      identity,
      this.#options.assignors.map((assignor) => ({
        name: assignor.name,
        metadata: encodeSubscription({
          topics: this.#topics,
          owned,
          generation,
          userData: assignor.userData?.(this.#assigned, generation) ?? null,
          rackId: this.#options.rackId,
        }),
      })),
    );
    const { errorCode, memberId, generationId, protocolName, leader } = answer;
    if (errorCode !== 0) {
      this.#deliver({ kind: 'refused', attempt, code: errorCode, memberId });
      return;
    }
    const isLeader = leader === memberId;
    this.#joined = isLeader ? answer : null;
    this.#assignments = [];
    this.#dealtBy = new Map();
    this.#deliver({
      kind: 'joined',
      attempt,
      joined: { memberId, generationId, protocolName: protocolName ?? '', isLeader },
    });
  }

  async #assign(attempt: number): Promise<void> {
    const joined = this.#joined;
    if (joined === null) throw new InvariantViolation('a follower deals no partitions');
    if (!joined.skipAssignment) {
      const assignor = this.#options.assignors.find(({ name }) => name === joined.protocolName);
      if (assignor === undefined)
        throw new KafkaError('INCONSISTENT_GROUP_PROTOCOL', `assignor ${joined.protocolName}`);
      const members = joined.members.map(({ memberId, groupInstanceId, metadata }) =>
        decodeSubscription(memberId, groupInstanceId, metadata),
      );
      const counts = await this.#partitionCounts(members.flatMap(({ topics }) => topics));
      this.#dealtBy = counts;
      const existing = new Map([...counts].filter(([, count]) => count > 0));
      this.#assignments = [...assignor.assign(members, existing)].map(([memberId, partitions]) => ({
        memberId,
        assignment: encodeAssignment(partitions),
      }));
    }
    this.#deliver({ kind: 'assigned', attempt });
  }

  async #sync(attempt: number, identity: MemberIdentity, protocolName: string): Promise<void> {
    const { errorCode, assignment } = await this.#requests.sync(
      identity,
      protocolName,
      this.#assignments,
    );
    if (errorCode !== 0) {
      this.#deliver({ kind: 'refused', attempt, code: errorCode });
      return;
    }
    this.#assigned = [...decodeAssignment(assignment)].sort(comparePartitions);
    await this.#learn(this.#assigned);
    this.#deliver({ kind: 'synced', attempt });
  }

  async #apply(attempt: number): Promise<void> {
    const owned = this.#owner.owned();
    const assignedKeys = new Set(this.#assigned.map(partitionKey));
    const ownedKeys = new Set(owned.map(partitionKey));
    const revoked = owned.filter((partition) => !assignedKeys.has(partitionKey(partition)));
    if (revoked.length > 0) await this.#owner.revoke(revoked, false);
    this.#owner.take(
      this.#assigned,
      this.#assigned.filter((partition) => !ownedKeys.has(partitionKey(partition))),
    );
    this.#deliver({ kind: 'applied', attempt, mustRejoin: revoked.length > 0 });
  }

  #beat(identity: MemberIdentity): void {
    this.#requests
      .heartbeat(identity)
      .catch(codeOfFailure)
      .then(
        (code) => this.#deliver(code === 0 ? { kind: 'beaten' } : { kind: 'beatRefused', code }),
        (error: unknown) => this.#owner.fail(asError(error)),
      );
  }

  async #sayGoodbye(identity: MemberIdentity): Promise<void> {
    // A static member's place is kept until its session ends.
    if (this.#options.groupInstanceId !== null) return;
    try {
      await this.#requests.leave(identity, LEAVE_TIMEOUT_MS);
    } catch (error) {
      // The session's end says the same, only later.
      this.#cluster.environment.log.debug('the group was left without an answer', {
        reason: String(error),
      });
    }
  }

  /** A failed attempt is told as a code; what has none is the user's to see. */
  #supervise(attempt: number, running: Promise<void>): void {
    running.catch((error: unknown) => {
      try {
        this.#deliver({ kind: 'refused', attempt, code: codeOfFailure(error) });
      } catch (other) {
        this.#owner.fail(asError(other));
        this.#deliver({ kind: 'refused', attempt, code: errorCodes.UNKNOWN_SERVER_ERROR });
      }
    });
  }

  async #subscribedTopics(): Promise<readonly string[]> {
    const wanted = this.#wanted;
    if (!(wanted instanceof RegExp)) return wanted;
    await this.#cluster.refresh(null);
    return this.#matching(wanted);
  }

  /** Names that match as a whole, without the cluster's own. */
  #matching(pattern: RegExp): readonly string[] {
    const whole = new RegExp(`^(?:${pattern.source})$`, pattern.flags.replace(/[gy]/g, ''));
    return [...this.#cluster.view.topicNames()]
      .filter((name) => {
        const topic = this.#cluster.view.topic(name);
        return topic?.error === null && !topic.isInternal && whole.test(name);
      })
      .sort();
  }

  async #partitionCounts(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const names = [...new Set(topics)].sort();
    await this.#cluster.refresh(names, this.#options.allowAutoTopicCreation);
    return new Map(names.map((name) => [name, this.#countOf(name)]));
  }

  #countOf(topic: string): number {
    return this.#cluster.view.topic(topic)?.partitions.length ?? 0;
  }

  /** A follower has not asked for the topics yet. */
  async #learn(partitions: readonly TopicPartition[]): Promise<void> {
    const unknown = new Set(
      partitions
        .filter((partition) => this.#cluster.view.partition(partition) === undefined)
        .map(({ topic }) => topic),
    );
    if (unknown.size > 0) await this.#cluster.refresh([...unknown]);
  }

  #clusterChanged(): void {
    const isDealtAnew = [...this.#dealtBy].some(([topic, count]) => this.#countOf(topic) !== count);
    const wanted = this.#wanted;
    const matchesOthers =
      wanted instanceof RegExp && this.isStable && !isEqual(this.#matching(wanted), this.#topics);
    if (isDealtAnew || matchesOthers) this.#deliver({ kind: 'rejoin' });
  }
}

function isEqual(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
