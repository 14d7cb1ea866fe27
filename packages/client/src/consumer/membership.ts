/**
 * One consumer's membership in its group (KIP-62, 345, 394, 429): when to join, sync, beat and leave,
 * and what each answer means.
 *
 * idle -> preparing -> joining -> (leader: assigning ->) syncing -> applying -> stable, and from every
 * later state back to preparing when the group rebalances. "Preparing" and "applying" are the user's
 * time: partitions are given up before a join (all of them, unless the protocol is cooperative) and
 * taken over after it. Whatever an answer says, it counts only for the attempt that asked.
 *
 * Pure: requests, offsets and callbacks are consumer-host.ts.
 */
import { errorCodes, type KafkaErrorName, kafkaErrorOf } from '@odradek/protocol';
import { type Machine, type Millis, millis, type Tick } from '@odradek/runtime';

export interface MembershipOptions {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** The longest time between two polls before the member counts as stuck and leaves. */
  readonly rebalanceTimeoutMs: number;
  readonly retryBackoffMs: number;
}

/** What the group knows a member by; generation -1 and an empty id before the first join. */
export interface MemberIdentity {
  readonly memberId: string;
  readonly generationId: number;
}

export interface Joined {
  readonly memberId: string;
  readonly generationId: number;
  readonly protocolName: string;
  /** This member deals the partitions. */
  readonly isLeader: boolean;
}

export type MembershipInput = Readonly<
  | { kind: 'start' }
  /** Something changed that the group must know: subscription, partitions, a revocation done. */
  | { kind: 'rejoin' }
  /** The user's side is done with giving up partitions. */
  | { kind: 'prepared'; attempt: number }
  | { kind: 'joined'; attempt: number; joined: Joined }
  | { kind: 'assigned'; attempt: number }
  | { kind: 'synced'; attempt: number }
  /** The user's side has taken the assignment over; with `mustRejoin`, partitions were revoked for others. */
  | { kind: 'applied'; attempt: number; mustRejoin: boolean }
  | { kind: 'beaten' }
  /** join, sync or assignment failed; `memberId` when the answer gave one. */
  | { kind: 'refused'; attempt: number; code: number; memberId?: string }
  | { kind: 'beatRefused'; code: number }
  /** A commit was refused for who we are or when. */
  | { kind: 'commitRefused'; code: number }
  | { kind: 'polled' }
  | { kind: 'leave' }
>;

export type MembershipEffect = Readonly<
  /** Give up partitions before a join. `lost`: they may be another's already, commit nothing. */
  | { kind: 'prepare'; attempt: number; lost: boolean }
  | { kind: 'join'; attempt: number; identity: MemberIdentity }
  /** Deal the partitions, then sync. */
  | { kind: 'assign'; attempt: number }
  | { kind: 'sync'; attempt: number; identity: MemberIdentity; protocolName: string }
  | { kind: 'apply'; attempt: number }
  | { kind: 'beat'; identity: MemberIdentity }
  | { kind: 'forgetCoordinator' }
  | { kind: 'leave'; identity: MemberIdentity }
  /** No rejoin can help; the user is told. */
  | { kind: 'fail'; code: KafkaErrorName }
>;

type Phase =
  | 'idle'
  | 'preparing'
  | 'joining'
  | 'assigning'
  | 'syncing'
  | 'applying'
  | 'stable'
  | 'pausing'
  | 'stuck'
  | 'ended';

const NOBODY: MemberIdentity = { memberId: '', generationId: -1 };

export class Membership implements Machine<MembershipInput, MembershipEffect> {
  readonly #options: MembershipOptions;
  #phase: Phase = 'idle';
  #identity: MemberIdentity = NOBODY;
  #attempt = 0;
  #protocolName = '';
  #retryAt: Millis | null = null;
  #beatAt: Millis | null = null;
  #isBeating = false;
  /** The last time the coordinator is known to have counted us in. */
  #heardAt: Millis = millis(0);
  #polledAt: Millis = millis(0);
  /** A rejoin was asked for while another was under way. */
  #rejoinAfter = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** As commits must carry it. */
  get identity(): MemberIdentity {
    return this.#identity;
  }

