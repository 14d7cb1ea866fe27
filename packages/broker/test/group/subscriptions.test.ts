/** The topics of a consumer group, out of what its members said in any version of the consumer protocol. */
import { describe, expect, test } from '@jest/globals';
import type { GroupSnapshot } from '../../src/core/group/group-types.ts';
import { subscribedTopics } from '../../src/group/subscriptions.ts';

/** t1 and t2, with the user data "ud"; owned partitions, generation 5 and rack "rackA" where the version has them. */
const V0 = '0000 00000002 0002 7431 0002 7432 00000002 7564';
const OWNED = '00000001 0002 7431 00000002 00000000 00000003';
const versions = {
  v0: V0,
  v1: `${V0.replace('0000', '0001')} ${OWNED}`,
  v2: `${V0.replace('0000', '0002')} ${OWNED} 00000005`,
  v3: `${V0.replace('0000', '0003')} ${OWNED} 00000005 0005 7261636b41`,
};

function groupOf(protocolType: string | null, ...metadata: readonly string[]): GroupSnapshot {
  return {
    state: 'Stable',
    protocolType,
    generation: 1,
    protocolName: 'range',
    leader: 'm0',
    members: metadata.map((text, index) => ({
      memberId: `m${index}`,
      instanceId: null,
      clientId: 'c',
      clientHost: '/127.0.0.1',
      sessionTimeoutMs: 1,
      rebalanceTimeoutMs: 1,
      metadata: Buffer.from(text.replaceAll(' ', ''), 'hex'),
      assignment: Buffer.alloc(0),
    })),
  };
}

describe('members of consumer groups', () => {
  test.each([
    ['v0', versions.v0],
    ['v1', versions.v1],
    ['v2', versions.v2],
    ['v3', versions.v3],
    ['a version to come', V0.replace('0000', '7fff')],
    ['a version below all', V0.replace('0000', 'ffff')],
    ['no user data', '0000 00000002 0002 7431 0002 7432 ffffffff'],
    ['more behind it', `${versions.v3} 0102`],
  ])('%s', (_what, metadata) => {
    expect(subscribedTopics(groupOf('consumer', metadata))).toEqual(new Set(['t1', 't2']));
  });

  test('all of them together', () => {
    const other = '0000 00000001 0002 7433 ffffffff';
    expect(subscribedTopics(groupOf('consumer', V0, other))).toEqual(new Set(['t1', 't2', 't3']));
  });

  test('none, of nobody', () => {
    expect(subscribedTopics(groupOf('consumer'))).toEqual(new Set());
  });
});

describe('not known', () => {
  test.each([
    ['another kind of group', 'connect', V0],
    ['no kind', null, V0],
    ['nothing said', 'consumer', ''],
    ['one byte', 'consumer', '00'],
    ['cut short', 'consumer', '0000 00000002 0002 7431'],
    ['an impossible count', 'consumer', '0000 7fffffff 0002 7431'],
  ])('%s', (_what, type, metadata) => {
    expect(subscribedTopics(groupOf(type, metadata))).toBeNull();
  });

  test('one member that cannot be read spoils it, since nothing must expire that it reads', () => {
    expect(subscribedTopics(groupOf('consumer', V0, '00'))).toBeNull();
  });
});
