/**
 * The log that the server holds on to while the log behind it changes: after a cut, or when a
 * snapshot took everything's place, another one goes on from another zxid.
 */
import type { OdradekError, Timers } from '@odradek/runtime';
import type { GroupCommitLog } from './transaction-log.ts';
import type { TransactionLog } from './types.ts';

export class LogSwitch implements TransactionLog {
  readonly #timers: Timers;
  #current: GroupCommitLog;
  #failure: OdradekError | null = null;

  constructor(timers: Timers, current: GroupCommitLog) {
    this.#timers = timers;
    this.#current = current;
  }

  get lastZxid(): bigint {
    return this.#current.lastZxid;
  }

  get pendingBytes(): number {
    return this.#current.pendingBytes;
  }

  get isFull(): boolean {
    return this.#current.isFull;
  }

  whenRoom(): Promise<void> {
    return this.#current.whenRoom();
  }

  append(
    payload: Uint8Array,
    zxid: bigint,
    durable: () => void,
    failed?: (error: OdradekError) => void,
  ): void {
    const failure = this.#failure;
    if (failure === null) this.#current.append(payload, zxid, durable, failed);
    else if (failed !== undefined) this.#timers.afterTurn(() => failed(failure));
  }

  /** @throws the failure, if the log failed */
  whenDurable(): Promise<void> {
    return this.#failure === null ? this.#current.whenDurable() : Promise.reject(this.#failure);
  }

  /** From now on it is this log. */
  turnTo(log: GroupCommitLog): void {
    this.#current = log;
  }

  /** No log could be put in the place of the closed one. */
  fail(error: OdradekError): void {
    this.#failure = error;
  }

  /** @throws the failure, if the log failed */
  close(): Promise<void> {
    return this.#failure === null ? this.#current.close() : Promise.resolve();
  }
}
