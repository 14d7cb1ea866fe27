/**
 * Which fetcher a followed partition belongs to: `num.replica.fetchers` for each source broker, a
 * partition always in the same one (Kafka's own hash, so that logs of both can be compared).
 */

import { Fetcher, type FetcherOptions } from './fetcher.ts';
import type { Partition } from './partition.ts';

export interface FetcherPoolOptions extends Omit<FetcherOptions, 'sourceId'> {
  /** num.replica.fetchers */
  readonly fetchersPerSource: number;
}

export class FetcherPool {
  readonly #options: FetcherPoolOptions;
  readonly #fetchers = new Map<string, Fetcher>();
  readonly #fetcherOf = new Map<Partition, Fetcher>();
  #closed = false;

  constructor(options: FetcherPoolOptions) {
    this.#options = options;
  }

  /** Lets `partition` follow broker `sourceId`, instead of whom it followed before. */
  follow(partition: Partition, sourceId: number): void {
    this.unfollow(partition);
    if (this.#closed) return;
    const key = `${sourceId}-${fetcherIndex(partition, this.#options.fetchersPerSource)}`;
    let fetcher = this.#fetchers.get(key);
    if (fetcher === undefined) {
      fetcher = new Fetcher({ ...this.#options, sourceId });
      this.#fetchers.set(key, fetcher);
    }
    this.#fetcherOf.set(partition, fetcher);
    fetcher.add(partition);
  }

  /** Nothing is fetched for `partition` any more; a truncation may still be under way. */
  unfollow(partition: Partition): void {
    this.#fetcherOf.get(partition)?.remove(partition);
    this.#fetcherOf.delete(partition);
  }

  /** Stops all, and starts nothing any more. */
  close(): void {
    this.#closed = true;
    for (const fetcher of this.#fetchers.values()) fetcher.close();
    this.#fetchers.clear();
    this.#fetcherOf.clear();
  }
}

function fetcherIndex({ topic, index }: Partition, count: number): number {
  let hash = 0;
  for (let at = 0; at < topic.length; at += 1) hash = (31 * hash + topic.charCodeAt(at)) | 0;
  return Math.abs((31 * hash + index) | 0) % count;
}
