/** OffsetCommit and OffsetFetch in every version: what differs between them. */
import { describe, expect, test } from '@jest/globals';
import { apis, errorCodes } from '@odradek/protocol';
import { offsetCommitHandler } from '../../src/api/offset-commit.ts';
import { offsetFetchHandler } from '../../src/api/offset-fetch.ts';
import { offsetRecord } from '../../src/core/group/records.ts';
import { type Bench, withBench } from '../group/support.ts';
import { ask, versions } from './ask.ts';

const partition = (partitionIndex: number, committedOffset: number, changes: object = {}) => ({
  partitionIndex,
  committedOffset,
  committedMetadata: null,
  ...changes,
});

/** Topic `t` exists with partitions 0 to 9. */
const exists = (topic: string, index: number): boolean => topic === 't' && index < 10;

function commit(bench: Bench, version: number, changes: object) {
  return ask(offsetCommitHandler(bench.coordinator, exists), apis.offsetCommit, version, {
    groupId: 'g',
    topics: [],
    ...changes,
  });
}

/** From v10 on topics have ids; before that decoding puts the zero id in its place. */
const named = <Partitions>({ name, partitions }: { name: string; partitions: Partitions }) => ({
  name,
  partitions,
});

const nothing = (partitionIndex: number, errorCode = 0) => ({
  partitionIndex,
  committedOffset: -1,
  committedLeaderEpoch: -1,
  metadata: '',
  errorCode,
});

describe('OffsetCommit', () => {
  test.each(versions(1, 9))('v%i: of a consumer without a group', async (version) => {
    await withBench(async (bench) => {
      const topics = [
        {
          name: 't',
          partitions: [
            partition(0, 10, {
              committedMetadata: 'text',
              ...(version >= 6 ? { committedLeaderEpoch: 3 } : {}),
              ...(version === 1 ? { commitTimestamp: 1234 } : {}),
            }),
            partition(77, 1),
          ],
        },
        { name: 'nowhere', partitions: [partition(0, 1)] },
      ];
      const answer = await commit(bench, version, { topics });
      expect(answer.topics.map(named)).toEqual([
        {
          name: 't',
          partitions: [
            { partitionIndex: 0, errorCode: 0 },
            { partitionIndex: 77, errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION },
          ],
        },
        {
          name: 'nowhere',
          partitions: [{ partitionIndex: 0, errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION }],
        },
      ]);
      const found = bench.coordinator.offsetsOf('g');
      const nowMs = bench.environment.clock.wallTime();
      expect(found.ok && found.value.get('t', 0)).toMatchObject({
        offset: 10,
        leaderEpoch: version >= 6 ? 3 : -1,
        metadata: 'text',
        commitTimestampMs: version === 1 ? 1234 : nowMs,
        expireTimestampMs: null,
      });
    })();
  });

  test.each(versions(2, 4))('v%i: with a retention of its own', async (version) => {
    await withBench(async (bench) => {
      const topics = [{ name: 't', partitions: [partition(0, 10)] }];
      await commit(bench, version, { topics, retentionTimeMs: 5000 });
      const found = bench.coordinator.offsetsOf('g');
      expect(found.ok && found.value.get('t', 0)?.expireTimestampMs).toBe(
        bench.environment.clock.wallTime() + 5000,
      );
    })();
  });

  test.each([
    [
      'of an unknown group',
      { groupId: 'h', generationIdOrMemberEpoch: 3, memberId: 'one' },
      'ILLEGAL_GENERATION',
    ],
    ['of a member', { generationIdOrMemberEpoch: 1, memberId: 'one' }, 'NONE'],
    [
      'of an old generation',
      { generationIdOrMemberEpoch: 0, memberId: 'one' },
      'ILLEGAL_GENERATION',
    ],
    ['of a stranger', { generationIdOrMemberEpoch: 1, memberId: 'x' }, 'UNKNOWN_MEMBER_ID'],
    ['of nobody', {}, 'UNKNOWN_MEMBER_ID'],
    [
      'of an old self',
      { generationIdOrMemberEpoch: 1, memberId: 'x', groupInstanceId: 'i' },
      'FENCED_INSTANCE_ID',
    ],
    [
      'of an unknown instance',
      { generationIdOrMemberEpoch: 1, memberId: 'one', groupInstanceId: 'j' },
      'UNKNOWN_MEMBER_ID',
    ],
  ] as const)('%s, in a group with members', async (_what, who, error) => {
    await withBench(async (bench) => {
      await bench.joinAlone('g', 'one', { instanceId: 'i' });
      const topics = [{ name: 't', partitions: [partition(0, 10), partition(1, 11)] }];
      const answer = await commit(bench, 9, { topics, ...who });
      const errors = answer.topics[0]?.partitions.map(({ errorCode }) => errorCode);
      expect(errors).toEqual([errorCodes[error], errorCodes[error]]);
    })();
  });

  test('of nothing that exists makes no group and asks no coordinator', async () => {
    await withBench(async (bench) => {
      bench.coordinator.resigned(0);
      expect((await commit(bench, 9, {})).topics).toEqual([]);
      await bench.elect();
      await commit(bench, 9, { topics: [{ name: 'nowhere', partitions: [partition(0, 1)] }] });
      expect(bench.coordinator.list().groups).toEqual([]);
    })();
  });
});

