/**
 * The whole way, with a foreign client: librdkafka produces to and fetches from one broker of ours (built, started as
 * a user starts it). Prints MB/s, messages/s, the broker's CPU seconds per 2 GB and its peak memory; then start-up
 * and idle figures of `npm start`. Not part of every check: `npm run bench:cluster [-- --smoke]`.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { startBroker, startCoordinator } from '../test/support/cluster.ts';
import { freePorts, projectRoot, Workspace } from '../test/support/workspace.ts';
import { type Usage, usage } from './process-usage.ts';

const smoke = process.argv.includes('--smoke');
const workspace = new Workspace();
const load = workspace.path('librdkafka-load');

interface LoadResult {
  readonly messages: number;
  readonly bytes: number;
  readonly failed: number;
  readonly seconds: number;
}

function run(
  mode: 'produce' | 'consume',
  address: string,
  topic: string,
  count: number,
  size: number,
): LoadResult {
  const options =
    mode === 'produce'
      ? [
          'acks=1',
          'linger.ms=20',
          'batch.num.messages=20000',
          'batch.size=1000000',
          'queue.buffering.max.messages=500000',
          'queue.buffering.max.kbytes=524288',
        ]
      : [
          'fetch.message.max.bytes=4194304',
          'queued.max.messages.kbytes=262144',
          'check.crcs=false',
        ];
  const output = execFileSync(
    load,
    [mode, address, topic, String(count), String(size), ...options],
    { encoding: 'utf8' },
  );
  return JSON.parse(output.slice(output.indexOf('{'))) as LoadResult;
}

function line(name: string, result: LoadResult, before: Usage, after: Usage): void {
  const user = ((after.userSeconds - before.userSeconds) * 2e9) / result.bytes;
  const system = ((after.systemSeconds - before.systemSeconds) * 2e9) / result.bytes;
  console.log(
    [
      name.padEnd(34),
      `${(result.bytes / result.seconds / 1e6).toFixed(0)} MB/s`.padStart(10),
      `${(result.messages / result.seconds / 1e6).toFixed(2)} M messages/s`.padStart(18),
      `broker CPU per 2 GB ${user.toFixed(2)} s user + ${system.toFixed(2)} s system`.padStart(52),
      `peak ${after.peakMegabytes.toFixed(0)} MB`.padStart(12),
    ].join(''),
  );
}

async function produceAndFetch(): Promise<void> {
  const compiled = spawnSync('cc', [
    '-O2',
    '-o',
    load,
    join(projectRoot, 'bench/clients/librdkafka-load.c'),
    '-lrdkafka',
    '-lpthread',
  ]);
  if (compiled.status !== 0) {
    console.log('skipped: librdkafka load (needs a C compiler and librdkafka-dev)');
    return;
  }
  const coordinator = await startCoordinator(workspace);
  const rounds = smoke ? 1 : 3;
  for (const [size, count, partitions] of [
    [100, smoke ? 10_000 : 8_000_000, 4],
    [1000, smoke ? 10_000 : 2_000_000, 4],
  ] as const) {
    const broker = await startBroker(workspace, size, coordinator.connect, {
      'num.partitions': String(partitions),
    });
    const pid = broker.daemon.child.pid ?? 0;
    for (let round = 1; round <= rounds; round++) {
      const topic = `bench-${size}-${round}`;
      const start = usage(pid);
      const produced = run('produce', broker.address, topic, count, size);
      const middle = usage(pid);
      line(`produce ${size} B, acks=1, round ${round}`, produced, start, middle);
      const fetched = run('consume', broker.address, topic, count, size);
      line(`fetch ${size} B, round ${round}`, fetched, middle, usage(pid));
    }
    await broker.daemon.stop();
  }
  await coordinator.daemon.stop();
}

/** From the start of the built one-process cluster to the first accepted record, and its memory when idle. */
async function startUp(): Promise<void> {
  const [coordPort = 0, brokerPort = 0] = await freePorts(2);
  const began = performance.now();
  const cluster = workspace.daemon('npm start', process.execPath, [
    join(projectRoot, 'packages/cli/dist/main.js'),
    'start',
    '--data',
    workspace.path('data'),
    '--client-port',
    String(coordPort),
    '--broker-port',
    String(brokerPort),
  ]);
  await cluster.printed('ready', 20_000);
  const ready = performance.now() - began;
  const produced = spawnSync('kcat', ['-P', '-b', `127.0.0.1:${brokerPort}`, '-t', 'hello'], {
    input: 'first\n',
  });
  const accepted = performance.now() - began;
  console.log(
    `npm start: ready after ${ready.toFixed(0)} ms; kcat's first record accepted after ${accepted.toFixed(0)} ms (exit ${produced.status})`,
  );
  await new Promise((done) => setTimeout(done, smoke ? 500 : 10_000));
  console.log(`npm start: idle memory ${usage(cluster.child.pid ?? 0).nowMegabytes.toFixed(0)} MB`);
  await cluster.stop();
}

console.log(`${cpus().length} cores, ${cpus()[0]?.model.trim()}, Node ${process.version}`);
try {
  if (!existsSync(join(projectRoot, 'packages/cli/dist/main.js')))
    throw new Error('build first: npm run build');
  await startUp();
  await produceAndFetch();
} finally {
  await workspace.dispose();
}
