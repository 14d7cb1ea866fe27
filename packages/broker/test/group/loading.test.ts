/** What a coordinator makes of the log it becomes the leader of: after a restart, and of what others wrote. */
import { describe, expect, test } from '@jest/globals';
import type { GroupSnapshot } from '../../src/core/group/group-types.ts';
import { groupRecord, offsetRecord } from '../../src/core/group/records.ts';
import { type Bench, joining, offsetOf, RETENTION_MS, SESSION_MS, withBench } from './support.ts';

const committed = (offset: number) => ({
  offset,
  leaderEpoch: -1,
  metadata: '',
  commitTimestampMs: 1_700_000_000_000,
  expireTimestampMs: null,
});

const snapshot = (members: readonly string[]): GroupSnapshot => ({
  state: members.length === 0 ? 'Empty' : 'Stable',
  protocolType: 'consumer',
  generation: 4,
  protocolName: members.length === 0 ? null : 'range',
  leader: members[0] ?? null,
  members: members.map((memberId) => ({
    memberId,
    instanceId: null,
    clientId: 'c',
    clientHost: '/127.0.0.1',
    sessionTimeoutMs: SESSION_MS,
    rebalanceTimeoutMs: 1000,
    metadata: Buffer.from('m'),
    assignment: Buffer.from('a'),
  })),
});

const states = ({ coordinator }: Bench) =>
  coordinator.list().groups.map(({ groupId, state }) => `${groupId} ${state}`);

describe('after a restart', () => {
  test(
    'members go on in their generation with their assignment, and their sessions begin anew',
    withBench(async (bench) => {
      const { memberId } = await bench.joinAlone('g', 'one');
      bench.environment.pass(SESSION_MS - 1);
      await bench.restart();
      const { coordinator, environment } = bench;
      expect(coordinator.describe('g').snapshot).toMatchObject({
        state: 'Stable',
        generation: 1,
        protocolName: 'range',
        leader: memberId,
        members: [{ memberId, assignment: Buffer.from('all') }],
      });
      environment.pass(SESSION_MS - 1);
      expect(coordinator.heartbeat('g', { memberId, instanceId: null }, 1)).toBe('NONE');
      environment.pass(SESSION_MS);
      expect(coordinator.describe('g').snapshot?.state).toBe('Empty');
    }),
  );

  test(
    'offsets are there, those of groups without members too, the last of each partition',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1), offsetOf('t', 1, 2)]);
      await bench.commit('g', [offsetOf('t', 0, 10)]);
      await bench.commit('', [offsetOf('u', 7, 3)]);
      await bench.restart();
      expect(bench.committed('g')).toEqual(['t-0@10', 't-1@2']);
      expect(bench.committed('')).toEqual(['u-7@3']);
      expect(states(bench)).toEqual(['g Empty', ' Empty']);
    }),
  );

  test(
    'what was deleted is gone',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1)]);
      await bench.commit('h', [offsetOf('t', 0, 1), offsetOf('u', 0, 2)]);
      expect(await bench.coordinator.delete('g')).toBe('NONE');
      await bench.coordinator.forgetTopics(['t']);
      await bench.restart();
      expect(states(bench)).toEqual(['h Empty']);
      expect(bench.committed('h')).toEqual(['u-0@2']);
    }),
  );

  test(
    'a group is empty since the time that is stored, so that its offsets expire when they should',
    withBench(
      async (bench) => {
        const { memberId } = await bench.joinAlone('g', 'one');
        await bench.commit('g', [offsetOf('t', 0, 1)], { memberId, instanceId: null }, 1);
        bench.environment.pass(SESSION_MS);
        await bench.until(() => bench.coordinator.describe('g').snapshot?.state === 'Empty');
        bench.environment.pass(RETENTION_MS / 2);
        await bench.restart();
        bench.environment.pass(RETENTION_MS / 2 - 1);
        await bench.coordinator.expireOffsets();
        expect(bench.committed('g')).toEqual(['t-0@1']);
        bench.environment.pass(1);
        await bench.coordinator.expireOffsets();
        expect(bench.committed('g')).toEqual([]);
      },
      { retentionCheckIntervalMs: Number.MAX_SAFE_INTEGER },
    ),
  );
});

describe('what others wrote', () => {
  test(
    'groups with and without members, removed ones, ones without a protocol type',
    withBench(async (bench) => {
      await bench.append([
        groupRecord('full', snapshot(['m1', 'm2']), 5),
        groupRecord('empty', snapshot([]), 5),
        groupRecord('gone', snapshot(['m1']), 5),
        offsetRecord('only-offsets', 't', 0, committed(1), 5),
        groupRecord('gone', null, 5),
        groupRecord('back', null, 5),
        groupRecord('back', snapshot([]), 5),
      ]);
      await bench.restart();
      expect(states(bench).sort()).toEqual([
        'back Empty',
        'empty Empty',
        'full Stable',
        'only-offsets Empty',
      ]);
      expect(bench.coordinator.describe('only-offsets').snapshot?.protocolType).toBeNull();
    }),
  );

  test(
    'keys of kinds that are not known, and records that cannot be read, stop nothing',
    withBench(async (bench) => {
      await bench.append([
        { key: Buffer.from([0, 3, 0, 1, 103]), value: Buffer.from('x'), timestamp: 1 },
        { key: Buffer.from([0]), value: null, timestamp: 1 },
        { key: Buffer.from([0, 2, 0, 9]), value: null, timestamp: 1 },
        { key: null, value: Buffer.from('x'), timestamp: 1 },
        { ...offsetRecord('g', 't', 0, committed(1), 1), value: Buffer.from([0]) },
        offsetRecord('g', 't', 1, committed(2), 1),
      ]);
      await bench.restart();
      expect(bench.committed('g')).toEqual(['t-1@2']);
    }),
  );

  test(
    'more than is read at once, with every codec',
    withBench(async (bench) => {
      const { log } = bench;
      for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
        const { encodeBatch, zstdReady } = await import('@odradek/protocol');
        await zstdReady;
        const records = Array.from({ length: 500 }, (_, index) =>
          offsetRecord(`g-${compression}`, 't', index, committed(index), 1),
        );
        const batch = encodeBatch({ records, compression });
        log.appendAsLeader(batch, { leaderEpoch: 0, origin: 'coordinator' });
      }
      await bench.restart();
      const counts = bench.coordinator
        .list()
        .groups.map(({ groupId }) => bench.committed(groupId).length);
      expect(counts).toEqual([500, 500, 500, 500, 500]);
    }),
  );
});

