/**
 * Frames: an int32 length, then that many bytes, in both directions.
 *
 * The splitter hands out frames as readers over the received chunk itself. Only a frame that came
 * in pieces is gathered, into a buffer of its exact size. It stops where its user stops: what was
 * not asked for stays in the chunk, so a connection can be held back between any two frames.
 */
import { MalformedMessage } from '../errors.ts';
import { Reader } from '../wire/reader.ts';

/** ZooKeeper's `jute.maxbuffer` when nobody sets it: the longest frame that is accepted. */
export const JUTE_MAX_BUFFER_BYTES = 0xfffff;

const LENGTH_BYTES = 4;
const XID_BYTES = 4;
const OP_CODE_BYTES = 4;
/** xid and operation code, which every request begins with. */
const REQUEST_HEADER_BYTES = XID_BYTES + OP_CODE_BYTES;
const NOTHING = Buffer.alloc(0);

/** Requests that may be longer than the general limit. */
export interface LargerFrames {
  /** Of any of them, at present. */
  readonly maxBytes: number;
  mayBeLarger(opCode: number): boolean;
}

export class JuteFrameSplitter {
  readonly #maxFrameBytes: number;
  readonly #larger: LargerFrames | null;
  #chunk: Buffer = NOTHING;
  #position = 0;
  /** A frame that began in an earlier chunk. */
  #partial: Buffer | null = null;
  #filledBytes = 0;

  /** @param larger asked when a frame is over `maxFrameBytes` */
  constructor(maxFrameBytes = JUTE_MAX_BUFFER_BYTES, larger: LargerFrames | null = null) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#larger = larger;
  }

  /** Takes received bytes. What `next` has not used of earlier ones stays in front of them. */
  push(chunk: Buffer): void {
    const left = this.#chunk.length - this.#position;
    this.#chunk = left === 0 ? chunk : Buffer.concat([this.#chunk.subarray(this.#position), chunk]);
    this.#position = 0;
  }

  /** The next four bytes, or null when they are not there yet: a length, or something else altogether. */
  peek(): number | null {
    const isThere = this.#partial === null && this.#chunk.length - this.#position >= LENGTH_BYTES;
    return isThere ? this.#chunk.readInt32BE(this.#position) : null;
  }

  /** The same for more of them. What is returned is the chunk's own memory. */
  peekBytes(countBytes: number): Buffer | null {
    if (this.#partial !== null || this.#chunk.length - this.#position < countBytes) return null;
    return this.#chunk.subarray(this.#position, this.#position + countBytes);
  }

  /** Bytes held that no frame was made of yet. */
  get pendingBytes(): number {
    return this.#filledBytes + this.#chunk.length - this.#position;
  }

  /**
   * The next whole frame, without its length; null when more bytes are needed. The reader is good
   * for as long as anybody wants; its bytes are the chunk's.
   * @throws MalformedMessage when the length is negative or above the limit of its kind
   */
  next(): Reader | null {
    if (this.#partial !== null) return this.#completed(this.#partial);
    const chunk = this.#chunk;
    const from = this.#position + LENGTH_BYTES;
    if (chunk.length < from) return null;
    const sizeBytes = chunk.readInt32BE(this.#position);
    if (sizeBytes < 0 || sizeBytes > this.#maxFrameBytes) {
      const limitBytes = this.#limitFor(sizeBytes);
      if (limitBytes === null) return null;
      if (sizeBytes < 0 || sizeBytes > limitBytes) {
        throw new MalformedMessage(`a frame of ${sizeBytes} bytes; 0 to ${limitBytes} are allowed`);
      }
    }
    const to = from + sizeBytes;
    if (to <= chunk.length) {
      this.#position = to;
      return new Reader(chunk, from, to);
    }
    this.#position = from;
    this.#partial = Buffer.allocUnsafeSlow(sizeBytes);
    return this.#completed(this.#partial);
  }

  /** How long this frame may be after all; null when too little of it came to tell. */
  #limitFor(sizeBytes: number): number | null {
    const largerBytes = this.#larger?.maxBytes ?? 0;
    if (sizeBytes < REQUEST_HEADER_BYTES || sizeBytes > largerBytes) return this.#maxFrameBytes;
    const opCodeAt = this.#position + LENGTH_BYTES + XID_BYTES;
    if (this.#chunk.length < opCodeAt + OP_CODE_BYTES) return null;
    const isLarger = this.#larger?.mayBeLarger(this.#chunk.readInt32BE(opCodeAt)) === true;
    return isLarger ? largerBytes : this.#maxFrameBytes;
  }

  #completed(partial: Buffer): Reader | null {
    const copied = this.#chunk.copy(partial, this.#filledBytes, this.#position);
    this.#position += copied;
    this.#filledBytes += copied;
    if (this.#filledBytes < partial.length) return null;
    this.#partial = null;
    this.#filledBytes = 0;
    return new Reader(partial);
  }
}
