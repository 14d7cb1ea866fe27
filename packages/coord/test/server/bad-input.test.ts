/**
 * Goal: bytes that make no sense cost their sender its connection, and one line in the log; nobody
 * else notices.
 */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { opCodes } from '@odradek/protocol';
import { hex, RawClient } from '../support/raw-client.ts';
import { create, read } from '../support/requests.ts';
import { Servers, type TestServer } from '../support/server.ts';

const servers = new Servers();
let server: TestServer;
let bystander: RawClient;
beforeEach(async () => {
  server = await servers.start({ 'jute.maxbuffer': 2000 });
  bystander = await RawClient.open(server.port);
});
afterEach(async () => {
  bystander.destroy();
  await servers.stopAll();
});

const handshake = `0000002d 00000000 0000000000000000 00001388 0000000000000000 00000010 ${'00'.repeat(16)} 00`;

const linesAbout = ({ log }: TestServer): string[] =>
  log.lines.filter((line) => line.startsWith('warn connection closed'));

async function expectBystanderServed(): Promise<void> {
  const { err } = await bystander.request(1, opCodes.exists, read('/'));
  expect(err).toBe(0);
}

test.each([
  {
    what: 'text',
    bytes: hex(Buffer.from('GET / HTTP/1.1\r\n\r\n').toString('hex')),
    tells: 'bytes',
  },
  { what: 'a length above the limit', bytes: hex('000007d1'), tells: 'a frame of 2001 bytes' },
  { what: 'a negative length', bytes: hex('ffffffff'), tells: 'a frame of -1 bytes' },
  { what: 'an empty handshake', bytes: hex('00000000'), tells: 'operation=handshake' },
  { what: 'a handshake cut short', bytes: hex('00000008 00000000 00000000'), tells: 'handshake' },
  {
    what: 'a password that would be longer than the frame',
    bytes: hex('0000001c 00000000 0000000000000000 00001388 0000000000000000 7fffffff'),
    tells: 'handshake',
  },
])('before the handshake: $what', async ({ bytes, tells }) => {
  const client = await RawClient.connect(server.port);
  client.write(bytes);
  expect(await client.untilClosed()).toEqual([]);
  expect(linesAbout(server)).toHaveLength(1);
  expect(linesAbout(server)[0]).toContain(tells);
  expect(linesAbout(server)[0]).toContain('peer=/127.0.0.1:');
  await expectBystanderServed();
});

test.each([
  { what: 'a length above the limit', bytes: hex('7fffffff'), tells: 'a frame of 2147483647' },
  { what: 'a negative length', bytes: hex('80000000'), tells: 'a frame of -2147483648' },
  { what: 'a frame without a header', bytes: hex('00000004 00000001'), tells: 'wanted' },
  {
    what: 'an auth packet cut short',
    bytes: hex('0000000c fffffffc 00000064 00000000'),
    tells: 'AuthPacket',
  },
])('with a session: $what', async ({ bytes, tells }) => {
  const client = await RawClient.connect(server.port);
  client.write(Buffer.concat([hex(handshake), bytes]));
  expect(await client.untilClosed()).toHaveLength(1); // The handshake's answer.
  expect(linesAbout(server)).toHaveLength(1);
  expect(linesAbout(server)[0]).toContain(tells);
  await expectBystanderServed();
});

test('a frame that never ends is told when the connection does', async () => {
  const client = await RawClient.connect(server.port);
  client.write(hex(`${handshake} 00000100 00000001 00000004`));
  await client.next();
  client.endWriting();
  expect(await client.untilClosed()).toEqual([]);
  expect(linesAbout(server)).toEqual([expect.stringContaining('cut short: 8 bytes of it came')]);
});

test.each([0, 10, 13, 20, -10, -1, 108, 0x7fffffff])(
  'operation %i: unimplemented, then the end',
  async (opCode) => {
    const client = await RawClient.open(server.port);
    const { err, zxid } = await client.request(7, opCode);
    expect({ err, zxid }).toEqual({ err: -6, zxid: -1n });
    expect(await client.untilClosed()).toEqual([]);
    await expectBystanderServed();
  },
);

test.each([
  opCodes.create,
  opCodes.create2,
  opCodes.createTtl,
  opCodes.delete,
  opCodes.setData,
  opCodes.setAcl,
  opCodes.multi,
  opCodes.getData,
  opCodes.exists,
  opCodes.getChildren,
  opCodes.getAcl,
  opCodes.sync,
  opCodes.setWatches,
  opCodes.setWatches2,
  opCodes.addWatch,
  opCodes.removeWatches,
  opCodes.getEphemerals,
  opCodes.multiRead,
])('operation %i without its body: told so, and the connection stays', async (opCode) => {
  const client = await RawClient.open(server.port);
  expect((await client.request(1, opCode)).err).toBe(-5);
  expect((await client.request(2, opCodes.exists, read('/'))).err).toBe(0);
  client.destroy();
});

test('a count of 2^31 - 1 in a list is refused without making room for it', async () => {
  const client = await RawClient.open(server.port);
  const body = hex('0000000000000000 7fffffff 7fffffff 7fffffff');
  expect((await client.request(1, opCodes.setWatches, body)).err).toBe(-5);
  client.destroy();
});

test('bytes behind the last field do not matter', async () => {
  const client = await RawClient.open(server.port);
  const body = Buffer.concat([create('/extra', 'x'), Buffer.from('more')]);
  expect((await client.request(1, opCodes.create, body)).err).toBe(0);
  client.destroy();
});

test('more connections of one address than maxClientCnxns are closed at once', async () => {
  const strict = await servers.start({ maxClientCnxns: 2 });
  const first = await RawClient.open(strict.port);
  const second = await RawClient.open(strict.port);
  const third = await RawClient.connect(strict.port);
  expect(await third.untilClosed()).toEqual([]);
  expect(strict.log.lines).toContainEqual(expect.stringContaining('maxClientCnxns'));
  first.destroy();
  second.destroy();
});
