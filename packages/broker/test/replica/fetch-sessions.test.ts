/**
 * Goal: the session cache is bounded, and gives room to those who need it more. Method: tables over
 * a full cache; the protocol itself is tried in requests.test.ts.
 */
import { expect, test } from '@jest/globals';
import { apis, type FetchRequest } from '@odradek/protocol';
import { FetchSessions } from '../../src/replica/fetch-sessions.ts';

const MINUTE_MS = 60_000;

/** A request for `count` partitions that asks for a new session. */
function creation(count: number, replicaId = -1): FetchRequest {
  const { request } = apis.fetch;
  const body = {
    ...(replicaId >= 0 ? { replicaId } : {}),
    maxWaitMs: 0,
    minBytes: 1,
    sessionId: 0,
    sessionEpoch: 0,
    topics: [
      {
        topic: 't',
        partitions: Array.from({ length: count }, (_, partition) => ({
          partition,
          fetchOffset: 0,
          partitionMaxBytes: 1,
        })),
      },
    ],
  };
  return request.decode(request.encode(body, 12), 12);
}

function sessions(slots: number) {
  let next = 0;
  const cache = new FetchSessions({
    slots,
    randomBelow: () => (next += 1),
    tellsHighWatermarks: false,
    topicNameById: () => undefined,
  });
  const create = (request: FetchRequest, now: number): number => {
    const plan = cache.plan(request, 12, now);
    if (typeof plan === 'string') throw new Error(plan);
    return plan.conclude([]).sessionId;
  };
  return { cache, create };
}

test.each([
  { name: 'a newcomer while all are in use', newcomer: creation(5), now: 1_000, admitted: false },
  {
    name: 'a newcomer when one was idle for long',
    newcomer: creation(1),
    now: 3 * MINUTE_MS,
    admitted: true,
  },
  { name: 'a follower among consumers', newcomer: creation(1, 2), now: 1_000, admitted: true },
])('in a full cache, $name: $admitted', ({ newcomer, now, admitted }) => {
  const { cache, create } = sessions(2);
  for (const count of [3, 4]) expect(create(creation(count), 0)).toBeGreaterThan(0);
  expect(create(newcomer, now) > 0).toBe(admitted);
  expect(cache.size).toBe(2);
});

test('followers are not pushed out by consumers, however many partitions these have', () => {
  const { create } = sessions(1);
  const follower = create(creation(1, 2), 0);
  expect(follower).toBeGreaterThan(0);
  expect(create(creation(1_000), 1_000)).toBe(0);
});

test('an old session that is in use gives way to one of more partitions', () => {
  const { cache, create } = sessions(1);
  const id = create(creation(3), 0);
  const { request } = apis.fetch;
  const again = request.decode(
    request.encode({ maxWaitMs: 0, minBytes: 1, sessionId: id, sessionEpoch: 1, topics: [] }, 12),
    12,
  );
  expect(typeof cache.plan(again, 12, 3 * MINUTE_MS)).toBe('object');
  expect(create(creation(3), 3 * MINUTE_MS + 1)).toBe(0);
  expect(create(creation(4), 3 * MINUTE_MS + 1)).toBeGreaterThan(0);
});

test('no slots, no sessions', () => {
  expect(sessions(0).create(creation(1), 0)).toBe(0);
});

test('a session made with topic names is of no use with ids', () => {
  const { cache, create } = sessions(1);
  const id = create(creation(1), 0);
  const { request } = apis.fetch;
  const withIds = request.decode(
    request.encode({ maxWaitMs: 0, minBytes: 1, sessionId: id, sessionEpoch: 1, topics: [] }, 13),
    13,
  );
  expect(cache.plan(withIds, 13, 1)).toBe('FETCH_SESSION_TOPIC_ID_ERROR');
});

test('a session from which all partitions are taken ends', () => {
  const { cache, create } = sessions(1);
  const id = create(creation(1), 0);
  const { request } = apis.fetch;
  const forgetting = request.decode(
    request.encode(
      {
        maxWaitMs: 0,
        minBytes: 1,
        sessionId: id,
        sessionEpoch: 1,
        topics: [],
        forgottenTopicsData: [{ topic: 't', partitions: [0] }],
      },
      12,
    ),
    12,
  );
  const plan = cache.plan(forgetting, 12, 1);
  if (typeof plan === 'string') throw new Error(plan);
  expect(plan.targets).toEqual([]);
  expect(plan.conclude([]).sessionId).toBe(0);
  expect(cache.size).toBe(0);
});
