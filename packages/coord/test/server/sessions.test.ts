/**
 * Goal: a session lives exactly as long as it should, and its ephemerals with it.
 * Method: real sockets and disk, but time that the test moves.
 */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { getEphemeralsRequest, opCodes } from '@odradek/protocol';
import { ManualTime } from '../support/manual-time.ts';
import { hex, RawClient } from '../support/raw-client.ts';
import { create, read } from '../support/requests.ts';
import { Servers, type TestServer } from '../support/server.ts';

const servers = new Servers();
let time: ManualTime;
let server: TestServer;
let observer: RawClient;
beforeEach(async () => {
  time = new ManualTime();
  server = await servers.start({ tickTime: 1000 }, { clock: time, timers: time });
  observer = await RawClient.open(server.port, { timeoutMs: 20_000 });
});
afterEach(async () => {
  observer.destroy();
  await servers.stopAll();
});

const refusal = hex(`00000000 00000000 0000000000000000 00000010 ${'00'.repeat(16)} 00`);

/** Whatever was on its way is done when the answer to this comes. */
const settle = async (): Promise<bigint> =>
  (await observer.request(1, opCodes.sync, hex('ffffffff'))).zxid;

const exists = async (path: string): Promise<boolean> =>
  (await observer.request(1, opCodes.exists, read(path))).err === 0;

test.each([
  { wish: 0, granted: 2000 },
  { wish: -5, granted: 2000 },
  { wish: 1, granted: 2000 },
  { wish: 7000, granted: 7000 },
  { wish: 1_000_000, granted: 20_000 },
])('a time-out of $wish ms becomes $granted ms', async ({ wish, granted }) => {
  const client = await RawClient.open(server.port, { timeoutMs: wish });
  expect(client.timeoutMs).toBe(granted);
  client.destroy();
});

test('silence ends a session with all its ephemerals at one zxid, but not before its time', async () => {
  const client = await RawClient.open(server.port, { timeoutMs: 4000 });
  for (const name of ['b', 'a', 'c'])
    await client.request(1, opCodes.create, create(`/${name}`, 'x', 1));
  await observer.request(1, opCodes.exists, read('/a', true));
  await observer.request(1, opCodes.exists, read('/b', true));
  const before = await settle();
  time.advance(3990);
  expect(await exists('/a')).toBe(true);
  time.advance(1010);
  const events = [await observer.reply(), await observer.reply()];
  expect(events.map(({ zxid, body }) => [zxid, body.subarray(12).toString()])).toEqual([
    [before + 1n, '/a'],
    [before + 1n, '/b'],
  ]);
  expect([await exists('/a'), await exists('/b'), await exists('/c')]).toEqual([
    false,
    false,
    false,
  ]);
  expect(await client.untilClosed()).toEqual([]);
  const late = await RawClient.connect(server.port);
  const { sessionId, password } = client;
  expect(await late.greet({ sessionId, password })).toEqual(refusal);
  expect(await late.untilClosed()).toEqual([]);
});

test('any frame keeps a session alive', async () => {
  const client = await RawClient.open(server.port, { timeoutMs: 4000 });
  await client.request(1, opCodes.create, create('/kept', 'x', 1));
  for (let count = 0; count < 5; count += 1) {
    time.advance(3000);
    await client.request(-2, opCodes.ping);
    await settle();
  }
  expect(await exists('/kept')).toBe(true);
  client.destroy();
});

test('after a suspension of the server nobody is judged before their pings were read', async () => {
  const client = await RawClient.open(server.port, { timeoutMs: 4000 });
  await client.request(1, opCodes.create, create('/kept', 'x', 1));
  time.jump(60_000);
  await client.request(-2, opCodes.ping);
  await settle();
  time.advance(2000);
  expect(await exists('/kept')).toBe(true);
  client.destroy();
});

test('a session is taken up by another connection with its password; the older one is closed', async () => {
  const client = await RawClient.open(server.port);
  await client.request(1, opCodes.create, create('/mine', 'x', 1));
  const { sessionId, password } = client;
  const next = await RawClient.open(server.port, { sessionId, password, timeoutMs: 5000 });
  expect([next.sessionId, next.password, next.timeoutMs]).toEqual([sessionId, password, 5000]);
  expect(await client.untilClosed()).toEqual([]);
  const own = await next.request(
    1,
    opCodes.getEphemerals,
    getEphemeralsRequest.encode({ prefixPath: null }),
  );
  expect(own.body.toString()).toContain('/mine');
  next.destroy();
});

test('a wrong password is refused and does not disturb the owner', async () => {
  const client = await RawClient.open(server.port);
  const thief = await RawClient.connect(server.port);
  const wish = { sessionId: client.sessionId, password: Buffer.alloc(16, 7) };
  expect(await thief.greet(wish)).toEqual(refusal);
  expect(await thief.untilClosed()).toEqual([]);
  expect((await client.request(1, opCodes.exists, read('/'))).err).toBe(0);
  client.destroy();
});

test('a client that has seen more than this server is sent away without an answer', async () => {
  const client = await RawClient.connect(server.port);
  expect(await client.greet({ lastZxidSeen: 1_000_000n })).toBeNull();
});

test('requests sent right behind the handshake are answered in order', async () => {
  const client = await RawClient.connect(server.port);
  client.write(
    hex(
      `0000002d 00000000 0000000000000000 00001388 0000000000000000 00000010 ${'00'.repeat(16)} 00`,
    ),
  );
  client.send(1, opCodes.create, create('/early', 'x', 1));
  client.send(2, opCodes.exists, read('/early'));
  client.send(-2, opCodes.ping);
  await client.next();
  expect([await client.reply(), await client.reply(), await client.reply()]).toMatchObject([
    { xid: 1, err: 0 },
    { xid: 2, err: 0 },
    { xid: -2, err: 0 },
  ]);
  client.destroy();
});

test('closing: ephemerals go, what stands behind it is not answered, the session is gone', async () => {
  const client = await RawClient.open(server.port);
  client.send(1, opCodes.create, create('/gone', 'x', 1));
  client.send(2, opCodes.closeSession);
  client.send(3, opCodes.create, create('/never'));
  const frames = await client.untilClosed();
  expect(frames.map((frame) => frame.readInt32BE(0))).toEqual([1, 2]);
  expect([await exists('/gone'), await exists('/never')]).toEqual([false, false]);
  const again = await RawClient.connect(server.port);
  const { sessionId, password } = client;
  expect(await again.greet({ sessionId, password })).toEqual(refusal);
});

test('who says nothing at all is sent away', async () => {
  const silent = await RawClient.connect(server.port);
  await settle();
  time.advance(10_100, 100);
  expect(await silent.untilClosed()).toEqual([]);
});
