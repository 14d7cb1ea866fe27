/**
 * Leader epochs of one log: where each began. They tell a follower how far its log agrees with the
 * leader's, which offsets alone cannot (KIP-101). Pure; the checkpoint file is checkpoint-file.ts.
 */
import type { EpochEntry } from './checkpoint-file.ts';
import type { EpochEnd } from './log-types.ts';

/**
 * Epochs kept per partition. An epoch costs an entry only if leadership changed in it, and
 * retention drops old ones; beyond this the oldest are forgotten.
 */
export const EPOCHS_PER_PARTITION_MAX = 10_000;

const UNDEFINED: EpochEnd = { epoch: -1, endOffset: -1 };

export class LeaderEpochs {
  /** Ascending in both fields. */
  #entries: EpochEntry[];
  /** Counts changes, so that the file's writer sees what it has not written. */
  #version = 0;

  constructor(entries: readonly EpochEntry[] = []) {
    this.#entries = [...entries];
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries;
  }

  get version(): number {
    return this.#version;
  }

  get latest(): number | null {
    return this.#entries.at(-1)?.epoch ?? null;
  }

  /** Notes that the batch at `startOffset` is of `epoch`; a repetition changes nothing. */
  assign(epoch: number, startOffset: number): void {
    if (epoch < 0) return;
    const last = this.#entries.at(-1);
    if (last !== undefined && last.epoch === epoch && startOffset >= last.startOffset) return;
    // A smaller epoch, or one that begins earlier, proves what is here to be of a lost branch.
    while (this.#entries.length > 0) {
      const top = this.#entries.at(-1);
      if (top === undefined || (top.epoch < epoch && top.startOffset < startOffset)) break;
      this.#entries.pop();
    }
    this.#entries.push({ epoch, startOffset });
    if (this.#entries.length > EPOCHS_PER_PARTITION_MAX) this.#entries.shift();
    this.#version += 1;
  }

  /**
   * Where `epoch` ends in a log that ends at `logEndOffset`: the reply to OffsetForLeaderEpoch.
   * @returns (-1, -1) when nothing is known of `epoch` or of a later one
   */
  endOf(epoch: number, logEndOffset: number): EpochEnd {
    if (epoch < 0) return UNDEFINED;
    if (epoch === this.latest) return { epoch, endOffset: logEndOffset };
    const nextIndex = this.#entries.findIndex((entry) => entry.epoch > epoch);
    const next = this.#entries[nextIndex];
    if (next === undefined) return UNDEFINED;
    const floor = this.#entries[nextIndex - 1];
    return { epoch: floor?.epoch ?? epoch, endOffset: next.startOffset };
  }

  /** The epoch in which `offset` was appended, or -1. */
  epochOf(offset: number): number {
    return this.#entries.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? -1;
  }

  /** The log now ends at `offset`. */
  truncateEnd(offset: number): void {
    const kept = this.#entries.filter(({ startOffset }) => startOffset < offset);
    this.#replace(kept);
  }

  /** The log now starts at `offset`; the epoch that covers it is kept and begins there. */
  truncateStart(offset: number): void {
    const covering = this.#entries.findLastIndex(({ startOffset }) => startOffset <= offset);
    const first = this.#entries[covering];
    if (first === undefined || (covering === 0 && first.startOffset === offset)) return;
    this.#replace([
      { epoch: first.epoch, startOffset: offset },
      ...this.#entries.slice(covering + 1),
    ]);
  }

  clear(): void {
    this.#replace([]);
  }

  #replace(entries: EpochEntry[]): void {
    const same =
      entries.length === this.#entries.length &&
      entries.every((entry, index) => entry.startOffset === this.#entries[index]?.startOffset);
    if (same) return;
    this.#entries = entries;
    this.#version += 1;
  }
}
