/**
 * A leader step by step: what it waits for, what it counts, when it commits and when it gives up.
 * Counting is compared with a slow count of its own over all acknowledgements.
 */
import { describe, expect, test } from '@jest/globals';
import { millis } from '@odradek/runtime';
import fc from 'fast-check';
import { parseEnsemble } from '../../../src/core/quorum/ensemble.ts';
import { LeaderMachine } from '../../../src/core/quorum/leader.ts';
import type {
  LeaderEffect,
  LeaderInput,
  LeaderOptions,
} from '../../../src/core/quorum/leader-events.ts';
import { QuorumRules } from '../../../src/core/quorum/rules.ts';

const TICK_MS = 100;

/** `3` or `3:0` for servers with weights, `o` for an observer. */
function rulesOf(...weights: readonly (number | 'o')[]): QuorumRules {
  const lines = weights.flatMap((weight, index) => {
    const id = index + 1;
    const role = weight === 'o' ? 'observer' : 'participant';
    const server = `server.${id}=host${id}:2182:2183:${role}`;
    return weight === 'o' ? [server] : [server, `weight.${id}=${weight}`];
  });
  return new QuorumRules(parseEnsemble(lines.join('\n')));
}

const zxid = (epoch: number, counter: number): bigint => (BigInt(epoch) << 32n) | BigInt(counter);

class Stage {
  readonly machine: LeaderMachine;
  readonly effects: LeaderEffect[] = [];
  nowMs = 0;

  constructor(options: Partial<LeaderOptions> = {}) {
    this.machine = new LeaderMachine(
      {
        serverId: 1,
        rules: rulesOf(1, 1, 1),
        change: null,
        acceptedEpoch: 4,
        currentEpoch: 4,
        lastZxid: zxid(4, 9),
        durableZxid: zxid(4, 9),
        committedZxid: 0n,
        isFirst: false,
        tickMs: TICK_MS,
        initLimit: 10,
        syncLimit: 5,
        handOverCounter: 0xfff0_0000,
        ...options,
      },
      millis(0),
    );
    this.step({ kind: 'begin' });
  }

  step(input: LeaderInput | { kind: 'tick' }): LeaderEffect[] {
    const effects = [...this.machine.step(input, millis(this.nowMs))];
    this.effects.push(...effects);
    return effects;
  }

  hello(from: number, more: { acceptedEpoch?: number; isNew?: boolean; lastZxid?: bigint } = {}) {
    return this.step({
      kind: 'hello',
      from,
      isObserver: false,
      acceptedEpoch: 4,
      isNew: false,
      lastZxid: zxid(4, 9),
      ...more,
    });
  }

  promise(from: number, more: { currentEpoch?: number | null; lastZxid?: bigint } = {}) {
    const { epoch } = this.machine;
    return this.step({
      kind: 'epochAccepted',
      from,
      epoch,
      currentEpoch: 4,
      lastZxid: zxid(4, 9),
      ...more,
    });
  }

  synchronise(from: number) {
    this.step({ kind: 'attached', from });
    return this.step({ kind: 'synchronised', from, epoch: this.machine.epoch });
  }

  /** Everything up to being established, with these learners. */
  establish(...ids: readonly number[]): this {
    for (const id of ids) this.hello(id);
    this.step({ kind: 'markSaved' });
    for (const id of ids) this.promise(id);
    this.step({ kind: 'markSaved' });
    for (const id of ids) this.synchronise(id);
    expect(this.machine.isEstablished).toBe(true);
    return this;
  }

  /** Ticks as they fall due; `each` is done before each of them. */
  pass(ms: number, each: () => void = () => undefined): LeaderEffect[] {
    const effects: LeaderEffect[] = [];
    const endMs = this.nowMs + ms;
    for (;;) {
      const deadline = this.machine.deadline();
      if (deadline === null || deadline > endMs) break;
      this.nowMs = deadline;
      each();
      effects.push(...this.step({ kind: 'tick' }));
    }
    this.nowMs = endMs;
    return effects;
  }
}

const kinds = (effects: readonly LeaderEffect[]): string[] => effects.map(({ kind }) => kind);
const resigned = (effects: readonly LeaderEffect[]): string | null =>
  effects.flatMap((effect) => (effect.kind === 'resigned' ? [effect.reason] : [])).at(0) ?? null;

