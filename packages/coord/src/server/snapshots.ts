/**
 * When a snapshot is due, and writing it, one at a time.
 */
import { DiskError, type Environment } from '@odradek/runtime';
import { SnapshotOutdated, StorageClosed } from '../storage/errors.ts';
import type { Storage } from '../storage/types.ts';
import { type ServerState, SnapshotAbandoned } from './server-state.ts';
import type { ServerStats } from './server-stats.ts';

export interface SnapshotOptions {
  /** A snapshot is taken after between half as many and as many transactions. */
  readonly snapshotRecords: number;
  /** The same in bytes of log; null: not by size. */
  readonly snapshotBytes: number | null;
}

/**
 * A big tree is not written again before so many transactions per node: so a write never costs more than
 * writing two nodes (three while the tree grows), and what a start has to replay is at most half of what it
 * has to load.
 */
const CHANGED_PART_MIN = 0.5;

export class Snapshots {
  readonly #environment: Pick<Environment, 'clock' | 'random' | 'log'>;
  readonly #options: SnapshotOptions;
  readonly #storage: Storage;
  readonly #stats: ServerStats;
  #dueRecords = 0;
  #dueBytes = 0;
  /** Transactions applied since the newest snapshot began. */
  #appliedSince = 0;
  #running: Promise<void> | null = null;
  /** The newest; at the start, the one that was loaded. */
  last: { readonly zxid: bigint; readonly atMs: number };

  constructor(
    environment: Pick<Environment, 'clock' | 'random' | 'log'>,
    options: SnapshotOptions,
    storage: Storage,
    stats: ServerStats,
  ) {
    this.#environment = environment;
    this.#options = options;
    this.#storage = storage;
    this.#stats = stats;
    this.last = { zxid: storage.snapshotZxid, atMs: environment.clock.wallTime() };
    this.#drawDue();
  }

  /** @param records that were replayed on top of the snapshot */
  loaded(records: number): void {
    this.#appliedSince = records;
  }

  /** To be told of every applied transaction. */
  applied(state: ServerState): void {
    this.#appliedSince += 1;
    if (this.#running !== null) return;
    const { bytes } = this.#storage.sinceSnapshot;
    const due = Math.max(this.#dueRecords, state.tree.nodeCount * CHANGED_PART_MIN);
    if (this.#appliedSince < due && bytes < this.#dueBytes) return;
    this.#drawDue();
    this.#running = this.#write(state);
  }

  /** A last one, so that the next start is quick. */
  async finish(state: ServerState): Promise<void> {
    await this.#running;
    if (this.#appliedSince > 0) await this.#write(state);
  }

  /** By chance, so that the servers of an ensemble do not all write at the same time. */
  #drawDue(): void {
    const { snapshotRecords, snapshotBytes } = this.#options;
    const { random } = this.#environment;
    const drawn = (max: number): number => {
      const half = Math.floor(max / 2);
      return half + 1 + random.below(Math.max(1, max - half));
    };
    this.#dueRecords = drawn(snapshotRecords);
    this.#dueBytes = snapshotBytes === null ? Number.POSITIVE_INFINITY : drawn(snapshotBytes);
  }

  async #write(state: ServerState): Promise<void> {
    this.#appliedSince = 0;
    const { clock, log } = this.#environment;
    const startedAtMs = clock.now();
    const zxid = state.lastZxid.value;
    try {
      await this.#storage.writeSnapshot(zxid, state.entries());
      this.#stats.meters.snapshottime.observe(clock.now() - startedAtMs);
      this.last = { zxid, atMs: clock.wallTime() };
    } catch (error) {
      if (isOvertaken(error)) return;
      // The older snapshots and the whole log are still there: nothing is lost but time.
      if (!(error instanceof DiskError)) throw error;
      this.#stats.meters.snapshot_error_count.add();
      log.error('a snapshot could not be written', { error });
    } finally {
      this.#running = null;
    }
  }
}

/** Another content is there, or none is wanted any more. */
const isOvertaken = (error: unknown): boolean =>
  error instanceof SnapshotAbandoned ||
  error instanceof SnapshotOutdated ||
  error instanceof StorageClosed;
