/** JoinGroup, SyncGroup, Heartbeat and LeaveGroup in every version: what differs between them. */

import { describe, expect, test } from '@jest/globals';
import { apis, errorCodes } from '@odradek/protocol';
import { nodeEnvironment } from '@odradek/runtime';
import { heartbeatHandler } from '../../src/api/heartbeat.ts';
import { joinGroupHandler } from '../../src/api/join-group.ts';
import { leaveGroupHandler } from '../../src/api/leave-group.ts';
import { syncGroupHandler } from '../../src/api/sync-group.ts';
import { PRESENT } from '../../src/network/peer-presence.ts';
import { type Bench, offsetOf, SESSION_MS, withBench } from '../group/support.ts';
import { ask, versions } from './ask.ts';

const { random } = nodeEnvironment();
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const range = (bytes = 'm') => [{ name: 'range', metadata: Buffer.from(bytes) }];

function join(
  { coordinator }: Bench,
  version: number,
  changes: Partial<Parameters<typeof request>[1]> = {},
) {
  return ask(
    joinGroupHandler(coordinator, random),
    apis.joinGroup,
    version,
    request(version, changes),
  );
}

function request(
  version: number,
  changes: {
    memberId?: string;
    groupInstanceId?: string | null;
    sessionTimeoutMs?: number;
    rebalanceTimeoutMs?: number;
    protocols?: ReturnType<typeof range>;
  },
) {
  return {
    groupId: 'g',
    sessionTimeoutMs: SESSION_MS,
    memberId: '',
    protocolType: 'consumer',
    protocols: range(),
    ...(version >= 1 ? { rebalanceTimeoutMs: 30_000 } : {}),
    ...changes,
  };
}

/** The only member of a stable group. */
async function settled(bench: Bench, version: number, instance: string | null = null) {
  const asked = instance === null ? {} : { groupInstanceId: instance };
  let memberId = '';
  if (version >= 4 && instance === null) memberId = (await join(bench, version)).memberId;
  const joining = join(bench, version, { memberId, ...asked });
  await bench.environment.settle(2);
  bench.environment.pass(0);
  const joined = await joining;
  const synced = await ask(
    syncGroupHandler(bench.coordinator),
    apis.syncGroup,
    Math.min(version, 5),
    {
      groupId: 'g',
      generationId: joined.generationId,
      memberId: joined.memberId,
      ...asked,
      ...(version >= 5 ? { protocolType: 'consumer', protocolName: 'range' } : {}),
      assignments: [{ memberId: joined.memberId, assignment: Buffer.from('all') }],
    },
  );
  return { joined, synced };
}

