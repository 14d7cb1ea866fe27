/**
 * The requests of a session in their order: those that wait for a link, and those that were sent and
 * not answered yet. Answers come in order, so the oldest one is always the one that is answered.
 * Pure: the host sends, and says when a link is there.
 */
import { MalformedMessage, type Reader, type ReplyHeader } from '@odradek/protocol';

/** Requests that may wait or be unanswered at once. */
export const REQUESTS_MAX = 100_000;
/** Numbers begin again at 1 before they would leave int32. */
const XID_MAX = 0x7fff_fff0;

export interface LinedUpRequest {
  readonly opCode: number;
  readonly body: Buffer | null;
  readonly answer: (header: ReplyHeader, reader: Reader) => void;
  readonly reject: (error: Error) => void;
}

interface Sent extends LinedUpRequest {
  readonly xid: number;
}

export class RequestLine {
  readonly #waiting: LinedUpRequest[] = [];
  readonly #unanswered: Sent[] = [];
  #lastXid = 0;

  get isFull(): boolean {
    return this.#waiting.length + this.#unanswered.length >= REQUESTS_MAX;
  }

  wait(request: LinedUpRequest): void {
    this.#waiting.push(request);
  }

  /** Those that waited, for sending now. */
  takeWaiting(): readonly LinedUpRequest[] {
    return this.#waiting.splice(0);
  }

  /** @returns the number it is to be sent with */
  sent(request: LinedUpRequest): number {
    this.#lastXid = this.#lastXid >= XID_MAX ? 1 : this.#lastXid + 1;
    this.#unanswered.push({ ...request, xid: this.#lastXid });
    return this.#lastXid;
  }

  /** @throws MalformedMessage when the answer is to something else than the oldest request */
  answered(header: ReplyHeader, reader: Reader): void {
    const oldest = this.#unanswered.shift();
    if (oldest === undefined || oldest.xid !== header.xid) {
      oldest?.reject(new MalformedMessage(`an answer to request ${header.xid}`));
      throw new MalformedMessage(`an answer to request ${header.xid}, not ${oldest?.xid ?? 'any'}`);
    }
    try {
      oldest.answer(header, reader);
    } catch (error) {
      oldest.reject(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  /** What was sent fails; with `all` also what still waits. */
  fail(makeError: () => Error, all: boolean): void {
    for (const request of this.#unanswered.splice(0)) request.reject(makeError());
    if (all) for (const request of this.#waiting.splice(0)) request.reject(makeError());
  }
}
