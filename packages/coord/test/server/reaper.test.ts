/**
 * Goal: the server itself takes away containers that have become empty and TTL nodes that nobody used, tells whoever
 * watches them, and leaves everything else; no more of them at once than is allowed.
 */
import { afterEach, expect, test } from '@jest/globals';
import { createTtlRequest, getChildrenResponse, opCodes, watcherEvent } from '@odradek/protocol';
import { ManualTime } from '../support/manual-time.ts';
import { RawClient } from '../support/raw-client.ts';
import { anyone, create, read, remove, set } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
afterEach(() => servers.stopAll());

const INTERVAL_MS = 60_000;
const TTL_MS = 90_000;
const NODE_DELETED = 2;
const LATER_MS = 10_000_000;

async function started(settings: Record<string, string | number> = {}) {
  const time = new ManualTime();
  const { port } = await servers.start(
    // Ticks so long that no session ends.
    { extendedTypesEnabled: 'true', tickTime: LATER_MS, ...settings },
    { clock: time, timers: time },
  );
  const client = await RawClient.open(port, { timeoutMs: LATER_MS });
  let xid = 0;
  const ask = async (opCode: number, body: Buffer): Promise<Buffer> => {
    xid += 1;
    const reply = await client.request(xid, opCode, body);
    expect(reply.err).toBe(0);
    return reply.body;
  };
  return {
    ask,
    client,
    time,
    /** The interval of the reaper passes. @returns what is there afterwards */
    async pass(path = '/'): Promise<readonly string[]> {
      time.advance(INTERVAL_MS, 1_000);
      // A write stands behind those of the reaper.
      await client.request(99, opCodes.delete, remove('/none'));
      const { children } = getChildrenResponse.decode(await ask(opCodes.getChildren, read(path)));
      return children.filter((name) => name !== 'zookeeper').sort();
    },
    container: (path: string) => ask(opCodes.createContainer, create(path, '', 4)),
    ttl: (path: string) =>
      ask(
        opCodes.createTtl,
        createTtlRequest.encode({ path, data: null, acl: anyone, flags: 5, ttl: BigInt(TTL_MS) }),
      ),
  };
}

test('a container goes when its last child has gone, not before it had one', async () => {
  const { ask, pass, container } = await started();
  await container('/used');
  await container('/unused');
  await ask(opCodes.create, create('/used/child'));
  expect(await pass()).toEqual(['unused', 'used']);
  await ask(opCodes.delete, remove('/used/child'));
  expect(await pass()).toEqual(['unused']);
  expect(await pass()).toEqual(['unused']);
});

test('a container that never had a child goes too where that is wished', async () => {
  const { pass, container } = await started({ 'znode.container.maxNeverUsedIntervalMs': TTL_MS });
  await container('/unused');
  expect(await pass()).toEqual(['unused']);
  expect(await pass()).toEqual([]);
});

test('a TTL node goes when it was not changed for so long; one with children waits for them', async () => {
  const { ask, pass, ttl } = await started();
  await ttl('/idle');
  await ttl('/busy');
  await ttl('/parent');
  await ask(opCodes.create, create('/parent/child'));
  expect(await pass()).toEqual(['busy', 'idle', 'parent']);
  await ask(opCodes.setData, set('/busy', 'again'));
  expect(await pass()).toEqual(['busy', 'parent']);
  await ask(opCodes.delete, remove('/parent/child'));
  expect(await pass()).toEqual([]);
});

test('whoever watches is told, by a transaction of its own', async () => {
  const { ask, pass, time, client, ttl } = await started();
  await ttl('/idle');
  await ask(opCodes.exists, read('/idle', true));
  expect(await pass()).toEqual(['idle']);
  const { zxid: before } = await client.request(98, opCodes.ping);
  time.advance(INTERVAL_MS, 1_000);
  const told = await client.reply();
  expect(watcherEvent.decode(told.body)).toMatchObject({ type: NODE_DELETED, path: '/idle' });
  expect(told).toMatchObject({ xid: -1, zxid: before + 1n });
});

test('no more go at once than znode.container.maxPerMinute', async () => {
  const { pass, ttl } = await started({ 'znode.container.maxPerMinute': 2 });
  for (let n = 0; n < 5; n += 1) await ttl(`/t${n}`);
  expect(await pass()).toHaveLength(5);
  expect(await pass()).toHaveLength(3);
  expect(await pass()).toHaveLength(1);
  expect(await pass()).toHaveLength(0);
});
