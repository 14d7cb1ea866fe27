/**
 * Goal: a client that does not read, reads slowly, leaves in the middle or asks without end costs its socket's
 * buffer and one answer, and nobody else notices. Method: raw sockets against a data plane with old data on
 * disk; what the broker counts (answers, waiting fetches, memory of its pool) is looked at while they last.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { apis, decodeResponseHeader, encodeRequest, FrameSplitter } from '@odradek/protocol';
import { BufferPool } from '@odradek/runtime';
import { ANSWER_BYTES_MAX } from '../../src/replica/fetch-service.ts';
import {
  batchOf,
  fetchInput,
  partitionOf,
  recordsOf,
  type TestBroker,
  until,
  withCluster,
} from './support.ts';

const MIB = 1024 * 1024;
const VERSION = 18;
const LONG_MS = 600_000;
const VALUE = 'v'.repeat(500_000);
const RECORDS = 24;

const fetchBytes = (correlationId: number, changes: Parameters<typeof fetchInput>[0]): Buffer =>
  Buffer.concat(encodeRequest(apis.fetch, VERSION, correlationId, 'raw', fetchInput(changes)));

/** Asks for all there is, as clients with much room do. */
const EVERYTHING = { partitionMaxBytes: 50 * MIB };

async function socketTo(broker: TestBroker): Promise<Socket> {
  const socket = connect(broker.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Sees the pool's memory that is lent and not given back. */
class WatchedPool extends BufferPool {
  heldBytes = 0;

  constructor() {
    super({ poison: true });
  }

  override take(sizeBytes: number): ReturnType<BufferPool['take']> {
    const memory = super.take(sizeBytes);
    const size = memory.bytes.length;
    this.heldBytes += size;
    const release = memory.release.bind(memory);
    memory.release = () => {
      const isLast = memory.holders === 1;
      release();
      if (isLast) this.heldBytes -= size;
    };
    return memory;
  }
}

/** A leader with twelve megabytes, unless the values are shorter, of which nothing is in memory. */
const withOldData = (
  run: (broker: TestBroker, pool: WatchedPool) => Promise<void>,
  value = VALUE,
): Promise<void> => {
  const buffers = new WatchedPool();
  return withCluster(
    1,
    async (controller, [broker]) => {
      if (!broker) throw new Error('a broker');
      await controller.elect(1, [1]);
      controller.announce();
      for (let n = 0; n < RECORDS; n += 1) await broker.produce([value], 1);
      await run(broker, buffers);
    },
    { tailCacheBytes: 0, buffers },
  );
};

/** Another client, which reads all of it. */
async function readsAll(broker: TestBroker): Promise<void> {
  for (let at = 0; at < RECORDS; ) {
    const read = recordsOf(
      partitionOf(await broker.send(apis.fetch, VERSION, fetchInput({ offset: at }))).records,
    );
    expect(read.at(0)?.value).toHaveLength(VALUE.length);
    at = (read.at(-1)?.offset ?? RECORDS) + 1;
  }
}

test('clients that never read cost an answer each, however many requests they send', () =>
  withOldData(async (broker, pool) => {
    await readsAll(broker);
    const idle = pool.heldBytes;
    const sockets = await Promise.all([1, 2, 3].map(() => socketTo(broker)));
    for (const socket of sockets) {
      socket.pause();
      for (let n = 0; n < 1_000; n += 1) socket.write(fetchBytes(n, EVERYTHING));
    }
    await until(() => broker.answers.usedBytes > 3 * 4 * MIB);
    for (let round = 0; round < 3; round += 1) {
      await readsAll(broker);
      await broker.produce([VALUE], 1);
      expect(broker.answers.usedBytes).toBeLessThanOrEqual(3 * ANSWER_BYTES_MAX);
      // The pool gives out powers of two.
      expect(pool.heldBytes - idle).toBeLessThanOrEqual(3 * 2 * ANSWER_BYTES_MAX + 2 * MIB);
      expect(broker.requests.usedBytes).toBeLessThan(MIB);
    }
    for (const socket of sockets) socket.destroy();
    await until(() => broker.answers.usedBytes === 0 && pool.heldBytes <= idle + 2 * MIB);
  }));

test('however many do not read, answers stay within what all of them may hold', () =>
  withOldData(async (broker) => {
    const sockets = await Promise.all(Array.from({ length: 40 }, () => socketTo(broker)));
    for (const socket of sockets) socket.pause().write(fetchBytes(1, EVERYTHING));
    await until(() => broker.answers.usedBytes > broker.answers.limitBytes / 2);
    await readsAll(broker);
    // One batch for those who find the room taken.
    const most = broker.answers.limitBytes + sockets.length * (VALUE.length + 1_000);
    expect(broker.answers.usedBytes).toBeLessThanOrEqual(most);
    for (const socket of sockets) socket.destroy();
    await until(() => broker.answers.usedBytes === 0);
  }));

test('a client that reads byte by byte is answered rightly, and holds up nobody', () =>
  withOldData(async (broker) => {
    const socket = await socketTo(broker);
    const splitter = new FrameSplitter({ maxFrameBytes: 100 * MIB });
    const offsets: number[] = [];
    socket.write(fetchBytes(1, { partitionMaxBytes: 1 }));
    let isDone = false;
    const reading = (async () => {
      while (offsets.length === 0) {
        // A byte a turn for a while, then the rest, since a test has no hours.
        const byte = socket.read(socket.bytesRead > 0 && isDone ? undefined : 1) as Buffer | null;
        if (byte !== null)
          splitter.push(byte, (frame) => {
            const { bodyOffset } = decodeResponseHeader(frame, apis.fetch, VERSION);
            const answer = apis.fetch.response.decode(frame.subarray(bodyOffset), VERSION);
            offsets.push(...recordsOf(partitionOf(answer).records).map(({ offset }) => offset));
          });
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await readsAll(broker);
    await broker.produce([VALUE], 1);
    isDone = true;
    await reading;
    expect(offsets).toEqual([0]);
    socket.destroy();
  }));

test('clients that leave in the middle of an answer leave nothing behind', () =>
  withOldData(async (broker, pool) => {
    await readsAll(broker);
    const idle = pool.heldBytes;
    for (let round = 0; round < 20; round += 1) {
      const socket = await socketTo(broker);
      socket.write(Buffer.concat([1, 2, 3].map((n) => fetchBytes(n, EVERYTHING))));
      if (round % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
      else await once(socket, 'readable');
      if (round % 2 === 0) socket.destroy();
      else socket.resetAndDestroy();
    }
    await readsAll(broker);
    await until(() => broker.answers.usedBytes === 0 && pool.heldBytes <= idle + 2 * MIB);
    expect(broker.lines.filter(({ message }) => message.includes('could not'))).toEqual([]);
  }));

test('a thousand fetches in one go are answered one after the other, in order', () =>
  withOldData(async (broker) => {
    const socket = await socketTo(broker);
    const splitter = new FrameSplitter({ maxFrameBytes: 100 * MIB });
    const answered: number[] = [];
    let largest = 0;
    socket.on('data', (chunk: Buffer) =>
      splitter.push(chunk, (frame) => {
        answered.push(frame.readInt32BE(0));
        largest = Math.max(largest, broker.answers.usedBytes);
      }),
    );
    for (let n = 0; n < 1_000; n += 1) socket.write(fetchBytes(n, { offset: n % RECORDS }));
    await until(() => answered.length === 1_000);
    expect(answered).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
    expect(largest).toBeLessThanOrEqual(2 * MIB);
    socket.destroy();
  }, 'short'.repeat(200)));

test('fetches that wait go with their connections, at once', () =>
  withOldData(async (broker) => {
    const waiting = () => broker.replicas.fetchCounts().waiting;
    const sockets = await Promise.all(Array.from({ length: 60 }, () => socketTo(broker)));
    for (const socket of sockets)
      socket.write(fetchBytes(1, { offset: RECORDS, maxWaitMs: LONG_MS }));
    await until(() => waiting() === sockets.length);
    for (const socket of sockets.slice(0, 30)) socket.destroy();
    await until(() => waiting() === 30);
    // Those that only say that they will ask for nothing more are answered.
    const answers = sockets.slice(30).map((socket) => once(socket, 'data'));
    for (const socket of sockets.slice(30)) socket.end();
    for (const [frame] of await Promise.all(answers)) expect(frame.readInt32BE(4)).toBe(1);
    expect(waiting()).toBe(0);
    void broker.partition.append(batchOf(['a']), 1, 'client');
    await until(() => broker.partition.log.logEndOffset === RECORDS + 1);
  }));

test('a fetch that waits on many partitions behind a lost connection is not looked at again', () =>
  withOldData(async (broker) => {
    const socket = await socketTo(broker);
    socket.write(fetchBytes(1, { maxWaitMs: LONG_MS, minBytes: 4 * MIB, partitionMaxBytes: 1 }));
    await until(() => broker.replicas.fetchCounts().waiting === 1);
    socket.resetAndDestroy();
    await until(() => broker.replicas.fetchCounts().waiting === 0);
  }));
