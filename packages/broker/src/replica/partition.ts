/**
 * One replica of a partition on this broker: its log, its role, and everybody who waits for it.
 *
 * The rules are those of ../core/partition/; here they are carried out: appends go to the log,
 * advances of the log and of the high watermark wake those who wait for them, and wanted changes of
 * the ISR go to the controller. Roles:
 *
 *   idle --lead--> leader <--lead/follow--> follower        any --goOffline--> offline (for good)
 *
 * **Why a leader in doubt refuses acks=all.** While the coordinator session may have expired, the
 * controller may have made another broker leader. What was written here before is safe without
 * more ado: the high watermark passes it only once every member of the ISR has fetched it under our
 * leader epoch, and a new leader's ISR has stopped doing so. But a producer would be kept waiting
 * for its time-out, and with an ISR of ourselves alone an unclean election elsewhere would lose what
 * we go on to confirm. So we answer NOT_LEADER_OR_FOLLOWER at once, and the producer looks for the
 * leader again. Partitions with one replica are exempt: nobody else can be elected. acks=1 promises
 * nothing across a change of leaders and is not refused. Answers that are already waiting when doubt
 * begins stay: they are given by followers that still follow us, or not at all.
 *
 * Not here: which partitions there are and what the controller says of them (replica-manager.ts,
 * control-requests.ts), and fetching from a leader (fetcher.ts).
 */
import { KafkaError, type KafkaErrorName } from '@odradek/protocol';
import type { Clock } from '@odradek/runtime';
import { PartitionLeader, type Surroundings } from '../core/partition/leader.ts';
import { AppendLine } from '../log/append-line.ts';
import type { AppendOrigin, AppendResult } from '../log/log-types.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { IsrChanges } from './isr-changes.ts';
import { type OffsetWaiter, OffsetWaiters } from './offset-waiters.ts';

/** In place of an offset to delete up to. */
const ALL_THAT_IS_SAFE = -1;

/** A fetch that waits for more to read. */
export interface Sleeper {
  wake(partition: Partition): void;
}

/** What all partitions of a broker share. */
export interface PartitionContext {
  readonly brokerId: number;
  readonly clock: Clock;
  /** replica.lag.time.max.ms */
  readonly lagMaxMs: number;
  readonly isrChanges: IsrChanges;
  isAlive(brokerId: number): boolean;
  minInsyncReplicasOf(topic: string): number;
  /** The coordinator session is in doubt: make no promises that another leader might break. */
  fenced(): boolean;
}

/** What a LeaderAndIsr request says of one partition. */
export interface AssignedPartition {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
  readonly replicas: readonly number[];
  readonly partitionEpoch: number;
  readonly recoveryState: number;
}

/** The copy of this replica's log that is being made in another directory. */
export interface MovingCopy {
  readonly logStartOffset: number;
  /** The log begins elsewhere now: so should the copy, soon. */
  startMoved(): void;
}

type Role =
  | { readonly kind: 'idle' }
  | { readonly kind: 'leader'; readonly state: PartitionLeader }
  | { readonly kind: 'follower'; readonly leader: number }
  | { readonly kind: 'offline' };

export class Partition implements Surroundings {
  readonly topic: string;
  readonly index: number;
  /** Its log is being moved to another directory. */
  copy: MovingCopy | null = null;
  #log: PartitionLog;
  readonly #context: PartitionContext;
  #role: Role = { kind: 'idle' };
  #leaderEpoch = -1;
  /** Of a replica that does not lead; a leader keeps its own. */
  #highWatermark: number;
  /** Waiting to be appended. */
  readonly #line: AppendLine;
  /** Waiting for the log to be written. */
  readonly #written = new OffsetWaiters();
  /** Waiting for the high watermark. */
  readonly #replicated = new OffsetWaiters();
  /** Waiting for the low watermark: until records are gone from all live replicas. */
  readonly #deleted = new OffsetWaiters();
  /** Fetches of followers, which may read to the end of the log, and of consumers, which may not. */
  readonly #sleepingAtEnd = new Set<Sleeper>();
  readonly #sleepingAtHighWatermark = new Set<Sleeper>();
  /** A truncation that is under way. */
  #truncation: Promise<void> | null = null;

