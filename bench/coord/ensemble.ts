/**
 * Three coordination servers as one ensemble beside three Apache ZooKeeper servers, on this machine, in one run, both
 * with fsync: requests per second with 12 connections over three servers, what they cost, memory; how long nothing can
 * be written when the leader dies or stands still; how long a start takes; and how a follower catches up.
 *
 *     npm run bench:ensemble [-- --smoke] [-- --ours] [-- PART ...]
 *
 * Parts: throughput, failover, stopped, start, catchup. Apache needs Debian's package zookeeper.
 */
import { existsSync, readFileSync } from 'node:fs';
import { apacheRefused, Ensemble, type Make, type Member } from '../../test/support/ensemble.ts';
import { eventually, Workspace } from '../../test/support/workspace.ts';
import { fill, load, once, requests } from './load.ts';
import { printTable, type Row } from './table.ts';
import { quantile, Writer } from './writers.ts';

const words = process.argv.slice(2);
const smoke = words.includes('--smoke');
const parts = words.filter((word) => !word.startsWith('--'));
const wants = (part: string): boolean => parts.length === 0 || parts.includes(part);

const connections = 12;
const inFlights = [50, 1];
const dataBytes = 100;
const warmUpMs = smoke ? 200 : 2_000;
const measureMs = smoke ? 300 : 4_000;
const kills = smoke ? 1 : 15;
const starts = smoke ? 1 : 5;
const missedTransactions = smoke ? 1_000 : 100_000;
const snapshotNodes = smoke ? 1_000 : 200_000;
const snapshotNodeBytes = 1_000;

