/**
 * The load clients: built from C when a run begins, started together for one turn, and what they and the server did in
 * the window that they measured. Apache's own performance tools are run as they are.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Codec, encodeBatch } from '@odradek/protocol';
import { findApacheKafka } from '../../test/support/apache-kafka.ts';
import { projectRoot, type Workspace } from '../../test/support/workspace.ts';
import { cpuSeconds, forgetPeak, usage } from '../process-usage.ts';

export interface Clients {
  readonly librdkafka: string;
  readonly raw: string;
}

/** @returns why they cannot be built, or where they are */
export function buildClients(workspace: Workspace): Clients | string {
  const clients = {
    librdkafka: workspace.path('librdkafka-load'),
    raw: workspace.path('raw-load'),
  };
  const source = (name: string): string => join(projectRoot, 'bench/clients', name);
  for (const args of [
    [clients.librdkafka, source('librdkafka-load.c'), '-lrdkafka', '-lpthread'],
    [clients.raw, source('raw-load.c')],
  ]) {
    const { status, error } = spawnSync('cc', ['-O2', '-o', ...args], { stdio: 'inherit' });
    if (status !== 0) return `a C compiler and librdkafka-dev are needed (${error ?? status})`;
  }
  return clients;
}

/** What a load client prints in the end, and a server's share. Times of latency in milliseconds; -1: not measured. */
export interface Figures {
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly failed: number;
  /** CPU of the server for each 10^9 bytes of messages. */
  readonly cpuSecondsPerGb: number;
  /** CPU of the server for each message, in microseconds. */
  readonly cpuMicrosPerMessage: number;
  readonly peakMegabytes: number;
  /** Cores that the server kept busy, and that the busiest thread of the clients did. */
  readonly serverCores: number;
  readonly clientCores: number;
  /** Cores that all clients together kept busy. */
  readonly allClientsCores: number;
}

