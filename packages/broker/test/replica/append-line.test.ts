/**
 * Goal: a batch that a worker prepares is appended in its turn, whole or not at all, whatever happens meanwhile.
 * Method: a broker whose workers begin when the test says so, in any order; and one with real threads.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  apis,
  type Codec,
  decodeBatch,
  encodeBatch,
  encodeMessageSet,
  type KafkaErrorName,
  kafkaErrorOf,
  zstdReady,
} from '@odradek/protocol';
import {
  inlineWorkers,
  nodeEnvironment,
  WorkerDied,
  type Workers,
  type WorkerTask,
  type WorkOptions,
} from '@odradek/runtime';
import { withFolder } from '../log/support.ts';
import { TestBroker, TestController, TOPIC, until } from './support.ts';

await zstdReady;
const T = 1_700_000_000_000;

interface Held {
  /** Resolves when the job is done. */
  go(): Promise<void>;
  fail(error: Error): void;
  readonly signal: AbortSignal;
}

/** Workers that hold every job until they are told what becomes of it. */
class HeldWorkers implements Workers {
  readonly held: Held[] = [];
  readonly #inline = inlineWorkers(nodeEnvironment());

  run<Job, Result>(task: WorkerTask<Job, Result>, job: Job, options: WorkOptions): Promise<Result> {
    return new Promise((resolve, reject) => {
      const signal = options.signal ?? new AbortController().signal;
      // Told to stop, it finishes all the same: it may just have been about to.
      const { kind } = options;
      const go = (): Promise<void> => this.#inline.run(task, job, { kind }).then(resolve, reject);
      this.held.push({ go, fail: reject, signal });
    });
  }
}

interface Spec {
  readonly mark: string;
  readonly codec?: Codec;
  readonly sequence?: number;
  readonly transactional?: boolean;
  readonly bytes?: number;
}

/** Records that hardly shrink, so that the batch is as large as it says. */
function batchOf({ mark, codec = 'gzip', sequence, transactional, bytes = 200_000 }: Spec): Buffer {
  let state = 1;
  const value = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    value.writeInt32LE(state, at);
  }
  return encodeBatch({
    records: [{ key: Buffer.from(mark), value, timestamp: T }],
    compression: codec,
    ...(sequence === undefined
      ? {}
      : {
          producerId: 5n,
          producerEpoch: 0,
          baseSequence: sequence,
          transactional: transactional ?? false,
        }),
  });
}
const small = (mark: string, sequence?: number): Buffer =>
  batchOf({ mark, codec: 'none', bytes: 8, ...(sequence === undefined ? {} : { sequence }) });

interface Rig {
  readonly broker: TestBroker;
  readonly controller: TestController;
  readonly workers: HeldWorkers;
}

function withBroker(test: (rig: Rig) => Promise<void>, replicas = [1]): () => Promise<void> {
  return () =>
    withFolder(async (folder) => {
      const controller = new TestController(replicas);
      const workers = new HeldWorkers();
      const environment = { ...nodeEnvironment({ poison: true }), workers };
      const broker = await TestBroker.start({ id: 1, controller, folder, environment });
      await controller.elect(1, [1]);
      try {
        await test({ broker, controller, workers });
      } finally {
        await Promise.all(workers.held.map(({ go }) => go()));
        await broker.stop();
      }
    });
}

type Answer = [error: KafkaErrorName, offset: number];

async function produce(broker: TestBroker, records: Buffer, acks: -1 | 1 = 1): Promise<Answer> {
  const response = await broker.send(apis.produce, 9, {
    acks,
    timeoutMs: 10_000,
    topicData: [{ name: TOPIC, partitionData: [{ index: 0, records }] }],
  });
  const partition = response.responses[0]?.partitionResponses[0];
  return [kafkaErrorOf(partition?.errorCode ?? -1), Number(partition?.baseOffset)];
}

/** The keys in the log, in order. */
async function keys({ partition: { log } }: TestBroker): Promise<string> {
  const { chunks } = await log.read(0, 1 << 27, log.logEndOffset, true);
  const found: string[] = [];
  for (let rest = Buffer.concat(chunks); rest.length > 0; ) {
    const { records, sizeBytes } = decodeBatch(rest);
    found.push(...records.map(({ key }) => String(key)));
    rest = rest.subarray(sizeBytes);
  }
  return found.join('');
}

