/**
 * A leader, from the election to its end: discovery, synchronisation, broadcast, liveness.
 *
 *   discovering    learners say which epochs they have promised; ours is above those of a quorum
 *   promising      a quorum promises to follow nobody of an earlier epoch, and has nothing that we lack
 *   synchronising  a quorum has our whole history on its disks: from here on it is certain
 *   established    what a quorum has on its disks is committed, in order
 *
 * It deals in zxids and ids; entries, links and disks are with the host (replica/), which also brings
 * each learner's log in line (sync.ts) once it is told to `feed` it. Every count is made by weights
 * (rules.ts), by the old and the new ones while members change.
 */
import { type Machine, type Millis, millis, type Tick } from '@odradek/runtime';
import { counterOf, epochOf } from '../transaction/number-spaces.ts';
import type { LeaderEffect, LeaderInput, LeaderOptions, MemberChange } from './leader-events.ts';
import { ProposalAges } from './proposal-ages.ts';
import type { QuorumRules } from './rules.ts';

type Phase = 'discovering' | 'promising' | 'synchronising' | 'established' | 'over';

/** Whose disk holds how much: this server, or a learner. */
interface Holder {
  readonly id: number;
  ackedZxid: bigint;
  /** Our history and epoch are on its disk: what it acknowledges counts. */
  isSynchronised: boolean;
}

interface Learner extends Holder {
  readonly isObserver: boolean;
  readonly acceptedEpoch: number;
  readonly isNew: boolean;
  /** Its log is not empty. */
  readonly hasData: boolean;
  /** It has promised our epoch. */
  hasPromised: boolean;
  isFed: boolean;
  /** The end of the history that it was sent before `newLeader`; null until then. */
  attachedZxid: bigint | null;
  heardAt: Millis;
  lastPong: number;
}

/** A learner as others may know it. */
export interface SynchronisedLearner {
  readonly id: number;
  readonly isObserver: boolean;
  readonly ackedZxid: bigint;
  readonly heardAt: Millis;
}

/** After this many more proposals the hand-over waits for none of them. */
const HAND_OVER_PATIENCE = 0xf000;

export class LeaderMachine implements Machine<LeaderInput, LeaderEffect> {
  readonly #options: LeaderOptions;
  readonly #self: Holder;
  readonly #learners = new Map<number, Learner>();
  /** Who has promised our epoch, for the first time and to us; a promise outlives its link. */
  readonly #promised = new Set<number>();
  readonly #contrary = new Set<number>();
  /** Self and synchronised learners, by what they acknowledged, the most first. */
  readonly #holders: Holder[] = [];
  /** Ids gathered for a question; kept so that asking allocates nothing. */
  readonly #ids: number[] = [];
  readonly #ages: ProposalAges;
  #phase: Phase = 'discovering';
  #rules: QuorumRules;
  #change: MemberChange | null;
  #epoch = 0;
  /** What `markSaved` will be about. */
  #saving: 'accepted' | 'current' | null = null;
  #proposedZxid: bigint;
  #committedZxid: bigint;
  #ping = 0;
  /** The ping that answers whoever asked for confirmation; null: nobody waits. */
  #confirmPing: number | null = null;
  #phaseEndsAt: Millis;
  #tickAt: Millis;
  #lastStepAt: Millis;

