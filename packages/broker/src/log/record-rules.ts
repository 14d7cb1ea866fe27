/**
 * What single records are held to where their topic asks for it: keys on compacted topics, bounds
 * on timestamps. All that is wrong is collected, so that the client learns of all of it at once.
 */
import { KafkaError } from '@odradek/protocol';
import type { LogConfig } from './log-config.ts';

/** Refused records that are named one by one in an answer. */
export const RECORD_ERRORS_MAX = 100;

/** One record that was refused, by its place in the batch: `record_errors` of a produce response. */
export interface RecordError {
  readonly batchIndex: number;
  readonly message: string;
}

/** A batch with records that are not allowed; nothing of it was appended. */
export class RecordsRefused extends KafkaError {
  readonly recordErrors: readonly RecordError[];
  constructor(
    code: 'INVALID_RECORD' | 'INVALID_TIMESTAMP',
    recordErrors: readonly RecordError[],
    detail: string,
  ) {
    super(code, detail);
    this.recordErrors = recordErrors;
  }
}

/**
 * Tells whether some record of a batch may have to be refused, from what all have in common: whether
 * they must be looked at one by one. Asked of every batch, so it makes no garbage.
 * @param isStamped the producer claims that a broker gave the timestamps
 */
export function mayRefuse(
  config: LogConfig,
  wallTimeMs: number,
  minTimestamp: number,
  maxTimestamp: number,
  lacksKey: boolean,
  isStamped: boolean,
): boolean {
  if (isStamped || (lacksKey && config.cleanupPolicy.includes('compact'))) return true;
  if (config.messageTimestampType === 'LogAppendTime') return false;
  return (
    minTimestamp < wallTimeMs - config.messageTimestampBeforeMaxMs ||
    maxTimestamp > wallTimeMs + config.messageTimestampAfterMaxMs
  );
}

/** Judges the records of one batch, one by one. */
export class RecordRules {
  readonly #wantsKeys: boolean;
  readonly #stamps: boolean;
  readonly #earliest: number;
  readonly #latest: number;
  readonly #errors: RecordError[] = [];
  #untimely = false;

  constructor(config: LogConfig, wallTimeMs: number) {
    this.#wantsKeys = config.cleanupPolicy.includes('compact');
    this.#stamps = config.messageTimestampType === 'LogAppendTime';
    this.#earliest = wallTimeMs - config.messageTimestampBeforeMaxMs;
    this.#latest = wallTimeMs + config.messageTimestampAfterMaxMs;
  }

  check(batchIndex: number, timestamp: number, hasKey: boolean, isStamped: boolean): void {
    if (this.#wantsKeys && !hasKey) {
      this.#refuse(batchIndex, 'a compacted topic takes no record without a key');
    } else if (!this.#stamps && timestamp !== -1) {
      if (timestamp < this.#earliest || timestamp > this.#latest)
        this.#refuseTime(
          batchIndex,
          `timestamp ${timestamp} is not in [${this.#earliest}, ${this.#latest}]`,
        );
    } else if (isStamped) {
      this.#refuseTime(batchIndex, 'clients may not set the log append time');
    }
  }

  #refuseTime(batchIndex: number, message: string): void {
    this.#untimely = true;
    this.#refuse(batchIndex, message);
  }

  /** @throws RecordsRefused when any record was refused */
  conclude(): void {
    const [first] = this.#errors;
    if (first === undefined) return;
    const detail = `record ${first.batchIndex}: ${first.message}`;
    const code = this.#untimely ? 'INVALID_TIMESTAMP' : 'INVALID_RECORD';
    throw new RecordsRefused(code, this.#errors, detail);
  }

  #refuse(batchIndex: number, message: string): void {
    if (this.#errors.length < RECORD_ERRORS_MAX) this.#errors.push({ batchIndex, message });
  }
}
