/**
 * Reading gzip into memory that is used again.
 *
 * Node's `gunzipSync` makes a stream for each call, reads in pieces and joins them, and its zlib takes a fifth of the time
 * for the CRC-32. Here one handle of zlib is set back for each block and given all of the room at once, and the CRC is
 * that of `@node-rs/crc32`. The handle is a field that Node does not document but that others live on too; where it
 * does not look as expected, and for what Kafka's clients do not write (more than one member, a header with names), there
 * is nothing here and the caller has to go the ordinary way.
 */

import { createRequire } from 'node:module';
import { constants, crc32 as crc32OfNode, createInflateRaw } from 'node:zlib';

/** What is used of node:zlib's handles: all calls are on the calling thread. */
interface InflateHandle {
  reset(): void;
  writeSync(
    flush: number,
    input: Buffer,
    inputAt: number,
    inputBytes: number,
    output: Buffer,
    outputAt: number,
    outputBytes: number,
  ): void;
  /** Called in the middle of `writeSync`. */
  onerror: () => void;
}

/** Magic, deflate, no flags; then time, level and system, which say nothing of the content. */
const PLAIN_HEADER = Buffer.from([0x1f, 0x8b, 8, 0]);
const HEADER_BYTES = 10;
/** CRC-32 and size of the content. */
const TRAILER_BYTES = 8;

/** More would come out than there is room for. */
export const TOO_LARGE = -1;
/** Damaged, or not for here. */
export const NOT_HERE = -2;

export class GzipReader {
  readonly #handle: InflateHandle;
  /** What zlib leaves of the output and of the input. */
  readonly #left: Uint32Array;
  readonly #crc32: (bytes: Buffer) => number;
  #hasFailed = false;

  private constructor(handle: InflateHandle, left: Uint32Array, crc32: (bytes: Buffer) => number) {
    this.#handle = handle;
    this.#left = left;
    this.#crc32 = crc32;
    handle.onerror = () => {
      this.#hasFailed = true;
    };
  }

  /** null where this Node's handles are not as expected. */
  static create(): GzipReader | null {
    const stream = createInflateRaw();
    const handle: unknown = Reflect.get(stream, '_handle');
    const left: unknown = Reflect.get(stream, '_writeState');
    if (!isInflateHandle(handle) || !isUint32Array(left)) return null;
    const reader = new GzipReader(handle, left, fastCrc32());
    const room = Buffer.alloc(PROOF_CONTENT.length + 1);
    const sizeBytes = reader.read(PROOF, room, room.length);
    const isRight =
      sizeBytes === PROOF_CONTENT.length && room.toString('latin1', 0, sizeBytes) === PROOF_CONTENT;
    return isRight ? reader : null;
  }

  /**
   * Unfolds `bytes` to the first `roomBytes` of `room`, of which one has to stay free.
   * @returns how many bytes came out, or TOO_LARGE or NOT_HERE
   */
  read(bytes: Buffer, room: Buffer, roomBytes: number): number {
    if (bytes.length < HEADER_BYTES + TRAILER_BYTES) return NOT_HERE;
    if (bytes.compare(PLAIN_HEADER, 0, PLAIN_HEADER.length, 0, PLAIN_HEADER.length) !== 0)
      return NOT_HERE;
    const inputBytes = bytes.length - HEADER_BYTES;
    this.#hasFailed = false;
    this.#handle.reset();
    this.#handle.writeSync(constants.Z_FINISH, bytes, HEADER_BYTES, inputBytes, room, 0, roomBytes);
    const [outputLeft = 0, inputLeft = 0] = this.#left;
    if (this.#hasFailed) return NOT_HERE;
    if (outputLeft === 0) return TOO_LARGE;
    const sizeBytes = roomBytes - outputLeft;
    const trailerAt = bytes.length - TRAILER_BYTES;
    if (inputLeft !== TRAILER_BYTES || bytes.readUInt32LE(trailerAt + 4) !== sizeBytes)
      return NOT_HERE;
    const crc = this.#crc32(room.subarray(0, sizeBytes));
    return crc === bytes.readUInt32LE(trailerAt) ? sizeBytes : NOT_HERE;
  }
}

/** `gzip -n` of this text: what a reader has to be able to read before it is believed. */
const PROOF_CONTENT = 'zlib as ever';
const PROOF = Buffer.from('H4sIAAAAAAAAA6vKyUxSSCxWSC1LLQIA0MTE0gwAAAA=', 'base64');

function isInflateHandle(handle: unknown): handle is InflateHandle {
  return (
    typeof handle === 'object' &&
    handle !== null &&
    typeof Reflect.get(handle, 'reset') === 'function' &&
    typeof Reflect.get(handle, 'writeSync') === 'function'
  );
}

/** Whichever realm it is from. */
function isUint32Array(left: unknown): left is Uint32Array {
  return Object.prototype.toString.call(left) === '[object Uint32Array]';
}

function fastCrc32(): (bytes: Buffer) => number {
  try {
    const library: unknown = createRequire(import.meta.url)('@node-rs/crc32');
    const found: unknown = Object(library).crc32;
    if (typeof found === 'function') return found as (bytes: Buffer) => number;
  } catch {
    // No binary for this platform.
  }
  return crc32OfNode;
}
