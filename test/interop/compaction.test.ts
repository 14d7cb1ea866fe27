/**
 * Apache Kafka's log cleaner and ours over the same files.
 *
 * A broker of Apache's is given records with keys, in all codecs, with tombstones and with transactions that are
 * committed and aborted, in small segments. Copies of what it leaves are compacted by its own cleaner and by ours,
 * three times: each time the delete horizons that the last one has set are over. What comes out must be the same: files,
 * batches, records, transaction indexes, checkpoint; byte for byte but for codecs and the horizons themselves. Apache's
 * tools find no fault with our files, Apache serves them, and we serve what Apache has compacted.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { BrokerConnection, Kafka } from '@odradek/client';
import {
  apis,
  batchPositions,
  batchSize,
  type Codec,
  decodeAnyBatch,
  encodeBatch,
  type RecordInput,
  zstdReady,
} from '@odradek/protocol';
import { nodeEnvironment } from '@odradek/runtime';
import {
  defaultCleanerSettings,
  LogCleaner,
} from '../../packages/broker/src/log/compaction/log-cleaner.ts';
import { defaultLogConfig } from '../../packages/broker/src/log/log-config.ts';
import { LogManager } from '../../packages/broker/src/log/log-manager.ts';
import {
  type ApacheBroker,
  type ApacheKafka,
  apacheTool,
  findApacheKafka,
  startApacheBroker,
} from '../support/apache-kafka.ts';
import { startBroker, startCoordinator } from '../support/cluster.ts';
import { eventually, Workspace } from '../support/workspace.ts';

const TOPIC = 'compacted';
const BROKER = 1;
const SEGMENT_BYTES = 3000;
const INDEX_INTERVAL_BYTES = 300;
const DELETE_RETENTION_MS = 1000;
const CODECS: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

const found = findApacheKafka();
if (typeof found === 'string') console.warn(`skipped, since there is no Apache Kafka: ${found}`);
const testWithApache = typeof found === 'string' ? test.skip : test;
const workspace = new Workspace();
const environment = nodeEnvironment({ holdsProcess: true });
afterAll(() => workspace.dispose());

/** A producer that says itself what it writes, batch by batch. */
class RawProducer {
  readonly #connection: BrokerConnection;
  readonly #transactionalId: string | null;
  readonly #producerId: bigint;
  readonly #epoch: number;
  #sequence = 0;

  private constructor(
    connection: BrokerConnection,
    transactionalId: string | null,
    identity: { producerId: bigint; producerEpoch: number },
  ) {
    this.#connection = connection;
    this.#transactionalId = transactionalId;
    this.#producerId = identity.producerId;
    this.#epoch = identity.producerEpoch;
  }

  static async open(
    connection: BrokerConnection,
    transactionalId: string | null,
  ): Promise<RawProducer> {
    const identity = await eventually('there is a producer id', async () => {
      // Makes the coordinator's own topic, the first time.
      if (transactionalId !== null)
        await connection.send(apis.findCoordinator, 2, { key: transactionalId, keyType: 1 });
      const answer = await connection.send(apis.initProducerId, 2, {
        transactionalId,
        transactionTimeoutMs: 60_000,
      });
      return answer.errorCode === 0 ? answer : null;
    });
    return new RawProducer(connection, transactionalId, identity);
  }

  async begin(): Promise<void> {
    await eventually('the partition is in the transaction', async () => {
      const { resultsByTopicV3AndBelow } = await this.#connection.send(apis.addPartitionsToTxn, 3, {
        v3AndBelowTransactionalId: this.#transactionalId ?? '',
        v3AndBelowProducerId: this.#producerId,
        v3AndBelowProducerEpoch: this.#epoch,
        v3AndBelowTopics: [{ name: TOPIC, partitions: [0] }],
      });
      const [topic] = resultsByTopicV3AndBelow;
      return topic?.resultsByPartition[0]?.partitionErrorCode === 0;
    });
  }

  async end(committed: boolean): Promise<void> {
    const answer = await this.#connection.send(apis.endTxn, 3, {
      transactionalId: this.#transactionalId ?? '',
      producerId: this.#producerId,
      producerEpoch: this.#epoch,
      committed,
    });
    expect(answer.errorCode).toBe(0);
  }

  async send(records: readonly RecordInput[], compression: Codec): Promise<void> {
    const batch = encodeBatch({
      records,
      compression,
      producerId: this.#producerId,
      producerEpoch: this.#epoch,
      baseSequence: this.#sequence,
      transactional: this.#transactionalId !== null,
    });
    this.#sequence += records.length;
    const { responses } = await this.#connection.send(apis.produce, 7, {
      transactionalId: this.#transactionalId,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: TOPIC, partitionData: [{ index: 0, records: batch }] }],
    });
    expect(responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
  }
}

