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

/** Judges the records of one batch, one by one. */
export class RecordRules {
  readonly #wantsKeys: boolean;
  readonly #bounded: boolean;
  readonly #earliest: number;
  readonly #latest: number;
  readonly #errors: RecordError[] = [];
  #untimely = false;

  constructor(config: LogConfig, wallTimeMs: number) {
    this.#wantsKeys = config.cleanupPolicy.includes('compact');
    this.#bounded = boundsTimestamps(config);
    this.#earliest = wallTimeMs - config.messageTimestampBeforeMaxMs;
    this.#latest = wallTimeMs + config.messageTimestampAfterMaxMs;
  }

  check(batchIndex: number, timestamp: number, hasKey: boolean): void {
    const isUntimely =
      this.#bounded && timestamp !== -1 && (timestamp < this.#earliest || timestamp > this.#latest);
    if (isUntimely)
      this.refuseTime(
        batchIndex,
        `timestamp ${timestamp} is not in [${this.#earliest}, ${this.#latest}]`,
      );
    else if (this.#wantsKeys && !hasKey)
      this.#refuse(batchIndex, 'a compacted topic takes no record without a key');
  }

  /** Refuses a record for its timestamp. */
  refuseTime(batchIndex: number, message: string): void {
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

/** Tells whether records must be looked at one by one. */
export function needsRecords(config: LogConfig): boolean {
  return config.cleanupPolicy.includes('compact') || boundsTimestamps(config);
}

function boundsTimestamps(config: LogConfig): boolean {
  return (
    config.messageTimestampType === 'CreateTime' &&
    (config.messageTimestampBeforeMaxMs < Number.MAX_SAFE_INTEGER ||
      config.messageTimestampAfterMaxMs < Number.MAX_SAFE_INTEGER)
  );
}
