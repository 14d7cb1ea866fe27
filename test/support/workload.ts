/**
 * Clients that work on an ensemble while it is ill-treated, and write down what they did: registers set and read
 * (after a sync), nodes created, an ephemeral held by every session, roll-calls of the ephemerals. When a session
 * expires a client opens another one and goes on. What they saw is judged elsewhere.
 */
import { type Operation, operations, RawSession } from '@odradek/client';
import { ZooKeeperError } from '@odradek/protocol';
import { ConnectFailed, type Environment, nodeEnvironment } from '@odradek/runtime';
import { type History, type Holding, nowMs } from './history.ts';

const ROOT = '/chaos';
const EPHEMERAL = 1;
/** What cut links and dying servers explain. */
const EXPLAINED: ReadonlySet<string> = new Set([
  'CONNECTION_LOSS',
  'SESSION_EXPIRED',
  'SESSION_MOVED',
  'OPERATION_TIMEOUT',
  'NOT_READ_ONLY',
]);
const OPEN_ACL = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];

export const paths = {
  register: (key: string) => `${ROOT}/registers/${key}`,
  created: `${ROOT}/created`,
  alive: `${ROOT}/alive`,
} as const;

export interface WorkloadOptions {
  /** For each client, the servers that it knows, as a connect string. */
  readonly clients: readonly string[];
  readonly history: History;
  /** How many registers there are. */
  readonly keys: number;
  readonly sessionTimeoutMs: number;
  /** Puts names of clients apart when there are several workloads. */
  readonly name?: string;
  /** Pause of a client between two operations. */
  readonly pauseMs?: number;
}

/** Nodes that a workload works on. */
export async function layOut(connect: string, keys: number): Promise<void> {
  const session = RawSession.open({
    connect,
    sessionTimeoutMs: 10_000,
    environment: nodeEnvironment(),
  });
  try {
    const node = { data: Buffer.from(''), acl: OPEN_ACL, flags: 0 };
    const registers = Array.from({ length: keys }, (_, key) => paths.register(String(key)));
    for (const path of [ROOT, `${ROOT}/registers`, ...registers, paths.created, paths.alive])
      await session.call(operations.create, { path, ...node });
  } finally {
    await session.close();
  }
}

/** What every node under `path` is called, as that server knows it after a sync. */
export async function childrenOn(connect: string, path: string): Promise<readonly string[]> {
  const session = RawSession.open({
    connect,
    sessionTimeoutMs: 10_000,
    environment: nodeEnvironment(),
  });
  try {
    await session.call(operations.sync, { path });
    return (await session.call(operations.getChildren, { path, watch: false })).children;
  } finally {
    await session.close();
  }
}

/** A network that can be cut off for good: then its owner is gone, and nobody was told. */
function severable(environment: Environment): {
  readonly environment: Environment;
  readonly sever: () => void;
} {
  const open = new Set<{ destroy(): void }>();
  let isSevered = false;
  const { network } = environment;
  return {
    environment: {
      ...environment,
      network: {
        listen: (...rest) => network.listen(...rest),
        connect: async (address, attach) => {
          if (isSevered) throw new ConnectFailed(address.host, 'this client is gone');
          const connection = await network.connect(address, attach);
          if (isSevered) connection.destroy();
          open.add(connection);
          return connection;
        },
      },
    },
    sever: () => {
      isSevered = true;
      for (const connection of open) connection.destroy();
    },
  };
}

class Client {
  readonly name: string;
  readonly #connect: string;
  readonly #options: WorkloadOptions;
  #session: RawSession;
  #sever: () => void = () => {};
  #holding: Holding | null = null;
  #written = 0;
  #created = 0;
  #attempts = 0;
  #isRunning = true;

  constructor(name: string, connect: string, options: WorkloadOptions) {
    this.name = name;
    this.#connect = connect;
    this.#options = options;
    this.#session = this.#open();
  }

