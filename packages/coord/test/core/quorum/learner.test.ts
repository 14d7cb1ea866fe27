/**
 * A learner step by step: the order of what reaches its disk and what it says, whatever else happens
 * in between; and what it takes from no leader.
 */
import { describe, expect, test } from '@jest/globals';
import { millis } from '@odradek/runtime';
import fc from 'fast-check';
import {
  type LearnerEffect,
  type LearnerInput,
  LearnerMachine,
  type LearnerOptions,
} from '../../../src/core/quorum/learner.ts';

const TICK_MS = 100;

const zxid = (epoch: number, counter: number): bigint => (BigInt(epoch) << 32n) | BigInt(counter);

class Stage {
  readonly machine: LearnerMachine;
  nowMs = 0;

  constructor(options: Partial<LearnerOptions> = {}) {
    this.machine = new LearnerMachine(
      {
        leaderId: 2,
        acceptedEpoch: 4,
        currentEpoch: 4,
        lastZxid: zxid(4, 9),
        durableZxid: zxid(4, 9),
        appliedZxid: zxid(4, 9),
        committedZxid: zxid(4, 5),
        tickMs: TICK_MS,
        initLimit: 10,
        syncLimit: 5,
        ...options,
      },
      millis(0),
    );
  }

  step(input: LearnerInput | { kind: 'tick' }): readonly LearnerEffect[] {
    return this.machine.step(input, millis(this.nowMs));
  }

  steps(...inputs: readonly LearnerInput[]): LearnerEffect[] {
    return inputs.flatMap((input) => this.step(input));
  }

  propose(from: number, to: number, committed: bigint = 0n): readonly LearnerEffect[] {
    return this.step({
      kind: 'proposals',
      firstZxid: zxid(5, from),
      lastZxid: zxid(5, to),
      committedZxid: committed,
    });
  }

  /** Promised, and told that its log is the beginning of the leader's. */
  receiving(): this {
    this.steps({ kind: 'linked' }, { kind: 'newEpoch', epoch: 5 }, { kind: 'markSaved' }, DIFF);
    return this;
  }

  /** As far as the leader was. */
  following(): this {
    this.receiving();
    this.steps(NEW_LEADER, { kind: 'markSaved' });
    this.step({ kind: 'upToDate', committedZxid: zxid(4, 9) });
    expect(this.machine.isFollowing).toBe(true);
    return this;
  }
}

const DIFF: LearnerInput = { kind: 'diff' };
const NEW_LEADER: LearnerInput = { kind: 'newLeader', epoch: 5 };
const kinds = (effects: readonly LearnerEffect[]): string[] => effects.map(({ kind }) => kind);
const left = (effects: readonly LearnerEffect[]): string | null =>
  effects.flatMap((effect) => (effect.kind === 'left' ? [effect.reason] : [])).at(0) ?? null;

describe('the promise', () => {
  test('is on the disk before it is given', () => {
    const stage = new Stage();
    expect(stage.step({ kind: 'linked' })).toEqual([{ kind: 'hello' }]);
    expect(stage.step({ kind: 'newEpoch', epoch: 5 })).toEqual([
      { kind: 'saveMark', acceptedEpoch: 5, currentEpoch: 4 },
    ]);
    expect(stage.step({ kind: 'markSaved' })).toEqual([
      { kind: 'epochAccepted', epoch: 5, currentEpoch: 4, lastZxid: zxid(4, 9) },
    ]);
  });

  test('is not given to a leader of an older epoch', () => {
    const stage = new Stage({ acceptedEpoch: 6 });
    stage.step({ kind: 'linked' });
    expect(left(stage.step({ kind: 'newEpoch', epoch: 5 }))).toMatch(/epoch 5 is older than 6/);
  });

  test('of an epoch that was promised before counts no second time', () => {
    const stage = new Stage({ acceptedEpoch: 5 });
    stage.step({ kind: 'linked' });
    expect(stage.step({ kind: 'newEpoch', epoch: 5 })).toEqual([
      { kind: 'epochAccepted', epoch: 5, currentEpoch: null, lastZxid: zxid(4, 9) },
    ]);
  });
});