describe('OffsetFetch', () => {
  const asked = [{ name: 't', partitionIndexes: [0, 5] }];

  async function fetch(
    bench: Bench,
    version: number,
    topics: typeof asked | null,
    requireStable = false,
  ) {
    const stable = version >= 7 ? { requireStable } : {};
    const answer = await ask(
      offsetFetchHandler(bench.coordinator),
      apis.offsetFetch,
      version,
      version >= 8
        ? { groups: [{ groupId: 'g', topics }], ...stable }
        : { groupId: 'g', topics, ...stable },
    );
    const [group] = answer.groups;
    return group === undefined
      ? { errorCode: answer.errorCode, topics: answer.topics.map(named) }
      : { errorCode: group.errorCode, topics: group.topics.map(named) };
  }

  async function withOffset(test: (bench: Bench) => Promise<void>): Promise<void> {
    await withBench(async (bench) => {
      const topics = [
        {
          name: 't',
          partitions: [partition(0, 10, { committedMetadata: 'text', committedLeaderEpoch: 3 })],
        },
      ];
      await commit(bench, 6, { topics });
      await test(bench);
    })();
  }

  const committed = (version: number) => ({
    partitionIndex: 0,
    committedOffset: 10,
    committedLeaderEpoch: version >= 5 ? 3 : -1,
    metadata: 'text',
    errorCode: 0,
  });

  test.each(versions(1, 9))('v%i: what is there and what is not', async (version) => {
    await withOffset(async (bench) => {
      expect(await fetch(bench, version, asked)).toEqual({
        errorCode: 0,
        topics: [{ name: 't', partitions: [committed(version), nothing(5)] }],
      });
    });
  });

  test.each(versions(2, 9))('v%i: everything', async (version) => {
    await withOffset(async (bench) => {
      expect(await fetch(bench, version, null)).toEqual({
        errorCode: 0,
        topics: [{ name: 't', partitions: [committed(version)] }],
      });
    });
  });

  test.each(versions(1, 9))('v%i: no coordinator for it', async (version) => {
    await withOffset(async (bench) => {
      bench.coordinator.resigned(0);
      const code = errorCodes.NOT_COORDINATOR;
      // Before v2 there is no error but that of each partition.
      expect(await fetch(bench, version, asked)).toEqual(
        version === 1
          ? {
              errorCode: 0,
              topics: [{ name: 't', partitions: [nothing(0, code), nothing(5, code)] }],
            }
          : { errorCode: code, topics: [] },
      );
    });
  });

  test('v8+: several groups, each with its error', async () => {
    await withOffset(async (bench) => {
      const answer = await ask(offsetFetchHandler(bench.coordinator), apis.offsetFetch, 9, {
        groups: [
          { groupId: 'g', topics: asked },
          { groupId: 'unknown', topics: asked },
          { groupId: 'unknown', topics: null },
        ],
      });
      const groups = answer.groups.map((group) => ({ ...group, topics: group.topics.map(named) }));
      expect(groups).toEqual([
        {
          groupId: 'g',
          errorCode: 0,
          topics: [{ name: 't', partitions: [committed(9), nothing(5)] }],
        },
        {
          groupId: 'unknown',
          errorCode: 0,
          topics: [{ name: 't', partitions: [nothing(0), nothing(5)] }],
        },
        { groupId: 'unknown', errorCode: 0, topics: [] },
      ]);
    });
  });

  test.each(versions(7, 9))(
    'v%i: an offset that an open transaction may change',
    async (version) => {
      await withOffset(async (bench) => {
        const value = {
          offset: 99,
          leaderEpoch: -1,
          metadata: '',
          commitTimestampMs: 1,
          expireTimestampMs: null,
        };
        await bench.append([offsetRecord('g', 't', 0, value, 1)], { producerId: 1n });
        await bench.elect();
        expect((await fetch(bench, version, asked, true)).topics[0]?.partitions).toEqual([
          nothing(0, errorCodes.UNSTABLE_OFFSET_COMMIT),
          nothing(5),
        ]);
        expect((await fetch(bench, version, asked, false)).topics[0]?.partitions).toEqual([
          committed(version),
          nothing(5),
        ]);
      });
    },
  );
});
