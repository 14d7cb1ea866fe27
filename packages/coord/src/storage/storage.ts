/**
 * The storage of one server: takes its directories, recovers what is in them, and hands out the log
 * and the snapshots. What the server sees of it is in types.ts.
 */
import { join } from 'node:path';
import { type Disarm, invariant, type Log, millis, OdradekError } from '@odradek/runtime';
import { carryOut, planCut } from './cut.ts';
import { SnapshotOutdated, StorageClosed, StorageDamaged } from './errors.ts';
import { removeUnfinished, STORAGE_FOLDER } from './file-names.ts';
import {
  type DirectoryLock,
  type Folders,
  foldersOf,
  lockFolders,
  refuseForeignData,
  refuseMisplacedFiles,
} from './folders.ts';
import { GroupBuffer } from './group-buffer.ts';
import { findHistory, type HistoryStart, recordsFrom } from './history.ts';
import { finishInstall, writeInstall } from './install.ts';
import { recordsAfter } from './log-files.ts';
import { LogSwitch } from './log-switch.ts';
import { LogWriter } from './log-writer.ts';
import { MarkKeeper, refuseAlone } from './mark.ts';
import { purge } from './purge.ts';
import { type Recovered, recover, survey } from './recovery.ts';
import { DEFAULT_SETTINGS } from './settings.ts';
import { entriesOf, type ValidSnapshot } from './snapshot-reader.ts';
import { writeSnapshotFile } from './snapshot-writer.ts';
import { GroupCommitLog } from './transaction-log.ts';
import type {
  EnsembleMark,
  History,
  LogRecord,
  ReplicatedStorage,
  StorageOptions,
  StorageSettings,
  StoredContent,
} from './types.ts';

type StorageEnvironment = StorageOptions['environment'];

/**
 * Opens the storage, made anew where there is none.
 * @throws DirectoryLocked, StorageDamaged, StorageNotUsable, DiskError
 */
export async function openStorage(options: StorageOptions): Promise<ReplicatedStorage> {
  const { environment } = options;
  const { disk } = environment;
  const settings = { ...DEFAULT_SETTINGS, ...options.settings };
  const log = environment.log.child('storage');
  const folders = {
    dataFolder: join(options.dataDirectory, STORAGE_FOLDER),
    logFolder: join(options.logDirectory, STORAGE_FOLDER),
  };
  await refuseForeignData(environment, options, folders);
  const locks = await lockFolders(environment, folders);
  try {
    await refuseMisplacedFiles(environment, folders);
    for (const folder of foldersOf(folders)) {
      await removeUnfinished(disk, folder);
      // The last process may have died between a rename and its sync.
      await disk.syncDirectory(folder);
    }
    const recovered = await recover(disk, folders, log);
    const { lastZxid, snapshot } = recovered;
    const keeper = await MarkKeeper.open(
      disk,
      { dataDirectory: options.dataDirectory, dataFolder: folders.dataFolder },
      {
        lastZxid,
        // A log file without a record in it is made ahead of need, also on a disk that was lost.
        isEmpty: snapshot === null && lastZxid === 0n,
        autocreate: options.autocreate ?? false,
      },
    );
    if (options.isAlone === true) refuseAlone(keeper.mark, folders.dataFolder);
    const buffer = new GroupBuffer(settings.groupBytes);
    const parts = { options, settings, log, folders, locks, keeper, buffer };
    return new DiskStorage(parts, recovered, await writerFor(parts, recovered));
  } catch (error) {
    for (const lock of locks) await lock.release();
    throw error;
  }
}

/** What a storage is made of, and stays made of. */
interface Parts {
  readonly options: StorageOptions;
  readonly settings: StorageSettings;
  readonly log: Log;
  readonly folders: Folders;
  readonly locks: readonly DirectoryLock[];
  readonly keeper: MarkKeeper;
  readonly buffer: GroupBuffer;
}

