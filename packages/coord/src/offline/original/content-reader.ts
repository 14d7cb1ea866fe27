/**
 * Takes pieces of known size out of a stream of chunks, with the position and the Adler-32 of all
 * that was taken: what reading a snapshot from its beginning to its end needs.
 */
import { MalformedMessage, Reader } from '@odradek/protocol/zookeeper';
import { ADLER32_START, adler32 } from './adler32.ts';

/** No path, data or list of a node is longer, whatever jute.maxbuffer was: a greater length is damage. */
export const FIELD_BYTES_MAX = 256 * 1024 * 1024;

export class ContentReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #position = 0;
  #checksum = ADLER32_START;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#position;
  }

  /** Adler-32 of the bytes taken so far. */
  get checksum(): number {
    return this.#checksum;
  }

  /** Bytes that can be taken without waiting. */
  get buffered(): number {
    return this.#bytes.length - this.#at;
  }

  /** Reads ahead until `sizeBytes` are buffered or the content ends. @returns whether they are there */
  async load(sizeBytes: number): Promise<boolean> {
    if (this.buffered >= sizeBytes) return true;
    const pieces = [this.#bytes.subarray(this.#at)];
    let loadedBytes = this.buffered;
    while (loadedBytes < sizeBytes) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      pieces.push(next.value);
      loadedBytes += next.value.length;
    }
    this.#bytes = pieces.length === 1 ? this.#bytes.subarray(this.#at) : Buffer.concat(pieces);
    this.#at = 0;
    return loadedBytes >= sizeBytes;
  }

  /** @throws MalformedMessage when the content ends before */
  async need(sizeBytes: number): Promise<void> {
    if (this.buffered >= sizeBytes) return;
    if (await this.load(sizeBytes)) return;
    throw new MalformedMessage(`it ends after ${this.buffered} of ${sizeBytes} bytes`);
  }

  /** The number `ahead` bytes from here, which must be buffered; nothing is taken. */
  peekInt32(ahead: number): number {
    return this.#bytes.readInt32BE(this.#at + ahead);
  }

  /**
   * The length that stands `ahead` bytes from here, as bytes that follow it: null counts as 0.
   * @throws MalformedMessage for one that cannot be
   */
  peekLength(ahead: number): number {
    const length = this.peekInt32(ahead);
    if (length < -1 || length > FIELD_BYTES_MAX) {
      throw new MalformedMessage(`a length of ${length} bytes`);
    }
    return Math.max(length, 0);
  }

  /** Takes bytes that are buffered; a slice that lives as long as its chunk. */
  take(sizeBytes: number): Buffer {
    const bytes = this.#bytes.subarray(this.#at, this.#at + sizeBytes);
    this.#at += sizeBytes;
    this.#position += sizeBytes;
    this.#checksum = adler32(bytes, this.#checksum);
    return bytes;
  }

  /** Takes bytes that are buffered, to be read field by field. */
  takeReader(sizeBytes: number): Reader {
    return new Reader(this.take(sizeBytes));
  }

  async int32(): Promise<number> {
    await this.need(4);
    return this.take(4).readInt32BE(0);
  }

  /** Everything that is left. @throws MalformedMessage when it is more than `limitBytes` */
  async rest(limitBytes: number): Promise<Buffer> {
    if (await this.load(limitBytes + 1)) {
      throw new MalformedMessage(`more than ${limitBytes} bytes follow the end`);
    }
    return this.take(this.buffered);
  }

  /** Ends the stream before its end. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
