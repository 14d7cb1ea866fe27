/** Hands out producer ids from blocks that the controller grants, so that no id is ever given twice in a cluster. */

import { KafkaError } from '@odradek/protocol';
import { OdradekError } from '@odradek/runtime';

export interface ProducerIdBlock {
  readonly first: bigint;
  readonly count: number;
}

export class ProducerIds {
  readonly #allocate: () => Promise<ProducerIdBlock>;
  #next = 0n;
  #left = 0;
  #asking: Promise<void> | null = null;

  /** @param allocate asks for a new block; rejects when the controller cannot be reached */
  constructor(allocate: () => Promise<ProducerIdBlock>) {
    this.#allocate = allocate;
  }

  /** null when no block can be had now: the client is to ask again. */
  async next(): Promise<bigint | null> {
    while (this.#left === 0) {
      this.#asking ??= this.#refill();
      try {
        await this.#asking;
      } catch (error) {
        if (error instanceof OdradekError || error instanceof KafkaError) return null;
        throw error;
      }
    }
    this.#left -= 1;
    return this.#next++;
  }

  async #refill(): Promise<void> {
    try {
      const { first, count } = await this.#allocate();
      this.#next = first;
      this.#left = count;
    } finally {
      this.#asking = null;
    }
  }
}
