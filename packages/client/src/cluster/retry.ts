/**
 * When to try again: whether an error lets a repetition help, and how long to wait before it. The wait
 * doubles from a first value to a largest one and is spread by a fifth either way, so that many
 * clients that lost the same broker do not come back in step. Pure: chance and time are handed in.
 */
import { KafkaError } from '@odradek/protocol';
import { isRetriable, RequestTimedOut } from '../errors.ts';

export interface Backoff {
  readonly firstMs: number;
  readonly largestMs: number;
}

export const DEFAULT_BACKOFF: Backoff = { firstMs: 100, largestMs: 1_000 };

const SPREAD = 0.2;

/**
 * @param failures how many attempts failed so far, at least 1
 * @param chance uniformly in [0, 1)
 */
export function backoffMs(backoff: Backoff, failures: number, chance: number): number {
  const plain = Math.min(backoff.firstMs * 2 ** Math.min(failures - 1, 30), backoff.largestMs);
  return plain * (1 - SPREAD + 2 * SPREAD * chance);
}

export type RetryDecision =
  | { readonly kind: 'fail' }
  | { readonly kind: 'retry'; readonly afterMs: number; readonly refreshMetadata: boolean };

export interface Attempt {
  readonly error: unknown;
  readonly failures: number;
  /** Until the caller's patience ends, ms. */
  readonly timeLeftMs: number;
  readonly chance: number;
}

/** What to do after a failed attempt; a retry that would come too late is none. */
export function decideRetry(
  { error, failures, timeLeftMs, chance }: Attempt,
  backoff = DEFAULT_BACKOFF,
): RetryDecision {
  if (!isRetriable(error)) return { kind: 'fail' };
  const afterMs = backoffMs(backoff, failures, chance);
  if (afterMs >= timeLeftMs) return { kind: 'fail' };
  // A broken connection says nothing about why: the broker may be gone and the leader elsewhere.
  const refreshMetadata = !(error instanceof KafkaError) || error.staleMetadata;
  return { kind: 'retry', afterMs, refreshMetadata };
}

/**
 * What the caller is told when the time is up. An attempt that was cut off by it says nothing; the
 * failure before it says why the others came to nothing.
 * @param patienceMs for the call with all its attempts
 */
export function lastWord(error: unknown, earlier: Error | null, patienceMs: number): unknown {
  if (!(error instanceof RequestTimedOut)) return error;
  const why = earlier === null ? '' : `: ${earlier.message}`;
  return new RequestTimedOut(`no answer within ${patienceMs} ms${why}`, {
    cause: earlier ?? error,
  });
}
