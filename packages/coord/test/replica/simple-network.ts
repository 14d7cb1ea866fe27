/**
 * A PeerNetwork between servers of one test: links in order and without loss until they break, notes
 * that may be lost; latency by chance, cuts in one or both directions, ends of processes.
 */

import { OdradekError } from '@odradek/runtime';
import type {
  LeaderMessage,
  LearnerMessage,
  LinkHandler,
  Notification,
  PeerLink,
  PeerNetwork,
  PeerNetworkHandlers,
} from '../../src/peers/types.ts';
import type { VirtualTime } from './virtual-time.ts';

export class Unreachable extends OdradekError {
  readonly code = 'PEER_UNREACHABLE';
  readonly retriable = true;
}

/** Draws an integer in [0, limit). */
export type Draw = (limit: number) => number;

interface Place {
  readonly id: number;
  readonly process: { readonly isAlive: boolean; readonly pausedUntilMs: number };
  handlers: PeerNetworkHandlers | null;
}

/** Sees each message when it is sent; false: it breaks its link instead. */
export type Watch = (from: number, to: number, message: LeaderMessage | LearnerMessage) => boolean;

/** One direction of a link: in order, held back while its receiver wants no more. */
class Pipe<Message> {
  /** What comes is heard. */
  isHeard = true;
  receiver: LinkHandler<Message> | null = null;
  lastAtMs = 0;
  #isPaused = false;
  readonly #held: Message[] = [];

  arrive(message: Message): void {
    if (this.#isPaused) this.#held.push(message);
    else if (this.isHeard) this.receiver?.message(message);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    while (!this.#isPaused) {
      const message = this.#held.shift();
      if (message === undefined) return;
      if (this.isHeard) this.receiver?.message(message);
    }
  }
}

interface Link {
  readonly ends: readonly [number, number];
  break(reason: string): void;
}

export class SimpleNetwork {
  readonly #time: VirtualTime;
  readonly #draw: Draw;
  readonly #places = new Map<number, Place>();
  /** `1>2`: nothing gets from 1 to 2. */
  readonly #cuts = new Set<string>();
  readonly #links = new Set<Link>();
  /** When the last note arrives, by way. */
  readonly #notedAtMs = new Map<string, number>();
  watch: Watch = () => true;

  constructor(time: VirtualTime, draw: Draw) {
    this.#time = time;
    this.#draw = draw;
  }

  /** Silence in both directions; links stay until somebody gives up. */
  cut(one: number, other: number): void {
    this.cutOneWay(one, other);
    this.cutOneWay(other, one);
  }

