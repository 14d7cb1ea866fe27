/**
 * What a walk over a log knows of transactions: whether a batch belongs to one that was aborted, and
 * whether anything is left of the transaction that a marker ends.
 *
 * The walk goes by offset. Which transactions were aborted is known beforehand, from transaction
 * indexes; a marker whose data the walk has not met may go, for nobody needs to be told of its end.
 */
import { decodeControlRecord, openRecords, producerId } from '@odradek/protocol';

/** A transaction that was aborted, as a transaction index tells. */
export interface AbortedData {
  readonly producerId: bigint;
  readonly firstOffset: number;
  /** Of its marker. */
  readonly lastOffset: number;
  readonly lastStableOffset: number;
}

interface OngoingAborted {
  readonly transaction: AbortedData;
  /** A batch of it was met. */
  readonly seen: boolean;
}

/** A trace that is carried on in another thread. */
export interface TraceState {
  readonly committed: readonly bigint[];
  readonly aborted: readonly OngoingAborted[];
}

export const NO_TRACE: TraceState = { committed: [], aborted: [] };

export class TransactionTrace {
  /** Producers of which data was met that is not known to be aborted, and no marker since. */
  readonly #committed: Set<bigint>;
  readonly #aborted: Map<bigint, OngoingAborted>;
  /** Not reached yet, the one that begins first at the end. */
  readonly #ahead: AbortedData[];
  readonly #keptMarker: (transaction: AbortedData) => void;

  /**
   * @param aborted all aborted transactions with records in what will be walked
   * @param keptMarker called for each abort marker that must stay because data is left
   */
  constructor(
    aborted: readonly AbortedData[],
    from: TraceState = NO_TRACE,
    keptMarker: (transaction: AbortedData) => void = () => {},
  ) {
    this.#committed = new Set(from.committed);
    this.#aborted = new Map(from.aborted.map((known) => [known.transaction.producerId, known]));
    this.#ahead = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset);
    this.#keptMarker = keptMarker;
  }

  /** Meets data of magic 2. @returns true when it was aborted */
  data(buffer: Buffer, at: number, lastOffset: number, transactional: boolean): boolean {
    this.#reach(lastOffset);
    if (!transactional) return false;
    const id = producerId(buffer, at);
    const aborted = this.#aborted.get(id);
    if (aborted === undefined) {
      this.#committed.add(id);
      return false;
    }
    if (!aborted.seen) this.#aborted.set(id, { ...aborted, seen: true });
    return true;
  }

  /** Meets a control batch. @returns true when nothing is left of the transaction that it ends */
  control(buffer: Buffer, at: number, lastOffset: number): boolean {
    this.#reach(lastOffset);
    const cursor = openRecords(buffer, at, { verifyChecksum: false });
    if (!cursor.next()) return true; // Emptied by an earlier compaction.
    const { kind } = decodeControlRecord(cursor.record());
    const id = producerId(buffer, at);
    if (kind === 'commit') return !this.#committed.delete(id);
    if (kind !== 'abort') return false;
    const aborted = this.#aborted.get(id);
    this.#aborted.delete(id);
    if (aborted === undefined || !aborted.seen) return true;
    this.#keptMarker(aborted.transaction);
    return false;
  }

  state(): TraceState {
    return { committed: [...this.#committed], aborted: [...this.#aborted.values()] };
  }

  #reach(offset: number): void {
    for (;;) {
      const next = this.#ahead.at(-1);
      if (next === undefined || next.firstOffset > offset) return;
      this.#ahead.pop();
      if (this.#aborted.has(next.producerId)) continue;
      this.#aborted.set(next.producerId, { transaction: next, seen: false });
    }
  }
}
