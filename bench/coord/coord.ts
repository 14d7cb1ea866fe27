/**
 * Reads, writes, creates and a mix per second over the raw client protocol, with 50 and with one request in
 * flight on each connection, and what the server takes: our coordination server (built) and Apache ZooKeeper,
 * when Debian's package is there, both with fsync. They take turns, a few seconds each, so that what else the
 * machine does meanwhile hits both; of the turns the median counts. Then, of ours alone: memory idle and with a
 * million nodes, and how long a start takes.
 *
 *     npm run bench:coord [-- --smoke]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fill, load, once, requests } from './load.ts';
import { printTable, type Row } from './table.ts';

const smoke = process.argv.includes('--smoke');
const connections = 10;
const inFlights = [50, 1];
const millionNodes = smoke ? 2_000 : 1_000_000;
const dataBytes = 100;
const warmUpMs = smoke ? 100 : 1_500;
const measureMs = smoke ? 200 : 3_000;
/** Turns of each server for each row. */
const turns = smoke ? 1 : 3;
/** A server that works less than this of the time is done with what it does behind its clients' backs. */
const QUIET_PART = 0.1;
const QUIET_CHECK_MS = smoke ? 10 : 200;
const QUIET_CHECKS_MAX = 100;
/** How long after a start memory counts as idle: at once, and when the garbage collector has settled. */
const idleAfterMs = smoke ? [100] : [2_000, 15_000];
const apacheJar = '/usr/share/java/zookeeper.jar';

interface Contestant {
  readonly name: string;
  readonly command: string;
  readonly args: (configFile: string) => readonly string[];
}

const ours: Contestant = {
  name: 'Odradek',
  command: process.execPath,
  // As bin/run-tool.sh starts it.
  args: (file) => ['--max-semi-space-size=8', join(import.meta.dirname, 'serve.mjs'), file],
};

const apache: Contestant = {
  name: 'Apache ZooKeeper',
  command: 'java',
  args: (file) => [
    '-cp',
    `${apacheJar}:/etc/zookeeper/conf`,
    'org.apache.zookeeper.server.quorum.QuorumPeerMain',
    file,
  ],
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A server that is just starting may take a connection and then forget it. */
function soon(answer: Promise<void>): Promise<void> {
  const late = sleep(2_000).then(() => {
    throw new Error('no answer');
  });
  return Promise.race([answer, late]);
}

/** Resolves once requests are answered. */
async function serving(port: number, child: ChildProcess): Promise<void> {
  const data = Buffer.alloc(dataBytes, 'x');
  for (let attempt = 0; attempt < 3_000 && child.exitCode === null; attempt += 1) {
    try {
      await soon(once(port, requests.create('/bench', data, 0)));
      await soon(once(port, requests.create('/bench/node', data, 0)));
      return;
    } catch {
      await sleep(10);
    }
  }
  throw new Error('the server does not come up');
}

/** Linux only; 0 elsewhere. */
function usage(pid: number): {
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
  readonly megabytes: number;
} {
  if (!existsSync(`/proc/${pid}/stat`)) return { cpuSeconds: 0, peakMegabytes: 0, megabytes: 0 };
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const peak = /VmHWM:\s+(\d+)/.exec(status)?.[1];
  const now = /VmRSS:\s+(\d+)/.exec(status)?.[1];
  return {
    megabytes: Math.round(Number(now ?? 0) / 1024),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    peakMegabytes: Math.round(Number(peak ?? 0) / 1024),
  };
}

const data = Buffer.alloc(dataBytes, 'x');
const get = requests.get('/bench/node');
const kinds: Readonly<Record<string, readonly Buffer[]>> = {
  get: [get],
  set: [requests.set('/bench/node', data)],
  create: [requests.create('/bench/n-', data, 2)],
  '90/10': [...new Array<Buffer>(9).fill(get), requests.set('/bench/node', data)],
};

interface Started {
  readonly child: ChildProcess;
  readonly port: number;
  readonly file: string;
  readonly directory: string;
}

async function start(
  { command, args }: Contestant,
  again?: Started,
): Promise<Started & { readonly startMs: number }> {
  const directory = again?.directory ?? (await mkdtemp(join(tmpdir(), 'odradek-bench-coord-')));
  const port = again?.port ?? (await freePort());
  const file = join(directory, 'zoo.cfg');
  await writeFile(
    file,
    `dataDir=${directory}/data\nclientPort=${port}\ntickTime=2000\nmaxClientCnxns=0\nadmin.enableServer=false\n`,
  );
  const beganAt = performance.now();
  const child = spawn(command, args(file), { stdio: 'ignore' });
  await serving(port, child);
  return { child, port, file, directory, startMs: Math.round(performance.now() - beganAt) };
}

async function end({ child, directory }: Started, remove = true): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  if (remove) await rm(directory, { recursive: true, force: true });
}