async function connectTo(broker: ApacheBroker): Promise<BrokerConnection> {
  return BrokerConnection.connect({
    host: '127.0.0.1',
    port: broker.port,
    clientId: null,
    environment,
  });
}

/** Keys that come again and again, among them such as are deleted; three transactional producers and a plain one. */
async function produce(broker: ApacheBroker): Promise<void> {
  const connection = await connectTo(broker);
  const plain = await RawProducer.open(connection, null);
  const transactional = await Promise.all(
    ['a', 'b', 'c'].map((id) => RawProducer.open(connection, id)),
  );
  let count = 0;
  const records = (size: number): RecordInput[] =>
    Array.from({ length: size }, (_, index) => {
      count += 1;
      return {
        key: Buffer.from(`key ${(count * 7) % 23}`),
        value: count % 6 === 0 ? null : Buffer.from(`value ${count} ${'x'.repeat(count % 40)}`),
        headers: count % 4 === 0 ? [{ key: 'n', value: Buffer.from(String(count)) }] : [],
        timestamp: 1_700_000_000_000 + count * 10 - (index % 2) * 25,
      };
    });
  for (let step = 0; step < 60; step += 1) {
    const compression = CODECS[step % CODECS.length] ?? 'none';
    await plain.send(records(1 + (step % 6)), compression);
    const producer = transactional[step % 3];
    if (producer === undefined) throw new Error('there are three');
    if (step < 45) {
      await producer.begin();
      await producer.send(records(2), CODECS[(step + 2) % CODECS.length] ?? 'none');
      if (step % 7 === 0) await producer.send(records(3), 'none');
      await plain.send(records(1), 'none');
      await producer.end(step % 2 === 0);
    }
  }
  connection.close();
}

interface Compacted {
  readonly names: readonly string[];
  /** Every batch, with the delete horizon left out of what is compared. */
  readonly batches: readonly unknown[];
  readonly bytes: readonly string[];
  /** Every record that is no marker. */
  readonly lines: readonly string[];
  readonly aborted: readonly string[];
  readonly checkpoint: string;
}

function look(directory: string): Compacted {
  const folder = join(directory, `${TOPIC}-0`);
  const names = readdirSync(folder)
    .filter((name) => /\.(log|txnindex)$/.test(name))
    .sort();
  const batches: unknown[] = [];
  const bytes: string[] = [];
  const lines: string[] = [];
  for (const name of names.filter((each) => each.endsWith('.log'))) {
    const content = readFileSync(join(folder, name));
    for (const at of batchPositions(content)) {
      const { sizeBytes, deleteHorizonMs, ...batch } = decodeAnyBatch(content, at);
      if (!batch.control)
        lines.push(...batch.records.map(({ offset, key, value }) => `${offset} ${key} ${value}`));
      batches.push({ ...batch, name, hasHorizon: deleteHorizonMs !== null });
      // Other programs compress otherwise, and a horizon is a time of day.
      const same = batch.compression === 'none' && deleteHorizonMs === null;
      if (same) bytes.push(content.subarray(at, at + batchSize(content, at)).toString('hex'));
    }
  }
  const aborted = names
    .filter((name) => name.endsWith('.txnindex'))
    .map((name) => `${name} ${readFileSync(join(folder, name)).toString('hex')}`);
  const checkpoint = readFileSync(join(directory, 'cleaner-offset-checkpoint'), 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`${TOPIC} `));
  return { names, batches, bytes, lines, aborted, checkpoint: checkpoint ?? '' };
}

const sizeOf = ({ batches, lines }: Compacted): number => batches.length + lines.length;

async function cleanWithOurs(directory: string): Promise<void> {
  await zstdReady;
  const meta = readFileSync(join(directory, 'meta.properties'), 'utf8');
  const logs = await LogManager.open({
    directories: [directory],
    clusterId: /cluster\.id=(.*)/.exec(meta)?.[1] ?? '',
    brokerId: BROKER,
    logConfigOf: (topic) => ({
      ...defaultLogConfig,
      segmentBytes: SEGMENT_BYTES,
      indexIntervalBytes: INDEX_INTERVAL_BYTES,
      cleanupPolicy: topic === TOPIC ? ['compact'] : ['delete'],
      minCleanableDirtyRatio: 0.01,
      deleteRetentionMs: DELETE_RETENTION_MS,
      fileDeleteDelayMs: 0,
    }),
    environment,
  });
  const cleaner = new LogCleaner({
    environment,
    logs: () => logs.all(),
    settings: () => defaultCleanerSettings,
    applyRetention: () => Promise.resolve(),
  });
  expect(await cleaner.cleanOnce()).toBe(true);
  expect(cleaner.stats).toMatchObject({ passes: 1, uncleanablePartitions: 0 });
  await logs.close();
}

