/** Jute: records as ZooKeeper lays them out, nulls as -1, everything big-endian, no versions. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MalformedMessage, UnencodableValue } from '../../src/errors.ts';
import { type BodyOf, record } from '../../src/schema/api.ts';
import { jute } from '../../src/schema/jute.ts';
import { Reader } from '../../src/wire/reader.ts';
import { Writer } from '../../src/wire/writer.ts';

const acl = jute.struct({
  perms: jute.int,
  id: jute.struct({ scheme: jute.ustring, id: jute.ustring }),
});
const create = record('CreateRequest', {
  path: jute.ustring,
  data: jute.nullableBuffer,
  acl: jute.nullableVector(acl),
  flags: jute.int,
});
const connect = record('ConnectRequest', {
  protocolVersion: jute.int,
  lastZxidSeen: jute.long,
  timeOut: jute.int,
  sessionId: jute.long,
  passwd: jute.buffer,
});
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test.each<[string, BodyOf<typeof create>, string]>([
  [
    'full',
    {
      path: '/a',
      data: Buffer.of(1, 2),
      acl: [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }],
      flags: 1,
    },
    '00000002 2f61 00000002 0102 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00000001',
  ],
  [
    'nulls',
    { path: '/', data: null, acl: null, flags: 0 },
    '00000001 2f ffffffff ffffffff 00000000',
  ],
])('%s, both ways, and every truncation', (_name, body, bytes) => {
  expect(create.encode(body)).toEqual(hex(bytes));
  expect(Buffer.concat(create.encodeChunks(body))).toEqual(hex(bytes));
  expect(create.decode(hex(bytes))).toEqual(body);
  for (let size = 0; size < hex(bytes).length; size++) {
    expect(() => create.decode(hex(bytes).subarray(0, size))).toThrow(MalformedMessage);
  }
});

test('any record comes back', () => {
  const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  fc.assert(
    fc.property(
      fc.record(
        {
          protocolVersion: fc.integer(),
          lastZxidSeen: long,
          timeOut: fc.integer(),
          sessionId: long,
          passwd: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        },
        { noNullPrototype: true },
      ),
      (body) => {
        expect(connect.decode(connect.encode(body))).toEqual(body);
      },
    ),
  );
});

describe('limits', () => {
  test('null is refused where the record has none', () => {
    expect(() => create.decode(hex('ffffffff ffffffff ffffffff 00000000'))).toThrow('path');
    expect(() => create.encode({ path: null as never, data: null, acl: null, flags: 0 })).toThrow(
      UnencodableValue,
    );
  });

  test('strings are as long as the frame allows, not 32767 bytes', () => {
    const body = { path: 'x'.repeat(100_000), data: null, acl: null, flags: 0 };
    expect(create.decode(create.encode(body))).toEqual(body);
  });

  test('a vector count beyond the bytes is refused', () => {
    expect(() => create.decode(hex('00000001 2f ffffffff 7fffffff 00000000'))).toThrow('acl');
  });
});

test('records stand one after the other, as header and body do', () => {
  const header = record('RequestHeader', { xid: jute.int, type: jute.int });
  const writer = new Writer();
  writer.begin();
  header.encodeInto(writer, { xid: 1, type: 2 });
  create.encodeInto(writer, { path: '/a', data: null, acl: null, flags: 0 });
  const reader = new Reader(writer.finishWhole());
  expect(header.decodeFrom(reader)).toEqual({ xid: 1, type: 2 });
  expect(create.decodeFrom(reader).path).toBe('/a');
  expect(reader.remaining).toBe(0);
});
