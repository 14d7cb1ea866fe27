/**
 * The supervisor decides when a coordinator session is alive, in doubt or gone. Each case feeds
 * inputs at given milliseconds and names every effect expected; a session time-out of 6000 ms makes
 * doubt begin 4000 ms after the last proof and pings fall every 1000 ms.
 */
import { describe, expect, test } from '@jest/globals';
import { millis, type Tick } from '@odradek/runtime';
import fc from 'fast-check';
import { Supervisor, type SupervisorInput } from '../../src/coordinator-session/supervisor.ts';

const SESSION_TIMEOUT_MS = 6_000;

const established = (newSession = true): SupervisorInput => ({
  kind: 'established',
  newSession,
  sessionTimeoutMs: SESSION_TIMEOUT_MS,
});
const tick: Tick = { kind: 'tick' };

function supervisor(serverCount = 2): Supervisor {
  return new Supervisor({ serverCount, attemptTimeoutMs: 500, jitterMs: 7 }, SESSION_TIMEOUT_MS);
}

/** Effects as short words: `dial 1`, `announceConnected new`. */
function run(machine: Supervisor, now: number, input: SupervisorInput | Tick): string[] {
  return machine.step(input, millis(now)).map((effect) => {
    if (effect.kind === 'dial') return `dial ${effect.serverIndex}`;
    if (effect.kind === 'announceConnected')
      return effect.newSession ? 'announceConnected new' : 'announceConnected';
    return effect.kind;
  });
}

function play(
  machine: Supervisor,
  script: readonly (readonly [number, SupervisorInput | Tick, string[]])[],
): void {
  for (const [now, input, effects] of script)
    expect([now, input.kind, run(machine, now, input)]).toEqual([now, input.kind, effects]);
}

const connectedAt0: readonly (readonly [number, SupervisorInput | Tick, string[]])[] = [
  [0, { kind: 'open' }, ['dial 0']],
  [0, { kind: 'linkUp' }, []],
  [0, established(), ['announceConnected new']],
];

