/** Several replicas elect, replicate, lose and regain members; each test tells what it holds. */
import { expect, test } from '@jest/globals';
import { formatMark, markPath } from '../../src/storage/mark.ts';
import { MemoryDisk } from '../storage/memory-disk.ts';
import { membersOf, World } from './world.ts';

test('three new servers elect a leader, and what it proposes is applied everywhere in order', async () => {
  const world = new World({ seed: 1, members: membersOf(3) });
  await world.startAll();
  const leader = await world.untilLed();
  for (let index = 0; index < 100; index++) leader.propose(`k${index % 7}`, `v${index}`);
  await world.untilInStep();
  await world.check();
  expect(world.acknowledged.size).toBe(100);
  expect(leader.replica!.status()).toMatchObject({ role: 'leading', currentEpoch: 1 });
  expect(leader.replica!.status().learners).toHaveLength(2);
});

test('leaderships that broke off before anybody had a history leave several names: the last one counts', async () => {
  const world = new World({ seed: 31, members: membersOf(3) });
  const promised = { currentEpoch: 0, fence: 0, metFence: 0, forcedMembers: null, isNew: true };
  const plant = (id: number, clusterId: string, acceptedEpoch: number): void => {
    const mark = formatMark({ ...promised, clusterId, acceptedEpoch });
    world.server(id).disk.plant(markPath('/data/odradek'), Buffer.from(mark));
  };
  plant(1, 'promised-first', 1);
  plant(2, 'promised-last', 2);
  await world.startAll();
  const leader = await world.untilLed();
  leader.propose('a', '1');
  await world.untilInStep();
  for (const { storage } of world.servers.values()) {
    expect(storage?.mark).toMatchObject({ clusterId: 'promised-last', currentEpoch: 3 });
  }
});

test('the leader is killed: the others go on with all that was acknowledged, and it comes back', async () => {
  const world = new World({ seed: 2, members: membersOf(3) });
  await world.startAll();
  const first = await world.untilLed();
  for (let index = 0; index < 50; index++) first.propose('a', `${index}`);
  await world.time.runFor(3);
  const killedAt = world.time.now();
  first.crash('kill');
  const second = await world.untilLed();
  expect(second.id).not.toBe(first.id);
  expect(world.time.now() - killedAt).toBeLessThan(60);
  second.propose('b', 'after');
  await world.restart(first.id);
  await world.untilInStep();
  await world.check();
  expect(first.state!.values.get('b')).toBe('after');
});

test('everybody is restarted: what was acknowledged is there, and served only by a quorum', async () => {
  const world = new World({ seed: 3, members: membersOf(3) });
  await world.startAll();
  const leader = await world.untilLed();
  for (let index = 0; index < 20; index++) leader.propose('a', `${index}`);
  await world.untilInStep();
  for (const server of world.servers.values()) server.crash('power');
  await world.restart(1);
  await world.time.runFor(5_000);
  expect(world.server(1).replica!.status()).toMatchObject({ role: 'looking', leaderId: null });
  expect(world.server(1).isServing).toBe(false);
  await world.restart(2);
  await world.restart(3);
  await world.untilInStep();
  await world.check();
  expect(world.server(1).state!.values.get('a')).toBe('19');
});

test('a follower that was away is brought in line from memory', async () => {
  const world = new World({ seed: 4, members: membersOf(3) });
  await world.startAll();
  await world.untilInStep();
  const leader = world.leader!;
  const other = [...world.servers.values()].find((server) => server !== leader)!;
  other.crash('kill');
  await world.time.runFor(10);
  for (let index = 0; index < 200; index++) leader.propose(`k${index}`, 'x');
  await world.time.runFor(100);
  await world.restart(other.id);
  await world.untilInStep();
  await world.check();
  expect(leader.lines.some((line) => line.includes('how=diff'))).toBe(true);
});

test('a follower that was away is brought in line from the disk when memory is too short', async () => {
  const world = new World({
    seed: 5,
    members: membersOf(3),
    limits: { recentBytes: 2_000, feedChunkBytes: 500 },
  });
  await world.startAll();
  await world.untilInStep();
  const leader = world.leader!;
  const other = [...world.servers.values()].find((server) => server !== leader)!;
  other.crash('kill');
  await world.time.runFor(10);
  for (let index = 0; index < 200; index++) leader.propose(`k${index}`, 'x');
  await world.time.runFor(100);
  await world.restart(other.id);
  const writing = setLoad(world, 300);
  await world.untilInStep();
  writing();
  await world.untilInStep();
  await world.check();
});

