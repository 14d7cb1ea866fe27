/** Several replicas elect, replicate, lose and regain members; each test tells what it holds. */
import { expect, test } from '@jest/globals';
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
