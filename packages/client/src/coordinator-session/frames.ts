/**
 * Cuts the coordinator's byte stream into frames, each with its length kept in front, as the library
 * reads them. A frame inside one chunk is a slice of it; one over several chunks is copied once.
 * Kafka's frames, whose length is dropped, are cut by the protocol package.
 */
import { MalformedMessage } from '@odradek/protocol';

/** A reply lists a node's children in one frame: 64 MiB is a million names. */
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;

export class FrameCutter {
  readonly #frame: (frame: Buffer) => void;
  #partial: Buffer = Buffer.alloc(0);
  /** The frame that is being collected and how much of it is there; null between frames. */
  #collecting: { readonly bytes: Buffer; filled: number } | null = null;

  constructor(frame: (frame: Buffer) => void) {
    this.#frame = frame;
  }

  /** @throws MalformedMessage for a length that cannot be */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#collecting !== null) rest = this.#collect(this.#collecting, rest);
      else if (this.#partial.length + rest.length < LENGTH_BYTES) {
        this.#partial = Buffer.concat([this.#partial, rest]);
        return;
      } else rest = this.#begin(rest);
    }
  }

  #begin(chunk: Buffer): Buffer {
    const from = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    this.#partial = Buffer.alloc(0);
    const sizeBytes = from.readInt32BE(0);
    if (sizeBytes < 0 || sizeBytes > FRAME_BYTES_MAX)
      throw new MalformedMessage(`a frame of ${sizeBytes} bytes`);
    const end = LENGTH_BYTES + sizeBytes;
    if (from.length < end) {
      const bytes = Buffer.allocUnsafe(end);
      this.#collecting = { bytes, filled: from.copy(bytes) };
      return Buffer.alloc(0);
    }
    this.#frame(from.subarray(0, end));
    return from.subarray(end);
  }

  #collect(collecting: { readonly bytes: Buffer; filled: number }, chunk: Buffer): Buffer {
    const copied = chunk.copy(collecting.bytes, collecting.filled);
    collecting.filled += copied;
    if (collecting.filled === collecting.bytes.length) {
      this.#collecting = null;
      this.#frame(collecting.bytes);
    }
    return chunk.subarray(copied);
  }
}
