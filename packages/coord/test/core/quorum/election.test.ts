/** Goal: whoever can talk settles on one leader who may lead, fast where nothing is to be waited for, and nobody else does. */
import { describe, expect, test } from '@jest/globals';
import { millis } from '@odradek/runtime';
import fc from 'fast-check';
import { type ElectionEffect, ElectionMachine } from '../../../src/core/quorum/election.ts';
import { type Ensemble, participantsOf } from '../../../src/core/quorum/ensemble.ts';
import { compareVotes, type Notification, type Vote } from '../../../src/core/quorum/vote.ts';
import { ElectionWorld, type WorldOptions } from './election-world.ts';
import { anyEnsemble, ensembleOf, twoSites } from './ensembles.ts';

const calm = (ensemble: Ensemble, more: Partial<WorldOptions> = {}): ElectionWorld =>
  new ElectionWorld({ ensemble, seed: 1, lossPercent: 0, delayMsMax: 0, ...more });
const idsOf = (ensemble: Ensemble): number[] => [...ensemble.servers.keys()];
const disk = (epoch: number, zxid: bigint, isNew = false) => ({ epoch, zxid, isNew });

test('votes are ordered by epoch, then zxid, then id', () => {
  const rising: Vote[] = [
    { epoch: 1, zxid: 9n, leaderId: 9 },
    { epoch: 2, zxid: 1n, leaderId: 9 },
    { epoch: 2, zxid: 3n, leaderId: 1 },
    { epoch: 2, zxid: 3n, leaderId: 2 },
  ];
  expect([...rising].reverse().sort(compareVotes)).toEqual(rising);
});

describe('settled fast', () => {
  test('three that start together, without the wait', () => {
    const ensemble = ensembleOf(3);
    const world = calm(ensemble);
    world.start(1, 2, 3);
    expect(world.runUntil(() => world.leaderOf([1, 2, 3]) === 3, 1_000)).toBeLessThan(20);
  });

  test('kill of the leader: the others need no wait, for it is known to be gone', () => {
    const world = calm(ensembleOf(3));
    world.start(1, 2, 3);
    world.runFor(500);
    world.kill(3);
    expect(world.runUntil(() => world.leaderOf([1, 2]) === 2, 2_000)).toBeLessThan(20);
  });

  test('one that comes later joins at once', () => {
    const world = calm(ensembleOf([...new Array(3).fill('participant'), 'observer']));
    world.start(1, 2);
    world.runFor(1_000);
    world.start(3, 4);
    expect(world.runUntil(() => world.leaderOf([1, 2, 3, 4]) === 2, 1_000)).toBeLessThan(20);
  });

  test('a server alone leads at once', () => {
    const world = calm(ensembleOf(1));
    world.start(1);
    expect(world.leaderOf([1])).toBe(1);
  });

  test('somebody who is silent and might know better is waited for once', () => {
    const machine = machineOf(ensembleOf(3));
    look(machine, 0);
    expect(decisions(hear(machine, 2, { vote: own(2) }, 5))).toEqual([]);
    expect(machine.deadline()).toBe(205);
    expect(decisions(machine.step({ kind: 'tick' }, millis(205)))).toEqual([2]);
  });
});

test('the newest history leads, whatever the ids', () => {
  const world = calm(ensembleOf(5), {
    disks: new Map([
      [1, disk(3, 7n)],
      [2, disk(4, 2n)],
      [3, disk(4, 1n)],
      [4, disk(2, 99n)],
      [5, disk(0, 0n)],
    ]),
  });
  world.start(1, 2, 3, 4, 5);
  world.runFor(1_000);
  expect(world.leaderOf([1, 2, 3, 4, 5])).toBe(2);
});

describe('weights', () => {
  test('a server of weight 0 and an observer follow and never lead', () => {
    const ensemble = ensembleOf(
      ['participant', 'participant', 'participant', 'observer'],
      'weight.3=0',
    );
    const world = calm(ensemble, {
      disks: new Map([
        [3, disk(9, 9n)],
        [4, disk(9, 9n)],
      ]),
    });
    world.start(1, 2, 3, 4);
    world.runFor(1_000);
    expect(world.leaderOf([1, 2, 3, 4])).toBe(2);
    world.kill(2);
    world.runFor(5_000);
    expect([1, 3, 4].map((id) => world.servers.get(id)?.leaderId)).toEqual([null, null, null]);
  });

  test.each([1, 2, 3, 4, 5])(
    'two sites, seed %i: the heavy one goes on, the other never leads, and all are one after the cut',
    (seed) => {
      const world = calm(twoSites(), { seed, lossPercent: 10, delayMsMax: 50 });
      world.start(1, 2, 3, 4, 5, 6);
      expect(
        world.runUntil(() => world.leaderOf([1, 2, 3, 4, 5, 6]) !== null, 20_000),
      ).not.toBeNull();
      world.cut([1, 2, 3], [4, 5, 6]);
      world.runFor(20_000);
      expect([1, 2, 3]).toContain(world.leaderOf([1, 2, 3]));
      expect([4, 5, 6].map((id) => world.servers.get(id)?.leaderId)).toEqual([null, null, null]);
      expect(world.servers.get(5)?.machine.obstacle).toBe(
        '3 of 7 votes are here (servers 4, 5, 6) and 4 of 7 votes are needed; missing: server 1 (cannot be reached), server 2 (cannot be reached), server 3 (cannot be reached)',
      );
      const leader = world.leaderOf([1, 2, 3]);
      world.heal();
      expect(
        world.runUntil(() => world.leaderOf([1, 2, 3, 4, 5, 6]) === leader, 20_000),
      ).not.toBeNull();
    },
  );
});

