/**
 * What a link between servers carries: a preamble, then frames.
 *
 *   preamble: 0 magic "OdrP"  4 protocol version (u16)  6 purpose (u16)
 *   frame:    0 CRC-32C of all that follows (u32)  4 payload size (u32)  8 payload
 *
 * TCP's own checksum lets one damaged segment in some ten million through; here it would become a
 * wrong transaction. The preamble stays as it is in all versions, so that servers of different ones
 * can tell each other. What is in a payload is in codec.ts and greeting.ts.
 */
import { crc32c } from '@odradek/protocol/zookeeper';
import { MalformedPeerData } from './errors.ts';

export const PROTOCOL_VERSION = 1;
export const PREAMBLE_BYTES = 8;
export const FRAME_HEADER_BYTES = 8;
const SIZE_AT = 4;
/** The largest payload while two servers greet each other: the text of the members is in it. */
export const GREETING_BYTES_MAX = 256 * 1024;
/** The largest payload on an election link. */
export const NOTE_BYTES_MAX = 1024;
/** The largest payload on a replication link: the largest record (64 MiB) and its surroundings. */
export const FRAME_BYTES_MAX = 96 * 1024 * 1024;
/** From so many missing bytes on, the rest of a frame is received right into its place. */
const ROOM_BYTES_MIN = 16 * 1024;
/** Memory for a frame is taken in steps, as it arrives: a size is quickly claimed. */
const STEP_BYTES = 4 * 1024 * 1024;

const MAGIC = 0x4f647250; // "OdrP"

export const purposes = { election: 1, replication: 2 } as const;
export type Purpose = keyof typeof purposes;

export interface Preamble {
  readonly version: number;
  /** null: one that this version does not know. */
  readonly purpose: Purpose | null;
}

export function encodePreamble(purpose: Purpose, version = PROTOCOL_VERSION): Buffer {
  const bytes = Buffer.alloc(PREAMBLE_BYTES);
  bytes.writeUInt32BE(MAGIC, 0);
  bytes.writeUInt16BE(version, 4);
  bytes.writeUInt16BE(purposes[purpose], 6);
  return bytes;
}

/** @returns null for bytes of somebody who speaks something else */
export function decodePreamble(bytes: Buffer): Preamble | null {
  if (bytes.readUInt32BE(0) !== MAGIC) return null;
  const number = bytes.readUInt16BE(6);
  const purpose = number === 1 ? 'election' : number === 2 ? 'replication' : null;
  return { version: bytes.readUInt16BE(4), purpose };
}

/** Writes the header in front of the payload, which lies behind it already. @returns the frame */
export function sealFrame(frame: Buffer): Buffer {
  frame.writeUInt32BE(frame.length - FRAME_HEADER_BYTES, SIZE_AT);
  frame.writeUInt32BE(crc32c(frame.subarray(SIZE_AT)), 0);
  return frame;
}

/** What to do with a payload. `isOwned`: it may be kept; else it is there during the call only. */
export type TakePayload = (payload: Buffer, isOwned: boolean) => void;

/**
 * Cuts a byte stream into payloads. One that lies whole in a received chunk is handed on where it is;
 * one that comes in pieces is gathered in memory of its own.
 */
export class FrameReader {
  /** The largest payload from now on. */
  payloadBytesMax: number;
  readonly #take: TakePayload;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  /** Of the frame that is being gathered. */
  #sizeBytes = 0;
  #payload: Buffer | null = null;
  #gathered = 0;
  #isStopped = false;

  constructor(payloadBytesMax: number, take: TakePayload) {
    this.payloadBytesMax = payloadBytesMax;
    this.#take = take;
  }

  /** Takes nothing more. */
  stop(): void {
    this.#isStopped = true;
    this.#payload = null;
  }

  /** @throws MalformedPeerData; the stream is of no use then */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#isStopped) {
      if (this.#payload === null) at = this.#begin(chunk, at);
      else at += this.#gather(chunk.subarray(at));
    }
  }

  /** Where the next bytes should go, when much of a frame is missing; else null. */
  room(): Buffer | null {
    const payload = this.#payload;
    if (payload === null || this.#sizeBytes - this.#gathered < ROOM_BYTES_MIN) return null;
    return this.#place(payload).subarray(this.#gathered);
  }

  /** @throws MalformedPeerData */
  filled(sizeBytes: number): void {
    this.#gathered += sizeBytes;
    this.#finishIfWhole();
  }

  /** Reads a header, and the payload if it is there. @returns where to go on */
  #begin(chunk: Buffer, at: number): number {
    const headerAt = at;
    let header = chunk;
    let next: number;
    if (this.#headerBytes === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
      next = at + FRAME_HEADER_BYTES;
    } else {
      const part = Math.min(FRAME_HEADER_BYTES - this.#headerBytes, chunk.length - at);
      chunk.copy(this.#header, this.#headerBytes, at, at + part);
      this.#headerBytes += part;
      if (this.#headerBytes < FRAME_HEADER_BYTES) return at + part;
      header = this.#header;
      next = at + part;
    }
    const position = header === chunk ? headerAt : 0;
    const sizeBytes = header.readUInt32BE(position + SIZE_AT);
    if (sizeBytes > this.payloadBytesMax) {
      throw new MalformedPeerData(
        `a frame of ${sizeBytes} bytes; at most ${this.payloadBytesMax} are taken here`,
      );
    }
    if (chunk.length - next >= sizeBytes) {
      this.#headerBytes = 0;
      const payload = chunk.subarray(next, next + sizeBytes);
      const found =
        header === chunk
          ? crc32c(chunk.subarray(headerAt + SIZE_AT, next + sizeBytes))
          : crc32c(payload, crc32c(header.subarray(SIZE_AT)));
      requireChecksum(found, header.readUInt32BE(position));
      this.#take(payload, false);
      return next + sizeBytes;
    }
    if (header === chunk) chunk.copy(this.#header, 0, headerAt, next);
    this.#sizeBytes = sizeBytes;
    this.#payload = Buffer.allocUnsafe(Math.min(sizeBytes, STEP_BYTES));
    this.#gathered = 0;
    return next;
  }

  #gather(chunk: Buffer): number {
    const part = Math.min(chunk.length, this.#sizeBytes - this.#gathered);
    for (let done = 0; done < part; ) {
      const place = this.#payload === null ? null : this.#place(this.#payload);
      if (place === null) break;
      const count = Math.min(part - done, place.length - this.#gathered);
      chunk.copy(place, this.#gathered, done, done + count);
      this.#gathered += count;
      done += count;
    }
    this.#finishIfWhole();
    return part;
  }

  /** The gathered payload with room in it. */
  #place(payload: Buffer): Buffer {
    if (this.#gathered < payload.length) return payload;
    const bigger = Buffer.allocUnsafe(Math.min(this.#sizeBytes, 2 * payload.length));
    payload.copy(bigger);
    this.#payload = bigger;
    return bigger;
  }

  #finishIfWhole(): void {
    const payload = this.#payload;
    if (payload === null || this.#gathered < this.#sizeBytes) return;
    this.#payload = null;
    this.#headerBytes = 0;
    const found = crc32c(payload, crc32c(this.#header.subarray(SIZE_AT)));
    requireChecksum(found, this.#header.readUInt32BE(0));
    this.#take(payload, true);
  }
}

function requireChecksum(found: number, stated: number): void {
  if (found === stated) return;
  throw new MalformedPeerData('a frame was damaged on its way: its checksum is wrong');
}
