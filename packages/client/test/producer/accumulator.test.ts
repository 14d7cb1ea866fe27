/**
 * The accumulator: when batches are due, how much is buffered, and the order of each partition under any
 * sequence of sends, losses, retries and expiries. The last is a property: a broker that takes sequence
 * numbers as Kafka does must end up with every record once and in order.
 */
import { describe, expect, test } from '@jest/globals';
import { KafkaError } from '@odradek/protocol';
import { millis } from '@odradek/runtime';
import fc from 'fast-check';
import { ConnectionClosed } from '../../src/errors.ts';
import { Accumulator, type AccumulatorOptions } from '../../src/producer/accumulator.ts';
import { addSequence, type ProducerBatch, recordBytes } from '../../src/producer/batch.ts';
import type { Identity } from '../../src/producer/partition-queue.ts';
import { judge } from '../../src/producer/verdict.ts';

const identity: Identity = { producerId: 7n, producerEpoch: 0 };
const record = (text: string) => ({ key: null, value: Buffer.from(text), timestamp: 1 });
const SIZE = recordBytes(record('x'.repeat(79))); // 100 bytes

function accumulator(options: Partial<AccumulatorOptions> = {}): Accumulator {
  return new Accumulator({
    batchBytes: 500,
    bufferBytes: 10_000,
    lingerMs: 5,
    maxRequestBytes: 1_200,
    deliveryTimeoutMs: 1_000,
    ...options,
  });
}

const texts = (batch: ProducerBatch | undefined): string[] =>
  batch?.records.map(({ value }) => String(value)) ?? [];

function drainAt(
  acc: Accumulator,
  now: number,
  options: { flushing?: boolean; leader?: number | null; mayAsk?: boolean } = {},
) {
  const { flushing = false, leader = 1, mayAsk = true } = options;
  return acc.drain(
    millis(now),
    null,
    flushing,
    () => leader,
    () => mayAsk,
  );
}

describe('when a batch is due', () => {
  test('after its linger, not before', () => {
    const acc = accumulator();
    expect(acc.append('t', 0, record('a'), undefined, millis(100))).toBe(true);
    expect(acc.append('t', 0, record('b'), undefined, millis(103))).toBe(false);
    expect(drainAt(acc, 104)).toEqual({ requests: new Map(), leaderless: new Set(), wakeAt: 105 });
    const { requests } = drainAt(acc, 105);
    expect([...requests.keys()]).toEqual([1]);
    expect(texts(requests.get(1)?.[0])).toEqual(['a', 'b']);
    expect(drainAt(acc, 106).requests.size).toBe(0);
  });

  test('at once when full, when another stands behind it, or when flushing', () => {
    const full = accumulator({ batchBytes: 96 + 2 * SIZE });
    full.append('t', 0, record('x'.repeat(79)), undefined, millis(0));
    expect(full.append('t', 0, record('x'.repeat(79)), undefined, millis(0))).toBe(true);
    expect(drainAt(full, 0).requests.size).toBe(1);
    const behind = accumulator({ batchBytes: 300 });
    for (const text of ['x'.repeat(150), 'y'.repeat(150)])
      behind.append('t', 0, record(text), undefined, millis(0));
    expect(texts(drainAt(behind, 0).requests.get(1)?.[0])).toEqual(['x'.repeat(150)]);
    const flushed = accumulator();
    flushed.append('t', 0, record('a'), undefined, millis(0));
    expect(drainAt(flushed, 0, { flushing: true }).requests.size).toBe(1);
  });

  test('without a leader it waits and says so; at a busy broker it waits', () => {
    const acc = accumulator();
    acc.append('t', 0, record('a'), undefined, millis(0));
    expect(drainAt(acc, 10, { leader: null }).leaderless).toEqual(new Set(['t']));
    expect(drainAt(acc, 10, { mayAsk: false }).requests.size).toBe(0);
    expect(drainAt(acc, 10).requests.size).toBe(1);
  });

  test('one batch of a partition in a request, and no more than fit', () => {
    const acc = accumulator({ batchBytes: 500, maxRequestBytes: 1_100 });
    for (let partition = 0; partition < 4; partition += 1)
      acc.append('t', partition, record('z'.repeat(380)), undefined, millis(0));
    expect(drainAt(acc, 10).requests.get(1)).toHaveLength(2);
    expect(drainAt(acc, 10).requests.get(1)).toHaveLength(2);
    expect(drainAt(acc, 10).requests.size).toBe(0);
  });

  test('a record larger than a batch goes alone', () => {
    const acc = accumulator({ batchBytes: 100 });
    acc.append('t', 0, record('x'.repeat(900)), undefined, millis(0));
    expect(drainAt(acc, 0).requests.get(1)?.[0]?.records).toHaveLength(1);
  });
});

