/** Variable-length integers: the published samples, both ways, sizes, and what is no number. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MalformedMessage } from '../../src/errors.ts';
import { Reader } from '../../src/wire/reader.ts';
import * as varint from '../../src/wire/varint.ts';

const room = Buffer.alloc(16);
const written = (write: (buffer: Buffer, at: number) => number) =>
  room.subarray(0, write(room, 0)).toString('hex');
const reader = (hex: string) => new Reader(Buffer.from(hex, 'hex'));

test.each([
  [0, '00'],
  [-1, '01'],
  [1, '02'],
  [63, '7e'],
  [64, '8001'],
  [-64, '7f'],
  [300, 'd804'],
  [2147483647, 'feffffff0f'],
  [-2147483648, 'ffffffff0f'],
])('varint %d is %s', (value, hex) => {
  expect(written((buffer, at) => varint.writeVarint(buffer, at, value))).toBe(hex);
  expect(varint.sizeOfVarint(value)).toBe(hex.length / 2);
  expect(reader(hex).varint()).toBe(value);
  expect(written((buffer, at) => varint.writeVarlong(buffer, at, value))).toBe(hex);
  expect(reader(hex).varlong()).toBe(value);
});

test.each([
  [127, '7f'],
  [128, '8001'],
  [300, 'ac02'],
  [16384, '808001'],
  [4294967295, 'ffffffff0f'],
])('uvarint %d is %s', (value, hex) => {
  expect(written((buffer, at) => varint.writeUvarint(buffer, at, value))).toBe(hex);
  expect(varint.sizeOfUvarint(value)).toBe(hex.length / 2);
  expect(reader(hex).uvarint()).toBe(value);
});

test('varlong 1700000000000 is 80a0abfef962', () => {
  expect(written((buffer, at) => varint.writeVarlong(buffer, at, 1700000000000))).toBe(
    '80a0abfef962',
  );
});

describe('any number', () => {
  test('of 32 bits comes back', () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        const end = varint.writeVarint(room, 0, value);
        expect(end).toBe(varint.sizeOfVarint(value));
        expect(new Reader(room, 0, end).varint()).toBe(value);
        expect(varint.unZigZag(varint.zigZag(value))).toBe(value);
      }),
    );
  });

  test('of 53 bits comes back, and as BigInt arithmetic has it', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const end = varint.writeVarlong(room, 0, value);
        expect(end).toBe(varint.sizeOfVarlong(value));
        expect(new Reader(room, 0, end).varlong()).toBe(value);
        let zigZag = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
        for (let at = 0; at < end; at++, zigZag >>= 7n) {
          expect(room[at]).toBe(Number(zigZag & 127n) | (at < end - 1 ? 128 : 0));
        }
        expect(zigZag).toBe(0n);
      }),
    );
  });
});

test.each([
  ['cut short', 'ff'],
  ['empty', ''],
  ['more than 32 bits', 'ffffffff10'],
  ['without an end', 'ffffffffffffffffffffff'],
])('a 32-bit number that is %s is refused', (_what, hex) => {
  expect(() => reader(hex).uvarint()).toThrow(MalformedMessage);
  expect(() => reader(hex).varint()).toThrow(MalformedMessage);
});

test.each([
  ['cut short', 'ff'],
  ['empty', ''],
  ['beyond 2^53', 'feffffffffffffff7f'],
  ['without an end', 'ffffffffffffffffffffffff'],
])('a 64-bit number that is %s is refused', (_what, hex) => {
  expect(() => reader(hex).varlong()).toThrow(MalformedMessage);
});
