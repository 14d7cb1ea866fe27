/**
 * The content of a snapshot file of ZooKeeper as a stream of chunks: as it is, gunzipped (`.gz`), or
 * out of snappy-java's framing (`.snappy`). Nothing here knows what the content means.
 */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { ProtocolError, snappy } from '@odradek/protocol/zookeeper';
import type { Disk } from '@odradek/runtime';
import { ForeignDataDamaged } from '../errors.ts';

const CHUNK_BYTES = 256 * 1024;
/** A block of the framing comes from a buffer of 32 KiB; nobody configures more than this. */
const SNAPPY_BLOCK_BYTES_MAX = 64 * 1024 * 1024;
const SNAPPY_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const SNAPPY_HEADER_BYTES = 16;

export type Compression = 'none' | 'gzip' | 'snappy';

/** How a file is compressed, by its name: that is what the original goes by. */
export function compressionOf(name: string): Compression {
  if (name.endsWith('.gz')) return 'gzip';
  return name.endsWith('.snappy') ? 'snappy' : 'none';
}

/** @throws ForeignDataDamaged where the content cannot be decompressed, DiskError */
export function contentOf(disk: Disk, path: string): AsyncIterable<Buffer> {
  switch (compressionOf(path)) {
    case 'none':
      return chunksOf(disk, path);
    case 'gzip':
      return gunzipped(disk, path);
    case 'snappy':
      return unframed(disk, path);
  }
}

async function* chunksOf(disk: Disk, path: string): AsyncGenerator<Buffer> {
  const file = await disk.open(path, 'read');
  try {
    for (let position = 0; ; ) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const readBytes = await file.read(chunk, position);
      if (readBytes > 0) yield chunk.subarray(0, readBytes);
      if (readBytes < CHUNK_BYTES) return;
      position += readBytes;
    }
  } finally {
    await file.close();
  }
}

async function* gunzipped(disk: Disk, path: string): AsyncGenerator<Buffer> {
  const source = Readable.from(chunksOf(disk, path));
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  source.on('error', (error) => gunzip.destroy(error));
  try {
    for await (const chunk of source.pipe(gunzip)) yield chunk;
  } catch (cause) {
    if (!isZlibError(cause)) throw cause;
    throw new ForeignDataDamaged(path, null, `it cannot be gunzipped: ${cause.message}`, '', {
      cause,
    });
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

/** By its code: it may come from another realm, whose Error is not ours. */
function isZlibError(error: unknown): error is Error {
  return (
    typeof error === 'object' && error !== null && 'code' in error && /^Z_/.test(String(error.code))
  );
}

async function* unframed(disk: Disk, path: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  let position = 0;
  const damaged = (damage: string, cause?: unknown): ForeignDataDamaged =>
    new ForeignDataDamaged(path, position, `snappy: ${damage}`, '', { cause });
  for await (const chunk of chunksOf(disk, path)) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      if (rest.length >= SNAPPY_HEADER_BYTES && startsWithMagic(rest)) {
        // Streams may be joined: a header can stand wherever a block could begin.
        rest = rest.subarray(SNAPPY_HEADER_BYTES);
        position += SNAPPY_HEADER_BYTES;
        continue;
      }
      if (position === 0 && rest.length >= SNAPPY_HEADER_BYTES)
        throw damaged('the magic is missing');
      // The magic's first byte would make a block size negative: then it is a header cut by the chunk's end.
      if (rest.length < SNAPPY_HEADER_BYTES && (rest[0] ?? 0) === SNAPPY_MAGIC[0]) break;
      if (rest.length < 4) break;
      const sizeBytes = rest.readInt32BE(0);
      if (sizeBytes <= 0 || sizeBytes > SNAPPY_BLOCK_BYTES_MAX)
        throw damaged(`a block of ${sizeBytes} bytes`);
      if (rest.length < 4 + sizeBytes) break;
      try {
        yield snappy.decompressSync(rest.subarray(4, 4 + sizeBytes), SNAPPY_BLOCK_BYTES_MAX, {});
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        throw damaged(error.message, error);
      }
      rest = rest.subarray(4 + sizeBytes);
      position += 4 + sizeBytes;
    }
  }
  if (rest.length > 0) throw damaged('cut short');
}

const startsWithMagic = (bytes: Buffer): boolean =>
  bytes.compare(SNAPPY_MAGIC, 0, SNAPPY_MAGIC.length, 0, SNAPPY_MAGIC.length) === 0;
