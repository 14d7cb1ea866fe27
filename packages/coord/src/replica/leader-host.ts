/**
 * A leader at work: performs what LeaderMachine decides, with the links to its learners, the log and
 * the tree; and is the leadership that the server above is handed.
 *
 * The hot path is in `propose` and `#flush`: all proposals of one turn of the event loop go to each
 * learner in one message, which is the same object for all of them, and commits ride along.
 */
import {
  type Clock,
  type Deliver,
  drive,
  type Log,
  OdradekError,
  type Random,
  type Timers,
} from '@odradek/runtime';
import { parseEnsemble } from '../core/quorum/ensemble.ts';
import { LeaderMachine } from '../core/quorum/leader.ts';
import type { LeaderEffect, LeaderInput } from '../core/quorum/leader-events.ts';
import type { LeaderMessage, LearnerMessage, LinkHandler, PeerLink } from '../peers/types.ts';
import { type FeedCounts, LearnerFeed } from './learner-feed.ts';
import type { ReplicaLimits } from './limits.ts';
import type { MarkKeeper } from './mark-keeper.ts';
import { type Members, memberSet } from './members.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import type {
  Leadership,
  LearnerListener,
  LearnerStatus,
  LogEntry,
  ReplicatedState,
} from './types.ts';

export interface LeaderHostParts {
  readonly serverId: number;
  /** As the election has found: nobody has any data. */
  readonly isFirst: boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly events: Log;
  readonly log: ReplicatedLog;
  readonly state: ReplicatedState;
  readonly members: Members;
  readonly marks: MarkKeeper;
  readonly limits: ReplicaLimits;
  readonly tickMs: number;
  readonly initLimit: number;
  readonly syncLimit: number;
  /** A quorum has our history. */
  readonly established: (leadership: Leadership) => void;
  /** A learner is brought in line: `diff`, `truncate` or `snapshot`. */
  readonly fed: (how: string) => void;
  /** Told once: this server leads no more. */
  readonly over: (reason: string) => void;
  /** The disk failed. */
  readonly failed: (error: unknown) => void;
}

/** A learner's link. */
interface Session {
  readonly id: number;
  readonly link: PeerLink<LeaderMessage>;
  /** The name that it has promised with an epoch; it may not bind yet. */
  promised: { readonly clusterId: string | null; readonly acceptedEpoch: number };
  isObserver: boolean;
  lastZxid: bigint;
  needsSnapshot: boolean;
  feed: LearnerFeed | null;
  /** It is sent what is proposed. */
  isAttached: boolean;
  /** It was told that it is up to date. */
  isServing: boolean;
  /** Messages of the server above, to leave after the commits of this turn. */
  tells: Uint8Array[];
}

/** 16 random bytes make 22 characters. */
const CLUSTER_ID_BYTES = 16;

export class LeaderHost implements Leadership {
  readonly #parts: LeaderHostParts;
  readonly #machine: LeaderMachine;
  readonly #deliver: Deliver<LeaderInput>;
  readonly #sessions = new Map<number, Session>();
  /** Those of the sessions that are sent what is proposed. */
  #attached: Session[] = [];
  readonly #feedCounts: FeedCounts = { snapshots: 0, diffs: 0 };
  /** Proposed in this turn. */
  #batch: LogEntry[] = [];
  /** What the attached learners know to be committed. */
  #toldCommitZxid = 0n;
  #isScheduled = false;
  #isServing = false;
  #isOver = false;
  #listener: LearnerListener | null = null;
  /** Wait for the next round of confirmation, and for the one that is under way. */
  #asked: (() => void)[] = [];
  #confirming: (() => void)[] = [];
  readonly #flushAfterTurn = (): void => this.#flush();

