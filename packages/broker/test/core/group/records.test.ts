/**
 * Records of the offsets topic: the bytes that are written, and every version that may be met. The bodies are Kafka's own
 * encodings of these values; in front of each stands its version.
 */
import { describe, expect, test } from '@jest/globals';
import { MalformedMessage, UnsupportedVersion } from '@odradek/protocol';
import fc from 'fast-check';
import type { GroupSnapshot } from '../../../src/core/group/group-types.ts';
import {
  committedOf,
  groupRecord,
  offsetRecord,
  readOffsetsRecord,
  snapshotOf,
} from '../../../src/core/group/records.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const OFFSET_KEY = '0001 0008 7374722d64653337 0008 7374722d32363762 496ccb52';
const GROUP_KEY = '0002 0008 7374722d64653337';
const STATE_SINCE_MS = 2476457807851577;

const committed = {
  offset: 3981559697780793,
  leaderEpoch: 520245661,
  metadata: 'str-6160',
  commitTimestampMs: 1927878429126713,
  expireTimestampMs: null,
};

const OFFSET_VALUE = {
  v0: '0000 000e25351b703039 0008 7374722d36313630 0006d9652cf03039',
  v1: '0001 000e25351b703039 0008 7374722d36313630 0006d9652cf03039 000797e922f03039',
  v2: '0002 000e25351b703039 0008 7374722d36313630 0006d9652cf03039',
  v3: '0003 000e25351b703039 1f02519d 0008 7374722d36313630 0006d9652cf03039',
  v4: '0004 000e25351b703039 1f02519d 09 7374722d36313630 0006d9652cf03039 00',
  v4WithTopicId:
    '0004 000e25351b703039 1f02519d 09 7374722d36313630 0006d9652cf03039 01 00 10 5ab5106ac5207ad5308ae5409af550ab',
};

const snapshot: GroupSnapshot = {
  state: 'Stable',
  protocolType: 'str-182b',
  generation: 347598480,
  protocolName: 'str-1219',
  leader: 'str-159f',
  members: [
    {
      memberId: 'str-d0b6',
      instanceId: 'str-f379-é',
      clientId: 'str-49c1-é',
      clientHost: 'str-2888',
      rebalanceTimeoutMs: 1848814541,
      sessionTimeoutMs: 568885430,
      metadata: hex('1e019079'),
      assignment: hex('d9dd9dd9'),
    },
    {
      memberId: 'str-50ee',
      instanceId: 'str-638a-é',
      clientId: 'str-c999',
      clientHost: 'str-c25c',
      rebalanceTimeoutMs: 712452101,
      sessionTimeoutMs: 549742693,
      metadata: hex('5fb58bb8'),
      assignment: hex('0d7077e7'),
    },
  ],
};

const GROUP_VALUE = {
  v0: '0000 00087374722d3138326214b7ee9000087374722d3132313900087374722d313539660000000200087374722d64306236000b7374722d343963312dc3a900087374722d3238383821e880b6000000041e01907900000004d9dd9dd900087374722d3530656500087374722d6339393900087374722d6332356320c46865000000045fb58bb8000000040d7077e7',
  v1: '0001 00087374722d3138326214b7ee9000087374722d3132313900087374722d313539660000000200087374722d64306236000b7374722d343963312dc3a900087374722d323838386e32abcd21e880b6000000041e01907900000004d9dd9dd900087374722d3530656500087374722d6339393900087374722d633235632a77280520c46865000000045fb58bb8000000040d7077e7',
  v2: '0002 00087374722d3138326214b7ee9000087374722d3132313900087374722d313539660008cc5343f030390000000200087374722d64306236000b7374722d343963312dc3a900087374722d323838386e32abcd21e880b6000000041e01907900000004d9dd9dd900087374722d3530656500087374722d6339393900087374722d633235632a77280520c46865000000045fb58bb8000000040d7077e7',
  v3: '0003 00087374722d3138326214b7ee9000087374722d3132313900087374722d313539660008cc5343f030390000000200087374722d64306236000b7374722d663337392dc3a9000b7374722d343963312dc3a900087374722d323838386e32abcd21e880b6000000041e01907900000004d9dd9dd900087374722d35306565000b7374722d363338612dc3a900087374722d6339393900087374722d633235632a77280520c46865000000045fb58bb8000000040d7077e7',
  v4: '0004 097374722d3138326214b7ee90097374722d31323139097374722d313539660008cc5343f0303903097374722d643062360c7374722d663337392dc3a90c7374722d343963312dc3a9097374722d323838386e32abcd21e880b6051e01907905d9dd9dd900097374722d353065650c7374722d363338612dc3a9097374722d63393939097374722d633235632a77280520c46865055fb58bb8050d7077e70000',
};

