/** ListGroups, DescribeGroups and DeleteGroups in every version: what differs between them. */
import { describe, expect, test } from '@jest/globals';
import { apis, errorCodes } from '@odradek/protocol';
import { deleteGroupsHandler } from '../../src/api/delete-groups.ts';
import { describeGroupsHandler } from '../../src/api/describe-groups.ts';
import { listGroupsHandler } from '../../src/api/list-groups.ts';
import { type Bench, joining, offsetOf, subscription, withBench } from '../group/support.ts';
import { ask, versions } from './ask.ts';

/** `full` has a member, `offsets` has offsets only. */
function withGroups(test: (bench: Bench) => Promise<void>): Promise<void> {
  return withBench(async (bench) => {
    await bench.joinAlone('full', 'one', { instanceId: 'i' });
    await bench.commit('offsets', [offsetOf('t', 0, 1)]);
    await test(bench);
  })();
}

describe('ListGroups', () => {
  const list = ({ coordinator }: Bench, version: number, filter: object = {}) =>
    ask(listGroupsHandler(coordinator), apis.listGroups, version, filter);

  test.each(versions(0, 5))('v%i', async (version) => {
    await withGroups(async (bench) => {
      const answer = await list(bench, version);
      expect(answer.errorCode).toBe(0);
      const groupType = version >= 5 ? 'classic' : '';
      expect(answer.groups).toEqual([
        {
          groupId: 'full',
          protocolType: 'consumer',
          groupState: version >= 4 ? 'Stable' : '',
          groupType,
        },
        {
          groupId: 'offsets',
          protocolType: '',
          groupState: version >= 4 ? 'Empty' : '',
          groupType,
        },
      ]);
    });
  });

  test.each([
    [4, { statesFilter: ['Stable'] }, ['full']],
    [4, { statesFilter: ['stable', 'EMPTY'] }, ['full', 'offsets']],
    [4, { statesFilter: ['Dead'] }, []],
    [5, { typesFilter: ['Classic'] }, ['full', 'offsets']],
    [5, { typesFilter: ['consumer'] }, []],
    [5, { typesFilter: ['consumer', 'classic'], statesFilter: ['Empty'] }, ['offsets']],
  ])('v%i with %j', async (version, filter, expected) => {
    await withGroups(async (bench) => {
      const { groups } = await list(bench, version, filter);
      expect(groups.map(({ groupId }) => groupId)).toEqual(expected);
    });
  });

  test('while a partition loads, what is known and the reason for the rest', async () => {
    await withGroups(async (bench) => {
      bench.coordinator.elected(0, 9);
      expect(await list(bench, 5)).toMatchObject({
        errorCode: errorCodes.COORDINATOR_LOAD_IN_PROGRESS,
        groups: [],
      });
      await bench.until(() => bench.coordinator.list().error === 'NONE');
    });
  });
});

describe('DescribeGroups', () => {
  const describeGroups = (
    { coordinator }: Bench,
    version: number,
    groups: string[],
    rights = false,
  ) =>
    ask(describeGroupsHandler(coordinator), apis.describeGroups, version, {
      groups,
      ...(version >= 3 ? { includeAuthorizedOperations: rights } : {}),
    });

  test.each(versions(0, 6))('v%i: a stable group', async (version) => {
    await withGroups(async (bench) => {
      const { groups } = await describeGroups(bench, version, ['full']);
      expect(groups).toEqual([
        {
          errorCode: 0,
          errorMessage: null,
          groupId: 'full',
          groupState: 'Stable',
          protocolType: 'consumer',
          protocolData: 'range',
          members: [
            {
              memberId: 'one',
              groupInstanceId: version >= 4 ? 'i' : null,
              clientId: 'client',
              clientHost: '/127.0.0.1',
              memberMetadata: subscription('read'),
              memberAssignment: Buffer.from('all'),
            },
          ],
          authorizedOperations: -0x80000000,
        },
      ]);
    });
  });

  test('a group that rebalances does not show what is about to change', async () => {
    await withGroups(async (bench) => {
      const waiting = bench.coordinator.join('full', joining('two'));
      await bench.environment.settle(2);
      const { groups } = await describeGroups(bench, 5, ['full']);
      expect(groups).toMatchObject([
        {
          groupState: 'PreparingRebalance',
          protocolType: 'consumer',
          protocolData: '',
          members: [
            { memberId: 'one', memberMetadata: Buffer.alloc(0), memberAssignment: Buffer.alloc(0) },
            { memberId: 'two', memberMetadata: Buffer.alloc(0), memberAssignment: Buffer.alloc(0) },
          ],
        },
      ]);
      bench.coordinator.resigned(0);
      await waiting;
    });
  });

  test.each(versions(0, 6))('v%i: a group that nobody knows', async (version) => {
    await withGroups(async (bench) => {
      const { groups } = await describeGroups(bench, version, ['unknown', 'offsets'], true);
      expect(groups).toMatchObject([
        {
          errorCode: version >= 6 ? errorCodes.GROUP_ID_NOT_FOUND : 0,
          errorMessage: version >= 6 ? 'Group unknown not found.' : null,
          groupState: 'Dead',
          protocolType: '',
          members: [],
        },
        { errorCode: 0, groupState: 'Empty', protocolType: '', members: [] },
      ]);
    });
  });

  test('v3+: what the caller may do, when it asks: everything', async () => {
    await withGroups(async (bench) => {
      const { groups } = await describeGroups(bench, 3, ['full'], true);
      // Read is operation 3, Delete 6, Describe 8.
      expect(groups[0]?.authorizedOperations).toBe(0b1_0100_1000);
    });
  });

  test('no coordinator for it', async () => {
    await withGroups(async (bench) => {
      bench.coordinator.resigned(0);
      const { groups } = await describeGroups(bench, 6, ['full'], true);
      expect(groups).toMatchObject([
        {
          errorCode: errorCodes.NOT_COORDINATOR,
          groupState: '',
          authorizedOperations: -0x80000000,
        },
      ]);
    });
  });
});

describe('DeleteGroups', () => {
  test.each(versions(0, 2))('v%i', async (version) => {
    await withGroups(async (bench) => {
      const handler = deleteGroupsHandler(bench.coordinator);
      const { results } = await ask(handler, apis.deleteGroups, version, {
        groupsNames: ['full', 'offsets', 'unknown', 'offsets'],
      });
      expect(results).toHaveLength(3);
      expect(results).toMatchObject([
        { groupId: 'full', errorCode: errorCodes.NON_EMPTY_GROUP },
        { groupId: 'offsets', errorCode: 0 },
        { groupId: 'unknown', errorCode: errorCodes.GROUP_ID_NOT_FOUND },
      ]);
      expect(bench.coordinator.list().groups.map(({ groupId }) => groupId)).toEqual(['full']);
    });
  });
});
