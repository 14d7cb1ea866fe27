/**
 * What the combinators mean on the wire, one rule at a time, in small messages made for it; and
 * that what has no encoding or is no message is refused with the field's path.
 */
import { describe, expect, test } from '@jest/globals';
import { MalformedMessage, UnencodableValue, UnsupportedVersion } from '../../src/errors.ts';
import { api, type BodyOf, data, type InputOf } from '../../src/schema/api.ts';
import {
  arrayOf,
  bigint64,
  bool,
  bytes,
  defaulted,
  explicit,
  type Fields,
  float64,
  ignorable,
  int8,
  int16,
  int32,
  int64,
  nullableArrayOf,
  nullableBytes,
  nullableIn,
  nullableRecords,
  nullableString,
  nullableStruct,
  records,
  since,
  string,
  struct,
  tagged,
  uint16,
  uint32,
  uuid,
} from '../../src/schema/types.ts';

/** Versions 0 to 3, flexible from 2. */
const message = <F extends Fields>(fields: F) =>
  api({ key: 99, name: 'Probe', versions: [0, 3], flexibleSince: 2 }).message(fields);
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('lengths', () => {
  const probe = message({ text: nullableString, blob: nullableBytes, list: nullableArrayOf(int8) });
  test.each([
    [0, { text: 'ab', blob: Buffer.of(9), list: [1, 2] }, '0002 6162 00000001 09 00000002 0102'],
    [2, { text: 'ab', blob: Buffer.of(9), list: [1, 2] }, '03 6162 02 09 03 0102 00'],
    [0, { text: null, blob: null, list: null }, 'ffff ffffffff ffffffff'],
    [2, { text: null, blob: null, list: null }, '00 00 00 00'],
    [0, { text: '', blob: Buffer.of(), list: [] }, '0000 00000000 00000000'],
    [2, { text: '', blob: Buffer.of(), list: [] }, '01 01 01 00'],
  ])('v%d %j', (version, body, expected) => {
    expect(probe.encode(body, version).toString('hex')).toBe(expected.replaceAll(' ', ''));
    expect(probe.decode(hex(expected), version)).toEqual(body);
  });

  test.each([
    [0, 'fffe ffffffff ffffffff', 'text'],
    [0, 'ffff fffffffe ffffffff', 'blob'],
    [0, 'ffff ffffffff fffffffe', 'list'],
    [2, '818002 00 00 00', 'text'],
    [2, 'ffffffff1f 00 00 00', 'variable-length'],
  ])('v%d %s is refused for %s', (version, bytes, path) => {
    expect(() => probe.decode(hex(bytes), version)).toThrow(MalformedMessage);
    expect(() => probe.decode(hex(bytes), version)).toThrow(path);
  });
});

describe('null', () => {
  const probe = message({ text: string, list: nullableIn(1, arrayOf(int32)) });
  test('is refused where the version does not allow it', () => {
    expect(() => probe.decode(hex('ffff 00000000'), 0)).toThrow('Probe v0: text');
    expect(() => probe.decode(hex('0000 ffffffff'), 0)).toThrow('Probe v0: list');
    expect(() => probe.encode({ text: '', list: null }, 0)).toThrow(UnencodableValue);
    expect(probe.decode(hex('0000 ffffffff'), 1)).toEqual({ text: '', list: null });
    expect(probe.encode({ text: '', list: null }, 1)).toEqual(hex('0000 ffffffff'));
  });
});

describe('structs', () => {
  const inner = struct({ id: int16, name: since(1, string, '-', ignorable) });
  const probe = message({ first: inner, maybe: nullableStruct(inner), many: arrayOf(inner) });
  const body = {
    first: { id: 1, name: 'a' },
    maybe: { id: 2, name: 'b' },
    many: [{ id: 3, name: 'c' }],
  };
  test.each([
    [
      0,
      '0001 01 0002 00000001 0003',
      { first: { id: 1, name: '-' }, maybe: { id: 2, name: '-' }, many: [{ id: 3, name: '-' }] },
    ],
    [1, '0001 0001 61 01 0002 0001 62 00000001 0003 0001 63', body],
    [2, '0001 02 61 00 01 0002 02 62 00 02 0003 02 63 00 00', body],
  ])('v%d', (version, expected, decoded) => {
    expect(probe.encode(body, version)).toEqual(hex(expected));
    expect(probe.decode(hex(expected), version)).toEqual(decoded);
  });

  test('null is -1; nothing but -1 and 1 says whether there is one', () => {
    const bytes = hex('0001 ff 00000000');
    const decoded = probe.decode(bytes, 0);
    expect(decoded.maybe).toBeNull();
    expect(probe.encode(decoded, 0)).toEqual(bytes);
    expect(() => probe.decode(hex('0001 00 00000000'), 0)).toThrow(MalformedMessage);
  });
});

