/**
 * Cuts the byte stream of a connection into frames.
 *
 * Received bytes lie in memory that is soon received into again, so a frame is copied into memory of
 * its own, each byte once; a big frame never costs more than its size, and a slow sender no more
 * than it has announced. Two copies can be saved: the rest of a frame that has begun can be received
 * right into its place (`room`, `filled`), and a receiver that is done with a frame before it
 * returns can take it where it lies (`lendsFrames`).
 */
import { MalformedMessage } from '../errors.ts';
import { FRAME_SIZE_BYTES } from './frame.ts';

/** Less than this of a frame is not worth a receipt of its own. */
const ROOM_BYTES_MIN = 16 * 1024;

export interface FrameSplitterOptions {
  /** Larger frames are refused before anything is allocated for them. */
  readonly maxFrameBytes: number;
  /** Deliver a frame that lies whole in the received bytes as a slice of them. */
  readonly lendsFrames?: boolean;
  /** Memory of exactly this size for a frame that comes in pieces. */
  readonly allocate?: (sizeBytes: number) => Buffer;
}

/**
 * Takes a frame, without its size.
 * @param isLent the frame is there during this call only; else it is the receiver's
 */
export type DeliverFrame = (frame: Buffer, isLent: boolean) => void;

export class FrameSplitter {
  readonly #maxFrameBytes: number;
  readonly #lendsFrames: boolean;
  readonly #allocate: (sizeBytes: number) => Buffer;
  /** The frame being filled; null between frames. */
  #frame: Buffer | null = null;
  #filledBytes = 0;
  /** A size that itself arrived in pieces. */
  #size = 0;
  #sizeBytesSeen = 0;

  constructor(options: FrameSplitterOptions) {
    this.#maxFrameBytes = options.maxFrameBytes;
    this.#lendsFrames = options.lendsFrames ?? false;
    this.#allocate = options.allocate ?? Buffer.allocUnsafeSlow;
  }

  /** Bytes held for a frame that is not complete yet. */
  get pendingBytes(): number {
    return this.#frame?.length ?? 0;
  }

  /**
   * Takes the next bytes and delivers each frame that is complete. They may change afterwards.
   * @throws MalformedMessage for a negative, empty or too large frame, after the frames before it
   *   were delivered; the connection is of no use then
   */
  push(chunk: Buffer, deliver: DeliverFrame): void {
    let at = 0;
    const end = chunk.length;
    while (at < end) {
      if (this.#frame !== null) {
        const copied = chunk.copy(this.#frame, this.#filledBytes, at);
        at += copied;
        this.filled(copied, deliver);
        continue;
      }
      let size: number;
      if (this.#sizeBytesSeen === 0 && end - at >= FRAME_SIZE_BYTES) {
        size = chunk.readInt32BE(at);
        at += FRAME_SIZE_BYTES;
      } else {
        this.#size = (this.#size << 8) | (chunk[at++] as number);
        this.#sizeBytesSeen++;
        if (this.#sizeBytesSeen < FRAME_SIZE_BYTES) continue;
        size = this.#size;
        this.#sizeBytesSeen = 0;
        this.#size = 0;
      }
      this.#check(size);
      if (end - at >= size) {
        const frame = chunk.subarray(at, at + size);
        at += size;
        if (this.#lendsFrames) deliver(frame, true);
        else deliver(Buffer.from(frame), false);
      } else {
        this.#frame = this.#allocate(size);
        this.#filledBytes = 0;
      }
    }
  }

  /** Where the rest of the frame that has begun belongs, if it is worth a receipt of its own. */
  get room(): Buffer | null {
    const frame = this.#frame;
    if (frame === null || frame.length - this.#filledBytes < ROOM_BYTES_MIN) return null;
    return frame.subarray(this.#filledBytes);
  }

  /** The next bytes are in the front of `room` already. */
  filled(sizeBytes: number, deliver: DeliverFrame): void {
    const frame = this.#frame;
    if (frame === null) return;
    this.#filledBytes += sizeBytes;
    if (this.#filledBytes < frame.length) return;
    this.#frame = null;
    deliver(frame, false);
  }

  #check(size: number): void {
    if (size > this.#maxFrameBytes) {
      throw new MalformedMessage(`a frame of ${size} bytes; ${this.#maxFrameBytes} are allowed`);
    }
    if (size <= 0) throw new MalformedMessage(`a frame of ${size} bytes`);
  }
}
