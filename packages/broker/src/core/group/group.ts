/**
 * One classic consumer group: who is a member, which generation it is in, who must answer what next.
 *
 *   Empty ──────────► PreparingRebalance ◄──────── Stable
 *     ▲                 │            ▲               ▲
 *     └─────────────────┤            │               │
 *      nobody joined    ▼            │               │
 *                     CompletingRebalance ───────────┘
 *                                     the leader's assignment is stored
 *
 * Dead follows any of them. A rebalance has two phases: all members join again (JoinGroup parks), then the leader
 * hands in the assignment (SyncGroup parks) and it is stored before anybody sees it.
 *
 * Pure: the host carries out the effects, stores group records in __consumer_offsets and says when that is done.
 * How long each phase waits is in join-phase.ts and sync-phase.ts, who may do what in admission.ts, the shape of
 * answers in generation.ts. Committed offsets are not here (offsets.ts); which broker is the coordinator is the host's
 * affair.
 */
import type { KafkaErrorName } from '@odradek/protocol';
import { type Machine, type Millis, millis, type Tick } from '@odradek/runtime';
import {
  committingMember,
  type GroupView,
  identify,
  joinRefusal,
  memberOfGeneration,
  syncingMember,
} from './admission.ts';
import {
  type Generation,
  joinAnswer,
  NO_GENERATION,
  refusedJoin,
  refusedSync,
  snapshotOfGroup,
  syncAnswer,
} from './generation.ts';
import type {
  GroupEffect,
  GroupInput,
  GroupOptions,
  GroupSnapshot,
  GroupState,
  JoinRequest,
  JoinResult,
  MemberIdentity,
  SyncRequest,
} from './group-types.ts';
import { HandedOutIds } from './handed-out-ids.ts';
import { JoinPhase } from './join-phase.ts';
import {
  isParked,
  type Member,
  Members,
  NO_ASSIGNMENT,
  type ReplyId,
  sameProtocols,
} from './members.ts';
import { SyncPhase } from './sync-phase.ts';

/** A new member that waits for its first join to complete is kept this long, in place of its own session time-out. */
const NEW_MEMBER_SESSION_MS = 5 * 60_000;

/** What follows when a group record has been written, or could not be. */
type PendingStore = Readonly<
  /** The group is empty: nobody waits. */
  | { kind: 'empty' }
  | { kind: 'assignment'; generationId: number; assignments: ReadonlyMap<string, Buffer> }
  /** A static member came back and waits for its new id to be stored. */
  | { kind: 'return'; reply: ReplyId; result: JoinResult; replaced: Member }
>;

export class Group implements Machine<GroupInput, GroupEffect> {
  readonly groupId: string;
  readonly #options: GroupOptions;
  readonly #members: Members;
  readonly #handedOut: HandedOutIds;
  readonly #joinPhase = new JoinPhase();
  readonly #syncPhase = new SyncPhase();
  readonly #pendingStores = new Map<number, PendingStore>();
  #state: GroupState = 'Empty';
  #agreed: Generation = NO_GENERATION;
  #nextStore = 1;
  /** The time and the effects of the step that is being made. */
  #now: Millis = millis(0);
  #effects: GroupEffect[] = [];

  constructor(groupId: string, options: GroupOptions) {
    this.groupId = groupId;
    this.#options = options;
    this.#members = new Members(options.room);
    this.#handedOut = new HandedOutIds(options.limits.handedOutIdsMax, options.room);
  }

