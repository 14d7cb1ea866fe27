/**
 * A log that is compacted in tests, and the simplest model of it: a list of all that was appended. Over
 * it stands what must hold of the log at any time, however often it was compacted.
 */
import { decodeRecordSet, type Record as KafkaRecord } from '@odradek/protocol';
import { LogCleaner } from '../../../src/log/compaction/log-cleaner.ts';
import type { LogConfig } from '../../../src/log/log-config.ts';
import type { LogManager } from '../../../src/log/log-manager.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { encodeBatch, encodeTransactionMarker } from '../batch-tools.ts';
import type { MemoryDisk } from '../memory-disk.ts';
import { openManager, readAll, type TimedEnvironment, written } from '../support.ts';

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

interface ModelRecord {
  readonly offset: number;
  readonly key: string;
  readonly value: string | null;
  readonly timestamp: number;
  readonly producerId: bigint | null;
  readonly transactional: boolean;
  outcome: 'none' | 'open' | 'committed' | 'aborted';
  /** When a compaction reached it first: its tombstone's time counts from then, at the earliest. */
  firstReachedMs: number | null;
}

interface Producer {
  readonly id: bigint;
  epoch: number;
  sequence: number;
  open: ModelRecord[];
}

export interface Append {
  readonly pairs: readonly { readonly key: string; readonly value: string | null }[];
  /** null: without idempotence. */
  readonly producer: number | null;
  readonly transactional: boolean;
  readonly codec: Codec;
}

export const TOPIC = 't';
export const DIRECTORY = '/logs';

export class CompactedLog {
  readonly environment: TimedEnvironment;
  readonly disk: MemoryDisk;
  readonly records: ModelRecord[] = [];
  readonly #config: Partial<LogConfig>;
  readonly #producers = new Map<number, Producer>();
  #manager: LogManager;
  #cleaner: LogCleaner;
  tableBytes = 1 << 20;

  private constructor(
    environment: TimedEnvironment,
    disk: MemoryDisk,
    config: Partial<LogConfig>,
    manager: LogManager,
  ) {
    this.environment = environment;
    this.disk = disk;
    this.#config = config;
    this.#manager = manager;
    this.#cleaner = this.#newCleaner();
  }

  static async open(
    environment: TimedEnvironment,
    disk: MemoryDisk,
    config: Partial<LogConfig>,
  ): Promise<CompactedLog> {
    const manager = await openManager(DIRECTORY, { environment, config });
    await manager.getOrCreate(TOPIC, 0, null);
    return new CompactedLog(environment, disk, config, manager);
  }

  /** The same log on another disk, such as a crash has left, started anew. */
  static async crashed(
    { records }: CompactedLog,
    environment: TimedEnvironment,
    disk: MemoryDisk,
    config: Partial<LogConfig>,
  ): Promise<CompactedLog> {
    const manager = await openManager(DIRECTORY, { environment, config });
    const log = new CompactedLog(environment, disk, config, manager);
    for (const record of records) log.records.push({ ...record });
    log.log.updateHighWatermark(log.log.logEndOffset);
    return log;
  }

  get log(): PartitionLog {
    const log = this.#manager.get(TOPIC, 0);
    if (log === undefined) throw new Error('the log is gone');
    return log;
  }

  get nowMs(): number {
    return this.environment.clock.wallTime();
  }

  async append({ pairs, producer, transactional, codec }: Append): Promise<void> {
    const who = producer === null ? null : this.#producerOf(producer);
    const bytes = encodeBatch({
      records: pairs.map(({ key, value }, index) => ({
        key: Buffer.from(key),
        value: value === null ? null : Buffer.from(value),
        timestamp: this.nowMs + index,
        headers: [{ key: 'h', value: Buffer.from(key) }],
      })),
      compression: codec,
      ...(who === null
        ? {}
        : { producerId: who.id, producerEpoch: who.epoch, baseSequence: who.sequence }),
      transactional: transactional && who !== null,
    });
    const { firstOffset } = this.log.appendAsLeader(bytes, { leaderEpoch: 0, origin: 'client' });
    if (who !== null) who.sequence += pairs.length;
    for (const [index, { key, value }] of pairs.entries()) {
      const inTransaction = transactional && who !== null;
      const record: ModelRecord = {
        offset: firstOffset + index,
        key,
        value,
        timestamp: this.nowMs + index,
        producerId: who?.id ?? null,
        transactional: inTransaction,
        outcome: inTransaction ? 'open' : 'none',
        firstReachedMs: null,
      };
      this.records.push(record);
      if (inTransaction) who?.open.push(record);
    }
    await this.#settled();
  }

