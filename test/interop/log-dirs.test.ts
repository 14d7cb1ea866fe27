/**
 * Log directories beside Apache Kafka: the same tools of Apache's, and ours, ask a broker of ours and one of
 * Apache's to move a replica to another directory, look at it half way, and find it there in the end.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Kafka } from '@odradek/client';
import {
  type ApacheKafka,
  apacheTool,
  findApacheKafka,
  startApacheBroker,
} from '../support/apache-kafka.ts';
import { type CoordinatorProcess, startBroker, startCoordinator } from '../support/cluster.ts';
import { type Finished, Workspace } from '../support/workspace.ts';

const workspace = new Workspace();
const found = findApacheKafka();
const apache = typeof found === 'string' ? null : found;
const RECORDS = 6_000;
const TOPIC = 'moving';

interface Subject {
  readonly name: string;
  readonly address: string;
  readonly directories: readonly [string, string];
}

const subjects: Subject[] = [];
const coordinators: CoordinatorProcess[] = [];

async function start(name: string): Promise<Subject> {
  const coordinator = await startCoordinator(workspace);
  coordinators.push(coordinator);
  const directories = [workspace.path(`${name}-a`), workspace.path(`${name}-b`)] as const;
  const settings = { 'log.dirs': directories.join(','), 'num.partitions': '1' };
  const broker =
    name === 'ours'
      ? await startBroker(workspace, 0, coordinator.connect, settings)
      : await startApacheBroker(
          workspace,
          apache as ApacheKafka,
          0,
          coordinator.connect,
          settings,
          {
            heap: '256m',
          },
        );
  return { name, address: broker.address, directories };
}

/** As Apache Kafka's kafka-log-dirs prints it. */
const theirLogDirs = ({ address }: Subject): Promise<Finished> =>
  apacheTool(workspace, apache as ApacheKafka, 'org.apache.kafka.tools.LogDirsCommand', [
    '--bootstrap-server',
    address,
    '--describe',
  ]);

/** The same with our tool. */
const ourLogDirs = ({ address }: Subject): Promise<Finished> =>
  workspace.tool('kafka-log-dirs', ['--bootstrap-server', address, '--describe']);

interface Described {
  readonly broker: number;
  readonly logDirs: readonly {
    readonly logDir: string;
    readonly error: string | null;
    readonly partitions: readonly {
      readonly partition: string;
      readonly size: number;
      readonly offsetLag: number;
      readonly isFuture: boolean;
    }[];
  }[];
}

/** What the tool printed, without what depends on the moment and the machine. */
function shapeOf(subject: Subject, { stdout }: Finished): unknown {
  const [last = ''] = stdout.trimEnd().split('\n').slice(-1);
  const { brokers } = JSON.parse(last) as { brokers: Described[] };
  return brokers.map(({ broker, logDirs: dirs }) => ({
    broker,
    logDirs: dirs
      .map(({ logDir, error, partitions }) => ({
        logDir: logDir === subject.directories[0] ? 'a' : 'b',
        error,
        partitions: partitions.map(({ size, offsetLag, ...told }) => ({
          ...told,
          hasBytes: size > 0,
          lags: offsetLag > 0,
        })),
      }))
      .sort((one, other) => (one.logDir < other.logDir ? -1 : 1)),
  }));
}

const kafkaOf = ({ address }: Subject): Kafka =>
  new Kafka({ bootstrapServers: address, clientId: 'log-dirs-test' });

async function fill(subject: Subject): Promise<void> {
  const kafka = kafkaOf(subject);
  const admin = kafka.admin();
  await admin.createTopic({ name: TOPIC, partitions: 1, replicationFactor: 1 });
  const producer = kafka.producer({ acks: 'all' });
  const value = 'x'.repeat(1_000);
  for (let at = 0; at < RECORDS; at += 500)
    await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        producer.send({ topic: TOPIC, value: `${at + index} ${value}` }),
      ),
    );
  await producer.close();
  await admin.close();
  await kafka.close();
}

function homeOf({ directories }: Subject): number {
  return directories.findIndex((directory) => readdirSync(directory).includes(`${TOPIC}-0`));
}

/** A program of one file is compiled when it is run, which wants a compiler. */
const hasCompiler = spawnSync('javac', ['-version']).status === 0;
const refused = apache === null ? `${found}` : hasCompiler ? null : 'there is no javac';
if (refused !== null) console.warn(`skipped: ${refused}`);
const maybe = refused === null ? describe : describe.skip;

maybe('a broker of ours and one of Apache Kafka', () => {
  beforeAll(async () => {
    subjects.push(await start('ours'), await start('apache'));
    for (const subject of subjects) await fill(subject);
  });
  afterAll(() => workspace.dispose());

  /** What Apache Kafka's admin client says to each command; see clients/ReplicaLogDirs.java. */
  const admin = async (
    subject: Subject,
    commands: readonly (readonly string[])[],
  ): Promise<readonly string[]> => {
    const program = join(import.meta.dirname, 'clients/ReplicaLogDirs.java');
    const { classPath } = apache as ApacheKafka;
    const { stdout, stderr, code } = await workspace.run(
      'java',
      ['-Xmx128m', '-cp', classPath, program, subject.address],
      { input: commands.map((words) => `${words.join(' ')}\n`).join('') },
    );
    if (code !== 0) throw new Error(stderr);
    return stdout.trim().split('\n');
  };

  test('answer alike before, during and after a move', async () => {
    const answers = new Map<string, unknown[]>();
    for (const subject of subjects) {
      const home = homeOf(subject);
      const from = subject.directories[home] as string;
      const to = subject.directories[1 - home] as string;
      const told: unknown[] = [shapeOf(subject, await ourLogDirs(subject))];
      told.push(
        await admin(subject, [
          ['rate', '1000'],
          ['move', TOPIC, '0', to],
          ['await', TOPIC, '0', from, to],
        ]),
      );
      const during = shapeOf(subject, await theirLogDirs(subject));
      expect(shapeOf(subject, await ourLogDirs(subject))).toEqual(during);
      told.push(
        during,
        await admin(subject, [
          ['rate', '-'],
          ['await', TOPIC, '0', to, '-'],
          ['move', 'nowhere', '0', to],
          ['move', TOPIC, '7', to],
          ['move', TOPIC, '0', '/no/such/directory'],
          ['move', TOPIC, '0', to],
          ['move', 't'.repeat(230), '0', to],
        ]),
        shapeOf(subject, await ourLogDirs(subject)),
      );
      answers.set(subject.name, told);
    }
    expect(answers.get('ours')).toEqual(answers.get('apache'));
    expect(answers.get('ours')?.[3]).toEqual([
      ...['ok', 'ok', 'UnknownTopicOrPartitionException', 'UnknownTopicOrPartitionException'],
      ...['LogDirNotFoundException', 'ok', 'InvalidTopicException'],
    ]);
  });
});
