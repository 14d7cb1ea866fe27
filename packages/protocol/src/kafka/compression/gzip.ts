/** gzip (RFC 1952) through node:zlib, which also reads several members one after the other. */
import { promisify } from 'node:util';
import { constants, gunzip, gunzipSync, gzip as gzipOfNode, gzipSync } from 'node:zlib';
import { type CodecImplementation, DecompressionLimitExceeded, refusedBlock } from './limit.ts';

const gzipAsync = promisify(gzipOfNode) as (
  bytes: Buffer,
  options: { level: number },
) => Promise<Buffer>;
const gunzipAsync = promisify(gunzip) as (
  bytes: Buffer,
  options: { maxOutputLength: number },
) => Promise<Buffer>;

export const gzip: CodecImplementation = {
  compress: (bytes, { level = constants.Z_DEFAULT_COMPRESSION }) => gzipAsync(bytes, { level }),
  compressSync: (bytes, { level = constants.Z_DEFAULT_COMPRESSION }) => gzipSync(bytes, { level }),
  async decompress(bytes, limitBytes) {
    try {
      return await gunzipAsync(bytes, { maxOutputLength: limitBytes });
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
};

function failure(error: unknown, limitBytes: number): Error {
  const tooLarge =
    error instanceof RangeError && Reflect.get(error, 'code') === 'ERR_BUFFER_TOO_LARGE';
  if (tooLarge) return new DecompressionLimitExceeded('gzip', limitBytes, { cause: error });
  return refusedBlock('gzip', error);
}
