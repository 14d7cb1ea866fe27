/**
 * Sequences of idempotent producers: Kafka's rules as a table, and against a naive model that keeps
 * every batch that was ever appended.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ProducerBatch } from '../../../src/core/producer-state/producer-entry.ts';
import {
  PRODUCERS_PER_PARTITION_MAX,
  ProducerStates,
} from '../../../src/core/producer-state/producer-states.ts';
import {
  follows,
  sequenceAfter,
  sequenceBefore,
} from '../../../src/core/producer-state/sequence.ts';

const MAX = 0x7fff_ffff;

function batch(changes: Partial<ProducerBatch> & { readonly count?: number } = {}): ProducerBatch {
  const { count = 1, ...fields } = changes;
  const firstSequence = fields.firstSequence ?? 0;
  const firstOffset = fields.firstOffset ?? 0;
  return {
    producerId: 7n,
    producerEpoch: 0,
    firstSequence,
    lastSequence: sequenceAfter(firstSequence, count - 1),
    firstOffset,
    lastOffset: firstOffset + count - 1,
    timestamp: 1000,
    transactional: false,
    marker: null,
    ...fields,
  };
}

const marker = (changes: Partial<ProducerBatch> = {}): ProducerBatch =>
  batch({
    firstSequence: -1,
    lastSequence: -1,
    transactional: true,
    marker: { outcome: 'commit', coordinatorEpoch: 0 },
    ...changes,
  });

describe('sequences wrap from 2147483647 to 0', () => {
  test.each([
    { from: 0, count: 0, to: 0 },
    { from: 5, count: 3, to: 8 },
    { from: MAX, count: 0, to: MAX },
    { from: MAX, count: 1, to: 0 },
    { from: MAX - 1, count: 3, to: 1 },
  ])('$from and $count more is $to', ({ from, count, to }) => {
    expect(sequenceAfter(from, count)).toBe(to);
    expect(sequenceBefore(to, count)).toBe(from);
  });

  test.each([
    { last: -1, next: 0, holds: true },
    { last: -1, next: 1, holds: false },
    { last: 4, next: 5, holds: true },
    { last: 4, next: 4, holds: false },
    { last: MAX, next: 0, holds: true },
    { last: MAX - 1, next: 0, holds: false },
  ])('$next after $last: $holds', ({ last, next, holds }) => {
    expect(follows(last, next)).toBe(holds);
  });
});

describe('a batch is judged by what the producer wrote before', () => {
  const known = [
    batch({ firstSequence: 0, count: 3, firstOffset: 10 }),
    batch({ firstSequence: 3, count: 2, firstOffset: 13 }),
  ];
  const table: {
    name: string;
    before: ProducerBatch[];
    incoming: ProducerBatch;
    expected: string;
    offsets?: [number, number];
  }[] = [
    { name: 'the first of a new producer', before: [], incoming: batch(), expected: 'append' },
    {
      name: 'any sequence of a producer that is not known',
      before: [],
      incoming: batch({ firstSequence: 99 }),
      expected: 'append',
    },
    {
      name: 'the next sequence',
      before: known,
      incoming: batch({ firstSequence: 5 }),
      expected: 'append',
    },
    {
      name: 'a gap',
      before: known,
      incoming: batch({ firstSequence: 6 }),
      expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    },
    {
      name: 'the last batch again',
      before: known,
      incoming: batch({ firstSequence: 3, count: 2 }),
      expected: 'duplicate',
      offsets: [13, 14],
    },
    {
      name: 'an earlier batch again',
      before: known,
      incoming: batch({ firstSequence: 0, count: 3 }),
      expected: 'duplicate',
      offsets: [10, 12],
    },
    {
      name: 'a piece of a batch again',
      before: known,
      incoming: batch({ firstSequence: 3, count: 1 }),
      expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    },
    {
      name: 'a stale epoch',
      before: [batch({ producerEpoch: 3 })],
      incoming: batch({ producerEpoch: 2, firstSequence: 1 }),
      expected: 'INVALID_PRODUCER_EPOCH',
    },
    {
      name: 'a new epoch from zero',
      before: known,
      incoming: batch({ producerEpoch: 1, firstSequence: 0 }),
      expected: 'append',
    },
    {
      name: 'a new epoch not from zero',
      before: known,
      incoming: batch({ producerEpoch: 1, firstSequence: 5 }),
      expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    },
    {
      name: 'an old sequence in a new epoch is no duplicate',
      before: known,
      incoming: batch({ producerEpoch: 1, firstSequence: 3, count: 2 }),
      expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    },
    {
      name: 'the wrap',
      before: [batch({ firstSequence: MAX - 1, count: 2 })],
      incoming: batch({ firstSequence: 0 }),
      expected: 'append',
    },
    {
      name: 'after a marker only, from zero',
      before: [marker({ producerEpoch: 2 })],
      incoming: batch({ producerEpoch: 2 }),
      expected: 'append',
    },
    {
      name: 'after a marker only, not from zero',
      before: [marker({ producerEpoch: 2 })],
      incoming: batch({ producerEpoch: 2, firstSequence: 1 }),
      expected: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    },
    {
      name: 'plain data inside of a transaction',
      before: [batch({ transactional: true })],
      incoming: batch({ firstSequence: 1 }),
      expected: 'INVALID_TXN_STATE',
    },
    {
      name: 'plain data after a transaction',
      before: [batch({ transactional: true }), marker()],
      incoming: batch({ firstSequence: 1 }),
      expected: 'append',
    },
    {
      name: 'a marker of a stale epoch',
      before: [batch({ producerEpoch: 2 })],
      incoming: marker({ producerEpoch: 1 }),
      expected: 'INVALID_PRODUCER_EPOCH',
    },
    {
      name: 'a marker of a former coordinator',
      before: [marker({ marker: { outcome: 'abort', coordinatorEpoch: 5 } })],
      incoming: marker({ marker: { outcome: 'commit', coordinatorEpoch: 4 } }),
      expected: 'TRANSACTION_COORDINATOR_FENCED',
    },
    {
      name: 'a marker for a producer that is not known',
      before: [],
      incoming: marker({ producerEpoch: 9 }),
      expected: 'append',
    },
  ];

  test.each(table)('$name: $expected', ({ before, incoming, expected, offsets }) => {
    const states = new ProducerStates();
    for (const earlier of before) states.update(earlier);
    const verdict = states.check(incoming);
    expect(verdict.kind === 'refuse' ? verdict.code : verdict.kind).toBe(expected);
    if (offsets === undefined) return;
    expect(verdict.kind === 'duplicate' && [verdict.of.firstOffset, verdict.of.lastOffset]).toEqual(
      offsets,
    );
  });

  test('five batches are remembered, the sixth is out of order', () => {
    const states = new ProducerStates();
    for (let sequence = 0; sequence < 6; sequence++) {
      states.update(batch({ firstSequence: sequence, firstOffset: sequence }));
    }
    expect(states.check(batch({ firstSequence: 1 })).kind).toBe('duplicate');
    expect(states.check(batch({ firstSequence: 0 }))).toMatchObject({
      code: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    });
  });

  test('batches of one append see each other, and a refused one leaves no trace', () => {
    const states = new ProducerStates();
    states.update(batch({ firstSequence: 0 }));
    const first = batch({ firstSequence: 1, firstOffset: 1 });
    const second = batch({ firstSequence: 2, firstOffset: 2 });
    const gap = batch({ firstSequence: 4, firstOffset: 2 });
    expect(states.checkAll([first, second]).kind).toBe('append');
    expect(states.checkAll([first, gap]).kind).toBe('refuse');
    expect(states.check(first).kind).toBe('append');
  });
});

describe('transactions', () => {
  test('the first unstable offset is that of the earliest one open or not yet replicated', () => {
    const states = new ProducerStates();
    expect(states.firstUnstableOffset).toBeNull();
    states.update(batch({ producerId: 1n, transactional: true, firstOffset: 10 }));
    states.update(batch({ producerId: 2n, transactional: true, firstOffset: 11 }));
    expect(states.firstUnstableOffset).toBe(10);
    const ended = states.update(marker({ producerId: 1n, firstOffset: 12, lastOffset: 12 }));
    expect(ended).toEqual({ producerId: 1n, firstOffset: 10, lastOffset: 12, aborted: false });
    expect(states.firstUnstableOffset).toBe(10);
    states.passHighWatermark(12);
    expect(states.firstUnstableOffset).toBe(10);
    states.passHighWatermark(13);
    expect(states.firstUnstableOffset).toBe(11);
    const abort = { outcome: 'abort', coordinatorEpoch: 0 } as const;
    const aborted = marker({ producerId: 2n, firstOffset: 13, lastOffset: 13, marker: abort });
    expect(states.update(aborted)).toMatchObject({ aborted: true, firstOffset: 11 });
    states.passHighWatermark(14);
    expect(states.firstUnstableOffset).toBeNull();
  });

  test('a marker without a transaction ends none', () => {
    expect(new ProducerStates().update(marker())).toBeNull();
  });
});

describe('forgetting', () => {
  test('silent producers go, unless a transaction is open', () => {
    const states = new ProducerStates();
    states.update(batch({ producerId: 1n, timestamp: 1000 }));
    states.update(batch({ producerId: 2n, timestamp: 2000 }));
    states.update(batch({ producerId: 3n, timestamp: 1000, transactional: true }));
    states.expire(2000, 1000);
    expect([...states.entries()].map(({ producerId }) => producerId)).toEqual([2n, 3n]);
  });

  test('there is a bound, and the idlest make room', () => {
    const states = new ProducerStates();
    for (let id = 0; id <= PRODUCERS_PER_PARTITION_MAX; id++) {
      states.update(batch({ producerId: BigInt(id), timestamp: id }));
    }
    expect(states.size).toBeLessThanOrEqual(PRODUCERS_PER_PARTITION_MAX);
    const ids = new Set([...states.entries()].map(({ producerId }) => producerId));
    expect(ids.has(BigInt(PRODUCERS_PER_PARTITION_MAX))).toBe(true);
    expect(ids.has(0n)).toBe(false);
  });
});

/** Keeps everything, looks at all of it, knows no state but the list. */
class NaiveModel {
  readonly appended: ProducerBatch[] = [];

