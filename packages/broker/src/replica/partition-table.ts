/**
 * Values by topic and partition, without building a key for each look-up.
 */
export class PartitionTable<Value> {
  readonly #topics = new Map<string, Map<number, Value>>();

  get(topic: string, partition: number): Value | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  set(topic: string, partition: number, value: Value): void {
    const partitions = this.#topics.get(topic);
    if (partitions === undefined) this.#topics.set(topic, new Map([[partition, value]]));
    else partitions.set(partition, value);
  }

  delete(topic: string, partition: number): void {
    const partitions = this.#topics.get(topic);
    if (partitions === undefined) return;
    partitions.delete(partition);
    if (partitions.size === 0) this.#topics.delete(topic);
  }

  *values(): Generator<Value> {
    for (const partitions of this.#topics.values()) yield* partitions.values();
  }
}
