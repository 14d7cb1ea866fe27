/**
 * Group commit: what is appended during one turn of the event loop, and all that comes while a sync
 * is under way, is written and made durable with one call.
 *
 * A failed write or sync ends the log for good: after a sync that failed nobody can say what the
 * disk has, so nothing more is acknowledged and the next start finds out by reading.
 */
import { type Clock, invariant, type Log, OdradekError, type Timers } from '@odradek/runtime';
import { RECORD_HEADER_BYTES } from './log-format.ts';
import type { LogWriter } from './log-writer.ts';
import type { LogRecord, StorageSettings, TransactionLog } from './types.ts';

/** An appended record that is not durable yet. */
interface Pending extends LogRecord {
  readonly durable: () => void;
  readonly failed: ((error: OdradekError) => void) | undefined;
}

interface WaitingForZxid {
  readonly zxid: bigint;
  readonly resolve: () => void;
  readonly reject: (error: OdradekError) => void;
}

export interface GroupCommitOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly settings: StorageSettings;
  readonly writer: LogWriter;
  /** The last zxid there is. */
  readonly lastZxid: bigint;
  readonly onFailure: (error: OdradekError) => void;
  /** Told how long a sync took, and for how many records. */
  readonly onSync?: (syncMs: number, records: number) => void;
  /** Told how much became durable. */
  readonly onDurable: (records: number, payloadBytes: number) => void;
}

const sizeInFile = ({ payload }: LogRecord): number => RECORD_HEADER_BYTES + payload.byteLength;

export class GroupCommitLog implements TransactionLog {
  readonly #options: GroupCommitOptions;
  /** Waiting to be written, in order. */
  #gathered: Pending[] = [];
  #pendingBytes = 0;
  /** A run is scheduled or under way. */
  #busy = false;
  #closed = false;
  #failure: OdradekError | null = null;
  #lastZxid: bigint;
  #durableZxid: bigint;
  readonly #waitingForRoom: (() => void)[] = [];
  readonly #waitingForIdle: (() => void)[] = [];
  /** In rising order of zxids. */
  readonly #waitingForZxid: WaitingForZxid[] = [];

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#lastZxid = options.lastZxid;
    this.#durableZxid = options.lastZxid;
  }

  get lastZxid(): bigint {
    return this.#lastZxid;
  }

  /** All up to here is on the disk. */
  get durableZxid(): bigint {
    return this.#durableZxid;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get isFull(): boolean {
    return this.#pendingBytes >= this.#options.settings.pendingBytes;
  }

  whenRoom(): Promise<void> {
    if (!this.isFull) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waitingForRoom.push(resolve);
    });
  }

  append(
    payload: Uint8Array,
    zxid: bigint,
    durable: () => void,
    failed?: (error: OdradekError) => void,
  ): void {
    invariant(!this.#closed, 'nothing is appended to a closed log');
    invariant(zxid > this.#lastZxid, `zxids rise: ${zxid} after ${this.#lastZxid}`);
    invariant(
      payload.byteLength <= this.#options.settings.recordBytes,
      `a record of ${payload.byteLength} bytes is over recordBytes`,
    );
    const failure = this.#failure;
    if (failure !== null) {
      if (failed !== undefined) this.#options.timers.afterTurn(() => failed(failure));
      return;
    }
    this.#lastZxid = zxid;
    this.#pendingBytes += payload.byteLength;
    this.#gathered.push({ payload, zxid, durable, failed });
    if (this.#busy) return;
    this.#busy = true;
    // Not at once: the requests that are already read will add to this group.
    this.#options.timers.afterTurn(() => void this.#run());
  }

  /**
   * Resolves when everything appended so far is durable.
   * @throws the failure, if the log failed
   */
  whenDurable(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#durableZxid >= this.#lastZxid) return Promise.resolve();
    const zxid = this.#lastZxid;
    return new Promise((resolve, reject) => {
      this.#waitingForZxid.push({ zxid, resolve, reject });
    });
  }

  /** Resolves when everything appended is durable, or the log failed. */
  whenIdle(): Promise<void> {
    if (!this.#busy) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waitingForIdle.push(resolve);
    });
  }

  /** @throws the failure, if the log failed */
  async close(): Promise<void> {
    this.#closed = true;
    await this.whenIdle();
    if (this.#failure === null) await this.#options.writer.close();
    else await this.#options.writer.abandon();
  }

  async #run(): Promise<void> {
    while (this.#gathered.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#makeDurable(group);
      } catch (error) {
        if (!(error instanceof OdradekError)) throw error;
        this.#fail(error, group);
        break;
      }
      this.#settle(group);
    }
    this.#busy = false;
    for (const resolve of this.#waitingForIdle.splice(0)) resolve();
  }

  /** The next records that are written together. */
  #takeGroup(): Pending[] {
    const { groupBytes, groupRecords } = this.#options.settings;
    let count = 0;
    let sizeBytes = 0;
    for (const record of this.#gathered) {
      sizeBytes += sizeInFile(record);
      if (count > 0 && (sizeBytes > groupBytes || count === groupRecords)) break;
      count++;
    }
    if (count < this.#gathered.length) return this.#gathered.splice(0, count);
    const all = this.#gathered;
    this.#gathered = [];
    return all;
  }

  async #makeDurable(group: readonly Pending[]): Promise<void> {
    const { writer, settings, clock, log } = this.#options;
    let sizeBytes = 0;
    for (const record of group) sizeBytes += sizeInFile(record);
    const beganAt = clock.now();
    await writer.write(group, sizeBytes);
    if (!settings.forceSync) return;
    const syncMs = clock.now() - beganAt;
    this.#options.onSync?.(syncMs, group.length);
    if (syncMs < settings.slowSyncMs) return;
    log.warn('the disk is slow: a sync of the transaction log took long', {
      syncMs: Math.round(syncMs),
      records: group.length,
      sizeBytes,
    });
  }

  #settle(group: readonly Pending[]): void {
    let payloadBytes = 0;
    for (const { payload } of group) payloadBytes += payload.byteLength;
    this.#pendingBytes -= payloadBytes;
    this.#durableZxid = group.at(-1)?.zxid ?? this.#durableZxid;
    this.#options.onDurable(group.length, payloadBytes);
    for (const { durable } of group) durable();
    if (!this.isFull) this.#letIn();
    for (let [first] = this.#waitingForZxid; first !== undefined; [first] = this.#waitingForZxid) {
      if (first.zxid > this.#durableZxid) break;
      this.#waitingForZxid.shift();
      first.resolve();
    }
  }

  #fail(error: OdradekError, group: readonly Pending[]): void {
    this.#failure = error;
    this.#pendingBytes = 0;
    const lost = [...group, ...this.#gathered];
    this.#gathered = [];
    this.#options.onFailure(error);
    for (const { failed } of lost) failed?.(error);
    for (const { reject } of this.#waitingForZxid.splice(0)) reject(error);
    this.#letIn();
  }

  #letIn(): void {
    for (const resolve of this.#waitingForRoom.splice(0)) resolve();
  }
}
