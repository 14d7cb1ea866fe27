/**
 * Goal: per session, replies come in order and a read sees the session's own earlier writes;
 * notifications come before what shows their change.
 */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  multiEnd,
  multiHeader,
  opCodes,
  setDataRequest,
  setWatchesRequest,
  syncRequest,
  Writer,
} from '@odradek/protocol';
import fc from 'fast-check';
import { RawClient } from '../support/raw-client.ts';
import { create, dataOf, read, remove, set } from '../support/requests.ts';
import { Servers, type TestServer } from '../support/server.ts';

const servers = new Servers();
let server: TestServer;
let client: RawClient;
beforeEach(async () => {
  server = await servers.start();
  client = await RawClient.open(server.port);
  await client.request(0, opCodes.create, create('/n', 'start'));
});
afterEach(async () => {
  client.destroy();
  await servers.stopAll();
});

type Action = { readonly kind: 'set' | 'get' | 'ping' | 'sync' | 'bad' };

const actions = fc.array(
  fc.constantFrom<Action>(
    { kind: 'set' },
    { kind: 'get' },
    { kind: 'get' },
    { kind: 'ping' },
    { kind: 'sync' },
    { kind: 'bad' },
  ),
  { minLength: 1, maxLength: 200 },
);

test('any row of pipelined requests is answered in order and reads see the writes before them', async () => {
  let zxid = 0n;
  let last = 'start';
  await fc.assert(
    fc.asyncProperty(actions, async (row) => {
      const expected: (string | null)[] = [];
      for (const [xid, { kind }] of row.entries()) {
        if (kind === 'set') last = `value ${xid}`;
        expected.push(kind === 'get' ? last : null);
        if (kind === 'set') client.send(xid, opCodes.setData, set('/n', last));
        else if (kind === 'get') client.send(xid, opCodes.getData, read('/n'));
        else if (kind === 'ping') client.send(-2, opCodes.ping);
        else if (kind === 'sync') client.send(xid, opCodes.sync, syncRequest.encode({ path: '/' }));
        else client.send(xid, opCodes.delete, remove('/nope'));
      }
      for (const [xid, value] of expected.entries()) {
        const reply = await client.reply();
        expect(reply.xid).toBe(row[xid]?.kind === 'ping' ? -2 : xid);
        if (value !== null) expect(dataOf(reply.body)).toBe(value);
        expect(reply.zxid).toBeGreaterThanOrEqual(zxid);
        zxid = reply.zxid;
      }
    }),
    { numRuns: 30 },
  );
});

test('a read between two writes sees the first and not the second', async () => {
  client.send(1, opCodes.setData, set('/n', 'one'));
  client.send(2, opCodes.getData, read('/n'));
  client.send(3, opCodes.setData, set('/n', 'two'));
  client.send(4, opCodes.getData, read('/n'));
  const replies = [];
  for (let count = 0; count < 4; count += 1) replies.push(await client.reply());
  expect(replies.map(({ xid }) => xid)).toEqual([1, 2, 3, 4]);
  expect(dataOf(replies[1]?.body ?? Buffer.alloc(0))).toBe('one');
  expect(dataOf(replies[3]?.body ?? Buffer.alloc(0))).toBe('two');
});

test('a notification comes before the reply to the write that caused it, once', async () => {
  await client.request(1, opCodes.getData, read('/n', true));
  await client.request(2, opCodes.exists, read('/n', true));
  client.send(3, opCodes.setData, set('/n', 'a'));
  client.send(4, opCodes.setData, set('/n', 'b'));
  const replies = [await client.reply(), await client.reply(), await client.reply()];
  expect(replies.map(({ xid }) => xid)).toEqual([-1, 3, 4]);
  expect(replies[0]?.zxid).toBe(replies[1]?.zxid);
});

test('a watch that another connection set is told before that connection can see the change', async () => {
  const other = await RawClient.open(server.port);
  await other.request(1, opCodes.getData, read('/n', true));
  await client.request(1, opCodes.setData, set('/n', 'new'));
  other.send(2, opCodes.getData, read('/n'));
  expect([(await other.reply()).xid, dataOf((await other.reply()).body)]).toEqual([-1, 'new']);
  other.destroy();
});

test('watches of a multi fire in the order of its operations, with its one zxid', async () => {
  await client.request(1, opCodes.exists, read('/m', true));
  await client.request(2, opCodes.getData, read('/n', true));
  const writer = new Writer();
  multiHeader.encodeInto(writer, { type: opCodes.setData, done: false, err: -1 });
  setDataRequest.encodeInto(writer, { path: '/n', data: null, version: -1 });
  multiHeader.encodeInto(writer, { type: opCodes.create, done: false, err: -1 });
  writer.copy(create('/m'));
  multiHeader.encodeInto(writer, { type: opCodes.delete, done: false, err: -1 });
  writer.copy(remove('/m'));
  multiHeader.encodeInto(writer, multiEnd);
  client.send(3, opCodes.multi, writer.finishWhole());
  const frames = [await client.reply(), await client.reply(), await client.reply()];
  expect(frames.map(({ xid, body }) => (xid === -1 ? body.readInt32BE(0) : 'reply'))).toEqual([
    3,
    1,
    'reply',
  ]);
  expect(new Set(frames.map(({ zxid }) => zxid)).size).toBe(1);
});

test('what was missed while away is told on return, before the reply', async () => {
  const seen = (await client.request(1, opCodes.exists, read('/n'))).zxid;
  await client.request(2, opCodes.setData, set('/n', 'changed'));
  await client.request(3, opCodes.create, create('/made'));
  const back = await RawClient.open(server.port);
  const body = setWatchesRequest.encode({
    relativeZxid: seen,
    dataWatches: ['/n', '/zookeeper'],
    existWatches: ['/made', '/unmade'],
    childWatches: ['/', '/gone'],
  });
  back.send(-8, opCodes.setWatches, body);
  const frames = [];
  for (let count = 0; count < 5; count += 1) frames.push(await back.reply());
  expect(frames.map(({ xid, body: event }) => (xid === -1 ? event.readInt32BE(0) : xid))).toEqual([
    3, 1, 4, 2, -8,
  ]);
  await client.request(4, opCodes.create, create('/unmade'));
  expect((await back.reply()).body.subarray(12).toString()).toBe('/unmade');
  back.destroy();
});
