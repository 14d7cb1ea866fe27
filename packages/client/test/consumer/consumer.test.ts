/**
 * The consumer against scripted brokers over loopback: what it reads, where it begins, what it commits,
 * and how partitions change hands between members.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeBatch, errorCodes } from '@odradek/protocol';
import { cooperativeStickyAssignor } from '../../src/consumer/assignors/sticky.ts';
import type { ConsumedBatch, Consumer, ConsumerOptions } from '../../src/consumer/types.ts';
import { ClientMisuse } from '../../src/errors.ts';
import { Kafka } from '../../src/kafka.ts';
import { partitionKey } from '../../src/topic-partition.ts';
import { FakeCluster } from '../fake-cluster.ts';
import { FakeGroup } from './fake-group.ts';

let cluster: FakeCluster;
let group: FakeGroup;
let clients: Kafka[];

beforeEach(async () => {
  cluster = await new FakeCluster().start(2);
  group = new FakeGroup();
  for (const broker of cluster.brokers) group.script(broker);
  cluster.createTopic('t', 4);
  clients = [];
});

afterEach(async () => {
  const closing = Promise.all(clients.map((client) => client.close()));
  group.stop();
  await closing;
  await cluster.stop();
  expect(cluster.brokers.flatMap(({ failures }) => failures)).toEqual([]);
});

function consumer(options: ConsumerOptions = {}): Consumer {
  const kafka = new Kafka({ bootstrapServers: cluster.bootstrapServers });
  clients.push(kafka);
  return kafka.consumer({
    offsetReset: 'earliest',
    heartbeatIntervalMs: 10,
    maxWaitMs: 20,
    ...options,
  });
}

/** Appends records whose values say where they are: `t-0@5`. */
function fill(partition: number, count: number, topic = 't'): void {
  const { endOffset } = cluster.partition(topic, partition);
  const records = Array.from({ length: count }, (_, n) => ({
    key: null,
    value: Buffer.from(`${topic}-${partition}@${endOffset + n}`),
    timestamp: 7,
  }));
  cluster.append(topic, partition, encodeBatch({ records }));
}

async function read(from: Consumer, count: number): Promise<string[]> {
  const seen: string[] = [];
  while (seen.length < count) {
    const batches = await from.poll(2_000);
    if (batches.length === 0) throw new Error(`only ${seen.length} of ${count} came`);
    for (const { records } of batches) seen.push(...records.map(({ value }) => String(value)));
  }
  return seen;
}

const part = (partition: number, topic = 't') => ({ topic, partition });
const places = (partition: number, from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, n) => `t-${partition}@${from + n}`);
const keys = (from: Consumer): string => from.assignment().map(partitionKey).join(' ');
const failureOf = (failed: Promise<unknown>): Promise<unknown> =>
  failed.then(
    () => 'no failure',
    (error: unknown) => error,
  );

