/**
 * An ensemble of coordination servers, each a process of its own, from one zoo.cfg: ours as it is built, or Apache
 * ZooKeeper as Debian packages it, for comparison. On this host with free ports, or each on a host of its own in a
 * Network. Everything that can happen to a process can be done to a member.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Network } from './network.ts';
import { type SlowDisk, slowDisk } from './slow-disk.ts';
import { type Daemon, eventually, freePorts, projectRoot, type Workspace } from './workspace.ts';

export type Make = 'odradek' | 'apache';

const APACHE_JAR = '/usr/share/java/zookeeper.jar';
const CLIENT_PORT = 2181;
const QUORUM_PORT = 2182;
const ELECTION_PORT = 2183;
const WORD_TIMEOUT_MS = 2_000;

export interface EnsembleOptions {
  readonly make?: Make;
  /** How many servers, with ids from 1; one for each host of the network when there is one. */
  readonly servers?: number;
  readonly network?: Network;
  /** Lines of zoo.cfg that all servers have, over the usual ones. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Who takes part without a vote. */
  readonly observers?: readonly number[];
  /** From buildSlowDisk: every server gets a disk that can be slowed. */
  readonly slowDiskLibrary?: string;
  /** Arguments for Node or for Java, before the program. */
  readonly runtimeArguments?: readonly string[];
  readonly name?: string;
}

/** @returns why there is no Apache ZooKeeper here; null: there is */
export function apacheRefused(): string | null {
  if (!existsSync(APACHE_JAR)) return `there is no ${APACHE_JAR} (Debian's package zookeeper)`;
  return existsSync('/usr/bin/java') ? null : 'there is no java';
}

interface Seat {
  readonly id: number;
  /** Of clients. */
  readonly host: string;
  readonly clientPort: number;
  readonly peerHost: string;
  readonly quorumPort: number;
  readonly electionPort: number;
}

export class Member {
  readonly id: number;
  readonly host: string;
  readonly clientPort: number;
  readonly directory: string;
  readonly configFile: string;
  readonly disk: SlowDisk | null;
  readonly #launch: () => Daemon;
  daemon: Daemon | null = null;
  #isPaused = false;

  constructor(
    { id, host, clientPort }: Seat,
    files: { readonly directory: string; readonly configFile: string },
    disk: SlowDisk | null,
    launch: () => Daemon,
  ) {
    this.id = id;
    this.host = host;
    this.clientPort = clientPort;
    this.directory = files.directory;
    this.configFile = files.configFile;
    this.disk = disk;
    this.#launch = launch;
  }

  get connect(): string {
    return `${this.host}:${this.clientPort}`;
  }

  get pid(): number {
    return this.daemon?.child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.daemon !== null && !this.daemon.exited;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  start(): void {
    if (this.isRunning) throw new Error(`server ${this.id} runs already`);
    this.#isPaused = false;
    this.daemon = this.#launch();
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#isPaused = false;
    await this.daemon?.stop('SIGKILL');
  }

  /** As an operator stops it. */
  async stop(): Promise<void> {
    if (this.#isPaused) this.resume();
    await this.daemon?.stop('SIGTERM');
  }

  /** SIGSTOP: it is there, and does nothing. */
  pause(): void {
    this.#isPaused = this.daemon?.child.kill('SIGSTOP') ?? false;
  }

  resume(): void {
    this.daemon?.child.kill('SIGCONT');
    this.#isPaused = false;
  }

  /** The answer to a four letter word; null when there is none in time. */
  word(word: string): Promise<string | null> {
    return new Promise((resolve) => {
      let answer = '';
      const socket = connect({ host: this.host, port: this.clientPort, noDelay: true });
      const settle = (result: string | null): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(result);
      };
      const timer = setTimeout(() => settle(null), WORD_TIMEOUT_MS);
      socket.on('connect', () => socket.write(word));
      socket.on('data', (chunk: Buffer) => {
        answer += chunk.toString();
      });
      socket.on('error', () => settle(null));
      socket.on('close', () => settle(answer === '' ? null : answer));
    });
  }

  /** `leader`, `follower`, `observer`, ... as `srvr` says; null when it is not in a role. */
  async mode(): Promise<string | null> {
    if (!this.isRunning || this.#isPaused) return null;
    return /^Mode: (\S+)$/m.exec((await this.word('srvr')) ?? '')?.[1] ?? null;
  }

  /** The figures of `mntr` by name, empty when it does not answer. */
  async figures(): Promise<ReadonlyMap<string, string>> {
    const lines = ((await this.word('mntr')) ?? '').split('\n');
    return new Map(
      lines.filter((line) => line.includes('\t')).map((line) => line.split('\t', 2) as never),
    );
  }

  /** Forgets everything, as after a new disk. It must not run. */
  wipe(): void {
    rmSync(join(this.directory, 'version-2'), { recursive: true, force: true });
    rmSync(join(this.directory, 'odradek'), { recursive: true, force: true });
  }

  /**
   * Removes all log files but the last, as purging does in time: learners that are far behind cannot be sent the log.
   * It must have been stopped in order, with a snapshot of everything; only ours writes one then.
   */
  dropOldLogs(): void {
    const folder = join(this.directory, 'odradek');
    const logs = readdirSync(folder).filter((name) => name.startsWith('log.'));
    for (const name of logs.sort().slice(0, -1)) rmSync(join(folder, name));
  }
}

export class Ensemble {
  readonly members: ReadonlyMap<number, Member>;

  private constructor(members: readonly Member[]) {
    this.members = new Map(members.map((member) => [member.id, member]));
  }

  /** Writes every server's files and starts nothing. */
  static async prepare(workspace: Workspace, options: EnsembleOptions = {}): Promise<Ensemble> {
    const name = options.name ?? options.make ?? 'odradek';
    const seats = await seatsOf(options);
    const members = seats.map((seat) => {
      const folder = `${name}-${seat.id}`;
      const directory = workspace.path(folder);
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, 'myid'), `${seat.id}\n`);
      const configFile = workspace.write(
        `${folder}.cfg`,
        configuration(seat, seats, directory, options),
      );
      const disk =
        options.slowDiskLibrary === undefined
          ? null
          : slowDisk(workspace, options.slowDiskLibrary, folder);
      const launch = (): Daemon => {
        const [program, args] = programOf(options, configFile);
        const [command, all] = options.network?.command(seat.id, program, args) ?? [program, args];
        return workspace.daemon(folder, command, all, disk?.environment);
      };
      return new Member(seat, { directory, configFile }, disk, launch);
    });
    return new Ensemble(members);
  }

