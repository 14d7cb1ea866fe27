/**
 * Learners that come before this server knows that it leads: their links wait a moment instead of
 * being refused and made anew, which would be the longest step of a change of leaders.
 */
import { type Disarm, millis, type Time } from '@odradek/runtime';
import type { LeaderMessage, LearnerMessage, LinkHandler, PeerLink } from '../peers/types.ts';

/** A learner says hello and waits; whoever says more is no learner of ours. */
const MESSAGES_MAX = 8;
/** An election that is decided elsewhere is decided here by then, or will not be so. */
const PARKED_MS_MAX = 500;

interface Parked {
  readonly link: PeerLink<LeaderMessage>;
  readonly messages: LearnerMessage[];
  handler: LinkHandler<LearnerMessage> | null;
  readonly disarm: Disarm;
}

export class ParkedLinks {
  readonly #time: Time;
  /** By id of the server: the newest link of each. */
  readonly #parked = new Map<number, Parked>();

  constructor(time: Time) {
    this.#time = time;
  }

  park(link: PeerLink<LeaderMessage>): LinkHandler<LearnerMessage> {
    this.#refuse(link.peerId, 'a newer link of it has come');
    const { clock, timers } = this.#time;
    const disarm = timers.wakeAt(millis(clock.now() + PARKED_MS_MAX), () => {
      if (this.#parked.get(link.peerId) === parked) {
        this.#refuse(link.peerId, 'this server was not elected');
      }
    });
    const parked: Parked = { link, messages: [], handler: null, disarm };
    this.#parked.set(link.peerId, parked);
    return {
      message: (message) => {
        if (parked.handler !== null) parked.handler.message(message);
        else if (parked.messages.push(message) > MESSAGES_MAX)
          this.#refuse(link.peerId, 'too much');
      },
      closed: (reason) => {
        if (parked.handler !== null) parked.handler.closed(reason);
        else if (this.#parked.get(link.peerId) === parked) this.#forget(parked);
      },
    };
  }

  /** This server leads: it takes them over, with what they have said. */
  handOver(accept: (link: PeerLink<LeaderMessage>) => LinkHandler<LearnerMessage>): void {
    const all = [...this.#parked.values()];
    this.#parked.clear();
    for (const parked of all) {
      parked.disarm();
      const handler = accept(parked.link);
      parked.handler = handler;
      for (const message of parked.messages.splice(0)) handler.message(message);
    }
  }

  refuseAll(reason: string): void {
    for (const id of [...this.#parked.keys()]) this.#refuse(id, reason);
  }

  #refuse(id: number, reason: string): void {
    const parked = this.#parked.get(id);
    if (parked === undefined) return;
    this.#forget(parked);
    parked.link.send({ kind: 'refused', reason });
    parked.link.close(reason);
  }

  #forget(parked: Parked): void {
    parked.disarm();
    this.#parked.delete(parked.link.peerId);
  }
}
