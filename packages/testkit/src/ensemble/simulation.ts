/**
 * One run: servers, clients and faults of a plan in a world of their own, until everything is done and well
 * again; then the end is looked at and all the evidence is judged.
 *
 *   turmoil   clients work while the nemesis strikes
 *   recovery  the faults are over: every server serves, every client finishes, within a bound
 *   siege     some servers are cut off from the others for long: who has the votes serves, who has not does not
 *   farewell  some clients close their sessions, some fall silent, some stay; what was theirs must go, or stay
 *   audit     every server is read node by node
 */

import type { Environment } from '@odradek/runtime';
import { CommittedOrder } from '../checkers/committed-order.ts';
import type { SeenTree } from '../checkers/final-tree.ts';
import { type Breach, judge } from '../checkers/judge.ts';
import { Leaders } from '../checkers/leaders.ts';
import { type DiskPace, soundPace } from '../disk/simulated-disk.ts';
import type { SessionHistory } from '../keeper/history.ts';
import { KeeperClient } from '../keeper/keeper-client.ts';
import { Workload } from '../keeper/workload.ts';
import { endOf } from '../nemesis/faults.ts';
import { Nemesis } from '../nemesis/nemesis.ts';
import { Draw } from '../world/draw.ts';
import type { SimulatedHost } from '../world/host.ts';
import { SimulatedWorld } from '../world/simulated-world.ts';
import { traceKinds } from '../world/trace.ts';
import { configurationOf } from './configuration.ts';
import { CLIENT_PORT, CoordinatorHost } from './coordinator-host.ts';
import type { ClientPlan, Plan, ServerPlan } from './plan.ts';
import { besiege } from './siege.ts';

/** Events after which a run is stopped: something goes round in circles. */
const EVENTS_MAX = 3_000_000;
/** How long clients may take to finish once all is well, in ticks and in ms. */
const RECOVERY_TICKS = 120;
const RECOVERY_MS = 30_000;
/** Between the end of the last session and the audit, beyond the session time-out, in ticks. */
const FAREWELL_TICKS = 12;

export interface Outcome {
  readonly plan: Plan;
  /** Empty: everything held. */
  readonly breaches: readonly Breach[];
  readonly traceHash: string;
  readonly traceLines: readonly string[];
  readonly virtualMs: number;
  readonly events: number;
  readonly transactions: number;
  readonly answers: number;
  /** Requests whose outcome their client never learned. */
  readonly unanswered: number;
  readonly leaderships: number;
}

export interface RunOptions {
  /** Keeps the trace as lines. */
  readonly isRead?: boolean;
  /** Is given a function that ends the run as failed: for errors that nobody caught. */
  readonly onStart?: (abort: (error: unknown) => void) => void;
}

export async function runSimulation(plan: Plan, options: RunOptions = {}): Promise<Outcome> {
  const simulation = new Simulation(plan, options.isRead ?? false);
  options.onStart?.((error) => simulation.broke('nobody', error));
  await simulation.run();
  return simulation.outcome();
}

interface Worker {
  readonly plan: ClientPlan;
  readonly client: KeeperClient;
  readonly workload: Workload;
  isDone: boolean;
}

class Simulation {
  readonly #plan: Plan;
  readonly #world: SimulatedWorld;
  readonly #order = new CommittedOrder();
  readonly #leaders = new Leaders();
  readonly #hosts = new Map<string, SimulatedHost>();
  readonly #coordinators = new Map<string, CoordinatorHost>();
  readonly #workers: Worker[] = [];
  /** Auditors and probes. */
  readonly #others: KeeperClient[] = [];
  readonly #trees: SeenTree[] = [];
  readonly #broken: Breach[] = [];

  constructor(plan: Plan, isRead: boolean) {
    this.#plan = plan;
    this.#world = new SimulatedWorld(plan.seed, plan.world, isRead);
    for (const server of plan.servers) this.#addServer(server);
    for (const client of plan.clients) this.#addClient(client);
  }

  /** The program would have died of this. */
  broke(where: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#broken.push({ checker: 'program', text: `${where}: ${text}` });
  }