  constructor(parts: LeaderHostParts) {
    this.#parts = parts;
    const { members, marks, log, clock, timers, limits } = parts;
    this.#machine = new LeaderMachine(
      {
        serverId: parts.serverId,
        rules: members.certain.rules,
        change: members.change(),
        acceptedEpoch: marks.mark.acceptedEpoch,
        currentEpoch: marks.mark.currentEpoch,
        lastZxid: log.loggedZxid,
        durableZxid: log.durableZxid,
        committedZxid: log.committedZxid,
        isFirst: parts.isFirst,
        tickMs: parts.tickMs,
        initLimit: parts.initLimit,
        syncLimit: parts.syncLimit,
        handOverCounter: limits.handOverCounter,
      },
      clock.now(),
    );
    this.#deliver = drive(this.#machine, { clock, timers }, (effect) => this.#perform(effect));
    log.listen({ durable: (zxid) => this.#durable(zxid) });
  }

  /** To be called once. */
  begin(): void {
    this.#deliver({ kind: 'begin' });
  }

  get epoch(): number {
    return this.#machine.epoch;
  }

  get phase(): string {
    return this.#machine.phase;
  }

  get lastZxid(): bigint {
    return BigInt(this.#machine.epoch) << 32n;
  }

  get isEstablished(): boolean {
    return this.#isServing;
  }

  get outstandingBytes(): number {
    return this.#parts.log.unappliedBytes;
  }

  /** A server wants to learn from this one. */
  accept(link: PeerLink<LeaderMessage>): LinkHandler<LearnerMessage> {
    const session: Session = {
      id: link.peerId,
      link,
      promised: { clusterId: null, acceptedEpoch: 0 },
      isObserver: false,
      lastZxid: 0n,
      needsSnapshot: false,
      feed: null,
      isAttached: false,
      isServing: false,
      tells: [],
    };
    return {
      message: (message) => this.#heard(session, message),
      closed: (reason) => this.#forget(session, reason),
    };
  }

  /** A voter says that it looks for, or follows, somebody else. */
  contradicted(from: number): void {
    if (!this.#isServing) this.#deliver({ kind: 'contrary', from });
  }

  // Leadership

  listen(listener: LearnerListener): void {
    this.#listener = listener;
  }

  propose(entry: LogEntry): void {
    if (!this.#isServing) return;
    this.#parts.log.append(entry);
    this.#batch.push(entry);
    if (entry.ensembleText !== null) this.#tellProposed();
    this.#schedule();
  }

  confirm(confirmed: () => void): void {
    if (!this.#isServing) return;
    this.#asked.push(confirmed);
    this.#schedule();
  }

  tell(learnerId: number, bytes: Uint8Array): void {
    const session = this.#sessions.get(learnerId);
    if (session === undefined || !session.isServing) return;
    session.tells.push(bytes);
    this.#schedule();
  }

  learners(): readonly LearnerStatus[] {
    return this.#machine.learners().map(({ id, isObserver, ackedZxid, heardAt }) => ({
      serverId: id,
      isObserver,
      acknowledgedZxid: ackedZxid,
      heardAtMs: heardAt,
    }));
  }

  refusalOf(ensembleText: string): 'NEW_CONFIG_NO_QUORUM' | 'RECONFIG_IN_PROGRESS' | null {
    if (this.#parts.members.next !== null) return 'RECONFIG_IN_PROGRESS';
    const { rules } = memberSet(parseEnsemble(ensembleText));
    return this.#machine.isInSyncWith(rules) ? null : 'NEW_CONFIG_NO_QUORUM';
  }

  stepDown(reason: string): void {
    if (!this.#isOver) this.#deliver({ kind: 'resign', reason });
  }

  // Learners

  #heard(session: Session, message: LearnerMessage): void {
    if (this.#isOver) return;
    const { id: from } = session;
    // Of a link that another one has replaced, or that has said nothing of itself.
    if (message.kind !== 'hello' && this.#sessions.get(from) !== session) return;
    switch (message.kind) {
      case 'hello':
        this.#greeted(session, message);
        break;
      case 'ack':
        this.#deliver({ kind: 'ack', from, zxid: message.zxid });
        break;
      case 'pong':
        this.#deliver({ kind: 'pong', from, ping: message.ping });
        break;
      case 'tell':
        if (session.isServing) this.#listener?.told(from, message.bytes);
        break;
      case 'confirm':
        if (session.isServing) this.#confirmTo(session, message.id);
        break;
      case 'epochAccepted': {
        const { epoch, currentEpoch, lastZxid } = message;
        session.lastZxid = lastZxid;
        this.#deliver({ kind: 'epochAccepted', from, epoch, currentEpoch, lastZxid });
        break;
      }
      case 'synchronised':
        this.#deliver({ kind: 'synchronised', from, epoch: message.epoch });
        break;
    }
  }

  #greeted(session: Session, hello: Extract<LearnerMessage, { readonly kind: 'hello' }>): void {
    const earlier = this.#sessions.get(session.id);
    if (earlier !== undefined) this.#drop(earlier, 'a newer link of it has come');
    session.promised = hello;
    session.isObserver = hello.isObserver;
    session.lastZxid = hello.lastZxid;
    session.needsSnapshot = hello.needsSnapshot;
    this.#sessions.set(session.id, session);
    const { isObserver, acceptedEpoch, lastZxid, isNew } = hello;
    this.#deliver({ kind: 'hello', from: session.id, isObserver, acceptedEpoch, lastZxid, isNew });
  }

  #confirmTo({ link }: Session, id: number): void {
    this.confirm(() => link.send({ kind: 'confirmed', id }));
  }

  #drop(session: Session, reason: string): void {
    session.link.close(reason);
    this.#forget(session, reason);
  }

  #forget(session: Session, reason: string): void {
    session.feed?.stop();
    if (this.#sessions.get(session.id) !== session) return;
    this.#sessions.delete(session.id);
    if (session.isAttached) this.#attached = this.#attached.filter((other) => other !== session);
    if (this.#isOver) return;
    this.#parts.events.info('a learner is gone', { server: session.id, reason });
    if (session.isServing) this.#listener?.gone(session.id);
    this.#deliver({ kind: 'gone', from: session.id });
  }

  #feed(session: Session): void {
    const { clock, timers, log, state, limits, events } = this.#parts;
    const feed = new LearnerFeed({
      clock,
      timers,
      log,
      state,
      limits,
      counts: this.#feedCounts,
      link: session.link,
      attach: () => this.#attach(session),
      failed: (reason) => {
        session.link.send({ kind: 'refused', reason });
        this.#drop(session, reason);
      },
      began: (how) => {
        events.info('a learner is synchronised', { server: session.id, how });
        this.#parts.fed(how);
      },
    });
    session.feed = feed;
    feed.run(session.lastZxid, session.needsSnapshot).catch((error: unknown) => {
      if (!(error instanceof OdradekError)) throw error;
      events.error('a learner cannot be synchronised from this disk', {
        server: session.id,
        error,
      });
      this.#drop(session, 'its leader cannot read its own disk');
    });
  }

  #attach(session: Session): void {
    if (this.#isOver) return;
    this.#flush(); // What it was sent is not sent to it again.
    session.isAttached = true;
    session.feed = null;
    this.#attached.push(session);
    const { epoch } = this.#machine;
    const { text: ensembleText } = this.#parts.members.newest;
    session.link.send({ kind: 'newLeader', epoch, ensembleText });
    this.#deliver({ kind: 'attached', from: session.id });
  }

  // The log

  #durable(zxid: bigint): void {
    this.#tellProposed();
    this.#deliver({ kind: 'durable', zxid });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#parts.timers.afterTurn(this.#flushAfterTurn);
  }

  /** The machine learns of proposals before anybody can have acknowledged them. */
  #tellProposed(): void {
    const { members } = this.#parts;
    const last = this.#batch.at(-1);
    if (last === undefined || this.#isOver) return;
    const change = last.ensembleText === null ? null : members.change();
    this.#deliver({ kind: 'proposed', zxid: last.zxid, change });
  }

  /** Sends what came together in this turn: proposals, what is committed, then messages. */
  #flush(): void {
    this.#isScheduled = false;
    this.#tellProposed();
    if (this.#isOver) return;
    const { committedZxid } = this.#parts.log;
    const entries = this.#batch;
    if (entries.length > 0) {
      this.#batch = [];
      this.#sendToAttached({ kind: 'proposals', entries, committedZxid });
    } else if (committedZxid > this.#toldCommitZxid) {
      this.#sendToAttached({ kind: 'commit', zxid: committedZxid });
    }
    this.#toldCommitZxid = committedZxid;
    for (const { tells, link } of this.#sessions.values()) {
      if (tells.length === 0) continue;
      for (const bytes of tells.splice(0)) link.send({ kind: 'tell', bytes });
    }
    if (this.#asked.length === 0 || this.#confirming.length > 0) return;
    this.#confirming = this.#asked;
    this.#asked = [];
    this.#deliver({ kind: 'confirm' });
  }

  #sendToAttached(message: LeaderMessage): void {
    const { learnerUnsentBytes } = this.#parts.limits;
    for (const session of this.#attached) {
      if (session.link.unsentBytes > learnerUnsentBytes) {
        this.#drop(session, `it has left more than ${learnerUnsentBytes} bytes unread`);
      } else {
        session.link.send(message);
      }
    }
  }

  // Effects

  #perform(effect: LeaderEffect): void {
    switch (effect.kind) {
      case 'commit':
        this.#schedule();
        this.#parts.log.commit(effect.zxid);
        break;
      case 'ping':
        for (const { link } of this.#sessions.values()) {
          link.send({ kind: 'ping', ping: effect.ping });
        }
        break;
      case 'confirmed':
        this.#confirmed();
        break;
      case 'saveMark':
        this.#saveMark(effect);
        break;
      case 'newEpoch': {
        const { clusterId, fence } = this.#parts.marks.mark;
        const { text: ensembleText } = this.#parts.members.newest;
        if (clusterId === null) break; // Made with the epoch, before this.
        this.#sessions
          .get(effect.to)
          ?.link.send({ kind: 'newEpoch', epoch: effect.epoch, clusterId, fence, ensembleText });
        break;
      }
      case 'feed': {
        const session = this.#sessions.get(effect.to);
        if (session !== undefined) this.#feed(session);
        break;
      }
      case 'established':
        this.#isServing = true;
        this.#parts.established(this);
        break;
      case 'upToDate': {
        const session = this.#sessions.get(effect.to);
        if (session === undefined) break;
        session.isServing = true;
        const { committedZxid } = this.#machine;
        session.link.send({ kind: 'upToDate', committedZxid });
        break;
      }
      case 'drop': {
        const session = this.#sessions.get(effect.to);
        if (session !== undefined) this.#drop(session, effect.reason);
        break;
      }
      case 'activate': {
        this.#flush(); // The commit first.
        const { text: ensembleText } = this.#parts.members.certain;
        const { designatedLeaderId } = effect;
        this.#sendToAttached({ kind: 'activate', ensembleText, designatedLeaderId });
        break;
      }
      case 'resigned':
        this.#resigned(effect.reason);
        break;
    }
  }

