/**
 * One broker of ours under everything at once for a long time: small segments, retention by size and by time, a
 * compacted topic, writers, readers at the tail, readers of old data, readers that stop reading, topics that come and
 * go. Once a second its memory, handles, disk and event loop are looked at. Exits with 1 when an acknowledged record was
 * lost, doubled or out of order, when something grows beyond its bound, or when the disk is not free in the end.
 *
 *     npm run soak [-- --minutes 10 | --seconds 30]
 */
import { parseArgs } from 'node:util';
import { Kafka } from '@odradek/client';
import { startBroker, startCoordinator } from '../support/cluster.ts';
import { eventually, freePorts, Workspace } from '../support/workspace.ts';
import { type Bounds, judge, medianOf, type Sample } from './bounds.ts';
import { Ledger, TableLedger } from './ledger.ts';
import { sample, sizeBytesOf } from './samples.ts';
import {
  readAllAgain,
  readSlowly,
  readTable,
  readTail,
  type Topic,
  topicsComeAndGo,
  write,
  writeTable,
} from './workload.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seconds: { type: 'string', default: '' } },
});
const runSeconds = values.seconds === '' ? Number(values.minutes) * 60 : Number(values.seconds);

const MEBIBYTE = 1024 ** 2;
const bySize: Topic = { name: 'by-size', partitions: 8 };
const byTime: Topic = { name: 'by-time', partitions: 4 };
const compacted: Topic = { name: 'compacted', partitions: 4 };
const RETENTION_MS = 15_000;
const WRITERS = 3;
const RECORDS_PER_SECOND = 1_500;
const RECORD_BYTES = 1_000;
const TABLE_KEYS = 500;
/** The tail's readers may take this long to catch up when the writers are done. */
const CATCH_UP_MS = 60_000;
const FREED_MS = 30_000;
/** Faults beyond these are counted and not told. */
const FAULTS_TOLD = 20;
const FREE_MEGABYTES = 2;

/** Retention, the cleaner and the pools of memory need so long until what comes and what goes are equal. */
const WARM_UP_SECONDS = 60;
/** A run shorter than this shows that it works; what grows it cannot tell. */
const JUDGED_FROM_SECONDS = 120;
const isJudged = runSeconds >= JUDGED_FROM_SECONDS;

/**
 * Of disk: by size 8 x (4 MiB, a segment that is full and one that is about to go), by time what comes in within twice
 * the retention. Without retention that is passed after a minute and a half, without the cleaner the compacted topic's
 * bound after two minutes.
 */
const bounds: Bounds = {
  warmUpPart: isJudged ? Math.max(0.25, WARM_UP_SECONDS / runSeconds) : 0,
  memoryMegabytesMax: 400,
  memoryGrowthMegabytesMax: isJudged ? 60 : Number.POSITIVE_INFINITY,
  handlesMax: 1_000,
  handlesGrowthMax: isJudged ? 100 : Number.POSITIVE_INFINITY,
  diskMegabytesMax: 200,
  tableMegabytesMax: 40,
};

const faults: string[] = [];
const report = (fault: string): void => {
  if (faults.push(fault) <= FAULTS_TOLD) console.error(`FAULT ${fault}`);
};

async function createTopics(kafka: Kafka): Promise<void> {
  const small = { 'segment.bytes': String(MEBIBYTE), 'file.delete.delay.ms': '1000' };
  const admin = kafka.admin();
  const create = (topic: Topic, configs: Readonly<Record<string, string>>): Promise<unknown> =>
    admin.createTopic({ ...topic, replicationFactor: 1, configs: { ...small, ...configs } });
  await create(bySize, { 'retention.bytes': String(4 * MEBIBYTE) });
  await create(byTime, { 'retention.ms': String(RETENTION_MS), 'segment.ms': '5000' });
  await create(compacted, {
    'cleanup.policy': 'compact',
    'min.cleanable.dirty.ratio': '0.2',
    'segment.ms': '5000',
  });
}

