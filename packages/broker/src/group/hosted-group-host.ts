/** One group with what its machine needs of the world: time, the record store, and callers that wait for answers. */
import type { KafkaErrorName } from '@odradek/protocol';
import { type Deliver, drive, type Time } from '@odradek/runtime';
import { Group } from '../core/group/group.ts';
import type {
  GroupEffect,
  GroupInput,
  GroupOptions,
  GroupSnapshot,
  JoinRequest,
  JoinResult,
  MemberIdentity,
  SyncRequest,
  SyncResult,
} from '../core/group/group-types.ts';
import type { OffsetTable } from '../core/group/offsets.ts';
import { storeError } from './write-errors.ts';

export interface HostedGroupOptions {
  readonly groupId: string;
  readonly offsets: OffsetTable;
  /** null: a new group. */
  readonly stored: GroupSnapshot | null;
  readonly stateSinceMs: number | null;
  readonly time: Time;
  readonly options: GroupOptions;
  /** Writes the group's record; resolves to the error when it could not be, and never rejects. */
  readonly store: (snapshot: GroupSnapshot) => Promise<KafkaErrorName | null>;
}

export class HostedGroup {
  readonly group: Group;
  readonly offsets: OffsetTable;
  readonly deliver: Deliver<GroupInput>;
  /** Since when the group is in the state that was stored last; null when nobody knows. */
  stateSinceMs: number | null;
  readonly #time: Time;
  readonly #store: HostedGroupOptions['store'];
  /** Made with the first waiter: most groups of a coordinator are only offsets. */
  #joins: Map<number, (result: JoinResult) => void> | null = null;
  #syncs: Map<number, (result: SyncResult) => void> | null = null;
  #leaves: Map<number, (errors: readonly KafkaErrorName[]) => void> | null = null;
  #nextReply = 1;

  constructor({
    groupId,
    offsets,
    stored,
    stateSinceMs,
    time,
    options,
    store,
  }: HostedGroupOptions) {
    this.group =
      stored === null
        ? new Group(groupId, options)
        : Group.restore(groupId, options, stored, time.clock.now());
    this.offsets = offsets;
    this.stateSinceMs = stateSinceMs;
    this.#time = time;
    this.#store = store;
    this.deliver = drive(this.group, time, (effect) => this.#perform(effect));
  }

  /** There is nothing in it that would be missed: no member, no offset, no record of it. */
  get isUnused(): boolean {
    const { state, generation, isVacant } = this.group;
    return state === 'Empty' && generation === 0 && isVacant && this.offsets.isEmpty;
  }

  join(request: JoinRequest): Promise<JoinResult> {
    return new Promise((resolve) => {
      const reply = this.#nextReply++;
      this.#joins ??= new Map();
      this.#joins.set(reply, resolve);
      this.deliver({ kind: 'join', reply, request });
    });
  }

  sync(request: SyncRequest): Promise<SyncResult> {
    return new Promise((resolve) => {
      const reply = this.#nextReply++;
      this.#syncs ??= new Map();
      this.#syncs.set(reply, resolve);
      this.deliver({ kind: 'sync', reply, request });
    });
  }

  leave(members: readonly MemberIdentity[]): Promise<readonly KafkaErrorName[]> {
    return new Promise((resolve) => {
      const reply = this.#nextReply++;
      this.#leaves ??= new Map();
      this.#leaves.set(reply, resolve);
      this.deliver({ kind: 'leave', reply, members });
    });
  }

  #perform(effect: GroupEffect): void {
    switch (effect.kind) {
      case 'joined':
        take(this.#joins, effect.reply)?.(effect.result);
        break;
      case 'synced':
        take(this.#syncs, effect.reply)?.(effect.result);
        break;
      case 'left':
        take(this.#leaves, effect.reply)?.(effect.errors);
        break;
      case 'store':
        this.stateSinceMs = this.#time.clock.wallTime();
        this.#storeThenTell(effect.store, effect.snapshot);
        break;
    }
  }

  #storeThenTell(store: number, snapshot: GroupSnapshot): void {
    void this.#store(snapshot).then((error) => {
      this.deliver({ kind: 'stored', store, error: error === null ? null : storeError(error) });
    });
  }
}

function take<T>(waiting: Map<number, T> | null, reply: number): T | undefined {
  const found = waiting?.get(reply);
  waiting?.delete(reply);
  return found;
}
