/**
 * Which aborted transactions a reader of committed records must know of, for a range of offsets.
 *
 * They are found by their markers: in the segment that the range begins in, and in later ones, for
 * a transaction may have been aborted long after its records were written. The search ends where
 * an entry says that nothing older than the range's end was open any more.
 */
import type { LogReader } from './log-reader.ts';
import type { LogResources } from './log-resources.ts';
import type { LogState } from './log-state.ts';
import type { AbortedTransaction, OffsetRange } from './transaction-index.ts';

const NONE: readonly AbortedTransaction[] = [];

/**
 * What was aborted and has records in the range, in the order of the markers. At once when no marker
 * behind the range's start aborts anything, which the segments know without looking into files.
 */
export function abortedTransactions(
  resources: LogResources,
  state: LogState,
  reader: LogReader,
  range: OffsetRange,
): readonly AbortedTransaction[] | Promise<readonly AbortedTransaction[]> {
  if (range.from >= range.to || !mayHave(state, range.from)) return NONE;
  return reader.undisturbed(async () => {
    const { segments } = state;
    const found: AbortedTransaction[] = [];
    for (let at = firstSegment(state, range.from); ; at += 1) {
      const segment = segments.at(at);
      if (segment === undefined) return found;
      const index = segment.transactionIndex;
      if (index === null || index.lastOffset < range.from) continue;
      if (await index.collect(resources.files, range, found)) return found;
    }
  });
}

/** Tells whether any transaction was aborted by a marker at or behind `offset`. */
function mayHave(state: LogState, offset: number): boolean {
  const { all } = state.segments;
  for (let at = firstSegment(state, offset); at < all.length; at += 1) {
    const index = all[at]?.transactionIndex;
    if (index !== null && index !== undefined && index.lastOffset >= offset) return true;
  }
  return false;
}

function firstSegment({ segments }: LogState, offset: number): number {
  return Math.max(0, segments.indexOf(offset));
}
