/**
 * A learner at work: performs what LearnerMachine decides, with the link to the leader, the log and
 * the tree; and is the link that the server above is handed.
 *
 * Messages are taken in order; while the log is cut or replaced they wait, except pings. A disk that
 * is slower than the leader holds the link back, so that what waits in memory stays bounded.
 */
import {
  type Clock,
  type Deliver,
  drive,
  type Log,
  millis,
  OdradekError,
  type Timers,
} from '@odradek/runtime';
import { Fifo } from '../core/fifo.ts';
import { type LearnerEffect, type LearnerInput, LearnerMachine } from '../core/quorum/learner.ts';
import type {
  LeaderMessage,
  LearnerMessage,
  LinkHandler,
  PeerLink,
  PeerNetwork,
} from '../peers/types.ts';
import { CutTooDeep } from '../storage/errors.ts';
import type { TransactionLog } from '../storage/types.ts';
import type { ReplicaLimits } from './limits.ts';
import type { MarkKeeper } from './mark-keeper.ts';
import type { Members } from './members.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import { SnapshotBroken, SnapshotIntake } from './snapshot-intake.ts';
import type { LeaderLink, LogEntry } from './types.ts';

export interface LearnerHostParts {
  readonly leaderId: number;
  readonly isObserver: boolean;
  /** What was in the log could not be cut when a leader wanted it to be. */
  readonly needsSnapshot: boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly events: Log;
  readonly network: PeerNetwork;
  readonly log: ReplicatedLog;
  readonly disk: TransactionLog;
  readonly members: Members;
  readonly marks: MarkKeeper;
  readonly limits: ReplicaLimits;
  readonly tickMs: number;
  readonly initLimit: number;
  readonly syncLimit: number;
  /** As far as the leader was. */
  readonly following: (link: LeaderLink) => void;
  /** Told once: this leader is followed no more. */
  readonly over: (reason: string, needsSnapshot: boolean) => void;
  /** The disk failed. */
  readonly failed: (error: unknown) => void;
  /** The leader goes by other members than our file says. */
  readonly adopted: () => void;
}

/** Whoever waits for the leader's word, by the message that asked for it. */
interface Asked {
  readonly id: number;
  readonly callbacks: readonly (() => void)[];
}

export class LearnerHost implements LeaderLink {
  readonly leaderId: number;
  readonly isObserver: boolean;
  readonly #parts: LearnerHostParts;
  readonly #machine: LearnerMachine;
  readonly #deliver: Deliver<LearnerInput>;
  #link: PeerLink<LearnerMessage> | null = null;
  /** Came while the log was cut or replaced. */
  readonly #waiting = new Fifo<LeaderMessage>();
  /** The log is being cut or replaced. */
  #isBusy = false;
  /** Proposals that the machine has still to let pass. */
  readonly #proposals = new Fifo<readonly LogEntry[]>();
  #intake: SnapshotIntake | null = null;
  #needsSnapshot: boolean;
  #epochMessage: Extract<LeaderMessage, { readonly kind: 'newEpoch' }> | null = null;
  /** Why the link is held back; it is let go when nothing is left. */
  readonly #holds = new Set<'disk' | 'snapshot' | 'order'>();
  #ensembleText: string | null = null;
  #isOver = false;
  #told: ((bytes: Uint8Array) => void) | null = null;
  #asking: (() => void)[] = [];
  readonly #asked = new Fifo<Asked>();
  #lastAskedId = 0;
  readonly #ask = (): void => this.#askForConfirmation();