  async run(): Promise<void> {
    try {
      await this.#turmoilAndRecovery();
      if (this.#hasFailed) return;
      await this.#siege();
      if (this.#hasFailed) return;
      await this.#farewell();
      if (this.#hasFailed) return;
      await this.#audit();
    } catch (error) {
      this.broke('an event', error);
    } finally {
      // Programs that nobody hears of any more, so that nothing of this run goes on in the next.
      for (const host of this.#world.hosts) host.kill();
    }
  }

  outcome(): Outcome {
    const sessions = [
      ...this.#workers.flatMap(({ client }) => client.sessions),
      ...this.#others.flatMap((client) => client.sessions),
    ];
    const evidence = {
      order: this.#order,
      leaders: this.#leaders,
      sessions,
      trees: this.#trees,
    };
    let answers = 0;
    let unanswered = 0;
    for (const { links } of sessions) {
      for (const { exchanges } of links) {
        for (const { answer } of exchanges) {
          if (answer === null) unanswered += 1;
          else answers += 1;
        }
      }
    }
    return {
      plan: this.#plan,
      breaches: [...this.#broken, ...judge(evidence)],
      traceHash: this.#world.trace.hash,
      traceLines: this.#world.trace.lines,
      virtualMs: this.#world.nowMs,
      events: this.#world.scheduler.eventCount,
      transactions: this.#order.transactions.length,
      answers,
      unanswered,
      leaderships: this.#leaders.leaderships,
    };
  }

  /** Within which everything must come back once all is well. */
  get #boundMs(): number {
    const { tickMs, sessionTimeoutMs } = this.#plan;
    return RECOVERY_MS + RECOVERY_TICKS * tickMs + sessionTimeoutMs * 20;
  }

  get #diskPace(): DiskPace {
    return { ...soundPace, syncUs: this.#plan.syncMs * 1_000 };
  }

  get #hasFailed(): boolean {
    return this.#broken.length > 0 || this.#order.breaches.length > 0;
  }

  #addServer({ name, id }: ServerPlan): void {
    const { topology } = this.#plan;
    const host = this.#world.addHost(name);
    host.disk.pace = this.#diskPace;
    this.#hosts.set(name, host);
    const { scheduler, trace } = this.#world;
    const server = new CoordinatorHost(this.#world, host, {
      configuration: configurationOf(this.#plan),
      serverId: topology === 'standalone' ? null : id,
      mayReplaceDisk: topology !== 'standalone',
      observer: {
        loading: (snapshotZxid) => {
          trace.tell(name, () => `loads a snapshot of 0x${snapshotZxid.toString(16)}`);
          this.#order.loading(name, snapshotZxid);
        },
        replayed: (record) => this.#order.replayed(name, record),
        applied: (record) => {
          trace.mix(traceKinds.applied, host.index, Number(record.zxid & 0xffff_ffffn));
          trace.tell(name, () => `applies 0x${record.zxid.toString(16)} ${record.change.kind}`);
          this.#order.applied(name, record, scheduler.nowUs);
        },
        role: (role, epoch) => {
          trace.tell(name, () => `is ${role} in epoch ${epoch}`);
          this.#leaders.took(name, role, epoch, this.#world.nowMs);
          if (role !== 'looking') this.#order.settled(name, scheduler.nowUs);
        },
      },
      begins: () => this.#leaders.gone(name),
      started: () => {
        // Alone, a server goes on from all that it has; in an ensemble its role tells.
        if (topology === 'standalone') this.#order.settled(name, scheduler.nowUs);
      },
      broke: (error) => this.broke(name, error),
    });
    this.#coordinators.set(name, server);
    server.start();
  }

  #addClient(plan: ClientPlan): void {
    const host = this.#world.addHost(plan.name);
    this.#hosts.set(plan.name, host);
    host.start((environment) => {
      const servers = this.#plan.servers.map(({ name }) => name);
      const client = this.#client(plan.name, servers, this.#plan.sessionTimeoutMs, environment);
      const draw = new Draw(`${this.#plan.seed}/workload ${plan.name}`);
      const workload = new Workload(client, draw, plan);
      const worker = { plan, client, workload, isDone: false };
      this.#workers.push(worker);
      void this.#work(worker);
    });
  }

  #client(
    name: string,
    servers: readonly string[],
    sessionTimeoutMs: number,
    environment: Environment,
  ): KeeperClient {
    return new KeeperClient({
      name,
      servers: servers.map((server) => ({ name: server, port: CLIENT_PORT })),
      sessionTimeoutMs,
      environment,
      draw: new Draw(`${this.#plan.seed}/client ${name}`),
      nowUs: () => this.#world.scheduler.nowUs,
    });
  }