describe('assigned by hand', () => {
  test('reads each partition in order, and what comes later', async () => {
    fill(0, 10);
    fill(1, 3);
    const reader = consumer();
    reader.assign([part(0), part(1)]);
    const seen = await read(reader, 13);
    expect(seen.filter((value) => value.startsWith('t-0'))).toEqual(places(0, 0, 10));
    expect(seen.filter((value) => value.startsWith('t-1'))).toEqual(places(1, 0, 3));
    expect([reader.position(part(0)), reader.position(part(1))]).toEqual([10, 3]);
    fill(1, 2);
    expect(await read(reader, 2)).toEqual(places(1, 3, 5));
  });

  test('begins at the end by default, and where it is told', async () => {
    fill(0, 10);
    const reader = consumer({ offsetReset: 'latest' });
    reader.assign([part(0)]);
    while (reader.position(part(0)) === null) expect(await reader.poll(5)).toEqual([]);
    fill(0, 1);
    expect(await read(reader, 1)).toEqual(['t-0@10']);
    reader.seek(part(0), 4);
    expect(await read(reader, 7)).toEqual(places(0, 4, 11));
    reader.seek(part(0), 'beginning');
    expect(await read(reader, 11)).toEqual(places(0, 0, 11));
  });

  test('a poll hands out no more than asked for, and loses nothing between polls', async () => {
    fill(0, 10);
    const reader = consumer({ maxPollRecords: 4 });
    reader.assign([part(0)]);
    const sizes: number[] = [];
    for (let seen = 0; seen < 10; ) {
      const count = (await reader.poll(1_000)).reduce(
        (sum, { records }) => sum + records.length,
        0,
      );
      sizes.push(count);
      seen += count;
    }
    expect(sizes).toEqual([4, 4, 2]);
  });

  test('paused partitions are left alone', async () => {
    fill(0, 3);
    fill(1, 3);
    const reader = consumer();
    reader.assign([part(0), part(1)]);
    reader.pause([part(0)]);
    expect(await read(reader, 3)).toEqual(places(1, 0, 3));
    expect(await reader.poll(30)).toEqual([]);
    reader.resume([part(0)]);
    expect(await read(reader, 3)).toEqual(places(0, 0, 3));
  });

  test('a leader that moves is followed', async () => {
    fill(0, 2);
    const reader = consumer();
    reader.assign([part(0)]);
    expect(await read(reader, 2)).toEqual(places(0, 0, 2));
    cluster.moveLeader('t', 0, 1);
    fill(0, 2);
    expect(await read(reader, 2)).toEqual(places(0, 2, 4));
  });

  test.each([
    { offsetReset: 'earliest', expected: places(0, 5, 8) },
    { offsetReset: 'none', expected: 'OFFSET_OUT_OF_RANGE' },
  ] as const)('out of range with $offsetReset', async ({ offsetReset, expected }) => {
    for (let n = 0; n < 8; n += 1) fill(0, 1);
    cluster.partition('t', 0).startOffset = 5;
    cluster.partition('t', 0).batches.splice(0, 5);
    const reader = consumer({ offsetReset });
    reader.assign([part(0)]);
    reader.seek(part(0), 2);
    if (typeof expected === 'string')
      expect(await failureOf(reader.poll(1_000))).toMatchObject({ code: expected });
    else expect(await read(reader, 3)).toEqual(expected);
  });

  test('a refused fetch is told once, and reading goes on', async () => {
    fill(0, 2);
    cluster.fetchFaults.push('TOPIC_AUTHORIZATION_FAILED');
    const reader = consumer();
    reader.assign([part(0)]);
    expect(await failureOf(reader.poll(1_000))).toMatchObject({
      code: 'TOPIC_AUTHORIZATION_FAILED',
    });
    expect(await read(reader, 2)).toEqual(places(0, 0, 2));
  });

  test('as an iteration that is left early: the rest is read again', async () => {
    fill(0, 6);
    const reader = consumer();
    reader.assign([part(0)]);
    const seen: number[] = [];
    for await (const { offset } of reader) {
      seen.push(offset);
      if (offset === 2) break;
    }
    expect(seen).toEqual([0, 1, 2]);
    expect(await read(reader, 3)).toEqual(places(0, 3, 6));
  });

  test('an iteration ends with its signal', async () => {
    const reader = consumer();
    reader.assign([part(0)]);
    const stop = new AbortController();
    const seen: ConsumedBatch[] = [];
    const iterating = (async () => {
      for await (const batch of reader.batches({ signal: stop.signal })) {
        seen.push(batch);
        stop.abort();
      }
    })();
    fill(0, 1);
    await iterating;
    expect(seen).toHaveLength(1);
  });

  test('misuse is refused', async () => {
    const reader = consumer();
    expect(() => reader.subscribe(['t'])).toThrow(ClientMisuse);
    expect(() => reader.seek(part(0), 0)).toThrow(ClientMisuse);
    reader.assign([part(0)]);
    const polling = reader.poll(50);
    expect(await failureOf(reader.poll(1))).toBeInstanceOf(ClientMisuse);
    await polling;
    expect(await failureOf(reader.commit())).toBeInstanceOf(ClientMisuse);
    await reader.close();
    expect(await failureOf(reader.poll(1))).toBeInstanceOf(ClientMisuse);
  });
});

describe('offsets', () => {
  test('what was taken up is committed on close; a new member goes on there', async () => {
    fill(0, 5);
    const first = consumer({ groupId: 'g' });
    first.assign([part(0)]);
    await read(first, 5);
    await first.close();
    expect(cluster.committed.get('g t-0')).toBe(5);
    fill(0, 1);
    const second = consumer({ groupId: 'g' });
    second.assign([part(0)]);
    expect(await read(second, 1)).toEqual(['t-0@5']);
  });

  test('by hand, without auto commit', async () => {
    fill(0, 5);
    const reader = consumer({ groupId: 'g', autoCommit: false });
    reader.assign([part(0), part(1)]);
    await read(reader, 5);
    await reader.commit([{ ...part(0), offset: 3 }]);
    expect(await reader.committed([part(0), part(1)])).toMatchObject([{ offset: 3 }, null]);
    await reader.commit();
    expect(cluster.committed.get('g t-0')).toBe(5);
    await reader.close();
  });
});

