/** The coordinator over a real log: members, commits, failures to write, leadership that goes, deletion, expiry. */
import { describe, expect, test } from '@jest/globals';
import { groupLimits } from '../../src/core/group/limits.ts';
import {
  anonymous,
  type Bench,
  joining,
  offsetOf,
  RETENTION_MS,
  SESSION_MS,
  SWEEP_MS,
  subscription,
  withBench,
} from './support.ts';

/** No sweep but those that a test makes. */
const byHand = { retentionCheckIntervalMs: Number.MAX_SAFE_INTEGER };
const one = { memberId: 'one', instanceId: null };
const state = ({ coordinator }: Bench, groupId = 'g') =>
  coordinator.describe(groupId).snapshot?.state;
const groupIds = ({ coordinator }: Bench) =>
  coordinator.list().groups.map(({ groupId }) => groupId);

describe('who is answered what', () => {
  test(
    'a group without a name is nothing to join, but consumers without a group commit under it',
    withBench(async (bench) => {
      const { coordinator } = bench;
      const sync = {
        ...one,
        generationId: 1,
        protocolType: null,
        protocolName: null,
        assignments: [],
      };
      expect((await coordinator.join('', joining('one'))).error).toBe('INVALID_GROUP_ID');
      expect((await coordinator.sync('', sync)).error).toBe('INVALID_GROUP_ID');
      expect(coordinator.heartbeat('', one, 1)).toBe('INVALID_GROUP_ID');
      expect((await coordinator.leave('', [one])).error).toBe('INVALID_GROUP_ID');
      expect(await bench.commit('', [offsetOf('t', 0, 1)])).toEqual(['NONE']);
      expect(coordinator.describe('').snapshot?.state).toBe('Empty');
      expect(await coordinator.delete('')).toBe('NONE');
    }),
  );

  test(
    'of a group that nobody knows',
    withBench(async (bench) => {
      const { coordinator } = bench;
      const sync = {
        ...one,
        generationId: 1,
        protocolType: null,
        protocolName: null,
        assignments: [],
      };
      expect((await coordinator.join('g', joining('x', { memberId: 'one' }))).error).toBe(
        'UNKNOWN_MEMBER_ID',
      );
      expect((await coordinator.sync('g', sync)).error).toBe('UNKNOWN_MEMBER_ID');
      expect(coordinator.heartbeat('g', one, 1)).toBe('UNKNOWN_MEMBER_ID');
      expect(await coordinator.leave('g', [one, one])).toEqual({
        error: 'NONE',
        members: ['UNKNOWN_MEMBER_ID', 'UNKNOWN_MEMBER_ID'],
      });
      expect(await bench.commit('g', [offsetOf('t', 0, 1)], one, 3)).toEqual([
        'ILLEGAL_GENERATION',
      ]);
      expect(bench.committed('g')).toEqual([]);
      expect(coordinator.describe('g')).toEqual({ error: 'NONE', snapshot: null });
      expect(await coordinator.delete('g')).toBe('GROUP_ID_NOT_FOUND');
      expect(groupIds(bench)).toEqual([]);
    }),
  );

  test.each([
    [5999, 'INVALID_SESSION_TIMEOUT'],
    [1_800_001, 'INVALID_SESSION_TIMEOUT'],
  ])('a session of %i ms is refused', async (sessionTimeoutMs, error) => {
    await withBench(async ({ coordinator }) => {
      const result = await coordinator.join('g', joining('one', { sessionTimeoutMs }));
      expect(result.error).toBe(error);
    })();
  });

  test(
    'a broker that does not lead the partition says so before it looks at anything else',
    withBench(async (bench) => {
      bench.coordinator.resigned(0);
      const result = await bench.coordinator.join('g', joining('one', { sessionTimeoutMs: 1 }));
      expect(result.error).toBe('NOT_COORDINATOR');
      bench.partitionCount = null;
      expect(bench.committed('g')).toEqual(['NOT_COORDINATOR']);
    }),
  );

  test(
    'after the stop there is no coordinator',
    withBench(async ({ coordinator }) => {
      coordinator.stop();
      expect(coordinator.heartbeat('g', one, 1)).toBe('COORDINATOR_NOT_AVAILABLE');
      expect(coordinator.list()).toEqual({ error: 'COORDINATOR_NOT_AVAILABLE', groups: [] });
      coordinator.elected(0, 99);
      expect(coordinator.heartbeat('g', one, 1)).toBe('COORDINATOR_NOT_AVAILABLE');
    }),
  );
});