describe('JoinGroup', () => {
  test.each(versions(0, 9))('v%i: the first member of a group', async (version) => {
    await withBench(async (bench) => {
      const { joined, synced } = await settled(bench, version);
      expect(joined).toMatchObject({
        errorCode: 0,
        generationId: 1,
        protocolType: version >= 7 ? 'consumer' : null,
        protocolName: 'range',
        leader: joined.memberId,
        skipAssignment: false,
        members: [{ memberId: joined.memberId, groupInstanceId: null, metadata: Buffer.from('m') }],
      });
      const [prefix, id] = [joined.memberId.slice(0, 7), joined.memberId.slice(7)];
      expect(prefix).toBe('client-');
      expect(id).toMatch(UUID);
      expect(synced).toMatchObject({
        errorCode: 0,
        assignment: Buffer.from('all'),
        protocolType: version >= 5 ? 'consumer' : null,
        protocolName: version >= 5 ? 'range' : null,
      });
    })();
  });

  test.each(versions(4, 9))('v%i: a member without id is given one', async (version) => {
    await withBench(async (bench) => {
      const answer = await join(bench, version);
      expect(answer).toMatchObject({
        errorCode: errorCodes.MEMBER_ID_REQUIRED,
        generationId: -1,
        protocolName: version >= 7 ? null : '',
        leader: '',
        members: [],
      });
      expect(answer.memberId).toMatch(/^client-/);
    })();
  });

  test('v0: the session time-out is the rebalance time-out as well', async () => {
    await withBench(async (bench) => {
      await settled(bench, 0);
      const [member] = bench.coordinator.describe('g').snapshot?.members ?? [];
      expect(member).toMatchObject({
        sessionTimeoutMs: SESSION_MS,
        rebalanceTimeoutMs: SESSION_MS,
      });
    })();
  });

  test.each(versions(5, 9))('v%i: a static leader that comes back', async (version) => {
    await withBench(async (bench) => {
      const { joined } = await settled(bench, version, 'one');
      expect(joined.memberId).toMatch(/^one-/);
      const again = await join(bench, version, { groupInstanceId: 'one' });
      expect(again).toMatchObject({
        errorCode: 0,
        generationId: 1,
        leader: version >= 9 ? again.memberId : joined.memberId,
        skipAssignment: version >= 9,
      });
      expect(again.members).toHaveLength(version >= 9 ? 1 : 0);
    })();
  });

  test('a refusal in the oldest and the newest form', async () => {
    await withBench(async (bench) => {
      for (const version of [0, 9])
        expect(await join(bench, version, { sessionTimeoutMs: 1 })).toMatchObject({
          errorCode: errorCodes.INVALID_SESSION_TIMEOUT,
          generationId: -1,
          memberId: '',
        });
    })();
  });

  test('of a long name only so much stands in the id, and a character is not cut in two', async () => {
    await withBench(async ({ coordinator }) => {
      const clientId = `${'x'.repeat(254)}😀`;
      const { memberId } = await ask(
        joinGroupHandler(coordinator, random),
        apis.joinGroup,
        4,
        request(4, {}),
        { clientId },
      );
      expect(memberId).toHaveLength(254 + 1 + 36);
      expect(memberId).not.toContain('\ufffd');
    })();
  });

  test('what the group keeps does not hold on to the frame', async () => {
    await withBench(async (bench) => {
      const protocols = range('mine');
      const handler = joinGroupHandler(bench.coordinator, random);
      const sent = apis.joinGroup.request.decode(
        apis.joinGroup.request.encode(request(0, { protocols }), 0),
        0,
      );
      const context = {
        apiVersion: 0,
        clientId: 'c',
        correlationId: 1,
        listenerName: 'L',
        peerHost: 'h',
        principal: 'p',
        connectionId: 'i',
        presence: PRESENT,
      };
      const answer = handler.handle(sent, context);
      sent.protocols[0]?.metadata.fill(0);
      await bench.environment.settle(2);
      bench.environment.pass(0);
      expect(await answer).toMatchObject({ members: [{ metadata: Buffer.from('mine') }] });
    })();
  });
});