const heldCount = ({ workers }: Rig, count: number): Promise<void> =>
  until(() => workers.held.length === count);

describe('while a worker prepares a batch', () => {
  test(
    'whatever comes behind it waits, and is appended in the order in which it came',
    withBroker(async (rig) => {
      const { broker, workers } = rig;
      const { partition } = broker;
      const answers = [
        produce(broker, batchOf({ mark: 'a' })),
        produce(broker, small('b')),
        produce(broker, batchOf({ mark: 'c', codec: 'zstd' })),
        produce(broker, small('d')),
      ];
      await heldCount(rig, 2);
      await until(() => partition.log.appender.budget.pendingBytes > 400_000);
      const coordinators = Promise.resolve(partition.append(small('e'), 1, 'coordinator'));
      await workers.held[1]?.go();
      await new Promise((resolve) => setImmediate(resolve));
      expect(partition.log.nextOffset).toBe(0);
      void workers.held[0]?.go();
      expect(await Promise.all(answers)).toEqual([
        ['NONE', 0],
        ['NONE', 1],
        ['NONE', 2],
        ['NONE', 3],
      ]);
      expect(await coordinators).toMatchObject({ firstOffset: 4 });
      expect(await keys(broker)).toBe('abcde');
      expect(partition.log.appender.budget.pendingBytes).toBe(0);
      expect(await produce(broker, small('f'))).toEqual(['NONE', 5]); // At once again.
    }),
  );

  test(
    'an idempotent producer may have five requests under way, and send one twice',
    withBroker(async (rig) => {
      const { broker, workers } = rig;
      const batches = [0, 1, 2, 3, 4].map((sequence) =>
        sequence % 2 === 0
          ? batchOf({ mark: String(sequence), sequence })
          : small(String(sequence), sequence),
      );
      const answers = [...batches, ...batches.slice(0, 1)].map((batch) => produce(broker, batch));
      await heldCount(rig, 4);
      for (const { go } of [...workers.held].reverse()) void go();
      expect(await Promise.all(answers)).toEqual([
        ['NONE', 0],
        ['NONE', 1],
        ['NONE', 2],
        ['NONE', 3],
        ['NONE', 4],
        ['NONE', 0],
      ]);
      expect(await keys(broker)).toBe('01234');
    }),
  );

  test(
    'one that is refused leaves a gap in the sequence, which those behind it are told of',
    withBroker(async (rig) => {
      const { broker, workers } = rig;
      const first = await produce(broker, small('-', 0));
      const answers = [
        produce(broker, batchOf({ mark: 'y', sequence: 7 })),
        produce(broker, small('z', 1)),
      ];
      await heldCount(rig, 1);
      void workers.held[0]?.go();
      expect([first, ...(await Promise.all(answers))]).toEqual([
        ['NONE', 0],
        ['OUT_OF_ORDER_SEQUENCE_NUMBER', -1],
        ['NONE', 1],
      ]);
      expect(await keys(broker)).toBe('-z');
    }),
  );

  test(
    'the replica ceases to lead: nothing is appended, the workers are told, and it may lead again',
    withBroker(
      async (rig) => {
        const { broker, controller, workers } = rig;
        const answers = [produce(broker, batchOf({ mark: 'a' })), produce(broker, small('b'))];
        await heldCount(rig, 1);
        await until(() => broker.partition.log.appender.budget.pendingBytes > 200_000);
        await controller.elect(2, [2]);
        expect(await Promise.all(answers)).toEqual([
          ['NOT_LEADER_OR_FOLLOWER', -1],
          ['NOT_LEADER_OR_FOLLOWER', -1],
        ]);
        expect(workers.held[0]?.signal.aborted).toBe(true);
        await controller.elect(1, [1]);
        const again = produce(broker, batchOf({ mark: 'c' }));
        await heldCount(rig, 2);
        await workers.held[0]?.go();
        await new Promise((resolve) => setImmediate(resolve));
        expect(broker.partition.log.nextOffset).toBe(0);
        void workers.held[1]?.go();
        expect(await again).toEqual(['NONE', 0]);
        expect(await keys(broker)).toBe('c');
      },
      [1, 2],
    ),
  );

  test(
    'the replica leads under another epoch: it is appended under that one',
    withBroker(async (rig) => {
      const { broker, controller, workers } = rig;
      const answer = produce(broker, batchOf({ mark: 'a' }));
      await heldCount(rig, 1);
      await controller.elect(1, [1]);
      void workers.held[0]?.go();
      expect(await answer).toEqual(['NONE', 0]);
      expect(broker.partition.log.epochOf(0)).toBe(2);
    }),
  );

  test(
    'the directory fails',
    withBroker(async (rig) => {
      const { broker } = rig;
      const answers = [produce(broker, batchOf({ mark: 'a' })), produce(broker, small('b'))];
      await heldCount(rig, 1);
      await until(() => broker.partition.log.appender.budget.pendingBytes > 200_000);
      broker.partition.goOffline();
      expect(await Promise.all(answers)).toEqual([
        ['KAFKA_STORAGE_ERROR', -1],
        ['KAFKA_STORAGE_ERROR', -1],
      ]);
    }),
  );

  test(
    'too few replicas are left for acks=all',
    withBroker(
      async (rig) => {
        const { broker, workers } = rig;
        const answer = produce(broker, batchOf({ mark: 'a' }), -1);
        await heldCount(rig, 1);
        broker.state.minInsyncReplicas = 2;
        void workers.held[0]?.go();
        expect(await answer).toEqual(['NOT_ENOUGH_REPLICAS', -1]);
        expect(broker.partition.log.nextOffset).toBe(0);
      },
      [1, 2],
    ),
  );

  test(
    'the worker dies: that batch fails, those behind it do not',
    withBroker(async (rig) => {
      const { broker, workers } = rig;
      const answers = [produce(broker, batchOf({ mark: 'a' })), produce(broker, small('b'))];
      await heldCount(rig, 1);
      workers.held[0]?.fail(new WorkerDied('prepareBatch'));
      expect(await Promise.all(answers)).toEqual([
        ['UNKNOWN_SERVER_ERROR', -1],
        ['NONE', 0],
      ]);
    }),
  );

  test(
    'with acks=0 nothing is answered, and a failure closes the connection',
    withBroker(async (rig) => {
      const { broker, workers } = rig;
      const send = (mark: string): Promise<unknown> =>
        broker.send(apis.produce, 9, {
          acks: 0,
          timeoutMs: 0,
          topicData: [
            { name: TOPIC, partitionData: [{ index: 0, records: batchOf({ mark, sequence: 0 }) }] },
          ],
        });
      const unanswered = send('a');
      unanswered.catch(() => undefined); // It ends when the connection does.
      await heldCount(rig, 1);
      await workers.held[0]?.go();
      await until(() => broker.partition.log.logEndOffset === 1);
      const failing = send('b');
      await heldCount(rig, 2);
      workers.held[1]?.fail(new WorkerDied('prepareBatch'));
      await expect(failing).rejects.toThrow();
      expect(broker.lines.at(-1)?.message).toContain('connection');
      expect(broker.partition.log.nextOffset).toBe(1);
    }),
  );

  test(
    'the broker stops: what is with a worker is refused, not half appended',
    withBroker(async (rig) => {
      const { broker, workers } = rig;
      const answer = broker.partition.append(batchOf({ mark: 'a' }), 1, 'client');
      const refused = expect(answer).rejects.toMatchObject({ code: 'NOT_LEADER_OR_FOLLOWER' });
      await heldCount(rig, 1);
      broker.partition.stop();
      await refused;
      await workers.held[0]?.go();
      await new Promise((resolve) => setImmediate(resolve));
      expect(broker.partition.log.nextOffset).toBe(0);
      expect(broker.partition.log.appender.budget.pendingBytes).toBe(0);
    }),
  );

  test(
    'several partitions of one request: each gets its own outcome',
    withBroker(async (rig) => {
      const { broker, workers } = rig;
      const response = broker.send(apis.produce, 9, {
        acks: 1,
        timeoutMs: 10_000,
        topicData: [
          {
            name: TOPIC,
            partitionData: [
              { index: 0, records: batchOf({ mark: 'a' }) },
              { index: 7, records: small('b') },
            ],
          },
        ],
      });
      await heldCount(rig, 1);
      void workers.held[0]?.go();
      const outcomes = (await response).responses[0]?.partitionResponses.map(
        ({ index, errorCode, baseOffset }) => [index, kafkaErrorOf(errorCode), Number(baseOffset)],
      );
      expect(outcomes).toEqual([
        [0, 'NONE', 0],
        [7, 'UNKNOWN_TOPIC_OR_PARTITION', -1],
      ]);
    }),
  );
});

