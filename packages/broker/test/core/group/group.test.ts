/**
 * The group machine: a script reads like a conversation (who asks, what is answered), and a property runs random
 * conversations and checks what must hold whatever happens.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Conversation, REBALANCE_MS, SESSION_MS } from './conversation.ts';

describe('joining', () => {
  test('the first member leads generation 1 and sees everybody', () => {
    const talk = new Conversation();
    const reply = talk.join('');
    expect(talk.group.state).toBe('PreparingRebalance');
    talk.pass(0);
    expect(talk.joined.get(reply)).toMatchObject({
      error: 'NONE',
      generationId: 1,
      protocolName: 'range',
      leader: 'fresh-1',
      memberId: 'fresh-1',
      members: [{ memberId: 'fresh-1', groupInstanceId: null, metadata: Buffer.from('m') }],
    });
    expect(talk.group.state).toBe('CompletingRebalance');
  });

  test('an empty group waits for its initial delay, and longer while members keep coming, but not for ever', () => {
    const talk = new Conversation({ initialRebalanceDelayMs: 3000 });
    const first = talk.join('');
    talk.pass(2999);
    const second = talk.join('');
    talk.pass(1);
    expect(talk.joined.size).toBe(0);
    talk.pass(3000);
    expect(talk.joined.get(first)?.members).toHaveLength(2);
    expect(talk.joined.get(second)).toMatchObject({ error: 'NONE', members: [] });
  });

  test('a member without id is given one first, and joins with it', () => {
    const talk = new Conversation();
    const asked = talk.join('', { requiresKnownMemberId: true });
    expect(talk.joined.get(asked)).toMatchObject({
      error: 'MEMBER_ID_REQUIRED',
      memberId: 'fresh-1',
    });
    const reply = talk.join('fresh-1', { requiresKnownMemberId: true });
    talk.pass(0);
    expect(talk.joined.get(reply)).toMatchObject({ error: 'NONE', memberId: 'fresh-1' });
  });

  test('an id that was handed out is forgotten after the session time-out', () => {
    const talk = new Conversation();
    talk.join('', { requiresKnownMemberId: true });
    expect(talk.group.isVacant).toBe(false);
    talk.pass(SESSION_MS);
    expect(talk.group.isVacant).toBe(true);
    expect(talk.joined.get(talk.join('fresh-1'))).toMatchObject({ error: 'UNKNOWN_MEMBER_ID' });
  });

  test.each([
    ['another protocol type', { protocolType: 'connect' }, 'INCONSISTENT_GROUP_PROTOCOL'],
    [
      'no strategy in common',
      { protocols: [{ name: 'sticky', metadata: Buffer.alloc(0) }] },
      'INCONSISTENT_GROUP_PROTOCOL',
    ],
    ['an id that nobody has', { memberId: 'stranger' }, 'UNKNOWN_MEMBER_ID'],
    ['an instance that nobody is', { memberId: 'stranger', instanceId: 'i' }, 'UNKNOWN_MEMBER_ID'],
  ])('%s is refused', (_what, changes, error) => {
    const { talk } = Conversation.stable();
    expect(talk.joined.get(talk.join('', changes))).toMatchObject({ error });
    expect(talk.group.state).toBe('Stable');
  });

  test('a full group refuses one more', () => {
    const talk = new Conversation({ maxSize: 1 });
    talk.join('');
    expect(talk.joined.get(talk.join(''))).toMatchObject({ error: 'GROUP_MAX_SIZE_REACHED' });
  });

  test('a full group tells the member that it has no id there', () => {
    const talk = new Conversation({ maxSize: 1 });
    talk.join('');
    expect(talk.joinAnswer(talk.join(''))).toMatchObject({
      error: 'GROUP_MAX_SIZE_REACHED',
      memberId: '',
    });
  });

  test('ids that were handed out do not fill an empty group', () => {
    const talk = new Conversation({ maxSize: 1 });
    const ids = [1, 2].map(() => talk.joinAnswer(talk.join('', { requiresKnownMemberId: true })));
    expect(ids.map(({ error }) => error)).toEqual(['MEMBER_ID_REQUIRED', 'MEMBER_ID_REQUIRED']);
    const first = talk.join(ids[0]?.memberId ?? '');
    const second = talk.join(ids[1]?.memberId ?? '');
    expect(talk.joinAnswer(second).error).toBe('GROUP_MAX_SIZE_REACHED');
    talk.pass(REBALANCE_MS); // The second's id is still out until its session time-out.
    expect(talk.joinAnswer(first).error).toBe('NONE');
  });

  test('of a group that is too large, those who join again last go', () => {
    const { talk: before, leader, follower } = Conversation.stable();
    const talk = new Conversation({ maxSize: 1 }, before.group.snapshot());
    expect(talk.group.state).toBe('PreparingRebalance'); // So that members can commit and come again.
    const stays = talk.join(follower);
    const goes = talk.join(leader);
    expect(talk.joinAnswer(goes)).toMatchObject({ error: 'GROUP_MAX_SIZE_REACHED', memberId: '' });
    expect(talk.joinAnswer(stays)).toMatchObject({ error: 'NONE', generationId: 3 });
    expect(talk.memberIds).toEqual([follower]);
  });

  test('what a member offered before counts too: it cannot turn to something wholly new', () => {
    const talk = new Conversation();
    const offer = (...names: string[]) => ({
      protocols: names.map((name) => ({ name, metadata: Buffer.alloc(0) })),
    });
    const reply = talk.join('', offer('range'));
    talk.pass(0);
    const { memberId } = talk.joinAnswer(reply);
    expect(talk.joinAnswer(talk.join(memberId, offer('sticky'))).error).toBe(
      'INCONSISTENT_GROUP_PROTOCOL',
    );
    const rejoin = talk.join(memberId, offer('sticky', 'range'));
    expect(talk.joinAnswer(rejoin)).toMatchObject({ error: 'NONE', protocolName: 'sticky' });
  });

  test('while a rebalance without members goes on, the protocol type stays', () => {
    const talk = new Conversation({ initialRebalanceDelayMs: 1000 });
    talk.join('');
    talk.leave('fresh-1');
    expect(talk.group.state).toBe('PreparingRebalance');
    expect(talk.joinAnswer(talk.join('', { protocolType: 'connect' })).error).toBe(
      'INCONSISTENT_GROUP_PROTOCOL',
    );
    talk.pass(1000);
    expect(talk.group.state).toBe('Empty');
    const reply = talk.join('', { protocolType: 'connect' });
    talk.pass(1000);
    expect(talk.joinAnswer(reply)).toMatchObject({ error: 'NONE', protocolType: 'connect' });
  });

  test('an id that was handed out cannot be used to become a static member', () => {
    const talk = new Conversation();
    const one = talk.join('', { instanceId: 'one' });
    talk.pass(0);
    const { memberId } = talk.joinAnswer(talk.join('', { requiresKnownMemberId: true }));
    expect(talk.joinAnswer(talk.join(memberId, { instanceId: 'one' })).error).toBe(
      'FENCED_INSTANCE_ID',
    );
    expect(talk.joinAnswer(talk.join(memberId, { instanceId: 'two' })).error).toBe(
      'UNKNOWN_MEMBER_ID',
    );
    expect(talk.heartbeat(talk.joinAnswer(one).memberId, 'one')).not.toBe('FENCED_INSTANCE_ID');
  });

  test('most votes choose the strategy, among those that all members offer', () => {
    const talk = new Conversation({ initialRebalanceDelayMs: 10 });
    const offer = (...names: string[]) => ({
      protocols: names.map((name) => ({ name, metadata: Buffer.from(name) })),
    });
    const first = talk.join('', offer('range', 'sticky', 'roundrobin'));
    talk.join('', offer('sticky', 'range'));
    talk.join('', offer('sticky', 'range', 'roundrobin'));
    talk.pass(20);
    expect(talk.joined.get(first)).toMatchObject({ error: 'NONE', protocolName: 'sticky' });
  });
});

describe('rebalancing', () => {
  test('a follower that joins again with nothing new gets the same answer, the leader starts a rebalance', () => {
    const { talk, leader, follower } = Conversation.stable();
    expect(talk.joined.get(talk.join(follower))).toMatchObject({
      error: 'NONE',
      generationId: 2,
      members: [],
    });
    expect(talk.group.state).toBe('Stable');
    talk.join(leader);
    expect(talk.group.state).toBe('PreparingRebalance');
    expect(talk.group.heartbeat({ memberId: follower, instanceId: null }, 2, talk.now)).toBe(
      'REBALANCE_IN_PROGRESS',
    );
  });

  test('a dynamic member that does not join again in time is out', () => {
    const { talk, leader, follower } = Conversation.stable();
    const rejoined = talk.join(leader);
    while (talk.now < REBALANCE_MS) {
      talk.pass(SESSION_MS / 2);
      talk.group.heartbeat({ memberId: follower, instanceId: null }, 2, talk.now);
    }
    expect(talk.joined.get(rejoined)).toMatchObject({ error: 'NONE', generationId: 3, leader });
    expect(talk.joined.get(rejoined)?.members.map(({ memberId }) => memberId)).toEqual([leader]);
    expect(talk.group.heartbeat({ memberId: follower, instanceId: null }, 2, talk.now)).toBe(
      'UNKNOWN_MEMBER_ID',
    );
  });

  test('a silent member expires and the others rebalance', () => {
    const { talk, leader, follower } = Conversation.stable();
    talk.pass(SESSION_MS - 1);
    expect(talk.group.heartbeat({ memberId: leader, instanceId: null }, 2, talk.now)).toBe('NONE');
    talk.pass(1);
    expect(talk.group.state).toBe('PreparingRebalance');
    expect(talk.group.heartbeat({ memberId: follower, instanceId: null }, 2, talk.now)).toBe(
      'UNKNOWN_MEMBER_ID',
    );
  });

  test('members that never sync are taken out after the rebalance time-out', () => {
    const { talk, leader, follower } = Conversation.stable();
    talk.join(leader);
    const rejoin = talk.join(follower);
    expect(talk.joined.get(rejoin)).toMatchObject({ error: 'NONE', generationId: 3 });
    const parked = talk.sync(follower);
    for (let passed = 0; passed < REBALANCE_MS; passed += 5000) {
      talk.pass(5000);
      talk.group.heartbeat({ memberId: leader, instanceId: null }, 3, talk.now);
    }
    expect(talk.synced.get(parked)).toMatchObject({ error: 'REBALANCE_IN_PROGRESS' });
    expect(talk.group.snapshot().members.map(({ memberId }) => memberId)).toEqual([follower]);
  });

  test('a member that syncs after the assignment was stored stays', () => {
    const { talk, leader, follower } = Conversation.stable();
    talk.join(leader);
    talk.join(follower);
    talk.sync(leader, { [leader]: 'half', [follower]: 'other half' });
    expect(talk.group.state).toBe('Stable');
    expect(talk.synced.get(talk.sync(follower))).toMatchObject({
      error: 'NONE',
      assignment: Buffer.from('other half'),
    });
    for (let passed = 0; passed < 2 * REBALANCE_MS; passed += 5000) {
      talk.pass(5000);
      expect([talk.heartbeat(leader), talk.heartbeat(follower)]).toEqual(['NONE', 'NONE']);
    }
    expect(talk.group.state).toBe('Stable');
  });

  test('a member that never syncs in a stable group is taken out after the rebalance time-out', () => {
    const { talk, leader, follower } = Conversation.stable();
    talk.join(leader);
    talk.join(follower);
    talk.sync(leader, { [leader]: 'half', [follower]: 'other half' });
    for (let passed = 0; passed < REBALANCE_MS; passed += 5000) {
      talk.pass(5000);
      talk.heartbeat(leader);
      talk.heartbeat(follower);
    }
    expect(talk.group.state).toBe('PreparingRebalance');
    expect(talk.memberIds).toEqual([leader]);
  });

  test('who did not sync in one generation is not taken out of the next', () => {
    const { talk, leader, follower } = Conversation.stable();
    talk.join(leader);
    talk.join(follower);
    talk.sync(leader, { [leader]: 'half', [follower]: 'other half' });
    const alive = (...ids: string[]): void => {
      for (const id of ids) talk.heartbeat(id);
    };
    for (let passed = 0; passed < REBALANCE_MS - 5000; passed += 5000) {
      talk.pass(5000);
      alive(leader, follower);
    }
    talk.join(''); // A third member: the follower joins again at once, the leader takes its time.
    const waiting = talk.join(follower);
    for (let passed = 0; passed < 15_000; passed += 5000) {
      talk.pass(5000);
      alive(leader);
    }
    expect(talk.memberIds).toContain(follower);
    talk.join(leader);
    expect(talk.joinAnswer(waiting)).toMatchObject({ error: 'NONE', memberId: follower });
  });

  test('when the last member leaves, the group is empty and stored', () => {
    const { talk, leader, follower } = Conversation.stable();
    const storesBefore = talk.stores.length;
    expect(talk.leave(leader)).toEqual(['NONE']);
    expect(talk.leave(follower)).toEqual(['NONE']);
    expect(talk.leave(follower)).toEqual(['UNKNOWN_MEMBER_ID']);
    expect(talk.group.state).toBe('Empty');
    expect(talk.stores.length).toBe(storesBefore + 1);
  });
});

describe('storing the assignment', () => {
  test('a member that the leader forgot owns nothing, in the record and in memory', () => {
    const { talk, leader, follower } = Conversation.stable();
    talk.join(leader);
    talk.join(follower);
    const waiting = talk.sync(follower);
    talk.sync(leader, { [leader]: 'all' });
    const stored = talk.snapshots
      .at(-1)
      ?.members.map(({ memberId, assignment }) => [memberId, assignment.toString()]);
    expect(stored).toEqual([
      [leader, 'all'],
      [follower, ''],
    ]);
    expect(talk.synced.get(waiting)).toMatchObject({ error: 'NONE', assignment: Buffer.alloc(0) });
    expect(talk.snapshots.at(-1)?.state).toBeDefined();
    expect(talk.group.snapshot().members).toEqual(talk.snapshots.at(-1)?.members);
  });

  test('nobody sees it before it is stored', () => {
    const talk = new Conversation();
    talk.storesByItself = false;
    talk.join('');
    talk.pass(0);
    const sync = talk.sync('fresh-1', { 'fresh-1': 'all' });
    expect(talk.synced.has(sync)).toBe(false);
    talk.deliver({ kind: 'stored', store: talk.stores[0] ?? 0, error: null });
    expect(talk.synced.get(sync)).toMatchObject({ error: 'NONE', assignment: Buffer.from('all') });
  });

  test('when it cannot be stored, all are told and a rebalance begins', () => {
    const talk = new Conversation();
    talk.storesByItself = false;
    talk.join('');
    talk.pass(0);
    const sync = talk.sync('fresh-1', { 'fresh-1': 'all' });
    talk.deliver({
      kind: 'stored',
      store: talk.stores[0] ?? 0,
      error: 'COORDINATOR_NOT_AVAILABLE',
    });
    expect(talk.synced.get(sync)).toMatchObject({ error: 'COORDINATOR_NOT_AVAILABLE' });
    expect(talk.group.state).toBe('PreparingRebalance');
  });

  test('an assignment of the last generation is not handed out in this one', () => {
    const talk = new Conversation();
    talk.storesByItself = false;
    const first = talk.join('');
    talk.pass(0);
    const { memberId } = talk.joinAnswer(first);
    talk.sync(memberId, { [memberId]: 'old' });
    const second = talk.join('');
    talk.join(memberId);
    expect(talk.joinAnswer(second)).toMatchObject({ error: 'NONE', generationId: 2 });
    const waiting = talk.sync(memberId, { [memberId]: 'new' });
    const [old = 0, current = 0] = talk.stores;
    talk.deliver({ kind: 'stored', store: old, error: null });
    expect(talk.group.state).toBe('CompletingRebalance');
    expect(talk.synced.has(waiting)).toBe(false);
    talk.deliver({ kind: 'stored', store: current, error: null });
    expect(talk.synced.get(waiting)).toMatchObject({ assignment: Buffer.from('new') });
  });

  test('a member that leaves while its sync waits is answered', () => {
    const { talk, leader, follower } = Conversation.stable();
    talk.join(leader);
    talk.join(follower);
    const waiting = talk.sync(follower);
    expect(talk.leave(follower)).toEqual(['NONE']);
    expect(talk.synced.get(waiting)).toMatchObject({ error: 'UNKNOWN_MEMBER_ID' });
    expect(talk.group.state).toBe('PreparingRebalance');
  });

  test('an assignment that was stored too late changes nothing', () => {
    const talk = new Conversation();
    talk.storesByItself = false;
    talk.join('');
    talk.pass(0);
    talk.sync('fresh-1', { 'fresh-1': 'all' });
    talk.join('');
    expect(talk.group.state).toBe('PreparingRebalance');
    talk.deliver({ kind: 'stored', store: talk.stores[0] ?? 0, error: null });
    expect(talk.group.state).toBe('PreparingRebalance');
  });

  test.each([
    ['an old generation', { generationId: 1 }, 'ILLEGAL_GENERATION'],
    ['a foreign instance', { instanceId: 'x' }, 'UNKNOWN_MEMBER_ID'],
  ])('a sync of %s is refused', (_what, changes, error) => {
    const { talk, leader } = Conversation.stable();
    expect(talk.synced.get(talk.sync(leader, {}, changes))).toMatchObject({ error });
  });
});

describe('commits', () => {
  test.each([
    ['of a member', 'leader', 2, 'NONE'],
    ['of a stranger', 'stranger', 2, 'UNKNOWN_MEMBER_ID'],
    ['of an old generation', 'leader', 1, 'ILLEGAL_GENERATION'],
    ['of nobody, in a group that has members', '', -1, 'UNKNOWN_MEMBER_ID'],
  ])('%s', (_what, who, generation, expected) => {
    const { talk, leader } = Conversation.stable();
    const memberId = who === 'leader' ? leader : who;
    expect(talk.group.admitCommit({ memberId, instanceId: null }, generation, talk.now)).toBe(
      expected,
    );
  });

  test('of nobody, in an empty group', () => {
    const talk = new Conversation();
    expect(talk.group.admitCommit({ memberId: '', instanceId: null }, -1, talk.now)).toBe('NONE');
  });

  test('are refused between join and sync', () => {
    const talk = new Conversation();
    talk.join('');
    talk.pass(0);
    expect(talk.group.admitCommit({ memberId: 'fresh-1', instanceId: null }, 1, talk.now)).toBe(
      'REBALANCE_IN_PROGRESS',
    );
  });
});

test('a group that goes to another broker answers everybody who waits', () => {
  const { talk, leader, follower } = Conversation.stable();
  const parked = talk.join(leader);
  talk.deliver({ kind: 'unload' });
  expect(talk.joined.get(parked)).toMatchObject({ error: 'NOT_COORDINATOR' });
  expect(talk.group.state).toBe('Dead');
  expect(talk.joined.get(talk.join(follower))).toMatchObject({
    error: 'COORDINATOR_NOT_AVAILABLE',
  });
});

test('a restored group goes on: members, generation, assignments', () => {
  const { talk, leader, follower } = Conversation.stable();
  const copy = new Conversation({}, talk.group.snapshot());
  expect(copy.group.snapshot()).toEqual(talk.group.snapshot());
  expect([copy.heartbeat(follower), copy.heartbeat(leader)]).toEqual(['NONE', 'NONE']);
  copy.pass(SESSION_MS);
  expect(copy.group.state).toBe('Empty');
});

test('whatever clients do: no answer twice, generations only grow, one generation one leader, nobody waits for ever', () => {
  const action = fc.oneof(
    fc.record({ what: fc.constant('join' as const), who: fc.nat(4), fresh: fc.boolean() }),
    fc.record({ what: fc.constant('sync' as const), who: fc.nat(4) }),
    fc.record({ what: fc.constant('leave' as const), who: fc.nat(4) }),
    fc.record({ what: fc.constant('beat' as const), who: fc.nat(4) }),
    fc.record({ what: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 12_000 }) }),
  );
  fc.assert(
    fc.property(
      fc.array(action, { minLength: 20, maxLength: 60, size: 'max' }),
      fc.boolean(),
      (actions, needsId) => {
        const talk = new Conversation({ initialRebalanceDelayMs: 100, maxSize: 4 });
        const ids: string[] = ['', '', '', '', ''];
        const leaders = new Map<number, string>();
        const asked: number[] = [];
        let generation = 0;
        const settle = (): void => {
          for (const result of talk.joined.values()) {
            if (result.error !== 'NONE' && result.error !== 'MEMBER_ID_REQUIRED') continue;
            if (result.error === 'NONE') {
              expect(leaders.get(result.generationId) ?? result.leader).toBe(result.leader);
              leaders.set(result.generationId, result.leader);
            }
          }
          expect(talk.group.generation).toBeGreaterThanOrEqual(generation);
          generation = talk.group.generation;
        };
        for (const step of actions) {
          if (step.what === 'pass') talk.pass(step.ms);
          else if (step.what === 'join') {
            const reply = talk.join(step.fresh ? '' : (ids[step.who] ?? ''), {
              requiresKnownMemberId: needsId,
            });
            asked.push(reply);
            ids[step.who] = `fresh-${reply}`;
            const answered = talk.joined.get(reply);
            if (answered !== undefined) ids[step.who] = answered.memberId;
          } else if (step.what === 'sync') asked.push(talk.sync(ids[step.who] ?? ''));
          else if (step.what === 'leave') talk.leave(ids[step.who] ?? '');
          else
            talk.group.heartbeat(
              { memberId: ids[step.who] ?? '', instanceId: null },
              generation,
              talk.now,
            );
          settle();
        }
        talk.pass(3_600_000);
        settle();
        for (const reply of asked) {
          expect(talk.joined.has(reply) || talk.synced.has(reply)).toBe(true);
        }
        expect(talk.group.isVacant).toBe(true);
        expect(talk.group.state).toBe('Empty');
      },
    ),
    { numRuns: 100 },
  );
});
