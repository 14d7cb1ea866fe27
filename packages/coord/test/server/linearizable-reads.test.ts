/**
 * Goal: `sync`, and reads of sessions that asked for it, wait for word that nothing newer was
 * acknowledged elsewhere; order and everybody else are not touched by it.
 * Method: a replication that gives this word when the test says so.
 */
import { afterEach, expect, test } from '@jest/globals';
import { authPacket, opCodes, syncRequest, xids } from '@odradek/protocol';
import { quorumOfOne } from '../../src/server/coordinator-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { create, dataOf, read, set } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
afterEach(() => servers.stopAll());

const addAuth = (auth: string, scheme = 'odradek'): Buffer =>
  authPacket.encode({ type: 0, scheme, auth: Buffer.from(auth) });

async function start(
  settings: Readonly<Record<string, string>> = {},
): Promise<{ port: number; waiting: (() => void)[]; confirm(): void }> {
  const waiting: (() => void)[] = [];
  const { port } = await servers.start(
    settings,
    {},
    {
      replication: (storage) => ({
        ...quorumOfOne(storage),
        confirm: (confirmed) => waiting.push(confirmed),
      }),
    },
  );
  const confirm = (): void => {
    for (const confirmed of waiting.splice(0)) confirmed();
  };
  return { port, waiting, confirm };
}

/** Until the server has asked so often. */
async function asked(waiting: readonly unknown[], count: number): Promise<void> {
  while (waiting.length < count) await new Promise((resolve) => setImmediate(resolve));
}

test('a session that asks for it reads no earlier than the word comes; others read at once', async () => {
  const { port, waiting, confirm } = await start();
  const [strict, other] = [await RawClient.open(port), await RawClient.open(port)];
  await other.request(1, opCodes.create, create('/n', 'old'));
  expect((await strict.request(xids.auth, opCodes.auth, addAuth('reads=linearizable'))).err).toBe(
    0,
  );
  strict.send(1, opCodes.getData, read('/n'));
  strict.send(2, opCodes.ping);
  strict.send(3, opCodes.setData, set('/own', 'x'));
  await asked(waiting, 1);
  await other.request(2, opCodes.setData, set('/n', 'new'));
  expect(dataOf((await other.request(3, opCodes.getData, read('/n'))).body)).toBe('new');
  confirm();
  const first = await strict.reply();
  expect([first.xid, dataOf(first.body)]).toEqual([1, 'new']);
  expect([(await strict.reply()).xid, (await strict.reply()).xid]).toEqual([xids.ping, 3]);
  strict.destroy();
  other.destroy();
});

test('a session can go back to ordinary reads; a wish that nobody knows is refused', async () => {
  const { port, waiting } = await start({ 'odradek.linearizableReads': 'true' });
  const client = await RawClient.open(port);
  client.send(1, opCodes.exists, read('/'));
  await asked(waiting, 1);
  for (const confirmed of waiting.splice(0)) confirmed();
  expect((await client.reply()).err).toBe(0);
  await client.request(xids.auth, opCodes.auth, addAuth('reads=sequential'));
  expect((await client.request(2, opCodes.exists, read('/'))).err).toBe(0);
  expect((await client.request(xids.auth, opCodes.auth, addAuth('reads=fast'))).err).toBe(-115);
  expect(await client.untilClosed()).toEqual([]);
});

test('sync always waits for the word', async () => {
  const { port, waiting, confirm } = await start();
  const client = await RawClient.open(port);
  client.send(1, opCodes.sync, syncRequest.encode({ path: '/' }));
  client.send(2, opCodes.exists, read('/'));
  await asked(waiting, 1);
  confirm();
  expect([(await client.reply()).xid, (await client.reply()).xid]).toEqual([1, 2]);
  client.destroy();
});

test('a word that comes when its connection is gone harms nobody', async () => {
  const { port, waiting, confirm } = await start();
  const client = await RawClient.open(port);
  client.send(1, opCodes.sync, syncRequest.encode({ path: '/' }));
  await asked(waiting, 1);
  client.destroy();
  const other = await RawClient.open(port);
  confirm();
  expect((await other.request(1, opCodes.exists, read('/'))).err).toBe(0);
  other.destroy();
});
