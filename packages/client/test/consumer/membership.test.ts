/**
 * The life of a group member, input by input: each case names the effects expected. Session 6000 ms,
 * heartbeats every 1000 ms, 10 000 ms between polls at most, 100 ms before a retry.
 */
import { describe, expect, test } from '@jest/globals';
import { errorCodes } from '@odradek/protocol';
import { millis, type Tick } from '@odradek/runtime';
import fc from 'fast-check';
import {
  Membership,
  type MembershipEffect,
  type MembershipInput,
} from '../../src/consumer/membership.ts';

type Without<T> = T extends { attempt: number } ? Omit<T, 'attempt'> : T;
type Scripted = Without<MembershipInput> | Tick;

const joined = (isLeader = false) => ({
  kind: 'joined' as const,
  joined: { memberId: 'm', generationId: 3, protocolName: 'range', isLeader },
});

const ANSWERS: ReadonlySet<string> = new Set([
  'prepared',
  'joined',
  'assigned',
  'synced',
  'applied',
  'refused',
]);

class Play {
  readonly machine = new Membership({
    sessionTimeoutMs: 6_000,
    heartbeatIntervalMs: 1_000,
    rebalanceTimeoutMs: 10_000,
    retryBackoffMs: 100,
  });
  attempt = 0;

  /** Answers carry the attempt last asked for, unless another is given. */
  feed(now: number, input: Scripted, attempt = this.attempt): string[] {
    const whole = ANSWERS.has(input.kind) ? { ...input, attempt } : input;
    const effects = this.machine.step(whole as MembershipInput, millis(now));
    return effects.map((effect) => this.#show(effect));
  }

  run(script: readonly (readonly [number, Scripted, string[]])[]): this {
    for (const [now, input, effects] of script)
      expect([now, input.kind, this.feed(now, input)]).toEqual([now, input.kind, effects]);
    return this;
  }

  #show(effect: MembershipEffect): string {
    if ('attempt' in effect) this.attempt = effect.attempt;
    switch (effect.kind) {
      case 'prepare':
        return effect.lost ? 'prepare lost' : 'prepare';
      case 'join':
      case 'beat':
      case 'leave':
        return `${effect.kind} ${effect.identity.memberId}/${effect.identity.generationId}`;
      case 'sync':
        return `sync ${effect.protocolName}`;
      case 'fail':
        return `fail ${effect.code}`;
      default:
        return effect.kind;
    }
  }
}

const tick: Tick = { kind: 'tick' };
const refused = (code: keyof typeof errorCodes, memberId?: string) => ({
  kind: 'refused' as const,
  code: errorCodes[code],
  ...(memberId === undefined ? {} : { memberId }),
});
const beatRefused = (code: keyof typeof errorCodes) => ({
  kind: 'beatRefused' as const,
  code: errorCodes[code],
});

const stableAt0 = (): Play =>
  new Play().run([
    [0, { kind: 'start' }, ['prepare']],
    [0, { kind: 'prepared' }, ['join /-1']],
    [0, refused('MEMBER_ID_REQUIRED', 'm'), ['join m/-1']],
    [0, joined(), ['sync range']],
    [0, { kind: 'synced' }, ['apply']],
    [0, { kind: 'applied', mustRejoin: false }, []],
  ]);

