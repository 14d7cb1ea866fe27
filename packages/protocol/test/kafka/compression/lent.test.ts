/**
 * Unfolding into memory that is used again: it must give what the libraries give, refuse what they refuse, and never
 * touch anything beside its memory. Blocks are made by hand, by the libraries, and by damage.
 */
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/errors.ts';
import { gzip } from '../../../src/kafka/compression/gzip.ts';
import {
  compressSync,
  DecompressionLimitExceeded,
  decompressLent,
  decompressSync,
  LENT_BYTES_MAX,
  zstdImplementation,
  zstdReady,
} from '../../../src/kafka/compression/index.ts';
import { lz4 } from '../../../src/kafka/compression/lz4.ts';
import { snappy } from '../../../src/kafka/compression/snappy.ts';
import { zstd } from '../../../src/kafka/compression/zstd.ts';
import { FOREIGN, LINKED_LZ4, PAYLOAD } from './golden.ts';

const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
/** Without the way out to the libraries: null is "not here". */
const inPlace = { gzip, snappy, lz4, zstd };
/** zstd of Node's own has no such way. */
const IN_PLACE = CODECS.filter((codec) => codec !== 'zstd' || zstdImplementation === 'wasm');
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

beforeAll(() => zstdReady);

/** Texts with runs, short distances and long ones, and noise between them. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 200 }))
        .map(([bytes, times]) => Buffer.alloc(bytes.length * times, bytes)),
      fc.nat(500).map((size) => PAYLOAD.subarray(0, size)),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.concat(parts));

describe.each(IN_PLACE)('%s', (codec) => {
  test('gives back what was compressed, without the library', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const unfolded = inPlace[codec].decompressLent(compressSync(codec, bytes), LENT_BYTES_MAX);
        expect(unfolded?.equals(bytes)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('gives nothing but what the library gives for the same damaged bytes', () => {
    const damaged = fc
      .tuple(content, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }), fc.nat(3))
      .map(([bytes, changes, cutBytes]) => {
        const block = Buffer.from(compressSync(codec, bytes));
        for (const [at, byte] of changes) block[at % block.length] = byte;
        return block.subarray(0, block.length - cutBytes);
      });
    fc.assert(
      fc.property(damaged, (block) => {
        let unfolded: Buffer | null = null;
        try {
          unfolded = inPlace[codec].decompressLent(block, LENT_BYTES_MAX);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
        if (unfolded !== null) expect(decompressSync(codec, block).equals(unfolded)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test('fills its room to the last byte, and stops there', () => {
    let state = 1;
    const noise = Buffer.from(
      Array.from({ length: LENT_BYTES_MAX + 1 }, () => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return (state >>> 24) % 7;
      }),
    );
    const full = noise.subarray(0, LENT_BYTES_MAX);
    const limitBytes = LENT_BYTES_MAX;
    expect(decompressLent(codec, compressSync(codec, full), { limitBytes }).equals(full)).toBe(
      true,
    );
    for (const more of [noise, Buffer.alloc(20_000_000)])
      expect(() => decompressLent(codec, compressSync(codec, more), { limitBytes })).toThrow(
        DecompressionLimitExceeded,
      );
    const few = compressSync(codec, PAYLOAD);
    expect(decompressLent(codec, few, { limitBytes: PAYLOAD.length })).toEqual(PAYLOAD);
    expect(() => decompressLent(codec, few, { limitBytes: PAYLOAD.length - 1 })).toThrow(
      DecompressionLimitExceeded,
    );
  });

  test('uses its memory again', () => {
    const unfold = (text: string) =>
      inPlace[codec].decompressLent(compressSync(codec, Buffer.from(text)), LENT_BYTES_MAX);
    const first = unfold('the first of them');
    const second = unfold('the second');
    expect(second?.toString()).toBe('the second');
    expect(first?.buffer).toBe(second?.buffer);
    expect(first?.toString()).toBe('the secondof them');
  });

  test('goes on after damage', () => {
    const block = compressSync(codec, PAYLOAD);
    const bad = Buffer.from(block);
    bad.fill(0xff, 4, 40);
    expect(() => decompressLent(codec, bad, { limitBytes: LENT_BYTES_MAX })).toThrow(ProtocolError);
    expect(inPlace[codec].decompressLent(block, LENT_BYTES_MAX)).toEqual(PAYLOAD);
  });
});

test('above its room it is as decompressSync', () => {
  const long = Buffer.alloc(LENT_BYTES_MAX + 1, PAYLOAD);
  for (const codec of CODECS)
    expect(decompressLent(codec, compressSync(codec, long))).toEqual(long);
  expect(decompressLent('none', PAYLOAD)).toBe(PAYLOAD);
});

test.each([
  ['snappy', FOREIGN.snappyRaw],
  ['lz4', FOREIGN.lz4Independent],
  ['zstd', FOREIGN.zstdSized],
  ['zstd', FOREIGN.zstdStreamed],
] as const)('blocks of other implementations: %s %#', (codec, block) => {
  expect(decompressLent(codec, hex(block), { limitBytes: PAYLOAD.length })).toEqual(PAYLOAD);
});

function withName(member: Buffer): Buffer {
  const [header, rest] = [Buffer.from(member.subarray(0, 10)), member.subarray(10)];
  header.writeUInt8(8, 3);
  return Buffer.concat([header, Buffer.from('name\0'), rest]);
}

test.each([
  [
    'gzip, several members',
    'gzip',
    Buffer.concat([gzipSync(PAYLOAD), gzipSync('more')]),
    `${PAYLOAD}more`,
  ],
  ['gzip, with a name', 'gzip', withName(gzipSync(PAYLOAD)), `${PAYLOAD}`],
  ['lz4, linked and with checksums', 'lz4', hex(LINKED_LZ4), PAYLOAD.toString().repeat(200)],
] as const)('%s: is left to the library', (_, codec, block, expected) => {
  expect(inPlace[codec].decompressLent(block, LENT_BYTES_MAX)).toBeNull();
  expect(decompressLent(codec, block, { limitBytes: LENT_BYTES_MAX }).toString()).toBe(expected);
});

describe('gzip, of which each byte of the end matters', () => {
  const block = gzipSync(PAYLOAD);
  test.each(Array.from({ length: 8 }, (_, index) => index + 1))('byte -%i', (fromEnd) => {
    const bad = Buffer.from(block);
    bad.writeUInt8(bad.readUInt8(bad.length - fromEnd) ^ 1, bad.length - fromEnd);
    expect(gzip.decompressLent(bad, LENT_BYTES_MAX)).toBeNull();
  });
});

/** Literals, then all matches of `length` bytes with the distances of `distances`, then literals. */
const LITERALS = Buffer.from(Array.from({ length: 40 }, (_, index) => index * 5));

