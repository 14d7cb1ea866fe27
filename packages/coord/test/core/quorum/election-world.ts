/**
 * A group of election machines in virtual time, on a network that loses, delays and reorders notes.
 *
 * What replication does with a decision is reduced to its outline: a leader without a quorum that
 * follows it, and a follower whose leader does not lead, look again after a while.
 */
import { millis } from '@odradek/runtime';
import {
  type ElectionEffect,
  type ElectionInput,
  ElectionMachine,
} from '../../../src/core/quorum/election.ts';
import type { Ensemble } from '../../../src/core/quorum/ensemble.ts';
import { QuorumRules } from '../../../src/core/quorum/rules.ts';
import { isSameVote, type Notification, type Vote } from '../../../src/core/quorum/vote.ts';

export interface WorldOptions {
  readonly ensemble: Ensemble;
  readonly seed: number;
  /** Of a hundred notes so many are lost. */
  readonly lossPercent: number;
  readonly delayMsMax: number;
  /** History and age of disks; epoch 1, zxid 1 and not new when not given. */
  readonly disks?: ReadonlyMap<number, { epoch: number; zxid: bigint; isNew: boolean }>;
}

interface Server {
  readonly id: number;
  readonly disk: { epoch: number; zxid: bigint; isNew: boolean };
  machine: ElectionMachine;
  isUp: boolean;
  /** Whom it decided for; null: looks. */
  leaderId: number | null;
  decidedAtMs: number;
  /** Everything it ever said since it is up. */
  said: Notification[];
  wakeAtMs: number | null;
}

interface Happening {
  readonly atMs: number;
  readonly order: number;
  happen(): void;
}

const PATIENCE_MS = 1_500;
const CUT_NOTICED_MS = 600;

