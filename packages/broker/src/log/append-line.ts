/**
 * Appends to one log that wait for their turn: a batch that a worker makes ready, and all that came
 * behind it.
 *
 * Batches are appended in the order in which they came, whoever sent them: an idempotent producer has
 * five requests under way, and a transaction's marker must not get before its data. While there is a
 * line, everything joins it; several of it may be in workers at once. Whether its sender may still
 * append is asked again when its turn has come, for the replica may have lost its leadership since.
 *
 * What waits is copied, and counted like what waits to be written: producers are not read from while
 * that is too much.
 */
import { KafkaError, type KafkaErrorName } from '@odradek/protocol';
import type { AppendOrigin, AppendResult } from './log-types.ts';
import type { PartitionLog } from './partition-log.ts';

interface Waiting {
  readonly ready: Buffer | Promise<Buffer>;
  readonly sizeBytes: number;
  readonly origin: AppendOrigin;
  /** @returns the leader epoch; throws when the append is not allowed any more */
  readonly admit: () => number;
  readonly abort: AbortController;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

export class AppendLine {
  readonly #log: () => PartitionLog;
  #waiting: Waiting[] = [];
  /** Ends whoever serves those that were refused. */
  #refusals = 0;

  /** @param log asked each time, for it may be moved to another directory */
  constructor(log: () => PartitionLog) {
    this.#log = log;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /**
   * Appends a copy of `records` behind what waits already.
   * @param admit asked when the turn has come: gives the leader epoch or throws
   * @throws KafkaError at once for what can be seen to be wrong at once; else as appendAsLeader
   */
  async join(records: Buffer, origin: AppendOrigin, admit: () => number): Promise<AppendResult> {
    const { length: sizeBytes } = records;
    const copy = Buffer.from(new ArrayBuffer(sizeBytes));
    records.copy(copy);
    const abort = new AbortController();
    const { appender } = this.#log();
    const ready = appender.prepare(copy, origin, abort.signal);
    if (ready instanceof Promise) ready.catch(() => undefined); // It is heard when its turn comes.
    appender.budget.took(sizeBytes);
    try {
      return await new Promise<AppendResult>((resolve, reject) => {
        this.#waiting.push({ ready, sizeBytes, origin, admit, abort, resolve, reject });
        if (this.#waiting.length === 1) void this.#serve();
      });
    } finally {
      appender.budget.released(sizeBytes);
    }
  }

  /** Refuses all that wait: this replica does not lead any more, or its disk has failed. */
  fail(error: KafkaErrorName): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#refusals += 1;
    for (const { abort, reject } of waiting) {
      reject(new KafkaError(error));
      abort.abort();
    }
  }

  /** One after the other until nobody waits, or all were refused. Never rejects. */
  async #serve(): Promise<void> {
    const refusals = this.#refusals;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { ready, origin, admit, resolve, reject } = first;
      try {
        const batches = await ready;
        if (refusals !== this.#refusals) return;
        resolve(this.#log().appender.prepared(batches, { leaderEpoch: admit(), origin }));
      } catch (error) {
        reject(error);
        if (refusals !== this.#refusals) return;
      }
      this.#waiting.shift();
    }
  }
}
