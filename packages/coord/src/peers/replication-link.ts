/**
 * One side of a replication stream: messages of types.ts over a connection that has been greeted.
 */
import { encodeLearnerMessage } from './codec.ts';
import { FRAME_BYTES_MAX } from './frame.ts';
import type { Attached } from './handshake.ts';
import { encodeLeaderMessage } from './leader-codec.ts';
import type { PeerConnection } from './peer-connection.ts';
import type { LeaderMessage, LearnerMessage, LinkHandler, PeerLink } from './types.ts';

export class ReplicationLink<Out> implements PeerLink<Out> {
  readonly peerId: number;
  readonly #connection: PeerConnection;
  readonly #encode: (message: Out) => readonly Buffer[];
  readonly #isGathered: (message: Out) => boolean;

  /** @param isGathered whether it stands for all that its sender has to say in this turn */
  constructor(
    peerId: number,
    connection: PeerConnection,
    encode: (message: Out) => readonly Buffer[],
    isGathered: (message: Out) => boolean,
  ) {
    this.peerId = peerId;
    this.#connection = connection;
    this.#encode = encode;
    this.#isGathered = isGathered;
  }

  send(message: Out): void {
    if (this.#connection.isOver) return;
    const isGathered = this.#isGathered(message);
    for (const frame of this.#encode(message)) this.#connection.send(frame, isGathered);
  }

  get unsentBytes(): number {
    return this.#connection.unsentBytes;
  }

  whenWritable(): Promise<void> {
    return this.#connection.whenWritable();
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  close(reason: string): void {
    this.#connection.close(reason);
  }
}

export const toLeader = (message: LearnerMessage): readonly Buffer[] => [
  encodeLearnerMessage(message),
];

/** Requests of clients come one by one; all else is said once in a turn. */
export const isGatheredByLearner = ({ kind }: LearnerMessage): boolean => kind !== 'tell';

/** What a leader says it has gathered at the end of its turn. */
export const isGatheredByLeader = (): boolean => true;

/** A message that goes to many learners in a row becomes bytes once. */
export function sharedLeaderEncoder(): (message: LeaderMessage) => readonly Buffer[] {
  let last: LeaderMessage | null = null;
  let frames: readonly Buffer[] = [];
  return (message) => {
    if (message === last) return frames;
    last = message;
    frames = encodeLeaderMessage(message);
    return frames;
  };
}

/** @param decode is handed memory that may be kept */
export function receiving<In>(decode: (payload: Buffer) => In, handler: LinkHandler<In>): Attached {
  return {
    payloadBytesMax: FRAME_BYTES_MAX,
    handler: {
      // The one copy of what is received: records are views of it.
      payload: (payload, isOwned) =>
        handler.message(decode(isOwned ? payload : Buffer.from(payload))),
      closed: (reason) => handler.closed(reason),
    },
  };
}