  /** @param highWatermark as of the last checkpoint */
  constructor(
    topic: string,
    index: number,
    log: PartitionLog,
    highWatermark: number,
    context: PartitionContext,
  ) {
    this.topic = topic;
    this.index = index;
    this.#log = log;
    this.#line = new AppendLine(() => this.#log);
    this.#context = context;
    this.#highWatermark = clamp(highWatermark, log.logStartOffset, log.logEndOffset);
    log.updateHighWatermark(this.#highWatermark);
    log.onAdvance = () => this.#logAdvanced();
  }

  // What the rules want to know (Surroundings).

  get minInsyncReplicas(): number {
    return this.#context.minInsyncReplicasOf(this.topic);
  }

  get lagMaxMs(): number {
    return this.#context.lagMaxMs;
  }

  isAlive(brokerId: number): boolean {
    return this.#context.isAlive(brokerId);
  }

  // State.

  /** The replica's log; another one after it was moved to another directory. */
  get log(): PartitionLog {
    return this.#log;
  }

  /** The leader's rules and bookkeeping; null while this replica does not lead. */
  get leader(): PartitionLeader | null {
    return this.#role.kind === 'leader' ? this.#role.state : null;
  }

  /** Id of the broker that leads, as far as this replica knows; -1 for nobody. */
  get leaderId(): number {
    if (this.#role.kind === 'leader') return this.#context.brokerId;
    return this.#role.kind === 'follower' ? this.#role.leader : -1;
  }

  get isFollower(): boolean {
    return this.#role.kind === 'follower';
  }

  get isOffline(): boolean {
    return this.#role.kind === 'offline';
  }

  /** -1 before the first LeaderAndIsr. */
  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  /** Below it no live replica has records any more; -1 while that is not known, or not led here. */
  get lowWatermark(): number {
    const { leader, log } = this;
    if (leader === null) return -1;
    const isAlive = (id: number): boolean => this.isAlive(id);
    const ofReplicas = leader.lowWatermark(log.logStartOffset, { isAlive });
    return this.copy === null ? ofReplicas : Math.min(ofReplicas, this.copy.logStartOffset);
  }

  get highWatermark(): number {
    return this.#role.kind === 'leader' ? this.#role.state.highWatermark : this.#highWatermark;
  }

  // Roles.

  /** Becomes leader, or stays it under a new epoch. */
  lead(assigned: AssignedPartition): void {
    const now = this.#context.clock.now();
    const { log } = this;
    const state = new PartitionLeader(
      {
        self: this.#context.brokerId,
        replicas: assigned.replicas,
        isr: assigned.isr,
        leaderEpoch: assigned.leaderEpoch,
        partitionEpoch: assigned.partitionEpoch,
        recoveryState: assigned.recoveryState,
        epochStartOffset: log.nextOffset,
        logEndOffset: log.logEndOffset,
        highWatermark: this.highWatermark,
      },
      now,
    );
    log.startEpoch(assigned.leaderEpoch);
    this.#leaderEpoch = assigned.leaderEpoch;
    this.#role = { kind: 'leader', state };
    if (state.logEnded(log.logEndOffset, this, now)) this.#highWatermarkMoved();
    this.#wakeAll(); // Fetches made under the old epoch learn of the new one.
    const recovered = state.proposeRecovered();
    if (recovered !== null) this.#context.isrChanges.submit(this, state, recovered);
  }

  /** Becomes follower of `assigned.leader`, which may be -1 while there is none. */
  follow(assigned: AssignedPartition): void {
    this.#highWatermark = this.highWatermark;
    this.#leaderEpoch = assigned.leaderEpoch;
    this.#role = { kind: 'follower', leader: assigned.leader };
    this.#line.fail('NOT_LEADER_OR_FOLLOWER');
    this.#replicated.fail('NOT_LEADER_OR_FOLLOWER');
    this.#deleted.fail('NOT_LEADER_OR_FOLLOWER');
    this.#wakeAll();
  }

  /** This replica is stopped: nobody may read or write it any more. */
  stop(): void {
    this.#highWatermark = this.highWatermark;
    this.#role = { kind: 'idle' };
    this.log.onAdvance = null;
    this.#failAll('NOT_LEADER_OR_FOLLOWER');
  }

  /** Its log directory failed. */
  goOffline(): void {
    this.#highWatermark = this.highWatermark;
    this.#role = { kind: 'offline' };
    this.#failAll('KAFKA_STORAGE_ERROR');
  }

  /** No truncation is under way and nothing is being written: the log may be taken for another. */
  get isStill(): boolean {
    return this.#truncation === null && this.#log.logEndOffset === this.#log.nextOffset;
  }

  /** The log was moved: `log` has all that the one so far has. For a replica that is still. */
  moveTo(log: PartitionLog): void {
    this.#log.onAdvance = null;
    this.#log = log;
    if (this.#role.kind === 'leader') log.startEpoch(this.#leaderEpoch);
    log.updateHighWatermark(this.highWatermark);
    log.onAdvance = () => this.#logAdvanced();
    this.#logAdvanced();
  }

  // Writing.

  /**
   * Appends batches as leader. They are not on the disk yet when this returns: see `whenWritten`
   * and `whenReplicated`. What takes long to check or to compress is appended later, and so is all
   * that comes behind it; the records are the caller's again at once all the same.
   * @throws KafkaError when they may not or cannot be appended; later as a rejection
   */
  append(
    records: Buffer,
    requiredAcks: -1 | 0 | 1,
    origin: AppendOrigin,
  ): AppendResult | Promise<AppendResult> {
    const leaderEpoch = this.#admit(requiredAcks);
    if (this.#line.isEmpty) {
      const result = this.log.appender.atOnce(records, { leaderEpoch, origin });
      if (result !== null) return result;
    }
    return this.#line.join(records, origin, () => this.#admit(requiredAcks));
  }

  /** @returns the epoch to append in; throws KafkaError when nothing may be appended */
  #admit(requiredAcks: -1 | 0 | 1): number {
    const leader = this.#leaderOrThrow();
    if (requiredAcks === -1) {
      if (leader.replicas.length > 1 && this.#context.fenced())
        throw new KafkaError('NOT_LEADER_OR_FOLLOWER', 'the coordinator session is in doubt');
      if (leader.isUnderMinIsr(this))
        throw new KafkaError(
          'NOT_ENOUGH_REPLICAS',
          `${leader.isr.length} in sync, ${leader.requiredInsyncReplicas(this)} required`,
        );
    }
    return leader.leaderEpoch;
  }

  /** Settles `waiter` once the log is written up to its offset. */
  whenWritten(waiter: OffsetWaiter): void {
    if (this.isOffline) waiter.failed('KAFKA_STORAGE_ERROR');
    else if (this.log.logEndOffset >= waiter.offset) waiter.reached();
    else this.#written.add(waiter);
  }

  /** Settles `waiter` once every replica that counts has everything up to its offset. */
  whenReplicated(waiter: OffsetWaiter): void {
    if (this.isOffline) waiter.failed('KAFKA_STORAGE_ERROR');
    else if (this.leader === null) waiter.failed('NOT_LEADER_OR_FOLLOWER');
    else if (this.highWatermark >= waiter.offset) waiter.reached();
    else this.#replicated.add(waiter);
  }

  /** A waiter of `whenWritten` (acks 1) or `whenReplicated` (acks -1) settled otherwise. */
  abandoned(requiredAcks: -1 | 1): void {
    (requiredAcks === 1 ? this.#written : this.#replicated).abandoned();
  }

  // Deleting.

  /**
   * Raises the start of our log, as leader; followers learn of it when they fetch.
   * @param offset everything below it goes; -1: everything below the high watermark
   * @returns the offset that was meant: see `whenDeleted`
   * @throws KafkaError POLICY_VIOLATION, OFFSET_OUT_OF_RANGE, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR
   */
  async deleteRecords(offset: number): Promise<number> {
    this.#leaderOrThrow();
    const { log, highWatermark } = this;
    if (!log.config.cleanupPolicy.includes('delete'))
      throw new KafkaError('POLICY_VIOLATION', `${log.name}: its cleanup.policy is not delete`);
    const before = offset === ALL_THAT_IS_SAFE ? highWatermark : offset;
    if (before < 0 || before > highWatermark)
      throw new KafkaError(
        'OFFSET_OUT_OF_RANGE',
        `${log.name}: ${before} is not in [0, ${highWatermark}]`,
      );
    await log.advanceLogStart(before);
    this.copy?.startMoved();
    return before;
  }

  /** Settles `waiter` once every live replica has deleted everything below its offset. */
  whenDeleted(waiter: OffsetWaiter): void {
    if (this.isOffline) waiter.failed('KAFKA_STORAGE_ERROR');
    else if (this.leader === null) waiter.failed('NOT_LEADER_OR_FOLLOWER');
    else if (this.lowWatermark >= waiter.offset) waiter.reached();
    else this.#deleted.add(waiter);
  }

  /** A waiter of `whenDeleted` settled otherwise. */
  deletionAbandoned(): void {
    this.#deleted.abandoned();
  }

  /** The low watermark may have moved: a follower told its log's start, or somebody left or came. */
  lookAtLowWatermark(): void {
    if (this.#deleted.length > 0) this.#deleted.reach(this.lowWatermark);
  }

  // Reading.

  /** `sleeper.wake(this)` is called when there may be more to read, or when the role changes. */
  sleep(sleeper: Sleeper, until: 'log-end' | 'high-watermark'): void {
    (until === 'log-end' ? this.#sleepingAtEnd : this.#sleepingAtHighWatermark).add(sleeper);
  }

  forget(sleeper: Sleeper): void {
    this.#sleepingAtEnd.delete(sleeper);
    this.#sleepingAtHighWatermark.delete(sleeper);
  }

  /**
   * A follower fetches at `offset`, of which our log is known to be a continuation.
   * @throws KafkaError when that broker holds no replica
   */
  followerFetched(brokerId: number, at: { offset: number; logStartOffset: number }): void {
    const leader = this.#leaderOrThrow();
    const moved = leader.followerFetched(brokerId, at, this, this.#context.clock.now());
    if (moved === 'unknown-replica')
      throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `broker ${brokerId} holds no replica`);
    if (moved) this.#highWatermarkMoved();
    this.lookAtLowWatermark();
    const proposal = leader.proposeExpand(brokerId, this);
    if (proposal !== null) this.#context.isrChanges.submit(this, leader, proposal);
  }

  /** Takes replicas that lag too long out of the ISR. Called every now and then. */
  shrinkIsr(): void {
    const { leader } = this;
    const proposal = leader?.proposeShrink(this, this.#context.clock.now());
    if (leader && proposal) this.#context.isrChanges.submit(this, leader, proposal);
  }

  /** The controller's answer to a change of the ISR that `leader` asked for. */
  isrDecided(
    leader: PartitionLeader,
    outcome: { readonly isr: readonly number[]; readonly partitionEpoch: number } | 'refused',
  ): void {
    if (this.leader !== leader) return; // A LeaderAndIsr was faster.
    const now = this.#context.clock.now();
    const moved =
      outcome === 'refused' ? leader.refused(this, now) : leader.accepted(outcome, this, now);
    if (moved) this.#highWatermarkMoved();
  }

  // Following.

  /** The leader told its high watermark and log start. */
  leaderSaid(highWatermark: number): void {
    const next = Math.min(highWatermark, this.log.logEndOffset);
    // It may fall after an unclean election only; then our log was cut as well.
    if (next <= this.#highWatermark) return;
    this.#highWatermark = next;
    this.log.updateHighWatermark(next);
    for (const sleeper of this.#sleepingAtHighWatermark) sleeper.wake(this);
  }

  /** Cuts the log of a follower. Resolves when that is done. */
  truncate(offset: number): Promise<void> {
    return this.#truncating(this.log.truncateTo(offset), offset);
  }

  /** Throws away the log of a follower; it goes on at `offset`. */
  startAnew(offset: number): Promise<void> {
    return this.#truncating(this.log.truncateFullyAndStartAt(offset), offset);
  }

  /** Resolves when no truncation is under way, so that the role may change. */
  async quiesced(): Promise<void> {
    while (this.#truncation !== null) await this.#truncation;
  }

  async #truncating(work: Promise<void>, offset: number): Promise<void> {
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#truncation = settled;
    try {
      await work;
      this.#highWatermark = clamp(
        Math.min(this.#highWatermark, offset),
        this.log.logStartOffset,
        offset,
      );
      this.log.updateHighWatermark(this.#highWatermark);
    } finally {
      if (this.#truncation === settled) this.#truncation = null;
    }
  }

  #leaderOrThrow(): PartitionLeader {
    if (this.#role.kind === 'leader') return this.#role.state;
    if (this.#role.kind === 'offline') throw new KafkaError('KAFKA_STORAGE_ERROR');
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER');
  }

  #logAdvanced(): void {
    const { log } = this;
    this.#written.reach(log.logEndOffset);
    const { leader } = this;
    if (leader === null) return;
    if (leader.logEnded(log.logEndOffset, this, this.#context.clock.now()))
      this.#highWatermarkMoved();
    for (const sleeper of this.#sleepingAtEnd) sleeper.wake(this);
  }

  #highWatermarkMoved(): void {
    this.log.updateHighWatermark(this.highWatermark);
    this.#replicated.reach(this.highWatermark);
    for (const sleeper of this.#sleepingAtHighWatermark) sleeper.wake(this);
  }

  #wakeAll(): void {
    for (const sleeper of this.#sleepingAtEnd) sleeper.wake(this);
    for (const sleeper of this.#sleepingAtHighWatermark) sleeper.wake(this);
  }

  #failAll(error: KafkaErrorName): void {
    this.#line.fail(error);
    this.#written.fail(error);
    this.#replicated.fail(error);
    this.#deleted.fail(error);
    this.#wakeAll();
  }
}

const clamp = (value: number, low: number, high: number): number =>
  Math.max(low, Math.min(value, high));
