/**
 * Goal: three servers are one service: whoever leads, clients write and read anywhere, sessions move with
 * their nodes and watches, and nothing that was acknowledged is lost when the leader goes.
 * Method: three whole servers in this process, on real sockets and disks.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { getChildrenResponse, opCodes, setWatchesRequest, syncRequest } from '@odradek/protocol';
import { Metrics, serveHttp } from '@odradek/runtime';
import { TestEnsemble } from '../support/ensemble.ts';
import { RawClient, word } from '../support/raw-client.ts';
import { create, dataOf, read, set } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
let ensemble: TestEnsemble;
afterEach(async () => {
  await ensemble.stop();
  await servers.stopAll();
});

const sync = syncRequest.encode({ path: '/' });

const others = (id: number): readonly number[] => ensemble.ids.filter((one) => one !== id);

/** A connection that goes on with a session, on whichever of the servers takes it. */
async function goOn(client: RawClient, lastZxidSeen = 0n): Promise<RawClient> {
  const { sessionId, password } = client;
  for (;;) {
    for (const id of ensemble.runningIds) {
      const next = await RawClient.connect(ensemble.port(id)).catch(() => null);
      if (next === null) continue;
      const answer = await next.greet({ sessionId, password, lastZxidSeen, timeoutMs: 10_000 });
      if (answer !== null) return next;
    }
  }
}

test('each server takes writes and shows them all', async () => {
  ensemble = await TestEnsemble.start(servers, [1, 2, 3]);
  const clients = await Promise.all(ensemble.ids.map((id) => RawClient.open(ensemble.port(id))));
  await Promise.all(
    clients.map(async (client, index) => {
      for (let count = 0; count < 50; count += 1) {
        client.send(count, opCodes.create, create(`/n-${index}-${count}`, 'x'));
      }
      for (let count = 0; count < 50; count += 1) {
        expect(await client.reply()).toMatchObject({ xid: count, err: 0 });
      }
    }),
  );
  for (const client of clients) {
    expect((await client.request(1, opCodes.sync, sync)).err).toBe(0);
    const { body } = await client.request(2, opCodes.getChildren, read('/'));
    expect(getChildrenResponse.decode(body).children).toHaveLength(151);
    client.destroy();
  }
  const modes = await Promise.all(ensemble.ids.map((id) => word(ensemble.port(id), 'srvr')));
  expect(modes.map((text) => /Mode: (\w+)/.exec(text)?.[1]).sort()).toEqual([
    'follower',
    'follower',
    'leader',
  ]);
});

test('the leader goes: sessions, ephemerals and watches live on with the next one', async () => {
  ensemble = await TestEnsemble.start(servers, [1, 2, 3]);
  const leader = ensemble.leaderId ?? 0;
  const [followerId = 0] = others(leader);
  const owner = await RawClient.open(ensemble.port(leader));
  const watcher = await RawClient.open(ensemble.port(followerId));
  await owner.request(1, opCodes.create, create('/e', 'mine', 1));
  await owner.request(2, opCodes.create, create('/n', 'old'));
  await watcher.request(1, opCodes.sync, sync);
  const seen = await watcher.request(2, opCodes.getData, read('/n', true));
  expect(dataOf(seen.body)).toBe('old');
  await ensemble.stopServer(leader);
  expect(await watcher.untilClosed()).toEqual([]);
  const back = await goOn(owner);
  expect(back.sessionId).toBe(owner.sessionId);
  expect(dataOf((await back.request(1, opCodes.getData, read('/e'))).body)).toBe('mine');
  expect((await back.request(2, opCodes.setData, set('/n', 'new'))).err).toBe(0);
  const again = await goOn(watcher, seen.zxid);
  expect(again.sessionId).toBe(watcher.sessionId);
  again.send(
    -8,
    opCodes.setWatches,
    setWatchesRequest.encode({
      relativeZxid: seen.zxid,
      dataWatches: ['/n'],
      existWatches: [],
      childWatches: [],
    }),
  );
  // What was missed meanwhile is told at once; or it comes a moment later, when this server is behind.
  const first = await again.reply();
  const second = await again.reply();
  expect([first.xid, second.xid].sort()).toEqual([-1, -8]);
  await ensemble.startServer(leader);
  await ensemble.allServing();
  const home = await RawClient.open(ensemble.port(leader));
  expect((await home.request(1, opCodes.sync, sync)).err).toBe(0);
  expect(dataOf((await home.request(2, opCodes.getData, read('/n'))).body)).toBe('new');
  expect((await back.request(3, opCodes.closeSession)).err).toBe(0);
  await home.request(3, opCodes.sync, sync);
  expect((await home.request(4, opCodes.exists, read('/e'))).err).toBe(-101);
  for (const client of [home, again]) client.destroy();
});

