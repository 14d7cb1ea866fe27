/**
 * Several replicas in one process: real storage over disks in memory, a simple network, virtual time.
 * It proposes through whoever leads, notes what became of it, and checks what must always hold.
 */
import { type Disk, type DiskFile, type Log, OdradekError, silentLog } from '@odradek/runtime';
import { formatEnsemble, parseEnsemble } from '../../src/core/quorum/ensemble.ts';
import { epochOf } from '../../src/core/transaction/number-spaces.ts';
import type { ReplicaLimits } from '../../src/replica/limits.ts';
import { Replica } from '../../src/replica/replica.ts';
import type {
  LeaderLink,
  Leadership,
  LoadedMembers,
  LogEntry,
  ReplicatedState,
  RoleListener,
} from '../../src/replica/types.ts';
import { openStorage } from '../../src/storage/storage.ts';
import type { LogRecord, ReplicatedStorage, StorageSettings } from '../../src/storage/types.ts';
import { MemoryDisk } from '../storage/memory-disk.ts';
import { type Draw, SimpleNetwork } from './simple-network.ts';
import { VirtualTime } from './virtual-time.ts';

/** A small generator; the same draws for the same seed. */
export function drawsOf(seed: number): Draw {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

/** `key=value`, or `members` and a text. */
interface Change {
  readonly key: string;
  readonly value: string;
}

const MEMBERS = '#members';

const encode = (change: Change): Buffer => Buffer.from(`${change.key}\n${change.value}`);

function decode(bytes: Uint8Array): Change {
  const text = Buffer.from(bytes).toString();
  const end = text.indexOf('\n');
  return { key: text.slice(0, end), value: text.slice(end + 1) };
}

class SnapshotGivenUp extends OdradekError {
  readonly code = 'GIVEN_UP';
  readonly retriable = true;
}

/** A tree as small as can be: values by key, and who the members are. */
export class TestState implements ReplicatedState {
  readonly values = new Map<string, string>();
  appliedZxid = 0n;
  isLoading = false;
  initialMembers: string | null = null;
  readonly #onApply: (entry: LogEntry) => void;

  constructor(onApply: (entry: LogEntry) => void) {
    this.#onApply = onApply;
  }

  async load(content: {
    readonly snapshot: AsyncIterable<Uint8Array> | null;
    readonly records: AsyncIterable<LogRecord>;
    readonly zxid: bigint;
  }): Promise<LoadedMembers> {
    this.isLoading = true;
    this.values.clear();
    for await (const entry of content.snapshot ?? []) this.#change(decode(entry));
    let before: string | null = null;
    let last = 0n;
    for await (const { zxid, payload } of content.records) {
      if (zxid > content.zxid) break;
      const change = decode(payload);
      if (change.key === MEMBERS) before = this.values.get(MEMBERS) ?? this.initialMembers;
      this.#change(change);
      last = zxid;
    }
    if (last > content.zxid) throw new Error('more was loaded than there is');
    this.appliedZxid = content.zxid;
    this.isLoading = false;
    return { ensembleText: this.values.get(MEMBERS) ?? null, ensembleTextBefore: before };
  }

  apply(entry: LogEntry): void {
    if (entry.zxid <= this.appliedZxid) throw new Error(`${entry.zxid} is applied twice`);
    this.appliedZxid = entry.zxid;
    this.#change(decode(entry.record));
    this.#onApply(entry);
  }

  ensembleTextOf(record: Uint8Array): string | null {
    const { key, value } = decode(record);
    return key === MEMBERS ? value : null;
  }

  *entries(): Iterable<Uint8Array> {
    for (const [key, value] of this.values) {
      if (this.isLoading) throw new SnapshotGivenUp('the tree is made anew');
      yield encode({ key, value });
    }
  }

  #change({ key, value }: Change): void {
    this.values.set(key, value);
  }
}

