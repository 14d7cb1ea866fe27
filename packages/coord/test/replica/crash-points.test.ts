/**
 * Power is lost at each single moment of a learner's way into an ensemble: between any two messages,
 * any two writes that reach a disk, any two steps of `newLeader`. Two servers of three are up, so that
 * all depends on what the learner has said; afterwards it must go on with the third one, and nothing
 * that was ever acknowledged may be missing, nor anything be shown that was not.
 */
import { expect, test } from '@jest/globals';
import { MemoryDisk } from '../storage/memory-disk.ts';
import { membersOf, type TestServer, World } from './world.ts';

interface Scenario {
  readonly name: string;
  /** Brings the learner into the state that it comes back with; `leader` and `third` live. */
  prepare(world: World, leader: TestServer, learner: TestServer): Promise<void>;
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'it was away for some writes',
    prepare: async (world, leader, learner) => {
      learner.crash('power');
      await world.time.runFor(5);
      for (let index = 0; index < 10; index++) leader.propose(`missed${index}`, 'x');
      await world.time.runFor(30);
    },
  },
  {
    name: 'it led, and has what nobody else has',
    prepare: async (world, _leader, learner) => {
      for (let index = 0; index < 5; index++) learner.propose('mine', `${index}`);
      await world.time.runFor(3);
      learner.crash('kill');
      const next = await world.untilLed();
      await world.time.runFor(20);
      for (let index = 0; index < 5; index++) next.propose('theirs', `${index}`);
      await world.time.runFor(20);
    },
  },
  {
    name: 'its disk was lost',
    prepare: async (world, leader, learner) => {
      learner.crash('power');
      learner.disk = new MemoryDisk();
      await world.doing(
        leader.storage!.writeSnapshot(leader.state!.appliedZxid, leader.state!.entries()),
      );
      for (let index = 0; index < 10; index++) leader.propose(`missed${index}`, 'x');
      await world.time.runFor(30);
    },
  },
];

/**
 * @param crashAfter so many events after the learner begins to come back, its power goes
 * @returns how many events there are until it follows and has acknowledged new writes
 */
async function run(scenario: Scenario, seed: number, crashAfter: number): Promise<number> {
  let learnerId = 0;
  const world = new World({
    seed,
    members: membersOf(3),
    limits: { recentBytes: 1_000, feedChunkBytes: 300 },
    // What the learner says too early stays untrue for long.
    syncMsMax: (id) => (id === learnerId ? 20 : 1),
  });
  await world.startAll();
  await world.untilInStep();
  const { leader: first } = world;
  for (let index = 0; index < 10; index++) first!.propose(`k${index}`, 'before');
  await world.untilInStep();
  const isLeaderAway = scenario === SCENARIOS[1];
  const learner = isLeaderAway
    ? first!
    : [...world.servers.values()].find((server) => server !== first)!;
  learnerId = learner.id;
  await scenario.prepare(world, first!, learner);
  const leader = world.leader!;
  const third = [...world.servers.values()].find(
    (server) => server !== learner && server !== leader,
  )!;
  // A new disk has no vote: with it alone nobody leads, so the third stays until it is in step.
  const staysThird = scenario === SCENARIOS[2];
  if (!staysThird) {
    third.crash('power');
    await world.time.runFor(5);
  }
  const began = world.time.eventCount;
  let written = 0;
  const isDone = (): boolean => {
    const isOver = learner.process.isAlive && written >= 6 && learner.isServing;
    return isOver || world.time.eventCount - began >= crashAfter;
  };
  const write = (): void => {
    if (learner.isServing && world.leader?.propose('new', `${written}`) != null) written += 1;
    if (!isDone()) world.time.after(1, write);
  };
  void learner.start();
  write();
  await world.time.runUntil(isDone, 5_000);
  const count = world.time.eventCount - began;
  learner.crash('power');
  if (staysThird && learner.replica !== null) third.crash('power');
  leader.crash('kill');
  // What the learner has said must be true: it goes on with the third one, without the leader.
  await world.restart(learner.id);
  if (!third.process.isAlive) await world.restart(third.id);
  await world.time.runUntil(() => world.leader !== null, 3_000);
  const { leader: second } = world;
  second?.propose('after', 'x');
  await world.time.runFor(100);
  await world.restart(leader.id);
  await world.untilInStep();
  await world.check();
  return count;
}

test.each(SCENARIOS)('$name', async (scenario) => {
  const count = await run(scenario, 1, Number.POSITIVE_INFINITY);
  expect(count).toBeGreaterThan(40);
  for (let crashAfter = 0; crashAfter < count; crashAfter++) {
    await run(scenario, 1, crashAfter).catch((cause: unknown) => {
      throw new Error(`power lost after ${crashAfter} of ${count} events`, { cause });
    });
  }
});
