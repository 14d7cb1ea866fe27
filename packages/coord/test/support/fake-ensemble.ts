/**
 * Coordination servers on real ports over a replication that only passes things on within the process:
 * what is proposed is committed a turn later, and reaches each learner in order with what it is told.
 * Who leads is for the test to say. For what servers do in their roles, not for what replication does.
 */
import { Metrics, nodeEnvironment, parseProperties } from '@odradek/runtime';
import { readZooCfg } from '../../src/config/zoo-cfg.ts';
import { parseEnsemble } from '../../src/core/quorum/ensemble.ts';
import { versionOf } from '../../src/core/transaction/members.ts';
import type {
  LeaderLink,
  Leadership,
  LearnerListener,
  LogEntry,
  ReplicaStatus,
} from '../../src/replica/types.ts';
import { loadSecurity } from '../../src/security/security.ts';
import { CoordinatorServer } from '../../src/server/coordinator-server.ts';
import { EnsembleView } from '../../src/server/ensemble-view.ts';
import { serverOptions } from '../../src/server/options.ts';
import { openStorage } from '../../src/storage/storage.ts';
import { LogLines, type Servers } from './server.ts';

export interface FakeMember {
  readonly id: number;
  readonly port: number;
  readonly server: CoordinatorServer;
  readonly log: LogLines;
}

interface Learner {
  readonly member: FakeMember;
  told: ((bytes: Uint8Array) => void) | null;
  isOver: boolean;
}

export class FakeEnsemble {
  readonly members: FakeMember[] = [];
  readonly history: LogEntry[] = [];
  readonly #stops: (() => Promise<void>)[] = [];
  /** While true nothing is committed. */
  isHeld = false;
  /** What the leader is told to be proposed and not committed. */
  outstandingBytes = 0;
  /** While true no word of a quorum comes. */
  isUnconfirmed = false;
  #leaderId: number | null = null;
  #epoch = 0;
  #held: (() => void)[] = [];
  readonly #unconfirmed: (() => void)[] = [];
  #end: () => void = () => {};

  static async start(
    servers: Servers,
    count: number,
    settings: Readonly<Record<string, string | number>> = {},
  ): Promise<FakeEnsemble> {
    const ensemble = new FakeEnsemble();
    for (let id = 1; id <= count; id += 1) await ensemble.#add(servers, id, count, settings);
    return ensemble;
  }