describe('what is written', () => {
  test('an offset', () => {
    expect(offsetRecord('str-de37', 'str-267b', 1231866706, committed, 7)).toEqual({
      key: hex(OFFSET_KEY),
      value: hex(OFFSET_VALUE.v3),
      timestamp: 7,
    });
  });

  test('an offset that a client wants kept for a time of its own', () => {
    const expiring = { ...committed, expireTimestampMs: 2137352406315065 };
    expect(offsetRecord('str-de37', 'str-267b', 1231866706, expiring, 7)).toEqual({
      key: hex(OFFSET_KEY),
      value: hex(OFFSET_VALUE.v1),
      timestamp: 7,
    });
  });

  test('the removal of an offset', () => {
    expect(offsetRecord('str-de37', 'str-267b', 1231866706, null, 7)).toEqual({
      key: hex(OFFSET_KEY),
      value: null,
      timestamp: 7,
    });
  });

  test('a group', () => {
    expect(groupRecord('str-de37', snapshot, STATE_SINCE_MS)).toEqual({
      key: hex(GROUP_KEY),
      value: hex(GROUP_VALUE.v3),
      timestamp: STATE_SINCE_MS,
    });
  });

  test('the removal of a group', () => {
    expect(groupRecord('str-de37', null, 7)).toEqual({
      key: hex(GROUP_KEY),
      value: null,
      timestamp: 7,
    });
  });
});

