/** What can be in the way of the offline tools. Damage in our own files is the storage's StorageDamaged. */
import { OdradekError } from '@odradek/runtime';

/** A file of a ZooKeeper data directory is not what it should be. */
export class ForeignDataDamaged extends OdradekError {
  override readonly name = 'ForeignDataDamaged';
  readonly code = 'FOREIGN_DATA_DAMAGED';
  readonly retriable = false;
  readonly path: string;
  /** In bytes; of the decompressed content where the file is compressed. null: the file as a whole. */
  readonly offset: number | null;
  readonly damage: string;

  constructor(
    path: string,
    offset: number | null,
    damage: string,
    remedy = '',
    options?: ErrorOptions,
  ) {
    const place = offset === null ? path : `${path} at byte ${offset}`;
    super(`${place}: ${damage}${remedy === '' ? '' : `. ${remedy}`}`, options);
    this.path = path;
    this.offset = offset;
    this.damage = damage;
  }
}

/** The tool was asked for something that it does not do, such as overwriting data. Nothing was changed. */
export class OfflineRefused extends OdradekError {
  override readonly name = 'OfflineRefused';
  readonly code = 'OFFLINE_REFUSED';
  readonly retriable = false;
}
