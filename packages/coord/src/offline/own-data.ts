/**
 * Our own data directories, as the offline tools see them: which folders they are, what is in them,
 * and the one way in which a tool fills an empty one.
 */
import { basename, dirname, join } from 'node:path';
import { type Disk, DiskError, type Environment, type Log, millis } from '@odradek/runtime';
import { apply, nobody } from '../core/transaction/apply.ts';
import { decodeEntry, decodeRecord, UnreadableRecord } from '../server/record-codec.ts';
import { BlockFileWriter } from '../storage/block-file-writer.ts';
import { StorageDamaged } from '../storage/errors.ts';
import { LOCK_FILE, STORAGE_FOLDER, storagePath } from '../storage/file-names.ts';
import { recordsAfter } from '../storage/log-files.ts';
import type { StorageFolders, Survey } from '../storage/recovery.ts';
import { DEFAULT_SETTINGS } from '../storage/settings.ts';
import { entriesOf } from '../storage/snapshot-reader.ts';
import { OfflineRefused } from './errors.ts';
import { type Progress, State } from './state.ts';

export type OfflineEnvironment = Pick<Environment, 'clock' | 'timers' | 'random' | 'disk'>;

/** Where a server keeps its data, as configured. */
export interface OwnDirectories {
  /** zoo.cfg's dataDir, or the folder `odradek` in it. */
  readonly dataDirectory: string;
  /** dataLogDir; null when it is the same. */
  readonly logDirectory: string | null;
}

const NOT_DECODABLE =
  'The checksum is right, so it was written so: a newer version of the server may read it';

/** After so many nodes or transactions it is said how far the work is. */
const STEP = 100_000;
/** While a server writes, a file can be gone or unfinished for a moment. */
const ONLINE_ATTEMPTS = 5;
const ONLINE_PAUSE_MS = 300;

export function foldersOf({ dataDirectory, logDirectory }: OwnDirectories): StorageFolders {
  const within = (directory: string): string =>
    basename(directory) === STORAGE_FOLDER ? directory : join(directory, STORAGE_FOLDER);
  const dataFolder = within(dataDirectory);
  return { dataFolder, logFolder: logDirectory === null ? dataFolder : within(logDirectory) };
}

/** @throws OfflineRefused when no server of ours ever had this directory */
export async function existingFolders(
  disk: Disk,
  directories: OwnDirectories,
): Promise<StorageFolders> {
  const folders = foldersOf(directories);
  for (const folder of new Set([folders.dataFolder, folders.logFolder])) {
    if ((await disk.status(folder))?.kind === 'directory') continue;
    throw new OfflineRefused(
      `${dirname(folder)} is no data directory of the coordination server: there is no ${folder}`,
    );
  }
  return folders;
}

/**
 * Keeps servers out while `work` runs.
 * @throws DirectoryLocked when a server, or another tool, has the directory
 */
export async function locked<T>(
  disk: Disk,
  folders: StorageFolders,
  work: () => Promise<T>,
): Promise<T> {
  const locks: { release(): Promise<void> }[] = [];
  try {
    for (const folder of new Set([folders.dataFolder, folders.logFolder])) {
      locks.push(await disk.lock(join(folder, LOCK_FILE)));
    }
    return await work();
  } finally {
    for (const lock of locks) await lock.release();
  }
}

/**
 * Runs `work` beside a server that writes: what fails because a file is purged or unfinished at that
 * moment is tried again.
 */
export async function besideServer<T>(
  { clock, timers }: Pick<OfflineEnvironment, 'clock' | 'timers'>,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const passing =
        error instanceof StorageDamaged || (error instanceof DiskError && error.code === 'ENOENT');
      if (!passing || attempt === ONLINE_ATTEMPTS) throw error;
      await new Promise<void>((resolve) => {
        timers.wakeAt(millis(clock.now() + ONLINE_PAUSE_MS), resolve);
      });
    }
  }
}

/** Puts what a directory or a backup holds into a state, one thing after the other. */
export class StateBuilder {
  readonly state = new State();
  readonly #progress: Progress;
  readonly #source: string;
  #nodes = 0;
  #records = 0;
  #lastTimeMs: number | null = null;

  /** @param source what is said to be damaged when something cannot be read */
  constructor(source: string, progress: Progress) {
    this.#source = source;
    this.#progress = progress;
  }

