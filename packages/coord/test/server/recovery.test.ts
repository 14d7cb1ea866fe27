/**
 * Goal: what was acknowledged is there after the process died at any moment, and after a clean stop.
 * Method: a copy of the files of a running server is what kill -9 leaves; a second server starts on it.
 */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { existsResponse, getEphemeralsRequest, opCodes } from '@odradek/protocol';
import { AddressInUse, DirectoryLocked } from '@odradek/runtime';
import { ManualTime } from '../support/manual-time.ts';
import { RawClient } from '../support/raw-client.ts';
import { create, dataOf, read, remove, set } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
afterEach(() => servers.stopAll());

test('after a crash: tree, zxid, sessions with their ephemerals and passwords', async () => {
  const first = await servers.start();
  const client = await RawClient.open(first.port, { timeoutMs: 7000 });
  await client.request(1, opCodes.create, create('/kept', 'one'));
  await client.request(2, opCodes.setData, set('/kept', 'two'));
  await client.request(3, opCodes.create, create('/kept/s-', 'x', 2));
  await client.request(4, opCodes.create, create('/mine', null, 1));
  await client.request(5, opCodes.create, create('/dropped'));
  const last = await client.request(6, opCodes.delete, remove('/dropped'));
  const stat = (await client.request(7, opCodes.exists, read('/kept'))).body;

  const second = await servers.start({ dataDir: await servers.crashImage(first) });
  const { sessionId, password } = client;
  const back = await RawClient.open(second.port, {
    sessionId,
    password,
    lastZxidSeen: last.zxid,
    timeoutMs: 7000,
  });
  expect(back.sessionId).toBe(sessionId);
  expect(dataOf((await back.request(1, opCodes.getData, read('/kept'))).body)).toBe('two');
  expect((await back.request(2, opCodes.exists, read('/kept'))).body).toEqual(stat);
  expect((await back.request(3, opCodes.exists, read('/dropped'))).err).toBe(-101);
  const mine = existsResponse.decode((await back.request(4, opCodes.exists, read('/mine'))).body);
  expect(mine.stat.ephemeralOwner).toBe(sessionId);
  const next = await back.request(5, opCodes.create, create('/kept/s-', 'x', 2));
  expect(next.body.toString()).toContain('/kept/s-0000000001');
  expect(next.zxid).toBe(last.zxid + 1n);
  client.destroy();
  back.destroy();
});

test('sessions found at the start have their whole time-out before them, and then expire', async () => {
  const first = await servers.start();
  const client = await RawClient.open(first.port, { timeoutMs: 4000 });
  await client.request(1, opCodes.create, create('/mine', null, 1));
  const time = new ManualTime();
  const second = await servers.start(
    { dataDir: await servers.crashImage(first) },
    { clock: time, timers: time },
  );
  const observer = await RawClient.open(second.port, { timeoutMs: 20_000 });
  await observer.request(1, opCodes.exists, read('/mine', true));
  time.advance(3990);
  expect((await observer.request(2, opCodes.exists, read('/mine'))).err).toBe(0);
  time.advance(1010);
  expect((await observer.reply()).xid).toBe(-1);
  client.destroy();
  observer.destroy();
});

test('snapshots while writes go on, a clean stop, and a third start', async () => {
  const directory = await servers.directory();
  const settings = { dataDir: directory, snapCount: 50, 'autopurge.purgeInterval': 0 };
  const first = await servers.start(settings);
  const client = await RawClient.open(first.port);
  for (let index = 0; index < 500; index += 1) {
    client.send(index, opCodes.create, create('/n-', String(index), 2));
  }
  for (let index = 0; index < 500; index += 1) expect((await client.reply()).err).toBe(0);
  const crashed = await servers.start({ ...settings, dataDir: await servers.crashImage(first) });
  await first.running.stop();
  expect(first.log.lines).toContainEqual(expect.stringContaining('snapshot written'));
  const restarted = await servers.start(settings);
  expect(restarted.log.lines).toContainEqual(expect.stringMatching(/serving clients.*replayed=0/));
  for (const { port } of [crashed, restarted]) {
    const reader = await RawClient.open(port);
    for (const index of [0, 123, 499]) {
      const path = `/n-${String(index).padStart(10, '0')}`;
      const { body } = await reader.request(1, opCodes.getData, read(path));
      expect(dataOf(body)).toBe(String(index));
    }
    reader.destroy();
  }
  client.destroy();
});

test('a session that was closed stays closed, and its ephemerals gone', async () => {
  const first = await servers.start();
  const client = await RawClient.open(first.port);
  await client.request(1, opCodes.create, create('/mine', null, 1));
  client.send(2, opCodes.closeSession);
  await client.untilClosed();
  const second = await servers.start({ dataDir: await servers.crashImage(first) });
  const late = await RawClient.connect(second.port);
  await late.greet({ sessionId: client.sessionId, password: client.password });
  expect(late.timeoutMs).toBe(0);
  const reader = await RawClient.open(second.port);
  expect((await reader.request(1, opCodes.exists, read('/mine'))).err).toBe(-101);
  const none = await reader.request(
    2,
    opCodes.getEphemerals,
    getEphemeralsRequest.encode({ prefixPath: '/' }),
  );
  expect(none.body.readInt32BE(0)).toBe(0);
  reader.destroy();
});

test('a directory that is in use is said in one line', async () => {
  const { directory } = await servers.start();
  const second = servers.start({ dataDir: directory });
  await expect(second).rejects.toBeInstanceOf(DirectoryLocked);
  await expect(second).rejects.toThrow(/^[^\n]*locked by[^\n]*$/);
});

test('a port that is taken is said in one line, and the directory is free again', async () => {
  const squatter = createServer().listen(0);
  await once(squatter, 'listening');
  const address = squatter.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const directory = await servers.directory();
  const start = servers.start({ dataDir: directory, clientPort: port });
  await expect(start).rejects.toBeInstanceOf(AddressInUse);
  squatter.close();
  await servers.start({ dataDir: directory });
});
