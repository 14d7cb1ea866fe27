/**
 * Goal: a record reads back as it was written whoever wrote it, by the short way or by the general
 * encoder, and bytes that are no record are refused by both.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import type { TransactionRecord } from '../../src/core/transaction/record.ts';
import { decodeRecord, encodeRecord, UnreadableRecord } from '../../src/server/record-codec.ts';

const general = new Packr({ useRecords: false, int64AsType: 'bigint' });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const path = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 50 }),
  fc.constantFrom('', '/a', `/${'ä'.repeat(40)}`, `/${'x'.repeat(70_000)}`),
);
const data = fc.option(
  fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(new Uint8Array(70_000))),
);
const head = {
  zxid: int64,
  timeMs: fc.double({ min: 1, max: 2 ** 50, noNaN: true }),
  sessionId: int64,
};

const inHex = ({ change, ...rest }: TransactionRecord): unknown =>
  'data' in change
    ? { ...rest, change: { ...change, data: change.data?.toString('hex') ?? null } }
    : { ...rest, change };

function expectSame(bytes: Buffer, record: TransactionRecord): void {
  expect(inHex(decodeRecord(bytes))).toEqual(inHex(record));
  // As a slice of something bigger, which is how they come out of a file.
  const around = Buffer.concat([Buffer.alloc(3, 1), bytes, Buffer.alloc(3, 1)]);
  const slice = new Uint8Array(around.buffer, around.byteOffset + 3, bytes.length);
  expect(inHex(decodeRecord(slice))).toEqual(inHex(record));
}

test('a create with the open list, by the short way and by the general one', () => {
  fc.assert(
    fc.property(
      fc.record({ ...head, path, data, owner: int64, count: fc.nat() }),
      ({ path: at, data: bytes, owner, count, ...rest }) => {
        const held = bytes === null ? null : Buffer.from(bytes);
        const record: TransactionRecord = {
          ...rest,
          change: {
            ...{ kind: 'create', path: at, data: held, acl: null },
            ...{ owner, parentCreationCount: count },
          },
        };
        expectSame(encodeRecord(record), record);
        const { zxid, timeMs, sessionId } = rest;
        const fields = [zxid, timeMs, sessionId, [1, at, held, null, owner, count]];
        expectSame(Buffer.from(general.pack(fields)), record);
      },
    ),
    { numRuns: 300 },
  );
});

test('a change of data, by the short way and by the general one', () => {
  fc.assert(
    fc.property(
      fc.record({ ...head, path, data, version: fc.integer() }),
      ({ path: at, data: bytes, version, ...rest }) => {
        const held = bytes === null ? null : Buffer.from(bytes);
        const change = { kind: 'setData', path: at, data: held, version } as const;
        expectSame(encodeRecord({ ...rest, change }), { ...rest, change });
        const { zxid, timeMs, sessionId } = rest;
        const fields = [zxid, timeMs, sessionId, [3, at, held, version]];
        expectSame(Buffer.from(general.pack(fields)), { ...rest, change });
      },
    ),
    { numRuns: 300 },
  );
});

const golden: readonly { readonly record: TransactionRecord; readonly hex: string }[] = [
  {
    record: {
      ...{ zxid: 0x1_0000_0002n, timeMs: 1.5, sessionId: -1n },
      change: {
        ...{ kind: 'create', path: '/a', data: Buffer.from('x'), acl: null },
        ...{ owner: 0n, parentCreationCount: 1 },
      },
    },
    hex:
      '94 d30000000100000002 cb3ff8000000000000 d3ffffffffffffffff ' +
      '96 01 a22f61 c40178 c0 d30000000000000000 cb3ff0000000000000',
  },
  {
    record: {
      ...{ zxid: 3n, timeMs: 0, sessionId: 1n },
      change: { kind: 'setData', path: '/a', data: null, version: -2 },
    },
    hex:
      '94 d30000000000000003 cb0000000000000000 d30000000000000001 ' + '94 03 a22f61 c0 d2fffffffe',
  },
];

test.each(golden)('$record.change.kind as it lies on the disk', ({ record, hex }) => {
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  expect(encodeRecord(record).toString('hex')).toBe(bytes.toString('hex'));
  expect(inHex(decodeRecord(bytes))).toEqual(inHex(record));
  for (let size = 0; size < bytes.length; size += 1) {
    expect(() => decodeRecord(bytes.subarray(0, size))).toThrow(UnreadableRecord);
  }
  expect(() => decodeRecord(Buffer.concat([bytes, Buffer.of(1)]))).toThrow(UnreadableRecord);
});

test('no byte can be changed into one that makes it crash', () => {
  for (const { record } of golden) {
    const bytes = encodeRecord(record);
    for (let at = 0; at < bytes.length; at += 1) {
      for (let value = 0; value < 256; value += 1) {
        const damaged = Buffer.from(bytes);
        damaged[at] = value;
        try {
          decodeRecord(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(UnreadableRecord);
        }
      }
    }
  }
});
