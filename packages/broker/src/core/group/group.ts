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
 * Committed offsets are not here (offsets.ts); which broker is the coordinator is the host's affair.
 */
import type { KafkaErrorName } from '@odradek/protocol';
import { type Machine, type Millis, millis, type Tick } from '@odradek/runtime';
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
  SyncResult,
} from './group-types.ts';
import {
  type Member,
  Members,
  metadataFor,
  NO_ASSIGNMENT,
  type ReplyId,
  sameProtocols,
} from './members.ts';

/** A new member that waits for its first join to complete is kept this long, in place of its own session time-out. */
const NEW_MEMBER_SESSION_MS = 5 * 60_000;
const NO_GENERATION = -1;

/** The static member that waits for its new id to be stored before it is answered. */
interface PendingStore {
  readonly store: number;
  readonly generation: number;
  readonly assignments: ReadonlyMap<string, Buffer> | null;
  readonly answer: { readonly reply: ReplyId; readonly result: JoinResult } | null;
}

export class Group implements Machine<GroupInput, GroupEffect> {
  readonly groupId: string;
  readonly #options: GroupOptions;
  readonly #members = new Members();
  /** Ids that were handed out and have not joined yet, with the time at which they are forgotten. */
  readonly #pendingMembers = new Map<string, Millis>();
  /** Members of this generation whose SyncGroup is still missing. */
  readonly #pendingSync = new Set<string>();
  readonly #pendingStores = new Map<number, PendingStore>();
  #state: GroupState = 'Empty';
  #generation = 0;
  #protocolType: string | null = null;
  #protocolName: string | null = null;
  #leader: string | null = null;
  #joinDeadline: Millis | null = null;
  /** The first rebalance of an empty group waits for more members; this is how much longer it may. */
  #initialDelay: { remainingMs: number; newMembers: boolean } | null = null;
  #syncDeadline: Millis | null = null;
  #nextStore = 1;

  constructor(groupId: string, options: GroupOptions) {
    this.groupId = groupId;
    this.#options = options;
  }

