/**
 * What Apache Kafka wrote of transactions, read by us, and the other way round.
 *
 * kafkajs commits and aborts transactions on a broker of Apache's, which is stopped, and later killed. Copies of its
 * directory are opened by our log engine: it must know of the same aborted transactions, have the same last stable
 * offset, and rebuild the same transaction index, byte for byte and readable for Apache's own tool. Then our broker
 * serves such a directory, and a consumer of committed records (kcat) sees what it saw before.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { nodeEnvironment } from '@odradek/runtime';
import { defaultLogConfig } from '../../packages/broker/src/log/log-config.ts';
import { LogManager } from '../../packages/broker/src/log/log-manager.ts';
import {
  type AbortedTransaction,
  decodeAborted,
  TRANSACTION_ENTRY_BYTES,
} from '../../packages/broker/src/log/transaction-index.ts';
import {
  type ApacheBroker,
  type ApacheKafka,
  apacheTool,
  findApacheKafka,
  startApacheBroker,
} from '../support/apache-kafka.ts';
import { startBroker, startCoordinator } from '../support/cluster.ts';
import { eventually, projectRoot, Workspace } from '../support/workspace.ts';

const TOPIC = 'transactions';
const BROKER = 1;
const clientsFolder = join(projectRoot, 'test/interop/clients');
const found = findApacheKafka();
const missing =
  typeof found === 'string'
    ? found
    : existsSync(join(clientsFolder, 'node_modules/kafkajs'))
      ? null
      : 'kafkajs is not installed in test/interop/clients';
if (missing !== null) console.warn(`skipped: ${missing}`);
const testWithApache = missing === null ? test : test.skip;
const workspace = new Workspace();
afterAll(() => workspace.dispose());

/** What kafkajs gives, as far as it is used here. */
interface Batch {
  readonly topic: string;
  readonly messages: readonly { readonly value: string }[];
}
interface Transaction {
  send(batch: Batch): Promise<unknown>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}
interface TransactionalProducer {
  connect(): Promise<void>;
  transaction(): Promise<Transaction>;
  send(batch: Batch): Promise<unknown>;
  disconnect(): Promise<void>;
}

function kafkaAt(address: string) {
  const kafkajs = createRequire(join(clientsFolder, 'package.json'))('kafkajs');
  return new kafkajs.Kafka({
    clientId: 'transactions',
    brokers: [address],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { initialRetryTime: 20, retries: 20 },
  });
}

/**
 * Three producers with transactions that overlap, over several segments: nine are aborted, as many are
 * committed, and one stays open at the end; it is aborted when its producer comes back.
 */
async function produce(address: string, name: string): Promise<void> {
  const kafka = kafkaAt(address);
  const admin = kafka.admin();
  await admin.connect();
  // A broker that has just started does not know yet who is the controller.
  await eventually('there is a controller', async () => {
    const { controller } = await admin.describeCluster();
    return controller === BROKER;
  });
  const topic = { topic: TOPIC, numPartitions: 1, replicationFactor: 1 };
  await admin.createTopics({ topics: [topic], waitForLeaders: true });
  await admin.disconnect();
  const producers: TransactionalProducer[] = ['a', 'b', 'c'].map((id) =>
    kafka.producer({
      transactionalId: `transactions-${id}`,
      transactionTimeout: 600_000,
      maxInFlightRequests: 1,
      idempotent: true,
    }),
  );
  const plain: TransactionalProducer = kafka.producer();
  for (const producer of [...producers, plain]) await producer.connect();
  const batch = (text: string): Batch => ({
    topic: TOPIC,
    messages: [1, 2].map((n) => ({ value: `${name} ${text} ${n} ${'x'.repeat(150)}` })),
  });
  const open = new Map<TransactionalProducer, Transaction>();
  for (let step = 0; step < 36; step += 1) {
    const producer = producers[step % 3] as TransactionalProducer;
    const running = open.get(producer);
    if (running === undefined) {
      const transaction = await producer.transaction();
      await transaction.send(batch(`${step}`));
      open.set(producer, transaction);
    } else {
      await running.send(batch(`${step}`));
      if (step % 4 < 2) await running.abort();
      else await running.commit();
      open.delete(producer);
    }
    if (step % 5 === 0) await plain.send(batch(`plain ${step}`));
  }
  for (const transaction of open.values()) await transaction.abort();
  const last = await producers[0]?.transaction();
  await last?.send(batch('left open'));
  for (const producer of [...producers, plain]) await producer.disconnect();
}

/** Values that a consumer of committed records sees. */
async function committed(address: string): Promise<string[]> {
  const args = ['-b', address, '-C', '-t', TOPIC, '-o', 'beginning', '-e', '-q', '-f', '%o %s\n'];
  const read = await workspace.run('kcat', [...args, '-X', 'isolation.level=read_committed']);
  expect(read).toMatchObject({ code: 0 });
  return read.stdout.trimEnd().split('\n');
}

/** Latest offset as a reader of committed records is told it. */
async function stableOffset(address: string): Promise<number> {
  const args = ['-b', address, '-Q', '-t', `${TOPIC}:0:-1`];
  const asked = await workspace.run('kcat', [...args, '-X', 'isolation.level=read_committed']);
  expect(asked).toMatchObject({ code: 0 });
  return Number(/offset (\d+)/.exec(asked.stdout)?.[1]);
}

