/**
 * Goal: at whatever instant the power goes, everything that was acknowledged is there afterwards, of the rest a
 * prefix in the order of each client's requests, and of no multi only a part.
 * Method: the whole server on a disk in memory that loses, reorders and tears what was not synced, with clients
 * that keep many requests on their way; a server on what is left is asked for everything. Some starts are cut
 * short as well. Every instant of a life follows from its seed.
 */
import { expect, test } from '@jest/globals';
import {
  connectRequest,
  connectResponse,
  getChildrenResponse,
  getDataResponse,
  JuteFrameSplitter,
  multiEnd,
  multiHeader,
  opCodes,
  Writer,
} from '@odradek/protocol';
import {
  type Connection,
  type ConnectionHandler,
  type Environment,
  inlineWorkers,
  parseProperties,
  silentLog,
} from '@odradek/runtime';
import { type RunningCoordinator, readZooCfg, startCoordinator } from '../../src/index.ts';
import { type Draw, MemoryDisk } from '../storage/memory-disk.ts';
import { ManualTime } from '../support/manual-time.ts';
import { MemoryNetwork } from '../support/memory-network.ts';
import { create, read, remove, set } from '../support/requests.ts';

const SEEDS = Number(process.env.ODRADEK_CRASH_SEEDS ?? 350);
const FIRST_SEED = Number(process.env.ODRADEK_CRASH_FIRST_SEED ?? 1);
const LIVES = 3;
const CLIENTS = 2;
const KEYS = 5;
const IN_FLIGHT = 12;
const PORT = 2181;

/** mulberry32 */
function drawFrom(seed: number): Draw {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const settings = readZooCfg(
  parseProperties(
    `dataDir=/data\nclientPort=${PORT}\nsnapCount=40\npreAllocSize=16\ntxnLogSizeLimitInKb=24\n` +
      'tickTime=1000\nadmin.enableServer=false\nmaxClientCnxns=0\n',
    'zoo.cfg',
  ),
  { source: 'zoo.cfg', homeDirectory: '/' },
).values;

/** A machine that can lose its power. */
class Machine {
  readonly network: MemoryNetwork;
  readonly #disk: MemoryDisk;
  readonly #draw: Draw;

  constructor(disk: MemoryDisk, draw: Draw) {
    this.#disk = disk;
    this.#draw = draw;
    this.network = new MemoryNetwork(draw);
  }

  start(): Promise<RunningCoordinator> {
    const time = new ManualTime();
    const draw = this.#draw;
    const environment: Environment = {
      clock: time,
      timers: time,
      random: {
        bytes: (size) => Buffer.from(Array.from({ length: size }, () => draw(256))),
        below: draw,
      },
      network: this.network,
      disk: this.#disk,
      workers: inlineWorkers({ disk: this.#disk, clock: time, timers: time }),
      log: silentLog,
    };
    return startCoordinator(environment, settings);
  }

  /** Either the process dies and the machine goes on, or the machine loses its power. */
  die(): MemoryDisk {
    this.network.cut();
    return this.#draw(4) === 0 ? this.#disk.kill() : this.#disk.crash(this.#draw);
  }
}

interface Answer {
  readonly err: number;
  readonly zxid: bigint;
  readonly body: Buffer;
}

/** A connection with a session; replies come in the order of the requests. */
class Wire implements ConnectionHandler {
  readonly #splitter = new JuteFrameSplitter(1 << 24);
  readonly #waiting: ((frame: Buffer) => void)[] = [];
  #connection: Connection | null = null;
  sessionId = 0n;
  password = Buffer.alloc(16);

  async open(network: MemoryNetwork, sessionId: bigint, password: Buffer): Promise<number> {
    this.#connection = await network.connect({ port: PORT }, () => this);
    const answer = this.#next();
    this.#frame(
      connectRequest.encode({
        protocolVersion: 0,
        lastZxidSeen: 0n,
        timeOut: 10_000,
        sessionId,
        passwd: password,
        readOnly: false,
      }),
    );
    const response = connectResponse.decode(await answer);
    this.sessionId = response.sessionId;
    this.password = Buffer.from(response.passwd);
    return response.timeOut;
  }

  async ask(opCode: number, body: Buffer): Promise<Answer> {
    const answer = this.#next();
    const header = Buffer.alloc(8);
    header.writeInt32BE(1, 0);
    header.writeInt32BE(opCode, 4);
    this.#frame(Buffer.concat([header, body]));
    const frame = await answer;
    return {
      err: frame.readInt32BE(12),
      zxid: frame.readBigInt64BE(4),
      body: Buffer.from(frame.subarray(16)),
    };
  }

  data(chunk: Buffer): void {
    this.#splitter.push(Buffer.from(chunk));
    for (let frame = this.#splitter.next(); frame !== null; frame = this.#splitter.next()) {
      this.#waiting.shift()?.(frame.buffer.subarray(frame.position, frame.end));
    }
  }

  close(): void {}

  #next(): Promise<Buffer> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #frame(body: Buffer): void {
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length);
    this.#connection?.write(Buffer.concat([length, body]));
  }
}