test('a follower whose disk was lost gets a snapshot while writes go on', async () => {
  const world = new World({
    seed: 6,
    members: membersOf(3),
    limits: { recentBytes: 2_000, feedChunkBytes: 200 },
  });
  await world.startAll();
  await world.untilInStep();
  const leader = world.leader!;
  for (let index = 0; index < 500; index++) leader.propose(`k${index}`, 'x');
  await world.untilInStep();
  await world.doing(
    leader.storage!.writeSnapshot(leader.state!.appliedZxid, leader.state!.entries()),
  );
  const other = [...world.servers.values()].find((server) => server !== leader)!;
  other.crash('kill');
  other.disk = new MemoryDisk();
  const writing = setLoad(world, 500);
  await world.restart(other.id);
  await world.time.runUntil(() => other.isServing, 5_000);
  writing();
  await world.untilInStep();
  await world.check();
  expect(other.state!.values.size).toBeGreaterThan(500);
});

/** Proposes through whoever leads, every 2 ms, `count` times. @returns stops it */
function setLoad(world: World, count: number): () => void {
  let left = count;
  const next = (): void => {
    if (left-- <= 0) return;
    world.leader?.propose(`load${left % 50}`, `${left}`);
    world.time.after(2, next);
  };
  next();
  return () => {
    left = 0;
  };
}

test('what a deposed leader alone has is cut from its log', async () => {
  const world = new World({ seed: 7, members: membersOf(3) });
  await world.startAll();
  await world.untilInStep();
  const old = world.leader!;
  old.propose('a', 'certain');
  await world.untilInStep();
  const others = [...world.servers.keys()].filter((id) => id !== old.id);
  for (const id of others) world.network.cut(old.id, id);
  for (let index = 0; index < 10; index++) old.propose('a', `lost ${index}`);
  await world.time.runUntil(() => world.leader !== old && world.leader !== null, 5_000);
  const { leader } = world;
  expect(leader).not.toBe(old);
  expect(old.isServing).toBe(false);
  leader!.propose('b', 'new');
  await world.time.runFor(50);
  world.network.heal();
  await world.untilInStep();
  await world.check();
  expect(old.state!.values.get('a')).toBe('certain');
  expect(old.lines.some((line) => line.includes('the log was cut'))).toBe(true);
});

test('a long history that nobody has called certain yet is not kept in memory', async () => {
  const limits = { recentBytes: 2_000, feedChunkBytes: 500, unappliedBytes: 3_000 };
  const world = new World({ seed: 8, members: membersOf(3), limits });
  await world.startAll();
  await world.untilInStep();
  const leader = world.leader!;
  const [late, other] = [...world.servers.values()].filter((server) => server !== leader);
  late!.crash('kill');
  for (let index = 0; index < 300; index++) leader.propose(`k${index}`, `${index}`);
  await world.time.runFor(100);
  // The one that has everything comes to lead with the late one alone, and nothing is certain to it.
  leader.crash('kill');
  other!.crash('kill');
  await world.restart(late!.id);
  await world.restart(leader.id);
  const leads = await world.untilLed();
  leads.propose('after', 'x');
  await world.time.runUntil(() => late!.isServing, 5_000);
  await world.restart(other!.id);
  await world.untilInStep();
  await world.check();
  expect(late!.state!.values.get('k299')).toBe('299');
  expect(late!.lines.join('\n')).toMatch(/the history is long/);
});

