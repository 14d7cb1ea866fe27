/**
 * A leader's rules. Goal: what is below the high watermark is held by everybody who may be elected
 * next. Method: tables for the single rules; then long random lives of a partition, in which the
 * invariants are checked after every step.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type LeaderOptions,
  PartitionLeader,
  type Surroundings,
} from '../../../src/core/partition/leader.ts';

const LAG_MAX_MS = 30_000;

const around = (changes: Partial<Surroundings> = {}): Surroundings => ({
  minInsyncReplicas: 1,
  lagMaxMs: LAG_MAX_MS,
  isAlive: () => true,
  ...changes,
});

const leaderOf = (changes: Partial<LeaderOptions> = {}, now = 0): PartitionLeader =>
  new PartitionLeader(
    {
      self: 1,
      replicas: [1, 2, 3],
      isr: [1, 2, 3],
      leaderEpoch: 5,
      partitionEpoch: 7,
      recoveryState: 0,
      epochStartOffset: 100,
      logEndOffset: 100,
      highWatermark: 80,
      ...changes,
    },
    now,
  );

const at = (offset: number) => ({ offset, logStartOffset: 0 });

describe('high watermark', () => {
  test('waits for every member of the ISR, and for those whose end is not known yet', () => {
    const leader = leaderOf();
    expect(leader.logEnded(120, around(), 1)).toBe(false);
    expect(leader.followerFetched(2, at(120), around(), 2)).toBe(false);
    expect(leader.highWatermark).toBe(80);
    expect(leader.followerFetched(3, at(110), around(), 3)).toBe(true);
    expect(leader.highWatermark).toBe(110);
    expect(leader.followerFetched(3, at(120), around(), 4)).toBe(true);
    expect(leader.highWatermark).toBe(120);
  });

  test('a lone member of the ISR decides alone', () => {
    const leader = leaderOf({ isr: [1] });
    expect(leader.logEnded(120, around(), 1)).toBe(true);
    expect(leader.highWatermark).toBe(120);
  });

  test('waits for a caught-up replica outside the ISR, so that it can get in', () => {
    const leader = leaderOf({ isr: [1, 2] });
    leader.followerFetched(3, at(100), around(), 10);
    leader.logEnded(120, around(), 11);
    leader.followerFetched(2, at(120), around(), 12);
    expect(leader.highWatermark).toBe(100);
    // Once it has not been caught up for too long, it is no longer waited for.
    leader.followerFetched(2, at(120), around(), 11 + LAG_MAX_MS);
    expect(leader.highWatermark).toBe(120);
  });

  test('does not wait for a caught-up replica whose broker is gone', () => {
    const leader = leaderOf({ isr: [1, 2] });
    leader.followerFetched(3, at(100), around(), 10);
    leader.logEnded(120, around(), 11);
    leader.followerFetched(2, at(120), around({ isAlive: (id) => id !== 3 }), 12);
    expect(leader.highWatermark).toBe(120);
  });

  test('stands still while fewer than min.insync.replicas are in sync', () => {
    const leader = leaderOf({ isr: [1] });
    expect(leader.isUnderMinIsr(around({ minInsyncReplicas: 2 }))).toBe(true);
    expect(leader.logEnded(120, around({ minInsyncReplicas: 2 }), 1)).toBe(false);
  });

  test('min.insync.replicas above the number of replicas asks for all of them', () => {
    const leader = leaderOf({ replicas: [1, 2], isr: [1, 2] });
    expect(leader.requiredInsyncReplicas(around({ minInsyncReplicas: 5 }))).toBe(2);
    expect(leader.isUnderMinIsr(around({ minInsyncReplicas: 5 }))).toBe(false);
  });
});

describe('who is caught up', () => {
  test.each([
    { name: 'has all there is', fetches: [[100, 50]], caughtUpAt: 50 },
    {
      name: 'had all there was at its last fetch',
      fetches: [
        [90, 40],
        [100, 60],
      ],
      end: 105,
      caughtUpAt: 40,
    },
    {
      name: 'is behind what there was',
      fetches: [
        [90, 40],
        [95, 60],
      ],
      end: 105,
      caughtUpAt: 0,
    },
  ])('a follower that $name', ({ fetches, end = 100, caughtUpAt }) => {
    const leader = leaderOf();
    for (const [index, [offset = 0, now = 0]] of fetches.entries()) {
      if (index === fetches.length - 1) leader.logEnded(end, around(), now);
      leader.followerFetched(2, at(offset), around(), now);
    }
    expect(leader.follower(2)?.caughtUpAtMs).toBe(caughtUpAt);
  });

  test('a broker without a replica is told so', () => {
    expect(leaderOf().followerFetched(9, at(100), around(), 1)).toBe('unknown-replica');
  });
});

describe('changes of the ISR', () => {
  test('shrinks by those that lag, and counts them until the controller has agreed', () => {
    const leader = leaderOf();
    leader.logEnded(120, around(), 0);
    leader.followerFetched(2, at(120), around(), LAG_MAX_MS);
    expect(leader.proposeShrink(around(), LAG_MAX_MS)).toBeNull();
    const proposal = leader.proposeShrink(around(), LAG_MAX_MS + 1);
    expect(proposal).toEqual({ isr: [1, 2], leaderEpoch: 5, partitionEpoch: 7, recoveryState: 0 });
    expect([...leader.maximalIsr]).toEqual([1, 2, 3]);
    expect(leader.highWatermark).toBe(80);
    expect(leader.accepted({ isr: [1, 2], partitionEpoch: 8 }, around(), LAG_MAX_MS + 1)).toBe(
      true,
    );
    expect(leader.highWatermark).toBe(120);
    expect(leader.partitionEpoch).toBe(8);
  });

  test('a follower that has everything does not lag, however long it has been silent', () => {
    const leader = leaderOf();
    leader.followerFetched(2, at(100), around(), 1);
    leader.followerFetched(3, at(100), around(), 1);
    expect(leader.proposeShrink(around(), 10 * LAG_MAX_MS)).toBeNull();
  });

  test.each([
    { name: 'has it all', offset: 100, expected: [1, 2, 3] },
    {
      name: 'is at the high watermark but below the start of the epoch',
      offset: 99,
      expected: null,
    },
    {
      name: 'has it all, but its broker is gone',
      offset: 100,
      isAlive: () => false,
      expected: null,
    },
  ])('a replica that $name', ({ offset, expected, isAlive = () => true }) => {
    const leader = leaderOf({ isr: [1, 2] });
    leader.followerFetched(3, at(offset), around(), 1);
    expect(leader.proposeExpand(3, around({ isAlive }))?.isr ?? null).toEqual(expected);
  });

  test('one that is coming in counts from the moment it is proposed', () => {
    const leader = leaderOf({ isr: [1, 2] });
    leader.followerFetched(3, at(100), around(), 1);
    leader.proposeExpand(3, around());
    leader.logEnded(150, around(), 2 * LAG_MAX_MS);
    leader.followerFetched(2, at(150), around(), 2 * LAG_MAX_MS);
    expect(leader.highWatermark).toBe(100);
    leader.refused(around(), 2 * LAG_MAX_MS);
    expect(leader.highWatermark).toBe(150);
    expect(leader.isr).toEqual([1, 2]);
  });

  test('one change at a time', () => {
    const leader = leaderOf({ isr: [1] });
    leader.followerFetched(2, at(100), around(), 1);
    leader.followerFetched(3, at(100), around(), 1);
    expect(leader.proposeExpand(2, around())).not.toBeNull();
    expect(leader.proposeExpand(3, around())).toBeNull();
    expect(leader.proposeShrink(around(), 100 * LAG_MAX_MS)).toBeNull();
    leader.accepted({ isr: [1, 2], partitionEpoch: 8 }, around(), 2);
    expect(leader.proposeExpand(3, around())?.isr).toEqual([1, 2, 3]);
  });

  test('after an unclean election the same ISR is reported as recovered, once', () => {
    const leader = leaderOf({ isr: [1], recoveryState: 1 });
    expect(leader.proposeRecovered()).toMatchObject({ isr: [1], recoveryState: 0 });
    leader.accepted({ isr: [1], partitionEpoch: 8 }, around(), 1);
    expect(leader.proposeRecovered()).toBeNull();
  });
});

type Step =
  | { kind: 'append'; count: number }
  | { kind: 'fetch'; id: 2 | 3; lag: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'shrink' }
  | { kind: 'expand'; id: 2 | 3 }
  | { kind: 'decide'; agreed: boolean }
  | { kind: 'die'; id: 2 | 3 }
  | { kind: 'rise'; id: 2 | 3 };

const id = fc.constantFrom<2 | 3>(2, 3);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('fetch' as const), id, lag: fc.integer({ min: 0, max: 15 }) }),
  fc.record({ kind: fc.constant('fetch' as const), id, lag: fc.constant(0) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: LAG_MAX_MS }) }),
  fc.record({ kind: fc.constant('shrink' as const) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.constant(LAG_MAX_MS + 1) }),
  fc.record({ kind: fc.constant('expand' as const), id }),
  fc.record({ kind: fc.constant('decide' as const), agreed: fc.boolean() }),
  fc.record({ kind: fc.constant('die' as const), id }),
  fc.record({ kind: fc.constant('rise' as const), id }),
);

test('in any life, the high watermark never falls and all who may be elected have what is below it', () => {
  let expansions = 0;
  let shrinkages = 0;
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 40, maxLength: 120 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom([1], [1, 2], [1, 2, 3]),
      (steps, minInsyncReplicas, isr) => {
        let now = 0;
        let end = 100;
        const ends = new Map<number, number>([
          [2, 80],
          [3, 80],
        ]);
        const dead = new Set<number>();
        const world = around({ minInsyncReplicas, isAlive: (broker) => !dead.has(broker) });
        const leader = leaderOf({ isr }, now);
        let before = leader.highWatermark;
        for (const one of steps) {
          switch (one.kind) {
            case 'append':
              end += one.count;
              leader.logEnded(end, world, now);
              break;
            case 'fetch': {
              // A follower never loses what it has.
              const offset = Math.max(ends.get(one.id) ?? 0, end - one.lag);
              ends.set(one.id, offset);
              leader.followerFetched(one.id, at(offset), world, now);
              break;
            }
            case 'pass':
              now += one.ms;
              break;
            case 'shrink':
              if (leader.proposeShrink(world, now) !== null) shrinkages += 1;
              break;
            case 'expand':
              ends.set(one.id, end);
              leader.followerFetched(one.id, at(end), world, now);
              if (leader.proposeExpand(one.id, world) !== null) expansions += 1;
              break;
            case 'decide': {
              const { proposed } = leader;
              if (proposed === null) break;
              if (one.agreed)
                leader.accepted(
                  { isr: proposed.isr, partitionEpoch: proposed.partitionEpoch + 1 },
                  world,
                  now,
                );
              else leader.refused(world, now);
              break;
            }
            case 'die':
              dead.add(one.id);
              break;
            case 'rise':
              dead.delete(one.id);
              break;
          }
          expect(leader.highWatermark).toBeGreaterThanOrEqual(before);
          expect(leader.highWatermark).toBeLessThanOrEqual(end);
          before = leader.highWatermark;
          // The controller elects from the ISR it has stored: the confirmed one or the proposed one.
          for (const member of [...leader.isr, ...(leader.proposed?.isr ?? [])])
            if (member !== 1) expect(ends.get(member)).toBeGreaterThanOrEqual(leader.highWatermark);
          expect(leader.isr).toContain(1);
        }
      },
    ),
    { numRuns: 500 },
  );
  // The lives were eventful enough to mean something.
  expect(expansions).toBeGreaterThan(20);
  expect(shrinkages).toBeGreaterThan(20);
});
