/**
 * Where a consumer stands in each partition it reads: what is fetched next, what was handed out, what
 * may be committed. Pure.
 *
 * Three offsets per partition, each at or behind the one before: `fetch` (the next to be asked for),
 * `position` (the next to be handed out), `done` (the first that was not handed out and taken up by a
 * further poll). A seek raises the partition's `version`: what was fetched under an older one is void.
 */
import { partitionKey, type TopicPartition } from '../topic-partition.ts';
import type { SeekTarget } from './types.ts';

/** `committed`: ask the group; the others: ask the partition's leader. */
export type Wanted = 'committed' | 'beginning' | 'end' | { readonly timestamp: number };

export interface Place extends TopicPartition {
  readonly key: string;
  /** null while the position is not known. */
  fetch: number | null;
  position: number | null;
  done: number | null;
  /** What the position is to be, while it is not known. */
  wanted: Wanted | null;
  isPaused: boolean;
  version: number;
  highWatermark: number;
  /** A fetch of this partition is on its way. */
  isFetching: boolean;
  /** Not asked for before: after an error. */
  notBeforeMs: number;
  /** Fetched and not handed out. */
  bufferedBytes: number;
}

export class Positions {
  readonly #places = new Map<string, Place>();

  get places(): readonly Place[] {
    return [...this.#places.values()];
  }

  get(partition: TopicPartition): Place | undefined {
    return this.#places.get(partitionKey(partition));
  }

  /** Exactly these from now on; those that stay keep their place. */
  assign(partitions: readonly TopicPartition[], wanted: Wanted): void {
    const keys = new Set(partitions.map(partitionKey));
    for (const key of this.#places.keys()) if (!keys.has(key)) this.#places.delete(key);
    for (const { topic, partition } of partitions) {
      const key = partitionKey({ topic, partition });
      if (!this.#places.has(key)) this.#places.set(key, blank({ topic, partition }, key, wanted));
    }
  }

  seek(place: Place, target: SeekTarget): void {
    place.version += 1;
    place.bufferedBytes = 0;
    place.notBeforeMs = 0; // What was wrong was wrong there.
    const isKnown = typeof target === 'number';
    place.fetch = isKnown ? target : null;
    place.position = place.fetch;
    place.done = place.fetch;
    place.wanted = isKnown ? null : target;
  }

  /** The offset that was asked for; void if the user has gone elsewhere meanwhile. */
  found(place: Place, version: number, offset: number): void {
    if (place.version === version && place.wanted !== null) this.seek(place, offset);
  }

  /** Hands records up to before `next` out. */
  handOut(place: Place, next: number): void {
    place.position = next;
  }

  /** What was handed out counts as done. */
  takeUp(): void {
    for (const place of this.#places.values()) place.done = place.position;
  }

  /** What may be committed. */
  doneOffsets(): readonly (TopicPartition & { readonly offset: number })[] {
    return this.places.flatMap(({ topic, partition, done }) =>
      done === null ? [] : [{ topic, partition, offset: done }],
    );
  }

  /** Those whose position is not known. */
  get unknown(): readonly Place[] {
    return this.places.filter(({ wanted }) => wanted !== null);
  }

  /** Those that may be asked for now, as far as they themselves are concerned. */
  fetchable(nowMs: number, maxBufferedBytes: number): readonly Place[] {
    return this.places.filter(
      (place) =>
        place.fetch !== null &&
        !place.isPaused &&
        !place.isFetching &&
        place.notBeforeMs <= nowMs &&
        place.bufferedBytes < maxBufferedBytes,
    );
  }
}

function blank(partition: TopicPartition, key: string, wanted: Wanted): Place {
  return {
    ...partition,
    key,
    fetch: null,
    position: null,
    done: null,
    wanted,
    isPaused: false,
    version: 0,
    highWatermark: -1,
    isFetching: false,
    notBeforeMs: 0,
    bufferedBytes: 0,
  };
}