  async end(producer: number, kind: 'commit' | 'abort'): Promise<void> {
    const who = this.#producerOf(producer);
    const marker = encodeTransactionMarker({
      kind,
      producerId: who.id,
      producerEpoch: who.epoch,
      coordinatorEpoch: 1,
      timestamp: this.nowMs,
    });
    this.log.appendAsLeader(marker, { leaderEpoch: 0, origin: 'coordinator' });
    for (const record of who.open) record.outcome = kind === 'commit' ? 'committed' : 'aborted';
    who.open = [];
    await this.#settled();
  }

  /** Producers that are in a transaction. */
  get open(): number[] {
    return [...this.#producers.keys()].filter((producer) => this.isOpen(producer));
  }

  /** Whether a producer must go on in its transaction. */
  isOpen(producer: number): boolean {
    return (this.#producers.get(producer)?.open.length ?? 0) > 0;
  }

  /** @returns whether there was something to do */
  async clean(): Promise<boolean> {
    const cleaned = await this.#cleaner.cleanOnce();
    const { cleanedUpTo } = this.log.compaction;
    for (const record of this.records) {
      if (cleaned && record.offset < (cleanedUpTo ?? 0)) record.firstReachedMs ??= this.nowMs;
    }
    return cleaned;
  }

  get cleanerStats() {
    return this.#cleaner.stats;
  }

  /** Stops in order, or dies, and starts again. */
  async restart(how: 'orderly' | 'crash'): Promise<void> {
    const highWatermark = this.log.highWatermark;
    const before = this.#manager;
    if (how === 'orderly') await before.close();
    this.#manager = await openManager(DIRECTORY, {
      environment: this.environment,
      config: this.#config,
    });
    this.log.updateHighWatermark(highWatermark);
    this.#cleaner = this.#newCleaner();
  }

  close(): Promise<void> {
    return this.#manager.close();
  }

  /** What a consumer gets that reads everything there is from the log's start on. */
  async read(): Promise<KafkaRecord[]> {
    const bytes = await readAll(this.log);
    const found: KafkaRecord[] = [];
    for (const batch of decodeRecordSet(bytes)) if (!batch.control) found.push(...batch.records);
    return found;
  }

  /** As a consumer of committed records reads: by the broker's list of what was aborted, and by markers. */
  async readCommitted(): Promise<number[]> {
    const { log } = this;
    const end = log.lastStableOffset;
    const offsets: number[] = [];
    const inAborted = new Set<bigint>();
    for (let at = log.logStartOffset; at < end; ) {
      const slice = await log.read(at, 300, end, true);
      if (slice.sizeBytes === 0) break;
      const ahead = [...(await log.abortedTransactions(at, slice.nextOffset))].sort(
        (a, b) => a.firstOffset - b.firstOffset,
      );
      for (const batch of decodeRecordSet(Buffer.concat(slice.chunks))) {
        if (batch.lastOffset < at) continue;
        while (ahead[0] !== undefined && ahead[0].firstOffset <= batch.lastOffset) {
          inAborted.add((ahead.shift() as { producerId: bigint }).producerId);
        }
        if (batch.control) {
          // The key says which: 0 is an abort.
          if (batch.records[0]?.key?.readInt16BE(2) === 0) inAborted.delete(batch.producerId);
          continue;
        }
        if (batch.transactional && inAborted.has(batch.producerId)) continue;
        offsets.push(...batch.records.map(({ offset }) => offset));
      }
      for (const memory of slice.lent) memory.release();
      at = slice.nextOffset;
    }
    return offsets;
  }