describe('discovery', () => {
  test('the epoch is above those that a quorum has promised, and on the disk before it is told', () => {
    const stage = new Stage();
    expect(stage.effects).toEqual([]);
    expect(stage.hello(2, { acceptedEpoch: 7 })).toEqual([
      { kind: 'saveMark', acceptedEpoch: 8, currentEpoch: 4 },
    ]);
    expect(stage.hello(3)).toEqual([]);
    expect(stage.step({ kind: 'markSaved' })).toEqual([
      { kind: 'newEpoch', to: 2, epoch: 8 },
      { kind: 'newEpoch', to: 3, epoch: 8 },
    ]);
  });

  test.each([
    { weights: [1, 1, 1, 1, 1], from: [2], isQuorum: false },
    { weights: [1, 1, 1, 1, 1], from: [2, 3], isQuorum: true },
    { weights: [1, 3, 1], from: [3], isQuorum: false },
    { weights: [1, 3, 1], from: [2], isQuorum: true },
    { weights: [1, 1, 'o'], from: [3], isQuorum: false },
    { weights: [3, 1, 1, 0], from: [], isQuorum: true },
  ] as const)('weights decide: $weights with $from', ({ weights, from, isQuorum }) => {
    const stage = new Stage({ rules: rulesOf(...weights) });
    for (const id of from) stage.hello(id);
    expect(kinds(stage.effects).includes('saveMark')).toBe(isQuorum);
  });

  test('who has lost its disk does not count', () => {
    const stage = new Stage();
    expect(stage.hello(2, { isNew: true })).toEqual([]);
    expect(kinds(stage.hello(3))).toEqual(['saveMark']);
    stage.step({ kind: 'markSaved' });
    expect(kinds(stage.promise(2))).toEqual([]);
    expect(kinds(stage.promise(3))).toContain('feed');
  });

  test('the first leader waits for all, and leads nobody who has data', () => {
    const blank = {
      acceptedEpoch: 0,
      currentEpoch: 0,
      lastZxid: 0n,
      durableZxid: 0n,
      isFirst: true,
    };
    const stage = new Stage(blank);
    expect(stage.hello(2, { isNew: true, lastZxid: 0n, acceptedEpoch: 0 })).toEqual([]);
    expect(kinds(stage.hello(3, { isNew: true, lastZxid: 0n, acceptedEpoch: 0 }))).toEqual([
      'saveMark',
    ]);
    expect(resigned(new Stage(blank).hello(2))).toMatch(/has data/);
  });

  test('a server that is ahead ends it, unless nothing depends on that server', () => {
    for (const ahead of [{ currentEpoch: 5 }, { lastZxid: zxid(4, 10) }]) {
      const stage = new Stage();
      stage.hello(2);
      stage.step({ kind: 'markSaved' });
      expect(resigned(stage.promise(2, ahead))).toMatch(/server 2 has what this server lacks/);
    }
    const stage = new Stage({ rules: rulesOf(1, 1, 1, 0) });
    stage.hello(2);
    stage.hello(4);
    stage.step({ kind: 'markSaved' });
    expect(resigned(stage.promise(4, { currentEpoch: 5 }))).toBeNull();
  });

  test('a promise that was made before counts once', () => {
    const stage = new Stage({ rules: rulesOf(1, 1, 1, 1, 1) });
    stage.hello(2);
    stage.hello(3);
    stage.step({ kind: 'markSaved' });
    stage.promise(2);
    stage.promise(2);
    expect(stage.promise(3, { currentEpoch: null })).toEqual([]);
    expect(kinds(stage.effects)).not.toContain('feed');
  });

  test('when too many have promised the epoch to another, it is given up', () => {
    const stage = new Stage();
    stage.hello(2);
    stage.hello(3);
    stage.step({ kind: 'markSaved' });
    expect(resigned(stage.promise(2, { currentEpoch: null }))).toBeNull();
    expect(resigned(stage.promise(3, { currentEpoch: null }))).not.toBeNull();
  });

  test('a server that has promised a later epoch makes a later one be sought', () => {
    const stage = new Stage().establish(2);
    expect(resigned(stage.hello(3, { acceptedEpoch: 6 }))).toMatch(/promised epoch 6/);
    const calm = new Stage().establish(2);
    expect(calm.hello(3, { acceptedEpoch: 5 })).toEqual([{ kind: 'newEpoch', to: 3, epoch: 5 }]);
  });

  test('when too many go by somebody else, it is given up at once', () => {
    const stage = new Stage();
    expect(resigned(stage.step({ kind: 'contrary', from: 2 }))).toBeNull();
    expect(resigned(stage.step({ kind: 'contrary', from: 3 }))).toMatch(/somebody else/);
    const established = new Stage().establish(2);
    for (const from of [2, 3]) {
      expect(resigned(established.step({ kind: 'contrary', from }))).toBeNull();
    }
  });

  test('it does not wait for ever', () => {
    expect(resigned(new Stage().pass(2_000))).toMatch(/discovering/);
  });
});