export interface WorldOptions {
  readonly seed: number;
  readonly members: string;
  readonly limits?: Partial<ReplicaLimits>;
  readonly storage?: Partial<StorageSettings>;
  readonly autocreate?: boolean;
  /** How long a sync of a server's disk takes at most; 2 when not said. */
  readonly syncMsMax?: (id: number) => number;
  readonly tickMs?: number;
}

const TICK_MS = 100;
const INIT_LIMIT = 10;
const SYNC_LIMIT = 5;

interface ServerProcess {
  isAlive: boolean;
  pausedUntilMs: number;
}

export class TestServer {
  readonly id: number;
  readonly world: World;
  disk: MemoryDisk;
  process: ServerProcess = { isAlive: false, pausedUntilMs: 0 };
  replica: Replica | null = null;
  storage: ReplicatedStorage | null = null;
  state: TestState | null = null;
  leadership: Leadership | null = null;
  link: LeaderLink | null = null;
  /** What it told the server above, in order. */
  readonly roles: string[] = [];
  /** Zxids it applied since it was started. */
  applied: bigint[] = [];
  readonly tells: string[] = [];
  readonly lines: string[] = [];
  /** The members as its file says. */
  file: string;
  #proposedZxid = 0n;

  constructor(id: number, world: World) {
    this.id = id;
    this.world = world;
    this.disk = new MemoryDisk();
    this.file = world.initialText;
  }

  get isServing(): boolean {
    return this.leadership !== null || this.link !== null;
  }

