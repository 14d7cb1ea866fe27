/** What can be wrong with the files of the storage. Failing operations are runtime's DiskError. */
import { OdradekError } from '@odradek/runtime';

/** Files contradict each other or their checksums: starting would lose or invent transactions. */
export class StorageDamaged extends OdradekError {
  override readonly name = 'StorageDamaged';
  readonly code = 'STORAGE_DAMAGED';
  readonly retriable = false;
  readonly path: string;
  /** Where in the file, in bytes; null when the file as a whole is meant. */
  readonly offset: number | null;

  constructor(path: string, offset: number | null, damage: string, remedy: string) {
    const place = offset === null ? path : `${path} at byte ${offset}`;
    super(`${place}: ${damage}. ${remedy}`);
    this.path = path;
    this.offset = offset;
  }
}

/** What to do about a log or snapshot that cannot be trusted, in one sentence for the operator. */
export const RESTORE_REMEDY =
  'Restore the file from a backup, or move the whole data directory away: ' +
  'a member of an ensemble then copies the state of the others';

/** The files are of a kind or version that this server does not read. */
export class StorageNotUsable extends OdradekError {
  override readonly name = 'StorageNotUsable';
  readonly code = 'STORAGE_NOT_USABLE';
  readonly retriable = false;
}

/** What is on the disk does not reach back to where it should be cut; it is as it was. */
export class CutTooDeep extends OdradekError {
  override readonly name = 'CutTooDeep';
  readonly code = 'CUT_TOO_DEEP';
  readonly retriable = false;
}

/** The storage was given other content while a snapshot of the old one was written. */
export class SnapshotOutdated extends OdradekError {
  override readonly name = 'SnapshotOutdated';
  readonly code = 'SNAPSHOT_OUTDATED';
  readonly retriable = false;
}

/** The storage was closed while this was under way. */
export class StorageClosed extends OdradekError {
  override readonly name = 'StorageClosed';
  readonly code = 'STORAGE_CLOSED';
  readonly retriable = false;
}
