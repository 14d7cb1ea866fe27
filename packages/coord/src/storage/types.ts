/**
 * What the server sees of its storage: the state as recovered, the log it appends to, snapshots.
 *
 * Records and snapshot entries are opaque bytes here; what is in them belongs to core/transaction.
 * The implementation is behind `openStorage` in storage.ts.
 */
import type { Environment, OdradekError } from '@odradek/runtime';

/** One logged transaction. */
export interface LogRecord {
  readonly zxid: bigint;
  /** A slice of a read buffer that is shared with neighbours: copy what is to live on. */
  readonly payload: Uint8Array;
}

export interface StorageOptions {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random' | 'disk' | 'log'>;
  /** zoo.cfg's dataDir: snapshots. Ours are in the folder `odradek` below it. */
  readonly dataDirectory: string;
  /** zoo.cfg's dataLogDir: the transaction log; the same as dataDirectory when not configured. */
  readonly logDirectory: string;
  readonly settings?: Partial<StorageSettings>;
  /** An empty directory may be trusted: db.autocreate. Without it a file `initialize` is needed. */
  readonly autocreate?: boolean;
  /** The server has no ensemble: data of a member of one is refused. */
  readonly isAlone?: boolean;
  /**
   * The log failed (disk full, I/O error): told once. Nothing appended since the last `durable` is
   * acknowledged any more, now or later; the server must stop serving writes.
   */
  onFailure(error: OdradekError): void;
  /** A group was made durable; for metrics. */
  onSync?(syncMs: number, records: number): void;
}

/** All limits of the storage, by name and unit. */
export interface StorageSettings {
  /** A log file is closed and a new one begun once it is this big (txnLogSizeLimitInKb). */
  readonly logFileBytes: number;
  /** A log file grows by this many zero bytes at a time, ahead of need (preAllocSize). */
  readonly preallocateBytes: number;
  /** At most this many bytes are written and synced at once. A bigger record goes alone. */
  readonly groupBytes: number;
  /** At most this many records are written and synced at once (maxBatchSize). */
  readonly groupRecords: number;
  /** From this many bytes waiting to be durable on, `isFull` says to take no more requests. */
  readonly pendingBytes: number;
  /** The largest record, and the largest snapshot entry (jute.maxbuffer and its headroom). */
  readonly recordBytes: number;
  /** A sync that takes longer is worth a line in the log (fsync.warningthresholdms). */
  readonly slowSyncMs: number;
  /** false: durable is called without a sync. Loses acknowledged writes in a power cut (forceSync=no). */
  readonly forceSync: boolean;
  /** A snapshot works this long at most before it lets other things happen. */
  readonly snapshotSliceMs: number;
  /** A snapshot's file is synced each time this many bytes were added, so that no sync is long. */
  readonly snapshotSyncBytes: number;
  /** How many snapshots purging leaves, at least 3 (autopurge.snapRetainCount). */
  readonly retainSnapshots: number;
  /** Purging runs at the start, after each snapshot, and this often; null: never (autopurge.purgeInterval). */
  readonly purgeIntervalMs: number | null;
}

export interface TransactionLog {
  /** The last zxid handed to `append`, or recovered; 0 when there is none. */
  readonly lastZxid: bigint;
  /** Bytes appended that are not durable yet. */
  readonly pendingBytes: number;
  /** More than the limit is pending: stop reading requests until `whenRoom`. */
  readonly isFull: boolean;
  /** Resolves when `isFull` is false, also when the log failed. */
  whenRoom(): Promise<void>;
  /**
   * Queues one record; zxids must rise. Records of one turn of the event loop, and all that come
   * while a sync runs, share the next write and sync. The bytes must not change afterwards.
   * @param durable called in order of appending, after the sync that covers the record; never from within `append`
   * @param failed called instead of `durable` when the log failed; never from within `append`
   */
  append(
    payload: Uint8Array,
    zxid: bigint,
    durable: () => void,
    failed?: (error: OdradekError) => void,
  ): void;
}