async function run(workspace: Workspace): Promise<readonly Sample[]> {
  const coordinator = await startCoordinator(workspace);
  const [metricsPort = 0] = await freePorts(1);
  const broker = await startBroker(workspace, 1, coordinator.connect, {
    'log.retention.check.interval.ms': '1000',
    'log.segment.delete.delay.ms': '1000',
    'log.cleaner.backoff.ms': '1000',
    'odradek.metrics.port': String(metricsPort),
  });
  const kafka = new Kafka({ bootstrapServers: broker.address });
  await createTopics(kafka);
  const ledger = new Ledger(report);
  const table = new TableLedger(report);
  const written = [bySize, byTime];
  const [stopping, ended] = [new AbortController(), new AbortController()];
  const stop = stopping.signal;

  const writers = [
    ...Array.from({ length: WRITERS }, (_, writer) =>
      write(kafka, written, ledger, report, {
        writer,
        recordsPerSecond: RECORDS_PER_SECOND,
        sizeBytes: RECORD_BYTES,
        stop,
      }),
    ),
    writeTable(kafka, compacted, table, report, {
      keys: TABLE_KEYS,
      recordsPerSecond: 1_000,
      sizeBytes: 300,
      stop,
    }),
  ];
  const tails = ['one', 'two'].map((name) => ledger.reader(`tail ${name}`, true));
  const readers = [
    ...tails.map((reader) => readTail(kafka, written, reader, ended.signal, CATCH_UP_MS)),
    readTable(kafka, compacted, table, report, ended.signal),
  ];
  const others = [
    readAllAgain(kafka, bySize, ledger, report, stop),
    readSlowly(broker.port, bySize, Math.min(8_000, runSeconds * 200), stop),
    topicsComeAndGo(kafka, 2_000, stop),
  ];

  const samples: Sample[] = [];
  const watched = {
    pid: broker.daemon.child.pid ?? 0,
    logDirectory: broker.logDirectory,
    metricsPort,
    table: compacted.name,
  };
  const beganAt = performance.now();
  const seconds = (): number => (performance.now() - beganAt) / 1000;
  while (seconds() < runSeconds && !broker.daemon.exited) {
    const took = await sample(watched, seconds());
    samples.push(took);
    if (samples.length % 10 === 0) console.log(progress(took, ledger.acknowledgedCount));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  if (broker.daemon.exited) throw new Error(`the broker has ended:\n${broker.daemon.output}`);
  stopping.abort();
  await Promise.all(writers);
  ended.abort();
  await Promise.all(readers);
  const [rounds, slowBytes, briefTopics] = await Promise.all(others);
  for (const reader of tails)
    if (reader.missing() > 0) report(`${reader.missing()} acknowledged records were never read`);
  console.log(
    `${ledger.acknowledgedCount} records acknowledged, each read ${tails.length} times at the tail; all of a topic read ` +
      `${rounds} times; ${Math.round((slowBytes ?? 0) / 1e6)} MB taken by the slow reader; ${briefTopics} topics came and went`,
  );
  await freed(kafka, broker.logDirectory);
  await kafka.close();
  await broker.daemon.stop();
  await coordinator.daemon.stop();
  return samples;
}

/** Without topics there is nothing on the disk. */
async function freed(kafka: Kafka, logDirectory: string): Promise<void> {
  await kafka.admin().deleteTopics([bySize, byTime, compacted].map(({ name }) => name));
  const megabytes = (): number => sizeBytesOf(logDirectory) / 1e6;
  try {
    const isFree = async (): Promise<boolean> => megabytes() < FREE_MEGABYTES;
    await eventually('the disk is free', isFree, FREED_MS);
  } catch {
    report(`${megabytes().toFixed(1)} MB are left on the disk when all topics are deleted`);
  }
}

function progress(took: Sample, acknowledged: number): string {
  const { seconds, memoryMegabytes, handles, diskMegabytes, loopDelayMs } = took;
  return [
    `${seconds.toFixed(0).padStart(4)} s`,
    `${acknowledged} records`,
    `${memoryMegabytes.toFixed(0)} MB`,
    `${handles} handles`,
    `${diskMegabytes.toFixed(0)} MB on disk`,
    `event loop ${loopDelayMs.toFixed(0)} ms`,
  ].join('  ');
}

const workspace = new Workspace();
try {
  const samples = await run(workspace);
  for (const { what, value, limit } of judge(samples, bounds)) {
    console.log(`${what}: ${value.toFixed(0)} (at most ${limit})`);
    if (value > limit) report(`${what}: ${value.toFixed(0)} is above ${limit}`);
  }
  const delays = samples.map(({ loopDelayMs }) => loopDelayMs);
  console.log(
    `longest delay of the event loop in a second: median ${medianOf(delays).toFixed(0)} ms, longest ${Math.max(...delays).toFixed(0)} ms`,
  );
} finally {
  await workspace.dispose();
}
console.log(faults.length === 0 ? 'soak: passed' : `soak: ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
