/**
 * The way of a write on a server that does not decide: told to the leader as it came, and answered
 * once the transaction that it became is applied here.
 *
 * The leader takes what it is told in order and makes a transaction of everything, refusals included,
 * so the oldest write that waits is always the next one to come back. What comes back is found by its
 * origin; what waits when the leader is lost is forgotten, like the connections it came from.
 */
import { InvariantViolation } from '@odradek/runtime';
import { Fifo } from '../core/fifo.ts';
import type { Requester } from '../core/transaction/prepare.ts';
import type { WriteRequest } from '../core/transaction/request.ts';
import type { LeaderLink, LogEntry } from '../replica/types.ts';
import type { LearnerMessages } from './ensemble-messages.ts';
import { decodeRecord } from './record-codec.ts';
import type { Expected, Stint, Waiter } from './server-state.ts';
import type { RequestBytes, Writes } from './write-path.ts';

interface Forwarded {
  readonly requestId: number;
  readonly waiter: Waiter | null;
}

export interface ForwardedWritesParts {
  readonly link: LeaderLink;
  readonly messages: LearnerMessages;
  readonly serverId: number;
  /** Rises with each call, also across restarts. */
  nextRequestId(): number;
  /** Whether the leader does not know the session. */
  isLocal(sessionId: bigint): boolean;
}

export class ForwardedWrites implements Writes, Pick<Stint, 'expected'> {
  readonly wantsBytes = true;
  readonly #parts: ForwardedWritesParts;
  readonly #waiting = new Fifo<Forwarded>();

  constructor(parts: ForwardedWritesParts) {
    this.#parts = parts;
  }

  get pendingCount(): number {
    return this.#waiting.length;
  }

  confirm(confirmed: () => void): void {
    this.#parts.link.confirm(confirmed);
  }

  submit(
    request: WriteRequest,
    requester: Requester,
    waiter: Waiter | null,
    bytes: RequestBytes | null,
  ): void {
    const { messages, isLocal, nextRequestId } = this.#parts;
    const { sessionId, identities } = requester;
    const requestId = nextRequestId();
    this.#waiting.push({ requestId, waiter });
    if (request.kind === 'createSession') {
      messages.createSession(requestId, sessionId, request.timeoutMs, request.password);
    } else if (request.kind === 'refused') {
      messages.refused(requestId, sessionId, isLocal(sessionId), request.wire);
    } else {
      if (bytes === null) throw new InvariantViolation('a request to be forwarded has its bytes');
      messages.request(requestId, sessionId, isLocal(sessionId), identities, bytes);
    }
  }

  expected({ record: bytes, origin }: LogEntry): Expected | null {
    if (origin === null || origin.serverId !== this.#parts.serverId) return null;
    const next = this.#waiting.peek();
    if (next?.requestId !== origin.requestId) return null;
    this.#waiting.shift();
    return { record: decodeRecord(bytes), waiter: next.waiter };
  }
}
