/**
 * Text and ids in and out of buffers, tuned for what the protocols carry: short ASCII names.
 *
 * Reading is left to Node's own conversion, which takes some 40 ns whatever the length. Writing is
 * a loop for the shortest texts and Node's conversion for the others: crossing into native code
 * costs as much as looping over 16 characters. Malformed UTF-8 decodes to replacement characters, as
 * everywhere in Node. Lengths in front of texts, and their limits, are in reader.ts and writer.ts.
 */

/** Up to this length text is written by a loop. */
const LOOP_MAX_LENGTH = 16;
/** From this length on the exact size is found first, so as not to reserve three times the room. */
const LONG_MIN_LENGTH = 4096;

/** Methods that every Buffer has and that the type declarations leave out. */
interface TextBuffer extends Buffer {
  utf8Slice(start: number, end: number): string;
  utf8Write(text: string, at: number, maxBytes: number): number;
  base64urlSlice(start: number, end: number): string;
}

/** The `sizeBytes` bytes from `at` on as text; the caller has checked that they are there. */
export function readText(buffer: Buffer, at: number, sizeBytes: number): string {
  return sizeBytes === 0 ? '' : (buffer as TextBuffer).utf8Slice(at, at + sizeBytes);
}

/** Room that `text` takes at most as UTF-8, in bytes. */
export function roomForText(text: string): number {
  const { length } = text;
  return length < LONG_MIN_LENGTH ? length * 3 : Buffer.byteLength(text, 'utf8');
}

/**
 * Writes `text` at `at` when it is short and ASCII; room for one byte per character must be there.
 * @returns whether it was; if not, the bytes from `at` on are undefined
 */
export function writeShortAscii(buffer: Buffer, at: number, text: string): boolean {
  const { length } = text;
  if (length > LOOP_MAX_LENGTH) return false;
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 127) return false;
    buffer[at + index] = unit;
  }
  return true;
}

/** Writes `text` at `at` and returns its size in bytes. As much as `roomForText` must be there. */
export function writeText(buffer: Buffer, at: number, text: string): number {
  return (buffer as TextBuffer).utf8Write(text, at, buffer.length - at);
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