describe('in a group', () => {
  const topics = ['t'];

  test('one member reads everything and beats', async () => {
    for (const n of [0, 1, 2, 3]) fill(n, 2);
    const reader = consumer({ groupId: 'g' });
    reader.subscribe(topics);
    expect((await read(reader, 8)).sort()).toEqual([0, 1, 2, 3].flatMap((n) => places(n, 0, 2)));
    expect(keys(reader)).toBe('t-0 t-1 t-2 t-3');
    const { beatCount } = group;
    while (group.beatCount < beatCount + 2) await reader.poll(5);
  });

  test.each([
    { name: 'eager', assignors: undefined },
    { name: 'cooperative', assignors: [cooperativeStickyAssignor] },
  ])('partitions change hands without loss or double reading, $name', async ({ assignors }) => {
    const options = {
      groupId: 'g',
      ...(assignors === undefined ? {} : { assignors }),
    };
    const log: string[] = [];
    const tell = (name: string): ConsumerOptions => ({
      ...options,
      onAssigned: (partitions) => log.push(`${name}+${partitions.length}`),
      onRevoked: (partitions, lost) => log.push(`${name}-${partitions.length}${lost ? '!' : ''}`),
    });
    for (const n of [0, 1, 2, 3]) fill(n, 3);
    const first = consumer(tell('a'));
    first.subscribe(topics);
    const seen = await read(first, 12);
    group.expectedCount = 2;
    const second = consumer(tell('b'));
    second.subscribe(topics);
    while (second.assignment().length < 2 || first.assignment().length !== 2)
      for (const one of [first, second]) {
        const batches = await one.poll(5);
        seen.push(...batches.flatMap(({ records }) => records.map(({ value }) => String(value))));
      }
    for (const n of [0, 1, 2, 3]) fill(n, 2);
    const later = (await Promise.all([read(first, 4), read(second, 4)])).flat();
    expect([...seen, ...later].sort()).toEqual([0, 1, 2, 3].flatMap((n) => places(n, 0, 5)).sort());
    if (assignors === undefined)
      expect(log).toEqual(expect.arrayContaining(['a+4', 'a-4', 'a+2', 'b+2']));
    else expect(log).toEqual(expect.arrayContaining(['a+4', 'a-2', 'b+2']));
    group.expectedCount = 1;
    await first.close();
    while (second.assignment().length < 4) await second.poll(5);
  });

  test.each([
    { kind: 'join', code: 'COORDINATOR_NOT_AVAILABLE' },
    { kind: 'join', code: 'COORDINATOR_LOAD_IN_PROGRESS' },
    { kind: 'sync', code: 'REBALANCE_IN_PROGRESS' },
    { kind: 'sync', code: 'NOT_COORDINATOR' },
  ] as const)('$code on $kind is got over', async ({ kind, code }) => {
    group.faults[kind].push(errorCodes[code]);
    fill(0, 1);
    const reader = consumer({ groupId: 'g' });
    reader.subscribe(topics);
    expect(await read(reader, 1)).toEqual(['t-0@0']);
  });

  test('a member that was thrown out loses what it had, and comes back', async () => {
    const revoked: boolean[] = [];
    fill(0, 1);
    const reader = consumer({ groupId: 'g', onRevoked: (_, lost) => revoked.push(lost) });
    reader.subscribe(topics);
    await read(reader, 1);
    group.expireAll();
    while (revoked.length === 0) await reader.poll(5);
    expect(revoked).toEqual([true]);
    while (reader.assignment().length < 4) await reader.poll(5);
  });

  test('a group that does not take the member: the user is told', async () => {
    group.faults.join.push(errorCodes.GROUP_AUTHORIZATION_FAILED);
    const reader = consumer({ groupId: 'g' });
    reader.subscribe(topics);
    expect(await failureOf(reader.poll(2_000))).toMatchObject({
      code: 'GROUP_AUTHORIZATION_FAILED',
    });
  });

  test('topics by pattern', async () => {
    cluster.createTopic('other', 1);
    cluster.createTopic('t2', 1);
    fill(0, 1, 't2');
    const reader = consumer({ groupId: 'g' });
    reader.subscribe(/t\d?/);
    expect(await read(reader, 1)).toEqual(['t2-0@0']);
    expect(keys(reader)).toBe('t-0 t-1 t-2 t-3 t2-0');
  });
});
