/**
 * Who should lead: ZooKeeper's fast leader election, by weight, and without a wait where none is needed.
 *
 * Whoever looks for a leader votes for itself, tells every voter, and takes over each better vote it
 * hears of. When those who vote as it does are a quorum, and nobody who can still be heard of could
 * bring a better vote, the election is decided; if somebody could, `finalizeMs` is waited for him.
 * Votes belong to a round: whoever hears of a later one joins it and forgets what came before. Who
 * has a leader answers those who look; a looking server joins a leader that says so itself and that
 * a quorum follows.
 *
 * A server whose disk is new may have promised things it does not know any more: its vote is not
 * counted, unless all voters say in this round that nobody has any data (the first start of an
 * ensemble).
 *
 * Safety does not rest on any of this: an elected leader still has to be accepted by a quorum that
 * knows nothing newer (leader.ts). Not here: what is sent how (peers/), sentences on why there is no
 * leader (obstacle.ts).
 */
import { type Machine, type Millis, millis, type Tick } from '@odradek/runtime';
import type { Ensemble } from './ensemble.ts';
import { type ElectionView, obstacleOf } from './obstacle.ts';
import { JointRules, QuorumRules } from './rules.ts';
import { compareVotes, isSameVote, type Notification, type Role, type Vote } from './vote.ts';

export type ElectionInput = Readonly<
  /** There is no leader any more, or none yet. Also to begin anew while looking. */
  | { kind: 'look'; vote: Vote; isNew: boolean }
  | { kind: 'heard'; from: number; notification: Notification }
  /** The way to that server's election port stands, or does not. */
  | { kind: 'reachable'; serverId: number; isReachable: boolean }
  /** What others are to be answered from now on: the vote has the epoch that was agreed upon. */
  | { kind: 'settled'; role: Exclude<Role, 'looking'>; vote: Vote; isNew: boolean }
  /** The members; `pending`: a change that is logged here and not certain. */
  | { kind: 'reconfigured'; current: Ensemble; pending: Ensemble | null }
>;

export type ElectionEffect = Readonly<
  | { kind: 'notify'; to: number; notification: Notification }
  /** Follow `vote.leaderId`, or lead. `isFirst`: nobody has any data, and new ones count. */
  | { kind: 'decided'; vote: Vote; isFirst: boolean }
>;

export interface ElectionOptions {
  readonly serverId: number;
  readonly current: Ensemble;
  readonly pending: Ensemble | null;
  /** Without news everything is said again after this time, then after twice as long, and so on. */
  readonly notificationMs: number;
  readonly notificationMsMax: number;
  /** A quorum waits this long for somebody who might know better. */
  readonly finalizeMs: number;
}

/** The wait of the original. */
export const FINALIZE_MS = 200;

const NOTHING: Vote = { leaderId: -1, epoch: -1, zxid: -1n };

export class ElectionMachine implements Machine<ElectionInput, ElectionEffect> {
  readonly #options: ElectionOptions;
  readonly #self: number;
  #current: Ensemble;
  #rules: QuorumRules;
  /** Those of a change that is not certain. */
  #pendingRules: QuorumRules | null = null;
  #joint: JointRules;
  #voters: ReadonlySet<number> = new Set();

  /** null: not asked to look yet. */
  #role: Role | null = null;
  #round = 0;
  /** Our own candidacy. */
  #own: Vote = NOTHING;
  #isNew = false;
  /** What we vote for; once settled, what we answer. */
  #proposal: Vote = NOTHING;
  /** The proposal comes from somebody new: any other beats it. */
  #isProposalNew = false;
  /** The last of each, since we look. */
  readonly #heard = new Map<number, Notification>();
  /** Known to be out of reach, and not heard of since. */
  readonly #gone = new Set<number>();
  /** To whose vote of the round was answered when, so that two who disagree do not talk without end. */
  readonly #answered = new Map<number, { readonly vote: Vote; readonly atMs: number }>();