  async start(): Promise<void> {
    const { time, options } = this.world;
    const process = { isAlive: true, pausedUntilMs: 0 };
    this.process = process;
    const timers = time.timers(process);
    const note = (message: string, fields: object = {}): void => {
      this.lines.push(
        `${time.now().toFixed(1)} [${this.id}] ${message} ${Object.entries(fields)
          .map(([key, value]) => `${key}=${value instanceof Error ? value.message : value}`)
          .join(' ')}`,
      );
    };
    const log: Log = { ...silentLog, info: note, warn: note, error: note, child: () => silentLog };
    const random = {
      bytes: (sizeBytes: number) =>
        Buffer.from(Array.from({ length: sizeBytes }, () => this.world.draw(256))),
      below: (limit: number) => this.world.draw(limit),
    };
    const environment = { clock: time, timers, random, disk: this.#slow(this.disk, process), log };
    const storage = await openStorage({
      environment,
      dataDirectory: '/data',
      logDirectory: '/data',
      settings: { preallocateBytes: 4096, ...options.storage },
      autocreate: options.autocreate ?? false,
      onFailure: (error) => {
        if (process.isAlive) this.replica?.failed(error);
      },
    });
    if (!process.isAlive) return;
    this.applied = [];
    const state = new TestState((entry) => {
      if (!process.isAlive) return;
      this.applied.push(entry.zxid);
      this.world.applied(this, entry);
    });
    state.initialMembers = this.world.initialText;
    this.state = state;
    this.storage = storage;
    const replica = new Replica({
      environment,
      storage,
      network: this.world.network.join(this.id, process),
      state,
      listener: this.#listener(process),
      config: {
        serverId: this.id,
        ensemble: parseEnsemble(this.file),
        tickMs: options.tickMs ?? TICK_MS,
        initLimit: INIT_LIMIT,
        syncLimit: SYNC_LIMIT,
        ...(options.limits === undefined ? {} : { limits: options.limits }),
      },
    });
    this.replica = replica;
    await replica.start();
  }

  /** kill -9, or a power cut with what that does to a disk. */
  crash(kind: 'kill' | 'power'): void {
    this.process.isAlive = false;
    this.disk = kind === 'kill' ? this.disk.kill() : this.disk.crash(this.world.draw);
    this.world.network.gone(this.id);
    this.leadership = null;
    this.link = null;
    this.replica = null;
  }

  /** As the server above does from time to time. */
  takeSnapshot(): void {
    const { storage, state } = this;
    if (!this.process.isAlive || storage === null || state === null || storage.snapshotRunning)
      return;
    if (state.isLoading) return;
    storage.writeSnapshot(state.appliedZxid, state.entries()).catch((error: unknown) => {
      if (!(error instanceof OdradekError)) throw error;
    });
  }

  pause(ms: number): void {
    this.process.pausedUntilMs = this.world.time.now() + ms;
  }

  /** @returns its zxid, or null when this server does not lead */
  propose(key: string, value: string, ensembleText: string | null = null): bigint | null {
    const { leadership } = this;
    if (leadership === null || !this.process.isAlive) return null;
    this.#proposedZxid += 1n;
    const zxid = this.#proposedZxid;
    const record =
      ensembleText === null
        ? encode({ key, value })
        : encode({ key: MEMBERS, value: ensembleText });
    this.world.proposed(zxid, record);
    leadership.propose({ zxid, record, origin: { serverId: this.id, requestId: 1 }, ensembleText });
    return zxid;
  }

  /**
   * Makes these the members: the version is the zxid of the change.
   * @returns its zxid, or why it cannot be
   */
  reconfigure(members: string): bigint | string {
    const { leadership } = this;
    if (leadership === null || !this.process.isAlive) return 'it does not lead';
    let text: string;
    try {
      text = formatEnsemble({ ...parseEnsemble(members), version: this.#proposedZxid + 1n });
    } catch (error) {
      return String(error);
    }
    return leadership.refusalOf(text) ?? this.propose('', '', text) ?? 'it does not lead';
  }

  #listener(process: ServerProcess): RoleListener {
    const alive = (run: () => void): void => {
      if (process.isAlive) run();
    };
    return {
      leading: (leadership) =>
        alive(() => {
          this.leadership = leadership;
          this.#proposedZxid = leadership.lastZxid;
          this.roles.push(`leading ${leadership.epoch}`);
          this.world.serves(this, leadership.epoch, true);
          leadership.listen({
            told: (from, bytes) => {
              const text = Buffer.from(bytes).toString();
              this.tells.push(`${from}: ${text}`);
              leadership.tell(from, Buffer.from(`re ${text}`));
            },
            gone: (from) => this.tells.push(`${from} gone`),
          });
        }),
      following: (link) =>
        alive(() => {
          this.link = link;
          this.roles.push(`following ${link.leaderId}`);
          this.world.serves(this, link.epoch, false);
          link.listen((bytes) => this.tells.push(Buffer.from(bytes).toString()));
        }),
      looking: () =>
        alive(() => {
          this.leadership = null;
          this.link = null;
          this.roles.push('looking');
        }),
      reconfigured: (text) =>
        alive(() => {
          this.roles.push('reconfigured');
          // As the server above does: the file names those that are certain.
          if (parseEnsemble(text).version > parseEnsemble(this.file).version) this.file = text;
        }),
    };
  }

  /** A disk whose syncs take a moment, so that there is one between any two steps. */
  #slow(disk: MemoryDisk, process: ServerProcess): Disk {
    const slowest = this.world.options.syncMsMax?.(this.id) ?? 2;
    const wait = (): Promise<void> =>
      new Promise((resolve) => {
        const syncMs = 0.2 + (this.world.draw(100) / 100) * slowest;
        this.world.time.after(syncMs, () => {
          if (process.isAlive) resolve();
        });
      });
    return {
      open: async (path, mode) => {
        const file = await disk.open(path, mode === 'durable' ? 'write' : mode);
        const sync = async (): Promise<void> => {
          await wait();
          await file.sync();
        };
        const write: DiskFile['write'] = async (buffers, position) => {
          await file.write(buffers, position);
          if (mode === 'durable') await sync();
        };
        return { ...file, write, sync };
      },
      readFile: (path) => disk.readFile(path),
      replaceFile: async (path, content) => {
        await wait();
        await disk.replaceFile(path, content);
      },
      status: (path) => disk.status(path),
      list: (path) => disk.list(path),
      survey: (path) => disk.survey(path),
      readPieces: (pieces) => disk.readPieces(pieces),
      makeDirectory: (path) => disk.makeDirectory(path),
      rename: (from, to) => disk.rename(from, to),
      remove: (path) => disk.remove(path),
      setModifiedTime: (path) => disk.setModifiedTime(path),
      space: (path) => disk.space(path),
      syncDirectory: (path) => disk.syncDirectory(path),
      lock: (path) => disk.lock(path),
    };
  }
}

export class World {
  readonly options: WorldOptions;
  readonly time = new VirtualTime();
  readonly draw: Draw;
  readonly network: SimpleNetwork;
  readonly servers = new Map<number, TestServer>();
  readonly initialText: string;
  /** What was ever proposed, and what anybody ever applied, by zxid. */
  readonly #proposals = new Map<bigint, string>();
  readonly #history = new Map<bigint, string>();
  /** Applied where clients are served: they were told, or may have read it. */
  readonly acknowledged = new Set<bigint>();
  readonly #leaders = new Map<number, number>();