describe('groups that came to nothing leave nothing', () => {
  test(
    'a join that is refused, a commit that cannot be written',
    withBench(async (bench) => {
      await bench.coordinator.join('a', joining('one', { protocols: [] }));
      bench.failWith = 'NOT_ENOUGH_REPLICAS';
      await bench.commit('b', [offsetOf('t', 0, 1)]);
      bench.failWith = null;
      await bench.commit('c', [{ ...offsetOf('t', 0, 1), metadata: 'x'.repeat(21) }]);
      expect(groupIds(bench)).toEqual([]);
    }),
  );

  test(
    'a group for an id that was handed out is there until that is forgotten',
    withBench(async (bench) => {
      const { coordinator, environment, log } = bench;
      const before = log.nextOffset;
      await coordinator.join('g', joining('one', { requiresKnownMemberId: true }));
      expect(groupIds(bench)).toEqual(['g']);
      await coordinator.expireOffsets();
      expect(groupIds(bench)).toEqual(['g']);
      environment.pass(SESSION_MS);
      await coordinator.expireOffsets();
      expect(groupIds(bench)).toEqual([]);
      expect(log.nextOffset).toBe(before); // There was no record to remove.
    }),
  );
});

describe('commits', () => {
  test(
    'are seen once they are written, not before',
    withBench(async (bench) => {
      bench.waiting = [];
      const commit = bench.commit('g', [offsetOf('t', 0, 1)]);
      await bench.until(() => bench.waiting?.length === 1);
      expect(bench.committed('g')).toEqual([]);
      bench.waiting[0]?.();
      expect(await commit).toEqual(['NONE']);
      expect(bench.committed('g')).toEqual(['t-0@1']);
    }),
  );

  test(
    'that cross: the later one in the log counts',
    withBench(async (bench) => {
      bench.waiting = [];
      const first = bench.commit('g', [offsetOf('t', 0, 1)]);
      const second = bench.commit('g', [offsetOf('t', 0, 2)]);
      await bench.until(() => bench.waiting?.length === 2);
      bench.waiting[1]?.();
      await second;
      bench.waiting[0]?.();
      await first;
      expect(bench.committed('g')).toEqual(['t-0@2']);
    }),
  );

  test(
    'with too long a text are refused by themselves; characters count',
    withBench(async (bench) => {
      const errors = await bench.commit('g', [
        { ...offsetOf('t', 0, 1), metadata: 'é'.repeat(20) },
        { ...offsetOf('t', 1, 1), metadata: 'x'.repeat(21) },
        offsetOf('t', 2, 1),
      ]);
      expect(errors).toEqual(['NONE', 'OFFSET_METADATA_TOO_LARGE', 'NONE']);
      expect(bench.committed('g')).toEqual(['t-0@1', 't-2@1']);
    }),
  );

  test.each([
    ['UNKNOWN_TOPIC_OR_PARTITION', 'COORDINATOR_NOT_AVAILABLE'],
    ['NOT_ENOUGH_REPLICAS', 'COORDINATOR_NOT_AVAILABLE'],
    ['NOT_LEADER_OR_FOLLOWER', 'NOT_COORDINATOR'],
    ['MESSAGE_TOO_LARGE', 'INVALID_COMMIT_OFFSET_SIZE'],
    ['REQUEST_TIMED_OUT', 'REQUEST_TIMED_OUT'],
  ] as const)('that fail with %s are answered %s', async (failure, answer) => {
    await withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1)]);
      bench.failWith = failure;
      const errors = await bench.commit('g', [
        offsetOf('t', 0, 2),
        { ...offsetOf('t', 1, 1), metadata: 'x'.repeat(21) },
      ]);
      expect(errors).toEqual([answer, 'OFFSET_METADATA_TOO_LARGE']);
      expect(bench.committed('g')).toEqual(['t-0@1']);
    })();
  });

  test(
    'keep a member alive',
    withBench(async (bench) => {
      await bench.joinAlone('g', 'one');
      for (let n = 0; n < 3; n++) {
        bench.environment.pass(SESSION_MS - 1);
        expect(await bench.commit('g', [offsetOf('t', 0, n)], one, 1)).toEqual(['NONE']);
      }
      expect(state(bench)).toBe('Stable');
    }),
  );

  test(
    'beyond the room that there is are refused; those of partitions that have an offset go on',
    withBench(
      async (bench) => {
        const offsets = Array.from({ length: 5 }, (_, partition) => offsetOf('t', partition, 1));
        for (const offset of offsets) await bench.commit('g', [offset]);
        expect(bench.committed('g')).toEqual(['t-0@1', 't-1@1', 't-2@1']);
        expect(await bench.commit('g', [offsetOf('t', 3, 1), offsetOf('t', 0, 2)])).toEqual([
          'COORDINATOR_NOT_AVAILABLE',
          'NONE',
        ]);
        await bench.coordinator.delete('g');
        expect(await bench.commit('h', [offsetOf('t', 3, 1)])).toEqual(['NONE']);
        expect(bench.complaints).toEqual([
          'there is no room for more committed offsets: clients are refused',
        ]);
      },
      { limits: { ...groupLimits, offsetsMaxBytes: 1000 } },
    ),
  );
});

