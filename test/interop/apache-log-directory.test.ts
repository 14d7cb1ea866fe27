/**
 * One data directory, written by Apache Kafka 3.9.1 and by ours in turn: what the one wrote the other serves, equal in every
 * offset, time and epoch, goes on with it and leaves it for the first. Each of them is once stopped in order and once
 * killed, with the end of a log torn off. Apache's own tools read the files of ours.
 */
import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import {
  BrokerConnection,
  type ConsumedRecord,
  Kafka,
  type OffsetSpec,
  type OutgoingRecord,
} from '@odradek/client';
import { apis, type Codec } from '@odradek/protocol';
import { nodeEnvironment } from '@odradek/runtime';
import {
  type ApacheBroker,
  type ApacheKafka,
  apacheTool,
  findApacheKafka,
  startApacheBroker,
} from '../support/apache-kafka.ts';
import {
  type BrokerProcess,
  type CoordinatorProcess,
  startBroker,
  startCoordinator,
} from '../support/cluster.ts';
import { eventually, freePorts, Workspace } from '../support/workspace.ts';

const found = findApacheKafka();
if (typeof found === 'string') console.warn(`skipped, since there is no Apache Kafka: ${found}`);
const apache: ApacheKafka = typeof found === 'string' ? { classPath: '' } : found;
/** The test that is running, or failed; those that would go on where it stopped make no sense then. */
let unfinished: string | null = null;
function inTurn(name: string, run: () => Promise<void>): void {
  (typeof found === 'string' ? test.skip : test)(name, async () => {
    expect(unfinished).toBeNull();
    unfinished = name;
    await run();
    unfinished = null;
  });
}

const T = 1_700_000_000_000;
const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
/** Each codec has a partition; segments are small enough to be rolled and indexed. */
const WRITTEN = 'written';
/** Left alone after Apache has written it. */
const KEPT = 'kept';
/** Its first records are deleted. */
const TRIMMED = 'trimmed';
/** Compacted by Apache. */
const COMPACTED = 'compacted';
const PARTITIONS: Readonly<Record<string, number>> = {
  [WRITTEN]: CODECS.length,
  [KEPT]: 1,
  [TRIMMED]: 1,
  [COMPACTED]: 1,
};

const workspace = new Workspace();
const environment = nodeEnvironment({ holdsProcess: true });
const directory = workspace.path('log-directory');
let coordinator: CoordinatorProcess;
let port = 0;
let kafka: Kafka | null = null;
let round = 0;

beforeAll(async () => {
  if (typeof found === 'string') return;
  coordinator = await startCoordinator(workspace, undefined, { '4lw.commands.whitelist': 'dump' });
  [port = 0] = await freePorts(1);
});
afterEach(async () => {
  await kafka?.close();
  kafka = null;
});
afterAll(() => workspace.dispose());

const settings = {
  'log.dirs': directory,
  'zookeeper.session.timeout.ms': '2000',
  'log.initial.task.delay.ms': '200',
  'log.cleaner.backoff.ms': '200',
  // Old records are what these tests are about.
  'log.retention.hours': '-1',
};

/** Of ours, which flushes. */
const journal = join(directory, 'odradek-flush-journal-0');

/** @param compacts only at first: what was compacted then is to stay as it is */
async function startApache(compacts = false): Promise<ApacheBroker> {
  await unregistered();
  const all = { ...settings, 'log.cleaner.enable': `${compacts}` };
  const place = { port, logDirectory: directory, heap: '512m' };
  return startApacheBroker(workspace, apache, 1, coordinator.connect, all, place);
}

async function startOurs(): Promise<BrokerProcess> {
  await unregistered();
  const flushed = { 'log.flush.interval.messages': '1' };
  const own = { ...settings, ...flushed, 'log.cleaner.enable': 'false' };
  return startBroker(workspace, 1, coordinator.connect, own, port);
}