const data = Buffer.alloc(dataBytes, 'x');
const get = requests.get('/bench/node');
const set = requests.set('/bench/node', data);
const kinds: Readonly<Record<string, readonly Buffer[]>> = {
  get: [get],
  set: [set],
  create: [requests.create('/bench/n-', data, 2)],
  '90/10': [...new Array<Buffer>(9).fill(get), set],
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const portsOf = (ensemble: Ensemble): number[] => ensemble.all.map(({ clientPort }) => clientPort);
const names: Readonly<Record<Make, string>> = { odradek: 'ours', apache: 'Apache' };

const workspace = new Workspace();
let runs = 0;

async function prepared(make: Make): Promise<Ensemble> {
  runs += 1;
  return await Ensemble.prepare(workspace, { make, name: `${make}-${runs}` });
}

async function begun(make: Make): Promise<Ensemble> {
  const ensemble = await prepared(make);
  for (const member of ensemble.all) member.start();
  await ensemble.serving();
  const [first] = ensemble.all;
  for (const path of ['/bench', '/bench/node'])
    await once(first?.clientPort ?? 0, requests.create(path, data, 0));
  return ensemble;
}

/** CPU of all servers so far, and the memory of the biggest. Linux only; 0 elsewhere. */
function usage(ensemble: Ensemble): { readonly cpuSeconds: number; readonly megabytes: number[] } {
  let cpuSeconds = 0;
  const megabytes: number[] = [];
  for (const { pid, isRunning } of ensemble.all) {
    if (!isRunning || !existsSync(`/proc/${pid}/stat`)) continue;
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    cpuSeconds += (Number(fields[11]) + Number(fields[12])) / 100;
    const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    megabytes.push(Math.round(Number(resident ?? 0) / 1024));
  }
  return { cpuSeconds, megabytes };
}

async function throughput(make: Make): Promise<{ rows: Map<string, Row>; notes: string[] }> {
  const ensemble = await begun(make);
  const rows = new Map<string, Row>();
  const notes = [`idle: ${usage(ensemble).megabytes.join(', ')} MB`];
  const port = portsOf(ensemble);
  for (const inFlight of inFlights) {
    for (const [kind, round] of Object.entries(kinds)) {
      const before = usage(ensemble).cpuSeconds;
      const result = await load(round, { port, connections, inFlight, warmUpMs, measureMs });
      const spent = usage(ensemble).cpuSeconds - before;
      const seconds = (warmUpMs + measureMs) / 1000;
      const cpuMicrosPerRequest = (spent / (result.requestsPerSecond * seconds)) * 1e6;
      rows.set(`${kind}, ${inFlight} in flight`, { ...result, cpuMicrosPerRequest });
      if (rows.size === 2)
        notes.push(`after gets and sets: ${usage(ensemble).megabytes.join(', ')} MB`);
    }
  }
  const nodes = (await ensemble.all[0]?.figures())?.get('zk_znode_count');
  notes.push(`after all of that, with ${nodes} nodes: ${usage(ensemble).megabytes.join(', ')} MB`);
  await ensemble.stop();
  return { rows, notes };
}

/** Writers on all servers; keeps the times of answers. */
class Watch {
  readonly #writers: readonly Writer[];
  #last = performance.now();
  #longest = 0;
  #latencies: number[] = [];

  constructor(ports: readonly number[], count: number, pauseMs: number) {
    const answered = (latencyMs: number, now: number): void => {
      this.#longest = Math.max(this.#longest, now - this.#last);
      this.#last = now;
      this.#latencies.push(latencyMs);
    };
    this.#writers = Array.from(
      { length: count },
      (_, first) => new Writer({ ports, first, request: set, inFlight: 1, pauseMs, answered }),
    );
  }

  /** Forgets what was before. */
  reset(): void {
    this.#longest = 0;
    this.#latencies = [];
  }

  get answers(): number {
    return this.#latencies.length;
  }

  /** The longest time in which nobody was answered. */
  get longestGapMs(): number {
    return Math.max(this.#longest, performance.now() - this.#last);
  }

  get p99Ms(): number {
    return quantile(this.#latencies, 0.99);
  }

  get expired(): number {
    return this.#writers.reduce((sum, { expired }) => sum + expired, 0);
  }

  stop(): void {
    for (const writer of this.#writers) writer.stop();
  }
}

async function withoutWrites(
  make: Make,
  rounds: number,
  hurt: (leader: Member) => Promise<void>,
  mend: (leader: Member) => void,
): Promise<string> {
  const ensemble = await begun(make);
  const watch = new Watch(portsOf(ensemble), connections, 0);
  const gaps: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const leader = await ensemble.serving();
    await sleep(smoke ? 100 : 1_000);
    watch.reset();
    await hurt(leader);
    const before = watch.answers;
    await eventually('writes go on', async () => watch.answers > before + 100);
    gaps.push(watch.longestGapMs);
    mend(leader);
    await ensemble.serving();
  }
  watch.stop();
  await ensemble.stop();
  const [median, most] = [quantile(gaps, 0.5), quantile(gaps, 1)].map(Math.round);
  return `${names[make]}: median ${median} ms, longest ${most} ms, of ${rounds}; ${watch.expired} sessions lost (${gaps.map(Math.round).join(', ')})`;
}

async function start(make: Make): Promise<string> {
  const fresh: number[] = [];
  const again: number[] = [];
  for (let round = 0; round < starts; round += 1) {
    const ensemble = await prepared(make);
    for (const times of [fresh, again]) {
      const beganAt = performance.now();
      for (const member of ensemble.all) member.start();
      await firstWrite(ensemble, times === fresh);
      times.push(performance.now() - beganAt);
      await ensemble.serving();
      for (const member of ensemble.all) await member.kill();
    }
    await ensemble.stop();
  }
  const told = (times: number[]): string =>
    `median ${Math.round(quantile(times, 0.5))} ms, longest ${Math.round(quantile(times, 1))} ms`;
  return `${names[make]}: first start ${told(fresh)}; start after kill -9 ${told(again)}`;
}

/** Resolves when some server has made a write certain. */
async function firstWrite(ensemble: Ensemble, isFirst: boolean): Promise<void> {
  const request = isFirst ? requests.create('/first', data, 0) : requests.set('/first', data);
  await new Promise<void>((resolve) => {
    const writers = portsOf(ensemble).map(
      (_, first) =>
        new Writer({
          ports: portsOf(ensemble),
          first,
          request: first === 0 ? request : requests.get('/'),
          inFlight: 1,
          pauseMs: 1_000,
          answered: () => {
            if (first !== 0) return;
            for (const writer of writers) writer.stop();
            resolve();
          },
        }),
    );
  });
}

const zxidOf = async (member: Member): Promise<string> =>
  /^Zxid: (\S+)$/m.exec((await member.word('srvr')) ?? '')?.[1] ?? '';

/** From the start of its process until it serves with everything that the leader had by then. */
async function catchUp(ensemble: Ensemble, member: Member, leader: Member): Promise<number> {
  const goal = BigInt(await zxidOf(leader));
  const beganAt = performance.now();
  member.start();
  for (;;) {
    const zxid = member.isRunning ? await zxidOf(member) : '';
    if (zxid !== '' && BigInt(zxid) >= goal && (await member.mode()) === 'follower')
      return Math.round(performance.now() - beganAt);
    if (performance.now() - beganAt > 120_000) throw new Error(ensemble.tail());
    await sleep(5);
  }
}

async function catchup(make: Make): Promise<string[]> {
  const ensemble = await begun(make);
  let leader = await ensemble.serving();
  const notes: string[] = [];

  const away = followerOf(ensemble, leader);
  await away.kill();
  await fill(leader.clientPort, '/bench', missedTransactions, dataBytes);
  const diffMs = await catchUp(ensemble, away, leader);
  notes.push(`back after ${missedTransactions} transactions: ${diffMs} ms`);

  await fill(leader.clientPort, '/bench', snapshotNodes, snapshotNodeBytes);
  await ensemble.serving();
  if (make === 'odradek') {
    // Else the whole history would still be there, and be sent.
    await Promise.all(ensemble.all.map((member) => member.stop()));
    for (const member of ensemble.all) member.dropOldLogs();
    for (const member of ensemble.all) member.start();
    leader = await ensemble.serving();
  }
  const empty = followerOf(ensemble, leader);
  await empty.kill();
  empty.wipe();
  // Some five hundred writes a second: it is what others are made to wait that is measured, not the most that goes.
  const ports = portsOf(ensemble).filter((port) => port !== empty.clientPort);
  const watch = new Watch(ports, connections, 20);
  await sleep(smoke ? 500 : 5_000);
  watch.reset();
  await sleep(smoke ? 500 : 8_000);
  const normal = watch.p99Ms;
  watch.reset();
  const snapMs = await catchUp(ensemble, empty, leader);
  const [during, gap] = [watch.p99Ms, watch.longestGapMs];
  watch.stop();
  const megabytes = Math.round((snapshotNodes * snapshotNodeBytes) / 1e6);
  notes.push(
    `back on a new disk, by a snapshot of ${megabytes} MB and more: ${snapMs} ms; p99 of writes meanwhile ${during.toFixed(1)} ms, before ${normal.toFixed(1)} ms; longest without an answer ${gap.toFixed(0)} ms`,
    `memory of the three then: ${usage(ensemble).megabytes.join(', ')} MB`,
  );
  await ensemble.stop();
  return notes.map((note) => `${names[make]}: ${note}`);
}

function followerOf(ensemble: Ensemble, leader: Member): Member {
  const follower = ensemble.all.find(({ id }) => id !== leader.id);
  if (follower === undefined) throw new Error('there are no followers');
  return follower;
}

const refused = words.includes('--ours') ? 'not asked for' : apacheRefused();
const makes: readonly Make[] = words.includes('--apache')
  ? ['apache']
  : refused === null
    ? ['odradek', 'apache']
    : ['odradek'];
if (refused !== null) console.log(`Apache ZooKeeper: skipped, ${refused}`);
try {
  if (wants('throughput')) {
    console.log(`${connections} connections over three servers, ${dataBytes} bytes, fsync on`);
    const results = new Map<Make, Awaited<ReturnType<typeof throughput>>>();
    for (const make of makes) results.set(make, await throughput(make));
    const [own, other] = makes.map((make) => results.get(make)?.rows ?? new Map<string, Row>());
    printTable(own ?? new Map(), other ?? null);
    for (const [make, { notes }] of results)
      for (const note of notes) console.log(`${names[make]}: ${note}`);
  }
  if (wants('failover')) {
    console.log('\nTime without writes, kill -9 of the leader under load:');
    for (const make of makes) {
      const start = (leader: Member): void => leader.start();
      console.log(await withoutWrites(make, kills, (leader) => leader.kill(), start));
    }
  }
  if (wants('stopped')) {
    console.log('\nTime without writes, SIGSTOP of the leader under load (5 ticks of 2 s):');
    for (const make of makes) {
      const pause = async (leader: Member): Promise<void> => leader.pause();
      const resume = (leader: Member): void => leader.resume();
      console.log(await withoutWrites(make, smoke ? 1 : 3, pause, resume));
    }
  }
  if (wants('start')) {
    console.log('\nStart of three servers until the first write is certain:');
    for (const make of makes) console.log(await start(make));
  }
  if (wants('catchup')) {
    console.log('\nA follower that was away:');
    for (const make of makes) for (const note of await catchup(make)) console.log(note);
  }
} finally {
  await workspace.dispose();
}
process.exit(0);
