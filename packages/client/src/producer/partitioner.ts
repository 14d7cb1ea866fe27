/**
 * Which partition a record goes to: by its key's murmur2 hash over all partitions, as every Kafka
 * client does, or, without a key, "sticky": one partition until a batch's worth went there, then
 * another. Pure but for the sticky choice, whose chance is handed in.
 */
import { murmur2 } from './murmur2.ts';

export interface PartitionChoice {
  readonly topic: string;
  readonly key: Buffer | null;
  readonly sizeBytes: number;
  readonly partitionCount: number;
  /** Partitions that have a leader, ascending; never empty unless none has. */
  readonly available: readonly number[];
}

export interface Partitioner {
  partition(choice: PartitionChoice): number;
}

/** The partition of a key: `toPositive(murmur2(key)) mod partitionCount`. */
export function partitionOfKey(key: Buffer, partitionCount: number): number {
  return (murmur2(key) & 0x7fff_ffff) % partitionCount;
}

export class StickyPartitioner implements Partitioner {
  readonly #batchBytes: number;
  readonly #below: (limit: number) => number;
  readonly #stuck = new Map<string, { partition: number; bytesLeft: number }>();

  /** @param below a uniformly chosen integer in [0, limit) */
  constructor(batchBytes: number, below: (limit: number) => number) {
    this.#batchBytes = batchBytes;
    this.#below = below;
  }

  partition({ topic, key, sizeBytes, partitionCount, available }: PartitionChoice): number {
    if (key !== null) return partitionOfKey(key, partitionCount);
    const stuck = this.#stuck.get(topic);
    if (stuck !== undefined && stuck.bytesLeft > 0 && stuck.partition < partitionCount) {
      stuck.bytesLeft -= sizeBytes;
      return stuck.partition;
    }
    const partition = this.#next(stuck?.partition, partitionCount, available);
    this.#stuck.set(topic, { partition, bytesLeft: this.#batchBytes - sizeBytes });
    return partition;
  }

  /** Another than the last one, where there is another. */
  #next(last: number | undefined, partitionCount: number, available: readonly number[]): number {
    if (available.length === 0) return this.#below(partitionCount);
    const others = available.filter((partition) => partition !== last);
    const candidates = others.length === 0 ? available : others;
    return candidates[this.#below(candidates.length)] ?? 0;
  }
}
