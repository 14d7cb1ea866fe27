/**
 * The codecs: blocks of other implementations, both framings where there are two, every
 * truncation, damage, and blocks that claim or hold more than their reader allows.
 */

import { constants, deflateRawSync, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/errors.ts';
import {
  codecId,
  codecOf,
  codecs,
  compress,
  compressSync,
  DecompressionLimitExceeded,
  decompress,
  decompressSync,
  zstdReady,
} from '../../../src/kafka/compression/index.ts';
import { FOREIGN, LINKED_LZ4, PAYLOAD } from './golden.ts';

const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

beforeAll(() => zstdReady);

test('the ids are those of the protocol', () => {
  expect(codecs.map(codecId)).toEqual([0, 1, 2, 3, 4]);
  expect([0, 1, 2, 3, 4].map(codecOf)).toEqual(codecs);
  for (const id of [-1, 5, 6, 7]) expect(() => codecOf(id)).toThrow(ProtocolError);
});

describe.each(CODECS)('%s', (codec) => {
  const compressed = () => compressSync(codec, PAYLOAD);

  test('gives back any bytes, in all four combinations', async () => {
    const long = fc
      .tuple(fc.uint8Array({ minLength: 1, maxLength: 30 }), fc.nat(20_000))
      .map(([bytes, times]) => Buffer.alloc(bytes.length * times, bytes));
    const any = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
      long,
    );
    await fc.assert(
      fc.asyncProperty(any, async (bytes) => {
        const options = { limitBytes: Math.max(1, bytes.length) };
        const [one, other] = [compressSync(codec, bytes), await compress(codec, bytes)];
        expect(decompressSync(codec, other, options).equals(bytes)).toBe(true);
        expect((await decompress(codec, one, options)).equals(bytes)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('keeps bytes that cannot be compressed', () => {
    let state = 1;
    const noise = Buffer.from(
      Array.from({ length: 300_000 }, () => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return state >>> 24;
      }),
    );
    expect(decompressSync(codec, compressSync(codec, noise)).equals(noise)).toBe(true);
  });

  test('does not change what it is given', () => {
    const block = compressed();
    const before = Buffer.from(block);
    decompressSync(codec, block);
    decompressSync(codec, block, { magic: 1 });
    expect(block).toEqual(before);
  });

  test('refuses every truncation', async () => {
    const block = compressed();
    for (let size = 0; size < block.length; size++) {
      const part = block.subarray(0, size);
      // A xerial stream has no end mark: cut behind the header, or between blocks, it is a stream.
      if (codec === 'snappy' && size === 16) continue;
      expect(() => decompressSync(codec, part)).toThrow(ProtocolError);
      await expect(decompress(codec, part)).rejects.toThrow(ProtocolError);
    }
  });

  test('answers damage with other bytes or a typed error, never with anything else', () => {
    const block = compressed();
    const damage = fc.array(fc.tuple(fc.nat(block.length - 1), fc.nat(255)), { minLength: 1 });
    fc.assert(
      fc.property(damage, (changes) => {
        const bad = Buffer.from(block);
        for (const [at, byte] of changes) bad.writeUInt8(byte, at);
        try {
          expect(decompressSync(codec, bad, { limitBytes: 1 << 20 }).length).toBeLessThanOrEqual(
            1 << 20,
          );
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('answers random bytes with a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          decompressSync(codec, Buffer.from(bytes), { limitBytes: 1000 });
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('stops exactly at the limit', async () => {
    const block = compressed();
    const enough = { limitBytes: PAYLOAD.length };
    const oneLess = { limitBytes: PAYLOAD.length - 1 };
    expect(decompressSync(codec, block, enough)).toEqual(PAYLOAD);
    expect(await decompress(codec, block, enough)).toEqual(PAYLOAD);
    expect(() => decompressSync(codec, block, oneLess)).toThrow(DecompressionLimitExceeded);
    await expect(decompress(codec, block, oneLess)).rejects.toMatchObject({
      code: 'DECOMPRESSION_LIMIT_EXCEEDED',
      limitBytes: PAYLOAD.length - 1,
    });
  });

  test('refuses a bomb', async () => {
    const bomb = compressSync(codec, Buffer.alloc(20_000_000));
    expect(bomb.length).toBeLessThan(1_000_000);
    expect(() => decompressSync(codec, bomb, { limitBytes: 1_000_000 })).toThrow(
      DecompressionLimitExceeded,
    );
    await expect(decompress(codec, bomb, { limitBytes: 1_000_000 })).rejects.toThrow(
      DecompressionLimitExceeded,
    );
  });

  test('works on a slice in the middle of a buffer', () => {
    const block = compressed();
    const around = Buffer.concat([Buffer.alloc(7, 0xee), block, Buffer.alloc(5, 0xee)]);
    expect(decompressSync(codec, around.subarray(7, 7 + block.length))).toEqual(PAYLOAD);
    const payload = Buffer.concat([Buffer.alloc(3), PAYLOAD]).subarray(3);
    expect(compressSync(codec, payload)).toEqual(block);
  });
});

test.each([
  ['snappy', `82534e4150505900 00000001 00000001 ${'00000003 010078 '.repeat(20_000)}`],
  ['lz4', `04224d18 60 40 82 ${'01000080 78 '.repeat(20_000)} 00000000`],
] as const)('%s: very many tiny blocks are one after the other', async (codec, stream) => {
  expect(await decompress(codec, hex(stream))).toEqual(Buffer.alloc(20_000, 'x'));
  expect(decompressSync(codec, hex(stream))).toEqual(Buffer.alloc(20_000, 'x'));
});

test('none is the bytes themselves, within the limit', async () => {
  expect(compressSync('none', PAYLOAD)).toBe(PAYLOAD);
  expect(await compress('none', PAYLOAD)).toBe(PAYLOAD);
  expect(decompressSync('none', PAYLOAD)).toBe(PAYLOAD);
  await expect(decompress('none', PAYLOAD, { limitBytes: 1 })).rejects.toThrow(
    DecompressionLimitExceeded,
  );
});

describe('blocks of other implementations', () => {
  test.each([
    ['snappy', 'one raw block', FOREIGN.snappyRaw],
    ['lz4', 'independent blocks', FOREIGN.lz4Independent],
    ['zstd', 'with its size and a checksum', FOREIGN.zstdSized],
    ['zstd', 'streamed, without its size', FOREIGN.zstdStreamed],
  ] as const)('%s: %s', async (codec, _, block) => {
    expect(decompressSync(codec, hex(block))).toEqual(PAYLOAD);
    expect(await decompress(codec, hex(block))).toEqual(PAYLOAD);
    expect(decompressSync(codec, hex(block), { limitBytes: PAYLOAD.length })).toEqual(PAYLOAD);
    expect(() => decompressSync(codec, hex(block), { limitBytes: PAYLOAD.length - 1 })).toThrow(
      DecompressionLimitExceeded,
    );
  });

  test('lz4: linked blocks with content size and all checksums', () => {
    const expected = Buffer.alloc(PAYLOAD.length * 200, PAYLOAD);
    expect(decompressSync('lz4', hex(LINKED_LZ4))).toEqual(expected);
    const damaged = hex(LINKED_LZ4);
    damaged.writeUInt8(damaged.readUInt8(60) ^ 1, 60);
    expect(() => decompressSync('lz4', damaged)).toThrow(ProtocolError);
  });

  test('gzip: several members', () => {
    const members = Buffer.concat([gzipSync(PAYLOAD), gzipSync('and more')]);
    expect(decompressSync('gzip', members).toString()).toBe(`${PAYLOAD}and more`);
  });
});

describe('snappy in the xerial framing', () => {
  const HEADER = '82534e4150505900 00000001 00000001';

  test('is what is written: blocks of 32 KiB behind their sizes', () => {
    const block = compressSync('snappy', Buffer.alloc(32 * 1024 + 1, 'x'));
    expect(block.subarray(0, 16)).toEqual(hex(HEADER));
    const firstSize = block.readInt32BE(16);
    expect(block.subarray(20, 23)).toEqual(hex('808002')); // 32768
    const second = block.subarray(20 + firstSize);
    expect(second).toEqual(hex('00000003 01 00 78')); // "x" as a literal
  });

  test('of nothing is a header only', () => {
    expect(compressSync('snappy', Buffer.alloc(0))).toEqual(hex(HEADER));
    expect(decompressSync('snappy', hex(HEADER))).toHaveLength(0);
  });

  test('may be several streams, joined', () => {
    const joined = Buffer.concat([
      compressSync('snappy', PAYLOAD),
      compressSync('snappy', Buffer.from('more')),
    ]);
    expect(decompressSync('snappy', joined).toString()).toBe(`${PAYLOAD}more`);
  });

  test.each([
    ['a negative block size', `${HEADER} ffffffff`],
    ['a block size of zero', `${HEADER} 00000000`],
    ['a block that overruns', `${HEADER} 00000004 0100`],
    ['a header that is cut short', HEADER.slice(0, 24)],
  ])('refuses %s', (_, block) => {
    expect(() => decompressSync('snappy', hex(block))).toThrow(ProtocolError);
  });

  test.each([
    ['more than the limit', 'ffffffff07', DecompressionLimitExceeded],
    ['more than its bytes can hold', '80801000', ProtocolError],
    ['a size that does not end', 'ffffffffff', ProtocolError],
  ])('refuses a raw block that claims %s, before allocating', (_, block, kind) => {
    expect(() => decompressSync('snappy', hex(block))).toThrow(kind);
  });
});

describe('lz4', () => {
  test('has a header that Java accepts: independent blocks, right checksum', () => {
    const frame = compressSync('lz4', PAYLOAD);
    expect(frame.subarray(0, 7)).toEqual(hex('04224d18 60 40 82'));
    expect(frame.subarray(-4)).toEqual(hex('00000000'));
  });

  test('of magic 0 has the checksum of the first clients, and any is read there', () => {
    const old = compressSync('lz4', PAYLOAD, { magic: 0 });
    expect(old.subarray(0, 7)).toEqual(hex('04224d18 60 40 1a'));
    expect(decompressSync('lz4', old, { magic: 0 })).toEqual(PAYLOAD);
    expect(decompressSync('lz4', compressSync('lz4', PAYLOAD), { magic: 0 })).toEqual(PAYLOAD);
    expect(() => decompressSync('lz4', old, { magic: 1 })).toThrow(ProtocolError);
    expect(() => decompressSync('lz4', old)).toThrow(ProtocolError);
  });

  test('of magic 0 is read with a content size, too', () => {
    const sized = hex(LINKED_LZ4);
    sized.writeUInt8(0, 14); // The header checksum comes after the 8 bytes of the size.
    expect(() => decompressSync('lz4', sized)).toThrow(ProtocolError);
    expect(decompressSync('lz4', sized, { magic: 0 })).toHaveLength(PAYLOAD.length * 200);
  });

  test('ignores bytes after the end mark, as Java does', () => {
    const frame = Buffer.concat([compressSync('lz4', PAYLOAD), Buffer.from('behind the end')]);
    expect(decompressSync('lz4', frame)).toEqual(PAYLOAD);
  });

  test('counts exactly where the block sizes alone would exceed the limit', () => {
    const small = Buffer.alloc(3000, 'ab');
    const frame = compressSync('lz4', small); // A block of this frame could hold 64 KiB.
    expect(decompressSync('lz4', frame, { limitBytes: 3000 })).toEqual(small);
    expect(() => decompressSync('lz4', frame, { limitBytes: 2999 })).toThrow(
      DecompressionLimitExceeded,
    );
  });

  test.each([
    ['another magic number', '05224d18 60 40 82 00000000'],
    ['another version', '04224d18 a0 40 82 00000000'],
    ['a dictionary', '04224d18 61 40 82 00000000'],
    ['an unknown block size', '04224d18 60 30 82 00000000'],
    ['a wrong header checksum', '04224d18 60 40 83 00000000'],
    ['a block above the block size', `04224d18 60 40 82 01000180 ${'00'.repeat(65537)} 00000000`],
    ['a block that is not well-formed', '04224d18 60 40 82 02000000 f0ff 00000000'],
    ['no end mark', '04224d18 60 40 82 01000080 78'],
  ])('refuses %s', (_, frame) => {
    expect(() => decompressSync('lz4', hex(frame))).toThrow(ProtocolError);
  });

  test.each([
    ['ffffffffffffff00', 'would decompress to more'],
    ['0500000000000000', '1 bytes that should be 5'],
  ])('refuses the claimed content size %s', (size, message) => {
    const frame = hex(`04224d18 68 40 ${size} 00 01000080 78 00000000`);
    expect(() => decompressSync('lz4', frame, { magic: 0 })).toThrow(message);
  });

  test('with blocks of 4 MiB needs no more memory than the content', () => {
    const sequence = compressSync('lz4', Buffer.alloc(2000, 'ab')).subarray(7);
    const frame = Buffer.concat([hex('04224d18 60 70 73'), sequence]);
    expect(decompressSync('lz4', frame, { limitBytes: 2000 })).toEqual(Buffer.alloc(2000, 'ab'));
  });

  test('may store blocks as they are', () => {
    const frame = hex('04224d18 60 40 82 02000080 6f64 04000080 72616465 01000080 6b 00000000');
    expect(decompressSync('lz4', frame).toString()).toBe('odradek');
  });
});

describe('zstd', () => {
  const EMPTY_RAW_BLOCK = '010000';

  test('may be several frames, some to be skipped', () => {
    const frames = Buffer.concat([
      hex(FOREIGN.zstdStreamed),
      hex('502a4d18 03000000 aabbcc'),
      compressSync('zstd', Buffer.from('more')),
    ]);
    expect(decompressSync('zstd', frames).toString()).toBe(`${PAYLOAD}more`);
    expect(() => decompressSync('zstd', frames, { limitBytes: PAYLOAD.length + 3 })).toThrow(
      DecompressionLimitExceeded,
    );
  });

  test('refuses claims before allocating', () => {
    // Single segment, content size in 8 bytes: far above the limit, and above what one block holds.
    const huge = hex(`28b52ffd e0 00000000ff000000 ${EMPTY_RAW_BLOCK}`);
    expect(() => decompressSync('zstd', huge)).toThrow(DecompressionLimitExceeded);
    const impossible = hex(`28b52ffd a0 00000100 ${EMPTY_RAW_BLOCK}`);
    expect(() => decompressSync('zstd', impossible)).toThrow('too many for its blocks');
  });

  test('refuses a bomb that does not tell its size', () => {
    // 100 blocks of one zero, repeated 128 KiB - 1 times each.
    const block = 'faff0f00';
    const bomb = hex(`28b52ffd 00 58 ${block.repeat(99)} fbff0f00`);
    expect(() => decompressSync('zstd', bomb, { limitBytes: 1_000_000 })).toThrow(
      DecompressionLimitExceeded,
    );
    expect(decompressSync('zstd', bomb)).toHaveLength(100 * (128 * 1024 - 1));
  });

  test('takes a level', () => {
    const [fast, dense] = [-50, 19].map((level) => compressSync('zstd', PAYLOAD, { level }));
    expect(fast?.length).toBeGreaterThan(dense?.length ?? Number.POSITIVE_INFINITY);
  });
});

describe('gzip', () => {
  test('takes a level', () => {
    const long = Buffer.alloc(100_000, PAYLOAD);
    const [fast, dense] = [1, 9].map((level) => compressSync('gzip', long, { level }));
    expect(fast?.length).toBeGreaterThan(dense?.length ?? Number.POSITIVE_INFINITY);
  });

  test('is not a raw deflate stream', () => {
    const raw = deflateRawSync(PAYLOAD, { level: constants.Z_BEST_SPEED });
    expect(() => decompressSync('gzip', raw)).toThrow(ProtocolError);
  });
});
