/**
 * Goal: many sessions and many watches are ordinary: all are served, all are told, and nothing of
 * them is left behind. Scaled for every check; `bench/coord-scale.ts` does the full number.
 */
import { afterEach, expect, test } from '@jest/globals';
import { opCodes, reconfigRequest, setWatches2Request, xids } from '@odradek/protocol';
import { RawClient, word } from '../support/raw-client.ts';
import { create, set } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
afterEach(() => servers.stopAll());

const SESSIONS = 500;
const WATCHES_EACH = 40;

test(`${SESSIONS} sessions with ${WATCHES_EACH} watches each, and one that everybody has`, async () => {
  const { port } = await servers.start({ tickTime: 10_000, maxClientCnxns: 0 });
  const writer = await RawClient.open(port, { timeoutMs: 60_000 });
  await writer.request(1, opCodes.create, create('/shared'));
  const clients = await Promise.all(
    Array.from({ length: SESSIONS }, () => RawClient.open(port, { timeoutMs: 60_000 })),
  );
  await Promise.all(
    clients.map(async (client, index) => {
      const existWatches = Array.from({ length: WATCHES_EACH }, (_, each) => `/w-${index}-${each}`);
      const body = setWatches2Request.encode({
        relativeZxid: 1n << 60n,
        dataWatches: ['/shared'],
        existWatches,
        childWatches: [],
        persistentWatches: [],
        persistentRecursiveWatches: [],
      });
      expect((await client.request(xids.setWatches, opCodes.setWatches2, body)).err).toBe(0);
    }),
  );
  const told = async (): Promise<string> => word(port, 'mntr');
  expect(await told()).toContain(`zk_watch_count\t${SESSIONS * (WATCHES_EACH + 1)}\n`);
  expect(await told()).toContain(`zk_global_sessions\t${SESSIONS + 1}\n`);
  expect((await writer.request(2, opCodes.setData, set('/shared', 'new'))).err).toBe(0);
  for (const client of clients) expect((await client.reply()).xid).toBe(xids.notification);
  expect(await told()).toContain(`zk_max_node_changed_watch_count\t${SESSIONS}\n`);
  for (const client of clients) client.send(3, opCodes.closeSession);
  await Promise.all(clients.map((client) => client.untilClosed()));
  expect(await told()).toContain('zk_watch_count\t0\n');
  expect(await told()).toContain('zk_global_sessions\t1\n');
  writer.destroy();
});

test('maxCnxns bounds the connections of all addresses together', async () => {
  const { port, log } = await servers.start({ maxCnxns: 2 });
  const first = await RawClient.open(port);
  const second = await RawClient.open(port);
  const third = await RawClient.connect(port);
  expect(await third.untilClosed()).toEqual([]);
  expect(log.lines).toContainEqual(expect.stringContaining('maxCnxns: there are 2'));
  first.send(1, opCodes.closeSession);
  await first.untilClosed();
  const next = await RawClient.open(port);
  expect(next.sessionId).not.toBe(0n);
  second.destroy();
  next.destroy();
});

test.each([
  { enabled: 'false', err: -123 },
  { enabled: 'true', err: -6 },
])('reconfig of a server alone, reconfigEnabled=$enabled: $err', async ({ enabled, err }) => {
  const { port } = await servers.start({ reconfigEnabled: enabled });
  const client = await RawClient.open(port);
  const body = reconfigRequest.encode({
    joiningServers: 'server.2=a:1:2;3',
    leavingServers: null,
    newMembers: null,
    curConfigId: -1n,
  });
  expect((await client.request(1, opCodes.reconfig, body)).err).toBe(err);
  expect((await client.request(2, opCodes.reconfig, body.subarray(0, 3))).err).toBe(-5);
  client.destroy();
});
