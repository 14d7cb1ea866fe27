/**
 * Three programs with kazoo and three with node-zookeeper-client, on an ensemble whose leader is killed again and
 * again: each keeps its session, its ephemeral node and its watch, and goes on counting, and no count goes back.
 *
 * ODRADEK_CHAOS_ROUNDS says how often (6), ODRADEK_CHAOS_MAKE=apache tries the test itself on Apache ZooKeeper.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { operations, RawSession } from '@odradek/client';
import { nodeEnvironment } from '@odradek/runtime';
import { Ensemble, type Make } from '../support/ensemble.ts';
import { type Daemon, eventually, projectRoot, Workspace } from '../support/workspace.ts';

const ROUNDS = Number(process.env.ODRADEK_CHAOS_ROUNDS ?? 6);
const make = (process.env.ODRADEK_CHAOS_MAKE ?? 'odradek') as Make;
const SESSION_TIMEOUT_MS = 6_000;
const PROGRAMS_EACH = 3;
const OPEN_ACL = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];

const workspace = new Workspace();
afterAll(() => workspace.dispose());

/** What a program said so far. */
class Program {
  readonly name: string;
  readonly #daemon: Daemon;
  readonly beats: number[] = [];
  readonly #heard = new Map<string, number>();
  /** The last count that was acknowledged, and those that did not follow on the one before. */
  counted = 0;
  readonly outOfOrder: number[] = [];
  #partial = '';

  constructor(name: string, daemon: Daemon) {
    this.name = name;
    this.#daemon = daemon;
    daemon.child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (this.#partial + chunk.toString()).split('\n');
      this.#partial = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith('{')) this.#take(JSON.parse(line));
    });
  }

  #take({ event, number = 0 }: { event: string; number?: number }): void {
    this.#heard.set(event, this.heard(event) + 1);
    if (event === 'beat') this.beats.push(number);
    if (event !== 'counted') return;
    if (number !== this.counted + 1) this.outOfOrder.push(number);
    this.counted = number;
  }

  get isRunning(): boolean {
    return !this.#daemon.exited;
  }

  heard(event: string): number {
    return this.#heard.get(event) ?? 0;
  }

  toString(): string {
    return `${this.name}:\n${this.#daemon.output.split('\n').slice(-15).join('\n')}`;
  }
}

function startPrograms(connect: string): readonly Program[] {
  const clients = join(projectRoot, 'test/chaos/clients');
  const programs: Program[] = [];
  for (let number = 1; number <= PROGRAMS_EACH; number += 1) {
    const node = `node-${number}`;
    const script = join(clients, 'node-zookeeper-client-program.mjs');
    const nodeArguments = [script, connect, node, String(SESSION_TIMEOUT_MS)];
    programs.push(new Program(node, workspace.program(node, process.execPath, nodeArguments)));
    if (!existsSync('/usr/lib/python3/dist-packages/kazoo')) continue;
    const kazoo = `kazoo-${number}`;
    const kazooArguments = [
      join(clients, 'kazoo_program.py'),
      connect,
      kazoo,
      String(SESSION_TIMEOUT_MS / 1000),
    ];
    programs.push(new Program(kazoo, workspace.program(kazoo, '/usr/bin/python3', kazooArguments)));
  }
  if (programs.length === PROGRAMS_EACH) console.warn('without kazoo: python3-kazoo is not there');
  return programs;
}

test(`${ROUNDS} times kill -9 of the leader: programs keep sessions, ephemerals and watches`, async () => {
  const ensemble = await Ensemble.start(workspace, { make, settings: { tickTime: '1000' } });
  const connect = ensemble.connect();
  const open = (): RawSession =>
    RawSession.open({ connect, sessionTimeoutMs: 20_000, environment: nodeEnvironment() });
  let session = open();
  /** Repeats what a broken connection left without an answer. */
  const surely = <T>(what: string, ask: (session: RawSession) => Promise<T>): Promise<T> =>
    eventually(what, async () => {
      if (!session.isAlive) session = open();
      return { answer: await ask(session) };
    }).then(({ answer }) => answer);
  const set = (path: string, text: string): Promise<unknown> =>
    surely(`${path} is set`, (asked) =>
      asked.call(operations.setData, { path, data: Buffer.from(text), version: -1 }),
    );
  const node = { data: Buffer.from('0'), acl: OPEN_ACL, flags: 0 };
  for (const path of ['/programs', '/programs/alive', '/programs/beat'])
    await session.call(operations.create, { path, ...node });

  const programs = startPrograms(connect);
  const holders = (): Promise<ReadonlyMap<string, bigint>> =>
    surely('the ephemerals are listed', async (asked) => {
      const found = new Map<string, bigint>();
      for (const { name } of programs) {
        const path = `/programs/alive/${name}`;
        const { stat } = await asked.call(operations.exists, { path, watch: false });
        found.set(name, stat.ephemeralOwner);
      }
      return found;
    });
  await eventually('all programs are ready', async () =>
    programs.every((program) => program.heard('ready') === 1),
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${programs.join('\n')}\n${ensemble.tail()}`);
  });
  const owners = await holders();

  for (let round = 1; round <= ROUNDS; round += 1) {
    const leader = await ensemble.serving();
    const counted = programs.map((program) => program.counted);
    await leader.kill();
    await set('/programs/beat', String(round));
    await eventually(`every program sees beat ${round} and counts on`, async () =>
      programs.every(
        (program, index) =>
          program.beats.includes(round) && program.counted > (counted[index] ?? 0) + 3,
      ),
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${programs.join('\n')}\n${ensemble.tail()}`);
    });
    // The same sessions hold the same nodes: none of them was missed for as long as its time-out.
    expect(await holders()).toEqual(owners);
    leader.start();
    await ensemble.serving();
  }

  for (const program of programs) {
    expect(program.isRunning).toBe(true);
    expect([program.name, program.heard('expired')]).toEqual([program.name, 0]);
    // Watches came in order, and what was acknowledged was never counted again.
    expect(program.beats).toEqual([...program.beats].sort((a, b) => a - b));
    expect([program.name, program.outOfOrder]).toEqual([program.name, []]);
    const path = `/programs/count-${program.name}`;
    const { data } = await surely('the count is read', async (asked) => {
      await asked.call(operations.sync, { path });
      return asked.call(operations.getData, { path, watch: false });
    });
    expect(Number(data?.toString())).toBeGreaterThanOrEqual(program.counted);
  }
  await session.close();
  await ensemble.stop();
}, 600_000);
