/** The table of committed offsets: what counts when commits, removals and transactions cross, and what it weighs. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Room } from '../../../src/core/group/limits.ts';
import { type CommittedOffset, OffsetTable } from '../../../src/core/group/offsets.ts';

const committed = (offset: number, logOffset: number, metadata = ''): CommittedOffset => ({
  offset,
  leaderEpoch: -1,
  metadata,
  commitTimestampMs: 0,
  expireTimestampMs: null,
  logOffset,
});

const table = (): OffsetTable => new OffsetTable(new Room(1 << 20));

describe('plain commits', () => {
  test('the later one in the log counts, whatever the order of acknowledgement', () => {
    const offsets = table();
    offsets.set('t', 0, committed(20, 8));
    offsets.set('t', 0, committed(10, 7));
    expect(offsets.get('t', 0)).toEqual(committed(20, 8));
  });

  test('a removal takes what lies before it, and nothing that lies behind it', () => {
    const offsets = table();
    offsets.set('t', 0, committed(10, 5));
    offsets.remove('t', 0, 4);
    expect(offsets.get('t', 0)?.offset).toBe(10);
    offsets.remove('t', 0, 6);
    expect(offsets.get('t', 0)).toBeUndefined();
    expect(offsets.isEmpty).toBe(true);
  });

  test('all of them, and those that are only being written', () => {
    const offsets = table();
    offsets.set('t', 0, committed(1, 1));
    offsets.set('u', 3, committed(2, 2));
    offsets.beginWrite('t', 0);
    offsets.beginWrite('t', 1);
    expect([...offsets.all()].map(({ topic, partition }) => [topic, partition])).toEqual([
      ['t', 0],
      ['u', 3],
    ]);
    expect([...offsets.known()].map(({ topic, partition }) => `${topic}-${partition}`)).toEqual([
      't-0',
      'u-3',
      't-1',
    ]);
    expect(offsets.size).toBe(2);
  });

  test('a partition is pending as long as one of its commits is', () => {
    const offsets = table();
    offsets.beginWrite('t', 0);
    offsets.beginWrite('t', 0);
    expect(offsets.isEmpty).toBe(false);
    offsets.endWrite('t', 0);
    expect(offsets.isPending('t', 0)).toBe(true);
    offsets.endWrite('t', 0);
    expect(offsets.isPending('t', 0)).toBe(false);
    expect(offsets.isEmpty).toBe(true);
  });
});

describe('commits of transactions', () => {
  const held = (offset: number, logOffset: number, partition = 0) => ({
    topic: 't',
    partition,
    committed: committed(offset, logOffset),
  });

  test('count when theirs is committed', () => {
    const offsets = table();
    offsets.set('t', 0, committed(1, 1));
    offsets.hold(7n, held(5, 2));
    expect(offsets.get('t', 0)?.offset).toBe(1);
    expect([offsets.isUndecided('t', 0), offsets.isPending('t', 0)]).toEqual([true, true]);
    offsets.endTransaction(7n, 'commit');
    expect(offsets.get('t', 0)?.offset).toBe(5);
    expect(offsets.isUndecided('t', 0)).toBe(false);
  });

  test('do not count when it is aborted', () => {
    const offsets = table();
    offsets.hold(7n, held(5, 2));
    expect(offsets.isEmpty).toBe(false);
    offsets.endTransaction(7n, 'abort');
    expect(offsets.isEmpty).toBe(true);
  });

  test('lose against a plain commit behind them', () => {
    const offsets = table();
    offsets.hold(7n, held(5, 2));
    offsets.set('t', 0, committed(9, 3));
    offsets.endTransaction(7n, 'commit');
    expect(offsets.get('t', 0)?.offset).toBe(9);
  });

  test('wait for each producer by itself', () => {
    const offsets = table();
    offsets.hold(7n, held(5, 2));
    offsets.hold(8n, held(6, 3));
    offsets.hold(8n, held(6, 4, 1));
    offsets.endTransaction(7n, 'commit');
    expect([offsets.isUndecided('t', 0), offsets.isUndecided('t', 1)]).toEqual([true, true]);
    offsets.endTransaction(8n, 'abort');
    offsets.endTransaction(9n, 'commit');
    expect(offsets.isUndecided('t', 0)).toBe(false);
    expect([...offsets.all()]).toEqual([held(5, 2)]);
  });
});

describe('the room that it takes', () => {
  test('is what growth was foretold, and comes back with everything', () => {
    const step = fc.record({
      what: fc.constantFrom('set', 'remove', 'hold', 'end'),
      topic: fc.constantFrom('a', 'bbb'),
      partition: fc.nat(2),
      metadata: fc.string({ maxLength: 20 }),
      producer: fc.bigInt(0n, 1n),
      at: fc.nat(30),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), (steps) => {
        const room = new Room(1 << 20);
        const offsets = new OffsetTable(room);
        for (const { what, topic, partition, metadata, producer, at } of steps) {
          const value = committed(at, at, metadata);
          if (what === 'set') {
            const known = offsets.get(topic, partition);
            const counts = known === undefined || known.logOffset <= at;
            const expected =
              room.usedBytes + (counts ? offsets.growthBytes(topic, partition, metadata) : 0);
            offsets.set(topic, partition, value);
            expect(room.usedBytes).toBe(expected);
          } else if (what === 'remove') offsets.remove(topic, partition, at);
          else if (what === 'hold') offsets.hold(producer, { topic, partition, committed: value });
          else offsets.endTransaction(producer, at % 2 === 0 ? 'commit' : 'abort');
          expect(offsets.size).toBe([...offsets.all()].length);
        }
        offsets.clear();
        expect(room.usedBytes).toBe(0);
        expect(offsets.isEmpty).toBe(true);
      }),
    );
  });
});