describe('synchronisation', () => {
  test('nobody is fed before a quorum has promised, then everybody who has', () => {
    const stage = new Stage({ rules: rulesOf(1, 1, 1, 1, 1) });
    for (const id of [2, 3, 4]) stage.hello(id);
    stage.step({ kind: 'markSaved' });
    expect(kinds(stage.promise(2))).toEqual([]);
    expect(stage.promise(3)).toEqual([
      { kind: 'feed', to: 2 },
      { kind: 'feed', to: 3 },
      { kind: 'saveMark', acceptedEpoch: 5, currentEpoch: 5 },
    ]);
    expect(stage.promise(4)).toEqual([{ kind: 'feed', to: 4 }]);
  });

  test('the epoch becomes the current one here only with the whole history on our disk', () => {
    const stage = new Stage({ durableZxid: zxid(4, 7) });
    stage.hello(2);
    stage.step({ kind: 'markSaved' });
    expect(kinds(stage.promise(2))).toEqual(['feed']);
    expect(stage.step({ kind: 'durable', zxid: zxid(4, 8) })).toEqual([]);
    expect(stage.step({ kind: 'durable', zxid: zxid(4, 9) })).toEqual([
      { kind: 'saveMark', acceptedEpoch: 5, currentEpoch: 5 },
    ]);
  });

  test('the history is committed once a quorum has it, this server included only by then', () => {
    const stage = new Stage();
    stage.hello(2);
    stage.step({ kind: 'markSaved' });
    stage.promise(2);
    expect(stage.synchronise(2)).toEqual([]);
    expect(stage.step({ kind: 'markSaved' })).toEqual([
      { kind: 'commit', zxid: zxid(4, 9) },
      { kind: 'established', epoch: 5 },
      { kind: 'upToDate', to: 2 },
    ]);
  });

  test('others can be the quorum before our own disk is', () => {
    const stage = new Stage({ durableZxid: 0n });
    for (const id of [2, 3]) stage.hello(id);
    stage.step({ kind: 'markSaved' });
    for (const id of [2, 3]) stage.promise(id);
    stage.synchronise(2);
    expect(kinds(stage.synchronise(3))).toEqual(['commit', 'established', 'upToDate', 'upToDate']);
  });

  test('who comes later is told so at once, and what it has counts', () => {
    const stage = new Stage({ rules: rulesOf(1, 1, 1) }).establish(2);
    stage.step({ kind: 'proposed', zxid: zxid(5, 3), change: null });
    stage.step({ kind: 'durable', zxid: zxid(5, 3) });
    stage.hello(3);
    expect(stage.promise(3, { lastZxid: 0n })).toEqual([{ kind: 'feed', to: 3 }]);
    expect(stage.synchronise(3)).toEqual([
      { kind: 'upToDate', to: 3 },
      { kind: 'commit', zxid: zxid(5, 3) },
    ]);
  });

  test('a word about another epoch, or about a history that was not sent, is none', () => {
    const stage = new Stage();
    stage.hello(2);
    stage.step({ kind: 'markSaved' });
    stage.promise(2);
    stage.step({ kind: 'markSaved' });
    expect(kinds(stage.step({ kind: 'synchronised', from: 2, epoch: 5 }))).toEqual(['drop']);
    stage.step({ kind: 'attached', from: 2 });
    expect(kinds(stage.step({ kind: 'synchronised', from: 2, epoch: 4 }))).toEqual(['drop']);
    expect(stage.machine.isEstablished).toBe(false);
  });
});