describe('the buffer', () => {
  test('is counted until the answer and makes everything due when full', () => {
    const acc = accumulator({ bufferBytes: 250 });
    acc.append('t', 0, record('x'.repeat(79)), undefined, millis(0));
    expect([acc.bufferedBytes, acc.isFull]).toEqual([96 + SIZE, false]);
    acc.append('t', 1, record('x'.repeat(79)), undefined, millis(0));
    expect(acc.isFull).toBe(true);
    const [first, second] = drainAt(acc, 0).requests.get(1) ?? [];
    expect(acc.isFull).toBe(true);
    for (const batch of [first, second]) if (batch !== undefined) acc.done(batch);
    expect([acc.bufferedBytes, acc.unanswered.size]).toEqual([0, 0]);
  });

  test('what waits too long is given up; what is on its way is not', () => {
    const acc = accumulator();
    acc.append('t', 0, record('sent'), undefined, millis(0));
    drainAt(acc, 5);
    acc.append('t', 0, record('waiting'), undefined, millis(10));
    expect(acc.takeExpired(millis(1_009))).toEqual([]);
    expect(acc.takeExpired(millis(1_010)).map(texts)).toEqual([['waiting']]);
    expect(acc.unanswered.size).toBe(1);
  });

  test('split halves are counted as what they are and keep their callbacks', () => {
    const acc = accumulator();
    const told: number[] = [];
    for (let n = 0; n < 4; n += 1)
      acc.append(
        't',
        0,
        record(`r${n}`),
        (_, delivery) => told.push(delivery?.offset ?? -1),
        millis(0),
      );
    const [batch] = drainAt(acc, 5).requests.get(1) ?? [];
    if (batch === undefined) throw new Error('nothing was due');
    batch.failures = 1;
    acc.splitAndPutBack(batch);
    const [first] = drainAt(acc, 5).requests.get(1) ?? [];
    expect(texts(first)).toEqual(['r0', 'r1']);
    if (first !== undefined) {
      acc.done(first);
      first.succeed(40, -1);
    }
    const [second] = drainAt(acc, 5).requests.get(1) ?? [];
    expect(texts(second)).toEqual(['r2', 'r3']);
    if (second !== undefined) {
      acc.done(second);
      second.succeed(42, -1);
    }
    expect(told).toEqual([40, 41, 42, 43]);
    expect(acc.bufferedBytes).toBe(0);
  });
});

test('sequence numbers start over after the largest int32', () => {
  expect(addSequence(0x7fff_ffff, 1)).toBe(0);
  expect(addSequence(0x7fff_fffe, 5)).toBe(3);
});

