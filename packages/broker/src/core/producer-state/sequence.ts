/**
 * Sequence numbers of idempotent producers: 31 bits, counting records, 2147483647 followed by 0.
 * Pure.
 */

const SEQUENCE_MAX = 0x7fff_ffff;

/** The sequence `count` records after `sequence`. */
export function sequenceAfter(sequence: number, count: number): number {
  return sequence > SEQUENCE_MAX - count ? count - (SEQUENCE_MAX - sequence) - 1 : sequence + count;
}

/** Tells whether `next` is the sequence right after `last`; `last` is -1 before the first record. */
export function follows(last: number, next: number): boolean {
  return next === last + 1 || (last === SEQUENCE_MAX && next === 0);
}

/** The sequence `count` records before `sequence`. */
export function sequenceBefore(sequence: number, count: number): number {
  return sequence >= count ? sequence - count : SEQUENCE_MAX - (count - sequence) + 1;
}
