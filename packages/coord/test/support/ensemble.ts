/** An ensemble of servers in this process, on free ports of the loopback, each with a directory of its own. */
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { nodeEnvironment, parseProperties } from '@odradek/runtime';
import {
  type CoordinatorServices,
  type RunningCoordinator,
  readZooCfg,
  startCoordinator,
} from '../../src/index.ts';
import { LogLines, type Servers } from './server.ts';

export type Settings = Readonly<Record<string, string | number>>;

export interface EnsembleOptions {
  readonly settings?: Settings;
  /** Ids of servers that observe. */
  readonly observers?: readonly number[];
  readonly weights?: Readonly<Record<number, number>>;
  readonly services?: (id: number) => CoordinatorServices;
}

const SPARE_PORTS = 2;

interface Ports {
  readonly client: number;
  readonly quorum: number;
  readonly election: number;
}

export class TestEnsemble {
  readonly logs = new Map<number, LogLines>();
  readonly #running = new Map<number, RunningCoordinator>();
  readonly #ports: ReadonlyMap<number, Ports>;
  readonly #sparePorts: number[];
  readonly #directory: string;
  readonly #options: EnsembleOptions;

  private constructor(
    directory: string,
    ports: ReadonlyMap<number, Ports>,
    sparePorts: number[],
    options: EnsembleOptions,
  ) {
    this.#sparePorts = sparePorts;
    this.#directory = directory;
    this.#ports = ports;
    this.#options = options;
  }

  /** Makes directories and ports; starts nobody. */
  static async make(
    servers: Servers,
    ids: readonly number[],
    options: EnsembleOptions = {},
  ): Promise<TestEnsemble> {
    const directory = await servers.directory();
    const free = await freePorts(3 * ids.length + SPARE_PORTS);
    const ports = new Map(
      ids.map((id, index) => {
        const [client = 0, quorum = 0, election = 0] = free.slice(3 * index);
        return [id, { client, quorum, election }] as const;
      }),
    );
    const ensemble = new TestEnsemble(directory, ports, free.slice(3 * ids.length), options);
    for (const id of ids) {
      await mkdir(ensemble.dataDirectory(id));
      await writeFile(join(ensemble.dataDirectory(id), 'myid'), `${id}\n`);
    }
    return ensemble;
  }

  /** The same with all servers started and one of them leading. */
  static async start(
    servers: Servers,
    ids: readonly number[],
    options: EnsembleOptions = {},
  ): Promise<TestEnsemble> {
    const ensemble = await TestEnsemble.make(servers, ids, options);
    await Promise.all(ids.map((id) => ensemble.startServer(id)));
    await ensemble.allServing();
    return ensemble;
  }

  get ids(): readonly number[] {
    return [...this.#ports.keys()];
  }

  /** Those that run. */
  get runningIds(): readonly number[] {
    return [...this.#running.keys()];
  }

  /** A port that nobody uses. */
  freePort(): number {
    return this.#sparePorts.pop() ?? 0;
  }

  dataDirectory(id: number): string {
    return join(this.#directory, String(id));
  }

  configurationFile(id: number): string {
    return join(this.dataDirectory(id), 'zoo.cfg');
  }

  /** Where clients of this server go. */
  port(id: number): number {
    return this.running(id).port;
  }

  running(id: number): RunningCoordinator {
    const running = this.#running.get(id);
    if (running === undefined) throw new Error(`server ${id} does not run`);
    return running;
  }

  /** The line of a server, as every member's file has it. */
  serverLine(id: number): string {
    const ports = this.#ports.get(id);
    if (ports === undefined) throw new Error(`there is no server ${id}`);
    const role = this.#options.observers?.includes(id) ? 'observer' : 'participant';
    return `server.${id}=127.0.0.1:${ports.quorum}:${ports.election}:${role};127.0.0.1:${ports.client}`;
  }

  /** @param lines about members; those of all servers when not given */
  async startServer(id: number, lines?: readonly string[]): Promise<RunningCoordinator> {
    const { settings = {}, weights = {}, services } = this.#options;
    const own = {
      tickTime: 500,
      initLimit: 10,
      syncLimit: 5,
      '4lw.commands.whitelist': '*',
      ...settings,
      dataDir: this.dataDirectory(id),
    };
    const members = lines ?? [
      ...this.ids.map((one) => this.serverLine(one)),
      ...Object.entries(weights).map(([one, weight]) => `weight.${one}=${weight}`),
    ];
    const text = [
      '# settings of this server',
      ...Object.entries(own).map(([key, value]) => `${key}=${value}`),
      ...members,
    ].join('\n');
    const file = this.configurationFile(id);
    await writeFile(file, text);
    const { values } = readZooCfg(parseProperties(text, file), {
      source: file,
      homeDirectory: '/nowhere',
    });
    const log = new LogLines();
    this.logs.set(id, log);
    const running = await startCoordinator({ ...nodeEnvironment({ log }), log }, values, {
      configurationFile: file,
      ...services?.(id),
    });
    this.#running.set(id, running);
    return running;
  }

  async stopServer(id: number): Promise<void> {
    const running = this.running(id);
    this.#running.delete(id);
    await running.stop();
  }

  /** The server that leads and serves; null: there is none. */
  get leaderId(): number | null {
    return this.runningIds.find((id) => this.running(id).role() === 'leader') ?? null;
  }

  /** Resolves once this holds; a test that waits in vain runs into its time limit. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
  }

  /** Until all that run are served by the same leader. */
  async allServing(): Promise<void> {
    await this.until(() => {
      const { leaderId } = this;
      return (
        leaderId !== null &&
        this.runningIds.every((id) => {
          const role = this.running(id).role();
          return role !== null && this.running(id).status()?.leaderId === leaderId;
        })
      );
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.runningIds.map((id) => this.stopServer(id)));
  }
}

/** Ports that nobody had a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = [];
  const ports: number[] = [];
  while (ports.length < count) {
    const server = createServer();
    held.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address !== null && typeof address === 'object') ports.push(address.port);
  }
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