describe('joining', () => {
  test('a leader deals the partitions before it syncs', () => {
    const play = new Play().run([
      [0, { kind: 'start' }, ['prepare']],
      [0, { kind: 'prepared' }, ['join /-1']],
      [5, joined(true), ['assign']],
      [6, { kind: 'assigned' }, ['sync range']],
      [7, { kind: 'synced' }, ['apply']],
      [8, { kind: 'applied', mustRejoin: false }, []],
    ]);
    expect([play.machine.phase, play.machine.identity]).toEqual([
      'stable',
      { memberId: 'm', generationId: 3 },
    ]);
  });

  test.each([
    'COORDINATOR_LOAD_IN_PROGRESS',
    'COORDINATOR_NOT_AVAILABLE',
    'NOT_COORDINATOR',
    'NETWORK_EXCEPTION',
    'REQUEST_TIMED_OUT',
  ] as const)('%s: the coordinator is looked for again, a little later', (code) => {
    new Play().run([
      [0, { kind: 'start' }, ['prepare']],
      [0, { kind: 'prepared' }, ['join /-1']],
      [10, refused(code), ['forgetCoordinator']],
      [109, tick, []],
      [110, tick, ['join /-1']],
    ]);
  });

  test.each([
    'INCONSISTENT_GROUP_PROTOCOL',
    'INVALID_SESSION_TIMEOUT',
    'GROUP_AUTHORIZATION_FAILED',
    'GROUP_MAX_SIZE_REACHED',
    'FENCED_INSTANCE_ID',
    'UNKNOWN_SERVER_ERROR',
  ] as const)('%s ends it', (code) => {
    const play = new Play().run([
      [0, { kind: 'start' }, ['prepare']],
      [0, { kind: 'prepared' }, ['join /-1']],
      [10, refused(code), [`fail ${code}`]],
      [20, { kind: 'start' }, []],
    ]);
    expect(play.machine.deadline()).toBeNull();
  });

  test('an answer to an attempt that is over counts for nothing', () => {
    const play = new Play().run([
      [0, { kind: 'start' }, ['prepare']],
      [0, { kind: 'prepared' }, ['join /-1']],
      [10, refused('NOT_COORDINATOR'), ['forgetCoordinator']],
    ]);
    expect(play.feed(20, joined(), play.attempt)).toEqual([]);
    expect(play.feed(110, tick)).toEqual(['join /-1']);
    expect(play.feed(120, joined(), play.attempt - 1)).toEqual([]);
    expect(play.feed(130, joined())).toEqual(['sync range']);
  });

  test.each([
    { code: 'REBALANCE_IN_PROGRESS', effects: ['prepare'], rejoins: 'join m/3' },
    { code: 'UNKNOWN_MEMBER_ID', effects: ['prepare lost'], rejoins: 'join /-1' },
    { code: 'ILLEGAL_GENERATION', effects: ['prepare lost'], rejoins: 'join m/-1' },
  ] as const)('sync refused with $code', ({ code, effects, rejoins }) => {
    new Play().run([
      [0, { kind: 'start' }, ['prepare']],
      [0, { kind: 'prepared' }, ['join /-1']],
      [0, joined(), ['sync range']],
      [0, refused(code), [...effects]],
      [0, { kind: 'prepared' }, [rejoins]],
    ]);
  });
});

