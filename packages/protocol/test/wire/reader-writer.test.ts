/** The cursor pair: what one writes the other reads, nothing is read past the end, nothing big is copied. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MalformedMessage, UnencodableValue } from '../../src/errors.ts';
import { Reader } from '../../src/wire/reader.ts';
import {
  MAX_STRING_BYTES,
  REFERENCE_MIN_BYTES,
  SLAB_BYTES,
  Writer,
} from '../../src/wire/writer.ts';

function written(write: (writer: Writer) => void): Buffer {
  const writer = new Writer();
  writer.begin();
  write(writer);
  return writer.finishWhole();
}

describe('fixed sizes, both ways', () => {
  const cases: [string, string, (writer: Writer) => void, (reader: Reader) => unknown, unknown][] =
    [
      ['bool', '01', (w) => w.bool(true), (r) => r.bool(), true],
      ['int8', 'fe', (w) => w.int8(-2), (r) => r.int8(), -2],
      ['int16', 'fffe', (w) => w.int16(-2), (r) => r.int16(), -2],
      ['uint16', 'fffe', (w) => w.uint16(65534), (r) => r.uint16(), 65534],
      ['int32', 'fffffffe', (w) => w.int32(-2), (r) => r.int32(), -2],
      ['uint32', 'fffffffe', (w) => w.uint32(4294967294), (r) => r.uint32(), 4294967294],
      ['int64', 'fffffffffffffffe', (w) => w.int64(-2), (r) => r.int64(), -2],
      ['int64', '001fffffffffffff', (w) => w.int64(2 ** 53 - 1), (r) => r.int64(), 2 ** 53 - 1],
      ['int64', 'ffe0000000000001', (w) => w.int64(1 - 2 ** 53), (r) => r.int64(), 1 - 2 ** 53],
      [
        'bigint64',
        '8000000000000000',
        (w) => w.bigint64(-(2n ** 63n)),
        (r) => r.bigint64(),
        -(2n ** 63n),
      ],
      ['float64', '3ff8000000000000', (w) => w.float64(1.5), (r) => r.float64(), 1.5],
      [
        'uuid',
        '00000000000000000000000000000001',
        (w) => w.uuid('AAAAAAAAAAAAAAAAAAAAAQ'),
        (r) => r.uuid(),
        'AAAAAAAAAAAAAAAAAAAAAQ',
      ],
      [
        'zero uuid',
        '00000000000000000000000000000000',
        (w) => w.uuid('AAAAAAAAAAAAAAAAAAAAAA'),
        (r) => r.uuid(),
        'AAAAAAAAAAAAAAAAAAAAAA',
      ],
    ];
  test.each(cases)('%s %s', (_name, hex, write, read, value) => {
    const bytes = written(write);
    expect(bytes.toString('hex')).toBe(hex);
    expect(read(new Reader(bytes))).toBe(value);
    expect(() => read(new Reader(bytes.subarray(1)))).toThrow(MalformedMessage);
    expect(() => read(new Reader(bytes, 0, bytes.length - 1))).toThrow(MalformedMessage);
  });
});

describe('strings', () => {
  const texts = [
    '',
    'a',
    'topic',
    'x'.repeat(126),
    'x'.repeat(127),
    'ü'.repeat(63),
    'ü'.repeat(64),
    '日'.repeat(42),
    '日'.repeat(43),
    '\u{1f600}'.repeat(40),
    'é'.repeat(9000),
    'x'.repeat(MAX_STRING_BYTES),
  ];
  test.each(texts.map((text) => [text.slice(0, 5), text.length, text] as const))(
    '%s... of %d characters',
    (_start, _length, text) => {
      const expected = Buffer.from(text, 'utf8');
      const classic = new Reader(written((writer) => writer.classicString(text)));
      expect(classic.text(classic.int16())).toBe(text);
      classic.expectEnd();
      const compact = new Reader(written((writer) => writer.compactString(text)));
      expect(compact.uvarint()).toBe(expected.length + 1);
      expect(compact.text(expected.length)).toBe(text);
      compact.expectEnd();
      const jute = new Reader(written((writer) => writer.juteString(text)));
      expect(jute.bytes(jute.int32()).equals(expected)).toBe(true);
      jute.expectEnd();
    },
  );

  test('one byte more than the limit is refused', () => {
    for (const text of ['x'.repeat(MAX_STRING_BYTES + 1), 'é'.repeat(MAX_STRING_BYTES / 2 + 1)]) {
      expect(() => written((writer) => writer.classicString(text))).toThrow(UnencodableValue);
      expect(() => written((writer) => writer.compactString(text))).toThrow(UnencodableValue);
      expect(written((writer) => writer.juteString(text)).length).toBe(4 + Buffer.byteLength(text));
    }
  });

  test('half a surrogate pair becomes a replacement character, within the size that is announced', () => {
    const reader = new Reader(written((writer) => writer.compactString('a\ud83d')));
    expect(reader.text(reader.uvarint() - 1)).toBe('a\ufffd');
    reader.expectEnd();
  });
});

describe('chunks', () => {
  test('big bytes are referenced, small ones copied', () => {
    const big = Buffer.alloc(REFERENCE_MIN_BYTES, 1);
    const small = Buffer.alloc(REFERENCE_MIN_BYTES - 1, 2);
    const writer = new Writer();
    writer.int8(7);
    writer.bytes(big);
    writer.bytes(small);
    expect(writer.sizeBytes).toBe(1 + big.length + small.length);
    const chunks = writer.finish();
    expect(chunks).toHaveLength(3);
    expect(chunks[1]).toBe(big);
    small.fill(3);
    expect(chunks[2]?.every((byte) => byte === 2)).toBe(true);
  });

  test('a finished message stays as it is while others are written', () => {
    const writer = new Writer();
    const messages = Array.from({ length: 3000 }, (_, index) => {
      writer.begin();
      writer.int32(index);
      writer.copy(Buffer.alloc(index % 200, index));
      return writer.finishWhole();
    });
    messages.forEach((message, index) => {
      expect(
        message.equals(
          Buffer.concat([written((w) => w.int32(index)), Buffer.alloc(index % 200, index)]),
        ),
      ).toBe(true);
    });
  });

  test('what an unfinished message wrote does not show in the next', () => {
    const writer = new Writer();
    writer.begin();
    writer.int32(1);
    writer.bytes(Buffer.alloc(REFERENCE_MIN_BYTES));
    writer.int32(2);
    writer.begin();
    writer.int8(5);
    expect(writer.sizeBytes).toBe(1);
    expect(writer.finish().map((chunk) => chunk.toString('hex'))).toEqual(['05']);
  });

  test('a message beyond a slab is whole', () => {
    const writer = new Writer();
    writer.begin();
    for (let index = 0; index < SLAB_BYTES; index++) writer.int32(index);
    const bytes = writer.finishWhole();
    expect(bytes.length).toBe(4 * SLAB_BYTES);
    for (let index = 0; index < SLAB_BYTES; index += 997)
      expect(bytes.readInt32BE(4 * index)).toBe(index);
    writer.begin();
    writer.int8(1);
    expect(writer.buffer.length).toBe(SLAB_BYTES);
  });

  test('a size put in front afterwards moves what follows it as far as it needs', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: 0, max: 40000 }),
        (before, size) => {
          const bytes = written((writer) => {
            writer.copy(Buffer.alloc(before, 1));
            const mark = writer.position - writer.start;
            writer.uint8(0);
            writer.copy(Buffer.alloc(size, 2));
            writer.prefixSize(mark);
          });
          const reader = new Reader(bytes);
          reader.bytes(before);
          expect(reader.uvarint()).toBe(size);
          expect(reader.bytes(size).every((byte) => byte === 2)).toBe(true);
          reader.expectEnd();
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('refusals', () => {
  test.each([
    ['int64', (writer: Writer) => writer.int64(2 ** 53)],
    ['int64', (writer: Writer) => writer.int64(1.5)],
    ['bigint64', (writer: Writer) => writer.bigint64(2n ** 63n)],
    ['uuid', (writer: Writer) => writer.uuid('short')],
    ['uuid', (writer: Writer) => writer.uuid('!!!!!!!!!!!!!!!!!!!!!!')],
  ])('a value that is no %s cannot be written', (_name, write) => {
    expect(() => written(write)).toThrow(UnencodableValue);
  });

  test('a 64-bit number beyond 2^53 is no plain number', () => {
    expect(() => new Reader(Buffer.from('0020000000000000', 'hex')).int64()).toThrow(
      MalformedMessage,
    );
  });

  test('bytes come as a slice, not as a copy', () => {
    const input = Buffer.from('0102030405', 'hex');
    const slice = new Reader(input, 1).bytes(3);
    input[2] = 99;
    expect([...slice]).toEqual([2, 99, 4]);
  });

  test('a negative size is refused', () => {
    expect(() => new Reader(Buffer.alloc(8), 4).bytes(-1)).toThrow(MalformedMessage);
    expect(() => new Reader(Buffer.alloc(8), 4).take(Number.NaN)).toThrow(MalformedMessage);
  });

  test('bytes left over are an error when none may be', () => {
    expect(() => new Reader(Buffer.alloc(1)).expectEnd()).toThrow(MalformedMessage);
  });
});