  async #add(
    servers: Servers,
    id: number,
    count: number,
    settings: Readonly<Record<string, string | number>>,
  ): Promise<void> {
    const directory = await servers.directory();
    const ids = Array.from({ length: count }, (_, index) => index + 1);
    const lines = ids.map((one) => `server.${one}=127.0.0.1:${3000 + one}:${4000 + one}`);
    const keys = { clientPort: 0, tickTime: 1000, '4lw.commands.whitelist': '*', ...settings };
    const text = [...Object.entries(keys).map(([key, value]) => `${key}=${value}`), ...lines];
    const { values } = readZooCfg(
      parseProperties([...text, `dataDir=${directory}`].join('\n'), 'zoo.cfg'),
      { source: 'zoo.cfg', homeDirectory: '/nowhere' },
    );
    const log = new LogLines();
    const environment = { ...nodeEnvironment({ log }), log };
    const members = parseEnsemble(lines.join('\n'));
    const self = members.servers.get(id);
    if (self === undefined) throw new Error('a member is among the members');
    const address = { clientHost: '127.0.0.1', clientPort: 0 };
    const membership = { serverId: id, ensemble: members, self, ...address, warnings: [] };
    const security = await loadSecurity(environment, values);
    const storage = await openStorage({
      environment,
      dataDirectory: directory,
      logDirectory: directory,
      onFailure: () => {},
    });
    const server = new CoordinatorServer(
      environment,
      serverOptions(environment, values, membership, security, undefined),
      storage,
      { metrics: new Metrics(), serveHttp: null, observer: null },
    );
    const view = new EnsembleView(id, server.state, {
      status: () => this.#status(id, lines.join('\n')),
      mark: () => ({ clusterId: null, fence: 0, metFence: 0 }),
    });
    server.roles.beginLooking({
      status: () => view.status(),
      maintenance: () => view.maintenance(),
      isLeftBehind: () => view.isLeftBehind,
      unrecordedMembers: () => view.unrecordedMembers(),
      membership: () => ({ decide: () => -6 }),
      reconfigured: () => {},
    });
    await server.listen(view);
    this.members.push({ id, port: server.ports.plain ?? 0, server, log });
    this.#stops.push(async () => {
      await server.stop();
      await storage.close();
    });
  }

  member(id: number): FakeMember {
    const member = this.members.find((one) => one.id === id);
    if (member === undefined) throw new Error(`there is no member ${id}`);
    return member;
  }

  /** Proposals that wait for `release`. */
  get heldCount(): number {
    return this.#held.length;
  }

  /** One leads, the others (or those named) follow; whoever is behind catches up first. */
  lead(leaderId: number, learnerIds: readonly number[] = this.#others(leaderId)): void {
    this.look('another leader');
    this.#leaderId = leaderId;
    this.#epoch += 1;
    const epoch = this.#epoch;
    const leader = this.member(leaderId);
    const learners: Learner[] = learnerIds.map((id) => ({
      member: this.member(id),
      told: null,
      isOver: false,
    }));
    let listener: LearnerListener | null = null;
    let isOver = false;
    this.#end = () => {
      isOver = true;
      for (const learner of learners) learner.isOver = true;
    };
    for (const member of [leader, ...learners.map(({ member }) => member)]) this.#catchUp(member);
    const commit = (entry: LogEntry): void => {
      if (isOver) return;
      this.history.push(entry);
      leader.server.state.apply(entry);
      for (const { member, isOver: isGone } of learners) {
        setImmediate(() => {
          if (!isGone && !isOver) member.server.state.apply(entry);
        });
      }
    };
    const confirm = (confirmed: () => void): void => {
      const run = (): void => {
        setImmediate(() => setImmediate(() => (isOver ? undefined : confirmed())));
      };
      if (this.isUnconfirmed) this.#unconfirmed.push(run);
      else run();
    };
    const outstandingBytes = (): number => this.outstandingBytes;
    const leadership: Leadership = {
      epoch,
      lastZxid: BigInt(epoch) << 32n,
      listen: (given) => {
        listener = given;
      },
      propose: (entry) => {
        const run = (): void => void setImmediate(() => commit(entry));
        if (this.isHeld) this.#held.push(run);
        else run();
      },
      confirm,
      tell: (learnerId, bytes) => {
        const learner = learners.find(({ member }) => member.id === learnerId);
        const copy = Uint8Array.from(bytes);
        setImmediate(() => (isOver ? undefined : learner?.told?.(copy)));
      },
      get outstandingBytes() {
        return outstandingBytes();
      },
      learners: () => [],
      refusalOf: () => null,
      stepDown: (reason) => this.look(reason),
    };
    leader.server.roles.leading(leadership);
    for (const learner of learners) {
      const link: LeaderLink = {
        leaderId,
        epoch,
        isObserver: false,
        listen: (told) => {
          learner.told = told;
        },
        tell: (bytes) => {
          const copy = Uint8Array.from(bytes);
          setImmediate(() => (isOver ? undefined : listener?.told(learner.member.id, copy)));
        },
        unsentBytes: 0,
        confirm,
      };
      learner.member.server.roles.following(link);
    }
  }

  /** Nobody leads any more. */
  look(reason: string): void {
    if (this.#leaderId === null) return;
    this.#end();
    this.#leaderId = null;
    this.#held = [];
    for (const { server } of this.members) {
      if (server.roles.mode !== null) server.roles.looking(reason);
    }
  }

  /** Everything that was held is committed. */
  release(): void {
    this.isHeld = false;
    for (const run of this.#held.splice(0)) run();
  }

  confirmAll(): void {
    this.isUnconfirmed = false;
    for (const run of this.#unconfirmed.splice(0)) run();
  }

  async stop(): Promise<void> {
    this.#end();
    for (const stop of this.#stops.splice(0)) await stop();
  }

  #others(id: number): number[] {
    return this.members.map((member) => member.id).filter((one) => one !== id);
  }

  #catchUp({ server }: FakeMember): void {
    for (const entry of this.history) {
      if (entry.zxid > server.state.appliedZxid) server.state.apply({ ...entry, origin: null });
    }
  }

  #status(id: number, lines: string): ReplicaStatus {
    const ensembleText = `${lines}\nversion=0`;
    const isLeading = this.#leaderId === id;
    const others = this.#leaderId === null ? 'looking' : 'following';
    return {
      role: isLeading ? 'leading' : others,
      serverId: id,
      leaderId: this.#leaderId,
      acceptedEpoch: this.#epoch,
      currentEpoch: this.#epoch,
      loggedZxid: this.history.at(-1)?.zxid ?? 0n,
      committedZxid: this.history.at(-1)?.zxid ?? 0n,
      ensembleText,
      presentIds: this.#leaderId === null ? [id] : this.members.map((member) => member.id),
      presentWeight: this.#leaderId === null ? 1 : this.members.length,
      totalWeight: Math.max(this.members.length, Number(versionOf(ensembleText))),
      obstacle: this.#leaderId === null ? 'too few votes' : null,
      learners: isLeading ? [] : null,
    };
  }
}