  constructor(parts: LearnerHostParts) {
    this.#parts = parts;
    this.leaderId = parts.leaderId;
    this.isObserver = parts.isObserver;
    this.#needsSnapshot = parts.needsSnapshot;
    const { leaderId, log, marks, clock, timers, tickMs, initLimit, syncLimit } = parts;
    this.#machine = new LearnerMachine(
      {
        leaderId,
        acceptedEpoch: marks.mark.acceptedEpoch,
        currentEpoch: marks.mark.currentEpoch,
        lastZxid: log.loggedZxid,
        durableZxid: log.durableZxid,
        appliedZxid: log.appliedZxid,
        committedZxid: log.committedZxid,
        tickMs,
        initLimit,
        syncLimit,
      },
      clock.now(),
    );
    this.#deliver = drive(this.#machine, { clock, timers }, (effect) => this.#perform(effect));
    log.listen({ durable: (zxid) => this.#deliver({ kind: 'durable', zxid }) });
  }

  /** To be called once. */
  begin(): void {
    this.#connect(1);
  }

  get epoch(): number {
    return this.#machine.epoch;
  }

  get phase(): string {
    return this.#machine.phase;
  }

  get isFollowing(): boolean {
    return this.#machine.isFollowing;
  }

  get unsentBytes(): number {
    return this.#link?.unsentBytes ?? 0;
  }

  /** Ends the role from this side. */
  stop(reason: string): void {
    if (!this.#isOver) this.#deliver({ kind: 'closed', reason });
  }

  // LeaderLink

  listen(told: (bytes: Uint8Array) => void): void {
    this.#told = told;
  }

  tell(bytes: Uint8Array): void {
    if (this.#machine.isFollowing) this.#link?.send({ kind: 'tell', bytes });
  }

  confirm(confirmed: () => void): void {
    if (!this.#machine.isFollowing) return;
    if (this.#asking.push(confirmed) === 1) this.#parts.timers.afterTurn(this.#ask);
  }

  // The link

  #connect(attempt: number): void {
    const { network, leaderId, limits, clock, timers } = this.#parts;
    network
      .connect(leaderId, (link) => this.#linked(link))
      .catch((error: unknown) => {
        if (!(error instanceof OdradekError)) throw error;
        if (this.#isOver) return;
        if (attempt >= limits.connectAttempts) {
          this.#deliver({ kind: 'closed', reason: error.message });
          return;
        }
        const waitMs = limits.connectRetryMs * 2 ** (attempt - 1);
        timers.wakeAt(millis(clock.now() + waitMs), () => {
          if (!this.#isOver) this.#connect(attempt + 1);
        });
      });
  }

  #linked(link: PeerLink<LearnerMessage>): LinkHandler<LeaderMessage> {
    if (this.#isOver) {
      link.close('this server looks for another leader by now');
    } else {
      this.#link = link;
      this.#deliver({ kind: 'linked' });
    }
    return {
      message: (message) => this.#heard(message),
      closed: (reason) => this.stop(`the link to server ${this.leaderId} is gone: ${reason}`),
    };
  }

  #heard(message: LeaderMessage): void {
    if (this.#isOver) return;
    // Whether this server is there, and follows nobody else, does not depend on its disk.
    if (message.kind === 'ping') this.#deliver(message);
    else if (this.#isBusy && !this.#isSnapshotPart(message)) this.#keep(message);
    else this.#take(message);
  }

  #isSnapshotPart({ kind }: LeaderMessage): boolean {
    return this.#intake !== null && (kind === 'snapshotPart' || kind === 'snapshotEnd');
  }

  #keep(message: LeaderMessage): void {
    this.#waiting.push(message);
    this.#hold('order');
  }

  #take(message: LeaderMessage): void {
    switch (message.kind) {
      case 'proposals':
        this.#propose(message);
        break;
      case 'tell':
        this.#deliver({ kind: 'heard' });
        this.#told?.(message.bytes);
        break;
      case 'confirmed':
        this.#deliver({ kind: 'heard' });
        this.#confirmed(message.id);
        break;
      case 'newEpoch':
        this.#promise(message);
        break;
      case 'newLeader':
        this.#ensembleText = message.ensembleText;
        this.#deliver(message);
        break;
      case 'upToDate':
        this.#deliver(message);
        this.#takeFromDisk();
        break;
      case 'snapshotPart':
        this.#deliver({ kind: 'heard' });
        this.#intake?.add(message.entries);
        break;
      case 'snapshotEnd':
        this.#deliver({ kind: 'heard' });
        this.#intake?.complete();
        this.#intake = null;
        break;
      default:
        this.#deliver(message);
    }
  }

  #propose({ entries, committedZxid }: Extract<LeaderMessage, { kind: 'proposals' }>): void {
    const [first] = entries;
    let lastZxid = 0n;
    for (const { zxid } of entries) {
      if (zxid <= lastZxid) {
        this.stop('its proposals are out of order');
        return;
      }
      lastZxid = zxid;
    }
    this.#proposals.push(entries);
    this.#deliver({ kind: 'proposals', firstZxid: first?.zxid ?? null, lastZxid, committedZxid });
  }

  #promise(message: Extract<LeaderMessage, { readonly kind: 'newEpoch' }>): void {
    const own = this.#parts.marks.name;
    if (own !== null && own !== message.clusterId) {
      this.stop(
        `server ${this.leaderId} is of the ensemble ${message.clusterId}, this server of ${own}`,
      );
      return;
    }
    this.#epochMessage = message;
    this.#deliver(message);
  }

  // Back-pressure

  #hold(why: 'disk' | 'snapshot' | 'order'): void {
    if (this.#holds.size === 0) this.#link?.pause();
    this.#holds.add(why);
  }

  #release(why: 'disk' | 'snapshot' | 'order'): void {
    if (this.#holds.delete(why) && this.#holds.size === 0) this.#link?.resume();
  }

  /** The disk, or a tree that is made anew, does not keep up with the leader. */
  #holdBackIfNeeded(): void {
    const { disk, log, limits, events } = this.#parts;
    const isMuch = log.unappliedBytes > limits.unappliedBytes;
    // A long history that nobody has called certain yet.
    if (isMuch && !log.isLoading && !this.#machine.isFollowing) {
      log.spill();
      events.info('the history is long: what is not certain yet is read from the disk later');
      this.#deliver({ kind: 'spilled' });
    }
    const waits = isMuch && log.isLoading;
    if ((!disk.isFull && !waits) || this.#holds.has('disk')) return;
    this.#hold('disk');
    disk
      .whenRoom()
      .then(() => (log.isLoading ? log.whenIdle() : undefined))
      .then(() => this.#release('disk'), this.#parts.failed);
  }

  /** Makes the tree anew when what it lacks is on the disk only. */
  #takeFromDisk(): void {
    const { log, failed } = this.#parts;
    if (!log.isSpilled) return;
    log
      .reload()
      .then(() => this.#deliver({ kind: 'reloaded', appliedZxid: log.appliedZxid }), failed);
  }

  // Effects

  #perform(effect: LearnerEffect): void {
    switch (effect.kind) {
      case 'append':
        this.#append();
        break;
      case 'commit':
        this.#parts.log.commit(effect.zxid);
        break;
      case 'epochAccepted':
      case 'synchronised':
      case 'ack':
      case 'pong':
        this.#link?.send(effect);
        break;
      case 'hello':
        this.#greet();
        break;
      case 'saveMark':
        this.#saveMark(effect.acceptedEpoch, effect.currentEpoch);
        break;
      case 'truncate':
        this.#isBusy = true;
        this.#truncate(effect.zxid).catch(this.#parts.failed);
        break;
      case 'replace':
        this.#isBusy = true;
        this.#replace(effect.zxid).catch(this.#parts.failed);
        break;
      case 'serve':
        this.#serve();
        break;
      case 'left':
        this.#left(effect.reason);
        break;
    }
  }

  #saveMark(acceptedEpoch: number, currentEpoch: number): void {
    const { marks, failed } = this.#parts;
    const leader = this.#epochMessage;
    // Whoever was never part of an ensemble takes over its name, and which take-overs it has seen.
    const joined =
      leader === null || marks.name !== null
        ? {}
        : { clusterId: leader.clusterId, fence: leader.fence };
    marks
      .save({ ...joined, acceptedEpoch, currentEpoch })
      .then(() => this.#deliver({ kind: 'markSaved' }), failed);
  }

  #append(): void {
    const { log } = this.#parts;
    const entries = this.#proposals.shift() ?? [];
    try {
      for (const entry of entries) log.append(entry);
    } catch (error) {
      // Members that cannot be read; the log has nothing of them.
      if (!(error instanceof OdradekError)) throw error;
      this.stop(`what it proposes cannot be taken: ${error.message}`);
    }
    this.#holdBackIfNeeded();
  }

  #greet(): void {
    const { marks, log, members, isObserver } = this.#parts;
    this.#link?.send({
      kind: 'hello',
      isObserver,
      clusterId: marks.mark.clusterId,
      acceptedEpoch: marks.mark.acceptedEpoch,
      currentEpoch: marks.mark.currentEpoch,
      lastZxid: log.loggedZxid,
      isNew: marks.isNew,
      needsSnapshot: this.#needsSnapshot,
      ensembleVersion: members.newest.ensemble.version,
    });
  }

  async #truncate(zxid: bigint): Promise<void> {
    const { log, events } = this.#parts;
    let isReloading: boolean;
    try {
      isReloading = await log.truncate(zxid);
    } catch (error) {
      if (!(error instanceof CutTooDeep)) throw error;
      this.#needsSnapshot = true;
      this.stop(`the log cannot be cut after 0x${zxid.toString(16)}: a snapshot is needed`);
      return;
    }
    events.info('the log was cut', { zxid: `0x${zxid.toString(16)}` });
    const reloaded = isReloading ? log.reload() : null;
    this.#deliver({ kind: 'truncated', zxid, isReloading });
    this.#goOn();
    if (reloaded === null) return;
    await reloaded;
    this.#deliver({ kind: 'reloaded', appliedZxid: log.appliedZxid });
  }

  async #replace(zxid: bigint): Promise<void> {
    const { log, limits } = this.#parts;
    const intake = new SnapshotIntake({
      waitingBytesMax: limits.intakeBytes,
      hold: () => this.#hold('snapshot'),
      release: () => this.#release('snapshot'),
    });
    this.#intake = intake;
    try {
      await log.replace(zxid, intake);
    } catch (error) {
      if (error instanceof SnapshotBroken) return;
      throw error;
    }
    const reloaded = log.reload();
    this.#needsSnapshot = false;
    this.#deliver({ kind: 'replaced', zxid });
    this.#goOn();
    await reloaded;
    this.#deliver({ kind: 'reloaded', appliedZxid: log.appliedZxid });
  }

  /** The log is in order again: what came meanwhile is taken, in order. */
  #goOn(): void {
    this.#isBusy = false;
    for (;;) {
      if (this.#isBusy || this.#isOver) return;
      const message = this.#waiting.shift();
      if (message === undefined) break;
      this.#take(message);
    }
    this.#release('order');
  }

  #serve(): void {
    const { members, events, adopted, following } = this.#parts;
    const ensembleText = this.#ensembleText;
    if (ensembleText !== null && members.adopt(ensembleText)) {
      events.warn('the leader goes by other members than our file says; its members count', {
        leader: this.leaderId,
      });
      adopted();
    }
    following(this);
  }

  // Confirmation

  #askForConfirmation(): void {
    const callbacks = this.#asking;
    this.#asking = [];
    if (this.#isOver) return;
    this.#lastAskedId += 1;
    this.#asked.push({ id: this.#lastAskedId, callbacks });
    this.#link?.send({ kind: 'confirm', id: this.#lastAskedId });
  }

  #confirmed(id: number): void {
    for (let asked = this.#asked.peek(); asked !== undefined; asked = this.#asked.peek()) {
      if (asked.id > id) return;
      this.#asked.shift();
      for (const callback of asked.callbacks) callback();
    }
  }

  #left(reason: string): void {
    this.#isOver = true;
    this.#parts.log.listen(null);
    this.#link?.close(reason);
    this.#intake?.break(reason);
    this.#takeFromDisk();
    this.#waiting.clear();
    this.#asking = [];
    this.#asked.clear();
    this.#parts.over(reason, this.#needsSnapshot);
  }
}
