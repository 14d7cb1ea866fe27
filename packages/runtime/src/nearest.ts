/**
 * The name somebody probably meant: nearest by edit distance.
 */

/** A guess may differ from what was written in at most this share of its characters. */
const MAX_DISTANCE_SHARE = 0.4;

/**
 * How many single-character insertions, deletions, replacements and swaps of neighbours turn one
 * text into the other (optimal string alignment).
 * @returns at most `limit + 1`, which stands for "more than `limit`"
 */
export function editDistance(from: string, to: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(from.length - to.length) > limit) return limit + 1;
  // Three rows of the usual table: distances of from's prefixes to every prefix of `to`.
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    let best = row;
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let distance = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (same ? 0 : 1),
      );
      const swapped =
        row > 1 &&
        column > 1 &&
        from[row - 1] === to[column - 2] &&
        from[row - 2] === to[column - 1];
      if (swapped) distance = Math.min(distance, at(beforePrevious, column - 2) + 1);
      current.push(distance);
      best = Math.min(best, distance);
    }
    if (best > limit) return limit + 1;
    beforePrevious = previous;
    previous = current;
  }
  return Math.min(at(previous, to.length), limit + 1);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}

/**
 * @returns the candidate nearest to `name`, the first of equals; null when all are too far to be meant
 */
export function nearestName(name: string, candidates: Iterable<string>): string | null {
  const written = name.toLowerCase();
  let nearest: string | null = null;
  let nearestDistance = Math.floor(name.length * MAX_DISTANCE_SHARE) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(written, candidate.toLowerCase(), nearestDistance - 1);
    if (distance >= nearestDistance) continue;
    nearest = candidate;
    nearestDistance = distance;
  }
  return nearest;
}