describe('order under failures', () => {
  /**
   * Plays a broker for one partition: `fate` says of each batch that arrives whether the connection
   * breaks before it is written, after it, or not at all. With sequence numbers it checks them.
   */
  function deliver(
    isIdempotent: boolean,
    fates: readonly ('lost' | 'unanswered' | 'fine')[],
  ): void {
    const acc = accumulator({ batchBytes: 250, lingerMs: 0, deliveryTimeoutMs: 1e9 });
    const written: string[] = [];
    const posted = Array.from({ length: 23 }, (_, n) => `record ${n}`);
    let expectedSequence = 0;
    let now = 0;
    let toPost = [...posted];
    let fateIndex = 0;
    for (let round = 0; round < 2_000 && acc.unanswered.size + toPost.length > 0; round += 1) {
      now += 10;
      for (const text of toPost.splice(0, 3))
        acc.append('t', 0, record(`${text} ${'-'.repeat(60)}`), undefined, millis(now));
      toPost = toPost.slice();
      const inFlight: ProducerBatch[] = [];
      for (;;) {
        const { requests } = acc.drain(
          millis(now),
          isIdempotent ? identity : null,
          true,
          () => 1,
          () => true,
        );
        const batches = requests.get(1) ?? [];
        if (batches.length === 0) break;
        inFlight.push(...batches);
      }
      expect(inFlight.length).toBeLessThanOrEqual(isIdempotent ? 5 : 1);
      for (const batch of inFlight) {
        const fate = fates[fateIndex++ % fates.length] ?? 'fine';
        const error = arrive(batch, fate);
        if (error === null) {
          acc.done(batch);
          continue;
        }
        batch.failures += 1;
        const verdict = judge({
          error,
          recordCount: batch.records.length,
          isIdempotent,
          isOldest: acc.isOldestInFlight(batch),
          mayRetry: true,
        });
        if (verdict.kind === 'succeed') acc.done(batch);
        else {
          expect(verdict).toEqual({ kind: 'retry' });
          batch.retryAt = millis(now + 1);
          acc.putBack(batch);
        }
      }
    }

    function arrive(batch: ProducerBatch, fate: 'lost' | 'unanswered' | 'fine'): Error | null {
      if (fate === 'lost') return new ConnectionClosed('before it arrived');
      if (isIdempotent) {
        const sequence = batch.sequence?.baseSequence ?? -1;
        if (sequence < expectedSequence) return new KafkaError('DUPLICATE_SEQUENCE_NUMBER');
        if (sequence > expectedSequence) return new KafkaError('OUT_OF_ORDER_SEQUENCE_NUMBER');
        expectedSequence += batch.records.length;
      }
      written.push(...texts(batch).map((text) => text.replace(/ -+$/, '')));
      return fate === 'unanswered' ? new ConnectionClosed('before it was answered') : null;
    }

    const firstSeen = [...new Set(written)];
    expect(firstSeen).toEqual(posted);
    if (isIdempotent) expect(written).toEqual(posted);
  }

  const fates = fc.array(
    fc.constantFrom<'lost' | 'unanswered' | 'fine'>('lost', 'unanswered', 'fine', 'fine'),
    { minLength: 1, maxLength: 30 },
  );

  test('property: with sequence numbers every record is written once, in order', () => {
    fc.assert(
      fc.property(fates, (chosen) => deliver(true, [...chosen, 'fine'])),
      { numRuns: 300 },
    );
  });

  test('property: without them every record is written, first time in order', () => {
    fc.assert(
      fc.property(fates, (chosen) => deliver(false, [...chosen, 'fine'])),
      { numRuns: 300 },
    );
  });

  const next: Identity = { producerId: 8n, producerEpoch: 0 };

  /** Three batches of one record each in one partition, taken under `identity`. */
  function threeSent(): { acc: Accumulator; batches: ProducerBatch[] } {
    const acc = accumulator({ batchBytes: 1 });
    for (const text of ['a', 'b', 'c']) acc.append('t', 0, record(text), undefined, millis(0));
    return { acc, batches: ['a', 'b', 'c'].map(() => taken(acc, identity)) };
  }

  function take(acc: Accumulator, own: Identity): ProducerBatch | undefined {
    return acc
      .drain(
        millis(1),
        own,
        true,
        () => 1,
        () => true,
      )
      .requests.get(1)?.[0];
  }

  function taken(acc: Accumulator, own: Identity): ProducerBatch {
    const batch = take(acc, own);
    if (batch === undefined) throw new Error('nothing is due');
    return batch;
  }

  function comesBack(acc: Accumulator, batch: ProducerBatch): void {
    batch.failures += 1;
    batch.encoded = Buffer.alloc(1);
    acc.putBack(batch);
  }

  test('what may have been written keeps its number under a new identity', () => {
    const { acc, batches } = threeSent();
    for (const batch of batches) comesBack(acc, batch);
    for (const [n, expected] of batches.entries()) {
      const batch = taken(acc, next);
      expect(batch).toBe(expected);
      expect(batch.sequence).toEqual({ ...identity, baseSequence: n });
      expect(batch.encoded).not.toBeNull();
      expect(take(acc, next)).toBeUndefined(); // One at a time, until all are through.
      acc.done(batch);
    }
    acc.append('t', 0, record('d'), undefined, millis(0));
    expect(taken(acc, next).sequence).toEqual({ ...next, baseSequence: 0 });
  });

  test('behind a batch that was given up everything is numbered anew, when nothing is on its way', () => {
    const { acc, batches } = threeSent();
    const [a, b, c] = batches;
    if (a === undefined || b === undefined || c === undefined) throw new Error('three were sent');
    acc.leaveGap(a);
    acc.done(a);
    expect(acc.isOldestInFlight(b)).toBe(false); // The gap explains why it is refused.
    comesBack(acc, b);
    expect(take(acc, next)).toBeUndefined();
    comesBack(acc, c);
    expect(take(acc, identity)).toBeUndefined(); // The old identity is of no use here.
    for (const [n, expected] of [b, c].entries()) {
      const batch = taken(acc, next);
      expect(batch).toBe(expected);
      expect(batch.sequence).toEqual({ ...next, baseSequence: n });
      expect(batch.encoded).toBeNull();
      acc.done(batch);
    }
  });

  test('a gap in one partition leaves the others as they are', () => {
    const acc = accumulator({ batchBytes: 1 });
    for (const partition of [0, 1]) acc.append('t', partition, record('x'), undefined, millis(0));
    const sent =
      acc
        .drain(
          millis(1),
          identity,
          true,
          () => 1,
          () => true,
        )
        .requests.get(1) ?? [];
    const [first, second] = sent;
    if (first === undefined || second === undefined) throw new Error('two were sent');
    acc.leaveGap(first);
    acc.done(first);
    comesBack(acc, second);
    const again = taken(acc, next);
    expect(again).toBe(second);
    expect(again.sequence).toEqual({ ...identity, baseSequence: 0 });
  });
});

