/**
 * Real processes, two log directories each, and disks that break: what lay in the directory goes to other brokers,
 * what lay in the other one stays, nothing acknowledged is lost, and after a repair all is as before. And replicas
 * that are moved between directories while their broker is killed again and again.
 */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Admin, Kafka, type PartitionDescription } from '@odradek/client';
import { KafkaError } from '@odradek/protocol';
import {
  type BrokerProcess,
  type CoordinatorProcess,
  startBroker,
  startCoordinator,
} from '../support/cluster.ts';
import { type FailingDisk, failingDisk } from '../support/failing-disk.ts';
import { buildPreload } from '../support/preload.ts';
import { eventually, Workspace } from '../support/workspace.ts';

const workspace = new Workspace();
const built = buildPreload(workspace, 'failing-disk');
if ('refused' in built) console.warn(`skipped: ${built.refused}`);
const maybe = 'refused' in built ? describe.skip : describe;
const library = 'refused' in built ? '' : built.library;

let coordinator: CoordinatorProcess;
beforeAll(async () => {
  coordinator = await startCoordinator(workspace);
});
afterAll(() => workspace.dispose());

const directory = (id: number, name: 'a' | 'b'): string => workspace.path(`broker-${id}-${name}`);

const startOne = (
  id: number,
  settings: Readonly<Record<string, string>> = {},
  disk?: FailingDisk,
): Promise<BrokerProcess> =>
  startBroker(
    workspace,
    id,
    coordinator.connect,
    {
      'log.dirs': `${directory(id, 'a')},${directory(id, 'b')}`,
      'auto.leader.rebalance.enable': 'false',
      ...settings,
    },
    undefined,
    disk?.environment,
  );

/** Sends without a break and notes what was acknowledged. */
class Load {
  readonly acknowledged = new Map<number, string[]>();
  count = 0;
  readonly #kafka: Kafka;
  readonly #topic: string;
  /** Tells its values from those of other loads. */
  readonly #name: string;
  readonly #running: Promise<void>;
  #isOn = true;

  constructor(topic: string, partitionCount: number, name: string) {
    this.#topic = topic;
    this.#name = name;
    this.#kafka = new Kafka({ coordinator: coordinator.connect, clientId: 'load' });
    this.#running = this.#run(partitionCount);
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await this.#running;
    await this.#kafka.close();
  }

