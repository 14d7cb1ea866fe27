/** Leader epochs: the rules of KIP-101 as tables, with the worked example of a diverged follower. */
import { describe, expect, test } from '@jest/globals';
import { EPOCHS_PER_PARTITION_MAX, LeaderEpochs } from '../../src/log/leader-epochs.ts';

type Pairs = readonly (readonly [number, number])[];

const epochsOf = (pairs: Pairs): LeaderEpochs =>
  new LeaderEpochs(pairs.map(([epoch, startOffset]) => ({ epoch, startOffset })));
const pairsOf = (epochs: LeaderEpochs): Pairs =>
  epochs.entries.map(({ epoch, startOffset }) => [epoch, startOffset]);

describe('assigning', () => {
  const table: { name: string; before: Pairs; assign: [number, number]; after: Pairs }[] = [
    { name: 'the first', before: [], assign: [3, 10], after: [[3, 10]] },
    {
      name: 'a later one',
      before: [[1, 0]],
      assign: [2, 5],
      after: [
        [1, 0],
        [2, 5],
      ],
    },
    {
      name: 'the same again',
      before: [
        [1, 0],
        [2, 5],
      ],
      assign: [2, 9],
      after: [
        [1, 0],
        [2, 5],
      ],
    },
    {
      name: 'two at one offset',
      before: [
        [1, 0],
        [2, 5],
      ],
      assign: [3, 5],
      after: [
        [1, 0],
        [3, 5],
      ],
    },
    {
      name: 'an earlier one',
      before: [
        [1, 0],
        [4, 5],
      ],
      assign: [3, 8],
      after: [
        [1, 0],
        [3, 8],
      ],
    },
    {
      name: 'an earlier start',
      before: [
        [1, 0],
        [2, 5],
        [3, 7],
      ],
      assign: [4, 5],
      after: [
        [1, 0],
        [4, 5],
      ],
    },
    { name: 'none', before: [[1, 0]], assign: [-1, 5], after: [[1, 0]] },
  ];
  test.each(table)('$name', ({ before, assign, after }) => {
    const epochs = epochsOf(before);
    epochs.assign(...assign);
    expect(pairsOf(epochs)).toEqual(after);
    expect(epochs.version > 0).toBe(JSON.stringify(before) !== JSON.stringify(after));
  });

  test('there is a bound, the oldest are forgotten', () => {
    const epochs = new LeaderEpochs();
    for (let epoch = 0; epoch < EPOCHS_PER_PARTITION_MAX + 5; epoch++) epochs.assign(epoch, epoch);
    expect(epochs.entries).toHaveLength(EPOCHS_PER_PARTITION_MAX);
    expect(epochs.entries[0]?.epoch).toBe(5);
  });
});

describe('where an epoch ends, in a log that ends at 20', () => {
  const some: Pairs = [
    [1, 0],
    [3, 8],
    [5, 15],
  ];
  const table: { entries: Pairs; asked: number; answer: [number, number] }[] = [
    { entries: [], asked: 0, answer: [-1, -1] },
    { entries: some, asked: -1, answer: [-1, -1] },
    { entries: some, asked: 0, answer: [0, 0] },
    { entries: some, asked: 1, answer: [1, 8] },
    { entries: some, asked: 2, answer: [1, 8] },
    { entries: some, asked: 3, answer: [3, 15] },
    { entries: some, asked: 4, answer: [3, 15] },
    { entries: some, asked: 5, answer: [5, 20] },
    { entries: some, asked: 6, answer: [-1, -1] },
  ];
  test.each(table)('$asked: $answer', ({ entries, asked, answer: [epoch, endOffset] }) => {
    expect(epochsOf(entries).endOf(asked, 20)).toEqual({ epoch, endOffset });
  });

  test('a follower that went astray finds where to cut', () => {
    const leader = epochsOf([
      [0, 0],
      [2, 12],
    ]);
    const follower = epochsOf([
      [0, 0],
      [1, 10],
    ]);
    const told = leader.endOf(1, 20);
    expect(told).toEqual({ epoch: 0, endOffset: 12 });
    expect(follower.endOf(told.epoch, 15)).toEqual({ epoch: 0, endOffset: 10 });
  });
});

describe('cutting', () => {
  const all: Pairs = [
    [0, 0],
    [2, 10],
    [3, 20],
  ];
  test.each<{ at: number; after: Pairs }>([
    { at: 21, after: all },
    {
      at: 20,
      after: [
        [0, 0],
        [2, 10],
      ],
    },
    { at: 10, after: [[0, 0]] },
    { at: 0, after: [] },
  ])('the end at $at', ({ at, after }) => {
    const epochs = epochsOf(all);
    epochs.truncateEnd(at);
    expect(pairsOf(epochs)).toEqual(after);
  });

  test.each<{ at: number; after: Pairs }>([
    { at: 0, after: all },
    {
      at: 5,
      after: [
        [0, 5],
        [2, 10],
        [3, 20],
      ],
    },
    {
      at: 10,
      after: [
        [2, 10],
        [3, 20],
      ],
    },
    {
      at: 15,
      after: [
        [2, 15],
        [3, 20],
      ],
    },
    { at: 99, after: [[3, 99]] },
  ])('the start at $at', ({ at, after }) => {
    const epochs = epochsOf(all);
    epochs.truncateStart(at);
    expect(pairsOf(epochs)).toEqual(after);
  });

  test('an epoch that begins above the new start is left alone', () => {
    const epochs = epochsOf([[4, 50]]);
    epochs.truncateStart(20);
    expect(pairsOf(epochs)).toEqual([[4, 50]]);
  });
});

test.each([
  { offset: 0, epoch: 0 },
  { offset: 9, epoch: 0 },
  { offset: 10, epoch: 2 },
  { offset: 500, epoch: 2 },
])('offset $offset was appended in epoch $epoch', ({ offset, epoch }) => {
  expect(
    epochsOf([
      [0, 0],
      [2, 10],
    ]).epochOf(offset),
  ).toBe(epoch);
});
