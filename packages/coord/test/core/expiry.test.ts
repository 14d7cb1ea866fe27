/** Goal: a session ends between its time-out and one tick later; ids, passwords and time-outs. */
import { expect, test } from '@jest/globals';
import { millis } from '@odradek/runtime';
import fc from 'fast-check';
import { SessionExpiry } from '../../src/core/session/expiry.ts';
import {
  firstSessionId,
  negotiatedTimeout,
  SessionTable,
} from '../../src/core/session/session-table.ts';

/** Wakes the machine exactly when it wants, up to `untilMs`. */
function run(expiry: SessionExpiry, untilMs: number): { id: bigint; atMs: number }[] {
  const expired: { id: bigint; atMs: number }[] = [];
  for (let due = expiry.deadline(); due !== null && due <= untilMs; due = expiry.deadline()) {
    for (const { sessionId } of expiry.step({ kind: 'tick' }, due)) {
      expired.push({ id: sessionId, atMs: due });
    }
  }
  return expired;
}

test('any session heard of at any times ends in its window, once', () => {
  const session = fc.record({
    timeoutMs: fc.integer({ min: 2, max: 5000 }),
    bornMs: fc.integer({ min: 0, max: 3000 }),
    touches: fc.array(fc.integer({ min: 0, max: 2000 }), { maxLength: 5 }),
  });
  fc.assert(
    fc.property(
      fc.array(session, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 3000 }),
      (all, tickMs) => {
        const expiry = new SessionExpiry(tickMs);
        const lastHeard = all.map(({ timeoutMs, bornMs, touches }, index) => {
          const lease = expiry.track(BigInt(index), timeoutMs, bornMs);
          for (const afterMs of touches)
            lease.heardAtMs = Math.max(lease.heardAtMs, bornMs + afterMs);
          return lease.heardAtMs;
        });
        const expired = run(expiry, 1e6);
        expect(expired.map(({ id }) => id).sort()).toEqual(
          all.map((_, index) => BigInt(index)).sort(),
        );
        for (const { id, atMs } of expired) {
          const dueMs = (lastHeard[Number(id)] ?? 0) + (all[Number(id)]?.timeoutMs ?? 0);
          expect(atMs).toBeGreaterThan(dueMs);
          expect(atMs).toBeLessThanOrEqual(dueMs + tickMs);
        }
        expect(expiry.size).toBe(0);
      },
    ),
  );
});

test('a session that ended is not judged, one that came back starts anew', () => {
  const expiry = new SessionExpiry(1000);
  expiry.track(1n, 4000, 0);
  expiry.track(2n, 4000, 0);
  expiry.forget(1n);
  expiry.track(2n, 8000, 3000);
  expect(run(expiry, 60_000)).toEqual([{ id: 2n, atMs: 12_000 }]);
  expect(expiry.deadline()).toBeNull();
});

test('a tick that comes much too late judges nobody before one more tick', () => {
  const expiry = new SessionExpiry(1000);
  const lease = expiry.track(1n, 4000, 0);
  expiry.track(2n, 4000, 0);
  expect(expiry.step({ kind: 'tick' }, millis(60_000))).toEqual([]);
  expect(expiry.deadline()).toBe(61_000);
  lease.heardAtMs = 60_500;
  expect(expiry.step({ kind: 'tick' }, millis(61_000))).toEqual([
    { kind: 'expire', sessionId: 2n },
  ]);
});

test.each([
  [0, 4000],
  [-1, 4000],
  [5000, 5000],
  [90_000, 40_000],
])('a wish of %i ms is granted as %i ms', (wish, granted) => {
  expect(negotiatedTimeout(wish, 4000, 40_000)).toBe(granted);
});

test('ids carry the server on top and the time below; they are signed as they travel', () => {
  expect(firstSessionId(1, 0xd8be7)).toBe(0x0100000d8be70000n);
  expect(firstSessionId(0x80, 0)).toBe(-(2n ** 63n));
});

test('passwords', () => {
  const sessions = new SessionTable();
  sessions.open({ id: 1n, timeoutMs: 4000, password: Buffer.from('0123456789abcdef') });
  expect(sessions.accepts(1n, Buffer.from('0123456789abcdef'))).toBe(true);
  expect(sessions.accepts(1n, Buffer.from('0123456789abcdeX'))).toBe(false);
  expect(sessions.accepts(1n, Buffer.from('0123'))).toBe(false);
  expect(sessions.accepts(1n, null)).toBe(false);
  expect(sessions.accepts(2n, Buffer.alloc(16))).toBe(false);
});
