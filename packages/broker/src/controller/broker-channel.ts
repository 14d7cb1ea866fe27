/**
 * The controller's line to one broker: control requests in order, one in flight, each sent again
 * until it is answered, as long as the broker is registered.
 *
 * A broker that is alive but cannot be reached lets requests pile up. Announcements that follow each
 * other are merged; if the line grows past its bound all the same, it is emptied and the controller
 * is asked to tell the broker everything anew.
 */
import type { Clock, Disarm, Log, Timers } from '@odradek/runtime';
import { millis } from '@odradek/runtime';
import type { AddressedRequest, PartitionAnnouncement } from '../core/controller/control-batch.ts';
import { keyOf } from '../core/controller/state.ts';

/** Pause before a request that failed is sent again. */
const RETRY_BACKOFF_MS = 100;
/** Failures in a row before that is worth a line: a broker that stops is gone in a moment. */
const FAILURES_UNTIL_TOLD = 10;
/** Requests that may wait for one broker. */
const QUEUED_REQUESTS_MAX = 2_000;

/** Sends one request and resolves with its answer carried out; rejects when it must be sent again. */
export interface ControlTransport {
  deliver(request: AddressedRequest): Promise<void>;
  close(): void;
}

export interface BrokerChannelOptions {
  readonly brokerId: number;
  readonly transport: ControlTransport;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** The line was emptied: the broker must be told everything. */
  readonly onOverflow: () => void;
}

export class BrokerChannel {
  readonly #options: BrokerChannelOptions;
  readonly #queue: AddressedRequest[] = [];
  #isSending = false;
  #isClosed = false;
  #failures = 0;
  #disarm: Disarm | null = null;

  constructor(options: BrokerChannelOptions) {
    this.#options = options;
  }

  send(request: AddressedRequest): void {
    if (this.#isClosed) return;
    const merged = this.#mergeIntoLast(request);
    if (!merged) this.#queue.push(request);
    if (this.#queue.length > QUEUED_REQUESTS_MAX) {
      this.#queue.length = this.#isSending ? 1 : 0;
      this.#options.onOverflow();
    }
    this.#next();
  }

  /** Drops what waits; what is in flight is not sent again. */
  close(): void {
    this.#isClosed = true;
    this.#disarm?.();
    this.#queue.length = 0;
    this.#options.transport.close();
  }

  /** The one in flight stays as it is; behind it, the last announcement takes up the next one. */
  #mergeIntoLast(next: AddressedRequest): boolean {
    const lastIndex = this.#queue.length - 1;
    const last = this.#queue[lastIndex];
    if (last === undefined || lastIndex < (this.#isSending ? 1 : 0)) return false;
    if (last.request.kind !== 'updateMetadata' || next.request.kind !== 'updateMetadata')
      return false;
    const partitions = new Map<string, PartitionAnnouncement>();
    for (const announced of [...last.request.partitions, ...next.request.partitions])
      partitions.set(keyOf(announced.topic, announced.partition), announced);
    this.#queue[lastIndex] = {
      ...next,
      request: { ...next.request, partitions: [...partitions.values()] },
    };
    return true;
  }

  #next(): void {
    const request = this.#queue[0];
    if (this.#isSending || this.#isClosed || request === undefined) return;
    this.#isSending = true;
    this.#options.transport.deliver(request).then(
      () => this.#answered(),
      (error: unknown) => this.#failed(error),
    );
  }

  #answered(): void {
    this.#isSending = false;
    this.#failures = 0;
    this.#queue.shift();
    this.#next();
  }

  #failed(error: unknown): void {
    if (this.#isClosed) return;
    const { brokerId, clock, timers, log } = this.#options;
    this.#failures += 1;
    if (this.#failures === FAILURES_UNTIL_TOLD)
      log.warn('cannot reach a broker, trying again', { brokerId, reason: String(error) });
    this.#disarm = timers.wakeAt(millis(clock.now() + RETRY_BACKOFF_MS), () => {
      this.#isSending = false;
      this.#next();
    });
  }
}