describe('tagged fields', () => {
  const probe = message({
    id: int8,
    text: tagged(3, 2, string, 'none', ignorable),
    leader: tagged(0, 2, struct({ id: defaulted(int32, -1), epoch: defaulted(int32, -1) })),
    maybe: tagged(1, 3, nullableStruct({ id: int8 }), null),
  });
  const absent = { text: 'none', leader: { id: -1, epoch: -1 }, maybe: null };

  test('are not written while they have their default, given or not', () => {
    expect(probe.encode({ id: 7 }, 2)).toEqual(hex('07 00'));
    expect(probe.encode({ id: 7, ...absent }, 3)).toEqual(hex('07 00'));
    expect(probe.encode({ id: 7, leader: { epoch: -1 } }, 3)).toEqual(hex('07 00'));
    expect(probe.decode(hex('07 00'), 2)).toEqual({ id: 7, ...absent });
  });

  test('are written in the order of their tags, with their sizes', () => {
    const body = { id: 7, text: 'x', leader: { id: 5, epoch: -1 }, maybe: { id: 9 } };
    const bytes = hex('07 03  00 09 00000005 ffffffff 00  01 03 01 09 00  03 02 02 78');
    expect(probe.encode(body, 3)).toEqual(bytes);
    expect(probe.decode(bytes, 3)).toEqual(body);
  });

  test('a size beyond one byte is put in front all the same', () => {
    const body = { id: 7, ...absent, text: 'y'.repeat(20000) };
    expect(probe.decode(probe.encode(body, 3), 3)).toEqual(body);
  });

  test('unknown ones are skipped', () => {
    expect(probe.decode(hex('07 03  02 01 ff  03 02 02 78  63 02 abcd'), 2)).toEqual({
      id: 7,
      ...absent,
      text: 'x',
    });
    // Tag 1 came with version 3.
    expect(probe.decode(hex('07 01  01 03 010900'), 2)).toEqual({ id: 7, ...absent });
  });

  test.each([
    ['out of order', '07 02  03 02 02 78  00 09 00000005 ffffffff 00'],
    ['given twice', '07 02  03 02 02 78  03 02 02 78'],
    ['larger than announced', '07 01  03 01 02 78'],
    ['smaller than announced', '07 01  03 03 02 78 00'],
    ['announced beyond the end', '07 01  63 7f 00'],
    ['promised and not there', '07 02  03 02 02 78'],
  ])('%s: refused', (_what, bytes) => {
    expect(() => probe.decode(hex(bytes), 2)).toThrow(MalformedMessage);
  });

  test('an explicit one is written whenever it is given', () => {
    const marked = message({ maybe: tagged(0, 2, nullableStruct({ id: int8 }), null, explicit) });
    expect(marked.encode({}, 2)).toEqual(hex('00'));
    expect(marked.encode({ maybe: null }, 2)).toEqual(hex('01 00 01 00'));
    expect(marked.decode(hex('01 00 01 00'), 2)).toEqual({ maybe: null });
    expect(marked.decode(hex('00'), 2)).toEqual({ maybe: null });
  });

  test('bytes within one are copied, however big: the size in front must be right', () => {
    const marked = message({ blob: tagged(0, 2, bytes) });
    const blob = Buffer.alloc(5000, 3);
    const chunks = marked.encodeChunks({ blob }, 2);
    expect(chunks).toHaveLength(1);
    expect(marked.decode(Buffer.concat(chunks), 2)).toEqual({ blob });
  });
});