/** The transaction indexes of a directory, by file name. */
function indexFiles(directory: string): Map<string, Buffer> {
  const folder = join(directory, `${TOPIC}-0`);
  const names = readdirSync(folder).filter((name) => name.endsWith('.txnindex'));
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name))]));
}

function entriesOf(files: ReadonlyMap<string, Buffer>): AbortedTransaction[] {
  const entries: AbortedTransaction[] = [];
  for (const bytes of files.values()) {
    for (let at = 0; at < bytes.length; at += TRANSACTION_ENTRY_BYTES) {
      entries.push(decodeAborted(bytes, at));
    }
  }
  return entries;
}

function openEngine(directory: string): Promise<LogManager> {
  const meta = readFileSync(join(directory, 'meta.properties'), 'utf8');
  return LogManager.open({
    directories: [directory],
    clusterId: /cluster\.id=(.*)/.exec(meta)?.[1] ?? '',
    brokerId: BROKER,
    logConfigOf: () => ({ ...defaultLogConfig, segmentBytes: 4096, indexIntervalBytes: 256 }),
    environment: nodeEnvironment(),
  });
}

/** Opens a copy, compares what the log knows with Apache's files, and closes it again. */
async function expectSameKnowledge(
  directory: string,
  apache: { readonly entries: readonly AbortedTransaction[]; readonly stableOffset: number },
): Promise<void> {
  const manager = await openEngine(directory);
  const log = manager.get(TOPIC, 0);
  if (log === undefined) throw new Error('the topic is there');
  log.updateHighWatermark(log.logEndOffset);
  expect(log.lastStableOffset).toBe(apache.stableOffset);
  const end = log.logEndOffset;
  for (const [from, to] of [
    [0, end],
    [0, Math.floor(end / 3)],
    [Math.floor(end / 3), Math.floor(end / 2)],
    [Math.floor(end / 2), end],
  ] as const) {
    const expected = apache.entries.filter(
      ({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < to,
    );
    expect(await log.abortedTransactions(from, to)).toEqual(expected);
  }
  await manager.close();
}

/** Apache's broker is down: a copy of its directory as it stands. */
function copyOf(broker: ApacheBroker, name: string): string {
  const copy = workspace.path(name);
  cpSync(broker.logDirectory, copy, { recursive: true });
  rmSync(join(copy, '.lock'), { force: true });
  return copy;
}

testWithApache('transactions of Apache Kafka are ours, and ours are readable for it', async () => {
  const apacheKafka = found as ApacheKafka;
  const coordinator = await startCoordinator(workspace);
  const first = await startApacheBroker(workspace, apacheKafka, BROKER, coordinator.connect, {
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '1',
    'log.segment.bytes': '4096',
    'log.index.interval.bytes': '256',
    'zookeeper.session.timeout.ms': '3000', // So that the killed broker's id is free again soon.
  });
  await produce(first.address, 'one');
  const stable = await eventually('all markers are written', async () => {
    const files = entriesOf(indexFiles(first.logDirectory));
    return files.length === 9 ? stableOffset(first.address) : null;
  });
  await first.daemon.stop();
  const entries = entriesOf(indexFiles(first.logDirectory));
  await expectSameKnowledge(copyOf(first, 'stopped'), { entries, stableOffset: stable });

  const second = await first.restart();
  await produce(second.address, 'two');
  const before = await eventually('all markers are written again', async () => {
    const count = entriesOf(indexFiles(second.logDirectory)).length;
    return count === 19 ? committed(second.address) : null;
  });
  const stableBefore = await stableOffset(second.address);
  await second.daemon.stop('SIGKILL');
  const written = indexFiles(second.logDirectory);
  const all = { entries: entriesOf(written), stableOffset: stableBefore };
  await expectSameKnowledge(copyOf(second, 'killed'), all);

  // Nothing but the batches is left: everything is built anew, as it was.
  const rebuilt = copyOf(second, 'rebuilt');
  rmSync(join(rebuilt, 'recovery-point-offset-checkpoint'));
  for (const name of readdirSync(join(rebuilt, `${TOPIC}-0`))) {
    if (/\.(index|timeindex|txnindex|snapshot)$/.test(name))
      rmSync(join(rebuilt, `${TOPIC}-0`, name));
  }
  await expectSameKnowledge(rebuilt, all);
  const ours = indexFiles(rebuilt);
  expect(ours).toEqual(written);
  expect(ours.size).toBeGreaterThan(2);
  const paths = [...ours.keys()].map((name) => join(rebuilt, `${TOPIC}-0`, name));
  const dumped = await apacheTool(workspace, apacheKafka, 'kafka.tools.DumpLogSegments', [
    '--files',
    paths.join(','),
  ]);
  expect(dumped).toMatchObject({ code: 0 });
  expect(dumped.stdout.match(/firstOffset: /g)).toHaveLength(all.entries.length);

  const broker = await startBroker(workspace, BROKER, coordinator.connect, { 'log.dirs': rebuilt });
  expect(await committed(broker.address)).toEqual(before);
  expect(await stableOffset(broker.address)).toBe(stableBefore);
});
