/**
 * Goal: time, processes and clocks of a simulated world behave as those of real machines, and in one order only.
 */
import { expect, test } from '@jest/globals';
import { type Environment, millis } from '@odradek/runtime';
import { SimulatedWorld } from '../../src/index.ts';
import type { SimulatedHost } from '../../src/world/host.ts';

const exact = { driftMax: 0, skewMsMax: 0, coalesceUs: 1, timerLagUs: 0, tcpGiveUpMs: 60_000 };

/** Starts a program that only gives its ports away. */
async function environmentOf(world: SimulatedWorld, host: SimulatedHost): Promise<Environment> {
  let given: Environment | null = null;
  host.start((environment) => {
    given = environment;
  });
  await world.runFor(0);
  if (given === null) throw new Error('the program did not start');
  return given;
}

test('events come in the order of time, phase and making, with all promises settled in between', async () => {
  const world = new SimulatedWorld(1, exact);
  const { timers, clock } = await environmentOf(world, world.addHost('a'));
  const seen: string[] = [];
  const later = millis(clock.now() + 5);
  timers.wakeAt(later, () => {
    seen.push('first timer');
    timers.afterTurn(() => seen.push('end of turn'));
    void Promise.resolve()
      .then(() => seen.push('promise'))
      .then(() => seen.push('promise of a promise'));
  });
  timers.wakeAt(later, () => seen.push('second timer'));
  timers.wakeAt(millis(clock.now() - 5), () => seen.push('overdue'));
  const disarm = timers.wakeAt(later, () => seen.push('disarmed'));
  disarm();
  expect(seen).toEqual([]);
  await world.runFor(10);
  expect(seen).toEqual([
    'overdue',
    'first timer',
    'promise',
    'promise of a promise',
    'end of turn',
    'second timer',
  ]);
});

test.each([-0.01, -0.000_3, 0, 0.000_7, 0.01])(
  'a timer is never early, on a clock that drifts by %d',
  async (drift) => {
    const world = new SimulatedWorld(drift, { ...exact, driftMax: Math.abs(drift) });
    const { timers, clock } = await environmentOf(world, world.addHost('a'));
    for (let count = 1; count <= 50; count++) {
      const deadline = millis(clock.now() + count / 3);
      let wokenAt = Number.NaN;
      timers.wakeAt(deadline, () => {
        wokenAt = clock.now();
      });
      await world.runUntil(() => !Number.isNaN(wokenAt), 100);
      expect(wokenAt).toBeGreaterThanOrEqual(deadline);
      expect(wokenAt - deadline).toBeLessThan(0.1);
    }
  },
);

test('a stopped process hears of everything when it goes on, in order; a killed one of nothing', async () => {
  const world = new SimulatedWorld(2, exact);
  const host = world.addHost('a');
  const { timers, clock } = await environmentOf(world, host);
  const began = clock.now();
  const seen: string[] = [];
  const disarms = [10, 20, 30, 1_000].map((ms) =>
    timers.wakeAt(millis(clock.now() + ms), () => seen.push(`${ms}`)),
  );
  host.stop();
  await world.runFor(100);
  expect(seen).toEqual([]);
  host.continue();
  disarms[1]?.();
  await world.runFor(1);
  expect(seen).toEqual(['10', '30']);
  expect(clock.now() - began).toBeGreaterThan(100);
  host.kill();
  await world.runFor(2_000);
  expect(seen).toEqual(['10', '30']);
});

test('somebody sets the wall clock, and the other one does not notice', async () => {
  const world = new SimulatedWorld(3, exact);
  const host = world.addHost('a');
  const { clock } = await environmentOf(world, host);
  const [now, wall] = [clock.now(), clock.wallTime()];
  host.jumpClock(-3_600_000);
  await world.runFor(250);
  expect(clock.now() - now).toBe(250);
  expect(clock.wallTime() - wall).toBe(250 - 3_600_000);
});

test('hosts draw from streams of their own: another host changes nothing for the first', async () => {
  const drawnWith = async (others: number): Promise<string> => {
    const world = new SimulatedWorld(4, exact);
    const first = world.addHost('a');
    for (let count = 0; count < others; count++) {
      const other = await environmentOf(world, world.addHost(`other${count}`));
      other.random.bytes(7);
    }
    const { random } = await environmentOf(world, first);
    return random.bytes(16).toString('hex');
  };
  expect(await drawnWith(3)).toBe(await drawnWith(0));
});

test('a program that wakes itself again and again does not hold the world up for ever', async () => {
  const world = new SimulatedWorld(1, exact);
  const { timers, clock } = await environmentOf(world, world.addHost('a'));
  const again = (): void => {
    timers.wakeAt(clock.now(), again);
  };
  again();
  await expect(world.runFor(1)).rejects.toThrow(/time stands still/);
});
