/**
 * Text in and out of buffers, tuned for what the protocols carry: short ASCII names.
 *
 * Node's general conversions cross into native code with a price that is above that of a loop for
 * short text; from some length on they win. Malformed UTF-8 decodes to replacement characters, as
 * everywhere in Node. Lengths and their limits are the business of the callers.
 */

/** Below this size text is converted by a loop. */
const LOOP_MAX_BYTES = 24;

/** Methods that every Buffer has and that the type declarations leave out. */
export interface TextBuffer extends Buffer {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  base64urlSlice(start: number, end: number): string;
}

/** The `sizeBytes` bytes from `at` on as text; the caller has checked that they are there. */
export function readText(buffer: Buffer, at: number, sizeBytes: number): string {
  if (sizeBytes > LOOP_MAX_BYTES) return (buffer as TextBuffer).utf8Slice(at, at + sizeBytes);
  for (let index = at, end = at + sizeBytes; index < end; index++) {
    if ((buffer[index] as number) > 127) {
      return (buffer as TextBuffer).utf8Slice(at, at + sizeBytes);
    }
  }
  return sizeBytes === 0 ? '' : (buffer as TextBuffer).latin1Slice(at, at + sizeBytes);
}

/**
 * Writes `text` at `at` when it is short and ASCII.
 * @returns whether it was; if not, the bytes at `at` are undefined. Room for one byte per character
 * must be there.
 */
export function writeShortAscii(buffer: Buffer, at: number, text: string): boolean {
  const length = text.length;
  if (length > LOOP_MAX_BYTES * 2) return false;
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 127) return false;
    buffer[at + index] = unit;
  }
  return true;
}

/** The id that means "no id", in text form. */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';
/** Characters of a uuid in URL-safe base64 without padding. */
const UUID_TEXT_LENGTH = 22;

/** The 16 bytes from `at` on as 22 characters of URL-safe base64. */
export function readUuid(buffer: Buffer, at: number): string {
  // An absent topic id is the most frequent value of all.
  if (buffer[at] === 0 && buffer[at + 1] === 0 && buffer[at + 15] === 0) {
    let index = at + 2;
    while (index < at + 15 && buffer[index] === 0) index++;
    if (index === at + 15) return ZERO_UUID;
  }
  return (buffer as TextBuffer).base64urlSlice(at, at + 16);
}

/** Writes a uuid given as 22 characters; false when the text is not one. */
export function writeUuid(buffer: Buffer, at: number, text: string): boolean {
  if (text === ZERO_UUID) {
    buffer.fill(0, at, at + 16);
    return true;
  }
  return text.length === UUID_TEXT_LENGTH && buffer.write(text, at, 16, 'base64url') === 16;
}