/** A copy without the lock, and without the memory of an earlier compaction. */
function copyOf(directory: string, name: string): string {
  const copy = workspace.path(name);
  cpSync(directory, copy, { recursive: true, preserveTimestamps: true });
  for (const file of ['.lock', 'cleaner-offset-checkpoint'])
    rmSync(join(copy, file), { force: true });
  return copy;
}

async function readByClient(broker: ApacheBroker): Promise<string[]> {
  const kafka = new Kafka({ bootstrapServers: broker.address });
  const consumer = kafka.consumer({ offsetReset: 'earliest' });
  const partition = { topic: TOPIC, partition: 0 };
  consumer.assign([partition]);
  const end = await eventually('the partition is led', async () => {
    const [listed] = await kafka.admin().listOffsets([{ ...partition, at: 'latest' }]);
    return listed?.error === null ? listed.offset : null;
  });
  const lines: string[] = [];
  while ((consumer.position(partition) ?? -1) < end) {
    for (const { records } of await consumer.poll(200))
      lines.push(...records.map(({ offset, key, value }) => `${offset} ${key} ${value}`));
  }
  await kafka.close();
  return lines;
}

async function expectSound(apache: ApacheKafka, directory: string): Promise<void> {
  const folder = join(directory, `${TOPIC}-0`);
  const ending = (pattern: RegExp): string =>
    readdirSync(folder)
      .filter((name) => pattern.test(name))
      .map((name) => join(folder, name))
      .join(',');
  const runs = [
    ['--deep-iteration', '--files', ending(/\.log$/)],
    ['--verify-index-only', '--files', ending(/\.(time)?index$/)],
  ];
  for (const args of runs) {
    const { code, stdout, stderr } = await apacheTool(
      workspace,
      apache,
      'kafka.tools.DumpLogSegments',
      args,
    );
    expect(code).toBe(0);
    // Gaps are what compaction leaves; the tool tells of them, as it does in files of Apache's cleaner.
    expect(stderr).toMatch(/^(Non-consecutive offsets in .*\n|\s+\d+ is followed by \d+\n)*$/);
    expect(stdout).not.toMatch(/isvalid: false|mismatch|not found|Index timestamp|invalid bytes/i);
  }
}

