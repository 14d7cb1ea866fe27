/**
 * Goal: a client that asks and does not read is held back; it costs bounded memory and harms nobody.
 */
import { afterEach, expect, test } from '@jest/globals';
import { opCodes } from '@odradek/protocol';
import { RawClient } from '../support/raw-client.ts';
import { create, dataOf, read, set } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
afterEach(() => servers.stopAll());

test('a peer that does not read is not read, until it does', async () => {
  const { port } = await servers.start();
  const greedy = await RawClient.open(port, { timeoutMs: 20_000 });
  const other = await RawClient.open(port);
  const big = 'x'.repeat(500_000);
  await other.request(1, opCodes.create, create('/big', big));
  const count = 200; // 100 MB of answers
  greedy.pause();
  for (let xid = 0; xid < count; xid += 1) greedy.send(xid, opCodes.getData, read('/big'));
  for (let xid = 0; xid < 50; xid += 1) {
    expect((await other.request(xid, opCodes.setData, set('/big', big))).err).toBe(0);
  }
  greedy.resume();
  for (let xid = 0; xid < count; xid += 1) {
    const reply = await greedy.reply();
    expect([reply.xid, reply.body.length]).toEqual([xid, 500_000 + 4 + 68]);
  }
  greedy.destroy();
  other.destroy();
});

test('with a limit of one waiting request everything is still answered, in order', async () => {
  const { port } = await servers.start({ globalOutstandingLimit: 1 });
  const clients = await Promise.all([1, 2, 3].map(() => RawClient.open(port)));
  const [first] = clients;
  await first?.request(0, opCodes.create, create('/n', 'x'));
  for (const client of clients) {
    for (let xid = 1; xid <= 100; xid += 1) {
      if (xid % 2 === 0) client.send(xid, opCodes.getData, read('/n'));
      else client.send(xid, opCodes.setData, set('/n', String(xid)));
    }
  }
  for (const client of clients) {
    for (let xid = 1; xid <= 100; xid += 1) {
      const reply = await client.reply();
      expect([reply.xid, reply.err]).toEqual([xid, 0]);
      if (xid % 2 === 0) expect(dataOf(reply.body)).toMatch(/^\d+$/);
    }
    client.destroy();
  }
});
