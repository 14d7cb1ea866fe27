/**
 * A group of records as bytes, in one piece that is used again for the next group. A record too big
 * for that goes out by reference, behind its header.
 */
import { RECORD_HEADER_BYTES, writeRecordHeader } from './log-format.ts';
import type { LogRecord } from './types.ts';

/** A buffer that grew beyond this for one group is not kept for the next. */
const KEEP_BYTES = 1024 * 1024;
const FIRST_BYTES = 64 * 1024;

export class GroupBuffer {
  readonly #copyLimitBytes: number;
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);

  /** @param copyLimitBytes groups up to this size are copied together */
  constructor(copyLimitBytes: number) {
    this.#copyLimitBytes = copyLimitBytes;
  }

  /** The group's bytes; valid until the next call. */
  fill(group: readonly LogRecord[], sizeBytes: number, salt: number): readonly Uint8Array[] {
    const copies = sizeBytes <= this.#copyLimitBytes;
    const bytes = this.#room(copies ? sizeBytes : group.length * RECORD_HEADER_BYTES);
    const pieces: Uint8Array[] = [];
    let at = 0;
    let sinceGroupStart = 0;
    for (const record of group) {
      const payloadBytes = record.payload.byteLength;
      writeRecordHeader(bytes, at, record, sinceGroupStart, salt);
      const payloadAt = at + RECORD_HEADER_BYTES;
      if (copies) {
        bytes.set(record.payload, payloadAt);
        at = payloadAt + payloadBytes;
      } else {
        pieces.push(bytes.subarray(at, payloadAt), record.payload);
        at = payloadAt;
      }
      sinceGroupStart += RECORD_HEADER_BYTES + payloadBytes;
    }
    return copies ? [bytes.subarray(0, sizeBytes)] : pieces;
  }

  #room(sizeBytes: number): Buffer {
    if (sizeBytes <= this.#bytes.length) return this.#bytes;
    const bytes = Buffer.allocUnsafe(Math.max(sizeBytes, FIRST_BYTES));
    if (sizeBytes <= KEEP_BYTES) this.#bytes = bytes;
    return bytes;
  }
}
