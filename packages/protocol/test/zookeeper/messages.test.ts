/**
 * Goal: ZooKeeper's records are laid out as the original lays them out.
 * Method: bytes from a live server (reference 24) both ways, every strict prefix refused.
 */
import { expect, test } from '@jest/globals';
import {
  connectRequest,
  connectResponse,
  createRequest,
  createResponse,
  createTtlRequest,
  decodeConnectRequest,
  getAclResponse,
  getChildren2Response,
  getDataResponse,
  MalformedMessage,
  multiHeader,
  oldConnectRequest,
  opCodes,
  opNameOf,
  Reader,
  setWatchesRequest,
  watcherEvent,
  whoAmIResponse,
  ZooKeeperError,
  zookeeperErrorCodes,
  zookeeperErrorOf,
  zookeeperErrors,
} from '../../src/index.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const open = '00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65';
const anyone = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];
const statHex = `000000000000019a 000000000000019b 000001a1f6b44f21 000001a1f6b44f22 00000001 00000002
  00000003 0100000d8be7005b 00000004 00000005 000000000000019c`;
const stat = {
  czxid: 0x19an,
  mzxid: 0x19bn,
  ctime: 0x1a1f6b44f21,
  mtime: 0x1a1f6b44f22,
  version: 1,
  cversion: 2,
  aversion: 3,
  ephemeralOwner: 0x100000d8be7005bn,
  dataLength: 4,
  numChildren: 5,
  pzxid: 0x19cn,
};

const cases = [
  {
    name: 'create',
    record: createRequest,
    body: { path: '/v', data: Buffer.from('hi'), acl: anyone, flags: 0 },
    bytes: `00000002 2f76 00000002 6869 ${open} 00000000`,
  },
  {
    name: 'createTTL with null data',
    record: createTtlRequest,
    body: { path: '/v/t', data: null, acl: anyone, flags: 5, ttl: 60000n },
    bytes: `00000004 2f762f74 ffffffff ${open} 00000005 000000000000ea60`,
  },
  { name: 'create answer', record: createResponse, body: { path: '/v' }, bytes: '00000002 2f76' },
  {
    name: 'getData answer',
    record: getDataResponse,
    body: { data: Buffer.from('x'), stat },
    bytes: `00000001 78 ${statHex}`,
  },
  {
    name: 'getChildren2 answer',
    record: getChildren2Response,
    body: { children: ['c', 'tt'], stat },
    bytes: `00000002 00000001 63 00000002 7474 ${statHex}`,
  },
  {
    name: 'getACL answer',
    record: getAclResponse,
    body: { acl: anyone, stat },
    bytes: `${open} ${statHex}`,
  },
  {
    name: 'handshake answer',
    record: connectResponse,
    body: {
      protocolVersion: 0,
      timeOut: 10_000,
      sessionId: 0x100000d8be70000n,
      passwd: hex('cb9360c1fc80a030211f8a00a52fd538'),
      readOnly: false,
    },
    bytes: '00000000 00002710 0100000d8be70000 00000010 cb9360c1fc80a030211f8a00a52fd538 00',
  },
  {
    name: 'notification',
    record: watcherEvent,
    body: { type: 4, state: 3, path: '/v' },
    bytes: '00000004 00000003 00000002 2f76',
  },
  {
    name: 'end of a multi',
    record: multiHeader,
    body: { type: -1, done: true, err: -1 },
    bytes: 'ffffffff 01 ffffffff',
  },
  {
    name: 'setWatches',
    record: setWatchesRequest,
    body: { relativeZxid: -1n, dataWatches: ['/v'], existWatches: [], childWatches: ['/v'] },
    bytes: 'ffffffffffffffff 00000001 00000002 2f76 00000000 00000001 00000002 2f76',
  },
  {
    name: 'whoAmI answer',
    record: whoAmIResponse,
    body: { clientInfo: [{ authScheme: 'digest', user: 'u' }] },
    bytes: '00000001 00000006 646967657374 00000001 75',
  },
];

/** The members of the table have types of their own; what they share is enough here. */
interface AnyRecord {
  encode(body: unknown): Buffer;
  decode(bytes: Buffer): unknown;
}

test.each(cases)('$name, both ways, and no strict prefix', ({ record, body, bytes }) => {
  const codec = record as unknown as AnyRecord;
  const expected = hex(bytes);
  expect(codec.encode(body)).toEqual(expected);
  expect(codec.decode(expected)).toEqual(body);
  for (let sizeBytes = 0; sizeBytes < expected.length; sizeBytes += 1) {
    expect(() => codec.decode(expected.subarray(0, sizeBytes))).toThrow(MalformedMessage);
  }
});

test('null and empty data are different', () => {
  expect(getDataResponse.decode(hex(`ffffffff ${statHex}`)).data).toBeNull();
  expect(getDataResponse.decode(hex(`00000000 ${statHex}`)).data).toEqual(Buffer.alloc(0));
});

test('the handshake comes with or without the read-only byte', () => {
  const old = {
    protocolVersion: 0,
    lastZxidSeen: 5n,
    timeOut: 4000,
    sessionId: 0n,
    passwd: Buffer.alloc(16),
  };
  expect(decodeConnectRequest(new Reader(oldConnectRequest.encode(old)))).toEqual({
    request: { ...old, readOnly: false },
    knowsReadOnly: false,
  });
  const current = { ...old, readOnly: true };
  expect(decodeConnectRequest(new Reader(connectRequest.encode(current)))).toEqual({
    request: current,
    knowsReadOnly: true,
  });
});

test('every error code has one name, and an error knows its code', () => {
  const wires = Object.values(zookeeperErrors).map(({ wire }) => wire);
  expect(new Set(wires).size).toBe(wires.length);
  expect(zookeeperErrorOf(-101)).toBe('NO_NODE');
  expect(zookeeperErrorOf(0)).toBeUndefined();
  expect(zookeeperErrorCodes.BAD_VERSION).toBe(-103);
  const error = new ZooKeeperError('CONNECTION_LOSS', 'localhost:2181');
  expect([error.code, error.wire, error.retriable]).toEqual(['CONNECTION_LOSS', -4, true]);
});

test('operations have names', () => {
  expect(opNameOf(opCodes.closeSession)).toBe('closeSession');
  expect(opNameOf(10)).toBeUndefined();
});
