/**
 * A group coordinator for tests: one group at one scripted broker. A join completes when as many
 * members as the test expects have joined; whoever joins or leaves later starts a rebalance.
 */
import { apis, errorCodes } from '@odradek/protocol';
import type { FakeBroker } from '../fake-broker.ts';

interface FakeMember {
  metadata: readonly { readonly name: string; readonly metadata: Buffer }[];
  groupInstanceId: string | null;
  assignment: Buffer;
  join: ((answer: object) => void) | null;
  sync: ((answer: object) => void) | null;
}

export class FakeGroup {
  readonly members = new Map<string, FakeMember>();
  /** A join waits for so many. */
  expectedCount = 1;
  generation = 0;
  state: 'empty' | 'joining' | 'syncing' | 'stable' = 'empty';
  beatCount = 0;
  /** Answers the next requests of a kind with an error. */
  readonly faults = { join: [] as number[], sync: [] as number[], beat: [] as number[] };
  #memberCount = 0;
  #protocolName = '';

  script(broker: FakeBroker): this {
    broker
      .on(apis.joinGroup, (request) => this.#join(request))
      .on(apis.syncGroup, (request) => this.#sync(request))
      .on(apis.heartbeat, ({ memberId, generationId }) => {
        this.beatCount += 1;
        return {
          errorCode: this.faults.beat.shift() ?? this.#identityCode(memberId, generationId),
        };
      })
      .on(apis.leaveGroup, ({ members }) => {
        for (const { memberId } of members) this.members.delete(memberId);
        this.#rebalance();
        return {
          errorCode: 0,
          members: members.map(({ memberId, groupInstanceId }) => ({
            memberId,
            groupInstanceId,
            errorCode: 0,
          })),
        };
      });
    return this;
  }

  /** Throws everybody out, as the end of their sessions does. */
  expireAll(): void {
    this.members.clear();
    this.state = 'empty';
  }

  /** Answers what waits, so that nothing hangs when a test ends. */
  stop(): void {
    for (const { join, sync } of this.members.values()) {
      join?.({ errorCode: errorCodes.NOT_COORDINATOR, leader: '', memberId: '', members: [] });
      sync?.({ errorCode: errorCodes.NOT_COORDINATOR, assignment: Buffer.alloc(0) });
    }
  }

  #identityCode(memberId: string, generationId: number): number {
    if (!this.members.has(memberId)) return errorCodes.UNKNOWN_MEMBER_ID;
    if (generationId !== this.generation) return errorCodes.ILLEGAL_GENERATION;
    return this.state === 'joining' ? errorCodes.REBALANCE_IN_PROGRESS : 0;
  }

  #join({
    memberId,
    groupInstanceId,
    protocols,
  }: {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly protocols: readonly { readonly name: string; readonly metadata: Buffer }[];
  }): Promise<never> | never {
    const refuse = (errorCode: number, id = memberId) =>
      ({
        errorCode,
        generationId: -1,
        leader: '',
        memberId: id,
        members: [],
        protocolName: '',
      }) as never;
    const fault = this.faults.join.shift();
    if (fault !== undefined) return refuse(fault);
    if (memberId === '') {
      this.#memberCount += 1;
      return refuse(errorCodes.MEMBER_ID_REQUIRED, `member-${this.#memberCount}`);
    }
    return new Promise<never>((resolve) => {
      this.members.set(memberId, {
        metadata: protocols,
        groupInstanceId,
        assignment: Buffer.alloc(0),
        join: (answer) => resolve(answer as never),
        sync: null,
      });
      this.#rebalance();
      this.#completeJoin();
    });
  }

  #rebalance(): void {
    this.state = this.members.size === 0 ? 'empty' : 'joining';
    for (const member of this.members.values()) {
      member.sync?.({ errorCode: errorCodes.REBALANCE_IN_PROGRESS, assignment: Buffer.alloc(0) });
      member.sync = null;
    }
    if (this.members.size > 0) this.#completeJoin();
  }

  #completeJoin(): void {
    const joined = [...this.members.values()].filter(({ join }) => join !== null);
    if (joined.length < this.expectedCount || joined.length < this.members.size) return;
    this.generation += 1;
    this.state = 'syncing';
    const [leader = ''] = this.members.keys();
    this.#protocolName = joined[0]?.metadata[0]?.name ?? '';
    for (const [memberId, member] of this.members) {
      member.join?.({
        errorCode: 0,
        generationId: this.generation,
        protocolName: this.#protocolName,
        leader,
        memberId,
        members:
          memberId === leader
            ? [...this.members].map(([id, { metadata, groupInstanceId }]) => ({
                memberId: id,
                groupInstanceId,
                metadata: metadata[0]?.metadata ?? Buffer.alloc(0),
              }))
            : [],
      });
      member.join = null;
    }
  }

  #sync({
    memberId,
    generationId,
    assignments,
  }: {
    readonly memberId: string;
    readonly generationId: number;
    readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
  }): Promise<never> | never {
    const refuse = (errorCode: number) => ({ errorCode, assignment: Buffer.alloc(0) }) as never;
    const fault = this.faults.sync.shift();
    if (fault !== undefined) return refuse(fault);
    const code = this.#identityCode(memberId, generationId);
    if (code !== 0) return refuse(code);
    return new Promise<never>((resolve) => {
      const member = this.members.get(memberId);
      if (member === undefined) return;
      member.sync = (answer) => resolve(answer as never);
      for (const { memberId: id, assignment } of assignments) {
        const other = this.members.get(id);
        if (other !== undefined) other.assignment = assignment;
      }
      if (assignments.length > 0) this.state = 'stable';
      if (this.state === 'stable') this.#answerSyncs();
    });
  }

  #answerSyncs(): void {
    for (const member of this.members.values()) {
      member.sync?.({ errorCode: 0, assignment: member.assignment });
      member.sync = null;
    }
  }
}