  judge(incoming: ProducerBatch): string {
    const own = this.appended.filter(({ producerId }) => producerId === incoming.producerId);
    if (own.length === 0) return 'append';
    const epoch = Math.max(...own.map(({ producerEpoch }) => producerEpoch));
    const current = own.filter(({ producerEpoch }) => producerEpoch === epoch);
    if (incoming.producerEpoch < epoch) return 'INVALID_PRODUCER_EPOCH';
    if (incoming.producerEpoch > epoch) {
      return incoming.firstSequence === 0 ? 'append' : 'OUT_OF_ORDER_SEQUENCE_NUMBER';
    }
    const twin = current
      .slice(-5)
      .find(
        (known) =>
          known.firstSequence === incoming.firstSequence &&
          known.lastSequence === incoming.lastSequence,
      );
    if (twin !== undefined) return `duplicate of ${twin.firstOffset}`;
    const last = current.at(-1)?.lastSequence ?? -1;
    return incoming.firstSequence === last + 1 ? 'append' : 'OUT_OF_ORDER_SEQUENCE_NUMBER';
  }
}

test('judges as a model does that keeps every batch', () => {
  const step = fc.record({
    producerId: fc.constantFrom(1n, 2n),
    producerEpoch: fc.integer({ min: 0, max: 2 }),
    firstSequence: fc.integer({ min: 0, max: 12 }),
    count: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const states = new ProducerStates();
      const model = new NaiveModel();
      let offset = 0;
      for (const each of steps) {
        const incoming = batch({ ...each, firstOffset: offset });
        const verdict = states.check(incoming);
        const words =
          verdict.kind === 'refuse'
            ? verdict.code
            : verdict.kind === 'duplicate'
              ? `duplicate of ${verdict.of.firstOffset}`
              : 'append';
        expect(words).toBe(model.judge(incoming));
        if (verdict.kind !== 'append') continue;
        states.update(incoming);
        model.appended.push(incoming);
        offset += each.count;
      }
    }),
    { numRuns: 300 },
  );
});
