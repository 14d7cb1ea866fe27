/**
 * Goes through the log files behind a snapshot in order, and stops where something is missing that
 * the original would leave out without a word.
 */
import type { Disk } from '@odradek/runtime';
import { ForeignDataDamaged } from '../errors.ts';
import { hex, type Progress } from '../state.ts';
import type { OriginalFile } from './data-directory.ts';
import type { Loader } from './loader.ts';
import { type LogEntry, readLog } from './log-reader.ts';

/** After so many transactions it is said how far the work is. */
const STEP = 100_000;
/** The lower half of a zxid counts within an epoch, which is the upper one. */
const COUNTER_BITS = 32n;

/** A snapshot that was read. */
export interface LoadedSnapshot {
  readonly path: string;
  readonly loader: Loader;
  /** The last transaction of which the nodes may show effects. */
  readonly endZxid: bigint;
}

export class Replay {
  count = 0;
  last: LogEntry | null = null;
  readonly #disk: Disk;
  readonly #loader: Loader;
  readonly #acceptLoss: boolean;
  readonly #progress: Progress;

  constructor(disk: Disk, loader: Loader, acceptLoss: boolean, progress: Progress) {
    this.#disk = disk;
    this.#loader = loader;
    this.#acceptLoss = acceptLoss;
    this.#progress = progress;
  }

  /** @param fromNothing there is no snapshot: the log must begin with the first transaction of all */
  async run(logs: readonly OriginalFile[], fromNothing: boolean): Promise<void> {
    for (const { path } of logs) {
      this.#progress.step(`replaying ${path}`);
      try {
        await this.#file(path, fromNothing);
      } catch (error) {
        if (!(this.#acceptLoss && error instanceof ForeignDataDamaged)) throw error;
        const { zxid } = this.#loader.state;
        this.#progress.warn(
          `${error.message}. ACCEPTED: everything after transaction ${hex(zxid)} is left out`,
        );
        return;
      }
    }
  }

  /** A snapshot may show effects of transactions that came while it was written: the log must have them. */
  requireLogUpTo({ path, endZxid }: LoadedSnapshot): void {
    const { zxid } = this.#loader.state;
    if (zxid >= endZxid) return;
    const damage = `it shows effects of transaction ${hex(endZxid)}, but the log ends at ${hex(zxid)}`;
    if (!this.#acceptLoss) {
      throw new ForeignDataDamaged(
        path,
        null,
        damage,
        'Name the log directory (--log-dir) if there is one',
      );
    }
    this.#progress.warn(`${path}: ${damage}. ACCEPTED: such nodes are half as of then`);
    this.#loader.state.zxid = endZxid;
  }

  async #file(path: string, fromNothing: boolean): Promise<void> {
    const { state } = this.#loader;
    let repeated = 0;
    for await (const item of readLog(this.#disk, path)) {
      if (item.kind === 'end') {
        const { offset, tornBytes } = item.end;
        if (tornBytes === 0) continue;
        this.#progress.warn(
          `${path} ends at byte ${offset} in a write that was never finished (${tornBytes} bytes); nobody was promised it`,
        );
        continue;
      }
      const { entry } = item;
      const { zxid } = entry.record;
      if (zxid <= state.zxid) {
        if (this.last !== null) repeated += 1;
        continue;
      }
      const isFirst = fromNothing && this.last === null;
      if (isFirst ? !isBeginning(zxid) : !follows(zxid, state.zxid)) {
        throw new ForeignDataDamaged(
          path,
          entry.offset,
          `the log goes on with transaction ${hex(zxid)}, but the one before it is ${hex(state.zxid)}: what was between is missing`,
          'Look for the missing log files (--log-dir), or accept the loss (--accept-loss)',
        );
      }
      this.#loader.apply(entry);
      this.last = entry;
      if (++this.count % STEP === 0) this.#progress.step(`${this.count} transactions replayed`);
    }
    if (repeated > 0)
      this.#progress.warn(
        `${path}: ${repeated} transactions that came before are repeated; they are skipped`,
      );
  }
}

/** Counted on by one, or the first of a later epoch. */
function follows(zxid: bigint, previous: bigint): boolean {
  if (zxid === previous + 1n) return true;
  return zxid >> COUNTER_BITS > previous >> COUNTER_BITS && BigInt.asUintN(32, zxid) <= 1n;
}

/** The first transaction of a server alone, or of an ensemble's first leader. */
const isBeginning = (zxid: bigint): boolean => zxid === 1n || zxid === (1n << COUNTER_BITS) + 1n;