/** Waits until a server has ended its snapshots and compilations, which would be held against the other one. */
async function quiet({ child }: Started): Promise<void> {
  const cpuSeconds = (): number => usage(child.pid ?? 0).cpuSeconds;
  for (let check = 0; check < QUIET_CHECKS_MAX; check += 1) {
    const before = cpuSeconds();
    await sleep(QUIET_CHECK_MS);
    if (cpuSeconds() - before < (QUIET_PART * QUIET_CHECK_MS) / 1000) return;
  }
}

async function turn(server: Started, round: readonly Buffer[], inFlight: number): Promise<Row> {
  const before = usage(server.child.pid ?? 0).cpuSeconds;
  const { port } = server;
  const result = await load(round, { port, connections, inFlight, warmUpMs, measureMs });
  const spent = usage(server.child.pid ?? 0).cpuSeconds - before;
  const seconds = (warmUpMs + measureMs) / 1000;
  const cpuMicrosPerRequest = (spent / (result.requestsPerSecond * seconds)) * 1e6;
  return { ...result, cpuMicrosPerRequest };
}

function median(rows: readonly Row[]): Row {
  const of = (value: (row: Row) => number): number =>
    rows.map(value).sort((a, b) => a - b)[Math.floor(rows.length / 2)] ?? 0;
  return {
    requestsPerSecond: of((row) => row.requestsPerSecond),
    p99Ms: of((row) => row.p99Ms),
    cpuMicrosPerRequest: of((row) => row.cpuMicrosPerRequest),
    errors: rows.reduce((sum, row) => sum + row.errors, 0),
  };
}

/** @returns the rows of each contestant, in their order */
async function measure(
  contestants: readonly Contestant[],
): Promise<readonly ReadonlyMap<string, Row>[]> {
  const servers: Started[] = [];
  const tables = contestants.map(() => new Map<string, Row>());
  try {
    for (const contestant of contestants) servers.push(await start(contestant));
    for (const inFlight of inFlights) {
      for (const [kind, round] of Object.entries(kinds)) {
        const rows = contestants.map((): Row[] => []);
        for (let nth = 0; nth < turns; nth += 1) {
          for (const [index, server] of servers.entries()) {
            for (const each of servers) await quiet(each);
            rows[index]?.push(await turn(server, round, inFlight));
          }
        }
        for (const [index, table] of tables.entries()) {
          table.set(`${kind}, ${inFlight} in flight`, median(rows[index] ?? []));
        }
      }
    }
  } finally {
    for (const server of servers) await end(server);
  }
  return tables;
}

/** Memory and starts of ours: empty, and with many nodes. */
async function footprint(): Promise<void> {
  const server = await start(ours);
  for (const [index, afterMs] of idleAfterMs.entries()) {
    await sleep(afterMs - (idleAfterMs[index - 1] ?? 0));
    const { megabytes } = usage(server.child.pid ?? 0);
    console.log(`idle, ${afterMs} ms after the start in ${server.startMs} ms: ${megabytes} MB`);
  }
  await fill(server.port, '/bench', millionNodes, dataBytes);
  for (const [index, afterMs] of idleAfterMs.entries()) {
    await sleep(afterMs - (idleAfterMs[index - 1] ?? 0));
    const { megabytes } = usage(server.child.pid ?? 0);
    console.log(`${millionNodes} nodes, ${afterMs} ms after they were made: ${megabytes} MB`);
  }
  await end(server, false);
  const again = await start(ours, server);
  console.log(
    `start with them after kill -9: ${again.startMs} ms, ${usage(again.child.pid ?? 0).megabytes} MB`,
  );
  await end(again);
}

console.log(`${connections} connections, ${dataBytes} bytes of data, fsync on`);
const hasApache = existsSync(apacheJar);
if (!hasApache) console.log('Apache ZooKeeper: skipped, it is not installed');
const [own = new Map(), other = null] = await measure(hasApache ? [ours, apache] : [ours]);
printTable(own, other);
await footprint();
process.exit(0);