  get recordCount(): number {
    return this.#records;
  }

  /** When the last record was prepared, by that server's clock; null: no record was replayed. */
  get lastTimeMs(): number | null {
    return this.#lastTimeMs;
  }

  entry(bytes: Uint8Array): void {
    const entry = decoded(this.#source, () => decodeEntry(bytes));
    if (entry.kind === 'session') this.state.sessions.open(entry.session);
    else this.state.tree.restore(entry.node);
    if (++this.#nodes % STEP === 0) this.#progress.step(`${this.#nodes} entries read`);
  }

  record(bytes: Uint8Array): void {
    const record = decoded(this.#source, () => decodeRecord(bytes));
    apply(record, this.state.tree, this.state.sessions, nobody);
    this.state.zxid = record.zxid;
    this.#lastTimeMs = record.timeMs;
    if (++this.#records % STEP === 0) this.#progress.step(`${this.#records} transactions replayed`);
  }

  finish(): State {
    this.state.tree.recovered();
    return this.state;
  }
}

/** @throws StorageDamaged for bytes that do not read as what they should be */
export function decoded<T>(path: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof UnreadableRecord)) throw error;
    throw new StorageDamaged(
      path,
      null,
      `what it holds cannot be read: ${error.message}`,
      NOT_DECODABLE,
    );
  }
}

/** Loads what a survey found, as a start would. */
export async function loadSurveyed(
  disk: Disk,
  { snapshot, snapshotZxid, scanned }: Survey,
  progress: Progress,
): Promise<StateBuilder> {
  const builder = new StateBuilder(snapshot?.path ?? scanned[0]?.path ?? '', progress);
  if (snapshot !== null) {
    for await (const bytes of entriesOf(disk, snapshot)) builder.entry(bytes);
  }
  builder.state.zxid = snapshotZxid;
  for await (const { payload } of recordsAfter(disk, scanned, snapshotZxid))
    builder.record(payload);
  builder.finish();
  return builder;
}

/** @throws OfflineRefused when there is something in the target already */
export async function refuseFilled(disk: Disk, folders: StorageFolders): Promise<void> {
  for (const folder of new Set([folders.dataFolder, folders.logFolder])) {
    const entries = await disk.list(folder);
    const [first] = entries.filter(({ name }) => !name.startsWith(LOCK_FILE));
    if (first === undefined) continue;
    throw new OfflineRefused(
      `${folder} is not empty (there is ${first.name}): choose another directory, or move it away`,
    );
  }
}

/**
 * Makes a data directory of a state: one snapshot, from which a server starts.
 * @returns the snapshot's path
 * @throws OfflineRefused when the target is not empty, DirectoryLocked, DiskError
 */
export async function writeState(
  { disk, random }: OfflineEnvironment,
  folders: StorageFolders,
  state: State,
): Promise<string> {
  await refuseFilled(disk, folders);
  for (const folder of new Set([folders.dataFolder, folders.logFolder]))
    await disk.makeDirectory(folder);
  return await locked(disk, folders, async () => {
    const { zxid } = state;
    const path = storagePath(folders.dataFolder, 'snapshot', zxid);
    const file = await BlockFileWriter.create(
      { disk, random },
      path,
      'snapshot',
      { zxid },
      DEFAULT_SETTINGS,
    );
    try {
      for (const entry of state.entries()) {
        file.add(entry);
        if (file.isFull) await file.flush();
      }
      await file.finish(zxid);
    } catch (error) {
      await file.abandon();
      throw error;
    }
    for (const folder of new Set([folders.dataFolder, folders.logFolder])) {
      await disk.syncDirectory(dirname(folder));
    }
    return path;
  });
}

/** Warnings of the storage, such as a snapshot that cannot be used, for the operator. */
export function logTo(progress: Progress): Log {
  const say = (message: string, fields: { readonly [name: string]: unknown } = {}): void => {
    const shown = Object.entries(fields).map(([name, value]) =>
      value instanceof Error ? `: ${value.message}` : ` ${name}=${value}`,
    );
    progress.warn(message + shown.join(''));
  };
  const log: Log = { error: say, warn: say, info() {}, debug() {}, child: () => log };
  return log;
}