describe('a field that the version lacks', () => {
  const probe = message({
    id: int8,
    late: since(2, int32, -1),
    early: since([0, 1], nullableString, null),
    list: since(2, arrayOf(int8), []),
    leader: since(2, struct({ id: defaulted(int32, -1) })),
    hint: since(2, int32, -1, ignorable),
  });
  test('has its default after decoding, and may be left out or have it when encoding', () => {
    expect(probe.decode(hex('01 0000'), 0)).toEqual({
      id: 1,
      late: -1,
      early: '',
      list: [],
      leader: { id: -1 },
      hint: -1,
    });
    expect(probe.encode({ id: 1, early: '' }, 0)).toEqual(hex('01 0000'));
    expect(probe.encode(probe.decode(hex('01 0000'), 0), 0)).toEqual(hex('01 0000'));
  });

  test.each([
    ['late', { late: 4 }, 0],
    ['early', { early: 'x' }, 2],
    ['list', { list: [1] }, 0],
    ['leader', { leader: { id: 1 } }, 0],
  ])('%s: another value is refused by name', (name, value, version) => {
    expect(() => probe.encode({ id: 1, ...value }, version)).toThrow(UnencodableValue);
    expect(() => probe.encode({ id: 1, ...value }, version)).toThrow(
      `Probe v${version} has no field ${name}`,
    );
  });

  test('one that is marked so is dropped', () => {
    expect(probe.encode({ id: 1, early: '', hint: 5 }, 0)).toEqual(hex('01 0000'));
  });
});

describe('values that have no encoding', () => {
  const typed: [string, Fields, readonly unknown[]][] = [
    ['bool', { x: bool }, [1, 'true', null, undefined]],
    ['int8', { x: int8 }, [128, -129, 1.5, '1', null, undefined, Number.NaN]],
    ['int16', { x: int16 }, [32768, -32769, 0.1, null, undefined]],
    ['uint16', { x: uint16 }, [65536, -1, 0.1, null, undefined]],
    ['int32', { x: int32 }, [2 ** 31, -(2 ** 31) - 1, 0.1, '7', null, undefined]],
    ['uint32', { x: uint32 }, [2 ** 32, -1, 0.1, null, undefined]],
    ['int64', { x: int64 }, [2 ** 53, 0.5, '7', 7n, null, undefined]],
    ['bigint64', { x: bigint64 }, [2n ** 63n, -(2n ** 63n) - 1n, 7, null, undefined]],
    ['float64', { x: float64 }, ['1', 7n, null, undefined]],
    ['uuid', { x: uuid }, ['', 'AAAAAAAAAAAAAAAAAAAA==', null, undefined]],
    ['string', { x: string }, [7, null, undefined, 'x'.repeat(32768)]],
    ['bytes', { x: bytes }, ['text', [1, 2], null, undefined]],
    ['records', { x: records }, ['text', [1, 2], ['a'], null, undefined]],
    ['array', { x: arrayOf(int8) }, ['text', {}, null, undefined]],
    ['struct', { x: struct({ y: int8 }) }, [null, undefined, {}]],
    ['element', { x: arrayOf({ y: int8 }) }, [[null], [{}], [{ y: 'a' }]]],
  ];
  test.each(typed)('%s', (_kind, fields, values) => {
    const probe = message(fields);
    for (const version of [0, 2]) {
      for (const value of values) {
        expect(() => probe.encode({ x: value } as never, version)).toThrow(
          // A bigint where a number is wanted is already refused by the language.
          typeof value === 'bigint' ? /./ : UnencodableValue,
        );
      }
    }
  });

  test('the message names the field with its path', () => {
    const probe = message({ topics: arrayOf({ partitions: arrayOf({ index: int32 }) }) });
    const body = { topics: [{ partitions: [{ index: 1 }, { index: 1.5 }] }] };
    expect(() => probe.encode(body, 0)).toThrow(
      'Probe v0: topics[].partitions[].index is 1.5, which is no int32',
    );
  });

  test('after a refusal the next message is whole', () => {
    const probe = message({ text: string, id: int8 });
    expect(() => probe.encode({ text: 'lost', id: 1000 }, 0)).toThrow(UnencodableValue);
    expect(probe.encode({ text: 'a', id: 1 }, 0)).toEqual(hex('0001 61 01'));
  });
});

describe('numbers', () => {
  test('a 64-bit number beyond 2^53 is refused where plain numbers are used', () => {
    const probe = message({ plain: int64 });
    expect(probe.decode(hex('001fffffffffffff'), 0)).toEqual({ plain: 2 ** 53 - 1 });
    expect(probe.decode(hex('ffe0000000000001'), 0)).toEqual({ plain: 1 - 2 ** 53 });
    expect(() => probe.decode(hex('0020000000000000'), 0)).toThrow(MalformedMessage);
    expect(() => probe.decode(hex('8000000000000000'), 0)).toThrow('plain');
  });

  test('any byte but zero is true', () => {
    const probe = message({ flag: bool });
    expect([0, 1, 2, 255].map((byte) => probe.decode(Buffer.of(byte), 0).flag)).toEqual([
      false,
      true,
      true,
      true,
    ]);
  });
});

