/**
 * A partition's leader: how far its followers are, who is in sync, and up to where records are safe.
 *
 * The high watermark is the end of what every replica that counts has. Those that count are the
 * ISR, plus replicas that are being added to it (the controller may already have them in, so they
 * must not miss a record that was acknowledged), plus caught-up ones outside it (so that they can
 * get in without the high watermark running away from them). A replica that is being taken out
 * counts until the controller has confirmed it, since it may still be elected. It never falls.
 *
 * One change of the ISR is under way at a time:
 *
 *   settled --proposeShrink/proposeExpand--> proposed --accepted--> settled (new ISR, new epoch)
 *                                            proposed --refused---> settled (as before)
 *                                            proposed --superseded--> proposed, until a LeaderAndIsr
 *                                                      of the controller makes a new leader of us
 *
 * Pure: it is told the time, the end of its log and who is alive. The log, the request to the
 * controller and whoever waits for the high watermark are in ../../replica/.
 */

/** What the leader has to know of the world at the moment. */
export interface Surroundings {
  /** min.insync.replicas of the topic, as configured. */
  readonly minInsyncReplicas: number;
  /** replica.lag.time.max.ms: how long a replica may lag before it is taken out. */
  readonly lagMaxMs: number;
  /** The broker is registered, as far as this one has heard. */
  isAlive(brokerId: number): boolean;
}

export interface LeaderOptions {
  readonly self: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly leaderEpoch: number;
  /** Version of the partition's state at the controller. */
  readonly partitionEpoch: number;
  /** 1 after an unclean election, until we have told the controller that the log is whole. */
  readonly recoveryState: number;
  /** Where the log ended when this epoch began. */
  readonly epochStartOffset: number;
  readonly logEndOffset: number;
  readonly highWatermark: number;
}

/** A change of the ISR that the controller is asked to make. */
export interface IsrProposal {
  readonly isr: readonly number[];
  readonly leaderEpoch: number;
  /** The version this change builds on. */
  readonly partitionEpoch: number;
  readonly recoveryState: number;
}

/** How a follower is doing. */
export interface FollowerProgress {
  /** Where it read last, so what it has; -1 as long as it has not fetched in this epoch. */
  readonly logEndOffset: number;
  readonly logStartOffset: number;
  /** The last moment at which it had all there was; -Infinity for never. */
  readonly caughtUpAtMs: number;
}

interface Follower {
  logEndOffset: number;
  logStartOffset: number;
  fetchedAtMs: number;
  /** End of our log when it fetched last. */
  leaderEndAtFetch: number;
  caughtUpAtMs: number;
}

export class PartitionLeader {
  readonly leaderEpoch: number;
  readonly epochStartOffset: number;
  readonly replicas: readonly number[];
  readonly #self: number;
  readonly #followers = new Map<number, Follower>();
  #isr: readonly number[];
  #partitionEpoch: number;
  #recoveryState: number;
  #proposed: IsrProposal | null = null;
  /** The ISR, and who is about to enter it. */
  #maximalIsr: ReadonlySet<number>;
  #logEndOffset: number;
  #highWatermark: number;

