/**
 * The storage of one server: takes its directories, recovers what is in them, and hands out the log
 * and the snapshots. What the server sees of it is in types.ts.
 */
import { join } from 'node:path';
import { type Disarm, invariant, type Log, millis, OdradekError } from '@odradek/runtime';
import { StorageClosed, StorageNotUsable } from './errors.ts';
import { LOCK_FILE, listFiles, removeUnfinished, STORAGE_FOLDER } from './file-names.ts';
import { GroupBuffer } from './group-buffer.ts';
import { recordsAfter } from './log-files.ts';
import { LogWriter } from './log-writer.ts';
import { purge } from './purge.ts';
import { type Recovered, recover } from './recovery.ts';
import { DEFAULT_SETTINGS } from './settings.ts';
import { entriesOf } from './snapshot-reader.ts';
import { writeSnapshotFile } from './snapshot-writer.ts';
import { GroupCommitLog } from './transaction-log.ts';
import type { LogRecord, Storage, StorageOptions, StorageSettings } from './types.ts';

type StorageEnvironment = StorageOptions['environment'];

interface Folders {
  readonly dataFolder: string;
  readonly logFolder: string;
}

interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * Opens the storage, made anew where there is none.
 * @throws DirectoryLocked, StorageDamaged, StorageNotUsable, DiskError
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
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
    const buffer = new GroupBuffer(settings.groupBytes);
    const { logFolder } = folders;
    const writer = new LogWriter(environment, logFolder, settings, buffer, recovered.lastZxid);
    if (recovered.continuation !== null) await writer.continue(recovered.continuation);
    return new DiskStorage({ options, settings, log, folders, locks, recovered, writer });
  } catch (error) {
    for (const lock of locks) await lock.release();
    throw error;
  }
}

function foldersOf({ dataFolder, logFolder }: Folders): readonly string[] {
  return dataFolder === logFolder ? [dataFolder] : [dataFolder, logFolder];
}

/** An empty tree where an operator expects Apache's data would be a nasty surprise. */
async function refuseForeignData(
  { disk }: StorageEnvironment,
  { dataDirectory, logDirectory }: StorageOptions,
  folders: Folders,
): Promise<void> {
  if ((await disk.status(folders.dataFolder)) !== null) return;
  for (const directory of new Set([dataDirectory, logDirectory])) {
    const entries = await disk.list(join(directory, 'version-2'));
    if (!entries.some(({ name }) => /^(snapshot|log)\.[0-9a-f]+/.test(name))) continue;
    throw new StorageNotUsable(
      `${directory} holds data of Apache ZooKeeper (version-2), but none of this server: import it with ` +
        `'odradek coord-import --from ${directory} --to ${directory}', configure another dataDir, ` +
        'or move version-2 away to begin with an empty tree',
    );
  }
}

async function lockFolders(
  { disk }: StorageEnvironment,
  folders: Folders,
): Promise<readonly DirectoryLock[]> {
  const locks: DirectoryLock[] = [];
  try {
    for (const folder of foldersOf(folders)) {
      await disk.makeDirectory(folder);
      locks.push(await disk.lock(join(folder, LOCK_FILE)));
    }
    return locks;
  } catch (error) {
    for (const lock of locks) await lock.release();
    throw error;
  }
}

/** After a change of dataLogDir the old log would be left out without a word. */
async function refuseMisplacedFiles(
  { disk }: StorageEnvironment,
  { dataFolder, logFolder }: Folders,
): Promise<void> {
  if (dataFolder === logFolder) return;
  for (const { kind, found, wanted } of [
    { kind: 'log', found: dataFolder, wanted: logFolder },
    { kind: 'snapshot', found: logFolder, wanted: dataFolder },
  ] as const) {
    if ((await listFiles(disk, found, kind)).length === 0) continue;
    throw new StorageNotUsable(
      `${found} holds ${kind} files, but they are configured to be in ${wanted}: move them there`,
    );
  }
}

class DiskStorage implements Storage {
  readonly snapshotZxid: bigint;
  readonly recoveredZxid: bigint;
  readonly log: GroupCommitLog;
  readonly #environment: StorageEnvironment;
  readonly #settings: StorageSettings;
  readonly #events: Log;
  readonly #folders: Folders;
  readonly #locks: readonly DirectoryLock[];
  readonly #recovered: Recovered;
  readonly #writer: LogWriter;
  #sinceSnapshot = { records: 0, bytes: 0 };
  #snapshotWork: Promise<void> | null = null;
  #purgeWork: Promise<void> | null = null;
  #disarmPurge: Disarm | null = null;
  #closed = false;

  constructor({
    options,
    settings,
    log,
    folders,
    locks,
    recovered,
    writer,
  }: {
    readonly options: StorageOptions;
    readonly settings: StorageSettings;
    readonly log: Log;
    readonly folders: Folders;
    readonly locks: readonly DirectoryLock[];
    readonly recovered: Recovered;
    readonly writer: LogWriter;
  }) {
    const { clock, timers } = options.environment;
    this.#environment = options.environment;
    this.#settings = settings;
    this.#events = log;
    this.#folders = folders;
    this.#locks = locks;
    this.#recovered = recovered;
    this.#writer = writer;
    this.snapshotZxid = recovered.snapshotZxid;
    this.recoveredZxid = recovered.lastZxid;
    for (const { newRecords, newBytes } of recovered.logs) this.#count(newRecords, newBytes);
    this.log = new GroupCommitLog({
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
    this.#purgeNow();
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

  async writeSnapshot(zxid: bigint, entries: Iterable<Uint8Array>): Promise<void> {
    invariant(this.#snapshotWork === null, 'one snapshot is written at a time');
    this.#checkOpen();
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
    this.#sinceSnapshot = { records: 0, bytes: 0 };
    this.#writer.roll();
    const { path, entryCount, sizeBytes } = await writeSnapshotFile(this.#environment, {
      folder: this.#folders.dataFolder,
      zxid,
      entries,
      settings: this.#settings,
      endZxid: () => (this.log.durableZxid > zxid ? this.log.durableZxid : zxid),
      checkOpen: () => this.#checkOpen(),
    });
    const tookMs = Math.round(this.#environment.clock.now() - beganAt);
    this.#events.info('snapshot written', { path, entryCount, sizeBytes, tookMs });
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
      for (const lock of this.#locks) await lock.release();
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new StorageClosed('the storage is closed');
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
    this.#purgeWork = this.#purge().then(() => {
      this.#purgeWork = null;
      if (this.#closed) return;
      const { clock, timers } = this.#environment;
      this.#disarmPurge = timers.wakeAt(millis(clock.now() + purgeIntervalMs), () =>
        this.#purgeNow(),
      );
    });
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
