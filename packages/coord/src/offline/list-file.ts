/**
 * coord-log: what is in a transaction log, a snapshot or a backup, ours or ZooKeeper's, record by
 * record. What a file is, its first bytes tell, or its ending where it is compressed.
 */
import { basename } from 'node:path';
import type { Disk, OdradekError } from '@odradek/runtime';
import type { TransactionRecord } from '../core/transaction/record.ts';
import { decodeEntry, decodeRecord } from '../server/record-codec.ts';
import { RESTORE_REMEDY, StorageDamaged } from '../storage/errors.ts';
import { FILE_HEADER_BYTES, kindOfHeader, readFileHeader } from '../storage/file-header.ts';
import { FileWindow } from '../storage/file-window.ts';
import { recordsIn, wasSynced, writtenBytesFrom } from '../storage/log-format.ts';
import { blocksOf, entriesIn } from '../storage/snapshot-reader.ts';
import { decodeItem } from './backup-format.ts';
import { type Description, describeNode, describeRecord, describeSession } from './describe.ts';
import { ForeignDataDamaged, OfflineRefused } from './errors.ts';
import { compressionOf } from './original/content.ts';
import { LOG_MAGIC, readLog } from './original/log-reader.ts';
import { readSnapshot, SNAPSHOT_MAGIC } from './original/snapshot-reader.ts';
import { decoded } from './own-data.ts';
import { hex } from './state.ts';

const MAGIC_BYTES = 8;

export type ListedKind = 'log' | 'snapshot' | 'backup' | 'ZooKeeper log' | 'ZooKeeper snapshot';

/** Which records are wanted; the others are read and checked all the same. */
export interface ListRange {
  readonly fromZxid: bigint | null;
  readonly toZxid: bigint | null;
}

/** A file after it was read to its end, or to where it is damaged. */
export interface ListedFile {
  readonly path: string;
  readonly kind: ListedKind;
  /** Transactions, or sessions and nodes. */
  readonly recordCount: number;
  readonly firstZxid: bigint | null;
  readonly lastZxid: bigint | null;
  /** Bytes at the end of a write that never finished, and where they begin. */
  readonly torn: { readonly offset: number; readonly sizeBytes: number } | null;
  readonly damage: OdradekError | null;
}

type Emit = (description: Description) => Promise<void>;

/**
 * @param emit is given every wanted record in order; null to check only
 * @throws OfflineRefused when the file is none of these, DiskError
 */
export async function listFile(
  disk: Disk,
  path: string,
  range: ListRange,
  emit: Emit | null,
): Promise<ListedFile> {
  const kind = await kindOfFile(disk, path);
  const listing = new Listing(range, emit);
  let damage: OdradekError | null = null;
  try {
    switch (kind) {
      case 'log':
        await listLog(disk, path, listing);
        break;
      case 'snapshot':
      case 'backup':
        await listBlocks(disk, path, kind, listing);
        break;
      case 'ZooKeeper log':
        await listOriginalLog(disk, path, listing);
        break;
      case 'ZooKeeper snapshot':
        await listOriginalSnapshot(disk, path, listing);
    }
  } catch (error) {
    if (!(error instanceof StorageDamaged || error instanceof ForeignDataDamaged)) throw error;
    damage = error;
  }
  const { recordCount, firstZxid, lastZxid, torn } = listing;
  return { path, kind, recordCount, firstZxid, lastZxid, torn, damage };
}

/** One sentence about a file that was read. */
export function verdictOf({
  path,
  kind,
  recordCount,
  firstZxid,
  lastZxid,
  torn,
  damage,
}: ListedFile): string {
  const span =
    firstZxid === null || lastZxid === null ? '' : `, zxid ${hex(firstZxid)} to ${hex(lastZxid)}`;
  const what = `${path}: ${kind}, ${recordCount} records${span}`;
  if (damage !== null) return `${what}; DAMAGED: ${damage.message}`;
  if (torn === null) return `${what}; whole`;
  return `${what}; ends at byte ${torn.offset} in a write that was never finished (${torn.sizeBytes} bytes, never acknowledged)`;
}

/** Counts what goes by, and hands on what is wanted. */
class Listing {
  recordCount = 0;
  firstZxid: bigint | null = null;
  lastZxid: bigint | null = null;
  torn: ListedFile['torn'] = null;
  readonly #range: ListRange;
  readonly #emit: Emit | null;

  constructor(range: ListRange, emit: Emit | null) {
    this.#range = range;
    this.#emit = emit;
  }

