/**
 * Goal: memory that is used again never shows in what somebody reads, and what was answered keeps
 * none. Method: a data plane over real sockets whose released memory is overwritten, with a tail
 * cache so small that it turns over all the time: many producers, readers of old and new batches, of
 * which some are slow and some leave in the middle; then exact counts of who still holds what.
 */
import { connect, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import {
  apis,
  decodeRecordSet,
  decodeResponseHeader,
  encodeBatch,
  encodeRequest,
  FrameSplitter,
} from '@odradek/protocol';
import { BufferPool } from '@odradek/runtime';
import { fetchInput, partitionOf, type TestBroker, TOPIC, until, withCluster } from './support.ts';

const MIB = 1024 * 1024;
const FETCH_VERSION = 17;

/** Reproducible chance. */
function chance(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** The value of the record at `offset`: its size and every byte follow from the number in its key. */
function batchOf(number: number, sizeBytes: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeInt32BE(number);
  const value = Buffer.alloc(sizeBytes, number % 200);
  return encodeBatch({ records: [{ key, value, timestamp: 1_700_000_000_000 }] });
}

function expectSound(records: Buffer | null, from: number, sizes: ReadonlyMap<number, number>) {
  let count = 0;
  for (const batch of decodeRecordSet(records ?? Buffer.alloc(0)))
    for (const { offset, key, value } of batch.records) {
      if (offset < from) continue;
      expect(offset).toBe(from + count);
      const number = key?.readInt32BE(0) ?? -1;
      expect(value?.length).toBe(sizes.get(number));
      expect(value?.every((byte) => byte === number % 200)).toBe(true);
      count += 1;
    }
  return count;
}

async function withLeader(
  options: { tailCacheBytes: number; buffers?: BufferPool },
  run: (broker: TestBroker) => Promise<void>,
): Promise<void> {
  await withCluster(
    1,
    async (controller, [broker]) => {
      await controller.elect(1, [1]);
      if (broker !== undefined) await run(broker);
    },
    options,
  );
}

const produce = (broker: TestBroker, records: Buffer) =>
  broker.send(apis.produce, 9, {
    acks: 1,
    timeoutMs: 10_000,
    topicData: [{ name: TOPIC, partitionData: [{ index: 0, records }] }],
  });

/** Asks for everything from offset 0 on over a socket of its own, again and again, and takes its time. */
class SlowReader {
  readonly socket: Socket;
  readonly #splitter = new FrameSplitter({ maxFrameBytes: 100 * MIB });
  #answered = 0;

  constructor(port: number, seen: (records: Buffer | null) => void) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk: Buffer) => {
      this.#splitter.push(chunk, (frame) => {
        const { bodyOffset } = decodeResponseHeader(frame, apis.fetch, FETCH_VERSION);
        const answer = apis.fetch.response.decode(frame.subarray(bodyOffset), FETCH_VERSION);
        this.#answered += 1;
        seen(partitionOf(answer).records);
      });
      this.socket.pause();
      setImmediate(() => setImmediate(() => this.socket.resume()));
    });
  }

  ask(): void {
    const input = fetchInput({ partitionMaxBytes: 3 * MIB });
    this.socket.write(
      Buffer.concat(encodeRequest(apis.fetch, FETCH_VERSION, this.#answered, 'slow', input)),
    );
  }
}

test.each([0, 1_000_000, 4_000_000])(
  'readers see what was produced, with a tail cache of %i bytes',
  async (tailCacheBytes) => {
    await withLeader({ tailCacheBytes }, async (broker) => {
      const pick = chance(tailCacheBytes + 1);
      const sizes = new Map<number, number>();
      let acknowledged = 0;
      let seen = 0;
      const readers = [1, 2, 3].map(
        () =>
          new SlowReader(broker.port, (records) => {
            seen += expectSound(records, 0, sizes);
          }),
      );
      for (let round = 0; round < 40; round++) {
        const sent = Array.from({ length: 1 + pick(8) }, () => {
          const size = pick(3) === 0 ? pick(300_000) : pick(3_000);
          const number = sizes.size;
          sizes.set(number, size);
          return produce(broker, batchOf(number, size));
        });
        for (const reader of readers) if (!reader.socket.destroyed && pick(4) === 0) reader.ask();
        if (round === 20) readers[0]?.socket.destroy();
        const from = pick(acknowledged + 1);
        const input = fetchInput({ offset: from, partitionMaxBytes: 1 + pick(2 * MIB) });
        const fetched = partitionOf(await broker.send(apis.fetch, FETCH_VERSION, input));
        expectSound(fetched.records, from, sizes);
        acknowledged += (await Promise.all(sent)).length;
      }
      for (let from = 0; from < acknowledged; ) {
        const input = fetchInput({ offset: from });
        const fetched = partitionOf(await broker.send(apis.fetch, FETCH_VERSION, input));
        const count = expectSound(fetched.records, from, sizes);
        expect(count).toBeGreaterThan(0);
        from += count;
      }
      await until(() => seen > 0);
      for (const { socket } of readers) socket.destroy();
      expect(broker.lines.filter(({ message }) => message.includes('could not'))).toEqual([]);
    });
  },
  60_000,
);

/** How often the memory of the newest batch is held, besides by the look itself. */
function holdersOfNewest(broker: TestBroker): number {
  const { log } = broker.partition;
  const slice = log.read(log.logEndOffset - 1, 1, log.logEndOffset, true);
  if (slice instanceof Promise) throw new Error('not in the tail cache');
  const [memory] = slice.lent;
  const holders = (memory?.holders ?? 0) - 1;
  for (const lent of slice.lent) lent.release();
  return holders;
}

test('answers, waits, time-outs and lost connections leave nothing held but by the cache', async () => {
  await withLeader({ tailCacheBytes: 64 * MIB }, async (broker) => {
    await produce(broker, batchOf(0, 1_000));
    expect(holdersOfNewest(broker)).toBe(1);
    const one = partitionOf(await broker.send(apis.fetch, FETCH_VERSION, fetchInput()));
    expect(one.records?.length).toBeGreaterThan(1_000);
    await until(() => holdersOfNewest(broker) === 1);

    // Not enough, then looked at again when more came, then time is up.
    const input = fetchInput({ minBytes: 1_000_000, maxWaitMs: 300 });
    const late = broker.send(apis.fetch, FETCH_VERSION, input);
    const leaving = new SlowReader(broker.port, () => undefined);
    leaving.socket.write(
      Buffer.concat(encodeRequest(apis.fetch, FETCH_VERSION, 1, 'leaving', input)),
    );
    // Produced past the waiting connection.
    const { partition } = broker;
    for (let n = 1; n < 5; n++) await partition.append(batchOf(n, 1_000), 1, 'client');
    await until(() => partition.log.logEndOffset === 5);
    leaving.socket.destroy();
    expect(partitionOf(await late).records?.length).toBeGreaterThan(5_000);
    await until(() => holdersOfNewest(broker) === 1);
  });
});

test('requests and file reads use the same memory again and again', async () => {
  const buffers = new BufferPool({ poison: true });
  await withLeader({ tailCacheBytes: 0, buffers }, async (broker) => {
    const kept: number[] = [];
    for (let n = 0; n < 12; n++) {
      await produce(broker, batchOf(n, 300_000));
      const fetched = partitionOf(
        await broker.send(apis.fetch, FETCH_VERSION, fetchInput({ offset: n })),
      );
      expect(fetched.records?.length).toBeGreaterThan(300_000);
      const known = kept.at(-1) ?? 0;
      await until(() => buffers.freeBytes >= Math.max(known, 512 * 1024));
      kept.push(buffers.freeBytes);
    }
    // One piece for the request, one for the write, one for the read, once and for all.
    expect(Math.max(...kept)).toBeLessThanOrEqual(3 * 512 * 1024);
  });
});

test('a follower has what its leader has, in memory that is used again', async () => {
  const run = async (leader: TestBroker, follower: TestBroker): Promise<void> => {
    const pick = chance(7);
    const sizes = new Map<number, number>();
    for (let number = 0; number < 40; number++) {
      sizes.set(number, pick(2) === 0 ? pick(400_000) : pick(5_000));
      await leader.send(apis.produce, 9, {
        acks: -1,
        timeoutMs: 10_000,
        topicData: [
          {
            name: TOPIC,
            partitionData: [{ index: 0, records: batchOf(number, sizes.get(number) ?? 0) }],
          },
        ],
      });
    }
    const { log } = follower.partition;
    for (let from = 0; from < 40; ) {
      const { chunks, nextOffset } = await log.read(from, MIB, log.logEndOffset, true);
      expect(expectSound(Buffer.concat(chunks), from, sizes)).toBe(nextOffset - from);
      from = nextOffset;
    }
  };
  await withCluster(
    2,
    async (controller, [leader, follower]) => {
      await controller.elect(1, [1, 2]);
      if (leader !== undefined && follower !== undefined) await run(leader, follower);
    },
    { tailCacheBytes: 1_000_000 },
  );
});