test('whoever can talk settles, for every ensemble, over a network that loses, delays and reorders', () => {
  fc.assert(
    fc.property(
      anyEnsemble,
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.integer({ min: 0, max: 30 }),
      (ensemble, seed, lossPercent) => {
        const world = new ElectionWorld({
          ensemble,
          seed,
          lossPercent,
          delayMsMax: 100,
          disks: new Map(
            idsOf(ensemble).map((id) => [id, disk((seed >> id) & 3, BigInt((seed >> id) & 5))]),
          ),
        });
        const all = idsOf(ensemble);
        for (const id of all) world.start(id);
        world.runFor(world.draw(2_000));
        const [dead = 0] = all.filter(() => world.draw(3) === 0);
        if (dead > 0) world.kill(dead);
        const alive = all.filter((id) => id !== dead);
        const settles = world.rules.isQuorum(alive) && alive.some((id) => world.rules.mayLead(id));
        // Long enough for everybody to notice who is gone.
        world.runFor(5_000);
        const took = world.runUntil(() => world.leaderOf(alive) !== null, settles ? 60_000 : 5_000);
        expect(took !== null).toBe(settles);
        if (dead === 0) return;
        world.start(dead);
        expect(world.runUntil(() => world.leaderOf(all) !== null, 60_000)).not.toBeNull();
      },
    ),
    { numRuns: 100 },
  );
});

test('no single lost note, and no single late wake-up, keeps three servers from a leader', () => {
  for (const kind of ['loseNote', 'loseWake'] as const) {
    for (let nth = 0; nth < 40; nth++) {
      const world = calm(ensembleOf(3), { seed: nth });
      world[kind] = nth;
      world.start(1, 2, 3);
      expect(world.runUntil(() => world.leaderOf([1, 2, 3]) !== null, 10_000)).not.toBeNull();
    }
  }
});