  async record(record: TransactionRecord, place: { offset: number; cxid?: number }): Promise<void> {
    const { zxid } = record;
    this.recordCount += 1;
    this.firstZxid ??= zxid;
    this.lastZxid = zxid;
    const { fromZxid, toZxid } = this.#range;
    if (this.#emit === null || (fromZxid !== null && zxid < fromZxid)) return;
    if (toZxid !== null && zxid > toZxid) return;
    await this.#emit(describeRecord(record, place));
  }

  /** A session or node: as of no transaction, so always wanted. */
  async item(describe: () => Description): Promise<void> {
    this.recordCount += 1;
    await this.#emit?.(describe());
  }
}

/** @throws OfflineRefused */
async function kindOfFile(disk: Disk, path: string): Promise<ListedKind> {
  const status = await disk.status(path);
  if (status === null) throw new OfflineRefused(`there is no file ${path}`);
  if (status.kind !== 'file') throw new OfflineRefused(`${path} is no file`);
  if (compressionOf(path) !== 'none') return 'ZooKeeper snapshot';
  const file = await disk.open(path, 'read');
  const bytes = Buffer.alloc(MAGIC_BYTES);
  try {
    await file.read(bytes, 0);
  } finally {
    await file.close();
  }
  const own = kindOfHeader(bytes);
  if (own !== null) return own;
  const magic = bytes.readInt32BE(0);
  if (magic === LOG_MAGIC) return 'ZooKeeper log';
  if (magic === SNAPSHOT_MAGIC) return 'ZooKeeper snapshot';
  // By its name it should be one of these: then its header is what is damaged.
  const name = /^(log|snapshot)\.([0-9a-f]+)$/.exec(basename(path));
  if (name?.[2]?.length === 16) return name[1] === 'log' ? 'log' : 'snapshot';
  if (name !== null) return name[1] === 'log' ? 'ZooKeeper log' : 'ZooKeeper snapshot';
  throw new OfflineRefused(
    `${path} is neither a transaction log nor a snapshot nor a backup, ours or ZooKeeper's`,
  );
}

async function listLog(disk: Disk, path: string, listing: Listing): Promise<void> {
  const file = await disk.open(path, 'read');
  try {
    const { salt } = await readFileHeader(file, 'log', null);
    const window = new FileWindow(file, await file.sizeBytes());
    let end = FILE_HEADER_BYTES;
    for await (const found of recordsIn(window, salt)) {
      const record = decoded(path, () => decodeRecord(found.payload));
      await listing.record(record, { offset: found.position });
      end = found.end;
    }
    if (await wasSynced(window, end, salt)) {
      throw new StorageDamaged(
        path,
        end,
        'a record is damaged, and there are good ones behind it',
        RESTORE_REMEDY,
      );
    }
    const sizeBytes = await writtenBytesFrom(window, end);
    if (sizeBytes > 0) listing.torn = { offset: end, sizeBytes };
  } finally {
    await file.close();
  }
}

async function listBlocks(
  disk: Disk,
  path: string,
  kind: 'snapshot' | 'backup',
  listing: Listing,
): Promise<void> {
  let offset = FILE_HEADER_BYTES;
  for await (const block of blocksOf(disk, { path, kind, zxid: null })) {
    listing.firstZxid ??= block.header.zxid;
    if (block.seal !== null) listing.lastZxid = block.seal.endZxid;
    for (const bytes of entriesIn(block)) {
      const item = kind === 'backup' ? decodeItem(path, bytes) : { kind: 'entry' as const, bytes };
      if (item.kind === 'record') {
        await listing.record(
          decoded(path, () => decodeRecord(item.payload)),
          { offset },
        );
      } else if (item.kind === 'entry') {
        const entry = decoded(path, () => decodeEntry(item.bytes));
        await listing.item(() =>
          entry.kind === 'node' ? describeNode(entry.node) : describeSession(entry.session),
        );
      } else {
        const { firstZxid, lastZxid, source } = item.description;
        await listing.item(() => ({
          type: 'backup',
          source,
          from: hex(firstZxid),
          to: hex(lastZxid),
        }));
      }
    }
    offset += block.sizeBytes;
  }
}

async function listOriginalLog(disk: Disk, path: string, listing: Listing): Promise<void> {
  for await (const item of readLog(disk, path)) {
    if (item.kind === 'entry') {
      const { record, offset, cxid } = item.entry;
      await listing.record(record, { offset, cxid });
    } else if (item.end.tornBytes > 0) {
      listing.torn = { offset: item.end.offset, sizeBytes: item.end.tornBytes };
    }
  }
}

async function listOriginalSnapshot(disk: Disk, path: string, listing: Listing): Promise<void> {
  for await (const item of readSnapshot(disk, path)) {
    if (item.kind === 'node') await listing.item(() => describeNode(item.node));
    else if (item.kind === 'session') await listing.item(() => describeSession(item));
  }
}
