/**
 * Goal: delayed requests are answered once, at the right moment, and leave nothing behind. Method:
 * time and turns are pushed by hand, partitions are stand-ins that note who waits for them.
 */
import { describe, expect, test } from '@jest/globals';
import { BufferPool } from '@odradek/runtime';
import { DelayedFetch, FetchWakeups, foundBytes } from '../../src/replica/delayed-fetch.ts';
import { DelayedProduce } from '../../src/replica/delayed-produce.ts';
import {
  type FetchRead,
  type FetchTarget,
  NOT_TOLD,
  type PartitionRead,
} from '../../src/replica/fetch-read.ts';
import type { OffsetWaiter } from '../../src/replica/offset-waiters.ts';
import type { Partition, Sleeper } from '../../src/replica/partition.ts';
import { DeadlineQueue } from '../../src/time/deadline-queue.ts';
import { ManualTime } from '../manual-time.ts';

const TARGET: FetchTarget = {
  topic: 't',
  topicId: '',
  partition: 0,
  fetchOffset: 0,
  maxBytes: 1_000,
  currentLeaderEpoch: -1,
  lastFetchedEpoch: -1,
  logStartOffset: -1,
  knownHighWatermark: NOT_TOLD,
};

/** A partition as those who wait see it. */
class StandIn {
  readonly waiters: OffsetWaiter[] = [];
  readonly sleepers = new Set<Sleeper>();
  abandonedCount = 0;
  isUnder = false;
  readonly leader = { isUnderMinIsr: () => this.isUnder };

  whenReplicated(waiter: OffsetWaiter): void {
    this.waiters.push(waiter);
  }
  whenWritten(waiter: OffsetWaiter): void {
    this.waiters.push(waiter);
  }
  abandoned(): void {
    this.abandonedCount += 1;
  }
  sleep(sleeper: Sleeper): void {
    this.sleepers.add(sleeper);
  }
  forget(sleeper: Sleeper): void {
    this.sleepers.delete(sleeper);
  }
  get asPartition(): Partition {
    return this as unknown as Partition;
  }
}

describe('a delayed produce', () => {
  function scene(requiredAcks: -1 | 1, count = 2) {
    const time = new ManualTime();
    const queue = new DeadlineQueue(time);
    const partitions = Array.from({ length: count }, () => new StandIn());
    const outcomes: (string | null)[] = partitions.map(() => null);
    let doneCount = 0;
    const delayed = new DelayedProduce(requiredAcks, () => {
      doneCount += 1;
    });
    for (const [index, partition] of partitions.entries())
      delayed.expect(partition.asPartition, 10, {
        failed: (error) => {
          outcomes[index] = error;
        },
      });
    delayed.begin(queue, 1_000);
    return { time, partitions, outcomes, done: () => doneCount };
  }

  test('is done when its last partition is, and its timer is gone then', () => {
    const { time, partitions, outcomes, done } = scene(-1);
    partitions[1]?.waiters[0]?.reached();
    expect(done()).toBe(0);
    partitions[0]?.waiters[0]?.reached();
    expect(done()).toBe(1);
    time.pass(10_000);
    expect(done()).toBe(1);
    expect(outcomes).toEqual([null, null]);
    expect(time.armedCount).toBe(0);
  });

  test('at the end of its time fails those that are open, and only those', () => {
    const { time, partitions, outcomes, done } = scene(-1);
    partitions[0]?.waiters[0]?.reached();
    time.pass(999);
    expect(done()).toBe(0);
    time.pass(1);
    expect(done()).toBe(1);
    expect(outcomes).toEqual([null, 'REQUEST_TIMED_OUT']);
    expect(partitions.map(({ abandonedCount }) => abandonedCount)).toEqual([0, 1]);
    expect(partitions[1]?.waiters[0]?.settled).toBe(true);
  });

  test('is told when the ISR fell below the minimum meanwhile', () => {
    const { partitions, outcomes, done } = scene(-1, 1);
    const [partition] = partitions;
    if (!partition) throw new Error('a partition');
    partition.isUnder = true;
    partition.waiters[0]?.reached();
    expect([done(), outcomes]).toEqual([1, ['NOT_ENOUGH_REPLICAS_AFTER_APPEND']]);
  });

  test('with acks=1 waits for the disk, however long', () => {
    const { time, partitions, outcomes, done } = scene(1);
    time.pass(100_000);
    expect(done()).toBe(0);
    for (const partition of partitions) partition.waiters[0]?.reached();
    expect([done(), outcomes]).toEqual([1, [null, null]]);
  });

  test('with nothing to wait for is done at once', () => {
    expect(scene(-1, 0).done()).toBe(1);
  });
});

