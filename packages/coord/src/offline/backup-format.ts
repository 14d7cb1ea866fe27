/**
 * Backup files: blocks and seal as in snapshots, each block with its checksum. The first entry is a
 * description; then come the entries of a snapshot and the log records behind it, each behind a byte
 * that says which it is. So one file can be brought back as of any transaction in it.
 */
import { StorageDamaged } from '../storage/errors.ts';

const DESCRIPTION = 0;
const SNAPSHOT_ENTRY = 1;
const LOG_RECORD = 2;
/** Changed when an older tool could not read what a newer one writes. */
const FORMAT = 1;

export const REMEDY = 'Use another backup';

/** What a backup says of itself. */
export interface BackupDescription {
  /** Wall clock when it was begun. */
  readonly createdAtMs: number;
  /** The data directory that it is of. */
  readonly source: string;
  /** Of the snapshot in it; 0 when there is none and the log goes back to the beginning. */
  readonly snapshotZxid: bigint;
  /** The first transaction that it can be brought back to; the nodes show effects of all up to it. */
  readonly firstZxid: bigint;
  readonly lastZxid: bigint;
}

export type BackupItem =
  | { readonly kind: 'description'; readonly description: BackupDescription }
  | { readonly kind: 'entry'; readonly bytes: Buffer }
  | { readonly kind: 'record'; readonly zxid: bigint; readonly payload: Buffer };

export function encodeDescription(description: BackupDescription): Buffer {
  const { createdAtMs, source, snapshotZxid, firstZxid, lastZxid } = description;
  const text = JSON.stringify({
    format: FORMAT,
    createdAtMs,
    source,
    snapshotZxid: snapshotZxid.toString(16),
    firstZxid: firstZxid.toString(16),
    lastZxid: lastZxid.toString(16),
  });
  return Buffer.concat([Buffer.of(DESCRIPTION), Buffer.from(text)]);
}

export function encodeSnapshotEntry(entry: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(1 + entry.byteLength);
  bytes[0] = SNAPSHOT_ENTRY;
  bytes.set(entry, 1);
  return bytes;
}

export function encodeLogRecord(zxid: bigint, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(9 + payload.byteLength);
  bytes[0] = LOG_RECORD;
  bytes.writeBigInt64BE(zxid, 1);
  bytes.set(payload, 9);
  return bytes;
}

/** @throws StorageDamaged for what no version of ours writes */
export function decodeItem(path: string, bytes: Buffer): BackupItem {
  const [kind] = bytes;
  if (kind === SNAPSHOT_ENTRY) return { kind: 'entry', bytes: bytes.subarray(1) };
  if (kind === LOG_RECORD && bytes.length >= 9) {
    return { kind: 'record', zxid: bytes.readBigInt64BE(1), payload: bytes.subarray(9) };
  }
  if (kind === DESCRIPTION) {
    return { kind: 'description', description: descriptionOf(path, bytes.subarray(1)) };
  }
  throw new StorageDamaged(path, null, `the backup has an item of unknown kind ${kind}`, REMEDY);
}

function descriptionOf(path: string, bytes: Buffer): BackupDescription {
  const unreadable = (cause?: unknown): StorageDamaged => {
    const damage = new StorageDamaged(
      path,
      null,
      'the description of the backup cannot be read',
      REMEDY,
    );
    if (cause !== undefined) damage.cause = cause;
    return damage;
  };
  let fields: unknown;
  try {
    fields = JSON.parse(bytes.toString());
  } catch (cause) {
    throw unreadable(cause);
  }
  if (typeof fields !== 'object' || fields === null) throw unreadable();
  const { format, createdAtMs, source, ...zxids } = fields as Readonly<Record<string, unknown>>;
  if (format !== FORMAT) {
    throw new StorageDamaged(
      path,
      null,
      `the backup has format ${format}`,
      `This version reads ${FORMAT}`,
    );
  }
  const zxid = (name: string): bigint => {
    const digits = zxids[name];
    if (typeof digits !== 'string' || !/^[0-9a-f]{1,16}$/.test(digits)) throw unreadable();
    return BigInt(`0x${digits}`);
  };
  if (typeof createdAtMs !== 'number' || typeof source !== 'string') throw unreadable();
  return {
    createdAtMs,
    source,
    snapshotZxid: zxid('snapshotZxid'),
    firstZxid: zxid('firstZxid'),
    lastZxid: zxid('lastZxid'),
  };
}
