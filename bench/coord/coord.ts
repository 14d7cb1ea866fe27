/**
 * Reads, writes and creates per second over the raw client protocol: our coordination server (built),
 * then Apache ZooKeeper when Debian's package is there, one after the other in one run.
 *
 *     npx tsc -b && npx tsx bench/coord/coord.ts [--smoke]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, once, requests } from './load.ts';

const smoke = process.argv.includes('--smoke');
const connections = 10;
const inFlight = 50;
const dataBytes = 100;
const warmUpMs = smoke ? 100 : 2_000;
const measureMs = smoke ? 200 : 5_000;
const apacheJar = '/usr/share/java/zookeeper.jar';

interface Contestant {
  readonly name: string;
  readonly command: string;
  readonly args: (configFile: string) => readonly string[];
}

const ours: Contestant = {
  name: 'Odradek',
  command: process.execPath,
  args: (file) => [join(import.meta.dirname, 'serve.mjs'), file],
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

/** Resolves once requests are answered. */
async function serving(port: number, child: ChildProcess): Promise<void> {
  const data = Buffer.alloc(dataBytes, 'x');
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt += 1) {
    try {
      await once(port, requests.create('/bench', data, 0));
      await once(port, requests.create('/bench/node', data, 0));
      return;
    } catch {
      await sleep(50);
    }
  }
  throw new Error('the server does not come up');
}

/** Linux only; 0 elsewhere. */
function usage(pid: number): { cpuSeconds: number; peakMegabytes: number } {
  if (!existsSync(`/proc/${pid}/stat`)) return { cpuSeconds: 0, peakMegabytes: 0 };
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    peakMegabytes: Math.round(Number(peak ?? 0) / 1024),
  };
}

async function measure({ name, command, args }: Contestant): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'odradek-bench-coord-'));
  const port = await freePort();
  const file = join(directory, 'zoo.cfg');
  await writeFile(
    file,
    `dataDir=${directory}/data\nclientPort=${port}\ntickTime=2000\nmaxClientCnxns=0\nadmin.enableServer=false\n`,
  );
  const child = spawn(command, args(file), { stdio: 'ignore' });
  try {
    await serving(port, child);
    const data = Buffer.alloc(dataBytes, 'x');
    const kinds = {
      get: requests.get('/bench/node'),
      set: requests.set('/bench/node', data),
      create: requests.create('/bench/n-', data, 2),
    };
    const options = { port, connections, inFlight, warmUpMs, measureMs };
    for (const [kind, request] of Object.entries(kinds)) {
      const { requestsPerSecond, errors } = await load(request, options);
      console.log(`${name} ${kind}: ${requestsPerSecond} requests/s, ${errors} errors`);
    }
    const { cpuSeconds, peakMegabytes } = usage(child.pid ?? 0);
    console.log(`${name}: ${cpuSeconds} CPU seconds, ${peakMegabytes} MB at most`);
  } finally {
    child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
}

console.log(
  `${connections} connections, ${inFlight} requests in flight each, ${dataBytes} bytes of data`,
);
await measure(ours);
if (existsSync(apacheJar)) await measure(apache);
else console.log('Apache ZooKeeper: skipped, it is not installed');
process.exit(0);