describe('the history', () => {
  test('all of it on the disk, then the epoch, then the word', () => {
    const stage = new Stage().receiving();
    expect(stage.propose(1, 3)).toEqual([{ kind: 'append' }]);
    expect(stage.step(NEW_LEADER)).toEqual([]);
    expect(stage.step({ kind: 'durable', zxid: zxid(5, 2) })).toEqual([]);
    expect(stage.step({ kind: 'durable', zxid: zxid(5, 3) })).toEqual([
      { kind: 'saveMark', acceptedEpoch: 5, currentEpoch: 5 },
    ]);
    expect(stage.step({ kind: 'markSaved' })).toEqual([{ kind: 'synchronised', epoch: 5 }]);
  });

  test('what comes after it is acknowledged after the word only', () => {
    const stage = new Stage().receiving();
    stage.propose(1, 1);
    stage.step(NEW_LEADER);
    expect(stage.propose(2, 5)).toEqual([{ kind: 'append' }]);
    expect(kinds(stage.step({ kind: 'durable', zxid: zxid(5, 4) }))).toEqual(['saveMark']);
    expect(stage.step({ kind: 'durable', zxid: zxid(5, 5) })).toEqual([]);
    expect(stage.step({ kind: 'markSaved' })).toEqual([
      { kind: 'synchronised', epoch: 5 },
      { kind: 'ack', zxid: zxid(5, 5) },
    ]);
  });

  test('a log is cut before anything more is taken, and never where it is certain', () => {
    const stage = new Stage();
    stage.steps({ kind: 'linked' }, { kind: 'newEpoch', epoch: 5 }, { kind: 'markSaved' });
    expect(stage.step({ kind: 'truncate', zxid: zxid(4, 7) })).toEqual([
      { kind: 'truncate', zxid: zxid(4, 7) },
    ]);
    expect(left(new Stage().receiving().propose(2, 3))).toMatch(/does not follow/);
    expect(left(stage.propose(1, 1))).toMatch(/out of turn/);
    const certain = new Stage();
    certain.steps({ kind: 'linked' }, { kind: 'newEpoch', epoch: 5 }, { kind: 'markSaved' });
    expect(left(certain.step({ kind: 'truncate', zxid: zxid(4, 4) }))).toMatch(/certain/);
  });

  test('after a cut the log goes on where it was cut', () => {
    const stage = new Stage();
    stage.steps({ kind: 'linked' }, { kind: 'newEpoch', epoch: 5 }, { kind: 'markSaved' });
    stage.step({ kind: 'truncate', zxid: zxid(4, 7) });
    stage.step({ kind: 'truncated', zxid: zxid(4, 7), isReloading: true });
    expect(
      kinds(
        stage.step({
          kind: 'proposals',
          firstZxid: zxid(4, 8),
          lastZxid: zxid(4, 8),
          committedZxid: 0n,
        }),
      ),
    ).toEqual(['append']);
  });

  test('a snapshot takes the place of everything', () => {
    const stage = new Stage();
    stage.steps({ kind: 'linked' }, { kind: 'newEpoch', epoch: 5 }, { kind: 'markSaved' });
    expect(stage.step({ kind: 'snapshot', zxid: zxid(3, 2) })).toEqual([
      { kind: 'replace', zxid: zxid(3, 2) },
    ]);
    stage.step({ kind: 'replaced', zxid: zxid(3, 2) });
    stage.step({
      kind: 'proposals',
      firstZxid: zxid(3, 3),
      lastZxid: zxid(3, 3),
      committedZxid: zxid(3, 3),
    });
    expect(stage.step(NEW_LEADER)).toEqual([]);
    expect(kinds(stage.step({ kind: 'durable', zxid: zxid(3, 3) }))).toEqual(['saveMark']);
    stage.step({ kind: 'markSaved' });
    // The tree is not what the log says yet.
    expect(kinds(stage.step({ kind: 'upToDate', committedZxid: zxid(3, 3) }))).toEqual([]);
    expect(kinds(stage.step({ kind: 'reloaded', appliedZxid: zxid(3, 3) }))).toEqual(['serve']);
  });
});

