/**
 * Goal: clients of every server of an ensemble are served alike: writes of a follower's clients, sessions
 * that move between servers, what happens to clients while nobody leads.
 * Method: three servers over a replication within the process; who leads, and when, the test says.
 */
import { afterEach, expect, test } from '@jest/globals';
import { connectResponse, opCodes, syncRequest } from '@odradek/protocol';
import { FakeEnsemble } from '../support/fake-ensemble.ts';
import { RawClient, word } from '../support/raw-client.ts';
import { create, dataOf, read, remove, set } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
const ensembles: FakeEnsemble[] = [];
afterEach(async () => {
  for (const ensemble of ensembles.splice(0)) await ensemble.stop();
  await servers.stopAll();
});

async function start(
  count = 3,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<FakeEnsemble> {
  const ensemble = await FakeEnsemble.start(servers, count, settings);
  ensembles.push(ensemble);
  return ensemble;
}

const port = (ensemble: FakeEnsemble, id: number): number => ensemble.member(id).port;

test('a client of a follower writes, reads what it wrote, and is refused like any other', async () => {
  const ensemble = await start();
  ensemble.lead(2);
  const client = await RawClient.open(port(ensemble, 1));
  expect(client.sessionId >> 56n).toBe(1n);
  client.send(1, opCodes.create, create('/a', 'x'));
  client.send(2, opCodes.getData, read('/a'));
  client.send(3, opCodes.create, create('/a', 'again'));
  client.send(4, opCodes.setData, set('/a', 'y', 7));
  client.send(5, opCodes.setData, set('/a', 'y', 0));
  client.send(6, opCodes.exists, read('/a'));
  client.send(7, opCodes.delete, remove('/a'));
  const replies = [];
  for (let xid = 1; xid <= 7; xid += 1) replies.push(await client.reply());
  expect(replies.map(({ xid, err }) => [xid, err])).toEqual([
    [1, 0],
    [2, 0],
    [3, -110],
    [4, -103],
    [5, 0],
    [6, 0],
    [7, 0],
  ]);
  expect(dataOf(replies[1]?.body ?? Buffer.alloc(0))).toBe('x');
  const first = (1n << 32n) + 2n; // Behind the transaction that made the session.
  expect(replies.map(({ zxid }) => zxid - first)).toEqual([0n, 0n, 1n, 2n, 3n, 3n, 4n]);
  client.destroy();
});

test('what one writes over a follower the others see after a sync; watches fire on every server', async () => {
  const ensemble = await start();
  ensemble.lead(1);
  const [one, two, three] = await Promise.all(
    [1, 2, 3].map((id) => RawClient.open(port(ensemble, id))),
  );
  if (!one || !two || !three) throw new Error('three clients');
  await one.request(1, opCodes.create, create('/n', 'old'));
  for (const client of [two, three]) {
    await client.request(1, opCodes.sync, syncRequest.encode({ path: '/' }));
    expect(dataOf((await client.request(2, opCodes.getData, read('/n', true))).body)).toBe('old');
  }
  expect((await three.request(3, opCodes.exists, read('/n', true))).err).toBe(0);
  two.send(4, opCodes.setData, set('/n', 'new'));
  expect([(await two.reply()).xid, (await two.reply()).xid]).toEqual([-1, 4]);
  expect((await three.reply()).xid).toBe(-1);
  for (const client of [one, two, three]) client.destroy();
});

test('a session moves: its writes over the old server are refused without a word', async () => {
  const ensemble = await start();
  ensemble.lead(3);
  const old = await RawClient.open(port(ensemble, 1));
  expect((await old.request(1, opCodes.create, create('/e', 'x', 1))).err).toBe(0);
  const { sessionId, password } = old;
  const moved = await RawClient.open(port(ensemble, 2), { sessionId, password });
  expect(moved.sessionId).toBe(sessionId);
  expect((await old.request(2, opCodes.exists, read('/e'))).err).toBe(0); // Reads are still answered.
  old.send(3, opCodes.setData, set('/e', 'y'));
  expect(await old.untilClosed()).toEqual([]);
  expect((await moved.request(1, opCodes.setData, set('/e', 'z'))).err).toBe(0);
  // To the leader and back again: each server takes it over.
  const there = await RawClient.open(port(ensemble, 3), { sessionId, password });
  expect((await there.request(1, opCodes.setData, set('/e', '3'))).err).toBe(0);
  moved.send(2, opCodes.closeSession);
  expect(await moved.untilClosed()).toEqual([]);
  const back = await RawClient.open(port(ensemble, 1), { sessionId, password });
  there.send(2, opCodes.setData, set('/e', 'n'));
  expect(await there.untilClosed()).toEqual([]);
  expect((await back.request(1, opCodes.closeSession)).err).toBe(0);
  const late = await RawClient.open(port(ensemble, 2), { sessionId, password });
  expect(late.timeoutMs).toBe(0);
});

test('a wrong password is refused everywhere and harms nobody; an unknown session is refused after a word of the quorum', async () => {
  const ensemble = await start();
  ensemble.lead(1);
  const owner = await RawClient.open(port(ensemble, 2));
  const { sessionId } = owner;
  for (const id of [1, 2, 3]) {
    const thief = await RawClient.open(port(ensemble, id), { sessionId });
    expect(thief.timeoutMs).toBe(0);
  }
  expect((await owner.request(1, opCodes.exists, read('/'))).err).toBe(0);
  ensemble.isUnconfirmed = true;
  // On the leader too: it may be one no more, and not know it yet.
  const strangers = await Promise.all([1, 3].map((id) => RawClient.connect(port(ensemble, id))));
  let answeredCount = 0;
  const answers = strangers.map(async (stranger) => {
    await stranger.greet({ sessionId: 99n });
    answeredCount += 1;
  });
  expect((await owner.request(2, opCodes.exists, read('/'))).err).toBe(0);
  expect(answeredCount).toBe(0);
  ensemble.confirmAll();
  await Promise.all(answers);
  expect(strangers.map(({ timeoutMs }) => timeoutMs)).toEqual([0, 0]);
  owner.destroy();
});

test('when the leader is lost clients are cut off; those that come meanwhile are served by the next one', async () => {
  const ensemble = await start();
  ensemble.lead(1);
  const client = await RawClient.open(port(ensemble, 2));
  await client.request(1, opCodes.create, create('/e', 'x', 1));
  ensemble.isHeld = true;
  client.send(2, opCodes.setData, set('/e', 'never'));
  while (ensemble.heldCount === 0) await new Promise((resolve) => setImmediate(resolve));
  ensemble.look('the leader is gone');
  expect(await client.untilClosed()).toEqual([]);
  const { sessionId, password } = client;
  const back = await RawClient.connect(port(ensemble, 3));
  const greeted = back.greet({ sessionId, password });
  expect(await word(port(ensemble, 3), 'isro')).toBe('null');
  expect(await word(port(ensemble, 3), 'ruok')).toBe('imok');
  expect(await word(port(ensemble, 3), 'srvr')).toBe(
    'This ZooKeeper instance is not currently serving requests\nmaintenance: 1 of 3 votes\n',
  );
  ensemble.isHeld = false;
  ensemble.lead(3);
  await greeted;
  expect(back.sessionId).toBe(sessionId);
  expect(dataOf((await back.request(1, opCodes.getData, read('/e'))).body)).toBe('x');
  expect((await back.request(2, opCodes.setData, set('/e', 'y'))).err).toBe(0);
  expect(await word(port(ensemble, 3), 'srvr')).toContain('Mode: leader\n');
  expect(await word(port(ensemble, 1), 'srvr')).toContain('Mode: follower\n');
  back.destroy();
});

test('while too much is on its way to the others, connections with requests under way are not read', async () => {
  const ensemble = await start();
  ensemble.lead(1);
  const [busy, idle] = [
    await RawClient.open(port(ensemble, 1)),
    await RawClient.open(port(ensemble, 1)),
  ];
  ensemble.isHeld = true;
  ensemble.outstandingBytes = 2 ** 30;
  for (let xid = 1; xid <= 3; xid += 1) busy.send(xid, opCodes.create, create(`/b-${xid}`));
  while (ensemble.heldCount === 0) await new Promise((resolve) => setImmediate(resolve));
  // Whoever has nothing under way is served as ever.
  for (let xid = 1; xid <= 3; xid += 1) {
    expect((await idle.request(xid, opCodes.exists, read('/'))).err).toBe(0);
  }
  expect(ensemble.heldCount).toBe(1);
  ensemble.outstandingBytes = 0;
  ensemble.release();
  for (let xid = 1; xid <= 3; xid += 1) expect(await busy.reply()).toMatchObject({ xid, err: 0 });
  for (const client of [busy, idle]) client.destroy();
});

test('a client that has seen more than the server is sent elsewhere', async () => {
  const ensemble = await start();
  ensemble.lead(1);
  const client = await RawClient.connect(port(ensemble, 2));
  expect(await client.greet({ lastZxidSeen: 1n << 40n })).toBeNull();
});

test('while nobody leads what is there is shown to those who are content with it', async () => {
  const ensemble = await start(3, { 'readonlymode.enabled': 'true', tickTime: 100 });
  ensemble.lead(1);
  const writer = await RawClient.open(port(ensemble, 1), { timeoutMs: 60_000 });
  await writer.request(1, opCodes.create, create('/n', 'x'));
  const follower = await RawClient.open(port(ensemble, 2));
  await follower.request(1, opCodes.sync, syncRequest.encode({ path: '/' }));
  ensemble.look('cut off');
  await writer.untilClosed();
  let client: RawClient | null = null;
  let answer: Buffer | null = null;
  while (answer === null) {
    client = await RawClient.connect(port(ensemble, 2));
    answer = await client.greet({ readOnly: true });
  }
  if (client === null) throw new Error('a client');
  expect(connectResponse.decode(answer).readOnly).toBe(true);
  expect(await word(port(ensemble, 2), 'isro')).toBe('ro');
  const summary = await word(port(ensemble, 2), 'srvr');
  expect(summary).toContain(
    'READ-ONLY mode; serving only read-only clients\nmaintenance: 1 of 3 votes\n',
  );
  expect(summary).toContain('Mode: read-only\n');
  expect(dataOf((await client.request(1, opCodes.getData, read('/n'))).body)).toBe('x');
  expect((await client.request(2, opCodes.setData, set('/n', 'y'))).err).toBe(-119);
  expect((await client.request(3, opCodes.sync, syncRequest.encode({ path: '/' }))).err).toBe(-119);
  expect((await client.request(4, opCodes.ping)).err).toBe(0);
  const strict = await RawClient.connect(port(ensemble, 2));
  expect(await strict.greet()).toBeNull();
  // A session that all servers know is attached, not renewed; one that nobody knows here is not refused for good.
  const { sessionId, password } = writer;
  const attached = await RawClient.open(port(ensemble, 2), { sessionId, password, readOnly: true });
  expect(attached.sessionId).toBe(sessionId);
  const unknown = await RawClient.connect(port(ensemble, 2));
  expect(await unknown.greet({ sessionId: 5n, readOnly: true })).toBeNull();
  ensemble.lead(2);
  expect(await client.untilClosed()).toEqual([]);
  const back = await RawClient.open(port(ensemble, 2), { sessionId, password });
  expect(back.sessionId).toBe(sessionId);
  back.destroy();
});

test('local sessions stay on their server, and become global before they own nodes', async () => {
  const settings = { localSessionsEnabled: 'true', localSessionsUpgradingEnabled: 'true' };
  const ensemble = await start(3, settings);
  ensemble.lead(1);
  const client = await RawClient.open(port(ensemble, 2));
  expect((await client.request(1, opCodes.create, create('/p', 'x'))).err).toBe(0);
  const { sessionId, password } = client;
  const elsewhere = await RawClient.open(port(ensemble, 3), { sessionId, password });
  expect(elsewhere.timeoutMs).toBe(0);
  client.send(2, opCodes.create, create('/e', 'x', 1));
  client.send(3, opCodes.create, create('/f', 'x', 1));
  expect([(await client.reply()).err, (await client.reply()).err]).toEqual([0, 0]);
  const moved = await RawClient.open(port(ensemble, 3), { sessionId, password });
  expect(moved.sessionId).toBe(sessionId);
  expect((await moved.request(1, opCodes.closeSession)).err).toBe(0);
  const other = await RawClient.open(port(ensemble, 1));
  expect((await other.request(1, opCodes.exists, read('/e'))).err).toBe(-101);
  const quiet = await RawClient.open(port(ensemble, 2));
  expect((await quiet.request(1, opCodes.closeSession)).err).toBe(0);
  other.destroy();
});