test('observers and servers of weight 0 get everything and decide nothing', async () => {
  const members = membersOf(4, ['server.5=host5:2182:2183:observer', 'weight.4=0']);
  const world = new World({ seed: 9, members });
  await world.startAll();
  await world.untilInStep();
  const { leader } = world;
  expect(world.server(5).roles).toContain(`following ${leader!.id}`);
  expect(world.server(5).replica!.status().role).toBe('observing');
  const voters = [1, 2, 3].filter((id) => id !== leader!.id);
  leader!.propose('a', '1');
  await world.untilInStep();
  for (const id of voters) world.server(id).crash('kill');
  await world.time.runFor(2_000);
  // Two servers are left with the leader, and no votes.
  expect([...world.servers.values()].some(({ isServing }) => isServing)).toBe(false);
  expect(leader!.replica!.status()).toMatchObject({
    role: 'looking',
    presentWeight: 1,
    totalWeight: 3,
  });
  expect(leader!.replica!.status().obstacle).toMatch(/1 of 3 votes/);
  await world.restart(voters[0]!);
  await world.restart(voters[1]!);
  await world.untilInStep();
  await world.check();
});

test('two sites, the first one heavier: cut apart, the heavier serves and the other says why not', async () => {
  const world = new World({ seed: 10, members: membersOf(6, ['weight.1=2']) });
  await world.startAll();
  await world.untilInStep();
  for (const here of [1, 2, 3]) for (const there of [4, 5, 6]) world.network.cut(here, there);
  await world.time.runFor(3_000);
  expect([1, 2, 3].every((id) => world.server(id).isServing)).toBe(true);
  expect([4, 5, 6].some((id) => world.server(id).isServing)).toBe(false);
  world.leader!.propose('a', 'served');
  for (const id of [4, 5, 6]) {
    const status = world.server(id).replica!.status();
    expect(status).toMatchObject({ presentIds: [4, 5, 6], presentWeight: 3, totalWeight: 7 });
    expect(status.obstacle).toMatch(/3 of 7 votes/);
  }
  world.network.heal();
  await world.untilInStep();
  await world.check();
});

test('messages of the servers above go both ways, after the commits that were before them', async () => {
  const world = new World({ seed: 11, members: membersOf(3) });
  await world.startAll();
  await world.untilInStep();
  const leader = world.leader!;
  const follower = [...world.servers.values()].find(({ link }) => link !== null)!;
  follower.link!.tell(Buffer.from('hello'));
  await world.time.runFor(10);
  expect(leader.tells).toEqual([`${follower.id}: hello`]);
  expect(follower.tells).toEqual(['re hello']);
  // A word that is told after a commit arrives after it.
  const zxid = leader.propose('a', '1')!;
  await world.time.runUntil(() => leader.state!.appliedZxid === zxid, 1_000);
  leader.leadership!.tell(follower.id, Buffer.from('applied'));
  await world.time.runUntil(() => follower.tells.includes('applied'), 1_000);
  expect(follower.state!.appliedZxid).toBe(zxid);
  follower.crash('kill');
  await world.time.runFor(10);
  expect(leader.tells).toContain(`${follower.id} gone`);
});

test('confirmation: all that anybody was told of before is applied where it was asked for', async () => {
  const world = new World({ seed: 12, members: membersOf(3) });
  await world.startAll();
  await world.untilInStep();
  const leader = world.leader!;
  const follower = [...world.servers.values()].find(({ link }) => link !== null)!;
  const seen: bigint[] = [];
  for (let round = 0; round < 20; round++) {
    const zxid = leader.propose('a', `${round}`)!;
    await world.time.runUntil(() => leader.state!.appliedZxid === zxid, 1_000);
    follower.link!.confirm(() => seen.push(follower.state!.appliedZxid - zxid));
    leader.leadership!.confirm(() => undefined);
    await world.time.runUntil(() => seen.length > round, 1_000);
  }
  expect(seen.every((ahead) => ahead >= 0n)).toBe(true);
  expect(seen).toHaveLength(20);
});

test('a leader that is cut off confirms nothing', async () => {
  const world = new World({ seed: 13, members: membersOf(3) });
  await world.startAll();
  await world.untilInStep();
  const old = world.leader!;
  let isConfirmed = false;
  for (const id of [1, 2, 3]) if (id !== old.id) world.network.cut(old.id, id);
  old.leadership!.confirm(() => {
    isConfirmed = true;
  });
  await world.time.runFor(5_000);
  expect(isConfirmed).toBe(false);
  expect(old.isServing).toBe(false);
});