/** Goes on where the files end. */
async function writerFor(
  { options, settings, folders, buffer }: Parts,
  { lastZxid, continuation }: Recovered,
): Promise<LogWriter> {
  const { environment } = options;
  const writer = new LogWriter(environment, folders.logFolder, settings, buffer, lastZxid);
  if (continuation !== null) await writer.continue(continuation);
  return writer;
}

class DiskStorage implements ReplicatedStorage {
  readonly log: LogSwitch;
  readonly #parts: Parts;
  readonly #environment: StorageEnvironment;
  readonly #settings: StorageSettings;
  readonly #events: Log;
  readonly #folders: Folders;
  #recovered: Recovered;
  #writer: LogWriter;
  /** What is asked for below this the log cannot tell, or not any more. */
  #historyFloor = 0n;
  /** Histories and contents that are being read: their files must stay. */
  #readers = 0;
  #sinceSnapshot = { records: 0, bytes: 0 };
  #snapshotWork: Promise<void> | null = null;
  /** Rises when everything changes: a snapshot that was begun before is of no use. */
  #generation = 0;
  /** Everything is being cut or replaced. */
  #isChanging = false;
  /** What is stored came from elsewhere and nobody has asked for it yet: the server's state is another. */
  #isForeign = false;
  #purgeWork: Promise<void> | null = null;
  #disarmPurge: Disarm | null = null;
  #closed = false;

