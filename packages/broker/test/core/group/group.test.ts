/**
 * The group machine: a script reads like a conversation (who asks, what is answered), and a property runs random
 * conversations and checks what must hold whatever happens.
 */
import { describe, expect, test } from '@jest/globals';
import { type Millis, millis } from '@odradek/runtime';
import fc from 'fast-check';
import { Group } from '../../../src/core/group/group.ts';
import type {
  GroupEffect,
  GroupInput,
  JoinRequest,
  JoinResult,
  SyncResult,
} from '../../../src/core/group/group-types.ts';

const SESSION_MS = 10_000;
const REBALANCE_MS = 30_000;

/** A group with a clock that tests move, which answers its own store requests unless told not to. */
class Conversation {
  readonly group: Group;
  readonly joined = new Map<number, JoinResult>();
  readonly synced = new Map<number, SyncResult>();
  readonly left = new Map<number, readonly string[]>();
  readonly stores: number[] = [];
  storesByItself = true;
  now: Millis = millis(0);
  #reply = 0;

  constructor(initialRebalanceDelayMs = 0, maxSize = 100) {
    this.group = new Group('g', { initialRebalanceDelayMs, maxSize });
  }

  deliver(input: GroupInput | { kind: 'tick' }): void {
    for (const effect of this.group.step(input, this.now)) this.#take(effect);
  }

  #take(effect: GroupEffect): void {
    switch (effect.kind) {
      case 'joined':
        expect(this.joined.has(effect.reply)).toBe(false);
        this.joined.set(effect.reply, effect.result);
        break;
      case 'synced':
        expect(this.synced.has(effect.reply)).toBe(false);
        this.synced.set(effect.reply, effect.result);
        break;
      case 'left':
        this.left.set(effect.reply, effect.errors);
        break;
      case 'store':
        this.stores.push(effect.store);
        if (this.storesByItself) this.deliver({ kind: 'stored', store: effect.store, error: null });
        break;
    }
  }

  join(memberId: string, changes: Partial<JoinRequest> = {}): number {
    const reply = ++this.#reply;
    this.deliver({
      kind: 'join',
      reply,
      request: {
        memberId,
        instanceId: null,
        freshMemberId: `fresh-${reply}`,
        clientId: 'client',
        clientHost: '/127.0.0.1',
        sessionTimeoutMs: SESSION_MS,
        rebalanceTimeoutMs: REBALANCE_MS,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.from('m') }],
        requiresKnownMemberId: false,
        canSkipAssignment: false,
        ...changes,
      },
    });
    return reply;
  }

  sync(
    memberId: string,
    assignments: Record<string, string> = {},
    changes: { generationId?: number; instanceId?: string | null } = {},
  ): number {
    const reply = ++this.#reply;
    this.deliver({
      kind: 'sync',
      reply,
      request: {
        memberId,
        instanceId: changes.instanceId ?? null,
        generationId: changes.generationId ?? this.group.generation,
        protocolType: null,
        protocolName: null,
        assignments: Object.entries(assignments).map(([id, text]) => ({
          memberId: id,
          assignment: Buffer.from(text),
        })),
      },
    });
    return reply;
  }

  leave(memberId: string, instanceId: string | null = null): readonly string[] | undefined {
    const reply = ++this.#reply;
    this.deliver({ kind: 'leave', reply, members: [{ memberId, instanceId }] });
    return this.left.get(reply);
  }

  /** Lets time pass, waking the group as often as it asks for. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      const deadline = this.group.deadline();
      if (deadline === null || deadline > until) break;
      this.now = millis(Math.max(deadline, this.now));
      this.deliver({ kind: 'tick' });
    }
    this.now = millis(until);
  }

  /** Two members in a stable group; the first leads. */
  static stable(): { talk: Conversation; leader: string; follower: string } {
    const talk = new Conversation();
    const a = talk.join('');
    talk.pass(0);
    const leader = talk.joined.get(a)?.memberId ?? '';
    talk.sync(leader, { [leader]: 'all' });
    const b = talk.join('');
    const again = talk.join(leader);
    const follower = talk.joined.get(b)?.memberId ?? '';
    expect(talk.joined.get(again)).toMatchObject({ error: 'NONE', leader });
    const waiting = talk.sync(follower);
    expect(talk.synced.has(waiting)).toBe(false);
    talk.sync(leader, { [leader]: 'half', [follower]: 'other half' });
    expect(talk.synced.get(waiting)).toMatchObject({ error: 'NONE' });
    expect(talk.group.state).toBe('Stable');
    return { talk, leader, follower };
  }
}

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
    const talk = new Conversation(3000);
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
    const talk = new Conversation(0, 1);
    talk.join('');
    expect(talk.joined.get(talk.join(''))).toMatchObject({ error: 'GROUP_MAX_SIZE_REACHED' });
  });

  test('most votes choose the strategy, among those that all members offer', () => {
    const talk = new Conversation(10);
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

describe('static members', () => {
  function withStatic(): { talk: Conversation; memberId: string } {
    const talk = new Conversation();
    const reply = talk.join('', { instanceId: 'one' });
    talk.pass(0);
    const memberId = talk.joined.get(reply)?.memberId ?? '';
    talk.sync(memberId, { [memberId]: 'all' }, { instanceId: 'one' });
    expect(talk.group.state).toBe('Stable');
    return { talk, memberId };
  }

  test('one that comes back keeps its assignment without a rebalance; its old self is fenced', () => {
    const { talk, memberId } = withStatic();
    const reply = talk.join('', { instanceId: 'one', canSkipAssignment: true });
    const result = talk.joined.get(reply);
    expect(result).toMatchObject({
      error: 'NONE',
      generationId: 1,
      skipAssignment: true,
      leader: result?.memberId,
    });
    expect(talk.group.state).toBe('Stable');
    expect(talk.group.heartbeat({ memberId, instanceId: 'one' }, 1, talk.now)).toBe(
      'FENCED_INSTANCE_ID',
    );
    const sync = talk.sync(result?.memberId ?? '', {}, { instanceId: 'one' });
    expect(talk.synced.get(sync)).toMatchObject({ error: 'NONE', assignment: Buffer.from('all') });
  });

  test('a client that cannot skip is told that its old self leads, so that it computes nothing', () => {
    const { talk, memberId } = withStatic();
    const result = talk.joined.get(talk.join('', { instanceId: 'one' }));
    expect(result).toMatchObject({
      error: 'NONE',
      skipAssignment: false,
      leader: memberId,
      members: [],
    });
  });

  test('an operator removes one by its instance id', () => {
    const { talk } = withStatic();
    expect(talk.leave('', 'one')).toEqual(['NONE']);
    expect(talk.group.state).toBe('Empty');
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
  const copy = Group.restore(
    'g',
    { initialRebalanceDelayMs: 0, maxSize: 9 },
    talk.group.snapshot(),
    talk.now,
  );
  expect(copy.snapshot()).toEqual(talk.group.snapshot());
  expect(copy.heartbeat({ memberId: follower, instanceId: null }, 2, talk.now)).toBe('NONE');
  expect(copy.heartbeat({ memberId: leader, instanceId: null }, 2, talk.now)).toBe('NONE');
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
    fc.property(fc.array(action, { maxLength: 60 }), fc.boolean(), (actions, needsId) => {
      const talk = new Conversation(100, 4);
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
    }),
    { numRuns: 300 },
  );
});