  /** Everything that must hold, said one by one. @returns what does not */
  async problems(deleteRetentionMs: number): Promise<string[]> {
    const problems: string[] = [];
    const found = await this.read();
    const byOffset = new Map(this.records.map((record) => [record.offset, record]));
    let last = -1;
    for (const record of found) {
      const known = byOffset.get(record.offset);
      if (record.offset <= last) problems.push(`offset ${record.offset} after ${last}`);
      last = record.offset;
      const same =
        known !== undefined &&
        known.key === record.key?.toString() &&
        known.value === (record.value?.toString() ?? null) &&
        known.timestamp === record.timestamp &&
        record.headers[0]?.value?.toString() === known.key;
      if (!same) problems.push(`${record.offset} is not what was appended`);
    }
    const there = new Set(found.map(({ offset }) => offset));
    const { cleanedUpTo } = this.log.compaction;
    const newest = new Map<string, ModelRecord>();
    const newestCleaned = new Map<string, ModelRecord>();
    for (const record of this.records) {
      if (record.outcome === 'aborted') continue;
      newest.set(record.key, record);
      if (record.offset < (cleanedUpTo ?? 0)) newestCleaned.set(record.key, record);
    }
    const activeBase = this.log.segmentBaseOf(this.log.logEndOffset);
    for (const record of this.records) {
      const { offset, key } = record;
      const isThere = there.has(offset);
      const reached = offset < (cleanedUpTo ?? 0);
      if (!isThere && offset >= activeBase) problems.push(`${offset} was in the active segment`);
      if (!isThere && newest.get(key) === record) {
        const mayGo =
          record.value === null &&
          record.firstReachedMs !== null &&
          this.nowMs >= record.firstReachedMs + deleteRetentionMs;
        if (!mayGo) problems.push(`${offset}, the newest of ${key}, is gone`);
      }
      if (!isThere && !reached && record.outcome !== 'aborted' && newest.get(key) === record)
        continue;
      if (isThere && reached && record.outcome === 'aborted')
        problems.push(`${offset} was aborted`);
      const superseded = newestCleaned.get(key);
      if (isThere && reached && superseded !== undefined && superseded !== record) {
        problems.push(`${offset} was superseded by ${superseded.offset}`);
      }
    }
    // Else the next transaction of that producer would be taken for aborted as well.
    const markers = await this.#markers();
    for (const { lastOffset } of await this.log.abortedTransactions(0, this.log.logEndOffset)) {
      if (!markers.has(lastOffset))
        problems.push(`the marker at ${lastOffset} is told of and gone`);
    }
    const committed = new Set(await this.readCommitted());
    const stable = this.log.lastStableOffset;
    for (const record of this.records) {
      if (record.offset >= stable) continue;
      const wanted = there.has(record.offset) && record.outcome !== 'aborted';
      if (wanted !== committed.has(record.offset)) {
        problems.push(
          `${record.offset} (${record.outcome}) is ${wanted ? 'not ' : ''}read as committed`,
        );
      }
    }
    return problems;
  }

  /**
   * Last sequence and last data offset by producer, as the log knows them. Producers of which it knows
   * a marker only are left out: of an emptied marker, as in Kafka, nothing is learned again.
   */
  producers(): Map<bigint, string> {
    const known = new Map<bigint, string>();
    for (const { producerId, epoch, batches } of this.log.activeProducers()) {
      const last = batches.at(-1);
      if (last === undefined) continue;
      known.set(producerId, `${epoch} ${last.lastSequence} ${last.lastOffset}`);
    }
    return known;
  }

  async #markers(): Promise<Set<number>> {
    const batches = [...decodeRecordSet(await readAll(this.log))];
    return new Set(batches.filter(({ control }) => control).map(({ baseOffset }) => baseOffset));
  }

  #producerOf(index: number): Producer {
    const known = this.#producers.get(index);
    if (known !== undefined) return known;
    const made = { id: BigInt(1000 + index), epoch: 0, sequence: 0, open: [] };
    this.#producers.set(index, made);
    return made;
  }

  #newCleaner(): LogCleaner {
    return new LogCleaner({
      environment: this.environment,
      logs: () => this.#manager.all(),
      settings: () => ({
        threads: 1,
        dedupeBufferBytes: this.tableBytes,
        loadFactor: 0.9,
        ioBufferBytes: 0,
        bytesPerSecond: Number.MAX_VALUE,
        backoffMs: 1000,
      }),
      applyRetention: async (log) => {
        await log.deleteOldSegments();
      },
    });
  }

  async #settled(): Promise<void> {
    await written(this.log);
    this.log.updateHighWatermark(this.log.logEndOffset);
  }
}