  deadline(): Millis | null {
    const times = [this.#phase === 'pausing' ? this.#retryAt : null];
    if (this.#isMember) {
      times.push(this.#beatAt);
      times.push(millis(this.#heardAt + this.#options.sessionTimeoutMs));
      times.push(millis(this.#polledAt + this.#options.rebalanceTimeoutMs));
    }
    const known = times.filter((time) => time !== null);
    return known.length === 0 ? null : millis(Math.min(...known));
  }

  step(input: MembershipInput | Tick, now: Millis): readonly MembershipEffect[] {
    if (this.#phase === 'ended') return [];
    if ('attempt' in input && input.attempt !== this.#attempt) return [];
    switch (input.kind) {
      case 'start':
        this.#polledAt = now;
        return this.#phase === 'idle' ? this.#prepare(false) : [];
      case 'rejoin':
        return this.#rejoin();
      case 'prepared':
        return this.#phase === 'preparing' ? this.#join() : [];
      case 'joined':
        return this.#phase === 'joining' ? this.#joined(input.joined, now) : [];
      case 'assigned':
        return this.#phase === 'assigning' ? this.#sync() : [];
      case 'synced':
        if (this.#phase !== 'syncing') return [];
        this.#phase = 'applying';
        this.#heardAt = now;
        return [{ kind: 'apply', attempt: this.#attempt }];
      case 'applied':
        return this.#phase === 'applying' ? this.#applied(input.mustRejoin) : [];
      case 'beaten':
        this.#isBeating = false;
        this.#heardAt = now;
        return [];
      case 'refused':
        return this.#refused(input.code, input.memberId, now);
      case 'beatRefused':
        this.#isBeating = false;
        return this.#isMember ? this.#memberRefused(input.code, now) : [];
      case 'commitRefused':
        return this.#isMember ? this.#memberRefused(input.code, now) : [];
      case 'polled':
        this.#polledAt = now;
        return this.#phase === 'stuck' ? this.#prepare(true) : [];
      case 'leave':
        return this.#leave();
      case 'tick':
        return this.#tick(now);
    }
  }

  /** The coordinator counts on our heartbeats. */
  get #isMember(): boolean {
    return (
      this.#identity.generationId >= 0 &&
      ['preparing', 'assigning', 'syncing', 'applying', 'stable'].includes(this.#phase)
    );
  }

  #tick(now: Millis): readonly MembershipEffect[] {
    if (this.#phase === 'pausing' && this.#retryAt !== null && now >= this.#retryAt) {
      this.#retryAt = null;
      return this.#join();
    }
    if (!this.#isMember) return [];
    if (now >= this.#polledAt + this.#options.rebalanceTimeoutMs) return this.#stuck();
    if (now >= this.#heardAt + this.#options.sessionTimeoutMs) return this.#lose(NOBODY);
    if (this.#beatAt === null || now < this.#beatAt) return [];
    this.#beatAt = millis(now + this.#options.heartbeatIntervalMs);
    if (this.#isBeating) return []; // One at a time; a lost one comes back as refused.
    this.#isBeating = true;
    return [{ kind: 'beat', identity: this.#identity }];
  }

  #rejoin(): readonly MembershipEffect[] {
    switch (this.#phase) {
      case 'stable':
        return this.#prepare(false);
      case 'assigning':
      case 'syncing':
      case 'applying':
      case 'joining':
        this.#rejoinAfter = true;
        return [];
      default:
        return []; // Not a member, or about to join anyway.
    }
  }

  #prepare(lost: boolean): readonly MembershipEffect[] {
    this.#phase = 'preparing';
    this.#attempt += 1;
    this.#retryAt = null;
    return [{ kind: 'prepare', attempt: this.#attempt, lost }];
  }

  #join(): readonly MembershipEffect[] {
    this.#phase = 'joining';
    this.#attempt += 1;
    this.#rejoinAfter = false;
    this.#beatAt = null;
    return [{ kind: 'join', attempt: this.#attempt, identity: this.#identity }];
  }

  #joined(joined: Joined, now: Millis): readonly MembershipEffect[] {
    this.#identity = { memberId: joined.memberId, generationId: joined.generationId };
    this.#protocolName = joined.protocolName;
    this.#heardAt = now;
    this.#beatAt = millis(now + this.#options.heartbeatIntervalMs);
    if (!joined.isLeader) return this.#sync();
    this.#phase = 'assigning';
    return [{ kind: 'assign', attempt: this.#attempt }];
  }

  #sync(): readonly MembershipEffect[] {
    this.#phase = 'syncing';
    const protocolName = this.#protocolName;
    return [{ kind: 'sync', attempt: this.#attempt, identity: this.#identity, protocolName }];
  }

  #applied(mustRejoin: boolean): readonly MembershipEffect[] {
    this.#phase = 'stable';
    return mustRejoin || this.#rejoinAfter ? this.#prepare(false) : [];
  }

  #refused(code: number, memberId: string | undefined, now: Millis): readonly MembershipEffect[] {
    switch (code) {
      case errorCodes.MEMBER_ID_REQUIRED:
        this.#identity = { memberId: memberId ?? '', generationId: -1 };
        return this.#join();
      case errorCodes.REBALANCE_IN_PROGRESS:
        // Others rejoin already; a sync that came too late gives up nothing that it did not have.
        return this.#phase === 'joining' ? this.#pause(now) : this.#prepare(false);
      case errorCodes.UNKNOWN_MEMBER_ID:
        return this.#lose(NOBODY);
      case errorCodes.ILLEGAL_GENERATION:
        return this.#lose({ ...this.#identity, generationId: -1 });
      case errorCodes.COORDINATOR_LOAD_IN_PROGRESS:
      case errorCodes.COORDINATOR_NOT_AVAILABLE:
      case errorCodes.NOT_COORDINATOR:
      case errorCodes.NETWORK_EXCEPTION:
      case errorCodes.REQUEST_TIMED_OUT:
        // It moved, loads, or cannot be reached: the same again, a little later.
        return [{ kind: 'forgetCoordinator' }, ...this.#pause(now)];
      default:
        return this.#fail(code);
    }
  }

  /** A heartbeat or commit was refused. */
  #memberRefused(code: number, now: Millis): readonly MembershipEffect[] {
    switch (code) {
      case errorCodes.REBALANCE_IN_PROGRESS:
        this.#heardAt = now;
        return this.#phase === 'stable' ? this.#prepare(false) : [];
      case errorCodes.UNKNOWN_MEMBER_ID:
        return this.#lose(NOBODY);
      case errorCodes.ILLEGAL_GENERATION:
        return this.#lose({ ...this.#identity, generationId: -1 });
      case errorCodes.FENCED_INSTANCE_ID:
      case errorCodes.GROUP_AUTHORIZATION_FAILED:
        return this.#fail(code);
      default:
        this.#beatAt = millis(now + this.#options.retryBackoffMs);
        return [{ kind: 'forgetCoordinator' }];
    }
  }

  #pause(now: Millis): readonly MembershipEffect[] {
    this.#phase = 'pausing';
    this.#attempt += 1;
    this.#retryAt = millis(now + this.#options.retryBackoffMs);
    return [];
  }

  /** What we had may be another's by now. */
  #lose(identity: MemberIdentity): readonly MembershipEffect[] {
    this.#identity = identity;
    return this.#prepare(true);
  }

  /** The user does not poll: others shall have the partitions. Joined again by the next poll. */
  #stuck(): readonly MembershipEffect[] {
    const identity = this.#identity;
    this.#identity = NOBODY;
    this.#phase = 'stuck';
    this.#attempt += 1;
    this.#beatAt = null;
    return [{ kind: 'leave', identity }];
  }

  #leave(): readonly MembershipEffect[] {
    const wasMember = this.#identity.memberId !== '';
    this.#phase = 'ended';
    this.#retryAt = null;
    this.#beatAt = null;
    return wasMember ? [{ kind: 'leave', identity: this.#identity }] : [];
  }

  #fail(code: number): readonly MembershipEffect[] {
    this.#phase = 'ended';
    this.#retryAt = null;
    this.#beatAt = null;
    return [{ kind: 'fail', code: kafkaErrorOf(code) }];
  }
}
