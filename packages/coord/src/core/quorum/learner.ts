/**
 * A learner, from the link to a leader to its end: it promises the leader's epoch, takes over its
 * history, and from then on logs, acknowledges and applies what the leader says.
 *
 *   greeting    said who we are, waiting for the epoch
 *   promising   the epoch is on its way to our disk; only then the answer
 *   waiting     promised; the leader decides how our log becomes the beginning of its own
 *   cutting     what the leader does not have goes from our log
 *   replacing   the leader's snapshot comes in the place of everything
 *   receiving   everything after that comes
 *   securing    the history is complete: first all of it on our disk, then the epoch, then the word
 *   secured     the word is given; proposals are acknowledged; not up to date yet
 *   following   as far as the leader was: clients are served
 *
 * It deals in zxids; entries, the disk and the link are with the host (replica/). Observers are
 * learners like any other: what they say weighs nothing at the leader.
 */
import { type Machine, type Millis, millis, type Tick } from '@odradek/runtime';
import { counterOf, epochOf } from '../transaction/number-spaces.ts';

export interface LearnerOptions {
  readonly leaderId: number;
  readonly acceptedEpoch: number;
  readonly currentEpoch: number;
  /** The last one in our log. */
  readonly lastZxid: bigint;
  /** Up to here our log is on our disk. */
  readonly durableZxid: bigint;
  /** The last one that our tree has; after a start that is more than is certain. */
  readonly appliedZxid: bigint;
  /** Known to be certain, from this leader or an earlier one. */
  readonly committedZxid: bigint;
  readonly tickMs: number;
  /** Ticks of silence until we are up to date. */
  readonly initLimit: number;
  /** Ticks of silence from then on. */
  readonly syncLimit: number;
}

export type LearnerInput =
  | { readonly kind: 'linked' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'closed'; readonly reason: string }
  | { readonly kind: 'newEpoch'; readonly epoch: number }
  /** The `saveMark` that was asked for is on our disk. */
  | { readonly kind: 'markSaved' }
  | { readonly kind: 'diff' }
  | { readonly kind: 'truncate'; readonly zxid: bigint }
  /** Our log ends there, on the disk. With `isReloading` the tree had more than that, and is made anew. */
  | { readonly kind: 'truncated'; readonly zxid: bigint; readonly isReloading: boolean }
  | { readonly kind: 'snapshot'; readonly zxid: bigint }
  /** The snapshot is what we have, on the disk; the tree is made anew. */
  | { readonly kind: 'replaced'; readonly zxid: bigint }
  /** What waits to be applied is on the disk only: the tree is made anew after `upToDate`. */
  | { readonly kind: 'spilled' }
  /** The tree is what the log says up to there, certain or not. */
  | { readonly kind: 'reloaded'; readonly appliedZxid: bigint }
  | {
      readonly kind: 'proposals';
      /** null: there are none, only the commit. */
      readonly firstZxid: bigint | null;
      readonly lastZxid: bigint;
      readonly committedZxid: bigint;
    }
  | { readonly kind: 'newLeader'; readonly epoch: number }
  /** Our log is on our disk up to here. */
  | { readonly kind: 'durable'; readonly zxid: bigint }
  | { readonly kind: 'upToDate'; readonly committedZxid: bigint }
  | { readonly kind: 'commit'; readonly zxid: bigint }
  | { readonly kind: 'ping'; readonly ping: number }
  /** Any other message came. */
  | { readonly kind: 'heard' }
  | { readonly kind: 'activate'; readonly designatedLeaderId: number };

export type LearnerEffect =
  | { readonly kind: 'hello' }
  | { readonly kind: 'saveMark'; readonly acceptedEpoch: number; readonly currentEpoch: number }
  | {
      readonly kind: 'epochAccepted';
      readonly epoch: number;
      readonly currentEpoch: number | null;
      readonly lastZxid: bigint;
    }
  /** Then `truncated`. */
  | { readonly kind: 'truncate'; readonly zxid: bigint }
  /** Take the parts that follow; then `replaced`. */
  | { readonly kind: 'replace'; readonly zxid: bigint }
  /** The proposals of this input, to the log. */
  | { readonly kind: 'append' }
  | { readonly kind: 'synchronised'; readonly epoch: number }
  | { readonly kind: 'ack'; readonly zxid: bigint }
  | { readonly kind: 'pong'; readonly ping: number }
  /** Certain up to here. */
  | { readonly kind: 'commit'; readonly zxid: bigint }
  | { readonly kind: 'serve' }
  /** @param hintId who is to lead instead, if the leader said so */
  | { readonly kind: 'left'; readonly reason: string; readonly hintId: number | null };