/** What is below a client's own node: data and version by name. */
type Nodes = ReadonlyMap<string, string>;

const written = (data: string, version: number): string => `${version} ${data}`;
const shown = (nodes: Nodes): string => JSON.stringify([...nodes].sort());

/** A client that writes to nodes of its own, and knows what each of its writes leaves. */
class Writing {
  readonly #root: string;
  readonly #draw: Draw;
  /** What is there after so many of this life's writes. */
  readonly states: string[];
  #nodes: Nodes;
  acknowledged = 0;
  lastZxid = 0n;
  #serial: number;

  constructor(root: string, nodes: Nodes, serial: number, draw: Draw) {
    this.#root = root;
    this.#nodes = nodes;
    this.#serial = serial;
    this.#draw = draw;
    this.states = [shown(nodes)];
  }

  /** Sends the next write. */
  async write(wire: Wire): Promise<void> {
    const after = new Map(this.#nodes);
    const count = this.#draw(4) === 0 ? 2 + this.#draw(3) : 1;
    const parts = Array.from({ length: count }, () => this.#change(after));
    this.#nodes = after;
    this.states.push(shown(after));
    const number = this.states.length - 1;
    const [single] = parts;
    const answer =
      parts.length === 1 && single !== undefined
        ? await wire.ask(single.opCode, single.body)
        : await wire.ask(opCodes.multi, multi(parts));
    expect(answer.err).toBe(0);
    expect(number).toBe(this.acknowledged + 1);
    expect(answer.zxid).toBeGreaterThan(this.lastZxid);
    this.lastZxid = answer.zxid;
    this.acknowledged = number;
  }

  #change(nodes: Map<string, string>): { opCode: number; body: Buffer } {
    const name = `k${this.#draw(KEYS)}`;
    const path = `${this.#root}/${name}`;
    this.#serial += 1;
    const data = `${this.#serial}`.padEnd(this.#draw(6) === 0 ? 2_500 : 1 + this.#draw(60), '.');
    const known = nodes.get(name);
    if (known === undefined) {
      nodes.set(name, written(data, 0));
      return { opCode: opCodes.create, body: create(path, data, this.#draw(3) === 0 ? 1 : 0) };
    }
    if (this.#draw(3) === 0) {
      nodes.delete(name);
      return { opCode: opCodes.delete, body: remove(path) };
    }
    const version = Number(known.split(' ', 1)[0]);
    nodes.set(name, written(data, version + 1));
    return { opCode: opCodes.setData, body: set(path, data, version) };
  }
}

function multi(parts: readonly { readonly opCode: number; readonly body: Buffer }[]): Buffer {
  const writer = new Writer();
  for (const { opCode, body } of parts) {
    multiHeader.encodeInto(writer, { type: opCode, done: false, err: -1 });
    writer.copy(body);
  }
  multiHeader.encodeInto(writer, multiEnd);
  return writer.finishWhole();
}

/** Everything below `root`, as a client reads it. */
async function contentOf(wire: Wire, root: string): Promise<Nodes> {
  const listed = await wire.ask(opCodes.getChildren, read(root));
  expect(listed.err).toBe(0);
  const nodes = new Map<string, string>();
  for (const name of getChildrenResponse.decode(listed.body).children) {
    const { body } = await wire.ask(opCodes.getData, read(`${root}/${name}`));
    const { data, stat } = getDataResponse.decode(body);
    nodes.set(name, written(String(data), stat.version));
  }
  return nodes;
}

interface Owner {
  readonly root: string;
  readonly sessionId: bigint;
  readonly password: Buffer;
  nodes: Nodes;
}

/** Lives and deaths of one server. @returns how often it died, and writes acknowledged before that */
async function lives(seed: number): Promise<{ deaths: number; acknowledged: number }> {
  const draw = drawFrom(seed);
  let disk = new MemoryDisk();
  let serial = 0;
  let total = 0;
  let deaths = 0;
  let highestZxid = 0n;
  const owners: Owner[] = [];
  for (let life = 0; life < LIVES; life += 1) {
    for (; draw(3) === 0; deaths += 1) disk = await diesWhileStarting(disk, draw);
    const machine = new Machine(disk, draw);
    await machine.start();
    const wires: Wire[] = [];
    for (let index = 0; index < CLIENTS; index += 1) {
      const wire = new Wire();
      const owner = owners[index];
      if (owner === undefined) {
        expect(await wire.open(machine.network, 0n, Buffer.alloc(16))).toBe(10_000);
        const root = `/c${index}`;
        expect((await wire.ask(opCodes.create, create(root))).err).toBe(0);
        const { sessionId, password } = wire;
        owners.push({ root, sessionId, password, nodes: new Map() });
      } else {
        // An acknowledged session is there as well, with its password.
        expect(await wire.open(machine.network, owner.sessionId, owner.password)).toBe(10_000);
        expect(shown(await contentOf(wire, owner.root))).toBe(shown(owner.nodes));
      }
      wires.push(wire);
    }
    const writing = owners.map(({ root, nodes }) => new Writing(root, nodes, serial, draw));
    let isAlive = true;
    const failures: unknown[] = [];
    for (const [index, client] of writing.entries()) {
      const wire = wires[index];
      const pump = async (): Promise<void> => {
        while (isAlive && wire !== undefined) await client.write(wire);
      };
      for (let n = 0; n < IN_FLIGHT; n += 1) pump().catch((error) => failures.push(error));
    }
    for (let turns = draw(60); turns > 0; turns -= 1) await turn();
    isAlive = false;
    disk = machine.die();
    const promised = writing.map(({ acknowledged }) => acknowledged);
    expect(failures).toEqual([]);
    serial += 100_000;

    const next = new Machine(disk, draw);
    await next.start();
    for (const [index, owner] of owners.entries()) {
      const client = writing[index];
      if (client === undefined) continue;
      const reader = new Wire();
      await reader.open(next.network, 0n, Buffer.alloc(16));
      const found = await contentOf(reader, owner.root);
      const allowed = client.states.slice(promised[index]);
      expect(allowed).toContain(shown(found));
      owner.nodes = found;
      total += promised[index] ?? 0;
      if (client.lastZxid > highestZxid) highestZxid = client.lastZxid;
      const after = await reader.ask(opCodes.setData, set(owner.root, 'alive'));
      expect(after.err).toBe(0);
      expect(after.zxid).toBeGreaterThan(highestZxid);
      highestZxid = after.zxid;
    }
    disk = next.die();
    deaths += 2;
  }
  return { deaths, acknowledged: total };
}

/** A start that never gets to serve. */
async function diesWhileStarting(disk: MemoryDisk, draw: Draw): Promise<MemoryDisk> {
  const machine = new Machine(disk, draw);
  const started = machine.start().catch(() => null);
  for (let turns = draw(12); turns > 0; turns -= 1) await turn();
  const left = machine.die();
  await started;
  machine.network.cut();
  return left;
}

test(
  `${SEEDS} servers, each of which dies ${2 * LIVES} times and more: thousands of deaths under load`,
  async () => {
    let deaths = 0;
    let acknowledged = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
      try {
        const life = await lives(seed);
        deaths += life.deaths;
        acknowledged += life.acknowledged;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    expect(deaths).toBeGreaterThan(SEEDS * 2 * LIVES);
    // Gentle deaths would show nothing: on the average a good number of writes stand before each.
    expect(acknowledged / (SEEDS * LIVES)).toBeGreaterThan(10);
  },
  60_000 + SEEDS * 2_000,
);