function repeated(bytes: Buffer, distance: number, length: number): Buffer {
  const grown = Buffer.concat([bytes, Buffer.alloc(length)]);
  for (let at = bytes.length; at < grown.length; at++) grown[at] = grown[at - distance] ?? 0;
  return grown;
}

const DISTANCES = Array.from({ length: 40 }, (_, index) => index + 1);
const LENGTHS = [4, 5, 7, 8, 9, 15, 16, 17, 18, 19, 20, 33, 64];

function lz4Frame(block: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(block.length);
  return Buffer.concat([hex('04224d18 60 40 82'), size, block, Buffer.alloc(4)]);
}

describe('lz4, block by hand', () => {
  test.each(DISTANCES)('matches that begin %i bytes before', (distance) => {
    for (const length of LENGTHS) {
      const long = length >= 19;
      const token = (15 << 4) | (long ? 15 : length - 4);
      const match = Buffer.from([distance, 0, ...(long ? [length - 19] : [])]);
      const block = Buffer.concat([
        Buffer.from([token, LITERALS.length - 15]),
        LITERALS,
        match,
        hex('50 6162636465'),
      ]);
      const expected = Buffer.concat([repeated(LITERALS, distance, length), Buffer.from('abcde')]);
      expect(lz4.decompressLent(lz4Frame(block), LENT_BYTES_MAX)).toEqual(expected);
      expect(lz4.decompressLent(lz4Frame(block), expected.length)).toEqual(expected);
      expect(() => lz4.decompressLent(lz4Frame(block), expected.length - 1)).toThrow(
        DecompressionLimitExceeded,
      );
    }
  });

  test.each([
    ['a distance of nothing', '40 61626364 0000 50 6162636465'],
    ['a distance to before the content', '40 61626364 0500 50 6162636465'],
    ['literals that are not there', '50 61626364'],
    ['a length that does not end', 'f0 ffff'],
    ['a match length that does not end', '4f 61626364 0100 ff'],
    ['half a distance', '40 61626364 01'],
    ['no literals at its end', '40 61626364 0400'],
    ['more than a block of this frame may hold', `1f 61 0100 ${'ff'.repeat(258)} 00 50 6162636465`],
  ])('is refused: %s', (_, block) => {
    expect(lz4.decompressLent(lz4Frame(hex(block)), LENT_BYTES_MAX)).toBeNull();
  });

  test('a block does not reach into the one before', () => {
    const [first, second] = ['40 61626364', '10 61 0300 50 6162636465'].map((block) => {
      const size = Buffer.alloc(4);
      size.writeUInt32LE(hex(block).length);
      return Buffer.concat([size, hex(block)]);
    });
    const frame = [hex('04224d18 60 40 82'), first ?? '', second ?? '', Buffer.alloc(4)];
    expect(
      lz4.decompressLent(Buffer.concat(frame.map((part) => Buffer.from(part))), 1000),
    ).toBeNull();
  });
});

