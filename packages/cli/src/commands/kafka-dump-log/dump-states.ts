/** `.snapshot` files, producer states at an offset, and `.txnindex` files, aborted transactions. */
import { crc32c } from '@odradek/protocol';
import type { Disk } from '@odradek/runtime';
import { DumpFailure } from './dump-failure.ts';
import { baseOffsetOf } from './names.ts';
import type { Page } from './page.ts';

const SNAPSHOT_VERSION = 1;
const SNAPSHOT_CRC_COVERS_FROM = 6;
const SNAPSHOT_HEADER = [
  ['version', 2],
  ['crc', 4],
] as const;
const SNAPSHOT_COUNT_BYTES = 4;
/** The fields of an entry and their sizes in bytes, in order. */
const SNAPSHOT_ENTRY = [
  ['producer_id', 8],
  ['epoch', 2],
  ['last_sequence', 4],
  ['last_offset', 8],
  ['offset_delta', 4],
  ['timestamp', 8],
  ['coordinator_epoch', 4],
  ['current_txn_first_offset', 8],
] as const;
const SNAPSHOT_ENTRY_BYTES = 46;
const SEQUENCES = 2_147_483_648;

const ABORTED_BYTES = 34;
const ABORTED_VERSION = 0;

/** @returns what is wrong with the snapshot, null when nothing is; a damaged one is no failure of the dump */
export async function dumpSnapshot(disk: Disk, path: string, page: Page): Promise<string | null> {
  const content = await disk.readFile(path);
  if (content === null) throw new DumpFailure(`${path}: no such file`);
  const missing = missingField(content);
  if (missing !== null) return `Snapshot failed schema validation: ${missing}`;
  const version = content.readInt16BE(0);
  if (version !== SNAPSHOT_VERSION) {
    return `Snapshot contained an unknown file version ${version}`;
  }
  const stored = content.readUInt32BE(2);
  const computed = crc32c(content.subarray(SNAPSHOT_CRC_COVERS_FROM));
  if (stored !== computed) {
    return `Snapshot is corrupt (CRC is no longer valid). Stored crc: ${stored}. Computed crc: ${computed}`;
  }
  const count = content.readInt32BE(SNAPSHOT_CRC_COVERS_FROM);
  for (let index = 0; index < count; index++) {
    const at = SNAPSHOT_CRC_COVERS_FROM + SNAPSHOT_COUNT_BYTES + index * SNAPSHOT_ENTRY_BYTES;
    if (page.line(producerLine(content.subarray(at, at + SNAPSHOT_ENTRY_BYTES)))) {
      await page.flush();
    }
  }
  return null;
}

export async function dumpTransactionIndex(
  disk: Disk,
  { path, name }: { readonly path: string; readonly name: string },
  page: Page,
): Promise<void> {
  baseOffsetOf(name);
  // One that is not there is one without entries.
  const content = (await disk.readFile(path)) ?? Buffer.alloc(0);
  // What is left of a torn entry at the end is passed over, and of a version its first byte counts:
  // both as Kafka does.
  for (let at = 0; at + ABORTED_BYTES <= content.length; at += ABORTED_BYTES) {
    const entry = content.subarray(at, at + ABORTED_BYTES);
    const version = entry.readInt8(0);
    if (version > ABORTED_VERSION) {
      throw new DumpFailure(
        `${path}: an aborted transaction of version ${version}, ${ABORTED_VERSION} is known`,
      );
    }
    const offsets = `firstOffset: ${entry.readBigInt64BE(10)} lastOffset: ${entry.readBigInt64BE(18)} lastStableOffset: ${entry.readBigInt64BE(26)}`;
    if (page.line(`version: ${version} producerId: ${entry.readBigInt64BE(2)} ${offsets}`)) {
      await page.flush();
    }
  }
}

function producerLine(entry: Buffer): string {
  const lastSequence = entry.readInt32BE(10);
  const lastOffset = entry.readBigInt64BE(14);
  const delta = entry.readInt32BE(22);
  const timestamp = entry.readBigInt64BE(26);
  const transactionAt = entry.readBigInt64BE(38);
  const batch =
    lastOffset < 0n
      ? ''
      : `firstSequence: ${sequenceBefore(lastSequence, delta)} lastSequence: ${lastSequence} lastOffset: ${lastOffset} offsetDelta: ${delta} timestamp: ${timestamp}`;
  const transaction = transactionAt < 0n ? 'OptionalLong.empty' : `OptionalLong[${transactionAt}]`;
  return [
    `producerId: ${entry.readBigInt64BE(0)} producerEpoch: ${entry.readInt16BE(8)}`,
    `coordinatorEpoch: ${entry.readInt32BE(34)} currentTxnFirstOffset: ${transaction}`,
    `lastTimestamp: ${timestamp} ${batch}`,
  ].join(' ');
}

function sequenceBefore(sequence: number, delta: number): number {
  return sequence < delta ? SEQUENCES - (delta - sequence) : sequence - delta;
}

/** In Kafka's words, the first field that the file is too short for. */
function missingField(content: Buffer): string | null {
  const underflow = (field: string): string =>
    `Error reading field '${field}': java.nio.BufferUnderflowException`;
  let at = 0;
  for (const [field, sizeBytes] of SNAPSHOT_HEADER) {
    if (at + sizeBytes > content.length) return underflow(field);
    at += sizeBytes;
  }
  if (at + SNAPSHOT_COUNT_BYTES > content.length) return underflow('producer_entries');
  const count = content.readInt32BE(at);
  at += SNAPSHOT_COUNT_BYTES;
  const left = content.length - at;
  const inEntries = (reason: string): string => `Error reading field 'producer_entries': ${reason}`;
  if (count < 0) return inEntries(`Array size ${count} cannot be negative`);
  if (count > left) {
    return inEntries(`Error reading array of size ${count}, only ${left} bytes available`);
  }
  if (count * SNAPSHOT_ENTRY_BYTES <= left) return null;
  at += Math.floor(left / SNAPSHOT_ENTRY_BYTES) * SNAPSHOT_ENTRY_BYTES;
  for (const [field, sizeBytes] of SNAPSHOT_ENTRY) {
    if (at + sizeBytes > content.length) return inEntries(underflow(field));
    at += sizeBytes;
  }
  return null;
}