export interface Storage {
  /** The zxid of the snapshot below; 0 when there is none. */
  readonly snapshotZxid: bigint;
  /** The last zxid on disk, in log or snapshot; 0 for an empty store. */
  readonly recoveredZxid: bigint;
  /** The entries of the newest valid snapshot, in the order they were written; null when there is none. */
  readonly snapshot: AsyncIterable<Uint8Array> | null;
  /**
   * All logged records with a zxid above `snapshotZxid`, in order. A snapshot is taken while
   * transactions are applied, so the first of them may already be in it. Already validated.
   */
  readonly records: AsyncIterable<LogRecord>;
  readonly log: TransactionLog;
  /** What was appended (or recovered) since the newest snapshot began: for the decision to take the next. */
  readonly sinceSnapshot: { readonly records: number; readonly bytes: number };
  readonly snapshotRunning: boolean;
  /**
   * Writes a snapshot without stopping anything: `entries` is asked for more in slices of
   * `snapshotSliceMs`, and the tree may change in between (a fuzzy snapshot). The log begins a new file.
   * One at a time. A snapshot that fails leaves the older ones in place.
   * @param zxid the last applied transaction at the time of this call
   * It gets its name once the log is durable up to all that may show in it.
   * @throws DiskError, StorageClosed when the storage is closed meanwhile, SnapshotOutdated when its content is
   *   cut or replaced meanwhile
   */
  writeSnapshot(zxid: bigint, entries: Iterable<Uint8Array>): Promise<void>;
  /** Makes everything appended durable, closes the files and gives the directories free. */
  close(): Promise<void>;
}

/** What a server of an ensemble has promised; on disk before anybody is told. */
export interface EnsembleMark {
  /** null: never part of an ensemble. */
  readonly clusterId: string | null;
  /** The highest epoch that was promised to a leader. */
  readonly acceptedEpoch: number;
  /** The epoch whose history is on this disk. */
  readonly currentEpoch: number;
  /**
   * How often the operator has declared the old majority dead (forced take-over), 0 for never. Servers whose
   * fence is lower have no say any more: a greeting tells them.
   */
  readonly fence: number;
  /** The highest fence that anybody ever told of; above `fence`: this server has been left behind. */
  readonly metFence: number;
  /** The text of the members that the operator has set by a take-over; null: never. */
  readonly forcedMembers: string | null;
}

/** The log from some point on. */
export interface History {
  /** The last logged zxid that is not above the one asked for. */
  readonly startZxid: bigint;
  /** What follows it, up to the end at the time of asking. */
  readonly records: AsyncIterable<LogRecord>;
  /** About what has to be read for it. */
  readonly sizeBytes: number;
}

/** What is on the disk, to be loaded. */
export interface StoredContent {
  readonly snapshot: AsyncIterable<Uint8Array> | null;
  readonly records: AsyncIterable<LogRecord>;
  /** Of the last record, or of the snapshot when there is none after it. */
  readonly zxid: bigint;
}

/** What replication needs of a storage beyond what a server alone needs. */
export interface ReplicatedStorage extends Storage {
  /** Data of a server that ran alone has the epoch of its last zxid. */
  readonly mark: EnsembleMark;
  /** Nothing was ever stored here, and no file `initialize` in dataDir says that this is as it should be. */
  readonly isNew: boolean;
  /** Resolves once it is durable. */
  saveMark(mark: EnsembleMark): Promise<void>;
  /** All that was appended before this call. It stays readable while more is appended. */
  content(): Promise<StoredContent>;
  /** null: the log does not reach back as far as `zxid`. Everything appended so far is included. */
  history(zxid: bigint): Promise<History | null>;
  /**
   * Cuts everything after `zxid`, durably: records, and snapshots that may hold something of them. The log
   * goes on from there.
   * Nothing is appended meanwhile.
   * @throws CutTooDeep when the log does not have `zxid`, or snapshot and log do not reach back to it; nothing is
   *   changed then
   */
  truncate(zxid: bigint): Promise<void>;
  /**
   * Puts a snapshot in the place of everything there is, durably: a crash leaves the old or the new.
   * The log goes on after `zxid`. Nothing is appended meanwhile. When `entries` fails, nothing is changed.
   */
  replace(zxid: bigint, entries: AsyncIterable<Uint8Array>): Promise<void>;
}
