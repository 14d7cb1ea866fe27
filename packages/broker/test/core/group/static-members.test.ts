/** Static members (KIP-345): who comes back under a known instance id, and what becomes of the old self. */
import { describe, expect, test } from '@jest/globals';
import { Conversation, REBALANCE_MS, SESSION_MS } from './conversation.ts';

/** A stable group of static members; the first leads. */
function staticGroup(...instances: string[]): { talk: Conversation; ids: string[] } {
  const talk = new Conversation({ initialRebalanceDelayMs: 100 });
  const replies = instances.map((instanceId) => talk.join('', { instanceId }));
  talk.pass(200);
  const ids = replies.map((reply) => talk.joinAnswer(reply).memberId);
  const assignments = Object.fromEntries(ids.map((id, index) => [id, `part ${index}`]));
  for (const [index, id] of ids.entries())
    talk.sync(id, index === 0 ? assignments : {}, { instanceId: instances[index] ?? null });
  expect(talk.group.state).toBe('Stable');
  return { talk, ids };
}

describe('coming back', () => {
  test('keeps the assignment without a rebalance; the old self is fenced', () => {
    const { talk, ids } = staticGroup('one', 'two');
    const result = talk.joinAnswer(talk.join('', { instanceId: 'two', canSkipAssignment: true }));
    expect(result).toMatchObject({
      error: 'NONE',
      generationId: 1,
      leader: ids[0],
      skipAssignment: false,
      members: [],
    });
    expect(talk.group.state).toBe('Stable');
    expect(talk.heartbeat(ids[1] ?? '', 'two')).toBe('FENCED_INSTANCE_ID');
    const sync = talk.sync(result.memberId, {}, { instanceId: 'two' });
    expect(talk.synced.get(sync)).toMatchObject({
      error: 'NONE',
      assignment: Buffer.from('part 1'),
    });
  });

  test('the leader is given everybody and told to skip the assignment', () => {
    const { talk } = staticGroup('one', 'two');
    const result = talk.joinAnswer(talk.join('', { instanceId: 'one', canSkipAssignment: true }));
    expect(result).toMatchObject({ error: 'NONE', leader: result.memberId, skipAssignment: true });
    expect(result.members.map(({ groupInstanceId }) => groupInstanceId).sort()).toEqual([
      'one',
      'two',
    ]);
  });

  test('a leader that cannot skip is told that its old self leads, so that it computes nothing', () => {
    const { talk, ids } = staticGroup('one');
    expect(talk.joinAnswer(talk.join('', { instanceId: 'one' }))).toMatchObject({
      error: 'NONE',
      skipAssignment: false,
      leader: ids[0],
      members: [],
    });
  });

  test('what the old self waits for is answered, and a second return fences the first', () => {
    const { talk, ids } = staticGroup('one', 'two');
    const waiting = talk.join(ids[0] ?? '', { instanceId: 'one' });
    const back = talk.join('', { instanceId: 'one' });
    expect(talk.joinAnswer(waiting)).toMatchObject({ error: 'FENCED_INSTANCE_ID' });
    talk.join('', { instanceId: 'one' });
    expect(talk.joinAnswer(back)).toMatchObject({ error: 'FENCED_INSTANCE_ID' });
    expect(talk.group.state).toBe('PreparingRebalance');
  });

  test('between join and sync it begins a rebalance: the leader may have seen the old id', () => {
    const { talk, ids } = staticGroup('one', 'two');
    talk.join(ids[0] ?? '', { instanceId: 'one' });
    talk.join(ids[1] ?? '', { instanceId: 'two' });
    const waiting = talk.sync(ids[1] ?? '', {}, { instanceId: 'two' });
    talk.join('', { instanceId: 'two' });
    expect(talk.synced.get(waiting)).toMatchObject({ error: 'FENCED_INSTANCE_ID' });
    expect(talk.group.state).toBe('PreparingRebalance');
  });

  test('with strategies that change the choice, a rebalance begins', () => {
    const talk = new Conversation();
    const both = ['range', 'sticky'].map((name) => ({ name, metadata: Buffer.alloc(0) }));
    const reply = talk.join('', { instanceId: 'one', protocols: both });
    talk.pass(0);
    const { memberId } = talk.joinAnswer(reply);
    talk.sync(memberId, {}, { instanceId: 'one' });
    const back = talk.join('', { instanceId: 'one', protocols: [...both].reverse() });
    expect(talk.joinAnswer(back)).toMatchObject({ error: 'NONE', protocolName: 'sticky' });
    expect(talk.group.generation).toBe(2);
  });

  test('when the new id cannot be stored, the old self is back in its place', () => {
    const { talk, ids } = staticGroup('one', 'two');
    talk.storesByItself = false;
    const reply = talk.join('', {
      instanceId: 'one',
      protocols: [{ name: 'range', metadata: Buffer.from('other') }],
    });
    talk.deliver({ kind: 'stored', store: talk.stores.at(-1) ?? 0, error: 'NOT_COORDINATOR' });
    expect(talk.joinAnswer(reply)).toMatchObject({ error: 'NOT_COORDINATOR', memberId: '' });
    expect(talk.heartbeat(ids[0] ?? '', 'one')).toBe('NONE');
    expect(talk.group.snapshot()).toMatchObject({ leader: ids[0], state: 'Stable' });
    const self = talk.group.snapshot().members.find(({ memberId }) => memberId === ids[0]);
    expect(self).toMatchObject({
      metadata: Buffer.from('m'),
      assignment: Buffer.from('part 0'),
      instanceId: 'one',
    });
  });

  test('a third self that came meanwhile is not undone by the failure of the second', () => {
    const { talk } = staticGroup('one', 'two');
    talk.storesByItself = false;
    const second = talk.join('', { instanceId: 'one' });
    const third = talk.join('', { instanceId: 'one' });
    const [secondStore = 0, thirdStore = 0] = talk.stores.slice(-2);
    talk.deliver({ kind: 'stored', store: secondStore, error: 'NOT_COORDINATOR' });
    talk.deliver({ kind: 'stored', store: thirdStore, error: null });
    expect(talk.joinAnswer(second).error).toBe('NOT_COORDINATOR');
    const { error, memberId } = talk.joinAnswer(third);
    expect(error).toBe('NONE');
    expect(talk.heartbeat(memberId, 'one')).toBe('NONE');
  });
});