describe('supervisor of a coordinator session', () => {
  test('servers are tried in turn, with growing pauses between rounds', () => {
    const machine = supervisor();
    play(machine, [
      [0, { kind: 'open' }, ['dial 0']],
      [10, { kind: 'linkDown' }, ['dial 1']],
      [20, { kind: 'linkDown' }, []],
      [126, tick, []],
      [127, tick, ['dial 0']],
      [130, { kind: 'linkDown' }, ['dial 1']],
      [140, { kind: 'linkDown' }, []],
    ]);
    expect(machine.deadline()).toBe(140 + 200 + 7);
    for (let round = 0; round < 20; round += 1) {
      run(machine, machine.deadline() ?? 0, tick);
      run(machine, 0, { kind: 'linkDown' });
      run(machine, 0, { kind: 'linkDown' });
    }
    expect(machine.deadline()).toBe(1_000 + 7);
  });

  test('a server that accepts and says nothing is given up', () => {
    const machine = supervisor();
    play(machine, [
      [0, { kind: 'open' }, ['dial 0']],
      [100, { kind: 'linkUp' }, []],
      [499, tick, []],
      [500, tick, ['dropLink', 'dial 1']],
    ]);
  });

  test('pings go out every sixth of the time-out and answers keep the session out of doubt', () => {
    const machine = supervisor();
    play(machine, connectedAt0);
    for (let now = 1_000; now <= 60_000; now += 1_000) {
      expect(machine.deadline()).toBe(now);
      expect(run(machine, now, tick)).toEqual(['ping']);
      expect(run(machine, now + 300, { kind: 'pong' })).toEqual([]);
      expect(machine.inDoubt(millis(now + 300))).toBe(false);
    }
  });

  test('silence: doubt two thirds of the time-out after the last answered ping was sent', () => {
    const machine = supervisor();
    play(machine, [
      ...connectedAt0,
      [1_000, tick, ['ping']],
      [1_900, { kind: 'pong' }, []],
      [2_000, tick, ['ping']],
      [3_000, tick, ['ping']],
      [4_000, tick, ['ping']],
    ]);
    expect(machine.inDoubt(millis(4_999))).toBe(false);
    expect(machine.inDoubt(millis(5_000))).toBe(true); // Before any tick.
    expect(machine.deadline()).toBe(5_000);
    play(machine, [[5_000, tick, ['dropLink', 'announceDoubtful', 'dial 1']]]);
    expect(machine.inDoubt(millis(5_000))).toBe(true);
  });

  test('a slow answer proves no more than when its ping was sent', () => {
    const machine = supervisor();
    play(machine, [
      ...connectedAt0,
      [1_000, tick, ['ping']],
      [2_000, tick, ['ping']],
      [3_900, { kind: 'pong' }, []],
    ]);
    expect(machine.inDoubt(millis(4_999))).toBe(false);
    expect(machine.inDoubt(millis(5_000))).toBe(true);
  });

  test('a broken link: told at once, the next server at once, renewed; no doubt as long as the session lives', () => {
    const machine = supervisor();
    play(machine, [...connectedAt0, [100, { kind: 'linkDown' }, ['announceDoubtful', 'dial 1']]]);
    expect(machine.inDoubt(millis(100))).toBe(false);
    expect(machine.inDoubt(millis(3_999))).toBe(false);
    expect(machine.inDoubt(millis(4_000))).toBe(true); // Proven by the first handshake, sent at 0.
    play(machine, [
      [110, { kind: 'linkUp' }, []],
      [120, established(false), ['announceConnected']],
    ]);
    expect(machine.inDoubt(millis(120))).toBe(false);
    expect(machine.inDoubt(millis(4_110))).toBe(true); // Proven by the handshake, sent at 110.
  });

  test('expiry: the session is replaced and opened anew', () => {
    const machine = supervisor();
    play(machine, [
      ...connectedAt0,
      [100, { kind: 'linkDown' }, ['announceDoubtful', 'dial 1']],
      [9_000, { kind: 'linkUp' }, []],
      [9_001, { kind: 'expired' }, ['dropLink', 'replaceSession', 'dial 0']],
      [9_002, { kind: 'linkUp' }, []],
      [9_003, established(true), ['announceConnected new']],
    ]);
  });

  test.each([
    { name: 'confirmed', at: 50, input: { kind: 'closeConfirmed' } as const },
    { name: 'cut off', at: 50, input: { kind: 'linkDown' } as const },
    { name: 'not answered', at: 2_050, input: tick },
  ])('close of a live session, $name', ({ at, input }) => {
    const machine = supervisor();
    play(machine, [
      ...connectedAt0,
      [50, { kind: 'close' }, ['sendClose']],
      [60, { kind: 'close' }, []],
      [at, input, ['dropLink', 'announceClosed']],
      [at, tick, []],
    ]);
    expect(machine.deadline()).toBeNull();
    expect(machine.hasEnded).toBe(true);
  });

  test('close while dialing waits for nobody', () => {
    const machine = supervisor();
    play(machine, [
      [0, { kind: 'open' }, ['dial 0']],
      [1, { kind: 'close' }, ['dropLink', 'announceClosed']],
      [2, established(), []],
    ]);
  });

  test('property: never out of doubt without proof younger than two thirds of the time-out', () => {
    const input = fc.constantFrom<SupervisorInput | Tick>(
      tick,
      tick,
      { kind: 'pong' },
      { kind: 'linkDown' },
      { kind: 'linkUp' },
      established(),
      { kind: 'expired' },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(input, fc.nat(3_000)), { maxLength: 60 }), (script) => {
        const machine = supervisor();
        run(machine, 0, { kind: 'open' });
        let now = 0;
        let proofAt = Number.NEGATIVE_INFINITY;
        let linkUpAt: number | null = null;
        let pings: number[] = [];
        for (const [next, waitMs] of script) {
          now += waitMs;
          const wasConnected = machine.isConnected;
          if (next.kind === 'linkUp' && !wasConnected) linkUpAt = now;
          if (next.kind === 'pong' && wasConnected) proofAt = pings.shift() ?? proofAt;
          const effects = run(machine, now, next);
          if (effects.includes('ping')) pings.push(now);
          if (effects.some((effect) => effect.startsWith('dial'))) linkUpAt = null;
          if (effects.some((effect) => effect.startsWith('announceConnected'))) {
            proofAt = linkUpAt ?? now;
            pings = [];
          }
          if (!machine.inDoubt(millis(now))) expect(now - proofAt).toBeLessThan(4_000);
        }
      }),
    );
  });
});
