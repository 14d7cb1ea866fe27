/** Messages as JSON text: which fields are shown, and how. The whole of it beside Kafka's is the CLI's test of dump-log. */
import { expect, test } from '@jest/globals';
import {
  consumerGroupMemberMetadataValue,
  groupMetadataValue,
  messageToJson,
} from '../../src/index.ts';

const member = {
  memberId: 'm"1',
  clientId: 'c',
  clientHost: '/h',
  sessionTimeout: 6,
  subscription: Buffer.from('ab'),
  assignment: Buffer.alloc(0),
};
const group = {
  protocolType: 'consumer',
  generation: 1,
  protocol: null,
  leader: 'é',
  members: [member],
};

function json(
  version: number,
  replace?: (field: string, value: unknown) => string | null,
): unknown {
  const body = groupMetadataValue.decode(groupMetadataValue.encode(group, version), version);
  return JSON.parse(messageToJson(groupMetadataValue, body, version, replace));
}

test('a field that the version lacks is left out', () => {
  const oldest = { ...member, subscription: 'YWI=', assignment: '' };
  expect(json(0)).toEqual({ ...group, members: [oldest] });
  expect(json(3)).toEqual({
    ...group,
    currentStateTimestamp: -1,
    members: [{ ...oldest, groupInstanceId: null, rebalanceTimeout: -1 }],
  });
});

test('a field may be replaced wherever it occurs', () => {
  expect(json(0, (field) => (field === 'subscription' ? '[1]' : null))).toMatchObject({
    members: [{ subscription: [1], assignment: '' }],
  });
});

test('a tagged field is shown when it differs from its default', () => {
  const value = {
    instanceId: null,
    rackId: null,
    clientId: 'c',
    clientHost: 'h',
    subscribedTopicNames: ['t'],
    subscribedTopicRegex: null,
    serverAssignor: null,
  };
  const text = (classic: { sessionTimeoutMs: number; supportedProtocols: [] } | null): string => {
    const bytes = consumerGroupMemberMetadataValue.encode(
      { ...value, classicMemberMetadata: classic },
      0,
    );
    return messageToJson(
      consumerGroupMemberMetadataValue,
      consumerGroupMemberMetadataValue.decode(bytes, 0),
      0,
    );
  };
  expect(text(null)).not.toContain('classicMemberMetadata');
  expect(text({ sessionTimeoutMs: 5, supportedProtocols: [] })).toContain(
    '"classicMemberMetadata":{"sessionTimeoutMs":5,"supportedProtocols":[]}',
  );
});