  constructor(parts: Parts, recovered: Recovered, writer: LogWriter) {
    this.#parts = parts;
    this.#environment = parts.options.environment;
    this.#settings = parts.settings;
    this.#events = parts.log;
    this.#folders = parts.folders;
    this.#recovered = recovered;
    this.#writer = writer;
    const log = this.#logAfter(recovered, writer);
    this.log = new LogSwitch(this.#environment.timers, log);
    this.#purgeNow();
  }

  get snapshotZxid(): bigint {
    return this.#recovered.snapshotZxid;
  }

  get recoveredZxid(): bigint {
    return this.#recovered.lastZxid;
  }

  get snapshot(): AsyncIterable<Uint8Array> | null {
    const { snapshot } = this.#recovered;
    return snapshot === null ? null : entriesOf(this.#environment.disk, snapshot);
  }

  get records(): AsyncIterable<LogRecord> {
    const { logs, snapshotZxid } = this.#recovered;
    return recordsAfter(this.#environment.disk, logs, snapshotZxid);
  }

  get sinceSnapshot(): { readonly records: number; readonly bytes: number } {
    return this.#sinceSnapshot;
  }

  get snapshotRunning(): boolean {
    return this.#snapshotWork !== null;
  }

  get mark(): EnsembleMark {
    return this.#parts.keeper.mark;
  }

  get isNew(): boolean {
    return this.#parts.keeper.isNew;
  }

  async saveMark(mark: EnsembleMark): Promise<void> {
    this.#checkOpen();
    await this.#parts.keeper.save(mark);
  }

  async writeSnapshot(zxid: bigint, entries: Iterable<Uint8Array>): Promise<void> {
    invariant(this.#snapshotWork === null, 'one snapshot is written at a time');
    this.#checkOpen();
    if (this.#isChanging || this.#isForeign) throw outdated();
    const work = this.#writeSnapshot(zxid, entries);
    this.#snapshotWork = work;
    try {
      await work;
    } finally {
      this.#snapshotWork = null;
    }
    this.#purgeNow();
  }

  async #writeSnapshot(zxid: bigint, entries: Iterable<Uint8Array>): Promise<void> {
    const beganAt = this.#environment.clock.now();
    const generation = this.#generation;
    this.#sinceSnapshot = { records: 0, bytes: 0 };
    this.#writer.roll();
    const { path, entryCount, sizeBytes } = await writeSnapshotFile(this.#environment, {
      folder: this.#folders.dataFolder,
      zxid,
      entries,
      settings: this.#settings,
      endZxid: async () => {
        // A member of an ensemble applies what is certain, also when its own disk does not have it yet.
        const { lastZxid } = this.log;
        await this.log.whenDurable();
        this.#checkGeneration(generation);
        return lastZxid > zxid ? lastZxid : zxid;
      },
      checkOpen: () => {
        this.#checkOpen();
        this.#checkGeneration(generation);
      },
    });
    const tookMs = Math.round(this.#environment.clock.now() - beganAt);
    this.#events.info('snapshot written', { path, entryCount, sizeBytes, tookMs });
  }

  async content(): Promise<StoredContent> {
    this.#checkOpen();
    const endZxid = this.log.lastZxid;
    await this.log.whenDurable();
    const { disk } = this.#environment;
    const suits = ({ seal }: ValidSnapshot): boolean => seal.endZxid <= endZxid;
    const { snapshot, snapshotZxid, scanned, lastZxid } = await this.#unpurged(() =>
      survey(disk, this.#folders, this.#events, suits, endZxid),
    );
    this.#isForeign = false;
    return {
      snapshot: snapshot === null ? null : this.#read(entriesOf(disk, snapshot)),
      records: this.#read(recordsAfter(disk, scanned, snapshotZxid)),
      zxid: lastZxid,
    };
  }

  async history(zxid: bigint): Promise<History | null> {
    this.#checkOpen();
    const endZxid = this.log.lastZxid;
    if (zxid >= endZxid) return { startZxid: endZxid, records: noRecords(), sizeBytes: 0 };
    if (zxid < this.#historyFloor) return null;
    const generation = this.#generation;
    await this.log.whenDurable();
    this.#checkGeneration(generation);
    const { disk } = this.#environment;
    try {
      const { logFolder } = this.#folders;
      const start = await this.#unpurged(() => findHistory(disk, logFolder, zxid, endZxid));
      if (start === null) return null;
      const { startZxid, sizeBytes } = start;
      return { startZxid, sizeBytes, records: this.#read(this.#historyFrom(start)) };
    } catch (error) {
      if (!(error instanceof StorageDamaged)) throw error;
      this.#forgetHistory(endZxid, error);
      return null;
    }
  }

  async *#historyFrom(start: HistoryStart): AsyncGenerator<LogRecord> {
    try {
      yield* recordsFrom(this.#environment.disk, start);
    } catch (error) {
      // Whoever reads has to begin again with something else.
      if (error instanceof StorageDamaged) this.#forgetHistory(start.endZxid, error);
      throw error;
    }
  }

  #forgetHistory(endZxid: bigint, error: StorageDamaged): void {
    this.#events.warn('an older part of the log cannot be read; it is used no more', { error });
    this.#historyFloor = endZxid;
  }

  /** Files stay while `look` looks for them. */
  async #unpurged<T>(look: () => Promise<T>): Promise<T> {
    this.#readers += 1;
    try {
      await this.#purgeWork;
      return await look();
    } finally {
      this.#readers -= 1;
    }
  }

  /** Files stay while this is read. */
  async *#read<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
    this.#readers += 1;
    try {
      yield* source;
    } finally {
      this.#readers -= 1;
    }
  }

  async truncate(zxid: bigint): Promise<void> {
    this.#checkOpen();
    if (zxid >= this.log.lastZxid) return;
    await this.log.whenDurable();
    const { disk } = this.#environment;
    await this.#exclusively(async () => {
      const cut = await planCut(disk, this.#folders, this.#events, zxid);
      await this.#change(() => carryOut(disk, cut));
    });
    this.#events.info('the log was cut: what is behind was never certain', { zxid: hex(zxid) });
  }

  async replace(zxid: bigint, entries: AsyncIterable<Uint8Array>): Promise<void> {
    this.#checkOpen();
    const { disk } = this.#environment;
    await writeInstall(this.#environment, this.#folders, zxid, entries, this.#settings);
    await this.#exclusively(async () => {
      this.#isForeign = true;
      await this.#change(() => finishInstall(disk, this.#folders));
    });
    this.#events.info('a snapshot has taken the place of all data', { zxid: hex(zxid) });
  }

  /** Without a snapshot of the old content, which might be finished afterwards, and without a purge by the old files. */
  async #exclusively(work: () => Promise<void>): Promise<void> {
    this.#generation += 1;
    this.#isChanging = true;
    this.#readers += 1;
    try {
      await this.#snapshotWork?.catch(() => undefined); // Told to whoever asked for the snapshot.
      await this.#purgeWork;
      await work();
    } finally {
      this.#isChanging = false;
      this.#readers -= 1;
    }
  }