describe('broadcast', () => {
  test('a proposal is committed when a quorum has it on disk, our own disk counted like others', () => {
    const stage = new Stage().establish(2, 3);
    stage.step({ kind: 'proposed', zxid: zxid(5, 2), change: null });
    expect(stage.step({ kind: 'ack', from: 2, zxid: zxid(5, 1) })).toEqual([]);
    expect(stage.step({ kind: 'durable', zxid: zxid(5, 2) })).toEqual([
      { kind: 'commit', zxid: zxid(5, 1) },
    ]);
    expect(stage.step({ kind: 'ack', from: 3, zxid: zxid(5, 2) })).toEqual([
      { kind: 'commit', zxid: zxid(5, 2) },
    ]);
    expect(stage.step({ kind: 'ack', from: 2, zxid: zxid(5, 2) })).toEqual([]);
  });

  test('what is not synchronised, or was never here, does not count', () => {
    const stage = new Stage({ rules: rulesOf(1, 1, 1, 1, 1) }).establish(2, 3);
    stage.hello(4);
    stage.step({ kind: 'proposed', zxid: zxid(5, 1), change: null });
    stage.step({ kind: 'durable', zxid: zxid(5, 1) });
    stage.step({ kind: 'ack', from: 2, zxid: zxid(5, 1) });
    expect(stage.step({ kind: 'ack', from: 4, zxid: zxid(5, 1) })).toEqual([]);
    expect(stage.step({ kind: 'ack', from: 9, zxid: zxid(5, 1) })).toEqual([]);
    expect(kinds(stage.step({ kind: 'ack', from: 3, zxid: zxid(5, 1) }))).toEqual(['commit']);
  });

  test('counting: the same as a slow count over all acknowledgements, whatever weighs what', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 3, maxLength: 7 }),
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 3, maxLength: 7 }),
        fc.option(fc.integer({ min: 1, max: 12 })),
        fc.array(fc.tuple(fc.nat({ max: 6 }), fc.integer({ min: 1, max: 20 })), { maxLength: 40 }),
        (weights, newWeights, changeAt, acks) => {
          fc.pre(weights.some((weight) => weight > 0) && newWeights.some((weight) => weight > 0));
          const count = Math.max(weights.length, newWeights.length);
          const all = Array.from({ length: count - 1 }, (_, index) => index + 2);
          const rules = rulesOf(...weights);
          const stage = new Stage({ rules });
          for (const id of all) stage.hello(id);
          stage.step({ kind: 'markSaved' });
          for (const id of all) stage.promise(id);
          stage.step({ kind: 'markSaved' });
          for (const id of all) stage.synchronise(id);
          const newRules = rulesOf(...newWeights);
          const change = { zxid: zxid(5, changeAt ?? 0), rules: newRules, keepsLeader: true };
          if (changeAt !== null) {
            stage.step({ kind: 'proposed', zxid: change.zxid, change });
          }
          stage.step({ kind: 'proposed', zxid: zxid(5, 20), change: null });
          const acked = new Map<number, number>();
          let committed = 0;
          let isChanged = false;
          for (const [index, counter] of acks) {
            const from = (index % count) + 1;
            acked.set(from, Math.max(acked.get(from) ?? 0, counter));
            stage.step(
              from === 1
                ? { kind: 'durable', zxid: zxid(5, counter) }
                : { kind: 'ack', from, zxid: zxid(5, counter) },
            );
            const has = (at: number): number[] =>
              [...acked].filter(([, zxid]) => zxid >= at).map(([id]) => id);
            const isCertain = (at: number): boolean => {
              if (isChanged) return newRules.isQuorum(has(at));
              if (!rules.isQuorum(has(at))) return false;
              return changeAt === null || at < changeAt || newRules.isQuorum(has(at));
            };
            while (committed < 20 && isCertain(committed + 1)) {
              committed += 1;
              if (committed === changeAt) isChanged = true;
            }
            const expected = committed === 0 ? zxid(4, 9) : zxid(5, committed);
            expect(stage.machine.committedZxid).toBe(expected);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a change of members', () => {
  test('is committed by the old and by the new ones, and counts from then on', () => {
    const stage = new Stage().establish(2, 3);
    stage.hello(4);
    stage.promise(4);
    stage.synchronise(4);
    const change = { zxid: zxid(5, 1), rules: rulesOf(1, 0, 0, 2), keepsLeader: true };
    stage.step({ kind: 'proposed', zxid: zxid(5, 1), change });
    stage.step({ kind: 'durable', zxid: zxid(5, 1) });
    expect(stage.step({ kind: 'ack', from: 2, zxid: zxid(5, 1) })).toEqual([]);
    expect(stage.machine.hasOutstandingChange).toBe(true);
    expect(stage.step({ kind: 'ack', from: 4, zxid: zxid(5, 1) })).toEqual([
      { kind: 'commit', zxid: zxid(5, 1) },
      { kind: 'activate', zxid: zxid(5, 1), designatedLeaderId: 1 },
    ]);
    stage.step({ kind: 'proposed', zxid: zxid(5, 2), change: null });
    stage.step({ kind: 'durable', zxid: zxid(5, 2) });
    expect(stage.step({ kind: 'ack', from: 2, zxid: zxid(5, 2) })).toEqual([]);
    expect(kinds(stage.step({ kind: 'ack', from: 4, zxid: zxid(5, 2) }))).toEqual(['commit']);
  });

  test('a leader that is none of them any more names the one that has most, and steps down', () => {
    const stage = new Stage().establish(2, 3);
    const change = { zxid: zxid(5, 1), rules: rulesOf('o', 1, 1), keepsLeader: false };
    stage.step({ kind: 'proposed', zxid: zxid(5, 1), change });
    stage.step({ kind: 'proposed', zxid: zxid(5, 2), change: null });
    stage.step({ kind: 'durable', zxid: zxid(5, 2) });
    stage.step({ kind: 'ack', from: 2, zxid: zxid(5, 1) });
    const effects = stage.step({ kind: 'ack', from: 3, zxid: zxid(5, 2) });
    expect(effects).toMatchObject([
      { kind: 'commit', zxid: zxid(5, 1) },
      { kind: 'activate', designatedLeaderId: 3 },
      { kind: 'resigned' },
    ]);
  });

  test('one that was found in the log is completed with the history', () => {
    const change = { zxid: zxid(4, 9), rules: rulesOf(1, 0, 2), keepsLeader: true };
    const stage = new Stage({ change });
    stage.hello(2);
    expect(kinds(stage.effects)).toEqual([]); // No quorum of the new ones.
    stage.hello(3);
    stage.step({ kind: 'markSaved' });
    stage.promise(2);
    stage.promise(3);
    stage.step({ kind: 'markSaved' });
    expect(kinds(stage.synchronise(2))).toEqual([]);
    expect(kinds(stage.synchronise(3))).toEqual([
      'commit',
      'established',
      'upToDate',
      'upToDate',
      'activate',
    ]);
  });

  test('members can be proposed when a quorum of them is in sync', () => {
    const stage = new Stage().establish(2);
    expect(stage.machine.isInSyncWith(rulesOf(1, 1, 0))).toBe(true);
    expect(stage.machine.isInSyncWith(rulesOf(0, 1, 2))).toBe(false);
  });
});