describe('a delayed fetch', () => {
  const partOf = (
    sizeBytes: number,
    urgent = false,
    lent: PartitionRead['lent'] = [],
  ): PartitionRead => ({
    target: TARGET,
    answer: { partitionIndex: 0, errorCode: 0, highWatermark: 0, records: [] },
    sizeBytes,
    source: null,
    urgent,
    lent,
  });
  const readOf = (...parts: readonly PartitionRead[]): FetchRead => ({
    reads: parts,
    sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    urgent: parts.some(({ urgent }) => urgent),
  });

  /** What there is of each partition; what was read: all, or the index of one. */
  function scene({ maxWaitMs = 500, minBytes = 10, count = 1 } = {}) {
    const time = new ManualTime();
    const queue = new DeadlineQueue(time);
    const partitions = Array.from({ length: count }, () => new StandIn());
    const parts = partitions.map(() => partOf(0));
    const looks: (number | 'all')[] = [];
    const answers: FetchRead[] = [];
    const fetch = new DelayedFetch(
      {
        partitions: partitions.map(({ asPartition }) => asPartition),
        until: ['high-watermark'],
        minBytes,
        found: foundBytes(readOf(...parts)),
        readOne: (index) => {
          looks.push(index);
          return parts[index] ?? partOf(0);
        },
        read: () => {
          looks.push('all');
          return readOf(...parts);
        },
        done: (read) => answers.push(read),
        failed: (error) => {
          throw error;
        },
      },
      new FetchWakeups(time.timers),
      queue,
    );
    fetch.begin(maxWaitMs);
    const wake = (index = 0): void => {
      const partition = partitions[index];
      for (const sleeper of partition?.sleepers ?? [])
        if (partition !== undefined) sleeper.wake(partition.asPartition);
    };
    return { time, partitions, parts, looks, answers, wake, fetch };
  }

  test('looks once per turn, however often it is woken', () => {
    const { time, looks, answers, wake } = scene();
    for (let n = 0; n < 100; n += 1) wake();
    time.endTurn();
    expect(looks).toEqual(['all']);
    expect(answers).toEqual([]);
  });

  test('is answered when there is enough, and then waits for nothing', () => {
    const { time, partitions, parts, answers, wake } = scene();
    parts[0] = partOf(9);
    wake();
    time.endTurn();
    expect(answers).toEqual([]);
    parts[0] = partOf(10);
    wake();
    time.endTurn();
    expect(answers).toEqual([readOf(partOf(10))]);
    expect(partitions[0]?.sleepers.size).toBe(0);
    time.pass(10_000);
    expect(answers).toHaveLength(1);
    expect(time.armedCount).toBe(0);
  });

  test('of many partitions looks at those that moved, and reads all when they are enough', () => {
    const { time, parts, looks, answers, wake } = scene({ count: 1_000 });
    parts[700] = partOf(6);
    wake(700);
    wake(700);
    time.endTurn();
    expect([looks, answers]).toEqual([[700], []]);
    parts[3] = partOf(3);
    wake(3);
    time.endTurn();
    parts[3] = partOf(4);
    wake(3);
    time.endTurn();
    expect(looks).toEqual([700, 3, 3, 'all']);
    expect(answers).toEqual([readOf(...parts)]);
  });

  test('gives back the memory of what it only looked at', () => {
    const { time, parts, looks, answers, wake } = scene({ count: 2 });
    const memory = new BufferPool().take(10);
    parts[1] = partOf(3, false, [memory]);
    memory.hold();
    wake(1);
    time.endTurn();
    expect([looks, answers, memory.holders]).toEqual([[1], [], 1]);
  });

  test('is answered when what moved was enough, whatever the limits then leave of it', () => {
    const { time, parts, answers, wake } = scene({ count: 2 });
    const seen = partOf(50);
    Object.defineProperty(parts, 0, { get: () => (answers.length > 0 ? partOf(1) : seen) });
    wake(0);
    time.endTurn();
    expect(answers).toHaveLength(1);
  });

  test('never looks while nothing moves', () => {
    const { time, looks } = scene({ maxWaitMs: 60_000 });
    time.pass(59_999);
    expect(looks).toEqual([]);
  });

  test('is answered with what there is when its time is up', () => {
    const { time, parts, answers } = scene();
    parts[0] = partOf(3);
    time.pass(501);
    expect(answers).toEqual([readOf(partOf(3))]);
  });

  test('is answered with what there is when its peer cannot wait', () => {
    const { time, parts, answers, fetch } = scene();
    parts[0] = partOf(3);
    fetch.hurry();
    time.endTurn();
    expect(answers).toEqual([readOf(partOf(3))]);
  });

  test.each([1, 2])('is answered at once with an error, of %i partitions', (count) => {
    const { time, parts, answers, wake } = scene({ count });
    parts[0] = partOf(0, true);
    wake();
    time.endTurn();
    expect(answers).toEqual([readOf(...parts)]);
  });

  test('that is abandoned reads nothing, and leaves nothing behind', () => {
    const { time, partitions, looks, answers, wake, fetch } = scene({ count: 3 });
    wake(1);
    fetch.abandon();
    time.endTurn();
    time.pass(10_000);
    expect([looks, answers]).toEqual([[], [readOf()]]);
    expect(partitions.map(({ sleepers }) => sleepers.size)).toEqual([0, 0, 0]);
    expect(time.armedCount).toBe(0);
  });
});