  constructor(options: WorldOptions) {
    this.options = options;
    this.draw = drawsOf(options.seed);
    this.network = new SimpleNetwork(this.time, this.draw);
    const ensemble = parseEnsemble(options.members);
    this.initialText = formatEnsemble(ensemble);
    for (const id of ensemble.servers.keys()) this.add(id);
  }

  add(id: number): TestServer {
    const server = new TestServer(id, this);
    this.servers.set(id, server);
    return server;
  }

  server(id: number): TestServer {
    return this.servers.get(id)!;
  }

  get leader(): TestServer | null {
    const leading = [...this.servers.values()].filter(({ leadership }) => leadership !== null);
    return leading.sort((one, other) => other.leadership!.epoch - one.leadership!.epoch)[0] ?? null;
  }

  async startAll(): Promise<void> {
    await this.doing(Promise.all([...this.servers.values()].map((server) => server.start())));
  }

  /** Starts one, until it has loaded what it has. */
  async restart(id: number): Promise<void> {
    await this.doing(this.server(id).start());
  }

  /** Lets time pass until something is done. */
  async doing<Result>(work: Promise<Result>, limitMs = 10_000): Promise<Result> {
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    work.then(done, done);
    if (!(await this.time.runUntil(() => isDone, limitMs))) throw new Error('it takes too long');
    return await work;
  }

  /** Everybody that lives serves, and has applied the same. */
  async untilInStep(limitMs = 20_000): Promise<void> {
    const isInStep = (): boolean => {
      const { leader } = this;
      if (leader === null || leader.leadership!.outstandingBytes > 0) return false;
      const alive = [...this.servers.values()].filter(({ process }) => process.isAlive);
      return alive.every(
        ({ isServing, state }) => isServing && state!.appliedZxid === leader.state!.appliedZxid,
      );
    };
    if (await this.time.runUntil(isInStep, limitMs)) return;
    throw new Error(`not in step:\n${this.describe()}`);
  }

  async untilLed(limitMs = 20_000): Promise<TestServer> {
    await this.time.runUntil(() => this.leader !== null, limitMs);
    const { leader } = this;
    if (leader === null) throw new Error(`nobody leads:\n${this.describe()}`);
    return leader;
  }

  describe(): string {
    const lines = [...this.servers.values()].flatMap((server) => server.lines);
    lines.sort((one, other) => Number.parseFloat(one) - Number.parseFloat(other));
    const states = [...this.servers.values()].map(({ id, process, replica, state }) => {
      const status = process.isAlive ? replica?.status() : undefined;
      return `${id}: ${status?.role ?? 'down'} logged=${status?.loggedZxid.toString(16)} committed=${status?.committedZxid.toString(16)} applied=${state?.appliedZxid.toString(16)} epochs=${status?.acceptedEpoch}/${status?.currentEpoch} ${status?.obstacle ?? ''} ${status?.ensembleText
        .split('\n')
        .map((line) => line.replace(/host.*:/, ''))
        .join(' ')}`;
    });
    return [...lines.slice(-60), ...states].join('\n');
  }

