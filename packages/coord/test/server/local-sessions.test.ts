/**
 * Goal: local sessions cost no transaction and end with their server; before they own nodes they
 * become global, or are told that they may not.
 */
import { afterEach, expect, test } from '@jest/globals';
import { getDataResponse, multiEnd, multiHeader, opCodes, Writer } from '@odradek/protocol';
import { ManualTime } from '../support/manual-time.ts';
import { RawClient, word } from '../support/raw-client.ts';
import { create, read, set } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
afterEach(() => servers.stopAll());

const local = { localSessionsEnabled: 'true' };
const upgrading = { ...local, localSessionsUpgradingEnabled: 'true' };
const EPHEMERAL_ON_LOCAL_SESSION = -120;

const counts = async (port: number): Promise<readonly (string | undefined)[]> => {
  const text = await word(port, 'mntr');
  return ['global', 'local'].map(
    (kind) => new RegExp(`zk_${kind}_sessions\t(\\d+)`).exec(text)?.[1],
  );
};

function multi(...bodies: readonly Buffer[]): Buffer {
  const writer = new Writer();
  for (const body of bodies) {
    multiHeader.encodeInto(writer, { type: opCodes.create, done: false, err: -1 });
    writer.copy(body);
  }
  multiHeader.encodeInto(writer, multiEnd);
  return writer.finishWhole();
}

test('opening and closing take no transaction; reads, writes and renewal go as ever', async () => {
  const { port } = await servers.start(local);
  const client = await RawClient.open(port);
  expect(await counts(port)).toEqual(['0', '1']);
  expect((await client.request(1, opCodes.create, create('/a', 'x'))).zxid).toBe(1n);
  const other = await RawClient.open(port, {
    sessionId: client.sessionId,
    password: client.password,
  });
  expect(other.sessionId).toBe(client.sessionId);
  expect((await other.request(2, opCodes.setData, set('/a', 'y'))).err).toBe(0);
  other.send(3, opCodes.setData, set('/a', 'z'));
  other.send(4, opCodes.closeSession);
  expect([(await other.reply()).zxid, (await other.reply()).zxid]).toEqual([3n, 3n]);
  expect(await other.untilClosed()).toEqual([]);
  expect(await counts(port)).toEqual(['0', '0']);
  const late = await RawClient.open(port, {
    sessionId: client.sessionId,
    password: client.password,
  });
  expect(late.timeoutMs).toBe(0); // There is no such session any more.
});

test('without upgrading, nothing that ends with the session can be made', async () => {
  const { port } = await servers.start(local);
  const client = await RawClient.open(port);
  for (const flags of [1, 3]) {
    const { err } = await client.request(1, opCodes.create, create('/e', 'x', flags));
    expect(err).toBe(EPHEMERAL_ON_LOCAL_SESSION);
  }
  const { err } = await client.request(2, opCodes.multi, multi(create('/p'), create('/e', 'x', 1)));
  expect(err).toBe(EPHEMERAL_ON_LOCAL_SESSION);
  expect((await client.request(3, opCodes.exists, read('/p'))).err).toBe(-101);
  expect((await client.request(4, opCodes.create, create('/p'))).err).toBe(0);
  client.destroy();
});

test('with upgrading, the session becomes a global one under its number and outlives its server', async () => {
  const first = await servers.start(upgrading);
  const client = await RawClient.open(first.port);
  client.send(1, opCodes.create, create('/e', 'x', 1));
  client.send(2, opCodes.create, create('/f', 'x', 1));
  const [one, two] = [await client.reply(), await client.reply()];
  // One transaction for the session, once.
  expect([one.err, one.zxid, two.err, two.zxid]).toEqual([0, 2n, 0, 3n]);
  expect(await counts(first.port)).toEqual(['1', '0']);
  const stat = await client.request(3, opCodes.getData, read('/e'));
  expect(getDataResponse.decode(stat.body).stat.ephemeralOwner).toBe(client.sessionId);
  await first.running.stop();
  const second = await servers.start({ ...upgrading, dataDir: first.directory });
  const again = await RawClient.open(second.port, {
    sessionId: client.sessionId,
    password: client.password,
  });
  expect(again.sessionId).toBe(client.sessionId);
  expect((await again.request(1, opCodes.closeSession)).zxid).toBe(4n);
  const observer = await RawClient.open(second.port);
  expect((await observer.request(1, opCodes.exists, read('/e'))).err).toBe(-101);
  observer.destroy();
});

test('a silent local session ends, and nobody else is told of a transaction', async () => {
  const time = new ManualTime();
  const { port } = await servers.start({ ...local, tickTime: 1000 }, { clock: time, timers: time });
  const silent = await RawClient.open(port, { timeoutMs: 4_000 });
  const observer = await RawClient.open(port, { timeoutMs: 20_000 });
  time.advance(5_100);
  expect(await silent.untilClosed()).toEqual([]);
  expect(await counts(port)).toEqual(['0', '1']);
  expect((await observer.request(1, opCodes.exists, read('/'))).zxid).toBe(0n);
  const late = await RawClient.open(port, {
    sessionId: silent.sessionId,
    password: silent.password,
  });
  expect(late.timeoutMs).toBe(0);
  observer.destroy();
});

test('a local session ends with its server', async () => {
  const first = await servers.start(local);
  const client = await RawClient.open(first.port);
  await client.request(1, opCodes.create, create('/stays'));
  await first.running.stop();
  const second = await servers.start({ ...local, dataDir: first.directory });
  const late = await RawClient.open(second.port, {
    sessionId: client.sessionId,
    password: client.password,
  });
  expect(late.timeoutMs).toBe(0);
  const fresh = await RawClient.open(second.port);
  expect((await fresh.request(1, opCodes.exists, read('/stays'))).err).toBe(0);
  fresh.destroy();
});
