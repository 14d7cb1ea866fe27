/**
 * Goal: lists, answers and sets of watches that are longer than a frame never end a session for good,
 * and never cost the server more than it allows.
 */
import { afterEach, expect, test } from '@jest/globals';
import {
  addWatchRequest,
  getChildrenResponse,
  getDataRequest,
  multiEnd,
  multiHeader,
  opCodes,
  setDataRequest,
  setWatches2Request,
  Writer,
  watchModes,
  xids,
} from '@odradek/protocol';
import { RawClient, word } from '../support/raw-client.ts';
import { create, read } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
afterEach(() => servers.stopAll());

const LONG_NAME = 'n'.repeat(1_000);
const MARSHALLING_ERROR = -5;

/** A multi of one operation many times. */
function many(type: number, bodies: Iterable<Buffer>): Buffer {
  const writer = new Writer();
  for (const body of bodies) {
    multiHeader.encodeInto(writer, { type, done: false, err: -1 });
    writer.copy(body);
  }
  multiHeader.encodeInto(writer, multiEnd);
  return writer.finishWhole();
}

function* times(count: number, body: (index: number) => Buffer): Iterable<Buffer> {
  for (let index = 0; index < count; index += 1) yield body(index);
}

async function withManyChildren(port: number): Promise<RawClient> {
  const client = await RawClient.open(port, { timeoutMs: 20_000 });
  await client.request(1, opCodes.create, create('/big'));
  for (let part = 0; part < 2; part += 1) {
    const names = times(900, (index) => create(`/big/${part}-${index}-${LONG_NAME}`, null));
    expect((await client.request(2, opCodes.multi, many(opCodes.create, names))).err).toBe(0);
  }
  return client;
}

test('a list longer than a frame is sent; a client that breaks over it gets an error from then on', async () => {
  const { port, log } = await servers.start();
  const tolerant = await withManyChildren(port);
  const list = await tolerant.request(3, opCodes.getChildren, read('/big'));
  expect(getChildrenResponse.decode(list.body).children).toHaveLength(1_800);

  // Like Java's client: over a long answer it drops the connection, comes back and asks again.
  let client = await RawClient.open(port, { timeoutMs: 20_000 });
  const { sessionId, password } = client;
  for (let round = 0; round < 2; round += 1) {
    expect((await client.request(4, opCodes.getChildren, read('/big'))).err).toBe(0);
    client.destroy();
    await tolerant.request(5, opCodes.exists, read('/'));
    client = await RawClient.open(port, { timeoutMs: 20_000, sessionId, password });
  }
  expect(client.sessionId).toBe(sessionId);
  for (const opCode of [opCodes.getChildren, opCodes.getChildren2]) {
    expect((await client.request(6, opCode, read('/big', true))).err).toBe(MARSHALLING_ERROR);
  }
  expect((await client.request(7, opCodes.exists, read('/big'))).err).toBe(0);
  expect(await word(port, 'mntr')).toContain('zk_watch_count\t0\n'); // An error leaves no watch.
  expect(log.lines).toContainEqual(expect.stringContaining("raise the client's jute.maxbuffer"));
  expect((await tolerant.request(8, opCodes.getChildren, read('/big'))).err).toBe(0);
  client.destroy();
  tolerant.destroy();
});

test('odradek.maxReplyBytes holds for data, lists and multiRead', async () => {
  const { port } = await servers.start({ 'odradek.maxReplyBytes': 2_000 });
  const client = await RawClient.open(port);
  await client.request(1, opCodes.create, create('/small', 'x'.repeat(1_912))); // 16 + 4 + 1912 + 68
  await client.request(1, opCodes.create, create('/large', 'x'.repeat(1_913)));
  expect((await client.request(2, opCodes.getData, read('/small'))).err).toBe(0);
  expect((await client.request(2, opCodes.getData, read('/large'))).err).toBe(MARSHALLING_ERROR);
  const small = many(
    opCodes.getData,
    times(2, () => getDataRequest.encode({ path: '/small', watch: false })),
  );
  expect((await client.request(3, opCodes.multiRead, small)).err).toBe(MARSHALLING_ERROR);
  client.destroy();
});

test('one multiRead does not ask for more than the server has to give', async () => {
  const { port } = await servers.start();
  const client = await RawClient.open(port);
  await client.request(1, opCodes.create, create('/mb', 'x'.repeat(1_000_000)));
  const question = getDataRequest.encode({ path: '/mb', watch: false });
  const fits = await client.request(
    2,
    opCodes.multiRead,
    many(
      opCodes.getData,
      times(60, () => question),
    ),
  );
  expect([fits.err, fits.body.length > 60_000_000]).toEqual([0, true]);
  const tooMany = many(
    opCodes.getData,
    times(40_000, () => question),
  );
  expect((await client.request(3, opCodes.multiRead, tooMany)).err).toBe(MARSHALLING_ERROR);
  client.destroy();
});

test('watches are set again by one request of any length; other requests keep their limit', async () => {
  const { port } = await servers.start({ tickTime: 5_000 });
  const client = await RawClient.open(port, { timeoutMs: 60_000 });
  const paths = Array.from({ length: 5_000 }, (_, index) => `/${index}-${LONG_NAME}`);
  const body = setWatches2Request.encode({
    relativeZxid: 0n,
    dataWatches: [],
    existWatches: paths,
    childWatches: [],
    persistentWatches: [],
    persistentRecursiveWatches: [],
  });
  expect(body.length).toBeGreaterThan(5_000_000);
  expect((await client.request(xids.setWatches, opCodes.setWatches2, body)).err).toBe(0);
  expect(await word(port, 'wchs')).toContain('not in the whitelist');
  expect(await word(port, 'mntr')).toContain('zk_watch_count\t5000\n');
  await client.request(1, opCodes.create, create(paths[7] ?? ''));
  client.send(2, opCodes.create, create('/large', 'x'.repeat(1_100_000)));
  expect(await client.untilClosed()).toEqual([expect.anything()]); // The answer; the notification came before.
});

test('who reads no notifications is closed when they are too many; the server and others go on', async () => {
  const { port, log } = await servers.start();
  const deaf = await RawClient.open(port, { timeoutMs: 20_000 });
  const path = `/${LONG_NAME}`;
  await deaf.request(1, opCodes.create, create(path));
  await deaf.request(
    2,
    opCodes.addWatch,
    addWatchRequest.encode({ path, mode: watchModes.persistent }),
  );
  deaf.pause();
  const writer = await RawClient.open(port, { timeoutMs: 20_000 });
  const data = setDataRequest.encode({ path, data: null, version: -1 });
  const changes = many(
    opCodes.setData,
    times(990, () => data),
  );
  // A megabyte of notifications each; the system's own buffers take some of it.
  for (let count = 0; count < 120; count += 1) {
    const { err } = await writer.request(count, opCodes.multi, changes);
    expect(err).toBe(0);
    if (log.lines.some((line) => line.includes('unread'))) break;
  }
  expect(log.lines).toContainEqual(
    expect.stringMatching(
      /connection closed .*operation=notification reason=the peer leaves \d{8} bytes unread/,
    ),
  );
  const metrics = await word(port, 'mntr');
  expect(metrics).toContain('zk_connection_drop_count\t1\n');
  expect(metrics).toContain('zk_odradek_slow_reader_bytes\t0\n');
  const again = await RawClient.open(port, { sessionId: deaf.sessionId, password: deaf.password });
  expect(again.sessionId).toBe(deaf.sessionId); // Only the connection is gone.
  for (const client of [deaf, writer, again]) client.destroy();
});
