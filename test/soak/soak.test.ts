/** The judges of the soak run: each fault that it is to find is planted, and a run without one is let through. */
import { describe, expect, test } from '@jest/globals';
import { growth, judge, type Sample } from './bounds.ts';
import { Ledger, TableLedger } from './ledger.ts';

describe('ledger', () => {
  const written = [0, 1, 2, 3].map((sequence) => ({ writer: 7, sequence }));
  const run = (
    read: readonly (readonly [sequence: number, offset: number])[],
    fromStart = true,
  ): { readonly faults: readonly string[]; readonly missing: number } => {
    const faults: string[] = [];
    const ledger = new Ledger((fault) => faults.push(fault));
    for (const [offset, mark] of written.entries()) ledger.acknowledged('t-0', mark, offset);
    const reader = ledger.reader('reader', fromStart);
    for (const [sequence, offset] of read) reader.read('t-0', { writer: 7, sequence }, offset);
    return { faults, missing: reader.missing() };
  };

  test.each([
    {
      what: 'all, in order',
      read: [
        [0, 0],
        [1, 1],
        [2, 2],
        [3, 3],
      ],
      faults: 0,
      missing: 0,
    },
    {
      what: 'not all yet',
      read: [
        [0, 0],
        [1, 1],
      ],
      faults: 0,
      missing: 2,
    },
    {
      what: 'one is lost',
      read: [
        [0, 0],
        [2, 1],
        [3, 2],
      ],
      faults: 1,
      missing: 0,
    },
    {
      what: 'one is doubled',
      read: [
        [0, 0],
        [1, 1],
        [1, 2],
        [2, 3],
      ],
      faults: 1,
      missing: 1,
    },
    {
      what: 'two have changed places',
      read: [
        [1, 0],
        [0, 1],
        [2, 2],
      ],
      faults: 3,
      missing: 1,
    },
    {
      what: 'an offset is left out',
      read: [
        [0, 0],
        [1, 2],
      ],
      faults: 1,
      missing: 2,
    },
    {
      what: 'the first is lost',
      read: [
        [1, 1],
        [2, 2],
        [3, 3],
      ],
      faults: 2,
      missing: 0,
    },
  ] as const)('$what', ({ read, faults, missing }) => {
    const found = run(read);
    expect([found.faults.length, found.missing]).toEqual([faults, missing]);
  });

  test('who reads from wherever the log begins misses nothing from there on', () => {
    expect(
      run(
        [
          [2, 2],
          [3, 3],
        ],
        false,
      ).faults,
    ).toEqual([]);
    expect(
      run(
        [
          [1, 1],
          [3, 2],
        ],
        false,
      ).faults,
    ).toHaveLength(1);
  });

  test('what is acknowledged twice, or not in order, is a fault', () => {
    const faults: string[] = [];
    const ledger = new Ledger((fault) => faults.push(fault));
    ledger.acknowledged('t-0', { writer: 1, sequence: 0 }, 5);
    ledger.acknowledged('t-0', { writer: 1, sequence: 0 }, 6);
    ledger.acknowledged('t-0', { writer: 1, sequence: 1 }, 4);
    expect(faults).toHaveLength(2);
  });

  test('a table has the newest of each key', () => {
    const faults: string[] = [];
    const table = new TableLedger((fault) => faults.push(fault));
    table.acknowledged('a', 1);
    table.acknowledged('b', 2);
    const good = table.beginReading('good');
    table.acknowledged('b', 9); // After the reading began: may be there or not.
    good.read('a', 0);
    good.read('a', 1);
    good.read('b', 2);
    good.end();
    expect(faults).toEqual([]);
    const bad = table.beginReading('bad');
    bad.read('a', 1);
    bad.read('a', 0);
    bad.read('b', 2);
    bad.end();
    expect(faults).toHaveLength(3);
  });
});

describe('bounds', () => {
  const bounds = {
    warmUpPart: 0.25,
    memoryMegabytesMax: 300,
    memoryGrowthMegabytesMax: 40,
    handlesMax: 100,
    handlesGrowthMax: 10,
    diskMegabytesMax: 500,
    tableMegabytesMax: 50,
  };
  const samples = (of: (second: number) => Partial<Sample>): Sample[] =>
    Array.from({ length: 100 }, (_, seconds) => ({
      seconds,
      memoryMegabytes: 150 + (seconds % 7) * 8, // Garbage comes and goes.
      handles: 50 + (seconds % 3),
      diskMegabytes: 300,
      tableMegabytes: 20,
      loopDelayMs: 10,
      ...of(seconds),
    }));
  const broken = (of: (second: number) => Partial<Sample>): readonly string[] =>
    judge(samples(of), bounds).flatMap(({ what, value, limit }) => (value > limit ? [what] : []));

  test.each([
    { what: 'nothing grows', of: () => ({}), found: [] },
    {
      what: 'the warm-up does not count',
      of: (s: number) => (s < 20 ? { memoryMegabytes: 900 } : {}),
      found: [],
    },
    {
      what: 'a leak of a megabyte each second',
      of: (s: number) => ({ memoryMegabytes: 100 + s }),
      found: ['growth of memory, MB'],
    },
    {
      what: 'a peak',
      of: (s: number) => (s === 60 ? { memoryMegabytes: 301 } : {}),
      found: ['memory, MB'],
    },
    { what: 'handles', of: (s: number) => ({ handles: s }), found: ['growth of handles'] },
    {
      what: 'a disk that is not freed',
      of: (s: number) => ({ diskMegabytes: s * 10 }),
      found: ['disk, MB'],
    },
    {
      what: 'a table that is not cleaned',
      of: (s: number) => ({ tableMegabytes: s }),
      found: ['disk of the compacted topic, MB'],
    },
  ])('$what', ({ of, found }) => {
    expect(broken(of)).toEqual(found);
  });

  test('growth is of medians: one sample says nothing', () => {
    expect(growth([5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 99, 5, 5])).toBe(0);
  });
});