describe('a member', () => {
  test('beats at intervals, one at a time', () => {
    stableAt0().run([
      [999, tick, []],
      [1_000, tick, ['beat m/3']],
      [2_000, tick, []],
      [2_500, { kind: 'beaten' }, []],
      [3_000, tick, ['beat m/3']],
    ]);
  });

  test('rejoins when others do', () => {
    stableAt0().run([
      [1_000, tick, ['beat m/3']],
      [1_010, beatRefused('REBALANCE_IN_PROGRESS'), ['prepare']],
      // The user takes its time; the group must know that we live.
      [2_000, tick, ['beat m/3']],
      [2_010, beatRefused('REBALANCE_IN_PROGRESS'), []],
      [2_500, { kind: 'prepared' }, ['join m/3']],
    ]);
  });

  test.each([
    { code: 'UNKNOWN_MEMBER_ID', rejoins: 'join /-1' },
    { code: 'ILLEGAL_GENERATION', rejoins: 'join m/-1' },
  ] as const)('$code: what it had is lost', ({ code, rejoins }) => {
    for (const input of [
      beatRefused(code),
      { kind: 'commitRefused', code: errorCodes[code] } as const,
    ])
      stableAt0().run([
        [1_000, tick, ['beat m/3']],
        [1_010, input, ['prepare lost']],
        [1_020, { kind: 'prepared' }, [rejoins]],
      ]);
  });

  test('a coordinator that cannot be reached is looked for until the session is over', () => {
    stableAt0().run([
      [1_000, tick, ['beat m/3']],
      [1_010, beatRefused('NETWORK_EXCEPTION'), ['forgetCoordinator']],
      [1_110, tick, ['beat m/3']],
      [5_990, beatRefused('NOT_COORDINATOR'), ['forgetCoordinator']],
      [6_000, tick, ['prepare lost']],
      [6_001, { kind: 'prepared' }, ['join /-1']],
    ]);
  });

  test('a static member that was replaced stops', () => {
    stableAt0().run([
      [1_000, tick, ['beat m/3']],
      [1_010, beatRefused('FENCED_INSTANCE_ID'), ['fail FENCED_INSTANCE_ID']],
    ]);
  });

  test('revocations of a cooperative round are followed by another round', () => {
    new Play().run([
      [0, { kind: 'start' }, ['prepare']],
      [0, { kind: 'prepared' }, ['join /-1']],
      [0, joined(), ['sync range']],
      [0, { kind: 'synced' }, ['apply']],
      [0, { kind: 'applied', mustRejoin: true }, ['prepare']],
      [0, { kind: 'prepared' }, ['join m/3']],
    ]);
  });

  test('a rejoin asked for during a join follows it', () => {
    new Play().run([
      [0, { kind: 'start' }, ['prepare']],
      [0, { kind: 'prepared' }, ['join /-1']],
      [0, joined(), ['sync range']],
      [0, { kind: 'rejoin' }, []],
      [0, { kind: 'synced' }, ['apply']],
      [0, { kind: 'applied', mustRejoin: false }, ['prepare']],
    ]);
    stableAt0().run([[1, { kind: 'rejoin' }, ['prepare']]]);
  });

  test('whose user does not poll leaves, and comes back with the next poll', () => {
    const play = stableAt0();
    for (let now = 1_000; now < 10_000; now += 1_000)
      play.run([
        [now, tick, ['beat m/3']],
        [now, { kind: 'beaten' }, []],
      ]);
    play.run([
      [10_000, tick, ['leave m/3']],
      [20_000, tick, []],
      [30_000, { kind: 'polled' }, ['prepare lost']],
      [30_000, { kind: 'prepared' }, ['join /-1']],
    ]);
  });

  test('leaves once, and only when the group knows it', () => {
    stableAt0().run([
      [5, { kind: 'leave' }, ['leave m/3']],
      [6, { kind: 'leave' }, []],
    ]);
    new Play().run([
      [0, { kind: 'start' }, ['prepare']],
      [1, { kind: 'leave' }, []],
    ]);
  });
});

test('property: no input leaves a deadline behind that no tick can clear', () => {
  const code = fc.constantFrom(...Object.values(errorCodes));
  const input: fc.Arbitrary<Scripted> = fc.oneof(
    fc.constantFrom<Scripted>(
      { kind: 'rejoin' },
      { kind: 'prepared' },
      { kind: 'prepared' },
      joined(true),
      joined(false),
      { kind: 'assigned' },
      { kind: 'synced' },
      { kind: 'applied', mustRejoin: false },
      { kind: 'beaten' },
      { kind: 'polled' },
    ),
    code.map((value): Scripted => ({ kind: 'refused', code: value })),
    code.map((value): Scripted => ({ kind: 'beatRefused', code: value })),
    code.map((value): Scripted => ({ kind: 'commitRefused', code: value })),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(input, fc.nat(3_000)), { maxLength: 50 }), (script) => {
      const play = new Play();
      play.feed(0, { kind: 'start' });
      let now = 0;
      for (const [next, waitMs] of script) {
        now += waitMs;
        play.feed(now, next);
        for (let ticks = 0; (play.machine.deadline() ?? now + 1) <= now; ticks += 1) {
          play.feed(now, tick);
          expect(ticks).toBeLessThan(5);
        }
      }
    }),
    { numRuns: 500 },
  );
});