test('a session that nobody hears of ends, wherever its client was', async () => {
  ensemble = await TestEnsemble.start(servers, [1, 2, 3], { settings: { tickTime: 250 } });
  const [followerId = 0] = others(ensemble.leaderId ?? 0);
  const silent = await RawClient.open(ensemble.port(followerId), { timeoutMs: 1000 });
  await silent.request(1, opCodes.create, create('/e', 'x', 1));
  const busy = await RawClient.open(ensemble.port(followerId), { timeoutMs: 1000 });
  await busy.request(1, opCodes.create, create('/f', 'x', 1));
  let isOver = false;
  const ended = silent.untilClosed().then(() => {
    isOver = true;
  });
  while (!isOver) {
    expect((await busy.request(-2, opCodes.ping)).err).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await ended;
  expect((await busy.request(2, opCodes.exists, read('/e'))).err).toBe(-101);
  expect((await busy.request(3, opCodes.exists, read('/f'))).err).toBe(0);
  const { sessionId, password } = silent;
  const late = await RawClient.open(ensemble.port(followerId), { sessionId, password });
  expect(late.timeoutMs).toBe(0);
  busy.destroy();
});

test('words and pages tell of the ensemble', async () => {
  const metrics = new Map<number, Metrics>();
  ensemble = await TestEnsemble.start(servers, [1, 2, 3, 4], {
    observers: [4],
    settings: { 'admin.enableServer': 'true', 'admin.serverPort': 0 },
    services: (id) => {
      const own = new Metrics();
      metrics.set(id, own);
      return { metrics: own, serveHttp };
    },
  });
  const leader = ensemble.leaderId ?? 0;
  const [follower = 0] = [1, 2, 3].filter((id) => id !== leader);
  const client = await RawClient.open(ensemble.port(follower));
  await client.request(1, opCodes.create, create('/n', 'x'));
  await ensemble.until(() => ensemble.running(leader).status()?.learners?.length === 3);
  const lines = async (id: number): Promise<Map<string, string>> => {
    const text = await word(ensemble.port(id), 'mntr');
    return new Map(
      text
        .trim()
        .split('\n')
        .map((line) => line.split('\t') as [string, string]),
    );
  };
  const led = await lines(leader);
  expect(
    ['server_state', 'peer_state', 'quorum_size', 'learners', 'followers', 'synced_followers'].map(
      (name) => led.get(`zk_${name}`),
    ),
  ).toEqual(['leader', 'leading - broadcast', '3', '3', '2', '2']);
  expect(led.get('zk_synced_observers')).toBe('1');
  expect(Number(led.get('zk_diff_count'))).toBeGreaterThanOrEqual(3);
  expect(Number(led.get('zk_last_proposal_size'))).toBeGreaterThan(0);
  const following = await lines(follower);
  expect(following.get('zk_server_state')).toBe('follower');
  expect(following.has('zk_learners')).toBe(false);
  expect(Number(following.get('zk_learner_commit_received_count'))).toBeGreaterThanOrEqual(2);
  expect((await lines(4)).get('zk_peer_state')).toBe('observing - broadcast');
  expect(await word(ensemble.port(leader), 'srvr')).toMatch(
    /Mode: leader\nNode count: \d+\nProposal sizes last\/min\/max: \d+\/\d+\/\d+\n$/,
  );
  expect(await word(ensemble.port(follower), 'dump')).toContain(
    `Global Sessions(1):\n\t0x${client.sessionId.toString(16)}\t10000ms\n`,
  );
  const conf = await word(ensemble.port(4), 'conf');
  expect(conf).toMatch(
    /serverId=4\ninitLimit=10\nsyncLimit=5\nelectionAlg=3\nelectionPort=\d+\nquorumPort=\d+\npeerType=1\nmembership: \nserver\.1=/,
  );
  expect(conf.endsWith('\nversion=0')).toBe(true);
  expect(JSON.parse(await word(ensemble.port(leader), 'quor'))).toMatchObject({
    role: 'leader',
    leaderId: leader,
    presentIds: expect.arrayContaining([1, 2, 3]),
    presentWeight: 3,
    isQuorumPresent: true,
    obstacle: null,
    maintenance: null,
    fence: 0,
    learners: expect.arrayContaining([expect.objectContaining({ serverId: 4, isObserver: true })]),
  });
  expect(metrics.get(leader)?.valueOf('odradek_votes_total')).toBe(3);
  const page = async (id: number, command: string): Promise<unknown> => {
    const [adminPort] = ensemble.running(id).pagePorts;
    return (await fetch(`http://127.0.0.1:${adminPort}/commands/${command}`)).json();
  };
  const toLeader = { leader_id: leader, leader_ip: '127.0.0.1', error: null };
  expect(await page(leader, 'leader')).toMatchObject({ ...toLeader, is_leader: true });
  expect(await page(follower, 'lead')).toMatchObject({ ...toLeader, is_leader: false });
  expect(await page(leader, 'observers')).toMatchObject({
    synced_observers: 1,
    observers: [expect.objectContaining({ sid: 4 })],
  });
  const view = (await page(4, 'voting_view')) as { current_config: Record<string, unknown> };
  expect(Object.keys(view.current_config)).toEqual(['1', '2', '3']);
  expect(await page(4, 'zabstate')).toMatchObject({
    myid: 4,
    voting: false,
    is_leader: false,
    zab_epoch: 1,
    zabstate: 'broadcast',
  });
  expect(await page(follower, 'configuration')).toMatchObject({ init_limit: 10, peer_type: 0 });
  expect(await page(leader, 'stats')).toMatchObject({
    server_stats: expect.objectContaining({ server_state: 'leader' }),
    proposal_stats: expect.objectContaining({ min_buffer_size: expect.any(Number) }),
  });
  expect(await page(follower, 'quorum')).toMatchObject({ role: 'follower', leaderId: leader });
  client.destroy();
});

describe('without a quorum', () => {
  test('nobody is served, and the words say why; when the others are back all goes on', async () => {
    ensemble = await TestEnsemble.start(servers, [1, 2, 3], {
      settings: { tickTime: 200 },
      weights: { 1: 3 },
    });
    const client = await RawClient.open(ensemble.port(2));
    await client.request(1, opCodes.create, create('/n', 'x'));
    await ensemble.stopServer(1);
    await client.untilClosed();
    await ensemble.until(() => ensemble.running(2).role() === null);
    const port = ensemble.port(2);
    await ensemble.until(() => ensemble.running(2).status()?.presentIds.length === 2);
    expect(await word(port, 'srvr')).toContain('maintenance: 2 of 5 votes');
    await ensemble.until(
      () =>
        ensemble.logs.get(2)?.lines.some((line) => line.includes('maintenance: 2 of 5')) ?? false,
    );
    const status: unknown = JSON.parse(await word(port, 'quor'));
    expect(status).toMatchObject({
      role: 'looking',
      leaderId: null,
      maintenance: 'maintenance: 2 of 5 votes',
      isQuorumPresent: false,
      totalWeight: 5,
    });
    await ensemble.startServer(1);
    await ensemble.allServing();
    const back = await goOn(client);
    expect(back.sessionId).toBe(client.sessionId);
    expect(dataOf((await back.request(1, opCodes.getData, read('/n'))).body)).toBe('x');
    back.destroy();
  });
});
