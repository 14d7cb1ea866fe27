/**
 * What may be done to a log right now: everything, everything but appends (it is being cut), or
 * nothing (closed, or its data directory has failed). And the one place where a failing disk becomes
 * the protocol's error and is reported to whoever takes the directory offline.
 */
import { KafkaError, MalformedMessage } from '@odradek/protocol';
import { DiskError } from '@odradek/runtime';

type Condition = 'open' | 'cutting' | 'closed' | 'offline';

export class LogCondition {
  /** `topic-partition`, for messages. */
  readonly #name: string;
  readonly #report: (error: DiskError) => void;
  #condition: Condition = 'open';
  /** The last of the operations that run one at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: string, report: (error: DiskError) => void) {
    this.#name = name;
    this.#report = report;
  }

  get offline(): boolean {
    return this.#condition === 'offline';
  }

  /** Closed or offline: nothing will be done any more. */
  get ended(): boolean {
    return this.#condition === 'closed' || this.#condition === 'offline';
  }

  end(condition: 'closed' | 'offline'): void {
    this.#condition = condition;
  }

  /** @throws KafkaError when appends and cuts are not possible */
  requireOpen(): void {
    this.requireReadable();
    if (this.#condition === 'open') return;
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `${this.#name} is being truncated`);
  }

  /** @throws KafkaError when not even reads are possible */
  requireReadable(): void {
    if (this.#condition === 'offline') throw new KafkaError('KAFKA_STORAGE_ERROR', this.#name);
    if (this.#condition !== 'closed') return;
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `${this.#name} is closed`);
  }

  /** Runs an operation after those that were asked for before it. */
  oneByOne(run: () => Promise<void>): Promise<void> {
    const running = this.#last.then(() => {
      this.requireOpen();
      return this.guarded(run);
    });
    this.#last = running.catch(() => undefined);
    return running;
  }

  /** As {@link oneByOne}, with appends refused while it runs. */
  alone(run: () => Promise<void>): Promise<void> {
    return this.oneByOne(async () => {
      this.#condition = 'cutting';
      try {
        await run();
      } finally {
        if (this.#condition === 'cutting') this.#condition = 'open';
      }
    });
  }

  /** Runs something on the disk; its failure is KAFKA_STORAGE_ERROR for the caller. */
  async guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof MalformedMessage) {
        const detail = `${this.#name}: ${error.message}`;
        throw new KafkaError('CORRUPT_MESSAGE', detail, { cause: error });
      }
      if (!(error instanceof DiskError)) throw error;
      this.requireReadable(); // Closed meanwhile: the file had every right to be gone.
      this.#report(error);
      throw new KafkaError('KAFKA_STORAGE_ERROR', this.#name, { cause: error });
    }
  }

  /** As {@link guarded}, with nobody to wait for it: the report is all that comes of a failure. */
  inBackground(run: () => Promise<void>): void {
    this.guarded(run).catch((error: unknown) => {
      if (!(error instanceof KafkaError)) throw error;
    });
  }
}
