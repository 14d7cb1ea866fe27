/**
 * 64-bit integers of record headers as plain numbers, in place and without garbage.
 *
 * Offsets and timestamps are numbers in memory; what does not fit 2^53 is refused at this wire.
 * Not here: producer ids, which stay bigint.
 */
import { MalformedMessage } from '../../errors.ts';

const TWO_TO_32 = 2 ** 32;
/** Beyond these upper halves the value no longer fits a number exactly. */
const UPPER_HALF_LIMIT = 2 ** 21;

/**
 * Reads an int64 that must lie between -2^53 and 2^53.
 * @throws MalformedMessage when it does not
 */
export function readInt64(buffer: Buffer, at: number): number {
  const upper = buffer.readInt32BE(at);
  if (upper >= UPPER_HALF_LIMIT || upper < -UPPER_HALF_LIMIT) {
    throw new MalformedMessage(
      `a 64-bit integer of a record batch is out of range: ${buffer.readBigInt64BE(at)}`,
    );
  }
  return upper * TWO_TO_32 + buffer.readUInt32BE(at + 4);
}

/** Writes an integer between -2^53 and 2^53 as int64. */
export function writeInt64(buffer: Buffer, value: number, at: number): void {
  buffer.writeInt32BE(Math.floor(value / TWO_TO_32), at);
  buffer.writeUInt32BE(value >>> 0, at + 4);
}