  #saveMark({
    acceptedEpoch,
    currentEpoch,
  }: {
    acceptedEpoch: number;
    currentEpoch: number;
  }): void {
    const { marks, failed } = this.#parts;
    marks
      .save({ clusterId: marks.name ?? this.#nameToTake(), acceptedEpoch, currentEpoch })
      .then(() => this.#deliver({ kind: 'markSaved' }), failed);
  }

  /** The name that was promised last, by this server or one that has greeted it; a new one when there is none. */
  #nameToTake(): string {
    const { marks, random } = this.#parts;
    let last: Session['promised'] = marks.mark;
    for (const { promised } of this.#sessions.values()) {
      if (promised.clusterId === null) continue;
      if (last.clusterId === null || promised.acceptedEpoch > last.acceptedEpoch) last = promised;
    }
    return last.clusterId ?? random.bytes(CLUSTER_ID_BYTES).toString('base64url');
  }

  #confirmed(): void {
    this.#flush(); // Commits go before the word that they have gone.
    const confirmed = this.#confirming;
    this.#confirming = [];
    if (this.#asked.length > 0) this.#schedule();
    for (const call of confirmed) call();
  }

  #resigned(reason: string): void {
    this.#isOver = true;
    this.#isServing = false;
    this.#parts.log.listen(null);
    for (const session of this.#sessions.values()) {
      session.feed?.stop();
      session.link.close(`server ${this.#parts.serverId} does not lead any more: ${reason}`);
    }
    this.#sessions.clear();
    this.#attached = [];
    this.#batch = [];
    this.#asked = [];
    this.#confirming = [];
    this.#parts.over(reason);
  }
}
