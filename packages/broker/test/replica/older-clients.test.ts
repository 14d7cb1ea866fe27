/**
 * Goal: clients from before Kafka 0.11 produce, fetch and ask for offsets as they did at Kafka's own
 * brokers. Method: one data plane with a real log over a real socket, whose released memory is
 * overwritten; requests in the old versions, read back in the new ones and the other way round.
 */
import { expect, test } from '@jest/globals';
import {
  apis,
  decodeRecordSet,
  encodeBatch,
  encodeMessageSet,
  kafkaErrorOf,
  type RecordInput,
} from '@odradek/protocol';
import {
  batchOf,
  fetchInput,
  partitionOf,
  recordsOf,
  type TestBroker,
  TOPIC,
  withCluster,
} from './support.ts';

const NOW = 1_700_000_000_000;
const MIB = 1024 * 1024;

const withLeader = (run: (broker: TestBroker) => Promise<void>): Promise<void> =>
  withCluster(1, async (controller, [broker]) => {
    if (!broker) throw new Error('a broker');
    await controller.elect(1, [1]);
    controller.announce();
    await run(broker);
  });

const records = (values: readonly string[]): RecordInput[] =>
  values.map((value, index) => ({
    key: Buffer.from('k'),
    value: Buffer.from(value),
    timestamp: NOW + index,
  }));

async function produce(broker: TestBroker, version: number, set: Buffer, acks: -1 | 0 | 1 = -1) {
  const response = await broker.send(apis.produce, version, {
    acks,
    timeoutMs: 10_000,
    topicData: [{ name: TOPIC, partitionData: [{ index: 0, records: set }] }],
  });
  const answer = response.responses[0]?.partitionResponses[0];
  return [kafkaErrorOf(answer?.errorCode ?? -1), answer?.baseOffset, answer?.logAppendTimeMs];
}

async function fetch(
  broker: TestBroker,
  version: number,
  changes: { offset?: number; partitionMaxBytes?: number; maxBytes?: number } = {},
) {
  const { offset = 0, partitionMaxBytes = MIB, maxBytes = MIB } = changes;
  return partitionOf(
    await broker.send(apis.fetch, version, {
      maxWaitMs: 0,
      minBytes: 1,
      ...(version >= 3 ? { maxBytes } : {}),
      topics: [
        { topic: TOPIC, partitions: [{ partition: 0, fetchOffset: offset, partitionMaxBytes }] },
      ],
    }),
  );
}

test('what each version writes, each version reads', () =>
  withLeader(async (broker) => {
    const written: string[] = [];
    for (const [index, compression] of (['none', 'gzip', 'snappy', 'lz4'] as const).entries())
      for (const [version, magic] of [
        [0, 0],
        [1, 0],
        [2, 1],
      ] as const) {
        const values = [`${compression} ${version} a`, `${compression} ${version} b`];
        const set = encodeMessageSet({ magic, records: records(values), compression });
        expect(await produce(broker, version, set)).toEqual(['NONE', written.length, -1]);
        written.push(...values);
        const own = encodeBatch({ records: records([`own ${index}`]), compression });
        expect(await produce(broker, 11, own)).toEqual(['NONE', written.length, -1]);
        written.push(`own ${index}`);
      }
    expect(await broker.everything()).toEqual(written);
    for (const version of [0, 1, 2, 3, 4, 10, 17]) {
      const read =
        version > 11
          ? partitionOf(await broker.send(apis.fetch, 17, fetchInput()))
          : await fetch(broker, version);
      expect(recordsOf(read.records)).toEqual(written.map((value, offset) => ({ offset, value })));
      const magics = new Set(
        [...decodeRecordSet(read.records ?? Buffer.alloc(0))].map(({ magic }) => magic),
      );
      expect([...magics]).toEqual([version < 2 ? 0 : version < 4 ? 1 : 2]);
    }
  }));

test('nothing is produced by an empty set, and the reason is told where a set is refused', () =>
  withLeader(async (broker) => {
    expect(await produce(broker, 0, Buffer.alloc(0))).toEqual(['NONE', -1, -1]);
    const set = encodeMessageSet({ magic: 1, records: records(['a']) });
    const flipped = Buffer.from(set);
    flipped.writeUInt8(flipped.readUInt8(30) ^ 1, 30);
    expect(await produce(broker, 2, flipped)).toEqual(['CORRUPT_MESSAGE', -1, -1]);
    const { log } = broker.partition;
    log.config = { ...log.config, messageTimestampType: 'LogAppendTime' };
    const [error, offset, timeMs] = await produce(broker, 2, set, 1);
    expect([error, offset]).toEqual(['NONE', 0]);
    const read = [...decodeRecordSet((await fetch(broker, 2)).records ?? Buffer.alloc(0))];
    expect(read[0]).toMatchObject({ timestampType: 'LogAppendTime', maxTimestamp: timeMs });
  }));

test('a set of a version that wants batches is refused', () =>
  withLeader(async (broker) => {
    const set = encodeMessageSet({ magic: 1, records: records(['a']) });
    expect(await produce(broker, 3, set)).toEqual(['INVALID_RECORD', -1, -1]);
  }));

