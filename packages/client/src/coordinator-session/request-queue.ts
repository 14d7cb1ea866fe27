/**
 * The requests of a session between caller and wire: in order, a bounded number on their way, a bounded
 * number waiting for a link or for their turn. When a link breaks, reads that were on their way go to
 * the front again; everything else that was on its way has failed. Sending is the owner's.
 */
import type { RequestRecord, ResponseRecord } from 'node-zookeeper-client/lib/jute/index.js';

/** Requests on the wire at once; the server stops reading a connection at about a thousand. */
const IN_FLIGHT_REQUESTS_MAX = 128;
/** Requests that wait for a link or for their turn. */
export const WAITING_REQUESTS_MAX = 65_536;
const CONNECTION_LOSS = -4;

export interface QueuedRequest {
  readonly opCode: number;
  readonly payload: RequestRecord | null;
  /** Safe to ask again after a broken link. */
  readonly isRead: boolean;
  /** `wireError` 0 for success. */
  answer(wireError: number, response: ResponseRecord | null): void;
  /** It will never be sent. */
  reject(error: Error): void;
}

/** Puts a request on the wire and calls `reply` once. */
export type SendRequest = (
  request: QueuedRequest,
  reply: (wireError: number, response: ResponseRecord | null) => void,
) => void;

export class RequestQueue {
  readonly #send: SendRequest;
  readonly #waiting = new Set<QueuedRequest>();
  /** Reads whose link broke: they go before everything that waits. */
  #again: QueuedRequest[] = [];
  #inFlightCount = 0;
  #isOpen = false;
  #isEnding = false;

  constructor(send: SendRequest) {
    this.#send = send;
  }

  /** @returns false when too many wait already: it was not taken */
  add(request: QueuedRequest): boolean {
    if (this.#waiting.size >= WAITING_REQUESTS_MAX) return false;
    this.#waiting.add(request);
    this.#sendWaiting();
    return true;
  }

  /** A link is there: requests go out. */
  open(): void {
    this.#isOpen = true;
    this.#sendWaiting();
  }

  /** The link is gone, or about to be told so: nothing goes out until `open`. */
  shut(): void {
    this.#isOpen = false;
  }

  /** What waits is refused; reads on their way fail like writes when the link breaks. */
  end(error: () => Error): void {
    this.#isEnding = true;
    this.refuseWaiting(error);
  }

  refuseWaiting(error: () => Error): void {
    const refused = [...this.#again, ...this.#waiting];
    this.#again = [];
    this.#waiting.clear();
    for (const request of refused) request.reject(error());
  }

  #sendWaiting(): void {
    while (this.#isOpen && this.#inFlightCount < IN_FLIGHT_REQUESTS_MAX) {
      const request = this.#next();
      if (request === undefined) return;
      this.#inFlightCount += 1;
      this.#send(request, (wireError, response) => {
        this.#inFlightCount -= 1;
        if (wireError === CONNECTION_LOSS && request.isRead && !this.#isEnding)
          this.#again.push(request);
        else request.answer(wireError, response);
        this.#sendWaiting();
      });
    }
  }

  #next(): QueuedRequest | undefined {
    const again = this.#again.shift();
    if (again !== undefined) return again;
    for (const request of this.#waiting) {
      this.#waiting.delete(request);
      return request;
    }
    return undefined;
  }
}
