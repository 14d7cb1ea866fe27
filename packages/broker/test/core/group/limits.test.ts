/** What a client can make a group remember, and what it is told at each limit. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { GroupLimits } from '../../../src/core/group/limits.ts';
import { groupLimits, Room } from '../../../src/core/group/limits.ts';
import { Conversation, SESSION_MS } from './conversation.ts';

const limited = (changes: Partial<GroupLimits>) => ({ limits: { ...groupLimits, ...changes } });
const offer = (bytes: number) => ({
  protocols: [{ name: 'range', metadata: Buffer.alloc(bytes) }],
});

test('a room that is full says so once, and again after it had been free', () => {
  let complaints = 0;
  const room = new Room(100, () => {
    complaints += 1;
  });
  room.take(95);
  expect([room.has(5), room.has(6), room.has(6), room.has(-1)]).toEqual([true, false, false, true]);
  expect(complaints).toBe(1);
  room.take(-3);
  expect(room.has(9)).toBe(false);
  expect(complaints).toBe(1);
  room.take(-3);
  room.take(11);
  expect(room.has(1)).toBe(false);
  expect(complaints).toBe(2);
});

describe('members', () => {
  test('one that brings too much is refused for good', () => {
    const talk = new Conversation(limited({ memberMaxBytes: 2000 }));
    expect(talk.joinAnswer(talk.join('', offer(2000))).error).toBe('GROUP_MAX_SIZE_REACHED');
    expect(talk.group.isVacant).toBe(true);
    const reply = talk.join('', offer(500));
    talk.pass(0);
    expect(talk.joinAnswer(reply).error).toBe('NONE');
  });

  test('one that has come to bring too much is refused as well', () => {
    const talk = new Conversation(limited({ memberMaxBytes: 2000 }));
    const reply = talk.join('', offer(500));
    talk.pass(0);
    const { memberId } = talk.joinAnswer(reply);
    expect(talk.joinAnswer(talk.join(memberId, offer(2000))).error).toBe('GROUP_MAX_SIZE_REACHED');
  });

  test('together they may bring so much', () => {
    const talk = new Conversation(limited({ groupMaxBytes: 5000 }));
    const replies = [1, 2, 3].map(() => talk.join('', offer(1500)));
    talk.pass(0);
    const errors = replies.map((reply) => talk.joinAnswer(reply).error);
    expect(errors).toEqual(['NONE', 'NONE', 'GROUP_MAX_SIZE_REACHED']);
  });

  test('when all groups of the broker have filled its room, new ones are asked to try again', () => {
    const room = new Room(3000);
    const one = new Conversation({ room });
    const two = new Conversation({ room });
    one.join('', offer(1500));
    expect(two.joinAnswer(two.join('', offer(1500))).error).toBe('COORDINATOR_NOT_AVAILABLE');
    one.leave('fresh-1');
    const reply = two.join('', offer(1500));
    two.pass(0);
    expect(two.joinAnswer(reply).error).toBe('NONE');
  });
});

describe('ids that were handed out', () => {
  test('make room by forgetting the oldest', () => {
    const talk = new Conversation(limited({ handedOutIdsMax: 2 }));
    const ids = [1, 2, 3].map(
      () => talk.joinAnswer(talk.join('', { requiresKnownMemberId: true })).memberId,
    );
    expect(talk.joinAnswer(talk.join(ids[0] ?? '')).error).toBe('UNKNOWN_MEMBER_ID');
    const second = talk.join(ids[1] ?? '');
    const third = talk.join(ids[2] ?? '');
    talk.pass(0);
    expect([talk.joinAnswer(second).error, talk.joinAnswer(third).error]).toEqual(['NONE', 'NONE']);
  });

  test('can be given back', () => {
    const talk = new Conversation();
    const { memberId } = talk.joinAnswer(talk.join('', { requiresKnownMemberId: true }));
    expect(talk.leave(memberId)).toEqual(['NONE']);
    expect(talk.group.isVacant).toBe(true);
  });

  test('hold a rebalance up until they are used, given back, or forgotten', () => {
    const { talk, leader, follower } = Conversation.stable();
    talk.join('', { requiresKnownMemberId: true, sessionTimeoutMs: SESSION_MS / 2 });
    talk.join(leader);
    const waiting = talk.join(follower);
    expect(talk.joined.has(waiting)).toBe(false);
    talk.pass(SESSION_MS / 2);
    expect(talk.joinAnswer(waiting).error).toBe('NONE');
  });
});

test('static members that come back faster than their ids can be stored are asked to try again', () => {
  const talk = new Conversation(limited({ returnsInFlightMax: 2 }));
  const first = talk.join('', { instanceId: 'one' });
  talk.pass(0);
  const { memberId } = talk.joinAnswer(first);
  talk.sync(memberId, {}, { instanceId: 'one' });
  talk.storesByItself = false;
  const back = [1, 2, 3].map(() => talk.join('', { instanceId: 'one' }));
  expect(talk.joinAnswer(back[2] ?? 0)).toMatchObject({
    error: 'COORDINATOR_NOT_AVAILABLE',
    memberId: '',
  });
  for (const store of talk.stores.slice(-2)) talk.deliver({ kind: 'stored', store, error: null });
  expect(back.slice(0, 2).map((reply) => talk.joinAnswer(reply).error)).toEqual(['NONE', 'NONE']);
});

test('whatever happened, a group that is over has given all its room back', () => {
  const action = fc.record({
    what: fc.constantFrom('join', 'static', 'rejoin', 'sync', 'leave', 'pass'),
    who: fc.nat(3),
    bytes: fc.nat(50),
    needsId: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(action, { minLength: 10, maxLength: 40, size: 'max' }), (actions) => {
      const room = new Room(1 << 20);
      const talk = new Conversation({ room, maxSize: 4 });
      for (const { what, who, bytes, needsId } of actions) {
        const memberId = talk.memberIds[who] ?? 'nobody';
        if (what === 'join') talk.join('', { ...offer(bytes), requiresKnownMemberId: needsId });
        else if (what === 'static') talk.join('', { ...offer(bytes), instanceId: `i${who}` });
        else if (what === 'rejoin') talk.join(memberId, offer(bytes));
        else if (what === 'sync') talk.sync(memberId, { [memberId]: 'a'.repeat(bytes) });
        else if (what === 'leave') talk.leave(memberId);
        else talk.pass(bytes * 100);
      }
      talk.deliver({ kind: 'unload' });
      expect(room.usedBytes).toBe(0);
    }),
  );
});
