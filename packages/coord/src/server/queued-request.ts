/**
 * Requests in their place in a session's order, while they wait: writes for their commit, reads for
 * the writes before them, or for word that nothing newer was acknowledged elsewhere.
 */
import type { Reader } from '@odradek/protocol/zookeeper';
import type { Applied } from '../core/transaction/apply.ts';
import type { TransactionRecord } from '../core/transaction/record.ts';
import type { Waiter } from './server-state.ts';

export interface Queued {
  readonly xid: number;
  readonly opCode: number;
  readonly receivedAtMs: number;
  readonly sizeBytes: number;
  /** The body of a read; null for a write, which is on its way already. */
  readonly body: Reader | null;
  /** Whether a read may run once it stands in front; false while a confirmation is on its way. */
  readonly isReady: boolean;
}

/** A read that waits. */
export class PendingRead implements Queued {
  readonly xid: number;
  readonly opCode: number;
  readonly receivedAtMs: number;
  readonly sizeBytes: number;
  readonly body: Reader;
  isReady: boolean;

  constructor(
    xid: number,
    opCode: number,
    body: Reader,
    receivedAtMs: number,
    sizeBytes: number,
    isReady: boolean,
  ) {
    this.xid = xid;
    this.opCode = opCode;
    this.body = body;
    this.receivedAtMs = receivedAtMs;
    this.sizeBytes = sizeBytes;
    this.isReady = isReady;
  }
}

export type Completed = (write: PendingWrite, record: TransactionRecord, applied: Applied) => void;

/** A write on its way; its connection may go before it comes back. */
export class PendingWrite implements Queued, Waiter {
  readonly xid: number;
  readonly opCode: number;
  readonly resultTypes: readonly number[];
  readonly receivedAtMs: number;
  readonly sizeBytes: number;
  readonly body = null;
  readonly isReady = false;
  readonly #completed: Completed;

  constructor(
    completed: Completed,
    xid: number,
    opCode: number,
    resultTypes: readonly number[],
    receivedAtMs: number,
    sizeBytes: number,
  ) {
    this.#completed = completed;
    this.xid = xid;
    this.opCode = opCode;
    this.resultTypes = resultTypes;
    this.receivedAtMs = receivedAtMs;
    this.sizeBytes = sizeBytes;
  }

  complete(record: TransactionRecord, applied: Applied): void {
    this.#completed(this, record, applied);
  }
}