  cutOneWay(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** What was silenced breaks, as TCP does after a while. */
  heal(): void {
    const were = [...this.#cuts];
    this.#cuts.clear();
    for (const cut of were) {
      const [from, to] = cut.split('>').map(Number) as [number, number];
      for (const link of [...this.#links]) {
        if (link.ends.includes(from) && link.ends.includes(to)) link.break('reset');
      }
      this.#tellReachable(from, to);
      this.#tellReachable(to, from);
    }
  }

  /** Somebody's greeting tells of a take-over. */
  tellFenced(id: number, fence: number): void {
    this.#places.get(id)?.handlers?.fenced(fence, 0);
  }

  breakLinks(one: number, other: number): void {
    for (const link of [...this.#links]) {
      if (link.ends.includes(one) && link.ends.includes(other)) link.break('broken');
    }
  }

  /** The process is gone: its links are reset, unless they were cut. */
  gone(id: number): void {
    this.#places.delete(id);
    for (const link of [...this.#links]) {
      if (link.ends.includes(id)) link.break('reset by peer');
    }
    for (const other of this.#places.keys()) {
      if (!this.#isCut(id, other)) this.#tellReachable(other, id);
    }
  }

  join(id: number, process: Place['process']): PeerNetwork {
    const place: Place = { id, process, handlers: null };
    const isHere = (): boolean => process.isAlive && this.#places.get(id) === place;
    return {
      start: (handlers) => {
        place.handlers = handlers;
        this.#places.set(id, place);
        for (const other of this.#places.keys()) {
          if (other === id) continue;
          this.#tellReachable(other, id);
          this.#tellReachable(id, other);
        }
        return Promise.resolve();
      },
      reconfigure: () => undefined,
      notify: (to, notification) => {
        if (isHere()) this.#notify(id, to, notification);
      },
      connect: (leaderId, attach) =>
        new Promise((resolve, reject) => {
          const refuse = (reason: string): void => reject(new Unreachable(reason));
          this.#later(place, () => {
            const leader = this.#places.get(leaderId);
            if (!isHere()) return;
            if (leader?.handlers == null) refuse(`server ${leaderId} is not there`);
            else if (this.#isCut(id, leaderId) || this.#isCut(leaderId, id)) {
              this.#time.after(500, () => refuse('timed out'));
            } else if (leader.process.pausedUntilMs > this.#time.now()) {
              this.#when(leader.process.pausedUntilMs, leader, () => refuse('timed out'));
            } else if (this.#connect(place, leader, attach)) resolve();
            else refuse(`server ${leaderId} does not lead`);
          });
        }),
      stop: () => {
        if (isHere()) this.gone(id);
        return Promise.resolve();
      },
    };
  }

  #connect(
    learner: Place,
    leader: Place,
    attach: (link: PeerLink<LearnerMessage>) => LinkHandler<LeaderMessage>,
  ): boolean {
    const up = new Pipe<LearnerMessage>();
    const down = new Pipe<LeaderMessage>();
    const link: Link = {
      ends: [learner.id, leader.id],
      break: (reason) => {
        if (!this.#links.delete(link)) return;
        this.#end(up, leader, reason);
        this.#end(down, learner, reason);
      },
    };
    this.#links.add(link);
    up.receiver = leader.handlers?.learner(this.#side(leader, learner, down, up, link)) ?? null;
    if (up.receiver === null) {
      this.#links.delete(link);
      return false;
    }
    down.receiver = attach(this.#side(learner, leader, up, down, link));
    return true;
  }

  /** Whoever still listens hears of the end. */
  #end<Message>(pipe: Pipe<Message>, receiver: Place, reason: string): void {
    if (!pipe.isHeard) return;
    this.#later(receiver, () => {
      if (pipe.isHeard) pipe.receiver?.closed(reason);
      pipe.isHeard = false;
    });
  }

  #side<Out extends LeaderMessage | LearnerMessage, In>(
    from: Place,
    to: Place,
    out: Pipe<Out>,
    back: Pipe<In>,
    link: Link,
  ): PeerLink<Out> {
    return {
      peerId: to.id,
      send: (message) => {
        if (!this.#links.has(link) || !from.process.isAlive) return;
        if (!this.watch(from.id, to.id, message)) {
          link.break('broken by the test');
          return;
        }
        out.lastAtMs = Math.max(out.lastAtMs, this.#time.now() + this.#latencyMs());
        this.#when(out.lastAtMs, to, () => {
          if (!this.#isCut(from.id, to.id)) out.arrive(message);
        });
      },
      unsentBytes: 0,
      whenWritable: () => Promise.resolve(),
      pause: () => back.pause(),
      resume: () => back.resume(),
      close: (reason) => {
        if (!back.isHeard) return;
        back.isHeard = false;
        // The other side hears of it after what was sent before.
        this.#when(Math.max(out.lastAtMs, this.#time.now() + this.#latencyMs()), to, () => {
          if (!this.#isCut(from.id, to.id)) link.break(reason);
        });
      },
    };
  }

  #notify(from: number, to: number, notification: Notification): void {
    if (this.#isCut(from, to)) return;
    const receiver = this.#places.get(to);
    if (receiver === undefined) return;
    // In order, as on a link; what is cut off meanwhile is lost.
    const key = `${from}>${to}`;
    const atMs = Math.max(this.#notedAtMs.get(key) ?? 0, this.#time.now() + this.#latencyMs());
    this.#notedAtMs.set(key, atMs);
    this.#when(atMs, receiver, () => {
      if (this.#isCut(from, to)) return;
      this.#places.get(to)?.handlers?.notified(from, notification);
    });
  }

  #tellReachable(at: number, other: number): void {
    const isReachable =
      this.#places.has(other) && !this.#isCut(at, other) && !this.#isCut(other, at);
    const place = this.#places.get(at);
    this.#later(place, () => place?.handlers?.reachable(other, isReachable));
  }

  #isCut(from: number, to: number): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  #latencyMs(): number {
    return 0.1 + this.#draw(10) / 10;
  }

  #later(receiver: Place | undefined, run: () => void): void {
    if (receiver !== undefined) this.#when(this.#time.now() + this.#latencyMs(), receiver, run);
  }

  /** At that time, or when the receiver runs again; never when its process is gone. */
  #when(atMs: number, receiver: Place, run: () => void): void {
    this.#time.at(atMs, () => {
      const { process } = receiver;
      if (!process.isAlive) return;
      if (process.pausedUntilMs > this.#time.now())
        this.#when(process.pausedUntilMs, receiver, run);
      else run();
    });
  }
}
