/**
 * Goal: delayed requests are answered once, at the right moment, and leave nothing behind. Method:
 * time and turns are pushed by hand, partitions are stand-ins that note who waits for them.
 */
import { describe, expect, test } from '@jest/globals';
import { DelayedFetch, FetchWakeups } from '../../src/replica/delayed-fetch.ts';
import { DelayedProduce } from '../../src/replica/delayed-produce.ts';
import type { FetchRead } from '../../src/replica/fetch-read.ts';
import type { OffsetWaiter } from '../../src/replica/offset-waiters.ts';
import type { Partition, Sleeper } from '../../src/replica/partition.ts';
import { DeadlineQueue } from '../../src/time/deadline-queue.ts';
import { ManualTime } from '../manual-time.ts';

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
  const readOf = (sizeBytes: number, urgent = false): FetchRead => ({
    reads: [],
    sizeBytes,
    urgent,
  });

  function scene(maxWaitMs = 500, minBytes = 10) {
    const time = new ManualTime();
    const queue = new DeadlineQueue(time);
    const partition = new StandIn();
    const state = { next: readOf(0), readCount: 0, answers: [] as FetchRead[] };
    new DelayedFetch(
      {
        partitions: [partition.asPartition],
        until: 'high-watermark',
        minBytes,
        read: () => {
          state.readCount += 1;
          return state.next;
        },
        done: (read) => state.answers.push(read),
        failed: (error) => {
          throw error;
        },
      },
      new FetchWakeups(time.timers),
      queue,
    ).begin(maxWaitMs);
    const wake = (): void => {
      for (const sleeper of partition.sleepers) sleeper.wake();
    };
    return { time, partition, state, wake };
  }

  test('looks once per turn, however often it is woken', () => {
    const { time, state, wake } = scene();
    for (let n = 0; n < 100; n += 1) wake();
    time.endTurn();
    expect(state.readCount).toBe(1);
    expect(state.answers).toEqual([]);
  });

  test('is answered when there is enough, and then waits for nothing', () => {
    const { time, partition, state, wake } = scene();
    state.next = readOf(9);
    wake();
    time.endTurn();
    expect(state.answers).toEqual([]);
    state.next = readOf(10);
    wake();
    time.endTurn();
    expect(state.answers).toEqual([readOf(10)]);
    expect(partition.sleepers.size).toBe(0);
    time.pass(10_000);
    expect(state.answers).toHaveLength(1);
    expect(time.armedCount).toBe(0);
  });

  test('never looks while nothing moves', () => {
    const { time, state } = scene(60_000);
    time.pass(59_999);
    expect(state.readCount).toBe(0);
  });

  test('is answered with what there is when its time is up', () => {
    const { time, state } = scene(500);
    state.next = readOf(3);
    time.pass(501);
    expect(state.answers).toEqual([readOf(3)]);
  });

  test('is answered at once with an error', () => {
    const { time, state, wake } = scene();
    state.next = readOf(0, true);
    wake();
    time.endTurn();
    expect(state.answers).toEqual([readOf(0, true)]);
  });
});
