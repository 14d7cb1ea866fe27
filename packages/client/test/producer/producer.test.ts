/**
 * The producer against scripted brokers over loopback: what arrives, in which order and how often, under
 * the faults that real clusters have. Real time, but nothing waits for more than the retry pause.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeRecordSet } from '@odradek/protocol';
import { ClientMisuse, RequestTimedOut } from '../../src/errors.ts';
import { Kafka } from '../../src/kafka.ts';
import type { Delivery, ProducerOptions } from '../../src/producer/types.ts';
import { FakeCluster } from '../fake-cluster.ts';
import { until } from '../manual-time.ts';

let cluster: FakeCluster;
let clients: Kafka[];

beforeEach(async () => {
  cluster = await new FakeCluster().start(2);
  cluster.createTopic('t', 2);
  clients = [];
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await cluster.stop();
  expect(cluster.brokers.flatMap(({ failures }) => failures)).toEqual([]);
});

function producer(options: ProducerOptions = {}) {
  const kafka = new Kafka({ bootstrapServers: cluster.bootstrapServers });
  clients.push(kafka);
  return kafka.producer({ lingerMs: 0, retryBackoffMs: 1, ...options });
}

function values(topic: string, partition: number): string[] {
  return cluster
    .partition(topic, partition)
    .batches.flatMap((batch) => [...decodeRecordSet(batch)])
    .flatMap(({ records }) => records.map(({ value }) => String(value)));
}

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => `record ${n}`);
const failureOf = (failed: Promise<unknown>): Promise<unknown> =>
  failed.then(
    () => 'no failure',
    (error: unknown) => error,
  );

describe('records', () => {
  test('arrive where their key or their partition says, with all they have', async () => {
    const out = producer();
    const headers = [
      { key: 'h', value: 'x' },
      { key: 'h', value: null },
    ];
    // murmur2('21') & 0x7fffffff is even.
    expect(await out.send({ topic: 't', key: '21', value: 'a', headers, timestamp: 5 })).toEqual({
      topic: 't',
      partition: 0,
      offset: 0,
      timestamp: 5,
    });
    expect(await out.send({ topic: 't', partition: 1, value: null })).toMatchObject({
      partition: 1,
    });
    const [batch] = decodeRecordSet(cluster.partition('t', 0).batches[0] ?? Buffer.alloc(0));
    expect(batch?.records[0]).toEqual({
      offset: 0,
      timestamp: 5,
      key: Buffer.from('21'),
      value: Buffer.from('a'),
      headers: [
        { key: 'h', value: Buffer.from('x') },
        { key: 'h', value: null },
      ],
    });
  });

  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'in order, compressed with %s',
    async (compression) => {
      const out = producer({ compression, batchBytes: 1_000 });
      const texts = numbered(500);
      for (const value of texts) out.post({ topic: 't', partition: 0, value });
      await out.flush();
      expect(values('t', 0)).toEqual(texts);
      expect(cluster.partition('t', 0).batches.length).toBeGreaterThan(5);
    },
  );

  test('every callback is called once, with the right offset', async () => {
    const out = producer({ batchBytes: 300 });
    const offsets: (Delivery | null)[] = [];
    for (const value of numbered(50))
      out.post({ topic: 't', partition: 1, value }, (_, delivery) => offsets.push(delivery));
    await out.flush();
    expect(offsets.map((delivery) => delivery?.offset)).toEqual(numbered(50).map((_, n) => n));
  });

  test.each([0, 1] as const)('acks %i', async (acks) => {
    const out = producer({ acks });
    const { offset } = await out.send({ topic: 't', partition: 0, value: 'a' });
    expect(offset).toBe(acks === 0 ? -1 : 0);
    await until(() => values('t', 0).length === 1);
    expect(cluster.brokers.flatMap(({ received }) => received)).not.toContain('InitProducerId v5');
  });

  test('of a topic that the cluster creates when it is asked for', async () => {
    cluster.autoCreate = 3;
    const out = producer();
    const order: string[] = [];
    for (const value of numbered(5))
      out.post({ topic: 'new', partition: 2, value }, () => order.push(value));
    await out.flush();
    expect(order).toEqual(numbered(5));
    expect(values('new', 2)).toEqual(numbered(5));
    expect(await out.partitionCount('new')).toBe(3);
  });
});

describe('refused', () => {
  test('a partition that is not there, a record too large, a closed producer', async () => {
    const out = producer({ maxRequestBytes: 1_000 });
    expect(await failureOf(out.send({ topic: 't', partition: 2, value: 'x' }))).toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
    expect(await failureOf(out.send({ topic: 't', value: 'x'.repeat(1_000) }))).toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    });
    await out.close();
    expect(await failureOf(out.send({ topic: 't', value: 'x' }))).toBeInstanceOf(ClientMisuse);
  });

  test('a topic that never appears, when the patience ends', async () => {
    const out = producer({ deliveryTimeoutMs: 150 });
    expect(await failureOf(out.send({ topic: 'nowhere', value: 'x' }))).toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  });

  test('options that contradict each other', () => {
    expect(() => producer({ acks: 1, idempotent: true })).toThrow(ClientMisuse);
    expect(() => producer({ maxInFlightRequests: 6 })).toThrow(ClientMisuse);
  });

  test('what a retry cannot help fails at once, and what follows arrives', async () => {
    const out = producer();
    await out.send({ topic: 't', partition: 0, value: 'before' });
    cluster.produceFaults.push('TOPIC_AUTHORIZATION_FAILED');
    expect(await failureOf(out.send({ topic: 't', partition: 0, value: 'x' }))).toMatchObject({
      code: 'TOPIC_AUTHORIZATION_FAILED',
      retriable: false,
    });
    await out.send({ topic: 't', partition: 0, value: 'after' });
    expect(values('t', 0)).toEqual(['before', 'after']);
  });
});

describe('faults', () => {
  test.each([
    { name: 'a connection lost before', fault: 'hang up before' },
    { name: 'a connection lost after', fault: 'hang up after' },
    { name: 'too few replicas', fault: 'NOT_ENOUGH_REPLICAS' },
    { name: 'a time-out at the broker', fault: 'REQUEST_TIMED_OUT' },
  ] as const)('$name: once, in order', async ({ fault }) => {
    const out = producer({ batchBytes: 400 });
    await out.send({ topic: 't', partition: 0, value: 'first' });
    for (const [n, value] of numbered(200).entries()) {
      if (n % 50 === 10) cluster.produceFaults.push(fault);
      out.post({ topic: 't', partition: 0, value });
      if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await out.flush();
    expect(cluster.produceFaults).toEqual([]);
    expect(values('t', 0)).toEqual(['first', ...numbered(200)]);
  });

  test('a leader that moved is found', async () => {
    const out = producer();
    await out.send({ topic: 't', partition: 0, value: 'a' });
    cluster.moveLeader('t', 0, 1);
    await out.send({ topic: 't', partition: 0, value: 'b' });
    expect(values('t', 0)).toEqual(['a', 'b']);
  });

  test('a broker that cannot be reached costs no attempt: its partition waits for a new leader', async () => {
    const out = producer({ retries: 0 });
    await out.send({ topic: 't', partition: 0, value: 'a' });
    await cluster.brokers[0]?.stop();
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const sent = out.send({ topic: 't', partition: 0, value: 'b' });
    await until(
      () =>
        (cluster.brokers[1]?.received ?? []).filter((name) => /^Metadata/.test(name)).length > 2,
    );
    cluster.moveLeader('t', 0, 1);
    expect(await sent).toMatchObject({ offset: 1 });
    expect(values('t', 0)).toEqual(['a', 'b']);
  });

  test('attempts that left are limited', async () => {
    const out = producer({ retries: 2 });
    await out.send({ topic: 't', partition: 0, value: 'a' });
    for (let n = 0; n < 3; n += 1) cluster.produceFaults.push('NOT_ENOUGH_REPLICAS');
    expect(await failureOf(out.send({ topic: 't', partition: 0, value: 'b' }))).toMatchObject({
      code: 'NOT_ENOUGH_REPLICAS',
    });
    expect(cluster.produceFaults).toEqual([]);
    await out.send({ topic: 't', partition: 0, value: 'c' });
    expect(values('t', 0)).toEqual(['a', 'c']);
  });

  test('a batch of too many records is sent in halves', async () => {
    cluster.maxRecordsPerBatch = 3;
    const out = producer({ lingerMs: 50 });
    const offsets: number[] = [];
    for (const value of numbered(10))
      out.post({ topic: 't', partition: 0, value }, (_, delivery) =>
        offsets.push(delivery?.offset ?? -1),
      );
    await out.flush();
    expect(values('t', 0)).toEqual(numbered(10));
    expect(offsets.toSorted((a, b) => a - b)).toEqual(numbered(10).map((_, n) => n));
  });

  test('a broker that lost our place: the batch fails, a new producer id goes on', async () => {
    const out = producer();
    await out.send({ topic: 't', partition: 0, value: 'a' });
    cluster.partition('t', 0).sequences.clear();
    expect(await failureOf(out.send({ topic: 't', partition: 0, value: 'b' }))).toMatchObject({
      code: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    });
    await out.send({ topic: 't', partition: 0, value: 'c' });
    expect(values('t', 0)).toEqual(['a', 'c']);
    expect(cluster.nextProducerId).toBe(102n);
  });

  test('what cannot be delivered is given up with the reason', async () => {
    const out = producer({ deliveryTimeoutMs: 120 });
    await out.send({ topic: 't', partition: 0, value: 'a' });
    for (let n = 0; n < 1_000; n += 1) cluster.produceFaults.push('NOT_ENOUGH_REPLICAS');
    const failure = await failureOf(out.send({ topic: 't', partition: 0, value: 'b' }));
    expect(failure).toMatchObject({ retriable: true });
    if (failure instanceof RequestTimedOut)
      expect(failure.message).toContain('NOT_ENOUGH_REPLICAS');
  });
});

describe('back-pressure', () => {
  test('a full buffer says so, and frees itself', async () => {
    const out = producer({ bufferBytes: 2_000 });
    let isFull = false;
    let posted = 0;
    while (!isFull) {
      isFull = !out.post({ topic: 't', partition: 0, value: 'x'.repeat(100) });
      posted += 1;
    }
    expect(posted).toBeLessThan(25);
    await out.drained();
    expect(out.post({ topic: 't', partition: 0, value: 'y' })).toBe(true);
    await out.flush();
    expect(values('t', 0)).toHaveLength(posted + 1);
  });

  test('many sends at once stay within the buffer', async () => {
    const out = producer({ bufferBytes: 1_000 });
    const sent = numbered(300).map((value) => out.send({ topic: 't', partition: 0, value }));
    await Promise.all(sent);
    expect(values('t', 0).toSorted()).toEqual(numbered(300).toSorted());
  });
});