describe('records and bytes', () => {
  const probe = message({ id: int8, records: nullableRecords });
  test('are slices of the input', () => {
    const input = hex('01 00000003 0a0b0c');
    const { records: decoded } = probe.decode(input, 0);
    expect(decoded?.buffer).toBe(input.buffer);
    expect(decoded).toEqual(Buffer.of(10, 11, 12));
  });

  test('may be given as a list, and are referenced when big', () => {
    const parts = [Buffer.of(1, 2), Buffer.alloc(3000, 3), Buffer.of(), Buffer.alloc(2000, 4)];
    for (const version of [0, 2]) {
      const chunks = probe.encodeChunks({ id: 1, records: parts }, version);
      expect(chunks).toContain(parts[1]);
      expect(chunks).toContain(parts[3]);
      expect(probe.decode(Buffer.concat(chunks), version)).toEqual({
        id: 1,
        records: Buffer.concat(parts),
      });
    }
    expect(probe.encode({ id: 1, records: [] }, 0)).toEqual(hex('01 00000000'));
  });
});

describe('counts', () => {
  const probe = message({ list: arrayOf({ id: int32, name: string }) });
  test.each([
    ['classic', 0, '7fffffff 00000001 0000'],
    ['compact', 2, 'ffffffff0f 00000001 01 00'],
  ])(
    '%s: one that the bytes cannot hold is refused before anything is built',
    (_form, version, bytes) => {
      expect(() => probe.decode(hex(bytes), version)).toThrow('list at byte');
    },
  );

  test('elements without any bytes cannot be declared', () => {
    const empty = message({ list: arrayOf({ late: since(2, int8, 0) }) });
    expect(() => empty.decode(hex('00000005'), 0)).toThrow(TypeError);
    expect(empty.decode(hex('02 05 00 00'), 2)).toEqual({ list: [{ late: 5 }] });
  });
});

describe('versions', () => {
  const probe = message({ id: int8 });
  test.each([-1, 4, 1.5, Number.NaN, 2 ** 31])('%d is not known', (version) => {
    expect(() => probe.encode({ id: 1 }, version)).toThrow(UnsupportedVersion);
    expect(() => probe.decode(Buffer.of(1), version)).toThrow(UnsupportedVersion);
  });

  test('bytes after the message are refused', () => {
    expect(() => probe.decode(hex('01 02'), 0)).toThrow('1 bytes after the end');
  });

  test('data carries its version in front', () => {
    const stored = data({ name: 'Stored', versions: [1, 2], flexibleSince: 2 }, { text: string });
    expect(stored.encodeWithVersion({ text: 'a' }, 1)).toEqual(hex('0001 0001 61'));
    expect(stored.decodeWithVersion(hex('0002 02 61 00'))).toEqual({
      version: 2,
      body: { text: 'a' },
    });
    expect(() => stored.decodeWithVersion(hex('0003 02 61 00'))).toThrow(UnsupportedVersion);
    expect(() => stored.decodeWithVersion(hex('0001 0001 61 00'))).toThrow(MalformedMessage);
    expect(() => stored.decodeWithVersion(hex('00'))).toThrow(MalformedMessage);
  });
});

test('defaults that are handed out cannot be changed by those who get them', () => {
  const probe = message({
    list: since(2, arrayOf(int8), []),
    leader: since(2, struct({ id: int8 })),
  });
  const { list, leader } = probe.decode(Buffer.of(), 0);
  expect(Object.isFrozen(list)).toBe(true);
  expect(Object.isFrozen(leader)).toBe(true);
});

test('types are inferred: this compiles', () => {
  const probe = message({
    id: int8,
    records: nullableRecords,
    topics: arrayOf({ name: string, size: since(1, int64, 0) }),
  });
  const input: InputOf<typeof probe> = { id: 1, records: [Buffer.of(1)], topics: [{ name: 'a' }] };
  const body: BodyOf<typeof probe> = probe.decode(probe.encode(input, 1), 1);
  const size: number | undefined = body.topics[0]?.size;
  const change = () => {
    // @ts-expect-error a body's fields are read-only
    body.id = 2;
  };
  // @ts-expect-error a field without default must be given
  const missing: InputOf<typeof probe> = { records: null, topics: [] };
  expect([size, typeof change, missing.id]).toEqual([0, 'function', undefined]);
});