describe('what is read', () => {
  const place = { kind: 'offset', group: 'str-de37', topic: 'str-267b', partition: 1231866706 };

  test.each([
    ['v0', OFFSET_VALUE.v0, { leaderEpoch: -1 }],
    ['v1', OFFSET_VALUE.v1, { leaderEpoch: -1, expireTimestampMs: 2137352406315065 }],
    ['v2', OFFSET_VALUE.v2, { leaderEpoch: -1 }],
    ['v3', OFFSET_VALUE.v3, {}],
    ['v4', OFFSET_VALUE.v4, {}],
    ['v4 with a topic id', OFFSET_VALUE.v4WithTopicId, {}],
    ['v3 with more behind it', `${OFFSET_VALUE.v3} 0102`, {}],
  ])('an offset, value %s', (_version, value, differences) => {
    const record = readOffsetsRecord(hex(OFFSET_KEY), hex(value));
    expect(record).toMatchObject(place);
    if (record.kind !== 'offset' || record.value === null) throw new Error('no offset');
    expect(committedOf(record.value, 42)).toEqual({ ...committed, logOffset: 42, ...differences });
  });

  test.each([
    ['key v0', OFFSET_KEY.replace('0001', '0000')],
    ['key v1', OFFSET_KEY],
  ])('the removal of an offset, %s', (_version, key) => {
    expect(readOffsetsRecord(hex(key), null)).toEqual({ ...place, value: null });
  });

  const withoutInstances = (members: GroupSnapshot['members']): GroupSnapshot['members'] =>
    members.map((member) => ({ ...member, instanceId: null }));

  test.each([
    [
      'v0',
      GROUP_VALUE.v0,
      withoutInstances(snapshot.members).map((member) => ({
        ...member,
        rebalanceTimeoutMs: member.sessionTimeoutMs,
      })),
      -1,
    ],
    ['v1', GROUP_VALUE.v1, withoutInstances(snapshot.members), -1],
    ['v2', GROUP_VALUE.v2, withoutInstances(snapshot.members), STATE_SINCE_MS],
    ['v3', GROUP_VALUE.v3, snapshot.members, STATE_SINCE_MS],
    ['v4', GROUP_VALUE.v4, snapshot.members, STATE_SINCE_MS],
  ])('a group, value %s', (_version, value, members, since) => {
    const record = readOffsetsRecord(hex(GROUP_KEY), hex(value));
    if (record.kind !== 'group' || record.value === null) throw new Error('no group');
    expect(record.group).toBe('str-de37');
    expect(snapshotOf(record.value)).toEqual({ ...snapshot, members });
    expect(record.value.currentStateTimestamp).toBe(since);
  });

  test('the removal of a group', () => {
    expect(readOffsetsRecord(hex(GROUP_KEY), null)).toEqual({
      kind: 'group',
      group: 'str-de37',
      value: null,
    });
  });

  test.each([3, 5, 8, 10, 15, 16, 17, 23, 999])('a key of kind %i is told apart', (version) => {
    const key = Buffer.from([version >> 8, version & 0xff, 1, 2, 3]);
    expect(readOffsetsRecord(key, hex('00'))).toEqual({ kind: 'unknown', version });
  });

  test('what a group keeps does not hold on to the bytes it was read from', () => {
    const value = hex(GROUP_VALUE.v3);
    const record = readOffsetsRecord(hex(GROUP_KEY), value);
    if (record.kind !== 'group' || record.value === null) throw new Error('no group');
    const read = snapshotOf(record.value);
    value.fill(0);
    expect(read.members[0]?.metadata).toEqual(hex('1e019079'));
    expect(read.members[0]?.assignment).toEqual(hex('d9dd9dd9'));
  });

  test.each([
    ['an empty key', '', OFFSET_VALUE.v3, MalformedMessage],
    ['a key of one byte', '00', OFFSET_VALUE.v3, MalformedMessage],
    ['a value of one byte', OFFSET_KEY, '00', MalformedMessage],
    [
      'a value of a version to come',
      OFFSET_KEY,
      OFFSET_VALUE.v3.replace('0003', '0009'),
      UnsupportedVersion,
    ],
    [
      'a group of a version to come',
      GROUP_KEY,
      GROUP_VALUE.v3.replace('0003', '0009'),
      UnsupportedVersion,
    ],
  ])('%s is refused', (_what, key, value, error) => {
    expect(() => readOffsetsRecord(hex(key), hex(value))).toThrow(error);
  });

  test.each([
    ['an offset', OFFSET_KEY, OFFSET_VALUE.v3],
    ['a group', GROUP_KEY, GROUP_VALUE.v3],
  ])('%s that is cut short anywhere is refused', (_what, keyText, valueText) => {
    const key = hex(keyText);
    const value = hex(valueText);
    for (let size = 0; size < key.length; size++)
      expect(() => readOffsetsRecord(key.subarray(0, size), value)).toThrow(MalformedMessage);
    for (let size = 0; size < value.length; size++)
      expect(() => readOffsetsRecord(key, value.subarray(0, size))).toThrow(MalformedMessage);
  });
});

test('whatever is written can be read again', () => {
  const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array));
  const text = fc.string({ maxLength: 12, unit: 'grapheme' });
  const member = fc.record({
    memberId: text,
    instanceId: fc.option(text),
    clientId: text,
    clientHost: text,
    sessionTimeoutMs: fc.nat(),
    rebalanceTimeoutMs: fc.nat(),
    metadata: bytes,
    assignment: bytes,
  });
  const group = fc.record({
    protocolType: fc.option(text.filter((type) => type !== '')),
    generation: fc.nat(),
    protocolName: fc.option(text),
    leader: fc.option(text),
    members: fc.array(member, { maxLength: 4 }),
  });
  fc.assert(
    fc.property(text, group, (groupId, stored) => {
      const state = stored.members.length === 0 ? ('Empty' as const) : ('Stable' as const);
      const { key, value } = groupRecord(groupId, { ...stored, state }, 1);
      if (key === null || value === null) throw new Error('nothing was written');
      const record = readOffsetsRecord(Buffer.from(key), Buffer.from(value));
      if (record.kind !== 'group' || record.value === null) throw new Error('no group');
      expect([record.group, snapshotOf(record.value)]).toEqual([groupId, { ...stored, state }]);
    }),
  );
});