type Phase =
  | 'connecting'
  | 'greeting'
  | 'promising'
  | 'waiting'
  | 'cutting'
  | 'replacing'
  | 'receiving'
  | 'securing'
  | 'secured'
  | 'following'
  | 'over';

export class LearnerMachine implements Machine<LearnerInput, LearnerEffect> {
  readonly #options: LearnerOptions;
  #phase: Phase = 'connecting';
  #acceptedEpoch: number;
  #currentEpoch: number;
  #lastZxid: bigint;
  #durableZxid: bigint;
  #committedZxid: bigint;
  /** The end of the history that `newLeader` closed. */
  #historyEnd = 0n;
  /** All of this must be certain before anybody is served. */
  #servableZxid: bigint;
  #isUpToDate = false;
  #isReloading = false;
  #heardAt: Millis;
  #tickAt: Millis;

  constructor(options: LearnerOptions, now: Millis) {
    this.#options = options;
    this.#acceptedEpoch = options.acceptedEpoch;
    this.#currentEpoch = options.currentEpoch;
    this.#lastZxid = options.lastZxid;
    this.#durableZxid = options.durableZxid;
    this.#servableZxid = options.appliedZxid;
    this.#committedZxid = options.committedZxid;
    this.#heardAt = now;
    this.#tickAt = millis(now + options.tickMs / 2);
  }

  /** Meaningful once the leader has told it. */
  get epoch(): number {
    return this.#acceptedEpoch;
  }

  get isFollowing(): boolean {
    return this.#phase === 'following';
  }

  /** For words: what is waited for. */
  get phase(): string {
    return this.#phase;
  }

  deadline(): Millis | null {
    return this.#phase === 'over' ? null : this.#tickAt;
  }