  /** A serving ensemble. */
  static async start(workspace: Workspace, options: EnsembleOptions = {}): Promise<Ensemble> {
    const ensemble = await Ensemble.prepare(workspace, options);
    for (const member of ensemble.all) member.start();
    await ensemble.serving();
    return ensemble;
  }

  get all(): readonly Member[] {
    return [...this.members.values()];
  }

  /** For clients: all servers, or these. */
  connect(ids: readonly number[] = [...this.members.keys()]): string {
    return ids.map((id) => this.member(id).connect).join(',');
  }

  member(id: number): Member {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`there is no server ${id}`);
    return member;
  }

  /** Resolves once these (all that run) have a role and one of them leads. */
  async serving(ids?: readonly number[], limitMs = 60_000): Promise<Member> {
    const those = (): readonly Member[] =>
      ids?.map((id) => this.member(id)) ?? this.all.filter(({ isRunning }) => isRunning);
    try {
      return await eventually(
        `${ids ?? 'the ensemble'} serve`,
        async () => {
          const modes = await Promise.all(those().map((member) => member.mode()));
          const leader = those()[modes.indexOf('leader')];
          return modes.every((mode) => mode !== null && mode !== 'read-only') && leader;
        },
        limitMs,
      );
    } catch (error) {
      throw new Error(`${String(error)}\n${this.tail()}`, { cause: error });
    }
  }

  /** What the servers said last, for a failure's message. */
  tail(lines = 25): string {
    return this.all
      .map(({ id, daemon }) => {
        const text = daemon?.output.trimEnd().split('\n').slice(-lines).join('\n') ?? '';
        return `--- server ${id}${daemon?.exited ? ' (ended)' : ''}\n${text}`;
      })
      .join('\n');
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    await Promise.all(
      this.all.map(async (member) => {
        if (member.isPaused) member.resume();
        await member.daemon?.stop(signal);
        member.disk?.close();
      }),
    );
  }
}

async function seatsOf({ network, servers = 3 }: EnsembleOptions): Promise<readonly Seat[]> {
  if (network !== undefined) {
    return [...network.hosts.values()].map(({ id, peerAddress, clientAddress }) => ({
      id,
      host: clientAddress,
      clientPort: CLIENT_PORT,
      peerHost: peerAddress,
      quorumPort: QUORUM_PORT,
      electionPort: ELECTION_PORT,
    }));
  }
  const ports = await freePorts(3 * servers);
  return Array.from({ length: servers }, (_, index) => {
    const [clientPort = 0, quorumPort = 0, electionPort = 0] = ports.slice(3 * index);
    const host = '127.0.0.1';
    return { id: index + 1, host, clientPort, peerHost: host, quorumPort, electionPort };
  });
}

function configuration(
  self: Seat,
  seats: readonly Seat[],
  directory: string,
  { settings = {}, observers = [] }: EnsembleOptions,
): string {
  const entries = {
    dataDir: directory,
    clientPort: String(self.clientPort),
    clientPortAddress: self.host,
    tickTime: '2000',
    initLimit: '10',
    syncLimit: '5',
    maxClientCnxns: '0',
    'admin.enableServer': 'false',
    '4lw.commands.whitelist': '*',
    ...(observers.includes(self.id) && { peerType: 'observer' }),
    ...settings,
    ...Object.fromEntries(
      seats.map(({ id, peerHost, quorumPort, electionPort }) => [
        `server.${id}`,
        `${peerHost}:${quorumPort}:${electionPort}${observers.includes(id) ? ':observer' : ''}`,
      ]),
    ),
  };
  return `${Object.entries(entries)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')}\n`;
}

function programOf(
  { make = 'odradek', runtimeArguments = [] }: EnsembleOptions,
  file: string,
): [string, string[]] {
  if (make === 'odradek') {
    // As a user starts it; the script becomes the server, so that signals reach it.
    if (runtimeArguments.length === 0)
      return [join(projectRoot, 'bin/zookeeper-server-start.sh'), [file]];
    const main = join(projectRoot, 'packages/cli/dist/main.js');
    return [process.execPath, [...runtimeArguments, main, 'zookeeper-server-start', file]];
  }
  return [
    '/usr/bin/java',
    [
      ...runtimeArguments,
      '-Dzookeeper.root.logger=INFO,CONSOLE',
      '-cp',
      `${APACHE_JAR}:/etc/zookeeper/conf`,
      'org.apache.zookeeper.server.quorum.QuorumPeerMain',
      file,
    ],
  ];
}
