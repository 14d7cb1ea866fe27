/**
 * Records that are on the medium before they are acknowledged: one broker of ours with flush.messages=1, the same
 * without, another build of it when one is named, and Apache Kafka with the same setting, in turn, each with Apache's
 * own ProducerPerformance (acks=1). Syncs are counted in front of the C library, where a sync may also be made to take
 * longer, for disks that are not as quick as this machine's. `npm run bench:flush -- --help`
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka } from '@odradek/client';
import { Command } from 'commander';
import { APACHE_KAFKA, findApacheKafka, startApacheBroker } from '../test/support/apache-kafka.ts';
import { startCoordinator } from '../test/support/cluster.ts';
import { buildPreload } from '../test/support/preload.ts';
import { type SlowDisk, slowDisk } from '../test/support/slow-disk.ts';
import { type Daemon, freePorts, projectRoot, Workspace } from '../test/support/workspace.ts';
import { cpuSeconds } from './process-usage.ts';

const NEVER = '9223372036854775807';

const options = new Command('bench:flush')
  .option('--before <tree>', 'a built clone of another commit, measured too')
  .option('--sync-ms <ms>', 'what a sync takes longer than by itself', '0')
  .option('--on <folder>', 'where log directories are made', tmpdir())
  .option('--rounds <count>', 'turns of each broker in each row; the medians are printed', '3')
  .option('--partitions <counts>', 'with commas between them', '1,16,200')
  .option('--part <part>', 'of the records that a row is made of', '1')
  .option('--smoke', 'once through, with few records', false)
  .parse(['node', 'bench:flush', ...process.argv.slice(2)])
  .opts<{
    before?: string;
    syncMs: string;
    on: string;
    rounds: string;
    partitions: string;
    part: string;
    smoke: boolean;
  }>();

/** One record of 100 bytes in each batch, or as many as a producer puts together by default. */
const WAYS = {
  'one record': { records: 15_000, props: ['batch.size=1', 'linger.ms=0'] },
  batches: { records: 400_000, props: ['batch.size=16384', 'linger.ms=5'] },
} as const;
const PARTITIONS = options.partitions.split(',').map(Number);
const RECORD_BYTES = 100;

interface Contestant {
  readonly name: string;
  readonly flushMessages: string;
  start(place: Place): Promise<Daemon>;
}

interface Place {
  readonly port: number;
  readonly connect: string;
  readonly directory: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
}

interface Result {
  readonly recordsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly syncsPerSecond: number;
  readonly cpuMicrosPerRecord: number;
}

const workspace = new Workspace();

function ours(name: string, root: string, flushMessages: string): Contestant {
  return {
    name,
    flushMessages,
    start: async ({ port, connect, directory, settings, environment }) => {
      const all = {
        'broker.id': '1',
        listeners: `PLAINTEXT://127.0.0.1:${port}`,
        'log.dirs': directory,
        'zookeeper.connect': connect,
        'offsets.topic.replication.factor': '1',
        ...settings,
      };
      const lines = Object.entries(all).map(([key, value]) => `${key}=${value}\n`);
      const file = workspace.write(`flush-${port}.properties`, lines.join(''));
      const script = join(root, 'bin/kafka-server-start.sh');
      const daemon = workspace.daemon(name, script, [file], environment);
      await daemon.printed('started (kafka.server.KafkaServer)');
      return daemon;
    },
  };
}

function contestants(): Contestant[] {
  const found = findApacheKafka();
  const all = [ours('Odradek', projectRoot, '1'), ours('Odradek, not flushed', projectRoot, NEVER)];
  if (options.before !== undefined) all.push(ours('Odradek before', options.before, '1'));
  if (typeof found === 'string') {
    console.error(found);
    return all;
  }
  const start = async ({ port, connect, directory, settings, environment }: Place) =>
    (
      await startApacheBroker(workspace, found, 1, connect, settings, {
        port,
        logDirectory: directory,
        environment,
      })
    ).daemon;
  return [...all, { name: APACHE_KAFKA, flushMessages: '1', start }];
}