describe('groups beyond the room that there is', () => {
  test(
    'are asked to try again',
    withBench(
      async (bench) => {
        await bench.commit('a', [offsetOf('t', 0, 1)]);
        await bench.commit('b', [offsetOf('t', 0, 1)]);
        expect(await bench.commit('c', [offsetOf('t', 0, 1)])).toEqual([
          'COORDINATOR_NOT_AVAILABLE',
        ]);
        const join = await bench.coordinator.join('d', joining('one'));
        expect(join.error).toBe('COORDINATOR_NOT_AVAILABLE');
        await bench.coordinator.delete('a');
        expect(await bench.commit('c', [offsetOf('t', 0, 1)])).toEqual(['NONE']);
      },
      { limits: { ...groupLimits, groupsMaxBytes: 8000 } },
    ),
  );
});

describe('the group record', () => {
  test(
    'that cannot be written: members are told, and rebalance',
    withBench(async (bench) => {
      const { coordinator } = bench;
      bench.failWith = 'REQUEST_TIMED_OUT';
      const join = coordinator.join('g', joining('one'));
      await bench.environment.settle(1);
      bench.environment.pass(0);
      const { generationId } = await join;
      const sync = await coordinator.sync('g', {
        ...one,
        generationId,
        protocolType: null,
        protocolName: null,
        assignments: [],
      });
      expect(sync.error).toBe('REBALANCE_IN_PROGRESS');
      expect(state(bench)).toBe('PreparingRebalance');
      expect(bench.complaints).toEqual(['a group could not be stored: REQUEST_TIMED_OUT']);
    }),
  );
});

describe('leadership that goes while members wait', () => {
  test(
    'their joins and syncs are answered',
    withBench(async (bench) => {
      const { coordinator } = bench;
      await bench.joinAlone('g', 'one');
      bench.waiting = [];
      const join = coordinator.join('g', joining('two'));
      await bench.environment.settle(1);
      coordinator.resigned(0);
      expect((await join).error).toBe('NOT_COORDINATOR');
      expect(coordinator.heartbeat('g', one, 1)).toBe('NOT_COORDINATOR');
    }),
  );

  test(
    'a sync whose record is being written is answered, and the record changes nothing here',
    withBench(async (bench) => {
      const { coordinator } = bench;
      const join = coordinator.join('g', joining('one'));
      await bench.environment.settle(1);
      bench.environment.pass(0);
      const { generationId } = await join;
      bench.waiting = [];
      const syncing = {
        ...one,
        generationId,
        protocolType: null,
        protocolName: null,
        assignments: [],
      };
      const sync = coordinator.sync('g', syncing);
      await bench.until(() => bench.waiting?.length === 1);
      coordinator.stop();
      expect((await sync).error).toBe('NOT_COORDINATOR');
      bench.waiting[0]?.();
      await bench.environment.settle();
      expect(coordinator.list().groups).toEqual([]);
    }),
  );

  test(
    'a new epoch loads everything anew; the same one changes nothing',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1)]);
      bench.coordinator.elected(0, 1);
      expect(bench.coordinator.list().error).toBe('NONE');
      bench.coordinator.elected(0, 2);
      expect(bench.coordinator.list().error).toBe('COORDINATOR_LOAD_IN_PROGRESS');
      await bench.until(() => bench.coordinator.list().error === 'NONE');
      expect(bench.committed('g')).toEqual(['t-0@1']);
    }),
  );

  test(
    'what was being removed under the old epoch is not removed any more',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1)]);
      await bench.commit('h', [offsetOf('t', 0, 1)]);
      bench.waiting = [];
      const forgetting = bench.coordinator.forgetTopics(['t']);
      await bench.until(() => bench.waiting?.length === 1);
      const before = bench.log.nextOffset;
      bench.coordinator.elected(0, 7);
      for (const go of bench.waiting) go();
      await forgetting;
      expect(bench.log.nextOffset).toBe(before);
    }),
  );
});