  #open(): RawSession {
    const { environment, sever } = severable(nodeEnvironment());
    this.#sever = sever;
    this.#attempts += 1;
    this.#holding = null;
    return RawSession.open({
      connect: this.#connect,
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
      environment,
    });
  }

  async run(): Promise<void> {
    for (let turn = 0; this.#isRunning; turn += 1) {
      if (!this.#session.isAlive) {
        if (this.#holding !== null) this.#holding.endedAt = nowMs();
        this.#session = this.#open();
      }
      if (this.#holding === null) await this.#hold();
      else if (turn % 10 === 0) await this.#rollCall();
      else if (turn % 3 === 0) await this.#create();
      else if (turn % 3 === 1) await this.#write();
      else await this.#read();
      const pause = this.#options.pauseMs ?? 2;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Ends after the operation under way. */
  finish(): void {
    this.#isRunning = false;
  }

  async close(): Promise<void> {
    this.finish();
    if (this.#holding !== null) this.#holding.endedAt = nowMs();
    await this.#session.close();
  }

  /** The owner dies: the session is left to its time-out. */
  die(): Holding | null {
    this.finish();
    this.#sever();
    if (this.#holding !== null) this.#holding.endedAt = nowMs();
    return this.#holding;
  }

  /** @returns what it answered and when; null: no answer, or the server refused */
  async #call<Body, Answer>(
    operation: Operation<Body, Answer>,
    body: Body,
  ): Promise<{ answer: Answer; at: number } | null> {
    const calledAt = nowMs();
    try {
      const answer = await this.#session.call(operation, body);
      if (this.#holding !== null) this.#holding.aliveUntil = calledAt;
      return { answer, at: nowMs() };
    } catch (error) {
      if (!(error instanceof ZooKeeperError)) throw error;
      if (!EXPLAINED.has(error.code)) {
        this.#options.history.surprises.push(`${this.name}: ${error.code} ${error.message}`);
      }
      return null;
    }
  }

  async #hold(): Promise<void> {
    const name = `${this.name}-${this.#attempts}`;
    const path = `${paths.alive}/${name}`;
    const data = Buffer.from('');
    const body = { path, data, acl: OPEN_ACL, flags: EPHEMERAL };
    const made = await this.#call(operations.create, body);
    if (made === null) {
      // It may be there all the same: the next attempt has another name, so that each name is one attempt's.
      this.#attempts += 1;
      return;
    }
    this.#holding = {
      client: this.name,
      name,
      sessionId: this.#session.sessionId.toString(16),
      heldFrom: made.at,
      aliveUntil: made.at,
      endedAt: null,
    };
    this.#options.history.holdings.push(this.#holding);
  }

  async #write(): Promise<void> {
    const key = this.#key();
    const value = `${this.name}:${this.#written}`;
    this.#written += 1;
    const calledAt = nowMs();
    const body = { path: paths.register(key), data: Buffer.from(value), version: -1 };
    const done = await this.#call(operations.setData, body);
    this.#options.history.registers.push({
      client: this.name,
      key,
      kind: 'write',
      value,
      calledAt,
      returnedAt: done?.at ?? null,
    });
  }

  async #read(): Promise<void> {
    const key = this.#key();
    const path = paths.register(key);
    const calledAt = nowMs();
    // Both at once, so that they travel on one connection: else the sync would say nothing about the read.
    const [synced, read] = await Promise.all([
      this.#call(operations.sync, { path }),
      this.#call(operations.getData, { path, watch: false }),
    ]);
    if (synced === null || read === null) return;
    this.#options.history.registers.push({
      client: this.name,
      key,
      kind: 'read',
      value: read.answer.data?.toString() ?? '',
      calledAt,
      returnedAt: read.at,
    });
  }

  async #create(): Promise<void> {
    const number = this.#created;
    this.#created += 1;
    const name = `${this.name}-${number}`;
    const calledAt = nowMs();
    const body = {
      path: `${paths.created}/${name}`,
      data: Buffer.from(''),
      acl: OPEN_ACL,
      flags: 0,
    };
    const done = await this.#call(operations.create, body);
    const returnedAt = done?.at ?? null;
    this.#options.history.creations.push({ client: this.name, number, name, calledAt, returnedAt });
  }

  async #rollCall(): Promise<void> {
    const path = paths.alive;
    const calledAt = nowMs();
    const [synced, read] = await Promise.all([
      this.#call(operations.sync, { path }),
      this.#call(operations.getChildren, { path, watch: false }),
    ]);
    if (synced === null || read === null) return;
    this.#options.history.rollCalls.push({
      client: this.name,
      names: new Set(read.answer.children),
      calledAt,
      returnedAt: read.at,
    });
  }

  #key(): string {
    return String(Math.floor(Math.random() * this.#options.keys));
  }
}

export class Workload {
  readonly #clients: readonly Client[];
  readonly #runs: readonly Promise<void>[];

  constructor(options: WorkloadOptions) {
    const name = options.name ?? 'node';
    this.#clients = options.clients.map(
      (connect, index) => new Client(`${name}${index}`, connect, options),
    );
    this.#runs = this.#clients.map((client) => client.run());
  }

  /** One client's process is gone. @returns what it held */
  kill(index: number): Holding | null {
    return this.#clients[index]?.die() ?? null;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.finish();
    await Promise.all(this.#runs);
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}