  /** @param now members of the ISR are taken for caught up at this moment */
  constructor(options: LeaderOptions, now: number) {
    this.leaderEpoch = options.leaderEpoch;
    this.epochStartOffset = options.epochStartOffset;
    this.replicas = options.replicas;
    this.#self = options.self;
    this.#isr = options.isr;
    this.#partitionEpoch = options.partitionEpoch;
    this.#recoveryState = options.recoveryState;
    this.#maximalIsr = new Set(options.isr);
    this.#logEndOffset = options.logEndOffset;
    this.#highWatermark = options.highWatermark;
    for (const id of options.replicas) {
      if (id === options.self) continue;
      this.#followers.set(id, {
        logEndOffset: -1,
        logStartOffset: -1,
        fetchedAtMs: Number.NEGATIVE_INFINITY,
        leaderEndAtFetch: -1,
        caughtUpAtMs: this.#maximalIsr.has(id) ? now : Number.NEGATIVE_INFINITY,
      });
    }
  }

  get highWatermark(): number {
    return this.#highWatermark;
  }

  /** The ISR the controller has confirmed. */
  get isr(): readonly number[] {
    return this.#isr;
  }

  get maximalIsr(): ReadonlySet<number> {
    return this.#maximalIsr;
  }

  get partitionEpoch(): number {
    return this.#partitionEpoch;
  }

  /** The change that is under way. */
  get proposed(): IsrProposal | null {
    return this.#proposed;
  }

  follower(id: number): FollowerProgress | undefined {
    return this.#followers.get(id);
  }

  /**
   * Below it nobody alive has records any more: the lowest log start of our own log and of those of
   * the followers that are alive. -1 as long as one of them has not fetched under this leader.
   */
  lowWatermark(logStartOffset: number, { isAlive }: Pick<Surroundings, 'isAlive'>): number {
    let lowest = logStartOffset;
    for (const [id, follower] of this.#followers)
      if (follower.logStartOffset < lowest && isAlive(id)) lowest = follower.logStartOffset;
    return lowest;
  }

  /** How many replicas must be in sync for acks=all: no more than there are. */
  requiredInsyncReplicas({ minInsyncReplicas }: Surroundings): number {
    return Math.min(minInsyncReplicas, this.replicas.length);
  }

  /** Too few replicas are in sync for acks=all. */
  isUnderMinIsr(around: Surroundings): boolean {
    return this.#isr.length < this.requiredInsyncReplicas(around);
  }

  /**
   * Our own log now ends at `logEndOffset`, all of it written.
   * @returns whether the high watermark moved
   */
  logEnded(logEndOffset: number, around: Surroundings, now: number): boolean {
    this.#logEndOffset = logEndOffset;
    return this.#advance(around, now);
  }

  /**
   * A follower fetches at `offset` of a log that does not diverge from ours.
   * @returns whether the high watermark moved; 'unknown-replica' for a broker that holds no replica
   */
  followerFetched(
    id: number,
    at: { readonly offset: number; readonly logStartOffset: number },
    around: Surroundings,
    now: number,
  ): boolean | 'unknown-replica' {
    const follower = this.#followers.get(id);
    if (follower === undefined) return 'unknown-replica';
    // Having all that was there when it fetched last counts as caught up at that time: under steady
    // load a follower never has what was appended while its request was on the way.
    if (at.offset >= this.#logEndOffset) follower.caughtUpAtMs = now;
    else if (follower.leaderEndAtFetch >= 0 && at.offset >= follower.leaderEndAtFetch)
      follower.caughtUpAtMs = Math.max(follower.caughtUpAtMs, follower.fetchedAtMs);
    follower.logEndOffset = at.offset;
    follower.logStartOffset = at.logStartOffset;
    follower.fetchedAtMs = now;
    follower.leaderEndAtFetch = this.#logEndOffset;
    return this.#advance(around, now);
  }

  /** The ISR with `id` added, when it deserves it and nothing else is under way. */
  proposeExpand(id: number, around: Surroundings): IsrProposal | null {
    if (this.#proposed !== null || this.#maximalIsr.has(id)) return null;
    const follower = this.#followers.get(id);
    if (follower === undefined || !around.isAlive(id)) return null;
    // Below the start of our epoch its log may still diverge from ours.
    if (follower.logEndOffset < Math.max(this.#highWatermark, this.epochStartOffset)) return null;
    return this.#propose([...this.#isr, id]);
  }

  /** The ISR without those that lag too long, when there are any and nothing else is under way. */
  proposeShrink(around: Surroundings, now: number): IsrProposal | null {
    if (this.#proposed !== null) return null;
    const kept = this.#isr.filter((id) => !this.#lags(id, around, now));
    return kept.length === this.#isr.length ? null : this.#propose(kept);
  }

  /** After an unclean election: the same ISR, said to be recovered. */
  proposeRecovered(): IsrProposal | null {
    if (this.#proposed !== null || this.#recoveryState === 0) return null;
    return this.#propose(this.#isr);
  }

  /** The controller stored the proposal. @returns whether the high watermark moved */
  accepted(
    committed: { readonly isr: readonly number[]; readonly partitionEpoch: number },
    around: Surroundings,
    now: number,
  ): boolean {
    // An answer that was overtaken by a newer state says nothing new.
    if (committed.partitionEpoch <= this.#partitionEpoch && this.#proposed === null) return false;
    this.#isr = committed.isr;
    this.#partitionEpoch = Math.max(committed.partitionEpoch, this.#partitionEpoch);
    this.#recoveryState = 0;
    this.#settle();
    return this.#advance(around, now);
  }

  /** The controller would not have it: all is as before. @returns whether the high watermark moved */
  refused(around: Surroundings, now: number): boolean {
    this.#settle();
    return this.#advance(around, now);
  }

  #propose(isr: readonly number[]): IsrProposal {
    this.#maximalIsr = new Set([...this.#isr, ...isr]);
    this.#proposed = {
      isr,
      leaderEpoch: this.leaderEpoch,
      partitionEpoch: this.#partitionEpoch,
      recoveryState: 0,
    };
    return this.#proposed;
  }

  #settle(): void {
    this.#proposed = null;
    this.#maximalIsr = new Set(this.#isr);
  }

  #lags(id: number, { lagMaxMs }: Surroundings, now: number): boolean {
    const follower = this.#followers.get(id);
    if (follower === undefined) return id !== this.#self;
    return follower.logEndOffset !== this.#logEndOffset && now - follower.caughtUpAtMs > lagMaxMs;
  }

  #advance(around: Surroundings, now: number): boolean {
    // Since Kafka 3.7: what fewer replicas have than promised stays invisible.
    if (this.isUnderMinIsr(around)) return false;
    let safe = this.#logEndOffset;
    for (const [id, follower] of this.#followers) {
      if (follower.logEndOffset >= safe) continue;
      const counts =
        this.#maximalIsr.has(id) ||
        (now - follower.caughtUpAtMs <= around.lagMaxMs && around.isAlive(id));
      if (counts) safe = follower.logEndOffset;
    }
    if (safe <= this.#highWatermark) return false;
    this.#highWatermark = safe;
    return true;
  }
}