  // What servers report

  proposed(zxid: bigint, record: Buffer): void {
    const text = record.toString();
    const before = this.#proposals.get(zxid);
    // I6: one leader per epoch, and it gives out each zxid once.
    if (before !== undefined) throw new Error(`0x${zxid.toString(16)} is proposed twice`);
    this.#proposals.set(zxid, text);
  }

  serves(server: TestServer, epoch: number, isLeader: boolean): void {
    if (isLeader) {
      // I1: at most one established leader of an epoch.
      const other = this.#leaders.get(epoch);
      if (other !== undefined)
        throw new Error(`${other} and ${server.id} lead epoch ${epoch}\n${this.describe()}`);
      this.#leaders.set(epoch, server.id);
    }
    // I3 and I7: whoever serves has everything that was acknowledged before its epoch.
    let newest = 0n;
    for (const zxid of this.acknowledged) {
      if (epochOf(zxid) < epoch && zxid > newest) newest = zxid;
    }
    if (server.state!.appliedZxid < newest) {
      throw new Error(
        `server ${server.id} serves epoch ${epoch} at 0x${server.state!.appliedZxid.toString(16)} without 0x${newest.toString(16)}\n${this.describe()}`,
      );
    }
    // What can be read from now on must have been certain.
    const shown = server.state!.appliedZxid;
    if (this.#proposals.has(shown)) this.acknowledged.add(shown);
  }

  applied(server: TestServer, { zxid, record }: LogEntry): void {
    const text = Buffer.from(record).toString();
    const before = this.#history.get(zxid);
    // I5: agreement on what is at a zxid.
    if (before !== undefined && before !== text) {
      throw new Error(`two things are applied at 0x${zxid.toString(16)}`);
    }
    if (this.#proposals.get(zxid) !== text) throw new Error(`0x${zxid.toString(16)} is invented`);
    this.#history.set(zxid, text);
    if (server.isServing) this.acknowledged.add(zxid);
  }

  /** At the end, when everybody is in step: the same everywhere, and nothing acknowledged lost. */
  async check(): Promise<void> {
    const [first, ...others] = [...this.servers.values()].filter(({ process }) => process.isAlive);
    const values = first!.state!.values;
    for (const { id, state } of others) {
      if (contentOf(state!.values) === contentOf(values)) continue;
      throw new Error(
        `servers ${first!.id} and ${id} differ:\n${contentOf(values)}\n${contentOf(state!.values)}`,
      );
    }
    // Values are written once, so each tells which transaction it comes from.
    const writtenAt = new Map([...this.#proposals].map(([zxid, text]) => [text, zxid]));
    for (const zxid of this.acknowledged) {
      const { key } = decode(Buffer.from(this.#proposals.get(zxid)!));
      const value = values.get(key);
      const stands =
        value === undefined ? undefined : writtenAt.get(encode({ key, value }).toString());
      // I7: it stands, or something newer does.
      if (stands === undefined || stands < zxid) {
        throw new Error(`${key} of 0x${zxid.toString(16)} is lost: ${value}\n${this.describe()}`);
      }
    }
    await Promise.resolve();
  }
}

const contentOf = (values: ReadonlyMap<string, string>): string =>
  [...values]
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(' ');

/** `count` participants with ids from 1, all on one host. */
export function membersOf(count: number, more: readonly string[] = []): string {
  const lines = Array.from(
    { length: count },
    (_, index) => `server.${index + 1}=host${index + 1}:2182:2183:participant`,
  );
  return [...lines, ...more].join('\n');
}