describe('transactions', () => {
  const offset = (partition: number, value: number) =>
    offsetRecord('g', 't', partition, committed(value), 1);
  const undecided = ({ coordinator }: Bench, partition: number): boolean => {
    const found = coordinator.offsetsOf('g');
    return found.ok && found.value.isUndecided('t', partition);
  };

  test(
    'their offsets count with the commit, not with the abort, and wait while there is neither',
    withBench(async (bench) => {
      await bench.append([offset(0, 1), offset(1, 1), offset(2, 1)]);
      await bench.append([offset(0, 10)], { producerId: 1n });
      await bench.append([offset(1, 11)], { producerId: 2n });
      await bench.append([offset(2, 12), offset(3, 13)], { producerId: 3n });
      await bench.endTransaction(1n, 'commit');
      await bench.endTransaction(2n, 'abort');
      await bench.restart();
      expect(bench.committed('g')).toEqual(['t-0@10', 't-1@1', 't-2@1']);
      expect([0, 1, 2, 3].map((partition) => undecided(bench, partition))).toEqual([
        false,
        false,
        true,
        true,
      ]);
    }),
  );

  test(
    'a plain commit behind them is the later one',
    withBench(async (bench) => {
      await bench.append([offset(0, 10)], { producerId: 1n });
      await bench.append([offset(0, 20)]);
      await bench.endTransaction(1n, 'commit');
      await bench.restart();
      expect(bench.committed('g')).toEqual(['t-0@20']);
    }),
  );

  test(
    'a group of which only undecided offsets are known is kept, and not forgotten by a sweep',
    withBench(async (bench) => {
      await bench.append([offset(0, 10)], { producerId: 1n });
      await bench.restart();
      bench.environment.pass(2 * RETENTION_MS);
      await bench.coordinator.expireOffsets();
      expect(states(bench)).toEqual(['g Empty']);
      expect(undecided(bench, 0)).toBe(true);
    }),
  );
});

describe('while it loads', () => {
  test(
    'heartbeats are believed, syncs sent to join again, all else told to wait',
    withBench(async (bench) => {
      await bench.joinAlone('g', 'one');
      await bench.close();
      await bench.open({ elect: false });
      const { coordinator } = bench;
      const member = { memberId: 'one', instanceId: null };
      const answers = async () => [
        coordinator.heartbeat('g', member, 1),
        (
          await coordinator.sync('g', {
            ...member,
            generationId: 1,
            protocolType: null,
            protocolName: null,
            assignments: [],
          })
        ).error,
        (await coordinator.join('g', joining('two'))).error,
        (await coordinator.leave('g', [member])).error,
        (await bench.commit('g', [offsetOf('t', 0, 1)]))[0],
        coordinator.offsetsOf('g'),
        coordinator.describe('g').error,
        await coordinator.delete('g'),
        coordinator.list().error,
      ];
      const expected = (error: string) => [
        error,
        error,
        error,
        error,
        error,
        { ok: false, error },
        error,
        error,
      ];
      expect(await answers()).toEqual([...expected('NOT_COORDINATOR'), 'NONE']);
      coordinator.elected(0, 9);
      expect(await answers()).toEqual([
        'NONE',
        'REBALANCE_IN_PROGRESS',
        ...expected('COORDINATOR_LOAD_IN_PROGRESS').slice(2),
        'COORDINATOR_LOAD_IN_PROGRESS',
      ]);
      await bench.until(() => coordinator.list().error === 'NONE');
      expect(coordinator.heartbeat('g', member, 1)).toBe('NONE');
    }),
  );

  test(
    'topics that are deleted meanwhile take their offsets along afterwards',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1), offsetOf('u', 0, 2)]);
      await bench.close();
      await bench.open({ elect: false });
      bench.coordinator.elected(0, 9);
      await bench.coordinator.forgetTopics(['t']);
      await bench.until(() => bench.committed('g').join() === 'u-0@2');
      await bench.restart();
      expect(bench.committed('g')).toEqual(['u-0@2']);
    }),
  );

  test(
    'losing the partition ends it',
    withBench(async (bench) => {
      await bench.commit('g', [offsetOf('t', 0, 1)]);
      await bench.close();
      await bench.open({ elect: false });
      bench.coordinator.elected(0, 9);
      bench.coordinator.resigned(0);
      await bench.environment.settle();
      expect(bench.committed('g')).toEqual(['NOT_COORDINATOR']);
      expect(bench.coordinator.list()).toEqual({ error: 'NONE', groups: [] });
    }),
  );
});
