/**
 * What a log ought to know of transactions, worked out anew from a plain list of its batches: slow,
 * and too simple to be wrong. The log's own answers are compared with these.
 */
import { encodeTransactionMarker } from './batch-tools.ts';
import { batchOf } from './support.ts';

export interface ModelBatch {
  readonly producerId: bigint | null;
  readonly kind: 'plain' | 'data' | 'commit' | 'abort';
  readonly firstOffset: number;
  readonly lastOffset: number;
}

export interface ModelAborted {
  readonly producerId: bigint;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly lastStableOffset: number;
}

export interface TransactionFacts {
  /** In the order of their markers. */
  readonly aborted: readonly ModelAborted[];
  /** First offsets of the transactions that are open at the end, by producer. */
  readonly open: ReadonlyMap<bigint, number>;
  /** All that ended. */
  readonly ended: readonly { readonly firstOffset: number; readonly lastOffset: number }[];
}

export function factsOfBatches(batches: readonly ModelBatch[]): TransactionFacts {
  const open = new Map<bigint, number>();
  const aborted: ModelAborted[] = [];
  const ended: { firstOffset: number; lastOffset: number }[] = [];
  for (const { producerId, kind, firstOffset, lastOffset } of batches) {
    if (producerId === null || kind === 'plain') continue;
    const began = open.get(producerId);
    if (kind === 'data') {
      if (began === undefined) open.set(producerId, firstOffset);
      continue;
    }
    if (began === undefined) continue;
    open.delete(producerId);
    ended.push({ firstOffset: began, lastOffset });
    if (kind === 'commit') continue;
    const lastStableOffset = Math.min(...open.values(), lastOffset + 1);
    aborted.push({ producerId, firstOffset: began, lastOffset, lastStableOffset });
  }
  return { aborted, open, ended };
}

/** What is aborted and has records in `from` to `to`. */
export function abortedIn(facts: TransactionFacts, from: number, to: number): ModelAborted[] {
  if (from >= to) return [];
  return facts.aborted.filter(
    ({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to,
  );
}

export function stableOffset(
  facts: TransactionFacts,
  logStartOffset: number,
  highWatermark: number,
): number {
  const undecided = [
    ...facts.open.values(),
    ...facts.ended
      .filter(({ lastOffset }) => lastOffset >= highWatermark)
      .map(({ firstOffset }) => firstOffset),
  ];
  return Math.min(highWatermark, Math.max(logStartOffset, Math.min(...undecided, highWatermark)));
}

/** The bytes of a batch of the model; offsets and epoch are the log's to give. */
export function bytesOfBatch(batch: {
  readonly producerId: bigint | null;
  readonly kind: ModelBatch['kind'];
  readonly count: number;
  readonly mark: number;
}): Buffer {
  const { producerId, kind, count, mark } = batch;
  if (producerId === null || kind === 'plain') return batchOf({ count, mark });
  if (kind === 'data') {
    return batchOf({ count, mark, producerId, transactional: true, baseSequence: 0 });
  }
  return encodeTransactionMarker({
    kind,
    producerId,
    producerEpoch: 0,
    coordinatorEpoch: 1,
    timestamp: 1_700_000_000_000,
  });
}
