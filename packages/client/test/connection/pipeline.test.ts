/** Requests of one connection: order, deadlines, and correlation ids over their whole range. */
import { expect, test } from '@jest/globals';
import { millis } from '@odradek/runtime';
import { Pipeline } from '../../src/connection/pipeline.ts';

const entry = (correlationId: number, deadline = 0) => ({
  correlationId,
  deadline: millis(deadline),
});

test('answers belong to the oldest request', () => {
  const pipeline = new Pipeline();
  for (let id = 1; id <= 5; id += 1) pipeline.sent(entry(id));
  expect(() => pipeline.answered(2)).toThrow(/where 1 is expected/);
  for (let id = 1; id <= 5; id += 1) {
    expect(pipeline.answered(id).correlationId).toBe(id);
    expect(pipeline.count).toBe(5 - id);
  }
  expect(() => pipeline.answered(6)).toThrow(/where none is expected/);
});

test('deadlines, also behind answered requests', () => {
  const pipeline = new Pipeline();
  expect(pipeline.earliestDeadline()).toBeNull();
  for (const [id, deadline] of [
    [1, 10],
    [2, 50],
    [3, 30],
  ] as const)
    pipeline.sent(entry(id, deadline));
  pipeline.answered(1);
  expect(pipeline.earliestDeadline()).toBe(30);
  expect(pipeline.expired(millis(29))).toBeNull();
  expect(pipeline.expired(millis(30))?.correlationId).toBe(3);
  expect(pipeline.takeAll().map(({ correlationId }) => correlationId)).toEqual([2, 3]);
  expect(pipeline.count).toBe(0);
});

test('correlation ids are positive and start over', () => {
  const pipeline = new Pipeline(0x7fff_fffe);
  expect([1, 2, 3].map(() => pipeline.nextCorrelationId())).toEqual([0x7fff_ffff, 1, 2]);
});