describe('a partition that cannot be loaded', () => {
  test(
    'says so, answers that it loads, and is tried again',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1)]);
      await bench.close();
      await bench.open({ elect: false });
      const read = bench.log.read.bind(bench.log);
      let failures = 1;
      bench.log.read = (...parameters) => {
        if (failures-- > 0) throw new Error('the disk is on fire');
        return read(...parameters);
      };
      bench.coordinator.elected(0, 5);
      await bench.until(() => bench.complaints.length > 0);
      expect(bench.complaints).toEqual(['groups cannot be loaded: Error: the disk is on fire']);
      expect(bench.committed('g')).toEqual(['COORDINATOR_LOAD_IN_PROGRESS']);
      bench.environment.pass(5000);
      await bench.until(() => bench.coordinator.list().error === 'NONE');
      expect(bench.committed('g')).toEqual(['t-0@1']);
    }),
  );
});

describe('deleting', () => {
  test(
    'a group with members is refused; with ids that were only handed out it is not',
    withBench(async (bench) => {
      const { coordinator } = bench;
      await bench.joinAlone('g', 'one');
      expect(await coordinator.delete('g')).toBe('NON_EMPTY_GROUP');
      await coordinator.join('h', joining('two', { requiresKnownMemberId: true }));
      expect(await coordinator.delete('h')).toBe('NONE');
      const join = await coordinator.join('h', joining('x', { memberId: 'two' }));
      expect(join.error).toBe('UNKNOWN_MEMBER_ID');
    }),
  );

  test(
    'whoever comes meanwhile is asked to try again, and finds a new group then',
    withBench(async (bench) => {
      const { coordinator } = bench;
      await bench.commit('g', [offsetOf('t', 0, 1)]);
      bench.waiting = [];
      const deletion = coordinator.delete('g');
      await bench.until(() => bench.waiting?.length === 1);
      expect((await coordinator.join('g', joining('one'))).error).toBe('COORDINATOR_NOT_AVAILABLE');
      expect(await bench.commit('g', [offsetOf('t', 0, 2)])).toEqual(['COORDINATOR_NOT_AVAILABLE']);
      expect(await coordinator.leave('g', [one])).toEqual({
        error: 'COORDINATOR_NOT_AVAILABLE',
        members: [],
      });
      expect(await coordinator.delete('g')).toBe('GROUP_ID_NOT_FOUND');
      expect(state(bench)).toBe('Dead');
      bench.waiting[0]?.();
      bench.waiting = null;
      expect(await deletion).toBe('NONE');
      expect(await bench.commit('g', [offsetOf('u', 0, 2)])).toEqual(['NONE']);
      expect(bench.committed('g')).toEqual(['u-0@2']);
    }),
  );

  test(
    'that cannot be written is no deletion',
    withBench(async (bench) => {
      await bench.joinAlone('g', 'one');
      await bench.commit('g', [offsetOf('t', 0, 1)], one, 1);
      await bench.coordinator.leave('g', [one]);
      bench.failWith = 'NOT_ENOUGH_REPLICAS';
      expect(await bench.coordinator.delete('g')).toBe('COORDINATOR_NOT_AVAILABLE');
      bench.failWith = null;
      expect(state(bench)).toBe('Empty');
      expect(bench.coordinator.describe('g').snapshot?.generation).toBe(2);
      expect(bench.committed('g')).toEqual(['t-0@1']);
      expect(await bench.coordinator.delete('g')).toBe('NONE');
      await bench.restart();
      expect(groupIds(bench)).toEqual([]);
    }),
  );

  test(
    'takes a commit with it that was on its way, in memory and after a restart',
    withBench(async (bench) => {
      bench.waiting = [];
      const commit = bench.commit('g', [offsetOf('t', 0, 1)]);
      await bench.until(() => bench.waiting?.length === 1);
      const deletion = bench.coordinator.delete('g');
      await bench.until(() => bench.waiting?.length === 2);
      bench.waiting[0]?.();
      await commit;
      bench.waiting[1]?.();
      await deletion;
      bench.waiting = null;
      expect(groupIds(bench)).toEqual([]);
      await bench.restart();
      expect(groupIds(bench)).toEqual([]);
    }),
  );

  test(
    'more offsets than fit one batch',
    withBench(async (bench) => {
      const topics = Array.from({ length: 30 }, (_, index) => `${index}${'t'.repeat(240)}`);
      for (const topic of topics)
        await bench.commit(
          'g',
          Array.from({ length: 50 }, (_, partition) => offsetOf(topic, partition, 1)),
        );
      let appends = 0;
      const append = bench.log.appendAsLeader.bind(bench.log);
      bench.log.appendAsLeader = (...parameters) => {
        appends += 1;
        return append(...parameters);
      };
      expect(await bench.coordinator.delete('g')).toBe('NONE');
      expect(appends).toBe(2);
      await bench.restart();
      expect(groupIds(bench)).toEqual([]);
    }),
  );
});

