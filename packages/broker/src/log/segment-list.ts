/**
 * The segments of one log, by base offset. There is always one; the last is the active one, the
 * only one that is appended to.
 */
import { InvariantViolation } from '@odradek/runtime';
import type { Segment } from './segment.ts';

export class SegmentList {
  #segments: Segment[];

  /** @param segments ascending, at least one */
  constructor(segments: readonly Segment[]) {
    this.#segments = [...segments];
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get active(): Segment {
    const last = this.#segments.at(-1);
    if (last === undefined) throw new InvariantViolation('a log has at least one segment');
    return last;
  }

  get first(): Segment {
    return this.#segments[0] ?? this.active;
  }

  get sizeBytes(): number {
    let size = 0;
    for (const segment of this.#segments) size += segment.sizeBytes;
    return size;
  }

  /** Index of the segment with the greatest base offset that is not above `offset`; -1 below all. */
  indexOf(offset: number): number {
    const active = this.#segments.length - 1;
    if ((this.#segments[active]?.baseOffset ?? 0) <= offset) return active;
    let low = 0;
    let high = active;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#segments[middle]?.baseOffset ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  at(index: number): Segment | undefined {
    return this.#segments[index];
  }

  add(segment: Segment): void {
    this.#segments.push(segment);
  }

  /** Takes out the first `count` segments; one must stay. */
  removeFirst(count: number): readonly Segment[] {
    return this.#remove(0, count);
  }

  /** Takes out the segments with a base offset of at least `offset`; the caller adds one if none is left. */
  removeFrom(offset: number): readonly Segment[] {
    const first = this.#segments.findIndex(({ baseOffset }) => baseOffset >= offset);
    return first < 0 ? [] : this.#remove(first, this.#segments.length - first);
  }

  /** Puts `segment` in the place of some neighbours, of which the active one is none. */
  replace(neighbours: readonly Segment[], segment: Segment): void {
    const [first] = neighbours;
    const start = first === undefined ? -1 : this.#segments.indexOf(first);
    if (start < 0) throw new InvariantViolation('only segments of the log can be replaced');
    this.#remove(start, neighbours.length);
    this.#segments.splice(start, 0, segment);
  }

  /** Puts `segment` in the place of all others. */
  replaceAll(segment: Segment): readonly Segment[] {
    const removed = this.#remove(0, this.#segments.length);
    this.#segments = [segment];
    return removed;
  }

  #remove(start: number, count: number): readonly Segment[] {
    const kept = [...this.#segments];
    const removed = kept.splice(start, count);
    for (const segment of removed) segment.removed = true;
    this.#segments = kept;
    return removed;
  }
}