  /** Changes the files while nothing is written to them, and goes on where they end then. */
  async #change(change: () => Promise<void>): Promise<void> {
    const { disk } = this.#environment;
    try {
      await this.log.close();
      await change();
      const recovered = await recover(disk, this.#folders, this.#events);
      const writer = await writerFor(this.#parts, recovered);
      this.#recovered = recovered;
      this.#writer = writer;
      const log = this.#logAfter(recovered, writer);
      this.log.turnTo(log);
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      this.log.fail(error);
      this.#parts.options.onFailure(error);
      throw error;
    }
  }

  /** A log that goes on after what was recovered. */
  #logAfter(recovered: Recovered, writer: LogWriter): GroupCommitLog {
    const { options, settings, log } = this.#parts;
    const { clock, timers } = this.#environment;
    this.#sinceSnapshot = { records: 0, bytes: 0 };
    for (const { newRecords, newBytes } of recovered.logs) this.#count(newRecords, newBytes);
    // Files that are there, but do not lead to what goes on, are no history of it.
    if (recovered.continuation === null) this.#historyFloor = recovered.lastZxid;
    return new GroupCommitLog({
      clock,
      timers,
      log,
      settings,
      writer,
      lastZxid: recovered.lastZxid,
      onFailure: (error) => options.onFailure(error),
      onSync: (syncMs, records) => options.onSync?.(syncMs, records),
      onDurable: (records, bytes) => this.#count(records, bytes),
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#disarmPurge?.();
    await this.#snapshotWork?.catch(() => undefined); // Told to whoever asked for the snapshot.
    await this.#purgeWork;
    try {
      await this.log.close();
    } finally {
      for (const lock of this.#parts.locks) await lock.release();
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new StorageClosed('the storage is closed');
  }

  #checkGeneration(generation: number): void {
    if (generation === this.#generation) return;
    throw outdated();
  }

  #count(records: number, bytes: number): void {
    const before = this.#sinceSnapshot;
    this.#sinceSnapshot = { records: before.records + records, bytes: before.bytes + bytes };
  }

  /** Purges now and from then on at the configured interval. */
  #purgeNow(): void {
    const { purgeIntervalMs } = this.#settings;
    if (purgeIntervalMs === null || this.#closed || this.#purgeWork !== null) return;
    this.#disarmPurge?.();
    if (this.#readers > 0) {
      this.#purgeIn(purgeIntervalMs);
      return;
    }
    this.#purgeWork = this.#purge().then(() => {
      this.#purgeWork = null;
      if (!this.#closed) this.#purgeIn(purgeIntervalMs);
    });
  }

  #purgeIn(intervalMs: number): void {
    const { clock, timers } = this.#environment;
    this.#disarmPurge = timers.wakeAt(millis(clock.now() + intervalMs), () => this.#purgeNow());
  }

  async #purge(): Promise<void> {
    try {
      const { disk } = this.#environment;
      const removed = await purge(disk, this.#folders, this.#settings.retainSnapshots);
      if (removed.length > 0) this.#events.info('old files purged', { files: removed.length });
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      this.#events.warn('old files could not be purged', { error });
    }
  }
}

const outdated = (): SnapshotOutdated =>
  new SnapshotOutdated('what is stored was cut or replaced meanwhile');

async function* noRecords(): AsyncGenerator<LogRecord> {}

const hex = (zxid: bigint): string => `0x${zxid.toString(16)}`;