  /** A group as it was stored: Stable with its members, whose sessions start anew, or Empty. */
  static restore(
    groupId: string,
    options: GroupOptions,
    stored: Omit<GroupSnapshot, 'state'>,
    now: Millis,
  ): Group {
    const { generation, protocolType, protocolName, leader, members } = stored;
    const group = new Group(groupId, options);
    group.#now = now;
    group.#agreed = { id: generation, protocolType, protocolName, leader };
    group.#state = members.length === 0 ? 'Empty' : 'Stable';
    for (const { metadata, ...member } of members) {
      group.#members.add({
        ...member,
        protocols: protocolName === null ? [] : [{ name: protocolName, metadata }],
        join: null,
        sync: null,
        isNew: false,
        expiresAt: millis(now + member.sessionTimeoutMs),
      });
    }
    // The limit was lowered: members can commit and come again, as far as there is place.
    if (group.#members.size > options.maxSize) group.#rebalance();
    return group;
  }

  get state(): GroupState {
    return this.#state;
  }

  get generation(): number {
    return this.#agreed.id;
  }

  get protocolType(): string | null {
    return this.#agreed.protocolType;
  }

  /** Nobody is in it, and nobody is about to be. */
  get isVacant(): boolean {
    return this.#members.size === 0 && this.#handedOut.size === 0;
  }

  snapshot(): GroupSnapshot {
    return snapshotOfGroup(this.#state, this.#agreed, this.#members, null);
  }

  step(input: GroupInput | Tick, now: Millis): readonly GroupEffect[] {
    const effects: GroupEffect[] = [];
    this.#effects = effects;
    this.#now = now;
    switch (input.kind) {
      case 'join':
        this.#join(input.reply, input.request);
        break;
      case 'sync':
        this.#sync(input.reply, input.request);
        break;
      case 'leave': {
        const errors = input.members.map((identity) => this.#leave(identity));
        effects.push({ kind: 'left', reply: input.reply, errors });
        break;
      }
      case 'stored':
        this.#stored(input.store, input.error);
        break;
      case 'unload':
        this.#end('NOT_COORDINATOR');
        break;
      case 'die':
        this.#end('COORDINATOR_NOT_AVAILABLE');
        break;
      case 'tick':
        this.#tick();
        break;
    }
    return effects;
  }

  deadline(): Millis | null {
    let next: Millis | null = null;
    for (const at of [
      this.#joinPhase.deadline,
      this.#syncPhase.deadline,
      this.#handedOut.firstExpiry(),
      this.#members.firstExpiry(),
    ]) {
      if (at !== null && (next === null || at < next)) next = at;
    }
    return next;
  }

  /** Answers a heartbeat, and believes the member alive for another session. */
  heartbeat(identity: MemberIdentity, generationId: number, now: Millis): KafkaErrorName {
    const member = memberOfGeneration(this.#view(), identity, generationId);
    if (typeof member === 'string') return member;
    this.#now = now;
    this.#heard(member);
    return this.#state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE';
  }

  /** Tells whether an offset commit may be written, and counts it as a sign of life. */
  admitCommit(identity: MemberIdentity, generationId: number, now: Millis): KafkaErrorName {
    const member = committingMember(this.#view(), identity, generationId);
    if (typeof member === 'string') return member;
    this.#now = now;
    if (member !== null) this.#heard(member);
    return 'NONE';
  }

  // ---- joining -----------------------------------------------------------------------------------------------

  #join(reply: ReplyId, request: JoinRequest): void {
    const { memberId } = request;
    const refusal = joinRefusal(this.#view(), request, this.#options);
    if (refusal !== null) {
      const full = refusal === 'GROUP_MAX_SIZE_REACHED';
      // The last to join again of a group that is too large has no place in it any more.
      if (full && this.#state === 'PreparingRebalance') this.#remove(memberId);
      this.#refuseJoin(reply, refusal, full ? '' : memberId);
      return;
    }
    if (memberId === '') {
      this.#joinNew(reply, request);
      return;
    }
    if (request.instanceId === null && this.#handedOut.take(memberId)) {
      this.#addAndRebalance(reply, request, memberId);
      return;
    }
    const member = identify(this.#members, request);
    if (typeof member === 'string') {
      this.#refuseJoin(reply, member, memberId);
      return;
    }
    if (this.#mayKeepGeneration(member, request)) {
      this.#heard(member);
      const result = this.#joinResult(member, this.#leads(member));
      this.#effects.push({ kind: 'joined', reply, result });
      return;
    }
    // A second JoinGroup of the same member: the first one's connection is gone or will be.
    this.#answerJoin(member, 'REBALANCE_IN_PROGRESS');
    const { protocols, sessionTimeoutMs, rebalanceTimeoutMs } = request;
    this.#members.change(member, { protocols, sessionTimeoutMs, rebalanceTimeoutMs });
    member.join = reply;
    this.#rebalance();
  }

  #joinNew(reply: ReplyId, request: JoinRequest): void {
    const { instanceId, freshMemberId, sessionTimeoutMs } = request;
    const oldSelf = this.#members.get(this.#members.ofInstance(instanceId) ?? '');
    if (oldSelf !== undefined) {
      this.#return(reply, request, oldSelf);
    } else if (instanceId === null && request.requiresKnownMemberId) {
      this.#handedOut.add(freshMemberId, millis(this.#now + sessionTimeoutMs));
      this.#refuseJoin(reply, 'MEMBER_ID_REQUIRED', freshMemberId);
    } else {
      this.#addAndRebalance(reply, request, freshMemberId);
    }
  }

  #addAndRebalance(reply: ReplyId, request: JoinRequest, memberId: string): void {
    const { protocolType } = request;
    if (this.#members.size === 0) this.#agreed = { ...this.#agreed, protocolType };
    this.#members.add({
      memberId,
      instanceId: request.instanceId,
      clientId: request.clientId,
      clientHost: request.clientHost,
      sessionTimeoutMs: request.sessionTimeoutMs,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      protocols: request.protocols,
      assignment: NO_ASSIGNMENT,
      join: reply,
      sync: null,
      isNew: true,
      expiresAt: millis(this.#now + NEW_MEMBER_SESSION_MS),
    });
    if (this.#agreed.leader === null) this.#follow(memberId);
    this.#joinPhase.memberCame();
    this.#rebalance();
  }

  /** Tells whether a member that joins again can go on with this generation: its answer got lost. */
  #mayKeepGeneration(member: Member, { protocols }: JoinRequest): boolean {
    if (!sameProtocols(member.protocols, protocols)) return false;
    if (this.#state === 'CompletingRebalance') return true;
    // The leader of a stable group means to rebalance: what the group reads has changed.
    return this.#state === 'Stable' && !this.#leads(member);
  }

  // ---- static members that come back -------------------------------------------------------------------------

  /** A static member came back under a new id: its old self is fenced, and often nobody else need notice. */
  #return(reply: ReplyId, request: JoinRequest, replaced: Member): void {
    if (this.#pendingStores.size >= this.#options.limits.returnsInFlightMax) {
      this.#refuseJoin(reply, 'COORDINATOR_NOT_AVAILABLE', '');
      return;
    }
    this.#answerJoin(replaced, 'FENCED_INSTANCE_ID');
    this.#answerSync(replaced, 'FENCED_INSTANCE_ID');
    const led = this.#leads(replaced);
    const member = this.#replace(replaced, {
      ...replaced,
      memberId: request.freshMemberId,
      clientId: request.clientId,
      clientHost: request.clientHost,
      protocols: request.protocols,
      sessionTimeoutMs: request.sessionTimeoutMs,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    });
    const goesOn =
      this.#state === 'Stable' && this.#members.electProtocol() === this.#agreed.protocolName;
    if (!goesOn) {
      member.join = reply;
      member.expiresAt = millis(this.#now + NEW_MEMBER_SESSION_MS);
      this.#rebalance();
      return;
    }
    const skips = led && request.canSkipAssignment;
    const result = { ...this.#joinResult(member, skips), skipAssignment: skips };
    // Before v9 the old self is named as leader, so that the new one does not compute an assignment nobody takes.
    if (led && !skips) result.leader = replaced.memberId;
    this.#store({ kind: 'return', reply, result, replaced });
  }

  /** The new id could not be stored: after a failover only the old one would be known, so it is put back. */
  #undoReturn(memberId: string, replaced: Member): void {
    const member = this.#members.get(memberId);
    if (member === undefined || this.#members.ofInstance(replaced.instanceId) !== memberId) return;
    this.#replace(member, { ...replaced, assignment: member.assignment });
  }

  #replace(oldSelf: Member, newSelf: Member): Member {
    const led = this.#leads(oldSelf);
    this.#members.remove(oldSelf.memberId);
    this.#syncPhase.settle(oldSelf.memberId);
    this.#members.add(newSelf);
    if (led) this.#follow(newSelf.memberId);
    this.#heard(newSelf);
    return newSelf;
  }

  // ---- rebalancing -------------------------------------------------------------------------------------------

  #rebalance(): void {
    if (this.#state === 'CompletingRebalance') this.#dropAssignment('REBALANCE_IN_PROGRESS');
    if (this.#state !== 'PreparingRebalance') {
      this.#syncPhase.end();
      const timeoutMs = this.#members.rebalanceTimeoutMs();
      if (this.#state === 'Empty') {
        this.#joinPhase.beginFirst(this.#now, this.#options.initialRebalanceDelayMs, timeoutMs);
      } else {
        this.#joinPhase.begin(this.#now, timeoutMs);
      }
      this.#state = 'PreparingRebalance';
    }
    this.#completeJoinIfAllAreThere();
  }

  #completeJoinIfAllAreThere(): void {
    if (this.#state !== 'PreparingRebalance' || this.#joinPhase.isFirst) return;
    if (this.#handedOut.size > 0) return;
    for (const { join } of this.#members.all()) if (join === null) return;
    this.#completeJoin();
  }

  #completeJoin(): void {
    for (const member of [...this.#members.all()]) {
      if (member.join === null && member.instanceId === null) this.#forget(member.memberId);
    }
    const [firstJoined] = this.#members.joining();
    if (this.#members.size > 0 && firstJoined === undefined) {
      // Only static members that are away are left: they have until their sessions end.
      this.#joinPhase.begin(this.#now, this.#members.rebalanceTimeoutMs());
      return;
    }
    this.#joinPhase.end();
    const { id, protocolType, leader } = this.#agreed;
    if (firstJoined === undefined) {
      this.#agreed = { id: id + 1, protocolType, protocolName: null, leader: null };
      this.#state = 'Empty';
      this.#store({ kind: 'empty' });
      return;
    }
    const leaderIsThere = (this.#members.get(leader ?? '')?.join ?? null) !== null;
    this.#agreed = {
      id: id + 1,
      protocolType,
      protocolName: this.#members.electProtocol(),
      leader: leaderIsThere ? leader : firstJoined.memberId,
    };
    this.#state = 'CompletingRebalance';
    const syncDeadline = millis(this.#now + this.#members.rebalanceTimeoutMs());
    this.#syncPhase.begin(this.#members.all(), syncDeadline);
    for (const member of this.#members.all()) {
      member.isNew = false;
      this.#heard(member);
      const reply = member.join;
      if (reply === null) continue;
      member.join = null;
      const result = this.#joinResult(member, this.#leads(member));
      this.#effects.push({ kind: 'joined', reply, result });
    }
  }

  #tick(): void {
    const now = this.#now;
    this.#handedOut.forgetExpired(now);
    for (const member of [...this.#members.all()]) {
      if (!isParked(member) && member.expiresAt <= now) this.#remove(member.memberId);
    }
    const late = this.#syncPhase.late(now);
    for (const memberId of late) this.#forget(memberId);
    if (late.length > 0) this.#rebalance();
    if (this.#joinPhase.isOver(now)) this.#completeJoin();
    this.#completeJoinIfAllAreThere();
  }

  // ---- assigning ---------------------------------------------------------------------------------------------

  #sync(reply: ReplyId, request: SyncRequest): void {
    const member = syncingMember(this.#view(), request);
    if (typeof member === 'string') {
      this.#effects.push({ kind: 'synced', reply, result: refusedSync(member) });
      return;
    }
    this.#syncPhase.settle(member.memberId);
    this.#answerSync(member, 'REBALANCE_IN_PROGRESS');
    member.sync = reply;
    if (this.#state === 'Stable') {
      this.#answerSync(member, null);
    } else if (this.#leads(member) && !this.#isStoringAssignment()) {
      const given = new Map(request.assignments.map((part) => [part.memberId, part.assignment]));
      const assignments = new Map<string, Buffer>();
      for (const { memberId } of this.#members.all())
        assignments.set(memberId, given.get(memberId) ?? NO_ASSIGNMENT);
      this.#store({ kind: 'assignment', generationId: this.#agreed.id, assignments });
    }
  }

  #isStoringAssignment(): boolean {
    for (const pending of this.#pendingStores.values()) {
      if (pending.kind === 'assignment' && pending.generationId === this.#agreed.id) return true;
    }
    return false;
  }

  #store(pending: PendingStore): void {
    const store = this.#nextStore++;
    this.#pendingStores.set(store, pending);
    const assignments = pending.kind === 'assignment' ? pending.assignments : null;
    const snapshot = snapshotOfGroup(this.#state, this.#agreed, this.#members, assignments);
    this.#effects.push({ kind: 'store', store, snapshot });
  }

  #stored(store: number, error: KafkaErrorName | null): void {
    const pending = this.#pendingStores.get(store);
    this.#pendingStores.delete(store);
    if (pending === undefined || pending.kind === 'empty') return;
    if (pending.kind === 'return') {
      const { reply, result, replaced } = pending;
      if (error === null) {
        this.#effects.push({ kind: 'joined', reply, result });
        return;
      }
      this.#undoReturn(result.memberId, replaced);
      this.#refuseJoin(reply, error, '');
      return;
    }
    // The group may have moved on while the record was being written; then its members were answered already.
    if (this.#state !== 'CompletingRebalance' || this.#agreed.id !== pending.generationId) return;
    if (error !== null) {
      this.#dropAssignment(error);
      this.#rebalance();
      return;
    }
    this.#state = 'Stable';
    for (const member of this.#members.all()) {
      const assignment = pending.assignments.get(member.memberId) ?? NO_ASSIGNMENT;
      this.#members.change(member, { assignment });
      this.#answerSync(member, null);
    }
  }

  #dropAssignment(error: KafkaErrorName): void {
    for (const member of this.#members.all()) {
      this.#members.change(member, { assignment: NO_ASSIGNMENT });
      this.#answerSync(member, error);
    }
  }

  // ---- leaving -----------------------------------------------------------------------------------------------

  #leave({ memberId, instanceId }: MemberIdentity): KafkaErrorName {
    if (this.#state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
    if (this.#handedOut.take(memberId)) {
      this.#completeJoinIfAllAreThere();
      return 'NONE';
    }
    // An operator removes a static member by its instance id alone.
    const meant = memberId === '' ? (this.#members.ofInstance(instanceId) ?? '') : memberId;
    const member = identify(this.#members, { memberId: meant, instanceId });
    if (typeof member === 'string') return member;
    this.#remove(member.memberId);
    return 'NONE';
  }

  /** Takes a member out, answers what it waits for, and lets the others know by a rebalance. */
  #remove(memberId: string): void {
    const member = this.#members.get(memberId);
    if (member === undefined) return;
    this.#answerJoin(member, 'UNKNOWN_MEMBER_ID');
    this.#answerSync(member, 'UNKNOWN_MEMBER_ID');
    this.#forget(memberId);
    if (this.#state === 'PreparingRebalance') this.#completeJoinIfAllAreThere();
    else this.#rebalance();
  }

  #forget(memberId: string): void {
    this.#members.remove(memberId);
    this.#syncPhase.settle(memberId);
    if (this.#agreed.leader !== memberId) return;
    const [next] = this.#members.all();
    this.#follow(next?.memberId ?? null);
  }

  #end(error: KafkaErrorName): void {
    for (const member of [...this.#members.all()]) {
      this.#answerJoin(member, error);
      this.#answerSync(member, error);
      this.#members.remove(member.memberId);
    }
    for (const pending of this.#pendingStores.values()) {
      if (pending.kind === 'return') this.#refuseJoin(pending.reply, error, '');
    }
    this.#pendingStores.clear();
    this.#handedOut.clear();
    this.#joinPhase.end();
    this.#syncPhase.end();
    this.#state = 'Dead';
  }

  // ---- small parts -------------------------------------------------------------------------------------------

  #view(): GroupView {
    return { state: this.#state, agreed: this.#agreed, members: this.#members };
  }

  #leads({ memberId }: Member): boolean {
    return memberId === this.#agreed.leader;
  }

  #follow(leader: string | null): void {
    this.#agreed = { ...this.#agreed, leader };
  }

  #heard(member: Member): void {
    member.expiresAt = millis(this.#now + member.sessionTimeoutMs);
  }

  #joinResult(member: Member, withRoster: boolean): JoinResult {
    return joinAnswer(this.#agreed, member, withRoster ? this.#members.all() : []);
  }

  #refuseJoin(reply: ReplyId, error: KafkaErrorName, memberId: string): void {
    this.#effects.push({ kind: 'joined', reply, result: refusedJoin(error, memberId) });
  }

  /** Refuses a parked JoinGroup, if there is one. */
  #answerJoin(member: Member, error: KafkaErrorName): void {
    const reply = member.join;
    if (reply === null) return;
    member.join = null;
    this.#refuseJoin(reply, error, member.memberId);
  }

  /** Answers a parked SyncGroup, if there is one, and gives its member another session. */
  #answerSync(member: Member, error: KafkaErrorName | null): void {
    const reply = member.sync;
    if (reply === null) return;
    member.sync = null;
    this.#heard(member);
    const result = error === null ? syncAnswer(this.#agreed, member) : refusedSync(error);
    this.#effects.push({ kind: 'synced', reply, result });
  }
}