  constructor(options: LeaderOptions, now: Millis) {
    this.#options = options;
    this.#rules = options.rules;
    this.#change = options.change;
    this.#proposedZxid = options.lastZxid;
    this.#committedZxid = options.committedZxid;
    this.#self = {
      id: options.serverId,
      ackedZxid: options.durableZxid,
      isSynchronised: false,
    };
    this.#ages = new ProposalAges(options.syncLimit * options.tickMs);
    this.#phaseEndsAt = this.#after(now, options.initLimit);
    this.#tickAt = millis(now + options.tickMs / 2);
    this.#lastStepAt = now;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get committedZxid(): bigint {
    return this.#committedZxid;
  }

  get isEstablished(): boolean {
    return this.#phase === 'established';
  }

  /** For words: what is waited for. */
  get phase(): string {
    return this.#phase;
  }

  get hasOutstandingChange(): boolean {
    return this.#change !== null;
  }

  learners(): SynchronisedLearner[] {
    return [...this.#learners.values()].filter(({ isSynchronised }) => isSynchronised);
  }

  /** Whether those that are in sync decide by these rules, and by the present ones. */
  isInSyncWith(rules: QuorumRules): boolean {
    const ids = this.#synchronisedIds();
    return rules.isQuorum(ids) && this.#rules.isQuorum(ids);
  }

  deadline(): Millis | null {
    return this.#phase === 'over' ? null : this.#tickAt;
  }

  step(input: LeaderInput | Tick, now: Millis): readonly LeaderEffect[] {
    if (this.#phase === 'over') return [];
    const pausedMs = now - this.#lastStepAt;
    this.#lastStepAt = now;
    // Whoever was not there for that long has been left by all learners, whatever waits in its sockets.
    if (pausedMs > this.#options.syncLimit * this.#options.tickMs && this.isEstablished) {
      return this.#resign(`this server stood still for ${Math.round(pausedMs)} ms`);
    }
    switch (input.kind) {
      case 'begin': // Alone a server may be a quorum.
        return this.#discover();
      case 'hello':
        return this.#hello(input, now);
      case 'epochAccepted':
        return this.#epochAccepted(input, now);
      case 'markSaved':
        return this.#markSaved(now);
      case 'attached': {
        const learner = this.#learners.get(input.from);
        if (learner !== undefined) learner.attachedZxid = this.#proposedZxid;
        return [];
      }
      case 'synchronised':
        return this.#synchronised(input, now);
      case 'durable': // Our own log counts once our disk has it, not before.
        return this.#acknowledged(this.#self, input.zxid, now);
      case 'ack': {
        const learner = this.#heard(input.from, now);
        if (learner === undefined || !learner.isSynchronised) return [];
        return this.#acknowledged(learner, input.zxid, now);
      }
      case 'pong':
        return this.#pong(input.from, input.ping, now);
      case 'gone':
        return this.#gone(input.from);
      case 'contrary':
        return this.#contradicted(input.from);
      case 'proposed':
        return this.#proposed(input.zxid, input.change);
      case 'confirm':
        return this.#confirm();
      case 'resign':
        return this.#resign(input.reason);
      case 'tick':
        return this.#tick(now);
    }
  }

  // Discovery

  #hello(
    hello: Extract<LeaderInput, { readonly kind: 'hello' }>,
    now: Millis,
  ): readonly LeaderEffect[] {
    const { from, isObserver, acceptedEpoch, lastZxid, isNew } = hello;
    const learner: Learner = {
      id: from,
      isObserver,
      acceptedEpoch,
      isNew,
      hasData: lastZxid > 0n,
      ackedZxid: 0n,
      isSynchronised: false,
      hasPromised: false,
      isFed: false,
      attachedZxid: null,
      heardAt: now,
      lastPong: 0,
    };
    this.#learners.set(from, learner);
    this.#contrary.delete(from);
    if (this.#phase === 'discovering') return this.#saving === null ? this.#discover() : [];
    // It can never join this epoch, and may be missed.
    if (acceptedEpoch > this.#epoch && this.#counts(from)) {
      return this.#resign(`server ${from} has promised epoch ${acceptedEpoch}, above ours`);
    }
    return [{ kind: 'newEpoch', to: from, epoch: this.#epoch }];
  }

  /** Chooses the epoch once a quorum, this server included, has said what it promised. */
  #discover(): readonly LeaderEffect[] {
    const { serverId, isFirst, acceptedEpoch, currentEpoch, lastZxid } = this.#options;
    const ids = this.#ids;
    ids.length = 0;
    ids.push(serverId);
    for (const learner of this.#learners.values()) {
      // Who has lost its disk has forgotten what it promised.
      if (learner.isNew && !isFirst) continue;
      if (isFirst && learner.hasData && this.#counts(learner.id)) {
        return this.#resign(`server ${learner.id} has data, and was believed to have none`);
      }
      ids.push(learner.id);
    }
    if (isFirst && !this.#rules.voters.every((id) => ids.includes(id))) return [];
    if (!this.#isQuorum(ids)) return [];
    let highest = Math.max(acceptedEpoch, epochOf(lastZxid));
    for (const learner of this.#learners.values()) {
      if (learner.acceptedEpoch > highest) highest = learner.acceptedEpoch;
    }
    this.#epoch = highest + 1;
    // On our disk before anybody hears of it: a second leader of this epoch there must never be.
    this.#saving = 'accepted';
    return [{ kind: 'saveMark', acceptedEpoch: this.#epoch, currentEpoch }];
  }

  #markSaved(now: Millis): readonly LeaderEffect[] {
    const saved = this.#saving;
    this.#saving = null;
    if (saved === 'current') return this.#selfSynchronised(now);
    if (saved === null || this.#phase !== 'discovering') return [];
    this.#enter('promising', now);
    this.#promised.add(this.#self.id);
    const told: LeaderEffect[] = [];
    for (const { id, acceptedEpoch } of this.#learners.values()) {
      if (acceptedEpoch > this.#epoch && this.#counts(id)) {
        return this.#resign(`server ${id} has promised epoch ${acceptedEpoch}, above ours`);
      }
      told.push({ kind: 'newEpoch', to: id, epoch: this.#epoch });
    }
    return [...told, ...this.#considerPromises(now)];
  }

  #epochAccepted(
    {
      from,
      epoch,
      currentEpoch,
      lastZxid,
    }: Extract<LeaderInput, { readonly kind: 'epochAccepted' }>,
    now: Millis,
  ): readonly LeaderEffect[] {
    const learner = this.#heard(from, now);
    if (learner === undefined || epoch !== this.#epoch) return [];
    if (this.#phase === 'discovering') return [];
    learner.hasPromised = true;
    if (this.#phase !== 'promising') return this.#feed(learner);
    // Promised before, perhaps to somebody else: no promise to us.
    if (currentEpoch === null) return this.#promised.has(from) ? [] : this.#lose(from);
    if (this.#counts(from) && this.#isAhead(currentEpoch, lastZxid)) {
      return this.#resign(`server ${from} has what this server lacks`);
    }
    if (!learner.isNew || this.#options.isFirst) this.#promised.add(from);
    return this.#considerPromises(now);
  }

  /** Whether a history would have won the election against ours. */
  #isAhead(currentEpoch: number, lastZxid: bigint): boolean {
    const own = this.#options;
    if (currentEpoch !== own.currentEpoch) return currentEpoch > own.currentEpoch;
    return lastZxid > own.lastZxid;
  }

  /** Nobody's log is touched before a quorum has promised: until then a better leader may come. */
  #considerPromises(now: Millis): readonly LeaderEffect[] {
    if (this.#phase !== 'promising' || !this.#isQuorum(this.#promised)) return [];
    this.#enter('synchronising', now);
    const effects: LeaderEffect[] = [];
    for (const learner of this.#learners.values()) {
      if (learner.hasPromised) effects.push(...this.#feed(learner));
    }
    effects.push(...this.#secureHistory());
    return effects;
  }

  // Synchronisation

  #feed(learner: Learner): readonly LeaderEffect[] {
    if (learner.isFed) return [];
    learner.isFed = true;
    return [{ kind: 'feed', to: learner.id }];
  }

  /**
   * The epoch may be the current one only where its whole history is on the disk: with the epoch and
   * without the history this server would win elections against those that have it.
   */
  #secureHistory(): readonly LeaderEffect[] {
    if (this.#phase !== 'synchronising' || this.#saving !== null) return [];
    if (this.#self.isSynchronised || this.#self.ackedZxid < this.#options.lastZxid) return [];
    this.#saving = 'current';
    return [{ kind: 'saveMark', acceptedEpoch: this.#epoch, currentEpoch: this.#epoch }];
  }

  #selfSynchronised(now: Millis): readonly LeaderEffect[] {
    this.#self.isSynchronised = true;
    this.#holders.push(this.#self);
    return this.#considerHistory(now);
  }

  #synchronised(
    { from, epoch }: Extract<LeaderInput, { readonly kind: 'synchronised' }>,
    now: Millis,
  ): readonly LeaderEffect[] {
    const learner = this.#heard(from, now);
    if (learner === undefined || learner.isSynchronised) return [];
    if (epoch !== this.#epoch || learner.attachedZxid === null) {
      return [{ kind: 'drop', to: from, reason: 'it is synchronised with something else' }];
    }
    learner.isSynchronised = true;
    learner.ackedZxid = learner.attachedZxid;
    this.#holders.push(learner);
    if (!this.isEstablished) return this.#considerHistory(now);
    return [{ kind: 'upToDate', to: from }, ...this.#advance(now)];
  }

  /** Once a quorum has our history, no other leader can come about without it. */
  #considerHistory(now: Millis): readonly LeaderEffect[] {
    if (this.#phase !== 'synchronising') return [];
    if (!this.#isQuorum(this.#synchronisedIds())) return [];
    this.#enter('established', now);
    const effects: LeaderEffect[] = [
      ...this.#commitUpTo(this.#options.lastZxid),
      { kind: 'established', epoch: this.#epoch },
    ];
    for (const { id, isSynchronised } of this.#learners.values()) {
      if (isSynchronised) effects.push({ kind: 'upToDate', to: id });
    }
    return [...effects, ...this.#activateCommitted(now)];
  }

  // Broadcast

  #proposed(zxid: bigint, change: MemberChange | null): readonly LeaderEffect[] {
    this.#proposedZxid = zxid;
    if (change !== null) this.#change = change;
    const { handOverCounter } = this.#options;
    return counterOf(zxid) < handOverCounter + HAND_OVER_PATIENCE ? [] : this.#handOver();
  }

  #acknowledged(holder: Holder, zxid: bigint, now: Millis): readonly LeaderEffect[] {
    if (zxid <= holder.ackedZxid) return [];
    holder.ackedZxid = zxid;
    if (this.isEstablished) return this.#advance(now);
    return holder === this.#self ? this.#secureHistory() : [];
  }

  /** Commits what a quorum has by now, and everything before it. */
  #advance(now: Millis): readonly LeaderEffect[] {
    const zxid = this.#certainZxid();
    if (zxid <= this.#committedZxid) return [];
    return [...this.#commitUpTo(zxid), ...this.#activateCommitted(now)];
  }

  #certainZxid(): bigint {
    const certain = this.#certainBy(this.#rules);
    const change = this.#change;
    if (change === null || certain < change.zxid) return certain;
    // From the change on, both the old and the new members must have it.
    const byNew = this.#certainBy(change.rules);
    // What comes before it in this epoch; everything of earlier ones is committed already.
    if (byNew < change.zxid) return counterOf(change.zxid) > 1 ? change.zxid - 1n : 0n;
    if (byNew < certain) return byNew;
    return certain;
  }

  /** The highest zxid that a quorum has on its disks. */
  #certainBy(rules: QuorumRules): bigint {
    const holders = this.#holders;
    // Nearly in order already: one of them moved since the last time.
    for (let index = 1; index < holders.length; index++) {
      const holder = holders[index] as Holder;
      let place = index;
      for (; place > 0; place--) {
        const before = holders[place - 1] as Holder;
        if (before.ackedZxid >= holder.ackedZxid) break;
        holders[place] = before;
      }
      holders[place] = holder;
    }
    const ids = this.#ids;
    ids.length = 0;
    for (const { id, ackedZxid } of holders) {
      ids.push(id);
      if (rules.isQuorum(ids)) return ackedZxid;
    }
    return 0n;
  }

  #commitUpTo(zxid: bigint): readonly LeaderEffect[] {
    // A learner may have logged what we are still to propose to others; never commit ahead of that.
    const certain = zxid < this.#proposedZxid ? zxid : this.#proposedZxid;
    if (certain <= this.#committedZxid) return [];
    this.#committedZxid = certain;
    const committed: LeaderEffect = { kind: 'commit', zxid: certain };
    const isDrained = certain === this.#proposedZxid;
    if (!isDrained || counterOf(certain) < this.#options.handOverCounter) return [committed];
    return epochOf(certain) === this.#epoch ? [committed, ...this.#handOver()] : [committed];
  }

  /** Counters of an epoch end; a new one is begun before they do, while nothing is on its way. */
  #handOver(): readonly LeaderEffect[] {
    return this.#resign('the zxids of this epoch are nearly used up');
  }

  #activateCommitted(now: Millis): readonly LeaderEffect[] {
    const change = this.#change;
    if (change === null || this.#committedZxid < change.zxid) return [];
    this.#change = null;
    this.#rules = change.rules;
    const designatedLeaderId = change.keepsLeader ? this.#self.id : this.#designated();
    const activated: LeaderEffect = { kind: 'activate', zxid: change.zxid, designatedLeaderId };
    if (!change.keepsLeader) {
      return [activated, ...this.#resign('this server does not lead the new members')];
    }
    return [activated, ...this.#advance(now)];
  }

  /** Of those who may lead now, the one that has most. */
  #designated(): number {
    let best: Learner | null = null;
    for (const learner of this.#learners.values()) {
      if (!learner.isSynchronised || !this.#rules.mayLead(learner.id)) continue;
      if (best === null || learner.ackedZxid > best.ackedZxid) best = learner;
    }
    return best?.id ?? this.#self.id;
  }

  // Liveness

  #heard(from: number, now: Millis): Learner | undefined {
    const learner = this.#learners.get(from);
    if (learner !== undefined) learner.heardAt = now;
    return learner;
  }

  #pong(from: number, ping: number, now: Millis): readonly LeaderEffect[] {
    const learner = this.#heard(from, now);
    if (learner === undefined || ping <= learner.lastPong) return [];
    learner.lastPong = ping;
    return this.#considerConfirmation();
  }

  #confirm(): readonly LeaderEffect[] {
    if (!this.isEstablished || this.#confirmPing !== null) return [];
    this.#ping += 1;
    this.#confirmPing = this.#ping;
    return [{ kind: 'ping', ping: this.#ping }, ...this.#considerConfirmation()];
  }

  /** Who answers a ping had, at that moment, promised nobody else. */
  #considerConfirmation(): readonly LeaderEffect[] {
    const asked = this.#confirmPing;
    if (asked === null) return [];
    const ids = this.#ids;
    ids.length = 0;
    ids.push(this.#self.id);
    for (const { id, isSynchronised, lastPong } of this.#learners.values()) {
      if (isSynchronised && lastPong >= asked) ids.push(id);
    }
    if (!this.#isQuorum(ids)) return [];
    this.#confirmPing = null;
    return [{ kind: 'confirmed' }];
  }

  #gone(from: number): readonly LeaderEffect[] {
    const learner = this.#learners.get(from);
    if (learner === undefined) return [];
    this.#learners.delete(from);
    const place = this.#holders.indexOf(learner);
    if (place >= 0) this.#holders.splice(place, 1);
    if (!this.isEstablished || this.#isQuorum(this.#synchronisedIds())) return [];
    return this.#resign(`the link to server ${from} is gone, and what is left is no quorum`);
  }

  /** Before it leads, a server that cannot get a quorum any more says so at once. */
  #contradicted(from: number): readonly LeaderEffect[] {
    return this.isEstablished || this.#learners.has(from) ? [] : this.#lose(from);
  }

  #lose(from: number): readonly LeaderEffect[] {
    this.#contrary.add(from);
    const possible = this.#rules.voters.filter((id) => !this.#contrary.has(id));
    if (this.#rules.isQuorum(possible)) return [];
    return this.#resign('too many voters go by somebody else');
  }

  #tick(now: Millis): readonly LeaderEffect[] {
    const { tickMs, syncLimit, initLimit } = this.#options;
    const lateMs = now - this.#tickAt;
    this.#tickAt = millis(now + tickMs / 2);
    this.#ping += 1;
    const effects: LeaderEffect[] = [{ kind: 'ping', ping: this.#ping }];
    // What came in while we could not look has still to be read: nobody is judged this time.
    if (lateMs > tickMs) return effects;
    if (!this.isEstablished && now >= this.#phaseEndsAt) {
      return this.#resign(`no quorum within initLimit (${this.#phase})`);
    }
    const laggingZxid = this.#ages.agedAt(now, this.#proposedZxid);
    for (const learner of [...this.#learners.values()]) {
      const limit = learner.isSynchronised ? syncLimit : initLimit;
      const silentMs = now - learner.heardAt;
      let reason: string | null = null;
      if (silentMs > limit * tickMs) reason = `nothing heard for ${Math.round(silentMs)} ms`;
      else if (learner.isSynchronised && learner.ackedZxid < laggingZxid) {
        reason = `a proposal is not acknowledged for ${syncLimit} ticks`;
      }
      if (reason === null) continue;
      effects.push({ kind: 'drop', to: learner.id, reason }, ...this.#gone(learner.id));
      if (this.#isOver()) return effects;
    }
    return effects;
  }

  // Parts

  /** A quorum of the members, and of those that are to be while a change is outstanding. */
  #isQuorum(ids: Iterable<number>): boolean {
    if (!this.#rules.isQuorum(ids)) return false;
    return this.#change === null || this.#change.rules.isQuorum(ids);
  }

  #synchronisedIds(): readonly number[] {
    const ids = this.#ids;
    ids.length = 0;
    for (const { id } of this.#holders) ids.push(id);
    return ids;
  }

  /** Whether anything depends on this server. */
  #counts(id: number): boolean {
    return this.#rules.weightOf(id) > 0 || (this.#change?.rules.weightOf(id) ?? 0) > 0;
  }

  #enter(phase: Phase, now: Millis): void {
    this.#phase = phase;
    this.#phaseEndsAt = this.#after(now, this.#options.initLimit);
  }

  #after(now: Millis, ticks: number): Millis {
    return millis(now + ticks * this.#options.tickMs);
  }

  #isOver(): boolean {
    return this.#phase === 'over';
  }

  #resign(reason: string): readonly LeaderEffect[] {
    this.#phase = 'over';
    return [{ kind: 'resigned', reason }];
  }
}
