/** Where a consumer stands: what may be committed, what is fetched next, and what a seek makes void. */
import { expect, test } from '@jest/globals';
import { type Place, Positions } from '../../src/consumer/positions.ts';

const partition = { topic: 't', partition: 0 };

function started(): { positions: Positions; place: Place } {
  const positions = new Positions();
  positions.assign([partition], 'committed');
  const [place] = positions.places;
  if (place === undefined) throw new Error('nothing was assigned');
  return { positions, place };
}

test('what was handed out is done when it is taken up', () => {
  const { positions, place } = started();
  expect(positions.doneOffsets()).toEqual([]);
  positions.found(place, place.version, 10);
  expect(positions.doneOffsets()).toEqual([{ ...partition, offset: 10 }]);
  positions.handOut(place, 15);
  expect(positions.doneOffsets()).toEqual([{ ...partition, offset: 10 }]);
  positions.takeUp();
  expect(positions.doneOffsets()).toEqual([{ ...partition, offset: 15 }]);
});

test('a position found after a seek is void', () => {
  const { positions, place } = started();
  const { version } = place;
  positions.seek(place, 99);
  positions.found(place, version, 10);
  expect(place.position).toBe(99);
  positions.seek(place, 'end');
  expect([place.position, place.wanted, positions.unknown.length]).toEqual([null, 'end', 1]);
  positions.found(place, place.version, 7);
  expect([place.position, place.fetch, positions.unknown.length]).toEqual([7, 7, 0]);
});

test('what stays assigned keeps its place', () => {
  const { positions, place } = started();
  positions.found(place, place.version, 10);
  positions.assign([partition, { topic: 't', partition: 1 }], 'committed');
  expect(positions.get(partition)).toBe(place);
  expect(positions.unknown.map(({ key }) => key)).toEqual(['t-1']);
  positions.assign([], 'committed');
  expect(positions.get(partition)).toBeUndefined();
});

test.each([
  { name: 'a known position', change: {}, expected: 1 },
  { name: 'paused', change: { isPaused: true }, expected: 0 },
  { name: 'asked for already', change: { isFetching: true }, expected: 0 },
  { name: 'after an error', change: { notBeforeMs: 101 }, expected: 0 },
  { name: 'enough fetched', change: { bufferedBytes: 1_000 }, expected: 0 },
])('fetchable: $name', ({ change, expected }) => {
  const { positions, place } = started();
  expect(positions.fetchable(100, 1_000)).toHaveLength(0);
  positions.found(place, place.version, 0);
  Object.assign(place, change);
  expect(positions.fetchable(100, 1_000)).toHaveLength(expected);
});

test('a partition that was out of range, and so not asked for again, is asked for after a seek', () => {
  const { positions, place } = started();
  positions.found(place, place.version, 10);
  place.notBeforeMs = Number.POSITIVE_INFINITY;
  expect(positions.fetchable(100, 1_000)).toEqual([]);
  positions.seek(place, 'beginning');
  positions.found(place, place.version, 30);
  expect(positions.fetchable(100, 1_000)).toEqual([place]);
});