describe('serving', () => {
  test('begins when everything is certain that the tree has, and everything that the leader had', () => {
    const stage = new Stage({ appliedZxid: zxid(4, 9) }).receiving();
    stage.steps(NEW_LEADER, { kind: 'markSaved' });
    expect(kinds(stage.step({ kind: 'upToDate', committedZxid: zxid(4, 8) }))).toEqual(['commit']);
    expect(stage.machine.isFollowing).toBe(false);
    expect(kinds(stage.step({ kind: 'commit', zxid: zxid(4, 9) }))).toEqual(['commit', 'serve']);
  });

  test('proposals are acknowledged once they are on the disk, with one word for many', () => {
    const stage = new Stage().following();
    expect(stage.propose(1, 4, zxid(4, 9))).toEqual([{ kind: 'append' }]);
    expect(stage.step({ kind: 'durable', zxid: zxid(5, 4) })).toEqual([
      { kind: 'ack', zxid: zxid(5, 4) },
    ]);
    expect(stage.step({ kind: 'durable', zxid: zxid(5, 4) })).toEqual([]);
    expect(stage.propose(5, 6, zxid(5, 4))).toEqual([
      { kind: 'append' },
      { kind: 'commit', zxid: zxid(5, 4) },
    ]);
  });

  test.each<{ name: string; input: LearnerInput; reason: RegExp }>([
    { name: 'a gap', input: proposals(zxid(5, 2), zxid(5, 2)), reason: /does not follow/ },
    { name: 'a repetition', input: proposals(zxid(4, 9), zxid(4, 9)), reason: /does not follow/ },
    { name: 'an earlier epoch', input: proposals(zxid(3, 1), zxid(3, 1)), reason: /not follow/ },
    { name: 'the middle of an epoch', input: proposals(zxid(6, 2), zxid(6, 2)), reason: /not fol/ },
    {
      name: 'a commit of nothing',
      input: { kind: 'commit', zxid: zxid(5, 1) },
      reason: /not prop/,
    },
    { name: 'another history', input: DIFF, reason: /out of turn/ },
    { name: 'another cut', input: { kind: 'truncate', zxid: 1n }, reason: /out of turn/ },
    { name: 'another snapshot', input: { kind: 'snapshot', zxid: 1n }, reason: /out of turn/ },
    { name: 'another epoch', input: { kind: 'newEpoch', epoch: 6 }, reason: /out of turn/ },
    { name: 'another leader', input: NEW_LEADER, reason: /out of turn/ },
    { name: 'a refusal', input: { kind: 'refused', reason: 'no' }, reason: /no/ },
  ])('$name ends it', ({ input, reason }) => {
    const stage = new Stage().following();
    expect(left(stage.step(input))).toMatch(reason);
    expect(stage.step({ kind: 'commit', zxid: zxid(4, 9) })).toEqual([]);
  });

  test("nothing is committed before the log is the beginning of the leader's", () => {
    const stage = new Stage({ committedZxid: 0n });
    stage.steps({ kind: 'linked' }, { kind: 'newEpoch', epoch: 5 }, { kind: 'markSaved' });
    expect(left(stage.step({ kind: 'commit', zxid: zxid(4, 9) }))).toMatch(/out of turn/);
  });

  test('it leaves when somebody else is to lead the new members', () => {
    const stage = new Stage().following();
    expect(stage.step({ kind: 'activate', designatedLeaderId: 2 })).toEqual([]);
    expect(stage.step({ kind: 'activate', designatedLeaderId: 3 })).toMatchObject([
      { kind: 'left', hintId: 3 },
    ]);
  });
});

describe('liveness', () => {
  const silence = (stage: Stage, ms: number): LearnerEffect[] => {
    const effects: LearnerEffect[] = [];
    for (const endMs = stage.nowMs + ms; ; ) {
      const deadline = stage.machine.deadline();
      if (deadline === null) return effects;
      if (deadline > endMs) {
        stage.nowMs = endMs;
        return effects;
      }
      stage.nowMs = deadline;
      effects.push(...stage.step({ kind: 'tick' }));
    }
  };

  test('those who heard the leader last at one moment leave it at one moment', () => {
    const ends = [0, 13, 49].map((startedAtMs) => {
      const stage = new Stage().following();
      stage.nowMs = startedAtMs;
      silence(stage, 170 - startedAtMs);
      stage.nowMs = 170;
      stage.step({ kind: 'ping', ping: 1 });
      silence(stage, 2_000);
      return stage.nowMs;
    });
    expect(ends).toEqual([670, 670, 670]);
  });

  test('silence of syncLimit ticks ends it, of initLimit ticks before it follows', () => {
    const stage = new Stage().following();
    expect(left(silence(stage, 499))).toBeNull();
    expect(left(silence(stage, 1))).toMatch(/nothing was heard of it for 500 ms/);
    const young = new Stage().receiving();
    expect(left(silence(young, 999))).toBeNull();
    expect(left(silence(young, 1))).toMatch(/nothing was heard/);
  });

  test('any message is a sign of life', () => {
    const stage = new Stage().following();
    for (let round = 0; round < 20; round++) {
      expect(left(silence(stage, 400))).toBeNull();
      expect(stage.step({ kind: 'ping', ping: round })).toEqual([{ kind: 'pong', ping: round }]);
    }
  });

  test('after a standstill of ours what has come in is read first', () => {
    const stage = new Stage().following();
    stage.nowMs += 5_000;
    expect(stage.step({ kind: 'tick' })).toEqual([]);
    stage.step({ kind: 'ping', ping: 1 });
    expect(left(silence(stage, 400))).toBeNull();
  });
});

test('on a clock with fractions each wake-up is later than the one before', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.double({ min: 0, max: 600, noNaN: true }),
      (heardMs, wokenMs) => {
        const stage = new Stage().following();
        stage.nowMs = heardMs;
        stage.step({ kind: 'ping', ping: 1 });
        stage.nowMs += wokenMs;
        for (let wakeUps = 0; left(stage.step({ kind: 'tick' })) === null; wakeUps++) {
          const next = stage.machine.deadline() ?? 0;
          expect(next).toBeGreaterThan(stage.nowMs);
          expect(wakeUps).toBeLessThan(20);
          stage.nowMs = next;
        }
      },
    ),
    { numRuns: 5_000 },
  );
});

function proposals(firstZxid: bigint, lastZxid: bigint): LearnerInput {
  return { kind: 'proposals', firstZxid, lastZxid, committedZxid: 0n };
}