  #intervalMs: number;
  #resendAt: Millis | null = null;
  #finalizeAt: Millis | null = null;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#self = options.serverId;
    this.#intervalMs = options.notificationMs;
    this.#current = options.current;
    this.#rules = new QuorumRules(options.current);
    this.#joint = new JointRules(this.#rules);
    this.#reconfigure(options.current, options.pending);
  }

  step(input: ElectionInput | Tick, now: Millis): readonly ElectionEffect[] {
    switch (input.kind) {
      case 'look':
        return this.#look(input.vote, input.isNew, now);
      case 'heard':
        return this.#hear(input.from, input.notification, now);
      case 'reachable':
        return this.#reach(input.serverId, input.isReachable, now);
      case 'settled':
        this.#settle(input.role, input.vote);
        this.#isNew = input.isNew;
        return [];
      case 'reconfigured':
        this.#reconfigure(input.current, input.pending);
        return this.#role === 'looking' ? [...this.#tellAll(now), ...this.#conclude(now)] : [];
      case 'tick':
        return this.#tick(now);
    }
  }

  deadline(): Millis | null {
    if (this.#resendAt === null || this.#finalizeAt === null) {
      return this.#finalizeAt ?? this.#resendAt;
    }
    return millis(Math.min(this.#resendAt, this.#finalizeAt));
  }

  /** For people: who was heard of, and why there is no decision. Changes with each step. */
  get view(): ElectionView {
    return {
      serverId: this.#self,
      isLooking: this.#role === 'looking',
      round: this.#round,
      proposal: this.#proposal.leaderId < 0 ? null : this.#proposal,
      isNew: this.#isNew,
      heard: this.#heard,
      gone: this.#gone,
      current: this.#rules,
      pending: this.#pendingRules,
      ensembleVersion: this.#current.version,
    };
  }

  /** One sentence on why there is no leader; null when we do not look. */
  get obstacle(): string | null {
    return obstacleOf(this.view);
  }

  #reconfigure(current: Ensemble, pending: Ensemble | null): void {
    this.#current = current;
    this.#rules = new QuorumRules(current);
    this.#pendingRules = pending === null ? null : new QuorumRules(pending);
    const all = [this.#rules, ...(this.#pendingRules === null ? [] : [this.#pendingRules])];
    this.#joint = new JointRules(...all);
    this.#voters = new Set(all.flatMap(({ voters }) => voters));
  }

  #look(vote: Vote, isNew: boolean, now: Millis): ElectionEffect[] {
    this.#role = 'looking';
    // Whoever has no vote joins any round of those who have one.
    this.#round = this.#isVoter ? this.#round + 1 : 0;
    this.#own = vote;
    this.#isNew = isNew;
    this.#heard.clear();
    return [...this.#propose(this.#candidacy, isNew, now), ...this.#conclude(now)];
  }

  #hear(from: number, notification: Notification, now: Millis): ElectionEffect[] {
    if (this.#role === null || from === this.#self) return [];
    this.#gone.delete(from);
    if (this.#role !== 'looking') {
      return notification.state === 'looking' ? this.#tell(from) : [];
    }
    this.#heard.set(from, notification);
    // Somebody without a vote wants to know whom to follow.
    if (!this.#voters.has(from)) return notification.state === 'looking' ? this.#tell(from) : [];
    const effects = notification.state === 'looking' ? this.#weigh(from, notification, now) : [];
    return [...effects, ...this.#conclude(now)];
  }

  /** The vote of a voter who looks as well. */
  #weigh(from: number, { round, vote, isNew }: Notification, now: Millis): ElectionEffect[] {
    if (round < this.#round) return this.#isVoter ? this.#tell(from) : [];
    if (round > this.#round) {
      this.#round = round;
      const isTheirs = this.#beats(vote, isNew, this.#candidacy, this.#isNew);
      return this.#propose(isTheirs ? vote : this.#candidacy, isTheirs ? isNew : this.#isNew, now);
    }
    if (this.#beats(vote, isNew, this.#proposal, this.#isProposalNew)) {
      return this.#propose(vote, isNew, now);
    }
    if (isSameVote(vote, this.#proposal) || !this.#isVoter) return [];
    const last = this.#answered.get(from);
    const isFresh = last !== undefined && now - last.atMs < this.#options.notificationMs;
    if (isFresh && isSameVote(last.vote, vote)) return [];
    this.#answered.set(from, { vote, atMs: now });
    return this.#tell(from);
  }

  /** Who weighs nothing never leads; somebody new only among new ones. */
  #beats(vote: Vote, isNew: boolean, other: Vote, isOtherNew: boolean): boolean {
    if (!this.#isCandidate(vote)) return false;
    if (!this.#isCandidate(other)) return true;
    if (isNew !== isOtherNew) return isOtherNew;
    return compareVotes(vote, other) > 0;
  }

  #reach(serverId: number, isReachable: boolean, now: Millis): ElectionEffect[] {
    if (serverId === this.#self) return [];
    if (isReachable) {
      this.#gone.delete(serverId);
      // It may have begun to look while it could not be told anything.
      return this.#role === null || !this.#isVoter ? [] : this.#tell(serverId);
    }
    const wasThere = !this.#gone.has(serverId);
    this.#gone.add(serverId);
    if (this.#role !== 'looking') return [];
    const effects: ElectionEffect[] = [];
    if (wasThere && this.#proposal.leaderId === serverId) {
      // Nobody can follow it: vote anew, in a round in which its votes are forgotten.
      if (this.#isVoter) this.#round++;
      effects.push(...this.#propose(this.#candidacy, this.#isNew, now));
    }
    return [...effects, ...this.#conclude(now)];
  }

  #tick(now: Millis): ElectionEffect[] {
    if (this.#role !== 'looking') return [];
    const effects: ElectionEffect[] = [];
    if (this.#resendAt !== null && this.#resendAt <= now) {
      this.#intervalMs = Math.min(this.#intervalMs * 2, this.#options.notificationMsMax);
      effects.push(...this.#tellAll(now));
    }
    return [...effects, ...this.#conclude(now)];
  }

  #propose(vote: Vote, isNew: boolean, now: Millis): ElectionEffect[] {
    this.#proposal = vote;
    this.#isProposalNew = isNew;
    this.#finalizeAt = null;
    this.#answered.clear();
    this.#intervalMs = this.#options.notificationMs;
    return this.#tellAll(now);
  }

  /** Decides if it can be. */
  #conclude(now: Millis): ElectionEffect[] {
    const leader = this.#establishedLeader();
    if (leader !== null) {
      this.#round = leader.round;
      return this.#decide(leader.vote, false);
    }
    const isOurs = this.#proposal.leaderId === this.#self;
    if (isOurs && !this.#hasWeight(this.#self)) return [];
    if (!this.#joint.isQuorum(this.#supportersOf(this.#proposal))) {
      this.#finalizeAt = null;
      return [];
    }
    this.#finalizeAt ??= millis(now + this.#options.finalizeMs);
    if (this.#finalizeAt > now && this.#mayBetterCome()) return [];
    return this.#decide(this.#proposal, this.#isUnanimouslyNew());
  }

  /** Those whose counted vote of this round is this one. */
  #supportersOf(vote: Vote): number[] {
    const countsNew = this.#isUnanimouslyNew();
    const supporters: number[] = [];
    if (isSameVote(vote, this.#proposal) && (countsNew || !this.#isNew))
      supporters.push(this.#self);
    for (const id of this.#voters) {
      const theirs = this.#voteOf(id);
      if (theirs === null || this.#gone.has(id)) continue;
      if (isSameVote(theirs.vote, vote) && (countsNew || !theirs.isNew)) supporters.push(id);
    }
    return supporters;
  }

  /** What another one said in this round of ours, also after it decided; null: nothing. */
  #voteOf(id: number): Notification | null {
    const last = this.#heard.get(id);
    return last?.round === this.#round ? last : null;
  }

  /**
   * All voters are here and say in this round that nobody has any data, so that nobody can have forgotten
   * any; also after a first start that was broken off, when some know of its epoch and are not new. Whoever
   * has no weight votes for others, so that its vote does not tell what it has itself: it must be new.
   */
  #isUnanimouslyNew(): boolean {
    if (this.#own.zxid !== 0n || this.#proposal.zxid !== 0n) return false;
    let isAnyNew = this.#isNew;
    for (const id of this.#voters) {
      if (id === this.#self) continue;
      const theirs = this.#voteOf(id);
      if (theirs === null || theirs.vote.zxid !== 0n) return false;
      if (!theirs.isNew && !this.#hasWeight(id)) return false;
      if (theirs.isNew) isAnyNew = true;
    }
    return isAnyNew;
  }

  /**
   * By the members that are certain, or by those of a change: who has the whole history may be one of
   * either. A candidate that votes for somebody else is none; it may know newer members than we do.
   */
  #mayLead(id: number): boolean {
    if (!this.#hasWeight(id)) return false;
    const theirs = this.#voteOf(id);
    return theirs === null || theirs.vote.leaderId === id;
  }

  /**
   * Whether a vote may be for this one. Who has what we lack may have newer members with it, by which it
   * has weight; it knows itself, and would not vote for itself without.
   */
  #isCandidate(vote: Vote): boolean {
    const { leaderId, epoch, zxid } = vote;
    if (this.#mayLead(leaderId)) return true;
    const theirs = this.#voteOf(leaderId);
    if (leaderId === this.#self || (theirs !== null && theirs.vote.leaderId !== leaderId))
      return false;
    return epoch > this.#own.epoch || (epoch === this.#own.epoch && zxid > this.#own.zxid);
  }

  /** Ourselves; without the history that would draw votes where we may not lead. */
  get #candidacy(): Vote {
    return this.#hasWeight(this.#self) ? this.#own : { leaderId: this.#self, epoch: 0, zxid: 0n };
  }

  #hasWeight(id: number): boolean {
    return this.#rules.mayLead(id) || this.#pendingRules?.mayLead(id) === true;
  }

  /** Somebody who may lead was not heard in this round, and is not known to be out of reach. */
  #mayBetterCome(): boolean {
    for (const id of this.#voters) {
      if (id === this.#self || this.#gone.has(id) || !this.#mayLead(id)) continue;
      if (this.#voteOf(id) === null) return true;
    }
    return false;
  }

  /**
   * The leader of those who go by newer members than we do: it needs no quorum of ours, and we may not
   * even know that it has a vote. Whether it leads shows when we come to learn.
   */
  #leaderOfNewer(): Notification | null {
    let found: Notification | null = null;
    for (const [id, claim] of this.#heard) {
      if (claim.ensembleVersion <= this.#current.version || this.#gone.has(id)) continue;
      if (claim.state === 'leading') return claim;
      const { leaderId } = claim.vote;
      const mayBe =
        claim.state !== 'looking' && leaderId !== this.#self && !this.#gone.has(leaderId);
      if (mayBe) found = claim;
    }
    return found;
  }

  /** A leader that says so itself, with a quorum that follows it or votes for it; never ourselves. */
  #establishedLeader(): Notification | null {
    const newer = this.#leaderOfNewer();
    if (newer !== null) return newer;
    for (const id of this.#voters) {
      const claim = this.#heard.get(id);
      if (claim?.state !== 'leading' || this.#gone.has(id) || !this.#mayLead(id)) continue;
      const followers = [id];
      if (this.#proposal.leaderId === id) followers.push(this.#self);
      for (const other of this.#voters) {
        const theirs = this.#heard.get(other);
        if (theirs?.vote.leaderId !== id || this.#gone.has(other)) continue;
        if (theirs.state !== 'looking' || theirs.round === claim.round) followers.push(other);
      }
      // A change in our log may have been given up since: one quorum is enough to follow.
      if (this.#rules.isQuorum(followers)) return claim;
      if (this.#pendingRules?.isQuorum(followers) === true) return claim;
    }
    return null;
  }

  #decide(vote: Vote, isFirst: boolean): ElectionEffect[] {
    const isLeader = vote.leaderId === this.#self;
    this.#settle(isLeader ? 'leading' : this.#isVoter ? 'following' : 'observing', vote);
    return [
      { kind: 'decided', vote, isFirst },
      // Who still waits for somebody better need not.
      ...(isLeader ? this.#notesToAll() : []),
    ];
  }

  #settle(role: Exclude<Role, 'looking'>, vote: Vote): void {
    this.#role = role;
    this.#proposal = vote;
    this.#resendAt = null;
    this.#finalizeAt = null;
    this.#heard.clear();
    this.#answered.clear();
  }

  get #isVoter(): boolean {
    return this.#voters.has(this.#self);
  }

  #tellAll(now: Millis): ElectionEffect[] {
    this.#resendAt = millis(now + this.#intervalMs);
    return this.#notesToAll();
  }

  #notesToAll(): ElectionEffect[] {
    const effects: ElectionEffect[] = [];
    for (const id of this.#voters) if (id !== this.#self) effects.push(...this.#tell(id));
    return effects;
  }

  #tell(to: number): ElectionEffect[] {
    const notification: Notification = {
      state: this.#role ?? 'looking',
      round: this.#round,
      vote: this.#proposal,
      isNew: this.#isNew,
      ensembleVersion: this.#current.version,
    };
    return [{ kind: 'notify', to, notification }];
  }
}
