/**
 * Learners that come before this server knows that it leads: their links wait a moment instead of
 * being refused and made anew, which would be the longest step of a change of leaders.
 */
import type { LeaderMessage, LearnerMessage, LinkHandler, PeerLink } from '../peers/types.ts';

/** A learner says hello and waits; whoever says more is no learner of ours. */
const MESSAGES_MAX = 8;

interface Parked {
  readonly link: PeerLink<LeaderMessage>;
  readonly messages: LearnerMessage[];
  handler: LinkHandler<LearnerMessage> | null;
}

export class ParkedLinks {
  /** By id of the server: the newest link of each. */
  readonly #parked = new Map<number, Parked>();

  park(link: PeerLink<LeaderMessage>): LinkHandler<LearnerMessage> {
    this.#refuse(link.peerId, 'a newer link of it has come');
    const parked: Parked = { link, messages: [], handler: null };
    this.#parked.set(link.peerId, parked);
    return {
      message: (message) => {
        if (parked.handler !== null) parked.handler.message(message);
        else if (parked.messages.push(message) > MESSAGES_MAX)
          this.#refuse(link.peerId, 'too much');
      },
      closed: (reason) => {
        if (parked.handler !== null) parked.handler.closed(reason);
        else if (this.#parked.get(link.peerId) === parked) this.#parked.delete(link.peerId);
      },
    };
  }

  /** This server leads: it takes them over, with what they have said. */
  handOver(accept: (link: PeerLink<LeaderMessage>) => LinkHandler<LearnerMessage>): void {
    const all = [...this.#parked.values()];
    this.#parked.clear();
    for (const parked of all) {
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
    this.#parked.delete(id);
    parked.link.send({ kind: 'refused', reason });
    parked.link.close(reason);
  }
}