test('a reader with little room gets what fits, at least a piece, and from v3 on a message', () =>
  withLeader(async (broker) => {
    const values = Array.from({ length: 100 }, (_, n) => `${n} ${'x'.repeat(100)}`);
    await broker.produce(values);
    for (const version of [0, 1, 2, 3]) {
      const some = await fetch(broker, version, { partitionMaxBytes: 1000, offset: 50 });
      expect(recordsOf(some.records)[0]).toEqual({ offset: 50, value: values[50] });
      const someBytes = some.records?.length ?? 0;
      expect(someBytes).toBeLessThanOrEqual(1000);
      expect(someBytes).toBeGreaterThan(800);
      const little = await fetch(broker, version, { partitionMaxBytes: 60 });
      expect(recordsOf(little.records)).toHaveLength(version < 3 ? 0 : 1);
      if (version < 3) expect(little.records?.length).toBe(60);
    }
    const all = await fetch(broker, 3, { maxBytes: 500 });
    expect(all.records?.length).toBeLessThanOrEqual(500);
  }));

test('a wait for more ends as ever, and errors are told in the words of the version', () =>
  withLeader(async (broker) => {
    const empty = await fetch(broker, 0);
    expect([empty.errorCode, empty.highWatermark, empty.records]).toEqual([0, 0, Buffer.alloc(0)]);
    expect(kafkaErrorOf((await fetch(broker, 0, { offset: 5 })).errorCode)).toBe(
      'OFFSET_OUT_OF_RANGE',
    );
    const waiting = broker.send(apis.fetch, 2, { ...fetchV2(), maxWaitMs: 10_000 });
    await broker.partition.append(batchOf(['late']), 1, 'client');
    expect(recordsOf(partitionOf(await waiting).records)).toEqual([{ offset: 0, value: 'late' }]);
    broker.partition.goOffline();
    expect(kafkaErrorOf((await fetch(broker, 5)).errorCode)).toBe('NOT_LEADER_OR_FOLLOWER');
    expect(kafkaErrorOf((await fetch(broker, 6)).errorCode)).toBe('KAFKA_STORAGE_ERROR');
    expect((await produce(broker, 3, batchOf(['a'])))[0]).toBe('NOT_LEADER_OR_FOLLOWER');
    expect((await produce(broker, 4, batchOf(['a'])))[0]).toBe('KAFKA_STORAGE_ERROR');
  }));

const fetchV2 = () => ({
  maxWaitMs: 0,
  minBytes: 1,
  topics: [
    { topic: TOPIC, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: MIB }] },
  ],
});

test('topics may refuse older readers, and zstd does', () =>
  withLeader(async (broker) => {
    await broker.produce(['a']);
    const { log } = broker.partition;
    const { config } = log;
    log.config = { ...config, messageDownconversionEnable: false };
    expect(kafkaErrorOf((await fetch(broker, 3)).errorCode)).toBe('UNSUPPORTED_VERSION');
    expect(kafkaErrorOf((await fetch(broker, 4)).errorCode)).toBe('NONE');
    log.config = { ...config, compressionType: 'zstd' };
    expect(kafkaErrorOf((await fetch(broker, 9)).errorCode)).toBe('UNSUPPORTED_COMPRESSION_TYPE');
    expect(kafkaErrorOf((await fetch(broker, 10)).errorCode)).toBe('NONE');
  }));

test('ListOffsets 0: beginnings of segments, the newest first', () =>
  withLeader(async (broker) => {
    const { log } = broker.partition;
    const ask = async (timestamp: number, maxNumOffsets: number, replicaId = -1) => {
      const response = await broker.send(apis.listOffsets, 0, {
        replicaId,
        topics: [
          { name: TOPIC, partitions: [{ partitionIndex: 0, timestamp, maxNumOffsets }] },
          { name: 'nowhere', partitions: [{ partitionIndex: 0, timestamp, maxNumOffsets }] },
        ],
      });
      const [here, nowhere] = response.topics.map(({ partitions }) => partitions[0]);
      const isNamed = timestamp >= -2;
      expect(kafkaErrorOf(nowhere?.errorCode ?? 0)).toBe(
        isNamed ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'UNSUPPORTED_VERSION',
      );
      expect(kafkaErrorOf(here?.errorCode ?? 0)).toBe(isNamed ? 'NONE' : 'UNSUPPORTED_VERSION');
      return here?.oldStyleOffsets;
    };
    expect(await ask(-1, 5)).toEqual([0]);
    log.config = { ...log.config, segmentBytes: 200 };
    for (const value of ['a', 'b', 'c', 'd', 'e']) await broker.produce([value.repeat(50)]);
    expect(await ask(-1, 10)).toEqual([5, 4, 3, 2, 1, 0]);
    expect(await ask(-1, 1)).toEqual([5]);
    expect(await ask(-1, 3)).toEqual([5, 4, 3]);
    expect(await ask(-2, 3)).toEqual([0]);
    expect(await ask(-1, 0)).toEqual([]);
    expect(await ask(1000, 3)).toEqual([]);
    expect(await ask(Date.now() + 60_000, 2)).toEqual([5, 4]);
    expect(await ask(-3, 2)).toEqual([]); // The largest timestamp, say, for which later versions have a name.
  }));