  step(input: LearnerInput | Tick, now: Millis): readonly LearnerEffect[] {
    if (this.#phase === 'over') return [];
    switch (input.kind) {
      case 'tick':
        return this.#tick(now);
      case 'durable':
        return this.#durable(input.zxid);
      case 'markSaved':
        return this.#markSaved();
      case 'truncated':
        return this.#truncated(input.zxid, input.isReloading);
      case 'replaced':
        return this.#replaced(input.zxid);
      case 'spilled':
        this.#isReloading = true;
        return [];
      case 'reloaded':
        this.#isReloading = false;
        if (input.appliedZxid > this.#servableZxid) this.#servableZxid = input.appliedZxid;
        return this.#serveIfAble();
      case 'closed':
        return this.#leave(input.reason);
      default:
        this.#heardAt = now;
        return this.#message(input);
    }
  }

  #message(
    input: Exclude<
      LearnerInput,
      {
        readonly kind:
          | 'durable'
          | 'markSaved'
          | 'truncated'
          | 'replaced'
          | 'spilled'
          | 'reloaded'
          | 'closed';
      }
    >,
  ): readonly LearnerEffect[] {
    switch (input.kind) {
      case 'proposals':
        return this.#proposals(input.firstZxid, input.lastZxid, input.committedZxid);
      case 'commit':
        return this.#commit(input.zxid);
      case 'ping':
        return [{ kind: 'pong', ping: input.ping }];
      case 'heard':
        return [];
      case 'linked':
        if (this.#phase !== 'connecting') return this.#outOfTurn(input.kind);
        this.#phase = 'greeting';
        return [{ kind: 'hello' }];
      case 'refused':
        return this.#leave(input.reason);
      case 'newEpoch':
        return this.#newEpoch(input.epoch);
      case 'diff':
        if (this.#phase !== 'waiting') return this.#outOfTurn(input.kind);
        this.#phase = 'receiving';
        return [];
      case 'truncate':
        return this.#truncate(input.zxid);
      case 'snapshot':
        if (this.#phase !== 'waiting') return this.#outOfTurn(input.kind);
        this.#phase = 'replacing';
        return [{ kind: 'replace', zxid: input.zxid }];
      case 'newLeader':
        return this.#newLeader(input.epoch);
      case 'upToDate':
        if (this.#phase !== 'secured') return this.#outOfTurn(input.kind);
        this.#isUpToDate = true;
        if (input.committedZxid > this.#servableZxid) this.#servableZxid = input.committedZxid;
        return this.#commit(input.committedZxid);
      case 'activate': {
        const { designatedLeaderId } = input;
        if (designatedLeaderId === this.#options.leaderId) return [];
        return this.#leave('the members have changed, and so does who leads', designatedLeaderId);
      }
    }
  }

  // The epoch

  #newEpoch(epoch: number): readonly LearnerEffect[] {
    if (this.#phase !== 'greeting') return this.#outOfTurn('newEpoch');
    if (epoch < this.#acceptedEpoch) {
      return this.#leave(
        `its epoch ${epoch} is older than ${this.#acceptedEpoch}, promised to another`,
      );
    }
    if (epoch === this.#acceptedEpoch) {
      // Whoever got this promise first may have counted it; it must not count twice.
      this.#phase = 'waiting';
      return [{ kind: 'epochAccepted', epoch, currentEpoch: null, lastZxid: this.#lastZxid }];
    }
    this.#phase = 'promising';
    this.#acceptedEpoch = epoch;
    return [{ kind: 'saveMark', acceptedEpoch: epoch, currentEpoch: this.#currentEpoch }];
  }

  #markSaved(): readonly LearnerEffect[] {
    if (this.#phase === 'promising') {
      this.#phase = 'waiting';
      const epoch = this.#acceptedEpoch;
      const currentEpoch = this.#currentEpoch;
      return [{ kind: 'epochAccepted', epoch, currentEpoch, lastZxid: this.#lastZxid }];
    }
    if (this.#phase !== 'securing') return [];
    this.#phase = 'secured';
    this.#currentEpoch = this.#acceptedEpoch;
    const given: LearnerEffect = { kind: 'synchronised', epoch: this.#currentEpoch };
    // What came after the history and is on the disk already.
    if (this.#durableZxid <= this.#historyEnd) return [given];
    return [given, { kind: 'ack', zxid: this.#durableZxid }];
  }

  // The history

  #truncate(zxid: bigint): readonly LearnerEffect[] {
    if (this.#phase !== 'waiting') return this.#outOfTurn('truncate');
    if (zxid >= this.#lastZxid) return this.#leave('it wants cut what is not there');
    if (zxid < this.#options.committedZxid) return this.#leave('it wants cut what is certain');
    this.#phase = 'cutting';
    return [{ kind: 'truncate', zxid }];
  }

  #truncated(zxid: bigint, isReloading: boolean): readonly LearnerEffect[] {
    if (this.#phase !== 'cutting') return [];
    this.#phase = 'receiving';
    this.#lastZxid = zxid;
    this.#durableZxid = zxid;
    if (isReloading) this.#servableZxid = zxid;
    this.#isReloading = isReloading;
    return [];
  }

  #replaced(zxid: bigint): readonly LearnerEffect[] {
    if (this.#phase !== 'replacing') return [];
    this.#phase = 'receiving';
    this.#lastZxid = zxid;
    this.#durableZxid = zxid;
    this.#servableZxid = zxid;
    if (zxid < this.#committedZxid) this.#committedZxid = zxid; // The leader says it anew.
    this.#isReloading = true;
    return [];
  }

  #newLeader(epoch: number): readonly LearnerEffect[] {
    if (this.#phase !== 'receiving' || epoch !== this.#acceptedEpoch) {
      return this.#outOfTurn('newLeader');
    }
    this.#phase = 'securing';
    this.#historyEnd = this.#lastZxid;
    return this.#secure();
  }

  /**
   * The order is everything. The epoch on the disk before the history: after a crash we would win
   * elections without what others have. The word before either: the leader would count on nothing.
   */
  #secure(): readonly LearnerEffect[] {
    if (this.#durableZxid < this.#historyEnd) return [];
    const epoch = this.#acceptedEpoch;
    return [{ kind: 'saveMark', acceptedEpoch: epoch, currentEpoch: epoch }];
  }

  #durable(zxid: bigint): readonly LearnerEffect[] {
    if (zxid <= this.#durableZxid) return [];
    const wasSecured = this.#durableZxid >= this.#historyEnd;
    this.#durableZxid = zxid;
    if (this.#phase === 'securing') return wasSecured ? [] : this.#secure();
    if (this.#phase !== 'secured' && this.#phase !== 'following') return [];
    return [{ kind: 'ack', zxid }];
  }

  // Broadcast

  #proposals(
    firstZxid: bigint | null,
    lastZxid: bigint,
    committedZxid: bigint,
  ): readonly LearnerEffect[] {
    if (!this.#isInLine()) return this.#outOfTurn('proposals');
    if (firstZxid === null) return this.#commit(committedZxid);
    if (!follows(firstZxid, this.#lastZxid) || lastZxid < firstZxid) {
      return this.#leave(`its proposal ${hex(firstZxid)} does not follow ${hex(this.#lastZxid)}`);
    }
    this.#lastZxid = lastZxid;
    // In the history, what is committed may be further than what has come.
    const isFurther = committedZxid > lastZxid;
    return [{ kind: 'append' }, ...this.#commit(isFurther ? lastZxid : committedZxid)];
  }

  #commit(zxid: bigint): readonly LearnerEffect[] {
    // Before our log is the beginning of the leader's, what it commits may be something else here.
    if (!this.#isInLine()) return this.#outOfTurn('commit');
    if (zxid > this.#lastZxid) {
      return this.#leave(`it commits ${hex(zxid)}, which it has not proposed`);
    }
    if (zxid <= this.#committedZxid) return this.#serveIfAble();
    this.#committedZxid = zxid;
    const committed: LearnerEffect = { kind: 'commit', zxid };
    return this.#phase === 'secured' ? [committed, ...this.#serveIfAble()] : [committed];
  }

  /** Nothing is shown to anybody that is not certain, whatever the tree has of it. */
  #serveIfAble(): readonly LearnerEffect[] {
    if (this.#phase !== 'secured' || !this.#isUpToDate || this.#isReloading) return [];
    if (this.#committedZxid < this.#servableZxid) return [];
    this.#phase = 'following';
    return [{ kind: 'serve' }];
  }

  // Parts

  /** Our log is the beginning of the leader's. */
  #isInLine(): boolean {
    switch (this.#phase) {
      case 'receiving':
      case 'securing':
      case 'secured':
      case 'following':
        return true;
      default:
        return false;
    }
  }

  #tick(now: Millis): readonly LearnerEffect[] {
    const { tickMs, initLimit, syncLimit } = this.#options;
    const lateMs = now - this.#tickAt;
    const limitMs = (this.#phase === 'following' ? syncLimit : initLimit) * tickMs;
    const limitAt = this.#heardAt + limitMs;
    // What came in while we could not look has still to be read.
    if (now < limitAt || lateMs > tickMs) {
      // All who heard the leader last at the same moment give it up at the same moment, so that nobody is
      // told by another one that it is still followed. As a point in time, not as the rest of a span: what
      // rounding leaves of that may be too little for the clock to move.
      const nextAt = now + tickMs / 2;
      this.#tickAt = millis(now < limitAt && limitAt < nextAt ? limitAt : nextAt);
      return [];
    }
    const silentMs = now - this.#heardAt;
    return this.#leave(`nothing was heard of it for ${Math.round(silentMs)} ms`);
  }

  #outOfTurn(kind: string): readonly LearnerEffect[] {
    return this.#leave(`it said '${kind}' out of turn (${this.#phase})`);
  }

  #leave(reason: string, hintId: number | null = null): readonly LearnerEffect[] {
    this.#phase = 'over';
    return [{ kind: 'left', reason, hintId }];
  }
}

/** Zxids have no gaps: the next one of the epoch, or the first one of a later epoch. */
function follows(zxid: bigint, previous: bigint): boolean {
  if (zxid === previous + 1n) return true;
  return epochOf(zxid) > epochOf(previous) && counterOf(zxid) === 1;
}

const hex = (zxid: bigint): string => `0x${zxid.toString(16)}`;
