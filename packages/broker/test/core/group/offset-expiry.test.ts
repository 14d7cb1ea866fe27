/** KIP-211's rules, one row each. */
import { expect, test } from '@jest/globals';
import { Room } from '../../../src/core/group/limits.ts';
import { expiredOffsets, type GroupForExpiry } from '../../../src/core/group/offset-expiry.ts';
import { OffsetTable } from '../../../src/core/group/offsets.ts';

const RETENTION_MS = 1000;
const COMMITTED_AT = 5000;

const consumers: GroupForExpiry = {
  protocolType: 'consumer',
  isEmpty: false,
  isStable: true,
  emptySinceMs: null,
  subscribed: new Set(['other']),
};
const empty: GroupForExpiry = { ...consumers, isEmpty: true, isStable: false, subscribed: null };
const standalone: GroupForExpiry = { ...empty, protocolType: null };

test.each<[string, GroupForExpiry, { expireAt?: number | null; now: number; expired: boolean }]>([
  ['standalone, before the end of retention', standalone, { now: 5999, expired: false }],
  ['standalone, at the end of retention', standalone, { now: 6000, expired: true }],
  [
    'empty, counted from when it became so',
    { ...empty, emptySinceMs: 9000 },
    { now: 9999, expired: false },
  ],
  [
    'empty for as long as retention',
    { ...empty, emptySinceMs: 9000 },
    { now: 10_000, expired: true },
  ],
  ['empty since nobody knows when: counted from the commit', empty, { now: 6000, expired: true }],
  ['stable, of a topic that nobody reads', consumers, { now: 6000, expired: true }],
  ['stable, of a topic that nobody reads, still young', consumers, { now: 5999, expired: false }],
  [
    'stable, of a topic that is read',
    { ...consumers, subscribed: new Set(['t']) },
    { now: 99_999, expired: false },
  ],
  [
    'stable, of members whose topics are not known',
    { ...consumers, subscribed: null },
    { now: 99_999, expired: false },
  ],
  ['rebalancing', { ...consumers, isStable: false }, { now: 99_999, expired: false }],
  ['with its own expiry, before it', standalone, { expireAt: 7000, now: 6999, expired: false }],
  ['with its own expiry, at it', standalone, { expireAt: 7000, now: 7000, expired: true }],
  [
    'with its own expiry, earlier than retention',
    standalone,
    { expireAt: 5100, now: 5100, expired: true },
  ],
  [
    'with its own expiry, but in use',
    { ...consumers, subscribed: new Set(['t']) },
    { expireAt: 5100, now: 9000, expired: false },
  ],
])('%s', (_what, group, { expireAt = null, now, expired }) => {
  const table = new OffsetTable(new Room(1 << 20));
  table.set('t', 3, {
    offset: 1,
    leaderEpoch: -1,
    metadata: '',
    commitTimestampMs: COMMITTED_AT,
    expireTimestampMs: expireAt,
    logOffset: 0,
  });
  expect(expiredOffsets(table, group, now, RETENTION_MS)).toEqual(
    expired ? [{ topic: 't', partition: 3 }] : [],
  );
});

test.each(['plain', 'transactional'])('never with a %s commit on its way', (kind) => {
  const table = new OffsetTable(new Room(1 << 20));
  const committed = {
    offset: 1,
    leaderEpoch: -1,
    metadata: '',
    commitTimestampMs: COMMITTED_AT,
    expireTimestampMs: null,
    logOffset: 0,
  };
  table.set('t', 0, committed);
  if (kind === 'plain') table.beginWrite('t', 0);
  else table.hold(1n, { topic: 't', partition: 0, committed });
  expect(expiredOffsets(table, standalone, 99_999, RETENTION_MS)).toEqual([]);
});