describe('verdicts', () => {
  const base = { recordCount: 2, isIdempotent: true, isOldest: true, mayRetry: true };
  test.each([
    { code: 'NOT_LEADER_OR_FOLLOWER', change: {}, verdict: { kind: 'retry' } },
    {
      code: 'NOT_LEADER_OR_FOLLOWER',
      change: { mayRetry: false },
      verdict: { kind: 'fail', leavesGap: true },
    },
    { code: 'DUPLICATE_SEQUENCE_NUMBER', change: {}, verdict: { kind: 'succeed' } },
    { code: 'MESSAGE_TOO_LARGE', change: {}, verdict: { kind: 'split' } },
    {
      code: 'MESSAGE_TOO_LARGE',
      change: { recordCount: 1 },
      verdict: { kind: 'fail', leavesGap: true },
    },
    {
      code: 'MESSAGE_TOO_LARGE',
      change: { recordCount: 1, isIdempotent: false },
      verdict: { kind: 'fail', leavesGap: false },
    },
    {
      code: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
      change: { isOldest: false },
      verdict: { kind: 'retry' },
    },
    {
      code: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
      change: {},
      verdict: { kind: 'fail', leavesGap: true },
    },
    {
      code: 'TOPIC_AUTHORIZATION_FAILED',
      change: { isIdempotent: false },
      verdict: { kind: 'fail', leavesGap: false },
    },
  ] as const)('$code $change', ({ code, change, verdict }) => {
    expect(judge({ ...base, error: new KafkaError(code), ...change })).toEqual(verdict);
  });
});