test('weights are changed online, and the leader that has none left hands over', async () => {
  const world = new World({ seed: 14, members: membersOf(3) });
  await world.startAll();
  await world.untilInStep();
  const leader = world.leader!;
  const weights = [1, 2, 3].map((id) => `weight.${id}=${id === leader.id ? 0 : 1}`);
  expect(leader.reconfigure(membersOf(3, weights))).toEqual(expect.any(BigInt));
  expect(leader.leadership!.refusalOf(world.initialText)).toBe('RECONFIG_IN_PROGRESS');
  await world.time.runUntil(() => world.leader !== null && world.leader !== leader, 5_000);
  await world.untilInStep();
  expect(world.leader).not.toBe(leader);
  expect(leader.replica!.status()).toMatchObject({ role: 'following', totalWeight: 2 });
  await world.check();
});

test('members whose quorum is not in sync are refused', async () => {
  const world = new World({ seed: 15, members: membersOf(3) });
  await world.startAll();
  await world.untilInStep();
  const { leader } = world;
  expect(leader!.reconfigure(membersOf(7))).toBe('NEW_CONFIG_NO_QUORUM');
});

test('a server that the operator has left behind has no say, now and after a restart', async () => {
  const world = new World({ seed: 16, members: membersOf(3) });
  await world.startAll();
  await world.untilInStep();
  const leader = world.leader!;
  world.network.tellFenced(leader.id, 1);
  await world.time.runUntil(() => world.leader !== null && world.leader !== leader, 5_000);
  expect(leader.roles.at(-1)).toBe('looking');
  expect(leader.replica!.status().obstacle).toMatch(
    /taken over without this server \(fence 1, ours 0\)/,
  );
  leader.crash('power');
  await world.restart(leader.id);
  await world.time.runFor(2_000);
  expect(leader.isServing).toBe(false);
  expect(leader.replica!.status().obstacle).toMatch(/taken over/);
});

test('a leader whose disk fails leaves, and the others go on', async () => {
  const world = new World({ seed: 17, members: membersOf(3) });
  await world.startAll();
  await world.untilInStep();
  const leader = world.leader!;
  leader.disk.fail('write', 'ENOSPC');
  leader.propose('a', 'lost');
  await world.time.runUntil(() => world.leader !== null && world.leader !== leader, 5_000);
  expect(leader.isServing).toBe(false);
  expect(leader.replica!.status().obstacle).toMatch(/the disk failed: .*ENOSPC/);
  world.leader!.propose('a', 'kept');
  leader.crash('power');
  leader.disk.heal();
  await world.restart(leader.id);
  await world.untilInStep();
  await world.check();
});

test('a follower whose disk stands still is dropped, and comes back when it moves', async () => {
  const world = new World({ seed: 18, members: membersOf(3) });
  await world.startAll();
  await world.untilInStep();
  const leader = world.leader!;
  const slow = [...world.servers.values()].find((server) => server !== leader)!;
  slow.disk.holdSyncs();
  const stop = setLoad(world, 2_000);
  await world.time.runFor(1_500);
  expect(leader.lines.join('\n')).toMatch(/a proposal is not acknowledged for 5 ticks/);
  expect(leader.isServing).toBe(true);
  slow.disk.releaseAllSyncs();
  stop();
  await world.untilInStep();
  await world.check();
});

test('before the counters of an epoch are used up, a new epoch is begun', async () => {
  const world = new World({ seed: 19, members: membersOf(3), limits: { handOverCounter: 50 } });
  await world.startAll();
  await world.untilInStep();
  for (let round = 0; round < 6; round++) {
    const leader = await world.untilLed();
    for (let index = 0; index < 20; index++) leader.propose(`k${index}`, `${round}`);
    await world.untilInStep();
  }
  await world.untilInStep();
  expect(world.leader!.leadership!.epoch).toBeGreaterThan(1);
  await world.check();
});

test('a lone server of an ensemble of one leads itself', async () => {
  const world = new World({ seed: 20, members: membersOf(1) });
  await world.startAll();
  const leader = await world.untilLed();
  for (let index = 0; index < 5; index++) leader.propose('a', `${index}`);
  await world.untilInStep();
  leader.crash('power');
  await world.restart(1);
  await world.untilInStep();
  await world.check();
  expect(leader.state!.values.get('a')).toBe('4');
});