/** Resolves when the session of the broker before has ended; Apache's does not wait for that itself. */
async function unregistered(): Promise<void> {
  for (;;) {
    const answer = await new Promise<string>((done, fail) => {
      let text = '';
      const socket = connectSocket(coordinator.port, '127.0.0.1', () => socket.write('dump'));
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => done(text));
      socket.on('error', fail);
    });
    if (!answer.includes('/brokers/ids/1')) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const client = (): Kafka => {
  kafka ??= new Kafka({ bootstrapServers: `127.0.0.1:${port}` });
  return kafka;
};

async function disconnect(): Promise<void> {
  await kafka?.close();
  kafka = null;
}

/** Some batches of some records for each partition but that of KEPT, from an idempotent producer for each codec. */
async function write(topics: readonly string[]): Promise<void> {
  round += 1;
  for (const [partition, compression] of CODECS.entries()) {
    const producer = client().producer({ compression, lingerMs: 20 });
    const record = (topic: string, batch: number, n: number): OutgoingRecord => ({
      topic,
      partition: topic === WRITTEN ? partition : 0,
      key: n === 0 && topic !== COMPACTED ? null : `key ${n}`,
      value:
        n === 1 && topic === COMPACTED
          ? null
          : `${topic} ${round} ${batch} ${n} ${'x'.repeat(n * 3)}`,
      headers: n % 5 === 0 ? [{ key: 'header', value: `of ${n}` }] : [],
      timestamp: T + round * 100_000 + batch * 1_000 - n * 7, // Not in order within a batch.
    });
    for (let batch = 0; batch < 12; batch++) {
      const records = topics
        .filter((topic) => topic === WRITTEN || partition === 0)
        .flatMap((topic) => Array.from({ length: 5 }, (_, n) => record(topic, batch, n)));
      await Promise.all(records.map((each) => producer.send(each)));
    }
    await producer.close();
  }
}

/** Everything that a client can learn of the logs. */
interface Picture {
  readonly records: Readonly<Record<string, readonly string[]>>;
  readonly offsets: Readonly<Record<string, readonly string[]>>;
  readonly epochEnds: Readonly<Record<string, readonly number[]>>;
}

const partitions = Object.entries(PARTITIONS).flatMap(([topic, count]) =>
  Array.from({ length: count }, (_, partition) => ({ topic, partition })),
);
const nameOf = ({ topic, partition }: { topic: string; partition: number }): string =>
  `${topic}-${partition}`;

/** A record as the console consumer of Apache's prints it. */
const lineOf = ({ timestamp, offset, partition, headers, key, value }: ConsumedRecord): string => {
  const text = headers.map((header) => `${header.key}:${header.value}`).join(',');
  const columns = [`CreateTime:${timestamp}`, `Partition:${partition}`, `Offset:${offset}`];
  return [...columns, text === '' ? 'NO_HEADERS' : text, key ?? 'null', value ?? 'null'].join('|');
};

async function look(): Promise<Picture> {
  const records = await readAll();
  const specs: readonly OffsetSpec[] = [
    'earliest',
    'latest',
    'max-timestamp',
    ...Array.from({ length: 50 }, (_, n) => ({ timestamp: T + 90_000 + n * 10_007 })),
  ];
  const offsets: Record<string, string[]> = {};
  for (const at of specs) {
    for (const listed of await client()
      .admin()
      .listOffsets(partitions.map((each) => ({ ...each, at })))) {
      expect(listed.error).toBeNull();
      const { offset, timestamp, leaderEpoch } = listed;
      // The epoch of the log's end is that of the leader of today.
      const answer = at === 'latest' ? `${offset}` : `${offset} ${timestamp} ${leaderEpoch}`;
      offsets[nameOf(listed)] = [...(offsets[nameOf(listed)] ?? []), answer];
    }
  }
  return { records, offsets, epochEnds: await epochEnds() };
}

async function readAll(): Promise<Record<string, string[]>> {
  const records: Record<string, string[]> = {};
  const consumer = client().consumer({ offsetReset: 'earliest' });
  consumer.assign(partitions);
  const ends = new Map<string, number>();
  for (const listed of await client()
    .admin()
    .listOffsets(partitions.map((each) => ({ ...each, at: 'latest' as const })))) {
    ends.set(nameOf(listed), listed.offset);
    records[nameOf(listed)] = [];
  }
  const isDone = (): boolean =>
    partitions.every((each) => (consumer.position(each) ?? -1) >= (ends.get(nameOf(each)) ?? 0));
  while (!isDone()) {
    for (const batch of await consumer.poll(200))
      records[nameOf(batch)]?.push(...batch.records.map(lineOf));
  }
  await consumer.close();
  return records;
}

/** Where each epoch ended, up to the first that nobody has heard of. */
async function epochEnds(): Promise<Record<string, number[]>> {
  const connection = await BrokerConnection.connect({
    host: '127.0.0.1',
    port,
    clientId: null,
    environment,
  });
  const epochs = Array.from({ length: 8 }, (_, epoch) => epoch);
  const ends: Record<string, number[]> = {};
  for (const leaderEpoch of epochs) {
    const { topics } = await connection.send(apis.offsetForLeaderEpoch, 4, {
      replicaId: -1,
      topics: Object.entries(PARTITIONS).map(([topic, count]) => ({
        topic,
        partitions: Array.from({ length: count }, (_, partition) => ({ partition, leaderEpoch })),
      })),
    });
    for (const { topic, partitions: answers } of topics) {
      for (const { partition, endOffset } of answers) {
        const name = `${topic}-${partition}`;
        if (endOffset >= 0) ends[name] = [...(ends[name] ?? []), endOffset];
      }
    }
  }
  connection.close();
  return ends;
}

/** The logs are as they were: everything is there and the same, and nothing else is. */
async function expectSame(before: Picture): Promise<void> {
  const now = await look();
  expect(now.records).toEqual(before.records);
  expect(now.offsets).toEqual(before.offsets);
  for (const [name, ends] of Object.entries(before.epochEnds))
    expect({ name, ends: now.epochEnds[name]?.slice(0, ends.length) }).toEqual({ name, ends });
}

/** Apache's own consumer reads all that there is. */
async function expectReadByApache({ records }: Picture): Promise<void> {
  const wanted = Object.values(records).flat();
  const properties = ['timestamp', 'partition', 'offset', 'headers', 'key', 'value'];
  const consumer = 'org.apache.kafka.tools.consumer.ConsoleConsumer';
  const { stdout } = await apacheTool(workspace, apache, consumer, [
    ...['--bootstrap-server', `127.0.0.1:${port}`, '--include', Object.keys(PARTITIONS).join('|')],
    ...['--from-beginning', '--max-messages', `${wanted.length}`, '--timeout-ms', '60000'],
    ...properties.flatMap((name) => ['--property', `print.${name}=true`]),
    ...['--property', 'key.separator=|'],
  ]);
  expect(stdout.trimEnd().split('\n').sort()).toEqual([...wanted].sort());
}

/** A killed broker may leave half a batch behind. */
function tear(topic: string, partition: number): void {
  const folder = join(directory, `${topic}-${partition}`);
  const active = readdirSync(folder)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .at(-1);
  const path = join(folder, active ?? '');
  appendFileSync(path, readFileSync(path).subarray(0, 70));
}

const textOf = (...path: string[]): string => readFileSync(join(directory, ...path), 'utf8');

/** A file of lines whose order does not matter. */
const linesOf = (...path: string[]): string[] =>
  textOf(...path)
    .split('\n')
    .sort();

const COMPLAINT =
  / (WARN|ERROR) .*\((kafka\.log|kafka\.server\.LogDir|org\.apache\.kafka\.storage)/;

/** What is to be the same in the next tests, which go on where the one before stopped. */
let picture: Picture;
const leftByOurs = workspace.path('left-by-ours');

inTurn('what Apache wrote is served by ours, which goes on with it', async () => {
  const broker = await startApache(true);
  await client()
    .admin()
    .createTopics(
      Object.entries(PARTITIONS).map(([name, count]) => ({
        name,
        partitions: count,
        replicationFactor: 1,
        configs: {
          'segment.bytes': '3000',
          'index.interval.bytes': '300',
          ...(name === COMPACTED && {
            'cleanup.policy': 'compact',
            'min.cleanable.dirty.ratio': '0.01',
          }),
        },
      })),
    );
  await write(Object.keys(PARTITIONS));
  await write([WRITTEN, COMPACTED]);
  await client()
    .admin()
    .deleteRecords([{ topic: TRIMMED, partition: 0, before: 17 }]);
  await compactedToTheEnd();
  const before = await look();
  expect(before.records[`${TRIMMED}-0`]?.[0]).toContain('|Offset:17|');
  const compacted = before.records[`${COMPACTED}-0`]?.length;
  expect(compacted).toBeLessThan(before.records[`${WRITTEN}-0`]?.length ?? 0);
  await disconnect();
  await broker.daemon.stop();
  const names = ['meta.properties', '.kafka_cleanshutdown'] as const;
  const texts = names.map((name) => textOf(name));
  const trimmed = linesOf('log-start-offset-checkpoint');
  const kept = textOf(`${KEPT}-0`, 'partition.metadata');

  const ours = await startOurs();
  await expectSame(before);
  await write([WRITTEN, TRIMMED, COMPACTED]);
  picture = await look();
  await disconnect();
  await ours.daemon.stop();
  expect(names.map((name) => textOf(name))).toEqual(texts);
  expect(linesOf('log-start-offset-checkpoint')).toEqual(trimmed);
  expect(textOf(`${KEPT}-0`, 'partition.metadata')).toBe(kept);
  const ends = partitions.map((each) => `${each.topic} ${each.partition} ${endOf(each)}`);
  for (const name of ['recovery-point-offset-checkpoint', 'replication-offset-checkpoint'])
    expect(linesOf(name)).toEqual(expect.arrayContaining(['0', ...ends]));
  cpSync(directory, leftByOurs, { recursive: true });
});

/** All but the newest segment is compacted: Apache's cleaner has nothing left to do behind the back of this test. */
async function compactedToTheEnd(): Promise<void> {
  const folder = join(directory, `${COMPACTED}-0`);
  await eventually('the log is compacted', async () => {
    const segments = readdirSync(folder).filter((name) => name.endsWith('.log'));
    const newest = Number.parseInt(segments.sort().at(-1) ?? '', 10);
    return newest > 0 && linesOf('cleaner-offset-checkpoint').includes(`${COMPACTED} 0 ${newest}`);
  });
}

const endOf = (each: { topic: string; partition: number }): string =>
  picture.offsets[nameOf(each)]?.[1] ?? '';

inTurn(
  'what ours wrote is served by Apache after an orderly stop; its tools find no fault',
  async () => {
    const [broker] = await Promise.all([startApache(), expectSoundFiles()]);
    expect(broker.daemon.output).toContain('since clean shutdown file was found');
    expect(broker.daemon.output).not.toMatch(COMPLAINT);
    await expectReadByApache(picture);
    await expectSame(picture);
    await write([WRITTEN, TRIMMED]);
    picture = await look();
    await disconnect();
    await broker.daemon.stop('SIGKILL');
    tear(WRITTEN, 0);
  },
);

inTurn('a killed Apache leaves mapped indexes and a torn log: ours recovers them', async () => {
  const active = readdirSync(join(directory, `${WRITTEN}-0`)).filter((name) =>
    name.endsWith('.index'),
  );
  const sizes = active.map((name) => readFileSync(join(directory, `${WRITTEN}-0`, name)).length);
  expect(Math.max(...sizes)).toBeGreaterThan(1_000_000);
  const ours = await startOurs();
  await expectSame(picture);
  await write([WRITTEN, TRIMMED]);
  picture = await look();
  await disconnect();
  await ours.daemon.stop('SIGKILL');
  tear(WRITTEN, 1);
  // A journal is made when partitions are written to together, which chance has a say in.
  if (!existsSync(journal)) writeFileSync(journal, Buffer.alloc(1024, 1));
});

inTurn('a killed one of ours leaves what Apache recovers', async () => {
  const broker = await startApache();
  expect(broker.daemon.output).toContain('since no clean shutdown file was found');
  await expectReadByApache(picture);
  await expectSame(picture);
  expect(existsSync(journal)).toBe(true); // Not its own, and no reason for it to complain.
  expect(broker.daemon.output).not.toContain('flush-journal');
  await disconnect();
  await broker.daemon.stop();
});

inTurn('a journal that is older than what Apache has done since adds nothing', async () => {
  const ours = await startOurs();
  await expectSame(picture);
  await disconnect();
  await ours.daemon.stop();
  expect(existsSync(journal)).toBe(false);
});

/** DumpLogSegments reads all that ours left: every batch and record, every entry of every index. */
async function expectSoundFiles(): Promise<void> {
  const files = Object.entries(PARTITIONS).flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, partition) =>
      join(leftByOurs, `${topic}-${partition}`),
    ).flatMap((folder) => readdirSync(folder).map((name) => join(folder, name))),
  );
  const ending = (pattern: RegExp): string => files.filter((file) => pattern.test(file)).join(',');
  const dump = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await apacheTool(
      workspace,
      apache,
      'kafka.tools.DumpLogSegments',
      args,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).not.toMatch(/isvalid: false|mismatch|not found|Index timestamp|invalid bytes/i);
    return stdout;
  };
  const logs = await dump('--deep-iteration', '--files', ending(/\.log$|\.snapshot$/));
  const recordCount = Object.values(picture.records).flat().length;
  expect(logs.match(/^\| offset: /gm)?.length).toBeGreaterThanOrEqual(recordCount);
  const indexes = ending(/\.(time)?index$/);
  const sane = await dump('--index-sanity-check', '--files', indexes);
  expect(sane.match(/passed sanity check|is empty/g)).toHaveLength(indexes.split(',').length);
  await dump('--verify-index-only', '--files', indexes);
}
