/** Goal: the two judges of connections that cost too much, by themselves. */
import { expect, test } from '@jest/globals';
import { LongReplies, ReplyLimits } from '../../src/server/reply-limits.ts';
import { type SlowReader, SlowReaders } from '../../src/server/slow-readers.ts';

class Reader implements SlowReader {
  gaveUpAt: number | null = null;
  giveUp(unsentBytes: number): void {
    this.gaveUpAt = unsentBytes;
  }
}

const limits = { perConnection: 100, total: 150, ignored: 10 };

test('a connection with too much unread is given up', () => {
  const readers = new SlowReaders(limits);
  const one = new Reader();
  readers.notified(one, 10);
  expect(readers.count).toBe(0);
  readers.notified(one, 100);
  expect([readers.count, readers.totalBytes, one.gaveUpAt]).toEqual([1, 100, null]);
  readers.notified(one, 101);
  expect([readers.count, readers.totalBytes, one.gaveUpAt]).toEqual([0, 0, 101]);
  expect(readers.closedCount).toBe(1);
});

test('when all together have too much unread, the worst is given up', () => {
  const readers = new SlowReaders(limits);
  const [small, big, last] = [new Reader(), new Reader(), new Reader()];
  readers.notified(small, 40);
  readers.notified(big, 80);
  readers.notified(last, 31);
  expect([small.gaveUpAt, big.gaveUpAt, last.gaveUpAt]).toEqual([null, 80, null]);
  expect(readers.totalBytes).toBe(71);
});

test('who has read is no longer counted', () => {
  const readers = new SlowReaders(limits);
  const [one, two] = [new Reader(), new Reader()];
  readers.notified(one, 90);
  readers.forget(one);
  readers.notified(two, 90);
  readers.notified(two, 5);
  expect([readers.count, readers.totalBytes]).toEqual([0, 0]);
});

const LONG = 2_000_000;
const DEFAULT = 1_048_575;

function breaks(all: ReplyLimits, session: bigint, times: number): (string | null)[] {
  return Array.from({ length: times }, () => {
    const connection = new LongReplies(all);
    connection.sent(session, LONG, 1_000);
    return connection.broke(session, 1_010);
  });
}

test('two breaks in a row after long answers are a rule, for that session', () => {
  const all = new ReplyLimits(0);
  expect(all.limitOf(1n)).toBe(Number.POSITIVE_INFINITY);
  expect(breaks(all, 1n, 2)).toEqual([null, expect.stringContaining('jute.maxbuffer')]);
  expect(all.limitOf(1n)).toBe(DEFAULT);
  expect(all.limitOf(2n)).toBe(Number.POSITIVE_INFINITY);
  all.forget(1n);
  expect(all.limitOf(1n)).toBe(Number.POSITIVE_INFINITY);
});

test('a long answer that was taken well clears the first break; a late or ordinary break is none', () => {
  const all = new ReplyLimits(0);
  breaks(all, 1n, 1);
  const connection = new LongReplies(all);
  connection.sent(1n, LONG, 1_000);
  connection.sent(1n, 50, 6_000);
  breaks(all, 1n, 1);
  expect(all.limitOf(1n)).toBe(Number.POSITIVE_INFINITY);
  const late = new LongReplies(all);
  late.sent(1n, LONG, 1_000);
  expect(late.broke(1n, 6_000)).toBeNull();
  const short = new LongReplies(all);
  short.sent(1n, DEFAULT, 1_000);
  expect(short.broke(1n, 1_001)).toBeNull();
  expect(all.limitOf(1n)).toBe(Number.POSITIVE_INFINITY);
});

test('what is configured holds for everybody, and a rule never raises it', () => {
  const all = new ReplyLimits(5_000);
  expect(all.limitOf(1n)).toBe(5_000);
  breaks(all, 1n, 2);
  expect(all.limitOf(1n)).toBe(5_000);
});