describe('deleted topics', () => {
  test(
    'take their offsets out of every group, those on their way too',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1), offsetOf('u', 0, 2)]);
      bench.waiting = [];
      const commit = bench.commit('h', [offsetOf('t', 0, 3)]);
      await bench.until(() => bench.waiting?.length === 1);
      const forgetting = bench.coordinator.forgetTopics(['t']);
      await bench.until(() => bench.waiting?.length === 2);
      for (const go of bench.waiting.splice(0)) go();
      await commit;
      await bench.until(() => bench.waiting?.length === 1);
      for (const go of bench.waiting.splice(0)) go();
      await forgetting;
      expect([bench.committed('g'), bench.committed('h')]).toEqual([['u-0@2'], []]);
      bench.waiting = null;
      await bench.restart();
      expect([bench.committed('g'), bench.committed('h')]).toEqual([['u-0@2'], []]);
    }),
  );
});

describe('expiry', () => {
  test(
    'comes round by itself, and takes groups that have nothing left',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1)]);
      for (let passed = 0; passed < RETENTION_MS; passed += SWEEP_MS) {
        expect(groupIds(bench)).toEqual(['g']);
        bench.environment.pass(SWEEP_MS);
        await bench.environment.settle();
      }
      await bench.until(() => groupIds(bench).length === 0);
      await bench.restart();
      expect(groupIds(bench)).toEqual([]);
    }),
  );

  test(
    'an empty group that had members keeps its offsets from when the last one left',
    withBench(async (bench) => {
      await bench.joinAlone('g', 'one');
      await bench.commit('g', [offsetOf('t', 0, 1)], one, 1);
      for (let passed = 0; passed < 2 * RETENTION_MS; passed += SESSION_MS / 2) {
        bench.environment.pass(SESSION_MS / 2);
        bench.coordinator.heartbeat('g', one, 1);
      }
      await bench.commit('g', [offsetOf('read', 0, 1)], one, 1);
      await bench.coordinator.leave('g', [one]);
      bench.environment.pass(RETENTION_MS - 1);
      await bench.coordinator.expireOffsets();
      expect(bench.committed('g')).toContain('read-0@1');
      bench.environment.pass(1);
      await bench.coordinator.expireOffsets();
      expect(groupIds(bench)).toEqual([]);
    }, byHand),
  );

  test(
    'members keep the offsets of what they read, and lose those of what they no longer read',
    withBench(async (bench) => {
      await bench.joinAlone('g', 'one', {
        protocols: [{ name: 'range', metadata: subscription('read') }],
      });
      await bench.commit('g', [offsetOf('read', 0, 1), offsetOf('left', 0, 2)], one, 1);
      for (let passed = 0; passed < RETENTION_MS; passed += SESSION_MS / 2) {
        bench.environment.pass(SESSION_MS / 2);
        bench.coordinator.heartbeat('g', one, 1);
      }
      await bench.coordinator.expireOffsets();
      expect(bench.committed('g')).toEqual(['read-0@1']);
      expect(state(bench)).toBe('Stable');
    }, byHand),
  );

  test(
    'an old client says itself how long',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1)], anonymous, -1, 5000);
      await bench.restart();
      bench.environment.pass(4999);
      await bench.coordinator.expireOffsets();
      expect(bench.committed('g')).toEqual(['t-0@1']);
      bench.environment.pass(1);
      await bench.coordinator.expireOffsets();
      expect(groupIds(bench)).toEqual([]);
    }, byHand),
  );

  test(
    'does not remove an offset behind a commit that is on its way',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1)]);
      bench.environment.pass(RETENTION_MS);
      bench.waiting = [];
      const commit = bench.commit('g', [offsetOf('t', 0, 2)]);
      await bench.until(() => bench.waiting?.length === 1);
      await bench.coordinator.expireOffsets();
      bench.waiting[0]?.();
      await commit;
      expect(bench.committed('g')).toEqual(['t-0@2']);
      await bench.restart();
      expect(bench.committed('g')).toEqual(['t-0@2']);
    }, byHand),
  );

  test(
    'that cannot be written is tried again next time',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1)]);
      bench.environment.pass(RETENTION_MS);
      bench.failWith = 'NOT_ENOUGH_REPLICAS';
      await bench.coordinator.expireOffsets();
      expect(bench.committed('g')).toEqual(['t-0@1']);
      bench.failWith = null;
      await bench.coordinator.expireOffsets();
      expect(groupIds(bench)).toEqual([]);
    }, byHand),
  );
});