export class ElectionWorld {
  readonly #options: WorldOptions;
  readonly rules: QuorumRules;
  readonly servers = new Map<number, Server>();
  readonly #events: Happening[] = [];
  readonly #cut = new Set<string>();
  #order = 0;
  #random: number;
  nowMs = 0;
  sentCount = 0;
  /** This many-th note and wake-up is lost. */
  loseNote = -1;
  loseWake = -1;
  #wakeCount = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = options.seed >>> 0;
    this.rules = new QuorumRules(options.ensemble);
    for (const id of options.ensemble.servers.keys()) {
      const disk = options.disks?.get(id) ?? { epoch: 1, zxid: 1n, isNew: false };
      this.servers.set(id, {
        id,
        disk,
        machine: this.#newMachine(id),
        isUp: false,
        leaderId: null,
        decidedAtMs: 0,
        said: [],
        wakeAtMs: null,
      });
    }
  }

  /** No participant has anything; one that may not lead is new as well. */
  get isFirst(): boolean {
    return this.rules.voters.every((id) => {
      const { zxid, isNew } = this.#server(id).disk;
      return zxid === 0n && (isNew || this.rules.mayLead(id));
    });
  }

  draw(limit: number): number {
    this.#random = (this.#random + 0x6d2b79f5) >>> 0;
    let mixed = this.#random;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  start(...ids: number[]): void {
    for (const id of ids) {
      const server = this.#server(id);
      server.machine = this.#newMachine(id);
      server.isUp = true;
      server.said = [];
      this.#look(server);
      for (const other of this.servers.values()) {
        if (other.id !== id) this.#noticeBoth(other, server, this.#delay());
      }
    }
  }

  kill(id: number): void {
    const server = this.#server(id);
    server.isUp = false;
    server.leaderId = null;
    for (const other of this.servers.values()) {
      if (other.id === id || !other.isUp || this.#isCut(id, other.id)) continue;
      this.#noticeBoth(other, server, this.#delay());
      if (other.leaderId === id || other.leaderId === other.id) {
        this.#after(this.#delay(), () => this.#reconsider(other));
      }
    }
  }

  /** Nothing passes between servers of different sides. */
  cut(...sides: readonly (readonly number[])[]): void {
    const sideOf = (id: number): number => sides.findIndex((side) => side.includes(id));
    for (const one of this.servers.keys()) {
      for (const other of this.servers.keys()) {
        if (sideOf(one) !== sideOf(other)) this.#cut.add(`${one} ${other}`);
      }
    }
    this.#noticeAll();
  }

  heal(): void {
    this.#cut.clear();
    this.#noticeAll();
  }

  runFor(spanMs: number): void {
    const endMs = this.nowMs + spanMs;
    for (;;) {
      const next = this.#nextEvent();
      if (next === null || next.atMs > endMs) break;
      this.#events.splice(this.#events.indexOf(next), 1);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.happen();
    }
    this.nowMs = endMs;
  }

  /** Runs until this holds; the virtual time it took, or null. */
  runUntil(holds: () => boolean, limitMs: number): number | null {
    const startMs = this.nowMs;
    while (this.nowMs - startMs < limitMs) {
      if (holds()) return this.nowMs - startMs;
      this.runFor(1);
    }
    return holds() ? this.nowMs - startMs : null;
  }

  /** The leader that every one of these follows or is; null when they do not agree. */
  leaderOf(ids: readonly number[]): number | null {
    const leaders = new Set(ids.map((id) => this.#server(id).leaderId));
    const [leader] = leaders;
    return leaders.size === 1 ? (leader ?? null) : null;
  }

  deliver(id: number, input: ElectionInput): void {
    this.#step(this.#server(id), input);
  }

  #server(id: number): Server {
    const server = this.servers.get(id);
    if (server === undefined) throw new RangeError(`no server ${id}`);
    return server;
  }

  #newMachine(serverId: number): ElectionMachine {
    return new ElectionMachine({
      serverId,
      current: this.#options.ensemble,
      pending: null,
      notificationMs: 200,
      notificationMsMax: 2_000,
      finalizeMs: 200,
    });
  }

  #look(server: Server): void {
    server.leaderId = null;
    const { epoch, zxid, isNew } = server.disk;
    this.#step(server, { kind: 'look', vote: { leaderId: server.id, epoch, zxid }, isNew });
  }

  #step(server: Server, input: ElectionInput | { kind: 'tick' }): void {
    if (!server.isUp) return;
    for (const effect of server.machine.step(input, millis(this.nowMs))) {
      this.#perform(server, effect);
    }
    this.#arm(server);
  }

  #arm(server: Server): void {
    const deadline = server.machine.deadline();
    if (deadline === null || deadline === server.wakeAtMs) return;
    server.wakeAtMs = deadline;
    const { machine } = server;
    const lateMs = this.#wakeCount++ === this.loseWake ? 5_000 : 0;
    this.#after(Math.max(0, deadline - this.nowMs) + lateMs, () => {
      if (server.machine !== machine) return;
      if (server.wakeAtMs === deadline) server.wakeAtMs = null;
      if ((machine.deadline() ?? Number.POSITIVE_INFINITY) <= this.nowMs) {
        this.#step(server, { kind: 'tick' });
      } else {
        this.#arm(server);
      }
    });
  }

  #perform(server: Server, effect: ElectionEffect): void {
    if (effect.kind === 'decided') {
      this.#requireQuorum(server, effect.vote);
      server.leaderId = effect.vote.leaderId;
      this.#lookAfter(server);
      return;
    }
    const { to, notification } = effect;
    server.said.push(notification);
    const isLost = this.sentCount++ === this.loseNote || this.draw(100) < this.#options.lossPercent;
    if (isLost) return;
    const receiver = this.#server(to);
    this.#after(this.#delay(), () => {
      if (!this.#isCut(server.id, to)) {
        this.#step(receiver, { kind: 'heard', from: server.id, notification });
      }
    });
  }

  /** Whoever makes itself leader had a quorum that said so in one round; new disks count only when nobody has anything. */
  #requireQuorum(server: Server, vote: Vote): void {
    if (!this.rules.mayLead(vote.leaderId)) throw new Error(`${vote.leaderId} must not lead`);
    if (vote.leaderId !== server.id) return;
    const { round } = server.machine.view;
    const all = [...this.servers.values()];
    const { isFirst } = this;
    const supporters = all.filter(
      ({ id, said, disk }) =>
        (isFirst || !disk.isNew) &&
        (id === server.id ||
          said.some(
            (note) =>
              note.state === 'looking' && note.round === round && isSameVote(note.vote, vote),
          )),
    );
    if (!this.rules.isQuorum(supporters.map(({ id }) => id))) {
      throw new Error(`server ${server.id} made itself leader without a quorum`);
    }
  }

  /** What replication finds out sooner or later: there is no leader there, or there are no followers. */
  #reconsider(server: Server): void {
    if (!server.isUp || server.leaderId === null) return;
    if (!this.#isLed(server)) this.#look(server);
    else if (this.nowMs - server.decidedAtMs >= PATIENCE_MS) this.#lookAfter(server);
  }

  #lookAfter(server: Server): void {
    server.decidedAtMs = this.nowMs;
    this.#after(PATIENCE_MS, () => this.#reconsider(server));
  }

  #isLed(server: Server): boolean {
    const leader = server.leaderId === null ? undefined : this.servers.get(server.leaderId);
    if (leader === undefined || !leader.isUp || leader.leaderId !== leader.id) return false;
    if (leader !== server) return !this.#isCut(server.id, leader.id);
    const followers = [...this.servers.values()].filter(
      ({ id, isUp, leaderId }) => isUp && leaderId === server.id && !this.#isCut(id, server.id),
    );
    return this.rules.isQuorum(followers.map(({ id }) => id));
  }

  #isCut(one: number, other: number): boolean {
    return this.#cut.has(`${one} ${other}`);
  }

  #noticeAll(): void {
    const all = [...this.servers.values()];
    for (const one of all) {
      for (const other of all) if (one.id < other.id) this.#noticeBoth(one, other, CUT_NOTICED_MS);
      this.#after(CUT_NOTICED_MS, () => this.#reconsider(one));
    }
  }

  #noticeBoth(one: Server, other: Server, afterMs: number): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      this.#after(afterMs + this.#delay(), () => {
        const isReachable = to.isUp && !this.#isCut(from.id, to.id);
        this.#step(from, { kind: 'reachable', serverId: to.id, isReachable });
      });
    }
  }

  #delay(): number {
    return this.draw(this.#options.delayMsMax + 1);
  }

  #after(spanMs: number, happen: () => void): void {
    this.#events.push({ atMs: this.nowMs + spanMs, order: this.#order++, happen });
  }

  #nextEvent(): Happening | null {
    let next: Happening | null = null;
    for (const event of this.#events) {
      if (
        next === null ||
        event.atMs < next.atMs ||
        (event.atMs === next.atMs && event.order < next.order)
      ) {
        next = event;
      }
    }
    return next;
  }
}