interface ClientReport {
  readonly messages: number;
  readonly bytes: number;
  readonly failed: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly busiestThreadSeconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

/** One client process: its program, its arguments, and the name under which its figures count. */
export interface Load {
  readonly command: string;
  readonly args: readonly string[];
  /** Clients of one name add up; of several names the table has a line each. */
  readonly counts: string;
}

interface Finished {
  readonly report: ClientReport;
  readonly serverCpuSeconds: number;
}

/** A client is given up when it is silent for this long beyond what it was to take. */
const SILENT_MS = 60_000;

/** Runs loads at the same time. @returns figures by the names under which they count */
export async function runLoads(
  pid: number,
  loads: readonly Load[],
): Promise<ReadonlyMap<string, Figures>> {
  forgetPeak(pid);
  const finished = await Promise.all(
    loads.map(async (load) => ({ name: load.counts, ...(await runOne(pid, load)) })),
  );
  const { peakMegabytes } = usage(pid);
  const allCores = finished.reduce(
    (sum, { report }) => sum + report.cpuSeconds / report.seconds,
    0,
  );
  const names = new Set(finished.map(({ name }) => name));
  return new Map(
    [...names].map((name) => {
      const own = finished.filter((each) => each.name === name);
      return [name, figuresOf(own, peakMegabytes, allCores)];
    }),
  );
}

function figuresOf(
  own: readonly Finished[],
  peakMegabytes: number,
  allClientsCores: number,
): Figures {
  const sum = (of: (each: Finished) => number): number =>
    own.reduce((total, each) => total + of(each), 0);
  const most = (of: (each: Finished) => number): number => Math.max(...own.map(of));
  const seconds = most(({ report }) => report.seconds);
  const serverCpu = most(({ serverCpuSeconds }) => serverCpuSeconds);
  return {
    messagesPerSecond: sum(({ report }) => report.messages / report.seconds),
    bytesPerSecond: sum(({ report }) => report.bytes / report.seconds),
    p50Ms: most(({ report }) => report.p50Ms),
    p99Ms: most(({ report }) => report.p99Ms),
    p999Ms: most(({ report }) => report.p999Ms),
    failed: sum(({ report }) => report.failed),
    cpuSecondsPerGb: (serverCpu * 1e9) / sum(({ report }) => report.bytes),
    cpuMicrosPerMessage: (serverCpu * 1e6) / sum(({ report }) => report.messages),
    peakMegabytes,
    serverCores: serverCpu / seconds,
    clientCores: most(({ report }) => report.busiestThreadSeconds / report.seconds),
    allClientsCores,
  };
}

/** The server's CPU is looked at when the client's window begins and when it ends. */
async function runOne(pid: number, { command, args }: Load): Promise<Finished> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const force = setTimeout(() => child.kill('SIGKILL'), SILENT_MS);
  const own = command === 'java' ? watchCpu(child) : null;
  let output = '';
  let errors = '';
  let before = cpuSeconds(pid);
  let after = before;
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  child.stdout.on('data', (chunk: Buffer) => {
    const wasMeasuring = output.includes('measuring');
    output += chunk.toString();
    if (!wasMeasuring && output.includes('measuring')) before = cpuSeconds(pid);
    after = cpuSeconds(pid);
  });
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', fail);
    child.once('close', done);
  });
  clearTimeout(force);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${code}\n${output}${errors}`);
  const report = own === null ? reportOf(output) : javaReport(output, own());
  return { report, serverCpuSeconds: after - before };
}

function reportOf(output: string): ClientReport {
  return JSON.parse(output.slice(output.indexOf('{'))) as ClientReport;
}

const WATCH_MS = 50;

/** @returns tells the CPU seconds that the child was last seen with */
function watchCpu(child: ChildProcess): () => number {
  let seen = 0;
  const timer = setInterval(() => {
    seen = Math.max(seen, cpuSeconds(child.pid ?? 0));
  }, WATCH_MS);
  return () => {
    clearInterval(timer);
    return seen;
  };
}

const MEBIBYTE = 1024 * 1024;

/** What ProducerPerformance and ConsumerPerformance print. */
function javaReport(output: string, cpu: number): ClientReport {
  const produced = [
    ...output.matchAll(/^(\d+) records sent, ([\d.]+) records\/sec \(([\d.]+) MB\/sec\).*$/gm),
  ].at(-1);
  if (produced !== undefined) {
    const [line, count, rate, megabytes] = produced;
    const seconds = Number(count) / Number(rate);
    const at = (name: string): number =>
      Number(new RegExp(`(\\d+) ms ${name}`).exec(line)?.[1] ?? -1);
    return {
      messages: Number(count),
      bytes: Number(megabytes) * MEBIBYTE * seconds,
      failed: 0,
      seconds,
      cpuSeconds: cpu,
      busiestThreadSeconds: cpu,
      p50Ms: at('50th'),
      p99Ms: at('99th'),
      p999Ms: at('99.9th'),
    };
  }
  // start, end, MB, MB/s, messages, messages/s, rebalance ms, fetch ms, fetch MB/s, fetch messages/s
  const consumed = output.trim().split('\n').at(-1)?.split(',').map(Number) ?? [];
  const seconds = (consumed[7] ?? 0) / 1000;
  return {
    messages: consumed[4] ?? 0,
    bytes: (consumed[2] ?? 0) * MEBIBYTE,
    failed: 0,
    seconds,
    cpuSeconds: cpu,
    busiestThreadSeconds: cpu,
    p50Ms: -1,
    p99Ms: -1,
    p999Ms: -1,
  };
}

/** The command line of one of Apache's performance tools; null where they are not at hand. */
export function apacheTool(tool: 'Producer' | 'Consumer', args: readonly string[]): Load | null {
  const found = findApacheKafka();
  if (typeof found === 'string') return null;
  const main = `org.apache.kafka.tools.${tool}Performance`;
  return { command: 'java', args: ['-Xmx512m', '-cp', found.classPath, main, ...args], counts: '' };
}

/**
 * Writes one batch as a producer sends it. The values are words of a small vocabulary in an order that does not repeat,
 * so that codecs have something to do, as with logs or JSON.
 */
export function writeBatch(path: string, records: number, sizeBytes: number, codec: Codec): number {
  let state = 1;
  const value = (): Buffer => {
    const bytes = Buffer.alloc(sizeBytes);
    for (let at = 0; at < sizeBytes; ) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      at += bytes.write(vocabulary[(state >>> 16) % vocabulary.length] ?? ' ', at, 'latin1');
    }
    return bytes;
  };
  const timestamp = Date.now();
  const bytes = encodeBatch({
    records: Array.from({ length: records }, () => ({ key: null, value: value(), timestamp })),
    compression: codec,
  });
  writeFileSync(path, bytes);
  return bytes.length;
}

const vocabulary = Array.from(
  { length: 256 },
  (_, index) => `"w${(index * 7919).toString(36)}":${index},`,
);
