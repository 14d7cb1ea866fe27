/**
 * A conversation with one group: who asks, what is answered, how time passes. Every answer is checked to be the
 * only one to its request.
 */
import { expect } from '@jest/globals';
import { type Millis, millis } from '@odradek/runtime';
import { Group } from '../../../src/core/group/group.ts';
import type {
  GroupEffect,
  GroupInput,
  GroupOptions,
  GroupSnapshot,
  JoinRequest,
  JoinResult,
  SyncRequest,
  SyncResult,
} from '../../../src/core/group/group-types.ts';
import { groupLimits, Room } from '../../../src/core/group/limits.ts';

export const SESSION_MS = 10_000;
export const REBALANCE_MS = 30_000;

/** A group with a clock that tests move, which answers its own store requests unless told not to. */
export class Conversation {
  readonly group: Group;
  readonly snapshots: GroupSnapshot[] = [];
  readonly joined = new Map<number, JoinResult>();
  readonly synced = new Map<number, SyncResult>();
  readonly left = new Map<number, readonly string[]>();
  readonly stores: number[] = [];
  storesByItself = true;
  now: Millis = millis(0);
  #reply = 0;

  constructor(options: Partial<GroupOptions> = {}, stored?: GroupSnapshot) {
    const all = {
      initialRebalanceDelayMs: 0,
      maxSize: 100,
      limits: groupLimits,
      room: new Room(groupLimits.groupsMaxBytes),
      ...options,
    };
    this.group =
      stored === undefined ? new Group('g', all) : Group.restore('g', all, stored, this.now);
  }

  /** What was answered to a JoinGroup. */
  joinAnswer(reply: number): JoinResult {
    const result = this.joined.get(reply);
    if (result === undefined) throw new Error(`JoinGroup ${reply} is still waiting`);
    return result;
  }

  heartbeat(memberId: string, instanceId: string | null = null): string {
    return this.group.heartbeat({ memberId, instanceId }, this.group.generation, this.now);
  }

  get memberIds(): string[] {
    return this.group.snapshot().members.map(({ memberId }) => memberId);
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
        this.snapshots.push(effect.snapshot);
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
    changes: Partial<SyncRequest> = {},
  ): number {
    const reply = ++this.#reply;
    this.deliver({
      kind: 'sync',
      reply,
      request: {
        memberId,
        instanceId: null,
        generationId: this.group.generation,
        protocolType: null,
        protocolName: null,
        assignments: Object.entries(assignments).map(([id, text]) => ({
          memberId: id,
          assignment: Buffer.from(text),
        })),
        ...changes,
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
