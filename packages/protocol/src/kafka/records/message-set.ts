/**
 * Message sets of magic 0 and 1 in the making, message by message: what a reader has room for, in
 * pieces after which the event loop may turn. Which messages those are is down-convert.ts's to say;
 * encode-message-set.ts writes a set of which all records are at hand.
 */
import type { Codec } from '../compression/codec.ts';
import { compress, compressSync } from '../compression/compression.ts';
import { NO_TIMESTAMP, type TimestampType } from './batch-v2.ts';
import { type LegacyMagic, messageSize, writeMessage } from './message.ts';

/** A set is written in pieces of this size; the event loop turns after each. */
export const SLICE_BYTES = 64 * 1024;
/** What a wrapper message holds before compression, give or take one message. */
export const WRAPPER_BYTES = 1024 * 1024;
/** Blocks below this are packed and unpacked at once: the way to the pool would cost more. */
export const AT_ONCE_BYTES = 8 * 1024;

const NO_PIECE = Buffer.alloc(0);

/** One message on its way from one format to the other. */
export interface MessageContent {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** How the messages of one batch are written. */
export interface Packing {
  readonly codec: Codec;
  readonly timestampType: TimestampType;
}

/** Messages one after the other, up to a limit. */
export class MessageSet {
  sizeBytes = 0;
  /** Something did not fit: nothing more may be added. */
  isFull = false;
  /** Where the message belongs for which room was reserved last. */
  target: Buffer = NO_PIECE;
  readonly #limitBytes: number;
  readonly #pieces: Buffer[] = [];
  #usedBytes = 0;

  constructor({ limitBytes }: { readonly limitBytes: number }) {
    this.#limitBytes = limitBytes;
  }

  /** Tells whether a message of this size would begin a new piece behind another. */
  endsSlice(sizeBytes: number): boolean {
    return this.#usedBytes > 0 && sizeBytes > this.target.length - this.#usedBytes;
  }

  /**
   * Makes room in `target` for a message.
   * @param isWhole if it is the first one, it is not cut where the limit is
   * @returns where in `target` to write all of it, or -1 when there is no room
   */
  reserve(sizeBytes: number, isWhole: boolean): number {
    const fits = this.sizeBytes + sizeBytes <= this.#limitBytes;
    if (!fits) this.isFull = true;
    if (!fits && this.sizeBytes > 0) return -1;
    if (sizeBytes > this.target.length - this.#usedBytes) {
      this.#closePiece();
      this.target = Buffer.allocUnsafe(Math.max(SLICE_BYTES, sizeBytes));
    }
    const position = this.#usedBytes;
    const keptBytes = fits || isWhole ? sizeBytes : Math.max(0, this.#limitBytes);
    this.#usedBytes += keptBytes;
    this.sizeBytes += keptBytes;
    return position;
  }

  /** What was written; nothing may be added any more. */
  pieces(): readonly Buffer[] {
    this.#closePiece();
    return this.#pieces;
  }

  #closePiece(): void {
    if (this.#usedBytes > 0) this.#pieces.push(this.target.subarray(0, this.#usedBytes));
    this.target = NO_PIECE;
    this.#usedBytes = 0;
  }
}

/**
 * A compressed message in the making. Offsets inside count from 0 in magic 1 and are absolute in
 * magic 0; the outside bears the last offset and the largest timestamp.
 */
export class Wrapper {
  readonly inside = new MessageSet({ limitBytes: Number.POSITIVE_INFINITY });
  readonly #magic: LegacyMagic;
  readonly #packing: Packing;
  #base = -1;
  #lastOffset = -1;
  #maxTimestamp: number = NO_TIMESTAMP;

  constructor(format: LegacyMagic, packing: Packing) {
    this.#magic = format;
    this.#packing = packing;
  }

  add({ offset, timestamp, key, value }: MessageContent): void {
    if (this.#base < 0) this.#base = this.#magic === 1 ? offset : 0;
    this.#lastOffset = offset;
    this.#maxTimestamp = Math.max(this.#maxTimestamp, timestamp);
    const position = this.inside.reserve(messageSize(this.#magic, key, value), true);
    writeMessage(this.inside.target, position, {
      magic: this.#magic,
      offset: offset - this.#base,
      compression: 'none',
      timestampType: this.#packing.timestampType,
      timestamp,
      key,
      value,
    });
  }

  /** Packs what was added, and adds it to a set as one message. */
  async close(set: MessageSet, isWhole: boolean): Promise<void> {
    const { codec, timestampType } = this.#packing;
    const inner = Buffer.concat(this.inside.pieces());
    const options = { magic: this.#magic };
    const value =
      inner.length < AT_ONCE_BYTES
        ? compressSync(codec, inner, options)
        : await compress(codec, inner, options);
    const position = set.reserve(messageSize(this.#magic, null, value), isWhole);
    if (position < 0) return;
    writeMessage(set.target, position, {
      magic: this.#magic,
      offset: this.#lastOffset,
      compression: codec,
      timestampType,
      timestamp: this.#maxTimestamp,
      key: null,
      value,
    });
  }
}
