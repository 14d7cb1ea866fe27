/** gzip (RFC 1952) through node:zlib, which also reads several members one after the other. */
import { promisify } from 'node:util';
import { constants, gunzip, gunzipSync, gzip as gzipOfNode, gzipSync } from 'node:zlib';
import { GzipReader, NOT_HERE, TOO_LARGE } from './gzip-in-place.ts';
import {
  type CodecImplementation,
  DecompressionLimitExceeded,
  LENT_BYTES_MAX,
  refusedBlock,
} from './limit.ts';

const compressInPool: (bytes: Buffer, options: { level: number }) => Promise<Buffer> =
  promisify(gzipOfNode);
const decompressInPool: (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer> =
  promisify(gunzip);

const DEFAULT_LEVEL = constants.Z_DEFAULT_COMPRESSION;

export const gzip: CodecImplementation = {
  compress: (bytes, { level = DEFAULT_LEVEL }) => compressInPool(bytes, { level }),
  compressSync: (bytes, { level = DEFAULT_LEVEL }) => gzipSync(bytes, { level }),
  async decompress(bytes, limitBytes) {
    try {
      return await decompressInPool(bytes, { maxOutputLength: limitBytes });
    } catch (error) {
      throw failure(error, limitBytes);
    }
  },
  decompressSync(bytes, limitBytes) {
    try {
      return gunzipSync(bytes, { maxOutputLength: limitBytes });
    } catch (error) {
      throw failure(error, limitBytes);
    }
  },
  decompressLent(bytes, limitBytes) {
    if (reader === undefined) {
      reader = GzipReader.create();
      room = Buffer.allocUnsafeSlow(LENT_BYTES_MAX + 1);
    }
    // One byte more than may come out: zlib tells only that there is no room left.
    const sizeBytes = reader?.read(bytes, room, limitBytes + 1) ?? NOT_HERE;
    if (sizeBytes === TOO_LARGE) throw new DecompressionLimitExceeded('gzip', limitBytes);
    return sizeBytes === NOT_HERE ? null : room.subarray(0, sizeBytes);
  },
};

/** null: not with this Node. */
let reader: GzipReader | null | undefined;
let room = Buffer.alloc(0);

function failure(error: unknown, limitBytes: number): Error {
  const tooLarge =
    error !== null &&
    typeof error === 'object' &&
    Reflect.get(error, 'code') === 'ERR_BUFFER_TOO_LARGE';
  if (tooLarge) return new DecompressionLimitExceeded('gzip', limitBytes, { cause: error });
  return refusedBlock('gzip', error);
}