describe('in threads', () => {
  let rig: { broker: TestBroker; controller: TestController };
  let end: () => void;
  let ended: Promise<void>;
  beforeEach(async () => {
    await new Promise<void>((begin) => {
      ended = withFolder(async (folder) => {
        const controller = new TestController([1]);
        const broker = await TestBroker.start({ id: 1, controller, folder });
        await controller.elect(1, [1]);
        rig = { broker, controller };
        begin();
        await new Promise<void>((resolve) => {
          end = resolve;
        });
        await broker.stop();
      });
    });
  });
  afterEach(async () => {
    end();
    await ended;
  });

  test.each(['gzip', 'snappy', 'lz4', 'zstd', 'uncompressed'])(
    'large batches are stored as %s, with everything else as it was',
    async (compressionType) => {
      const { log } = rig.broker.partition;
      log.config = { ...log.config, compressionType };
      const batches = (['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const).map((codec, sequence) =>
        batchOf({ mark: String(sequence), codec, sequence }),
      );
      const answers = await Promise.all(batches.map((batch) => produce(rig.broker, batch)));
      expect(answers).toEqual([0, 1, 2, 3, 4].map((offset) => ['NONE', offset]));
      for (const [offset, batch] of batches.entries()) {
        const { chunks } = await log.read(offset, 1, log.logEndOffset, true);
        const { sizeBytes: _, compression: __, ...before } = decodeBatch(batch);
        expect(decodeBatch(Buffer.concat(chunks))).toMatchObject({
          ...before,
          compression: compressionType === 'uncompressed' ? 'none' : compressionType,
          baseOffset: offset,
          lastOffset: offset,
          partitionLeaderEpoch: 1,
          records: before.records.map((record) => ({ ...record, offset })),
        });
      }
    },
  );

  test('a large message set becomes a batch', async () => {
    const records = Array.from({ length: 300 }, (_, index) => ({
      key: Buffer.from(`${index}`),
      value: Buffer.alloc(1000, index),
      timestamp: T + index,
    }));
    const response = await rig.broker.send(apis.produce, 2, {
      acks: 1,
      timeoutMs: 10_000,
      topicData: [
        {
          name: TOPIC,
          partitionData: [{ index: 0, records: encodeMessageSet({ magic: 1, records }) }],
        },
      ],
    });
    expect(response.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    const { log } = rig.broker.partition;
    const { chunks } = await log.read(0, 1 << 20, log.logEndOffset, true);
    const batch = decodeBatch(Buffer.concat(chunks));
    expect(batch).toMatchObject({ magic: 2, maxTimestamp: T + 299, compression: 'none' });
    expect(batch.records.map(({ key }) => String(key))).toEqual(
      records.map(({ key }) => String(key)),
    );
  });

  test('records that are to blame are named, as from a small batch', async () => {
    const { log } = rig.broker.partition;
    log.config = { ...log.config, cleanupPolicy: ['compact'] };
    const records = [Buffer.from('k'), null, null].map((key) => ({
      key,
      value: Buffer.alloc(100_000, 'value'),
      timestamp: T,
    }));
    const response = await rig.broker.send(apis.produce, 9, {
      acks: 1,
      timeoutMs: 10_000,
      topicData: [
        {
          name: TOPIC,
          partitionData: [
            {
              index: 0,
              records: encodeBatch({
                records: records.map((each) => ({ ...each, value: batchOf({ mark: 'x' }) })),
                compression: 'gzip',
              }),
            },
          ],
        },
      ],
    });
    const partition = response.responses[0]?.partitionResponses[0];
    expect(kafkaErrorOf(partition?.errorCode ?? 0)).toBe('INVALID_RECORD');
    expect(partition?.recordErrors.map(({ batchIndex }) => batchIndex)).toEqual([1, 2]);
    expect(log.nextOffset).toBe(0);
  });

  test('a few bytes that unfold to a great many are refused, and hold nobody up', async () => {
    const value = Buffer.alloc(65 * 1024 * 1024);
    const batch = encodeBatch({
      records: [{ key: null, value, timestamp: T }],
      compression: 'gzip',
    });
    expect(batch.length).toBeLessThan(100_000);
    expect(await produce(rig.broker, batch)).toEqual(['MESSAGE_TOO_LARGE', -1]);
  });
});
