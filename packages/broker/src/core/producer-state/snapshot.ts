/**
 * Producer state as bytes: the content of Kafka's `<offset>.snapshot` files, version 1.
 *
 * Of each producer only the last batch is kept, so after a restart a duplicate is recognised only
 * if it is that one or lies in the part of the log that is replayed. Pure: files are ../../log/'s.
 */
import { crc32c } from '@odradek/protocol';
import type { ProducerEntry, RememberedBatch } from './producer-entry.ts';
import { sequenceBefore } from './sequence.ts';

const VERSION = 1;
const HEADER_BYTES = 2 + 4 + 4;
const ENTRY_BYTES = 46;
const CRC_COVERS_FROM = 6;

export function encodeSnapshot(entries: Iterable<ProducerEntry>, count: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + count * ENTRY_BYTES);
  bytes.writeInt16BE(VERSION, 0);
  bytes.writeInt32BE(count, 6);
  let at = HEADER_BYTES;
  for (const entry of entries) {
    const last = entry.batches.at(-1);
    bytes.writeBigInt64BE(entry.producerId, at);
    bytes.writeInt16BE(entry.epoch, at + 8);
    bytes.writeInt32BE(last?.lastSequence ?? -1, at + 10);
    writeLong(bytes, last?.lastOffset ?? -1, at + 14);
    bytes.writeInt32BE(last === undefined ? 0 : last.lastOffset - last.firstOffset, at + 22);
    writeLong(bytes, entry.lastTimestamp, at + 26);
    bytes.writeInt32BE(entry.coordinatorEpoch, at + 34);
    writeLong(bytes, entry.transactionFirstOffset, at + 38);
    at += ENTRY_BYTES;
  }
  bytes.writeUInt32BE(crc32c(bytes.subarray(CRC_COVERS_FROM)), 2);
  return bytes;
}

/** @returns null when version, size or CRC are wrong: such a file is thrown away */
export function decodeSnapshot(bytes: Buffer): ProducerEntry[] | null {
  if (bytes.length < HEADER_BYTES || bytes.readInt16BE(0) !== VERSION) return null;
  if (bytes.readUInt32BE(2) !== crc32c(bytes.subarray(CRC_COVERS_FROM))) return null;
  const count = bytes.readInt32BE(6);
  if (count < 0 || bytes.length !== HEADER_BYTES + count * ENTRY_BYTES) return null;
  const entries: ProducerEntry[] = [];
  for (let at = HEADER_BYTES; at < bytes.length; at += ENTRY_BYTES) {
    entries.push({
      producerId: bytes.readBigInt64BE(at),
      epoch: bytes.readInt16BE(at + 8),
      lastTimestamp: readLong(bytes, at + 26),
      coordinatorEpoch: bytes.readInt32BE(at + 34),
      transactionFirstOffset: readLong(bytes, at + 38),
      batches: lastBatch(bytes, at),
    });
  }
  return entries;
}

function lastBatch(bytes: Buffer, at: number): RememberedBatch[] {
  const lastSequence = bytes.readInt32BE(at + 10);
  const lastOffset = readLong(bytes, at + 14);
  const delta = bytes.readInt32BE(at + 22);
  if (lastOffset < 0) return [];
  return [
    {
      // A coordinator's batch has no sequence numbers, but its offset is known.
      firstSequence: lastSequence < 0 ? -1 : sequenceBefore(lastSequence, delta),
      lastSequence,
      firstOffset: lastOffset - delta,
      lastOffset,
      timestamp: readLong(bytes, at + 26),
    },
  ];
}

function readLong(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 0x1_0000_0000 + bytes.readUInt32BE(at + 4);
}

function writeLong(bytes: Buffer, value: number, at: number): void {
  bytes.writeInt32BE(Math.floor(value / 0x1_0000_0000), at);
  bytes.writeUInt32BE(value >>> 0, at + 4);
}