describe('being away', () => {
  test('a static member keeps its place over a rebalance that it does not join', () => {
    const { talk, ids } = staticGroup('one', 'two');
    const [one = '', two = ''] = ids;
    const late = talk.join(one, { instanceId: 'one' });
    for (let passed = 0; passed < REBALANCE_MS; passed += 5000) {
      talk.heartbeat(two, 'two');
      talk.pass(5000);
    }
    expect(talk.joinAnswer(late)).toMatchObject({ error: 'NONE', generationId: 2 });
    expect(talk.joinAnswer(late).members).toHaveLength(2);
    expect(talk.memberIds).toEqual(ids);
  });

  test('a leader that is away does not lead the next generation', () => {
    const { talk, ids } = staticGroup('one', 'two');
    const [one = '', two = ''] = ids;
    const late = talk.join(two, {
      instanceId: 'two',
      protocols: [{ name: 'range', metadata: Buffer.from('new') }],
    });
    for (let passed = 0; passed < REBALANCE_MS; passed += 5000) {
      talk.heartbeat(one, 'one');
      talk.pass(5000);
    }
    expect(talk.joinAnswer(late)).toMatchObject({ error: 'NONE', generationId: 2, leader: two });
    expect(talk.joinAnswer(late).members).toHaveLength(2);
  });

  test('the completed join begins the session of those who were away anew', () => {
    const { talk, ids } = staticGroup('one', 'two');
    const [one = '', two = ''] = ids;
    talk.join(one, { instanceId: 'one' });
    for (let passed = 0; passed < REBALANCE_MS - 5000; passed += 5000) {
      talk.pass(5000);
      talk.heartbeat(two, 'two');
    }
    talk.pass(5000); // Five seconds of silence, then the join is complete.
    expect(talk.group.state).toBe('CompletingRebalance');
    talk.sync(one, { [one]: 'all' }, { instanceId: 'one' });
    talk.pass(SESSION_MS - 1);
    expect(talk.memberIds).toContain(two);
    talk.heartbeat(one, 'one');
    talk.pass(1);
    expect(talk.memberIds).not.toContain(two);
  });

  test('when only static members are left that are away, the join waits for their sessions', () => {
    const { talk, ids } = staticGroup('one', 'two');
    const [one = '', two = ''] = ids;
    talk.join(one, { instanceId: 'one' });
    expect(talk.leave(one, 'one')).toEqual(['NONE']);
    expect(talk.group.state).toBe('PreparingRebalance');
    talk.pass(SESSION_MS - 1);
    expect(talk.memberIds).toEqual([two]);
    talk.pass(1);
    expect(talk.group.state).toBe('Empty');
  });
});

describe('leaving', () => {
  test('an operator removes one by its instance id', () => {
    const { talk } = staticGroup('one');
    expect(talk.leave('', 'one')).toEqual(['NONE']);
    expect(talk.group.state).toBe('Empty');
  });

  test.each([
    ['nobody of that instance', '', 'three', 'UNKNOWN_MEMBER_ID'],
    ['neither id', '', null, 'UNKNOWN_MEMBER_ID'],
    ['an old self', 'old', 'one', 'FENCED_INSTANCE_ID'],
  ])('%s', (_what, memberId, instanceId, error) => {
    const { talk } = staticGroup('one');
    expect(talk.leave(memberId, instanceId)).toEqual([error]);
    expect(talk.group.state).toBe('Stable');
  });
});