  async #work(worker: Worker): Promise<void> {
    try {
      await worker.workload.prepare();
      await worker.workload.run();
      worker.isDone = true;
    } catch (error) {
      this.broke(worker.plan.name, error);
    }
  }

  async #turmoilAndRecovery(): Promise<void> {
    const { faults, clients } = this.#plan;
    const nemesis = new Nemesis(
      {
        world: this.#world,
        coordinators: this.#coordinators,
        hosts: this.#hosts,
        diskPace: this.#diskPace,
        // Who was never in line has nothing to give: then too much would be lost with this one.
        isExpendable: (server) =>
          this.#plan.servers.every(
            ({ name, role }) =>
              name === server || role === 'observer' || this.#leaders.everServed.has(name),
          ),
      },
      faults,
    );
    const isOver = (): boolean => this.#hasFailed || this.#tooLong();
    const allDone = (): boolean =>
      this.#workers.length === clients.length && this.#workers.every(({ isDone }) => isDone);
    await this.#world.runUntil(() => isOver() || nemesis.isOver, endOf(faults) + 10);
    const boundMs = this.#boundMs;
    const recovered = await this.#world.runUntil(() => isOver() || allDone(), boundMs);
    if (!recovered) {
      const behind = this.#workers.filter(({ isDone }) => !isDone);
      const who = behind.map(({ plan, workload }) => `${plan.name} after ${workload.done}`);
      this.#notAlive(`clients are not done ${boundMs} ms after the last fault: ${who.join(', ')}`);
      return;
    }
    await this.#allServe();
    if (!this.#hasFailed) await this.#finalRounds(boundMs);
  }

  /** Every server must have found its place again. */
  async #allServe(): Promise<void> {
    if (this.#plan.topology === 'standalone') return;
    const idle = (): string[] =>
      this.#plan.servers
        .map(({ name }) => name)
        .filter((name) => {
          const isRunning = this.#hosts.get(name)?.isRunning ?? false;
          const { role } = this.#leaders.present.get(name) ?? { role: 'looking' };
          return !isRunning || role === 'looking';
        });
    const serve = (): boolean => this.#hasFailed || this.#tooLong() || idle().length === 0;
    if (await this.#world.runUntil(serve, this.#boundMs)) return;
    this.#notAlive(`${idle().join(', ')} serve nobody, with nothing wrong any more`);
  }

  /** Every client writes and reads once more. */
  async #finalRounds(boundMs: number): Promise<void> {
    let finished = 0;
    for (const { workload, plan } of this.#workers) {
      workload.finalRound().then(
        (succeeded) => {
          if (succeeded) finished += 1;
        },
        (error) => this.broke(plan.name, error),
      );
    }
    const isFinished = (): boolean =>
      this.#hasFailed || this.#tooLong() || finished === this.#workers.length;
    if (!(await this.#world.runUntil(isFinished, boundMs))) {
      this.#notAlive('a last write and a last read do not succeed, with nothing wrong any more');
    }
  }

  #tooLong(): boolean {
    if (this.#world.scheduler.eventCount < EVENTS_MAX) return false;
    if (this.#broken.length === 0) this.#notAlive(`more than ${EVENTS_MAX} events`);
    return true;
  }

  #notAlive(text: string): void {
    this.#broken.push({ checker: 'liveness', text });
  }

  async #siege(): Promise<void> {
    const { siege } = this.#plan;
    if (siege === null) return;
    const breaches = await besiege(
      {
        plan: this.#plan,
        world: this.#world,
        leaders: this.#leaders,
        hostOf: (server) => this.#hosts.get(server) ?? fail(`no host ${server}`),
        probe: (name, servers, started) => {
          const host = this.#world.addHost(name);
          host.start((environment) => {
            const client = this.#client(name, servers, this.#plan.sessionTimeoutMs, environment);
            this.#others.push(client);
            started(client);
          });
          return host;
        },
      },
      siege,
    );
    for (const text of breaches) this.#broken.push({ checker: 'siege', text });
    if (!this.#hasFailed) await this.#allServe();
    if (!this.#hasFailed) await this.#finalRounds(this.#boundMs);
  }

  async #farewell(): Promise<void> {
    const { sessionTimeoutMs, tickMs } = this.#plan;
    const abandoned: SessionHistory[] = [];
    for (const { plan, client } of this.#workers) {
      const { session } = client;
      if (plan.leaves === 'closed') void client.ask({ kind: 'closeSession' });
      if (plan.leaves === 'abandoned') {
        client.stop();
        if (session !== null) abandoned.push(session);
      }
    }
    await this.#world.runFor(sessionTimeoutMs + FAREWELL_TICKS * tickMs);
    const ended = new Set<bigint>();
    for (const { record } of this.#order.transactions) {
      if (record.change.kind === 'closeSession') ended.add(record.sessionId);
    }
    for (const { client, sessionId } of abandoned) {
      if (!ended.has(sessionId)) {
        this.#notAlive(`the session of ${client}, silent for long, was never ended`);
      }
    }
  }

  /** Reads every server from end to end. */
  async #audit(): Promise<void> {
    let left = this.#plan.servers.length;
    for (const { name } of this.#plan.servers) {
      const host = this.#world.addHost(`audit-${name}`);
      host.start((environment) => {
        const client = this.#client(host.name, [name], this.#plan.tickMs * 20, environment);
        this.#others.push(client);
        this.#readAll(client).then(
          (paths) => {
            this.#trees.push({ server: name, paths });
            left -= 1;
          },
          (error) => this.broke(host.name, error),
        );
      });
    }
    const isRead = await this.#world.runUntil(
      () => left === 0 || this.#hasFailed || this.#tooLong(),
      RECOVERY_MS,
    );
    if (!isRead) this.#notAlive('not every server can be read at the end');
  }

  async #readAll(client: KeeperClient): Promise<string[]> {
    await client.ask({ kind: 'sync', path: '/' });
    const paths: string[] = [];
    const pending = ['/'];
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      if (path.startsWith('/zookeeper')) continue;
      paths.push(path);
      if (path !== '/') await client.ask({ kind: 'getData', path, watch: false });
      const listed = await client.ask({ kind: 'getChildren', path, watch: false });
      for (const name of listed?.answer?.children ?? []) {
        pending.push(path === '/' ? `/${name}` : `${path}/${name}`);
      }
    }
    return paths;
  }
}

function fail(text: string): never {
  throw new Error(text);
}
