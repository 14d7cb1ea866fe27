/**
 * What a leader does with what learners tell it: their clients' writes go the way of its own, what they
 * heard of sessions is noted, and whether a session is alive is answered.
 */
import { MalformedMessage, type Reader, zookeeperErrorCodes } from '@odradek/protocol/zookeeper';
import type { Log } from '@odradek/runtime';
import type { Identity } from '../core/tree/acl.ts';
import type { Leadership, LearnerListener } from '../replica/types.ts';
import { LeaderMessages, type LearnerItems, LearnerMessageReader } from './ensemble-messages.ts';
import { decodeWrite } from './request-decoding.ts';
import type { SessionHost } from './session-host.ts';
import type { WritePath } from './write-path.ts';

const unreadable = { kind: 'refused', wire: zookeeperErrorCodes.MARSHALLING_ERROR } as const;

export interface LearnerRequestsParts {
  readonly leadership: Leadership;
  readonly writes: WritePath;
  readonly sessions: SessionHost;
  readonly log: Log;
}

export class LearnerRequests implements LearnerListener {
  readonly #parts: LearnerRequestsParts;
  readonly #reader = new LearnerMessageReader();
  readonly #learners = new Map<number, LearnerDesk>();

  constructor(parts: LearnerRequestsParts) {
    this.#parts = parts;
  }

  told(learnerId: number, bytes: Uint8Array): void {
    let desk = this.#learners.get(learnerId);
    if (desk === undefined) {
      desk = new LearnerDesk(learnerId, this.#parts);
      this.#learners.set(learnerId, desk);
    }
    try {
      this.#reader.read(bytes, desk);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      // Checksums held and versions agreed: it says things that this server does not know.
      this.#parts.log.error(
        'a message of another server makes no sense; the rest of it is dropped',
        {
          serverId: learnerId,
          reason: error.message,
        },
      );
    }
  }

  gone(learnerId: number): void {
    this.#learners.delete(learnerId);
  }
}

/** One learner's wishes. */
class LearnerDesk implements LearnerItems {
  readonly #serverId: number;
  readonly #parts: LearnerRequestsParts;
  readonly #answers: LeaderMessages;

  constructor(serverId: number, parts: LearnerRequestsParts) {
    this.#serverId = serverId;
    this.#parts = parts;
    this.#answers = new LeaderMessages((bytes) => parts.leadership.tell(serverId, bytes));
  }

  request(
    requestId: number,
    sessionId: bigint,
    isLocal: boolean,
    identities: readonly Identity[],
    opCode: number,
    body: Reader,
  ): void {
    // The learner has read it as well, and counts on a transaction for it, whatever becomes of it.
    const request = decodeWrite(opCode, body)?.request ?? unreadable;
    const origin = { serverId: this.#serverId, requestId };
    this.#parts.writes.submitFor(origin, request, { sessionId, identities, isLocal });
  }

  createSession(requestId: number, sessionId: bigint, timeoutMs: number, password: Buffer): void {
    const request = { kind: 'createSession', timeoutMs, password } as const;
    const origin = { serverId: this.#serverId, requestId };
    this.#parts.writes.submitFor(origin, request, { sessionId, identities: [] });
  }

  refused(requestId: number, sessionId: bigint, isLocal: boolean, wire: number): void {
    const origin = { serverId: this.#serverId, requestId };
    const requester = { sessionId, identities: [], isLocal };
    this.#parts.writes.submitFor(origin, { kind: 'refused', wire }, requester);
  }

  heard(sessionIds: readonly bigint[]): void {
    for (const id of sessionIds) this.#parts.sessions.heard(id);
  }

  renew(ticket: number, sessionId: bigint, timeoutMs: number): void {
    this.#parts.sessions.renewFor(this.#serverId, sessionId, timeoutMs, (isAlive) =>
      this.#answers.renewed(ticket, isAlive),
    );
  }
}
