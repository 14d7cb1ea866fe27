/** Wake-ups: never early, never twice, never inside the call; also when Node's own timer is early. */
import { stat } from 'node:fs';
import { expect, test } from '@jest/globals';
import { type Clock, millis } from '../../src/index.ts';
import { nodeClock } from '../../src/node/clock.ts';
import { nodeTimers, timersOn } from '../../src/node/timers.ts';

test('a wake-up is never early', async () => {
  const lateness = await Promise.all(
    Array.from(
      { length: 60 },
      (_, n) =>
        new Promise<number>((resolve) => {
          const deadline = millis(nodeClock.now() + n * 0.37);
          nodeTimers.wakeAt(deadline, () => resolve(nodeClock.now() - deadline));
        }),
    ),
  );
  expect(Math.min(...lateness)).toBeGreaterThanOrEqual(0);
});

test('a timer that fires before the deadline is armed again for the rest', async () => {
  const readings = [0, 1, 4.9, 5]; // Armed; fired early, armed again; fired early; fired in time.
  let last = 0;
  const clock: Clock = {
    now: () => {
      last = readings.shift() ?? last + 1;
      return millis(last);
    },
    wallTime: () => millis(0),
  };
  await new Promise<void>((resolve) => {
    timersOn(clock).wakeAt(millis(5), resolve);
  });
  expect(last).toBeGreaterThanOrEqual(5);
});

test('a deadline in the past wakes soon, but not inside the call', async () => {
  let woken = false;
  const wake = new Promise<void>((resolve) => {
    nodeTimers.wakeAt(millis(nodeClock.now() - 1_000), () => {
      woken = true;
      resolve();
    });
  });
  expect(woken).toBe(false);
  await wake;
});

test('a disarmed wake-up does not come; disarming late or twice does nothing', async () => {
  const woken: string[] = [];
  const soon = millis(nodeClock.now() + 1);
  const disarm = nodeTimers.wakeAt(soon, () => woken.push('disarmed'));
  disarm();
  disarm();
  await new Promise<void>((resolve) => {
    const late = nodeTimers.wakeAt(millis(soon + 5), () => {
      woken.push('kept');
      late();
      resolve();
    });
  });
  expect(woken).toEqual(['kept']);
});

test('a deadline beyond what Node can wait for does not fire at once', async () => {
  let woken = false;
  const disarm = nodeTimers.wakeAt(millis(nodeClock.now() + 2 ** 32), () => {
    woken = true;
  });
  await new Promise<void>((resolve) => {
    nodeTimers.wakeAt(millis(nodeClock.now() + 20), resolve);
  });
  expect(woken).toBe(false);
  disarm();
});

test('afterTurn runs after the promises of this turn and before a timer', async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    // From an input, as in a daemon: between inputs and timers lies the end of the turn.
    stat('.', () => {
      nodeTimers.wakeAt(nodeClock.now(), () => {
        order.push('timer');
        resolve();
      });
      nodeTimers.afterTurn(() => order.push('after turn'));
      void Promise.resolve().then(() => order.push('promise'));
      order.push('now');
    });
  });
  expect(order).toEqual(['now', 'promise', 'after turn', 'timer']);
});