describe('SyncGroup', () => {
  const sync = ({ coordinator }: Bench, version: number, changes: object) =>
    ask(syncGroupHandler(coordinator), apis.syncGroup, version, {
      groupId: 'g',
      generationId: 1,
      memberId: '',
      assignments: [],
      ...changes,
    });

  test.each([
    ['neither', {}, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['no name', { protocolType: 'consumer' }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['no type', { protocolName: 'range' }, 'INCONSISTENT_GROUP_PROTOCOL'],
    [
      'another type',
      { protocolType: 'connect', protocolName: 'range' },
      'INCONSISTENT_GROUP_PROTOCOL',
    ],
    [
      'another name',
      { protocolType: 'consumer', protocolName: 'sticky' },
      'INCONSISTENT_GROUP_PROTOCOL',
    ],
    ['both', { protocolType: 'consumer', protocolName: 'range' }, 'NONE'],
  ] as const)('v5 names what was agreed on: %s', async (_what, named, error) => {
    await withBench(async (bench) => {
      const { joined } = await settled(bench, 5);
      const answer = await sync(bench, 5, { memberId: joined.memberId, ...named });
      expect(answer.errorCode).toBe(errorCodes[error]);
    })();
  });

  test.each([
    [0, { memberId: 'x' }, 'UNKNOWN_MEMBER_ID'],
    [3, { memberId: 'x', groupInstanceId: 'one' }, 'FENCED_INSTANCE_ID'],
    [3, { memberId: 'x', groupInstanceId: 'two' }, 'UNKNOWN_MEMBER_ID'],
  ] as const)('v%i %j', async (version, changes, error) => {
    await withBench(async (bench) => {
      await settled(bench, 5, 'one');
      expect((await sync(bench, version, changes)).errorCode).toBe(errorCodes[error]);
    })();
  });
});

describe('Heartbeat', () => {
  test.each(versions(0, 4))('v%i', async (version) => {
    await withBench(async (bench) => {
      const { joined } = await settled(bench, 5, 'one');
      const instance = version >= 3 ? { groupInstanceId: 'one' } : {};
      const beat = async (changes: object) =>
        (
          await ask(heartbeatHandler(bench.coordinator), apis.heartbeat, version, {
            groupId: 'g',
            generationId: 1,
            memberId: joined.memberId,
            ...instance,
            ...changes,
          })
        ).errorCode;
      expect(await beat({})).toBe(0);
      expect(await beat({ generationId: 0 })).toBe(errorCodes.ILLEGAL_GENERATION);
      expect(await beat({ memberId: 'x' })).toBe(
        version >= 3 ? errorCodes.FENCED_INSTANCE_ID : errorCodes.UNKNOWN_MEMBER_ID,
      );
      const leader = join(bench, 5, { memberId: joined.memberId, groupInstanceId: 'one' });
      await bench.environment.settle(2);
      await leader; // Alone, it is through at once: between join and sync a heartbeat is fine.
      expect(await beat({ generationId: 2 })).toBe(0);
    })();
  });
});

describe('LeaveGroup', () => {
  const leave = ({ coordinator }: Bench, version: number, changes: object) =>
    ask(leaveGroupHandler(coordinator), apis.leaveGroup, version, { groupId: 'g', ...changes });

  test.each(versions(0, 2))('v%i: one member, one error', async (version) => {
    await withBench(async (bench) => {
      const { joined } = await settled(bench, 3);
      expect((await leave(bench, version, { memberId: 'x' })).errorCode).toBe(
        errorCodes.UNKNOWN_MEMBER_ID,
      );
      expect((await leave(bench, version, { memberId: joined.memberId })).errorCode).toBe(0);
      expect(bench.coordinator.describe('g').snapshot?.state).toBe('Empty');
    })();
  });

  test.each(versions(3, 5))('v%i: several, each with its error', async (version) => {
    await withBench(async (bench) => {
      const { joined } = await settled(bench, 5, 'one');
      const members = [
        { memberId: 'x' },
        { memberId: 'old', groupInstanceId: 'one' },
        { memberId: '', groupInstanceId: 'one' },
        { memberId: joined.memberId, groupInstanceId: 'one' },
      ];
      const answer = await leave(bench, version, { members });
      expect(answer.errorCode).toBe(0);
      expect(answer.members).toEqual([
        { memberId: 'x', groupInstanceId: null, errorCode: errorCodes.UNKNOWN_MEMBER_ID },
        { memberId: 'old', groupInstanceId: 'one', errorCode: errorCodes.FENCED_INSTANCE_ID },
        { memberId: '', groupInstanceId: 'one', errorCode: 0 },
        {
          memberId: joined.memberId,
          groupInstanceId: 'one',
          errorCode: errorCodes.UNKNOWN_MEMBER_ID,
        },
      ]);
    })();
  });

  test.each([
    [2, { memberId: 'x' }],
    [3, { members: [{ memberId: 'x' }] }],
  ])('v%i: no coordinator for it', async (version, changes) => {
    await withBench(async (bench) => {
      bench.coordinator.resigned(0);
      expect(await leave(bench, version, changes)).toMatchObject({
        errorCode: errorCodes.NOT_COORDINATOR,
        members: [],
      });
    })();
  });
});

test('what a member commits between join and sync is refused', async () => {
  await withBench(async (bench) => {
    const { joined } = await settled(bench, 3);
    const again = await join(bench, 3, { memberId: joined.memberId, protocols: range('other') });
    const member = { memberId: joined.memberId, instanceId: null };
    expect(await bench.commit('g', [offsetOf('t', 0, 1)], member, again.generationId)).toEqual([
      'REBALANCE_IN_PROGRESS',
    ]);
  })();
});