describe('snappy, block by hand', () => {
  const LITERAL = Buffer.concat([Buffer.from([(LITERALS.length - 1) << 2]), LITERALS]);
  const sized = (sizeBytes: number, ...parts: Buffer[]) =>
    Buffer.concat([Buffer.from([(sizeBytes & 0x7f) | 0x80, sizeBytes >>> 7]), ...parts]);

  test.each(DISTANCES)('copies from %i bytes before, in all three forms', (distance) => {
    for (const length of LENGTHS) {
      const expected = repeated(LITERALS, distance, length);
      const forms = [
        ...(length <= 11 ? [[((length - 4) << 2) | 1, distance]] : []),
        [((length - 1) << 2) | 2, distance, 0],
        [((length - 1) << 2) | 3, distance, 0, 0, 0],
      ];
      for (const form of forms) {
        const block = sized(expected.length, LITERAL, Buffer.from(form));
        expect(snappy.decompressLent(block, LENT_BYTES_MAX)).toEqual(expected);
        expect(decompressSync('snappy', block)).toEqual(expected);
      }
    }
  });

  test('a short copy from far back', () => {
    const far = Buffer.alloc(2000, PAYLOAD);
    const literal = Buffer.concat([hex('f4 cf07'), far]);
    // 1,500 is 5 times 256 and 220: three bits lie in the tag.
    const block = sized(2004, literal, Buffer.from([(5 << 5) | 1, 220]));
    expect(snappy.decompressLent(block, LENT_BYTES_MAX)).toEqual(repeated(far, 1500, 4));
  });

  test.each([1, 2, 3, 4])('a literal whose length takes %i bytes', (lengthBytes) => {
    const literal = Buffer.alloc(lengthBytes === 1 ? 200 : 5000, PAYLOAD);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(literal.length - 1);
    const tag = Buffer.from([(59 + lengthBytes) << 2]);
    const block = sized(literal.length, tag, length.subarray(0, lengthBytes), literal);
    expect(snappy.decompressLent(block, LENT_BYTES_MAX)).toEqual(literal);
    expect(decompressSync('snappy', block)).toEqual(literal);
  });

  test.each([
    ['a distance of nothing', '05 00 61 01 00'],
    ['a distance to before the content', '05 00 61 01 02'],
    ['a distance of 32 bits to before the content', '05 00 61 0f ffffffff'],
    ['a literal that is not there', '05 10 61'],
    ['a literal of 4 GiB', '05 fc ffffffff 6162636465'],
    ['a length that is not there', '05 f4 61'],
    ['half a distance', '05 00 61 0e 01'],
    ['less than its size', '06 00 61 01 01'],
    ['more than its size', '04 00 61 01 01'],
    ['a literal beyond its size', '01 04 6162'],
  ])('is refused: %s', (_, block) => {
    expect(snappy.decompressLent(hex(block), LENT_BYTES_MAX)).toBeNull();
    expect(() => decompressSync('snappy', hex(block))).toThrow(ProtocolError);
  });
});
