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

type Stored = { readonly ok: true } | { readonly ok: false; readonly error: KafkaErrorName };

export interface HostedGroupOptions {
  readonly groupId: string;
  readonly offsets: OffsetTable;
  /** null: a new group. */
  readonly stored: GroupSnapshot | null;
  readonly stateSinceMs: number | null;
  readonly time: Time;
  readonly options: GroupOptions;
  /** Writes the group's record; never rejects for what a broker can live with. */
  readonly store: (snapshot: GroupSnapshot) => Promise<Stored>;
}

export class HostedGroup {
  readonly group: Group;
  readonly offsets: OffsetTable;
  readonly deliver: Deliver<GroupInput>;
  /** Since when the group is in the state that was stored last; null when nobody knows. */
  stateSinceMs: number | null;
  readonly #time: Time;
  readonly #store: HostedGroupOptions['store'];
  readonly #joins = new Map<number, (result: JoinResult) => void>();
  readonly #syncs = new Map<number, (result: SyncResult) => void>();
  readonly #leaves = new Map<number, (errors: readonly KafkaErrorName[]) => void>();
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

  join(request: JoinRequest): Promise<JoinResult> {
    return new Promise((resolve) => {
      const reply = this.#nextReply++;
      this.#joins.set(reply, resolve);
      this.deliver({ kind: 'join', reply, request });
    });
  }

  sync(request: SyncRequest): Promise<SyncResult> {
    return new Promise((resolve) => {
      const reply = this.#nextReply++;
      this.#syncs.set(reply, resolve);
      this.deliver({ kind: 'sync', reply, request });
    });
  }

  leave(members: readonly MemberIdentity[]): Promise<readonly KafkaErrorName[]> {
    return new Promise((resolve) => {
      const reply = this.#nextReply++;
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
        this.#store(effect.snapshot).then(
          (stored) =>
            this.deliver({
              kind: 'stored',
              store: effect.store,
              error: stored.ok ? null : storeError(stored.error),
            }),
          () =>
            this.deliver({ kind: 'stored', store: effect.store, error: 'UNKNOWN_SERVER_ERROR' }),
        );
        break;
    }
  }
}

function take<T>(waiting: Map<number, T>, reply: number): T | undefined {
  const found = waiting.get(reply);
  waiting.delete(reply);
  return found;
}

/** What members are told when the group's record could not be written. */
function storeError(error: KafkaErrorName): KafkaErrorName {
  switch (error) {
    case 'UNKNOWN_TOPIC_OR_PARTITION':
    case 'NOT_ENOUGH_REPLICAS':
    case 'NOT_ENOUGH_REPLICAS_AFTER_APPEND':
      return 'COORDINATOR_NOT_AVAILABLE';
    case 'NOT_LEADER_OR_FOLLOWER':
    case 'KAFKA_STORAGE_ERROR':
      return 'NOT_COORDINATOR';
    case 'REQUEST_TIMED_OUT':
      return 'REBALANCE_IN_PROGRESS';
    case 'MESSAGE_TOO_LARGE':
    case 'RECORD_LIST_TOO_LARGE':
    case 'INVALID_FETCH_SIZE':
      return 'UNKNOWN_SERVER_ERROR';
    default:
      return error;
  }
}