testWithApache(
  "Apache Kafka's cleaner and ours make the same of the same files",
  async () => {
    const apache = found as ApacheKafka;
    const coordinator = await startCoordinator(workspace);
    const settings = {
      'log.cleaner.enable': 'false',
      'log.cleaner.backoff.ms': '100',
      'log.segment.delete.delay.ms': '0',
      'transaction.state.log.replication.factor': '1',
      'transaction.state.log.min.isr': '1',
      'transaction.state.log.num.partitions': '1',
      'zookeeper.session.timeout.ms': '3000',
    };
    const apacheOn = (directory: string, enable: boolean): Promise<ApacheBroker> =>
      startApacheBroker(
        workspace,
        apache,
        BROKER,
        coordinator.connect,
        { ...settings, 'log.cleaner.enable': String(enable) },
        { logDirectory: directory, heap: '384m' },
      );
    const written = workspace.path('written');
    const first = await apacheOn(written, false);
    const kafka = new Kafka({ bootstrapServers: first.address });
    await eventually('the topic is there', async () => {
      try {
        await kafka.admin().createTopics([
          {
            name: TOPIC,
            partitions: 1,
            replicationFactor: 1,
            configs: {
              'cleanup.policy': 'compact',
              'segment.bytes': String(SEGMENT_BYTES),
              'index.interval.bytes': String(INDEX_INTERVAL_BYTES),
              'min.cleanable.dirty.ratio': '0.01',
              'delete.retention.ms': String(DELETE_RETENTION_MS),
            },
          },
        ]);
        return true;
      } catch {
        return null;
      }
    });
    await kafka.close();
    await produce(first);
    await first.daemon.stop();

    const theirs = copyOf(written, 'theirs');
    const ours = copyOf(written, 'ours');
    const cleaning = await apacheOn(theirs, true);
    const cleanedByApache = (): Promise<boolean> =>
      eventually('Apache has compacted the log', async () =>
        readFileSync(join(theirs, 'cleaner-offset-checkpoint'), 'utf8').includes(`${TOPIC} 0 `),
      );
    let last: Compacted | null = null;
    // First superseded and aborted records go, then tombstones, and at last markers.
    for (const round of [1, 2, 3]) {
      await Promise.all([cleanedByApache(), cleanWithOurs(ours)]);
      const now = look(theirs);
      expect({ round, ...look(ours) }).toEqual({ round, ...now });
      if (last === null) {
        expect(now.names.length).toBeGreaterThan(10);
        expect(now.bytes.length).toBeGreaterThan(10);
        expect(now.aborted.length).toBeGreaterThan(3);
      } else expect(sizeOf(now)).toBeLessThan(sizeOf(last));
      last = now;
      if (round === 3) break;
      await new Promise((resolve) => setTimeout(resolve, DELETE_RETENTION_MS));
      // Nothing is clean any more; Apache's cleaner reads the file each time.
      for (const directory of [theirs, ours])
        writeFileSync(join(directory, 'cleaner-offset-checkpoint'), '0\n0\n');
    }

    await cleaning.daemon.stop();
    // The tools look at a copy: a broker that starts makes the newest indexes larger, which then end in zeros.
    const leftByOurs = copyOf(ours, 'left-by-ours');
    const [, broker] = await Promise.all([expectSound(apache, leftByOurs), apacheOn(ours, false)]);
    const read = await readByClient(broker);
    expect(read.length).toBeGreaterThan(20);
    expect(last?.lines).toEqual(expect.arrayContaining(read));
    expect(broker.daemon.output).not.toMatch(/ (WARN|ERROR) .*\(kafka\.log/);
    await broker.daemon.stop();

    await cleanWithOurs(copyOf(theirs, 'theirs-to-ours'));
  },
  300_000,
);

test("our broker compacts groups' offsets and a topic by itself, and a restart finds the newest of all", async () => {
  const coordinator = await startCoordinator(workspace);
  const settings = {
    'offsets.topic.num.partitions': '1',
    'offsets.topic.segment.bytes': '3000',
    'log.cleaner.backoff.ms': '100',
    'log.cleaner.min.cleanable.ratio': '0.01',
  };
  const broker = await startBroker(workspace, 2, coordinator.connect, settings);
  const at = { topic: 'latest', partition: 0 };
  const configs = { 'cleanup.policy': 'compact', 'segment.bytes': '3000' };
  let kafka = new Kafka({ bootstrapServers: broker.address });
  await kafka
    .admin()
    .createTopics([{ name: at.topic, partitions: 1, replicationFactor: 1, configs }]);
  const producer = kafka.producer({ compression: 'lz4' });
  const groups = ['one', 'two', 'three'];
  const consumers = groups.map((groupId) => kafka.consumer({ groupId }));
  for (let round = 1; round <= 60; round += 1) {
    await Promise.all(
      ['a', 'b', 'c'].map((key) =>
        producer.send({ ...at, key, value: `${key} ${round} ${'x'.repeat(100)}` }),
      ),
    );
    for (const consumer of consumers) await consumer.commit([{ ...at, offset: round }]);
  }
  for (const name of ['__consumer_offsets-0', 'latest-0'])
    await broker.daemon.printed(new RegExp(`compacted a log.*${name}`));
  await kafka.close();
  await broker.daemon.stop();
  const again = await broker.restart();
  kafka = new Kafka({ bootstrapServers: again.address });
  for (const groupId of groups) {
    const [found] = await eventually('the group is loaded', async () => {
      try {
        return await kafka.admin().groupOffsets(groupId);
      } catch {
        return null;
      }
    });
    expect(found).toMatchObject({ ...at, offset: 60 });
  }
  const consumer = kafka.consumer({ offsetReset: 'earliest' });
  consumer.assign([at]);
  const newest = new Map<string, string>();
  while ((consumer.position(at) ?? -1) < 180) {
    for (const { records } of await consumer.poll(200))
      for (const { key, value } of records) newest.set(String(key), String(value).slice(0, 4));
  }
  expect([...newest].sort()).toEqual(['a', 'b', 'c'].map((key) => [key, `${key} 60`]));
  await kafka.close();
  await again.daemon.stop();
});
