/** Goal: who comes while nobody serves waits a moment, not for ever, and not in any number. */
import { expect, test } from '@jest/globals';
import { HELD_CONNECTIONS_MAX, HELD_MS_MAX, HOLDING_MS_MAX } from '../../src/server/limits.ts';
import { Doorway, type Serving, type Waiting } from '../../src/server/serving.ts';
import { ManualTime } from '../support/manual-time.ts';

class Client implements Waiting {
  state = 'waits';
  enter(): void {
    this.state = 'served';
  }
  turnAway(): void {
    this.state = 'turned away';
  }
}

// What serves is of no concern to the doorway.
const serving = { isReadOnly: false } as Serving;

function setUp(): { time: ManualTime; doorway: Doorway } {
  const time = new ManualTime();
  return { time, doorway: new Doorway({ clock: time, timers: time }) };
}

test('who waits comes in when somebody serves, in order, and is turned away when nobody does', () => {
  const { time, doorway } = setUp();
  const [first, second, third] = [new Client(), new Client(), new Client()];
  expect(doorway.hold(first)).toBe(true);
  time.advance(HELD_MS_MAX / 2);
  expect(doorway.hold(second)).toBe(true);
  time.advance(HELD_MS_MAX / 2);
  expect([first.state, second.state]).toEqual(['turned away', 'waits']);
  doorway.open(serving);
  expect([first.state, second.state]).toEqual(['turned away', 'served']);
  time.advance(HELD_MS_MAX);
  expect(second.state).toBe('served');
  doorway.close();
  expect(doorway.hold(third)).toBe(true);
  time.advance(HELD_MS_MAX);
  expect([third.state, doorway.turnedAwayCount]).toEqual(['turned away', 2]);
});

test('after a while without a leader nobody waits any more, until the next loss', () => {
  const { time, doorway } = setUp();
  time.advance(HOLDING_MS_MAX - 10);
  const late = new Client();
  expect(doorway.hold(late)).toBe(true);
  time.advance(10);
  expect([late.state, doorway.hold(new Client())]).toEqual(['turned away', false]);
  doorway.open(serving);
  doorway.close();
  expect(doorway.hold(new Client())).toBe(true);
});

test('only so many wait', () => {
  const { doorway } = setUp();
  let count = 0;
  while (doorway.hold(new Client())) count += 1;
  expect(count).toBe(HELD_CONNECTIONS_MAX);
});