  /** A group as it was stored: Stable with its members, whose sessions start anew, or Empty. */
  static restore(
    groupId: string,
    options: GroupOptions,
    stored: Omit<GroupSnapshot, 'state'>,
    now: Millis,
  ): Group {
    const group = new Group(groupId, options);
    group.#generation = stored.generation;
    group.#protocolType = stored.protocolType;
    group.#protocolName = stored.protocolName;
    group.#leader = stored.leader;
    group.#state = stored.members.length === 0 ? 'Empty' : 'Stable';
    for (const { metadata, ...member } of stored.members) {
      group.#members.add({
        ...member,
        protocols: stored.protocolName === null ? [] : [{ name: stored.protocolName, metadata }],
        join: null,
        sync: null,
        isNew: false,
        expiresAt: millis(now + member.sessionTimeoutMs),
      });
    }
    return group;
  }

  get state(): GroupState {
    return this.#state;
  }

  get generation(): number {
    return this.#generation;
  }

  get protocolType(): string | null {
    return this.#protocolType;
  }

  /** Nobody is in it, and nobody is about to be. */
  get isVacant(): boolean {
    return this.#members.size === 0 && this.#pendingMembers.size === 0;
  }

  snapshot(): GroupSnapshot {
    return this.#snapshot(null);
  }

  step(input: GroupInput | Tick, now: Millis): readonly GroupEffect[] {
    const effects: GroupEffect[] = [];
    switch (input.kind) {
      case 'join':
        this.#join(input.reply, input.request, now, effects);
        break;
      case 'sync':
        this.#sync(input.reply, input.request, now, effects);
        break;
      case 'leave':
        effects.push({
          kind: 'left',
          reply: input.reply,
          errors: input.members.map((identity) => this.#leave(identity, now, effects)),
        });
        break;
      case 'stored':
        this.#stored(input.store, input.error, now, effects);
        break;
      case 'unload':
        this.#end('NOT_COORDINATOR', effects);
        break;
      case 'die':
        this.#end('COORDINATOR_NOT_AVAILABLE', effects);
        break;
      case 'tick':
        this.#tick(now, effects);
        break;
    }
    return effects;
  }

  deadline(): Millis | null {
    let next = this.#joinDeadline;
    const consider = (at: Millis | null): void => {
      if (at !== null && (next === null || at < next)) next = at;
    };
    consider(this.#syncDeadline);
    for (const at of this.#pendingMembers.values()) consider(at);
    for (const member of this.#members.all()) {
      if (!isParked(member)) consider(member.expiresAt);
    }
    return next;
  }

  /** Answers a heartbeat, and believes the member alive for another session. */
  heartbeat(identity: MemberIdentity, generationId: number, now: Millis): KafkaErrorName {
    if (this.#state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
    const member = this.#identify(identity);
    if (typeof member === 'string') return member;
    if (generationId !== this.#generation) return 'ILLEGAL_GENERATION';
    if (this.#state === 'Empty') return 'UNKNOWN_MEMBER_ID';
    this.#heard(member, now);
    return this.#state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE';
  }

  /** Tells whether an offset commit may be written, and counts it as a sign of life. */
  admitCommit(identity: MemberIdentity, generationId: number, now: Millis): KafkaErrorName {
    if (this.#state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
    const anonymous = identity.memberId === '' && identity.instanceId === null;
    if (generationId < 0 && anonymous) {
      return this.#state === 'Empty' ? 'NONE' : 'UNKNOWN_MEMBER_ID';
    }
    if (generationId < 0 && this.#state === 'Empty') return 'NONE';
    const member = this.#identify(identity);
    if (typeof member === 'string') return member;
    if (generationId !== this.#generation) return 'ILLEGAL_GENERATION';
    if (this.#state === 'CompletingRebalance') return 'REBALANCE_IN_PROGRESS';
    this.#heard(member, now);
    return 'NONE';
  }

  // ---- joining -----------------------------------------------------------------------------------------------

  #join(reply: ReplyId, request: JoinRequest, now: Millis, effects: GroupEffect[]): void {
    const refuse = (error: KafkaErrorName, memberId = request.memberId): void => {
      effects.push({ kind: 'joined', reply, result: refusedJoin(error, memberId) });
    };
    if (this.#state === 'Dead') {
      refuse('COORDINATOR_NOT_AVAILABLE');
      return;
    }
    if (!this.#accepts(request)) {
      this.#remove(request.memberId, now, effects);
      refuse('GROUP_MAX_SIZE_REACHED');
      return;
    }
    if (!this.#canSpeakWith(request)) {
      refuse('INCONSISTENT_GROUP_PROTOCOL');
      return;
    }

    if (request.memberId === '') {
      this.#joinNew(reply, request, now, effects);
      return;
    }
    if (this.#pendingMembers.delete(request.memberId)) {
      this.#addAndRebalance(reply, request, request.memberId, now, effects);
      return;
    }
    const member = this.#identify(request);
    if (typeof member === 'string') {
      refuse(member);
      return;
    }
    switch (this.#state) {
      case 'PreparingRebalance':
        this.#rejoin(reply, member, request, now, effects);
        return;
      case 'CompletingRebalance':
        // The answer to its join got lost, or its wishes changed.
        if (sameProtocols(member.protocols, request.protocols)) {
          this.#answerAgain(reply, member, now, effects);
          return;
        }
        this.#rejoin(reply, member, request, now, effects);
        return;
      case 'Stable':
        if (
          member.memberId === this.#leader ||
          !sameProtocols(member.protocols, request.protocols)
        ) {
          this.#rejoin(reply, member, request, now, effects);
          return;
        }
        this.#answerAgain(reply, member, now, effects);
        return;
      default:
        refuse('UNKNOWN_MEMBER_ID');
    }
  }

  #joinNew(reply: ReplyId, request: JoinRequest, now: Millis, effects: GroupEffect[]): void {
    const replaced = this.#members.ofInstance(request.instanceId);
    if (replaced !== undefined) {
      this.#replaceStatic(reply, request, replaced, now, effects);
      return;
    }
    if (request.instanceId === null && request.requiresKnownMemberId) {
      this.#pendingMembers.set(request.freshMemberId, millis(now + request.sessionTimeoutMs));
      effects.push({
        kind: 'joined',
        reply,
        result: refusedJoin('MEMBER_ID_REQUIRED', request.freshMemberId),
      });
      return;
    }
    this.#addAndRebalance(reply, request, request.freshMemberId, now, effects);
  }

  #addAndRebalance(
    reply: ReplyId,
    request: JoinRequest,
    memberId: string,
    now: Millis,
    effects: GroupEffect[],
  ): void {
    if (this.#members.size === 0) this.#protocolType = request.protocolType;
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
      expiresAt: millis(now + NEW_MEMBER_SESSION_MS),
    });
    this.#leader ??= memberId;
    if (this.#initialDelay !== null) this.#initialDelay.newMembers = true;
    this.#rebalance(now, effects);
  }

  #rejoin(
    reply: ReplyId,
    member: Member,
    request: JoinRequest,
    now: Millis,
    effects: GroupEffect[],
  ): void {
    // A second JoinGroup of the same member: the first one's connection is gone or will be.
    if (member.join !== null) this.#answerJoin(member, 'REBALANCE_IN_PROGRESS', effects);
    member.protocols = request.protocols;
    member.sessionTimeoutMs = request.sessionTimeoutMs;
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
    member.join = reply;
    this.#rebalance(now, effects);
  }

  /** A static member came back under a new id: its old self is fenced, and often nobody else need notice. */
  #replaceStatic(
    reply: ReplyId,
    request: JoinRequest,
    oldId: string,
    now: Millis,
    effects: GroupEffect[],
  ): void {
    const old = this.#members.remove(oldId);
    if (old === undefined) return;
    if (old.join !== null) this.#answerJoin(old, 'FENCED_INSTANCE_ID', effects);
    if (old.sync !== null) this.#answerSync(old, 'FENCED_INSTANCE_ID', effects);
    this.#pendingSync.delete(oldId);
    const memberId = request.freshMemberId;
    const member: Member = {
      ...old,
      memberId,
      clientId: request.clientId,
      clientHost: request.clientHost,
      protocols: request.protocols,
      sessionTimeoutMs: request.sessionTimeoutMs,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      join: null,
      sync: null,
      expiresAt: millis(now + request.sessionTimeoutMs),
    };
    this.#members.add(member);
    const wasLeader = this.#leader === oldId;
    if (wasLeader) this.#leader = memberId;
    if (this.#state !== 'Stable' || this.#members.electProtocol() !== this.#protocolName) {
      member.join = reply;
      member.expiresAt = millis(now + NEW_MEMBER_SESSION_MS);
      this.#rebalance(now, effects);
      return;
    }
    // Before v9 the old leader's id is named, so that the returning leader does not compute a new assignment.
    const mayLead = request.canSkipAssignment;
    const result: JoinResult = {
      error: 'NONE',
      generationId: this.#generation,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      leader: (wasLeader && !mayLead ? oldId : this.#leader) ?? '',
      memberId,
      skipAssignment: wasLeader && mayLead,
      members: wasLeader && mayLead ? this.#roster() : [],
    };
    this.#store(effects, null, { reply, result });
  }

  #answerAgain(reply: ReplyId, member: Member, now: Millis, effects: GroupEffect[]): void {
    this.#heard(member, now);
    const leads = member.memberId === this.#leader && this.#state === 'CompletingRebalance';
    effects.push({ kind: 'joined', reply, result: this.#joinResult(member, leads) });
  }

  #accepts(request: JoinRequest): boolean {
    const { memberId } = request;
    switch (this.#state) {
      case 'Empty':
      case 'Dead':
        return this.#members.size + this.#pendingMembers.size < this.#options.maxSize ||
          this.#pendingMembers.has(memberId)
          ? true
          : this.#members.has(memberId);
      case 'PreparingRebalance': {
        const known = this.#members.get(memberId);
        if (known !== undefined && known.join !== null) return true;
        return this.#awaitingJoinCount() < this.#options.maxSize;
      }
      case 'CompletingRebalance':
      case 'Stable':
        return (
          this.#members.has(memberId) ||
          this.#members.ofInstance(request.instanceId) !== undefined ||
          this.#members.size < this.#options.maxSize
        );
    }
  }

  #canSpeakWith({ protocolType, protocols, memberId, instanceId }: JoinRequest): boolean {
    if (this.#members.size === 0) return protocolType !== '' && protocols.length > 0;
    if (protocolType !== this.#protocolType) return false;
    const self = memberId === '' ? this.#members.ofInstance(instanceId) : memberId;
    return protocols.some(({ name }) => {
      for (const member of this.#members.all()) {
        if (member.memberId === self) continue;
        if (!member.protocols.some((offered) => offered.name === name)) return false;
      }
      return true;
    });
  }

  // ---- rebalancing -------------------------------------------------------------------------------------------

  #rebalance(now: Millis, effects: GroupEffect[]): void {
    if (this.#state === 'CompletingRebalance') {
      this.#pendingSync.clear();
      this.#syncDeadline = null;
      for (const member of this.#members.all()) {
        member.assignment = NO_ASSIGNMENT;
        if (member.sync === null) continue;
        this.#answerSync(member, 'REBALANCE_IN_PROGRESS', effects);
        this.#heard(member, now);
      }
    }
    if (this.#state !== 'PreparingRebalance') {
      const timeoutMs = this.#members.rebalanceTimeoutMs();
      if (this.#state === 'Empty') {
        const delayMs = this.#options.initialRebalanceDelayMs;
        this.#initialDelay = { remainingMs: Math.max(timeoutMs - delayMs, 0), newMembers: false };
        this.#joinDeadline = millis(now + delayMs);
      } else {
        this.#joinDeadline = millis(now + timeoutMs);
      }
      this.#become('PreparingRebalance');
    }
    this.#completeJoinIfAllAreThere(now, effects);
  }

  #completeJoinIfAllAreThere(now: Millis, effects: GroupEffect[]): void {
    if (this.#state !== 'PreparingRebalance' || this.#initialDelay !== null) return;
    if (this.#pendingMembers.size > 0 || this.#awaitingJoinCount() < this.#members.size) return;
    this.#completeJoin(now, effects);
  }

  #completeJoin(now: Millis, effects: GroupEffect[]): void {
    this.#initialDelay = null;
    for (const member of [...this.#members.all()]) {
      if (member.join === null && member.instanceId === null) this.#forget(member.memberId);
    }
    const joined = [...this.#members.all()].filter(({ join }) => join !== null);
    if (this.#members.size > 0 && joined.length === 0) {
      // Only static members that are away are left: they have until their sessions end.
      this.#joinDeadline = millis(now + this.#members.rebalanceTimeoutMs());
      return;
    }
    this.#joinDeadline = null;
    this.#generation += 1;
    if (this.#members.size === 0) {
      this.#protocolName = null;
      this.#leader = null;
      this.#become('Empty');
      this.#store(effects, null, null);
      return;
    }
    const leader = this.#leader === null ? undefined : this.#members.get(this.#leader);
    if (leader === undefined || leader.join === null) this.#leader = joined[0]?.memberId ?? null;
    this.#protocolName = this.#members.electProtocol();
    this.#become('CompletingRebalance');
    this.#syncDeadline = millis(now + this.#members.rebalanceTimeoutMs());
    for (const member of this.#members.all()) {
      member.isNew = false;
      this.#pendingSync.add(member.memberId);
      if (member.join === null) continue;
      const reply = member.join;
      member.join = null;
      this.#heard(member, now);
      const result = this.#joinResult(member, member.memberId === this.#leader);
      effects.push({ kind: 'joined', reply, result });
    }
  }

  #tick(now: Millis, effects: GroupEffect[]): void {
    for (const [memberId, at] of this.#pendingMembers) {
      if (at <= now) this.#pendingMembers.delete(memberId);
    }
    for (const member of [...this.#members.all()]) {
      const parked = isParked(member);
      if (!parked && member.expiresAt <= now) this.#remove(member.memberId, now, effects);
    }
    if (this.#syncDeadline !== null && this.#syncDeadline <= now) {
      this.#syncDeadline = null;
      const late = [...this.#pendingSync];
      this.#pendingSync.clear();
      for (const memberId of late) this.#forget(memberId);
      if (late.length > 0) this.#rebalance(now, effects);
    }
    if (this.#joinDeadline !== null && this.#joinDeadline <= now) {
      const delay = this.#initialDelay;
      if (delay?.newMembers === true && delay.remainingMs > 0) {
        const extraMs = Math.min(this.#options.initialRebalanceDelayMs, delay.remainingMs);
        this.#initialDelay = { remainingMs: delay.remainingMs - extraMs, newMembers: false };
        this.#joinDeadline = millis(now + extraMs);
      } else {
        this.#completeJoin(now, effects);
      }
    }
    this.#completeJoinIfAllAreThere(now, effects);
  }

  // ---- assigning ---------------------------------------------------------------------------------------------

  #sync(reply: ReplyId, request: SyncRequest, now: Millis, effects: GroupEffect[]): void {
    const refuse = (error: KafkaErrorName): void => {
      effects.push({ kind: 'synced', reply, result: refusedSync(error) });
    };
    if (this.#state === 'Dead') {
      refuse('COORDINATOR_NOT_AVAILABLE');
      return;
    }
    const member = this.#identify(request);
    if (typeof member === 'string') {
      refuse(member);
      return;
    }
    if (request.generationId !== this.#generation) {
      refuse('ILLEGAL_GENERATION');
      return;
    }
    if (
      (request.protocolType !== null && request.protocolType !== this.#protocolType) ||
      (request.protocolName !== null && request.protocolName !== this.#protocolName)
    ) {
      refuse('INCONSISTENT_GROUP_PROTOCOL');
      return;
    }
    switch (this.#state) {
      case 'PreparingRebalance':
        refuse('REBALANCE_IN_PROGRESS');
        return;
      case 'Stable':
        this.#heard(member, now);
        effects.push({ kind: 'synced', reply, result: this.#syncResult(member) });
        return;
      case 'CompletingRebalance':
        if (member.sync !== null) this.#answerSync(member, 'REBALANCE_IN_PROGRESS', effects);
        member.sync = reply;
        this.#pendingSync.delete(member.memberId);
        if (member.memberId === this.#leader && !this.#isStoring()) {
          this.#store(
            effects,
            new Map(request.assignments.map(({ memberId, assignment }) => [memberId, assignment])),
            null,
          );
        }
        return;
      default:
        refuse('UNKNOWN_MEMBER_ID');
    }
  }

  #stored(store: number, error: KafkaErrorName | null, now: Millis, effects: GroupEffect[]): void {
    const pending = this.#pendingStores.get(store);
    if (pending === undefined) return;
    this.#pendingStores.delete(store);
    if (pending.answer !== null) {
      const { reply, result } = pending.answer;
      effects.push({
        kind: 'joined',
        reply,
        result: error === null ? result : refusedJoin(error, result.memberId),
      });
    }
    if (pending.assignments === null) return;
    // The group may have moved on while the record was being written; then its members were answered already.
    if (this.#state !== 'CompletingRebalance' || this.#generation !== pending.generation) return;
    if (error === null) {
      for (const member of this.#members.all()) {
        member.assignment = pending.assignments.get(member.memberId) ?? NO_ASSIGNMENT;
      }
      this.#become('Stable');
      for (const member of this.#members.all()) {
        if (member.sync === null) continue;
        this.#answerSync(member, 'NONE', effects);
        this.#heard(member, now);
      }
      return;
    }
    for (const member of this.#members.all()) {
      member.assignment = NO_ASSIGNMENT;
      if (member.sync === null) continue;
      this.#answerSync(member, error, effects);
      this.#heard(member, now);
    }
    this.#rebalance(now, effects);
  }

  #isStoring(): boolean {
    for (const { assignments, generation } of this.#pendingStores.values()) {
      if (assignments !== null && generation === this.#generation) return true;
    }
    return false;
  }

  #store(
    effects: GroupEffect[],
    assignments: ReadonlyMap<string, Buffer> | null,
    answer: PendingStore['answer'],
  ): void {
    const store = this.#nextStore++;
    this.#pendingStores.set(store, { store, generation: this.#generation, assignments, answer });
    effects.push({ kind: 'store', store, snapshot: this.#snapshot(assignments) });
  }

  // ---- leaving -----------------------------------------------------------------------------------------------

  #leave(
    { memberId, instanceId }: MemberIdentity,
    now: Millis,
    effects: GroupEffect[],
  ): KafkaErrorName {
    if (this.#state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
    if (instanceId === null && this.#pendingMembers.delete(memberId)) {
      this.#completeJoinIfAllAreThere(now, effects);
      return 'NONE';
    }
    // An operator removes a static member by its instance id alone.
    const known = this.#members.ofInstance(instanceId);
    const identity = memberId === '' && known !== undefined ? known : memberId;
    const member = this.#identify({ memberId: identity, instanceId });
    if (typeof member === 'string') return member;
    this.#remove(member.memberId, now, effects);
    return 'NONE';
  }

  /** Takes a member out, answers what it waits for, and lets the others know by a rebalance. */
  #remove(memberId: string, now: Millis, effects: GroupEffect[]): void {
    const member = this.#members.get(memberId);
    if (member === undefined) return;
    if (member.join !== null) this.#answerJoin(member, 'UNKNOWN_MEMBER_ID', effects);
    if (member.sync !== null) this.#answerSync(member, 'UNKNOWN_MEMBER_ID', effects);
    this.#forget(memberId);
    if (this.#state === 'Stable' || this.#state === 'CompletingRebalance') {
      this.#rebalance(now, effects);
    } else {
      this.#completeJoinIfAllAreThere(now, effects);
    }
  }

  #forget(memberId: string): void {
    this.#members.remove(memberId);
    this.#pendingSync.delete(memberId);
    if (this.#leader === memberId) {
      const [next] = this.#members.all();
      this.#leader = next?.memberId ?? null;
    }
  }

  #end(error: KafkaErrorName, effects: GroupEffect[]): void {
    for (const member of this.#members.all()) {
      if (member.join !== null) this.#answerJoin(member, error, effects);
      if (member.sync !== null) this.#answerSync(member, error, effects);
    }
    for (const { answer } of this.#pendingStores.values()) {
      if (answer === null) continue;
      const result = refusedJoin(error, answer.result.memberId);
      effects.push({ kind: 'joined', reply: answer.reply, result });
    }
    this.#pendingStores.clear();
    for (const { memberId } of [...this.#members.all()]) this.#members.remove(memberId);
    this.#pendingMembers.clear();
    this.#pendingSync.clear();
    this.#joinDeadline = null;
    this.#syncDeadline = null;
    this.#initialDelay = null;
    this.#become('Dead');
  }

  // ---- small parts -------------------------------------------------------------------------------------------

  #identify({ memberId, instanceId }: MemberIdentity): Member | KafkaErrorName {
    if (instanceId !== null) {
      const known = this.#members.ofInstance(instanceId);
      if (known === undefined) return 'UNKNOWN_MEMBER_ID';
      if (known !== memberId) return 'FENCED_INSTANCE_ID';
    }
    return this.#members.get(memberId) ?? 'UNKNOWN_MEMBER_ID';
  }

  #heard(member: Member, now: Millis): void {
    member.expiresAt = millis(now + member.sessionTimeoutMs);
  }

  #awaitingJoinCount(): number {
    let count = 0;
    for (const { join } of this.#members.all()) if (join !== null) count++;
    return count;
  }

  #roster(): JoinResult['members'] {
    return [...this.#members.all()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      metadata: metadataFor(member, this.#protocolName),
    }));
  }

  #joinResult(member: Member, leads: boolean): JoinResult {
    return {
      error: 'NONE',
      generationId: this.#generation,
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      leader: this.#leader ?? '',
      memberId: member.memberId,
      skipAssignment: false,
      members: leads ? this.#roster() : [],
    };
  }

  #answerJoin(member: Member, error: KafkaErrorName, effects: GroupEffect[]): void {
    const reply = member.join;
    if (reply === null) return;
    member.join = null;
    effects.push({ kind: 'joined', reply, result: refusedJoin(error, member.memberId) });
  }

  #answerSync(member: Member, error: KafkaErrorName, effects: GroupEffect[]): void {
    const reply = member.sync;
    if (reply === null) return;
    member.sync = null;
    const result = error === 'NONE' ? this.#syncResult(member) : refusedSync(error);
    effects.push({ kind: 'synced', reply, result });
  }

  #syncResult(member: Member): SyncResult {
    return {
      error: 'NONE',
      protocolType: this.#protocolType,
      protocolName: this.#protocolName,
      assignment: member.assignment,
    };
  }

  #become(state: GroupState): void {
    this.#state = state;
  }

  #snapshot(assignments: ReadonlyMap<string, Buffer> | null): GroupSnapshot {
    return {
      state: this.#state,
      protocolType: this.#protocolType,
      generation: this.#generation,
      protocolName: this.#protocolName,
      leader: this.#leader,
      members: [...this.#members.all()].map((member) => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        sessionTimeoutMs: member.sessionTimeoutMs,
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        metadata: metadataFor(member, this.#protocolName),
        assignment: assignments?.get(member.memberId) ?? member.assignment,
      })),
    };
  }
}

function isParked(member: Member): boolean {
  // A new member's join is given up after a while: the client behind it may be gone, and no session would tell.
  return member.sync !== null || (member.join !== null && !member.isNew);
}

function refusedJoin(error: KafkaErrorName, memberId: string): JoinResult {
  return {
    error,
    generationId: NO_GENERATION,
    protocolType: null,
    protocolName: null,
    leader: '',
    memberId,
    skipAssignment: false,
    members: [],
  };
}

function refusedSync(error: KafkaErrorName): SyncResult {
  return { error, protocolType: null, protocolName: null, assignment: NO_ASSIGNMENT };
}