  async #run(partitionCount: number): Promise<void> {
    const producer = this.#kafka.producer({ acks: 'all' });
    const pad = 'x'.repeat(200);
    for (let n = 0; this.#isOn; n += 1) {
      await Promise.all(
        Array.from({ length: partitionCount * 5 }, async (_, index) => {
          const partition = index % partitionCount;
          const value = `${this.#name} ${n}/${index} ${pad}`;
          await producer.send({ topic: this.#topic, partition, value });
          const values = this.acknowledged.get(partition) ?? [];
          this.acknowledged.set(partition, values);
          values.push(value);
          this.count += 1;
        }),
      );
    }
    await producer.close();
  }

  /** More is acknowledged than now. */
  async goesOn(): Promise<void> {
    const before = this.count;
    await eventually('producing goes on', async () => this.count > before + 200);
  }
}

/** Everything that was acknowledged is there, once and in its order. */
async function expectAll(topic: string, load: Load): Promise<void> {
  await Promise.all(
    [...load.acknowledged].map(async ([partition, values]) => {
      // Without a group: its coordinator may be a broker that a test before this one ended.
      const consumed = await workspace.tool('kafka-console-consumer', [
        ...['--zookeeper', coordinator.connect, '--topic', topic, '--timeout-ms', '10000'],
        ...['--partition', String(partition), '--offset', 'earliest'],
      ]);
      const found = consumed.stdout.trimEnd().split('\n');
      if (found.length <= 1) throw new Error(`nothing was read: ${consumed.stderr}`);
      const once = new Set(found);
      expect(values.filter((value) => !once.has(value))).toEqual([]);
      expect(once.size).toBe(found.length);
    }),
  );
}

async function withAdmin<T>(ask: (admin: Admin) => Promise<T>): Promise<T> {
  const kafka = new Kafka({ coordinator: coordinator.connect, clientId: 'failed-directory' });
  try {
    return await ask(kafka.admin());
  } finally {
    await kafka.close();
  }
}

const partitionsOf = (topic: string): Promise<readonly PartitionDescription[]> =>
  withAdmin(async (admin) => {
    const [described] = await admin.describeTopics([topic]);
    if (described === undefined || described instanceof KafkaError) throw described;
    return described.partitions;
  });

/** Numbers of the partitions of `topic` that have a folder there. */
const partitionsIn = (folder: string, topic: string): number[] =>
  readdirSync(folder).flatMap((name) => {
    const match = /^(.+)-(\d+)$/.exec(name);
    return match?.[1] === topic ? [Number(match[2])] : [];
  });

maybe('a directory fails', () => {
  const brokers: BrokerProcess[] = [];
  const disks = new Map<number, FailingDisk>();
  const TOPIC = 'held';
  const COUNT = 6;

  beforeAll(async () => {
    for (const id of [0, 1, 2]) {
      const disk = failingDisk(workspace, library, `broker-${id}`);
      disks.set(id, disk);
      brokers.push(
        await startOne(
          id,
          {
            'replica.lag.time.max.ms': '10000',
            'offsets.topic.replication.factor': '3',
            // Only a directory may fail here, not a session on a machine that stands still for a moment.
            'zookeeper.session.timeout.ms': '6000',
          },
          disk,
        ),
      );
    }
    await withAdmin((admin) =>
      admin.createTopic({
        name: TOPIC,
        partitions: COUNT,
        replicationFactor: 3,
        configs: { 'min.insync.replicas': '2' },
      }),
    );
    await inSync();
  });
  afterAll(async () => {
    await Promise.all(brokers.map(({ daemon }) => daemon.stop('SIGKILL')));
    for (const disk of disks.values()) disk.close();
  });

  const inSync = (): Promise<boolean> =>
    eventually('all replicas are in sync', async () =>
      (await partitionsOf(TOPIC)).every(({ isr }) => isr.length === 3),
    );

  test.each([
    { how: 'breaks', victim: 0, fail: (disk: FailingDisk, at: string) => disk.breakDown(at) },
    { how: 'is full', victim: 1, fail: (disk: FailingDisk, at: string) => disk.fillUp(at) },
  ])(
    'one that $how: its partitions are led by others, the rest stays; repaired, all is as before',
    async ({ victim, fail }) => {
      const disk = disks.get(victim) as FailingDisk;
      const failing = directory(victim, 'a');
      const gone = partitionsIn(failing, TOPIC);
      const kept = partitionsIn(directory(victim, 'b'), TOPIC);
      expect([gone.length, kept.length]).toEqual([COUNT / 2, COUNT / 2]);
      const load = new Load(TOPIC, COUNT, `victim ${victim}`);
      await load.goesOn();
      const before = await partitionsOf(TOPIC);
      fail(disk, failing);
      await eventually('the controller knows', async () =>
        (await partitionsOf(TOPIC)).every(({ partition, leader, isr, offlineReplicas }) =>
          gone.includes(partition)
            ? leader !== victim && !isr.includes(victim) && offlineReplicas.includes(victim)
            : isr.length === 3 && offlineReplicas.length === 0,
        ),
      );
      // Who led what is in the directory that works leads it still.
      for (const { partition, leader } of await partitionsOf(TOPIC))
        if (kept.includes(partition)) expect(leader).toBe(before[partition]?.leader);
      await load.goesOn();
      expect(brokers[victim]?.daemon.exited).toBe(false);
      const [described] = await withAdmin((admin) => admin.describeLogDirs([victim]));
      expect(described?.logDirs).toMatchObject([
        { path: failing, error: { code: 'KAFKA_STORAGE_ERROR' }, replicas: [] },
        { path: directory(victim, 'b'), error: null },
      ]);
      await expectNoAnnouncements();

      // It starts without the directory too, and makes nothing anew in the other one.
      await brokers[victim]?.daemon.stop('SIGKILL');
      brokers[victim] = await (brokers[victim] as BrokerProcess).restart();
      await eventually('the rest is back', async () =>
        (await partitionsOf(TOPIC)).every(({ partition, isr }) =>
          gone.includes(partition) ? !isr.includes(victim) : isr.includes(victim),
        ),
      );
      expect(partitionsIn(directory(victim, 'b'), TOPIC)).toEqual(kept);

      disk.heal();
      await brokers[victim]?.daemon.stop('SIGTERM');
      brokers[victim] = await (brokers[victim] as BrokerProcess).restart();
      await inSync();
      await load.goesOn();
      await load.stop();
      await expectAll(TOPIC, load);
    },
  );

  /** The controller takes them away when it has read them. */
  async function expectNoAnnouncements(): Promise<void> {
    const { stdout } = await workspace.tool('zookeeper-shell', [
      coordinator.connect,
      'ls',
      '/log_dir_event_notification',
    ]);
    expect(stdout).toContain('[]');
  }

  test('the last one: the process ends, and says why', async () => {
    const victim = brokers[2] as BrokerProcess;
    const disk = disks.get(2) as FailingDisk;
    const load = new Load(TOPIC, COUNT, 'the last');
    await load.goesOn();
    disk.breakDown(workspace.path('broker-2-a'));
    await victim.daemon.printed('a log directory is offline');
    disk.breakDown(workspace.path('broker-2-b'));
    await eventually('the process has ended', async () => victim.daemon.exited);
    expect(victim.daemon.child.exitCode).not.toBe(0);
    expect(victim.daemon.output).toContain('every folder of log.dirs has failed');
    await load.goesOn();
    await load.stop();
    await expectAll(TOPIC, load);
  });
});

test('a replica moves while records come in and its broker is killed again and again', async () => {
  const TOPIC = 'moving';
  // No other replica can help: what is acknowledged is in the one log, or lost.
  let broker = await startOne(7, { 'log.segment.bytes': '1048576' });
  await withAdmin((admin) => admin.createTopic({ name: TOPIC, assignments: [[7]] }));
  const load = new Load(TOPIC, 1, 'moving');
  await load.goesOn();
  const home = (): 'a' | 'b' | null => {
    const inA = partitionsIn(directory(7, 'a'), TOPIC).length > 0;
    const inB = partitionsIn(directory(7, 'b'), TOPIC).length > 0;
    return inA === inB ? null : inA ? 'a' : 'b';
  };
  const moveTo = (name: 'a' | 'b') =>
    withAdmin(async (admin) => {
      const path = directory(7, name);
      const [moved] = await admin.alterReplicaLogDirs([
        { brokerId: 7, topic: TOPIC, partition: 0, path },
      ]);
      if (moved?.error) throw moved.error;
      return true;
    });
  let movedCount = 0;
  // Until one of the moves was cut short.
  for (let round = 0; round < 4 || movedCount === round; round += 1) {
    // What a move before left behind may just take its place.
    const from = await eventually('the log is in one directory', async () => home());
    const to = from === 'a' ? 'b' : 'a';
    await eventually('the move is asked for', () => moveTo(to));
    // Sometimes in the middle of it, sometimes just when it is done.
    await new Promise((done) => setTimeout(done, (round % 4) * 50));
    await broker.daemon.stop('SIGKILL');
    if (home() === to) movedCount += 1;
    broker = await broker.restart();
    await load.goesOn();
  }
  const to = home() === 'a' ? 'b' : 'a';
  await eventually('the move is asked for', () => moveTo(to));
  await eventually('the replica has moved', async () => home() === to);
  await load.goesOn();
  await load.stop();
  await expectAll(TOPIC, load);
  await broker.daemon.stop('SIGKILL');
});