describe('new disks', () => {
  const fresh = disk(0, 0n, true);

  test('all of them at once are a first start, and it wants everybody', () => {
    const ensemble = ensembleOf([...new Array(3).fill('participant'), 'observer']);
    const world = calm(ensemble, { disks: new Map(idsOf(ensemble).map((id) => [id, fresh])) });
    world.start(1, 2, 4);
    world.runFor(5_000);
    expect(world.leaderOf([1])).toBeNull();
    expect(world.servers.get(1)?.machine.obstacle).toBe(
      'the disks of all that are here (servers 1, 2) are new, and a first start wants all participants; missing: server 3 (cannot be reached)',
    );
    world.start(3);
    expect(world.runUntil(() => world.leaderOf([1, 2, 3, 4]) === 3, 1_000)).toBeLessThan(20);
  });

  test('among any others they decide nothing, unless all are there and nobody has anything', () => {
    fc.assert(
      fc.property(
        anyEnsemble,
        fc.integer({ min: 0, max: 2 ** 31 }),
        fc.array(fc.constantFrom('new', 'empty', 'old'), { minLength: 9, maxLength: 9 }),
        (ensemble, seed, kinds) => {
          const all = idsOf(ensemble);
          const disks = new Map(
            all.map((id) => {
              const kind = kinds[id - 1];
              return [
                id,
                kind === 'old' ? disk(1, BigInt(id % 3) + 1n) : disk(0, 0n, kind === 'new'),
              ];
            }),
          );
          const world = new ElectionWorld({
            ensemble,
            seed,
            lossPercent: 10,
            delayMsMax: 50,
            disks,
          });
          for (const id of all) world.start(id);
          const { rules } = world;
          const trusted = rules.voters.filter((id) => disks.get(id)?.isNew === false);
          const settles = rules.isQuorum(trusted) || world.isFirst;
          const took = world.runUntil(() => world.leaderOf(all) !== null, settles ? 60_000 : 5_000);
          expect(took !== null).toBe(settles);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('one that lost everything does not help to lose what another one knows', () => {
    const world = calm(ensembleOf(3), {
      disks: new Map([
        [2, disk(0, 0n)],
        [3, fresh],
      ]),
    });
    world.start(2, 3);
    world.runFor(10_000);
    expect(world.leaderOf([2])).toBeNull();
    expect(world.leaderOf([3])).toBeNull();
    expect(world.servers.get(2)?.machine.obstacle).toMatch(
      /^the disk of server 3 is new .* file named initialize into its dataDir/,
    );
    world.start(1);
    expect(world.runUntil(() => world.leaderOf([1, 2, 3]) === 1, 5_000)).not.toBeNull();
  });

  test('one that is trusted goes before one that is new, also when both are empty', () => {
    const trusted = disk(0, 0n);
    const world = calm(ensembleOf(3), {
      disks: new Map([
        [1, trusted],
        [2, trusted],
        [3, fresh],
      ]),
    });
    world.start(1, 2, 3);
    expect(world.runUntil(() => world.leaderOf([1, 2, 3]) === 2, 5_000)).not.toBeNull();
  });

  test('where most are trusted, one that is new follows', () => {
    const world = calm(ensembleOf(3), { disks: new Map([[3, fresh]]) });
    world.start(1, 2, 3);
    expect(world.runUntil(() => world.leaderOf([1, 2, 3]) === 2, 5_000)).not.toBeNull();
  });
});

describe('one machine', () => {
  test('answers those who look while it has a leader, with the epoch that was agreed upon', () => {
    const machine = machineOf(ensembleOf(1));
    look(machine, 0);
    const vote = { leaderId: 1, epoch: 8, zxid: 5n };
    machine.step({ kind: 'settled', role: 'leading', vote, isNew: false }, millis(1));
    expect(hear(machine, 7, { vote: own(7) }, 2)).toEqual([
      {
        kind: 'notify',
        to: 7,
        notification: { state: 'leading', round: 1, vote, isNew: false, ensembleVersion: 0n },
      },
    ]);
    expect(hear(machine, 7, { vote: own(7), state: 'following' }, 2)).toEqual([]);
    expect(machine.deadline()).toBeNull();
    expect(machine.obstacle).toBeNull();
  });

  test('two that will never agree do not talk without end', () => {
    // Here server 3 has no weight, there it has.
    const machine = machineOf(ensembleOf(3, 'weight.3=0'));
    look(machine, 0);
    const note = { vote: own(3) };
    expect(hear(machine, 3, note, 1)).toHaveLength(1);
    expect(hear(machine, 3, note, 2)).toEqual([]);
    expect(hear(machine, 3, note, 300)).toHaveLength(1);
  });

  test('what is repeated is repeated less and less often', () => {
    const machine = machineOf(ensembleOf(3));
    look(machine, 0);
    const times: number[] = [];
    for (let n = 0; n < 6; n++) {
      const at = machine.deadline() ?? millis(0);
      times.push(at);
      expect(machine.step({ kind: 'tick' }, at)).toHaveLength(2);
    }
    expect(times).toEqual([200, 600, 1_400, 3_000, 5_000, 7_000]);
  });

  test('a follower of the same round is a vote, in case its own got lost', () => {
    const machine = machineOf(ensembleOf(3));
    look(machine, 0);
    machine.step({ kind: 'reachable', serverId: 3, isReachable: false }, millis(1));
    expect(decisions(hear(machine, 2, { vote: own(1), state: 'following', round: 7 }, 2))).toEqual(
      [],
    );
    expect(decisions(hear(machine, 2, { vote: own(1), state: 'following' }, 3))).toEqual([1]);
  });

  test('a later round makes it forget the votes of the earlier one', () => {
    const machine = machineOf(ensembleOf(5));
    look(machine, 0);
    hear(machine, 2, { vote: own(1) }, 1);
    hear(machine, 3, { vote: own(2), round: 4 }, 2);
    expect(machine.view.round).toBe(4);
    expect(machine.view.proposal?.leaderId).toBe(2);
    // Two of five: the vote of server 2 was of round 1.
    expect(decisions(machine.step({ kind: 'tick' }, millis(900)))).toEqual([]);
  });

  test('does not follow a leader that nobody but itself names, nor one that does not say so', () => {
    const machine = machineOf(ensembleOf(5));
    look(machine, 0);
    const vote = own(5);
    expect(decisions(hear(machine, 5, { vote, state: 'leading', round: 9 }, 1))).toEqual([]);
    expect(decisions(hear(machine, 4, { vote, state: 'following', round: 9 }, 2))).toEqual([]);
    expect(decisions(hear(machine, 3, { vote, state: 'following', round: 9 }, 3))).toEqual([5]);
    const other = machineOf(ensembleOf(5));
    look(other, 0);
    for (const from of [2, 3, 4]) {
      expect(decisions(hear(other, from, { vote, state: 'following', round: 9 }, 1))).toEqual([]);
    }
  });

  test('while members change, a quorum of both is needed, and both are told', () => {
    const machine = machineOf(ensembleOf(3));
    look(machine, 0);
    const effects = machine.step(
      {
        kind: 'reconfigured',
        current: ensembleOf(3),
        pending: ensembleOf(5, 'weight.4=5', 'weight.5=5'),
      },
      millis(1),
    );
    expect(effects.flatMap((effect) => (effect.kind === 'notify' ? [effect.to] : []))).toEqual([
      2, 3, 4, 5,
    ]);
    for (const from of [2, 3]) hear(machine, from, { vote: own(3) }, 2);
    expect(decisions(machine.step({ kind: 'tick' }, millis(900)))).toEqual([]);
    expect(machine.obstacle).toMatch(
      /^a change of members is under way, and by the new ones only 3 of 13/,
    );
    hear(machine, 4, { vote: own(3) }, 901); // Server 5, of the new ones, may still know better.
    expect(decisions(machine.step({ kind: 'tick' }, millis(1_101)))).toEqual([3]);
  });

  test('a candidate that votes for somebody else is none', () => {
    const machine = machineOf(ensembleOf(3));
    look(machine, 0);
    hear(machine, 3, { vote: own(3) }, 1);
    expect(machine.view.proposal).toEqual(own(3));
    hear(machine, 3, { vote: own(2) }, 2);
    expect(machine.view.proposal).toEqual(own(2));
  });

  test('who has what we lack may be voted for, whatever our members say of its weight', () => {
    const machine = machineOf(ensembleOf(3, 'weight.3=0'));
    look(machine, 0);
    hear(machine, 3, { vote: own(3) }, 1);
    expect(machine.view.proposal).toEqual(own(1));
    const ahead = { leaderId: 3, epoch: 1, zxid: 2n };
    hear(machine, 3, { vote: ahead }, 2);
    expect(machine.view.proposal).toEqual(ahead);
  });

  test('who may not lead draws no votes by what it has, and does not make itself leader', () => {
    const machine = machineOf(ensembleOf(3, 'weight.1=0'));
    look(machine, 0);
    const candidacy = { leaderId: 1, epoch: 0, zxid: 0n };
    expect(machine.view.proposal).toEqual(candidacy);
    for (const from of [2, 3]) {
      expect(decisions(hear(machine, from, { vote: candidacy }, 1))).toEqual([]);
    }
    expect(decisions(machine.step({ kind: 'tick' }, millis(1_000)))).toEqual([]);
  });

  test('a leader with newer members is followed, whatever ours say', () => {
    const machine = machineOf(ensembleOf(3));
    look(machine, 0);
    const note = { vote: own(2), state: 'leading', round: 7, ensembleVersion: 5n } as const;
    expect(decisions(hear(machine, 2, note, 1))).toEqual([2]);
    // Also one that we do not know as a voter, when its followers say so.
    const other = machineOf(ensembleOf(3));
    look(other, 0);
    const followed = { ...note, vote: own(4), state: 'following' } as const;
    expect(decisions(hear(other, 2, followed, 1))).toEqual([4]);
  });

  test('a vote for somebody who went away is given up, in a round of its own', () => {
    const machine = machineOf(ensembleOf(3));
    look(machine, 0);
    hear(machine, 3, { vote: own(3) }, 1);
    machine.step({ kind: 'reachable', serverId: 3, isReachable: false }, millis(2));
    expect(machine.view).toMatchObject({ round: 2, proposal: own(1) });
  });
});

const own = (leaderId: number): Vote => ({ leaderId, epoch: 1, zxid: 1n });

function machineOf(current: Ensemble): ElectionMachine {
  return new ElectionMachine({
    serverId: participantsOf(current)[0]?.id ?? 1,
    current,
    pending: null,
    notificationMs: 200,
    notificationMsMax: 2_000,
    finalizeMs: 200,
  });
}

function look(machine: ElectionMachine, atMs: number): readonly ElectionEffect[] {
  return machine.step({ kind: 'look', vote: own(1), isNew: false }, millis(atMs));
}

function hear(
  machine: ElectionMachine,
  from: number,
  note: Partial<Notification> & { readonly vote: Vote },
  atMs: number,
): readonly ElectionEffect[] {
  const notification = {
    state: 'looking',
    round: 1,
    isNew: false,
    ensembleVersion: 0n,
    ...note,
  } as const;
  return machine.step({ kind: 'heard', from, notification }, millis(atMs));
}

const decisions = (effects: readonly ElectionEffect[]): number[] =>
  effects.flatMap((effect) => (effect.kind === 'decided' ? [effect.vote.leaderId] : []));