describe('liveness', () => {
  const answering =
    (stage: Stage, ...ids: readonly number[]) =>
    (): void => {
      for (const from of ids) stage.step({ kind: 'pong', from, ping: 0 });
    };

  test('it leads as long as a quorum is heard of', () => {
    const stage = new Stage().establish(2, 3);
    expect(resigned(stage.pass(5_000, answering(stage, 2)))).toBeNull();
    expect(resigned(stage.pass(450))).toBeNull();
    expect(resigned(stage.pass(200))).toMatch(/no quorum/);
  });

  test('silence is judged by weight', () => {
    const heavy = new Stage({ rules: rulesOf(3, 1, 1) }).establish(2, 3);
    expect(resigned(heavy.pass(5_000))).toBeNull();
    const light = new Stage({ rules: rulesOf(1, 3, 1) }).establish(2, 3);
    expect(resigned(light.pass(5_000, answering(light, 3)))).toMatch(/no quorum/);
  });

  test('with the last link that makes a quorum its leadership is gone at once', () => {
    const stage = new Stage().establish(2, 3);
    expect(resigned(stage.step({ kind: 'gone', from: 2 }))).toBeNull();
    expect(resigned(stage.step({ kind: 'gone', from: 3 }))).toMatch(/server 3 is gone/);
    expect(stage.machine.deadline()).toBeNull();
    expect(stage.step({ kind: 'ack', from: 2, zxid: zxid(5, 1) })).toEqual([]);
  });

  test('after a short standstill nobody is judged before its answers were read', () => {
    const stage = new Stage().establish(2, 3);
    stage.nowMs += 490;
    expect(kinds(stage.step({ kind: 'tick' }))).toEqual(['ping']);
    answering(stage, 2)();
    expect(resigned(stage.pass(100))).toBeNull();
  });

  test('after a long standstill it has been left, whatever waits to be read', () => {
    const stage = new Stage().establish(2, 3);
    stage.nowMs += 501;
    expect(resigned(stage.step({ kind: 'ack', from: 2, zxid: zxid(4, 9) }))).toMatch(/stood still/);
  });

  test('a learner that answers and does not acknowledge is dropped', () => {
    const stage = new Stage().establish(2, 3);
    stage.pass(1_000, answering(stage, 2, 3));
    stage.step({ kind: 'proposed', zxid: zxid(5, 1), change: null });
    stage.step({ kind: 'durable', zxid: zxid(5, 1) });
    stage.step({ kind: 'ack', from: 2, zxid: zxid(5, 1) });
    const drops = stage
      .pass(1_000, answering(stage, 2, 3))
      .filter((effect) => effect.kind === 'drop');
    expect(drops).toMatchObject([{ to: 3, reason: expect.stringMatching(/not acknowledged/) }]);
    expect(stage.machine.isEstablished).toBe(true);
  });

  test('a quorum that answers after the question confirms', () => {
    const stage = new Stage({ rules: rulesOf(1, 1, 1, 1, 1) }).establish(2, 3, 4, 5);
    stage.step({ kind: 'pong', from: 2, ping: 0 });
    const [ping] = stage.step({ kind: 'confirm' });
    const asked = ping?.kind === 'ping' ? ping.ping : -1;
    expect(stage.step({ kind: 'pong', from: 2, ping: asked - 1 })).toEqual([]);
    expect(stage.step({ kind: 'pong', from: 3, ping: asked })).toEqual([]);
    expect(stage.step({ kind: 'pong', from: 3, ping: asked + 1 })).toEqual([]);
    expect(stage.step({ kind: 'pong', from: 4, ping: asked })).toEqual([{ kind: 'confirmed' }]);
    expect(stage.step({ kind: 'pong', from: 5, ping: asked })).toEqual([]);
  });

  test('alone it is its own quorum', () => {
    const stage = new Stage({ rules: rulesOf(1) });
    expect(kinds(stage.effects)).toEqual(['saveMark']);
    expect(kinds(stage.step({ kind: 'markSaved' }))).toEqual(['saveMark']);
    expect(kinds(stage.step({ kind: 'markSaved' }))).toEqual(['commit', 'established']);
    expect(kinds(stage.step({ kind: 'confirm' }))).toEqual(['ping', 'confirmed']);
    expect(resigned(stage.pass(10_000))).toBeNull();
  });
});

describe('the end of an epoch', () => {
  test('it hands over when the counter is nearly used up and nothing is on its way', () => {
    const stage = new Stage({ handOverCounter: 100 }).establish(2, 3);
    stage.step({ kind: 'proposed', zxid: zxid(5, 101), change: null });
    stage.step({ kind: 'durable', zxid: zxid(5, 101) });
    expect(kinds(stage.step({ kind: 'ack', from: 2, zxid: zxid(5, 100) }))).toEqual(['commit']);
    expect(kinds(stage.step({ kind: 'ack', from: 2, zxid: zxid(5, 101) }))).toEqual([
      'commit',
      'resigned',
    ]);
  });

  test('it does not wait for a quiet moment for ever', () => {
    const stage = new Stage({ handOverCounter: 100 }).establish(2, 3);
    expect(
      resigned(stage.step({ kind: 'proposed', zxid: zxid(5, 60_000), change: null })),
    ).toBeNull();
    expect(
      resigned(stage.step({ kind: 'proposed', zxid: zxid(5, 100 + 0xf000), change: null })),
    ).toMatch(/used up/);
  });
});