async function measure(contestant: Contestant, library: string, runs: Map<string, Result[]>) {
  const disk = slowDisk(workspace, library, `disk-${runs.size}-${Math.random()}`);
  const directory = mkdtempSync(join(options.on, 'odradek-bench-flush-'));
  const { connect, daemon: coordinator } = await startCoordinator(workspace);
  const [port = 0] = await freePorts(1);
  const settings = {
    'log.flush.interval.messages': contestant.flushMessages,
    'auto.create.topics.enable': 'false',
  };
  const { environment } = disk;
  const broker = await contestant.start({ port, connect, directory, settings, environment });
  const client = new Kafka({ bootstrapServers: `127.0.0.1:${port}` });
  const admin = client.admin();
  try {
    for (const partitions of PARTITIONS) {
      await admin.createTopic({ name: `t${partitions}`, partitions, replicationFactor: 1 });
      for (const [way, { records, props }] of Object.entries(WAYS)) {
        const count = Math.ceil(records * (options.smoke ? 0.01 : Number(options.part)));
        // Once to warm up: the first commit of each partition is dearer, and so is what a JVM does at first.
        produce(port, `t${partitions}`, Math.ceil(count / 3), props);
        disk.setDelay(Number(options.syncMs));
        const result = produceMeasured(port, `t${partitions}`, count, props, broker, disk);
        disk.setDelay(0);
        const key = `${partitions} partitions, ${way}|${contestant.name}`;
        runs.set(key, [...(runs.get(key) ?? []), result]);
        console.error(line(key.replace('|', ', '), result));
      }
    }
  } finally {
    await admin.close();
    await broker.stop('SIGKILL');
    await coordinator.stop('SIGKILL');
    disk.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function produceMeasured(
  port: number,
  topic: string,
  records: number,
  props: readonly string[],
  broker: Daemon,
  disk: SlowDisk,
): Result {
  const pid = broker.child.pid ?? 0;
  const cpuBefore = cpuSeconds(pid);
  const syncsBefore = disk.syncs();
  const output = produce(port, topic, records, props);
  const last = output.trim().split('\n').at(-1) ?? '';
  const recordsPerSecond = Number(/([\d.]+) records\/sec/.exec(last)?.[1] ?? 0);
  const at = (name: string): number =>
    Number(new RegExp(`(\\d+) ms ${name}`).exec(last)?.[1] ?? -1);
  const syncs = disk.syncs() - syncsBefore;
  return {
    recordsPerSecond,
    p50Ms: at('50th'),
    p99Ms: at('99th'),
    syncsPerSecond: (syncs * recordsPerSecond) / records,
    cpuMicrosPerRecord: ((cpuSeconds(pid) - cpuBefore) * 1e6) / records,
  };
}

function produce(port: number, topic: string, records: number, props: readonly string[]): string {
  const found = findApacheKafka();
  if (typeof found === 'string') throw new Error(found);
  const { status, stdout, stderr } = spawnSync(
    'java',
    [
      ...['-Xmx256m', '-cp', found.classPath, 'org.apache.kafka.tools.ProducerPerformance'],
      ...['--topic', topic, '--num-records', String(records)],
      ...['--record-size', String(RECORD_BYTES), '--throughput', '-1', '--producer-props'],
      ...[`bootstrap.servers=127.0.0.1:${port}`, 'acks=1', 'enable.idempotence=false', ...props],
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`ProducerPerformance: ${stdout}${stderr}`);
  return stdout;
}

function line(name: string, result: Result): string {
  return [
    name.padEnd(52),
    `${result.recordsPerSecond.toFixed(0).padStart(9)} records/s`,
    `p50 ${String(result.p50Ms).padStart(5)} ms`,
    `p99 ${String(result.p99Ms).padStart(5)} ms`,
    `${result.syncsPerSecond.toFixed(0).padStart(6)} syncs/s`,
    `${result.cpuMicrosPerRecord.toFixed(1).padStart(6)} us of CPU per record`,
  ].join('  ');
}

function medianOf(results: readonly Result[]): Result {
  const median = (of: (result: Result) => number): number => {
    const values = results.map(of).sort((one, other) => one - other);
    return values[values.length >> 1] ?? 0;
  };
  return {
    recordsPerSecond: median((result) => result.recordsPerSecond),
    p50Ms: median((result) => result.p50Ms),
    p99Ms: median((result) => result.p99Ms),
    syncsPerSecond: median((result) => result.syncsPerSecond),
    cpuMicrosPerRecord: median((result) => result.cpuMicrosPerRecord),
  };
}

try {
  const built = buildPreload(workspace, 'slow-disk');
  if ('refused' in built) throw new Error(built.refused);
  console.log(
    `${cpus().length} cores, Node ${process.version}, load average ${loadavg()[0]?.toFixed(1)}, ` +
      `logs in ${options.on}, syncs ${options.syncMs} ms longer than by themselves`,
  );
  const runs = new Map<string, Result[]>();
  for (let round = 0; round < (options.smoke ? 1 : Number(options.rounds)); round += 1) {
    for (const contestant of contestants()) await measure(contestant, built.library, runs);
  }
  for (const [key, results] of [...runs].sort(([one], [other]) => (one < other ? -1 : 1))) {
    console.log(line(key.replace('|', ', '), medianOf(results)));
  }
} finally {
  await workspace.dispose();
}
