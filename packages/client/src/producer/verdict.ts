/**
 * What becomes of a batch that was answered with an error code. Pure.
 *
 * With sequence numbers, "out of order" has two meanings: something sent earlier failed and will come
 * again (then this batch comes again behind it), or the broker has lost our place (then the batch is
 * lost to us: repeating it under a new number could double it, so it fails and a new identity begins).
 */
import { KafkaError } from '@odradek/protocol';

export type Verdict =
  | { readonly kind: 'succeed' }
  | { readonly kind: 'retry' }
  /** Half the records at a time. */
  | { readonly kind: 'split' }
  /** With `leavesGap` its numbers are spent: what follows in its partition needs a new identity. */
  | { readonly kind: 'fail'; readonly leavesGap: boolean };

export interface Failure {
  readonly error: Error & { readonly retriable?: boolean };
  readonly recordCount: number;
  readonly isIdempotent: boolean;
  /** Nothing that was sent before it is still unanswered. */
  readonly isOldest: boolean;
  /** Attempts and time are left. */
  readonly mayRetry: boolean;
}

export function judge(failure: Failure): Verdict {
  const { error, isIdempotent, mayRetry } = failure;
  const code = error instanceof KafkaError ? error.code : null;
  switch (code) {
    case 'DUPLICATE_SEQUENCE_NUMBER':
      return { kind: 'succeed' }; // It is there already: an earlier attempt's answer was lost.
    case 'MESSAGE_TOO_LARGE':
      return failure.recordCount > 1
        ? { kind: 'split' }
        : { kind: 'fail', leavesGap: isIdempotent };
    case 'OUT_OF_ORDER_SEQUENCE_NUMBER':
    case 'UNKNOWN_PRODUCER_ID':
    case 'INVALID_PRODUCER_EPOCH':
      if (!isIdempotent) return { kind: 'fail', leavesGap: false };
      return failure.isOldest || !mayRetry ? { kind: 'fail', leavesGap: true } : { kind: 'retry' };
    default:
      if (error.retriable === true && mayRetry) return { kind: 'retry' };
      // Given up, whether it was written or not: those behind it may not follow it.
      return { kind: 'fail', leavesGap: isIdempotent };
  }
}
