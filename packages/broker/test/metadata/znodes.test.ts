/**
 * Znodes as golden text: what is written is what Kafka 3.9 reads, and what any Kafka wrote is read,
 * older forms included. Damage gives an error that names the znode.
 */
import { describe, expect, test } from '@jest/globals';
import { MalformedZnode } from '../../src/metadata/znode-json.ts';
import { sequenceOf } from '../../src/metadata/znode-paths.ts';
import {
  decodeBroker,
  decodeClusterId,
  decodeConfig,
  decodeConfigChange,
  decodeController,
  decodeControllerEpoch,
  decodeLogDirEvent,
  decodePartitionList,
  decodePartitionState,
  decodeProducerIdBlock,
  decodeTopic,
  encodeBroker,
  encodeClusterId,
  encodeConfig,
  encodeConfigChange,
  encodeController,
  encodeLogDirEvent,
  encodePartitionList,
  encodePartitionState,
  encodeProducerIdBlock,
  encodeTopic,
  FEATURE_NODE,
} from '../../src/metadata/znodes.ts';

const bytes = (text: string) => Buffer.from(text, 'utf8');
const plaintext = {
  listener: 'PLAINTEXT',
  host: 'h1',
  port: 9092,
  securityProtocol: 'PLAINTEXT',
} as const;
const ssl = { listener: 'OUT', host: '::1', port: 9093, securityProtocol: 'SSL' } as const;

describe('broker', () => {
  const text =
    '{"version":5,"host":"h1","port":9092,"endpoints":["PLAINTEXT://h1:9092","OUT://[::1]:9093"],' +
    '"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT","OUT":"SSL"},"jmx_port":-1,' +
    '"timestamp":"1700000000000","rack":"r1","features":{}}';

  test('v5, both ways', () => {
    const registration = {
      endpoints: [plaintext, ssl],
      rack: 'r1',
      timestampMs: 1_700_000_000_000,
    };
    expect(encodeBroker(registration)).toBe(text);
    expect(decodeBroker(1, bytes(text), 42n)).toEqual({
      id: 1,
      epoch: 42,
      rack: 'r1',
      endpoints: [plaintext, ssl],
    });
  });

  test('without PLAINTEXT and without a rack', () => {
    expect(encodeBroker({ endpoints: [ssl], rack: null, timestampMs: 5 })).toBe(
      '{"version":5,"host":null,"port":-1,"endpoints":["OUT://[::1]:9093"],' +
        '"listener_security_protocol_map":{"OUT":"SSL"},"jmx_port":-1,"timestamp":"5","features":{}}',
    );
  });

  test.each([
    '{"version":1,"host":"h1","port":9092,"jmx_port":9999}',
    '{"version":2,"host":"h1","port":9092,"jmx_port":-1,"timestamp":"1","endpoints":["PLAINTEXT://h1:9092"]}',
    '{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},"endpoints":["PLAINTEXT://h1:9092"],"jmx_port":-1,"port":9092,"host":"h1","version":5,"timestamp":"1700000000000","extra":1}',
  ])('an older or other writer: %s', (older) => {
    expect(decodeBroker(3, bytes(older), 9n)).toEqual({
      id: 3,
      epoch: 9,
      rack: null,
      endpoints: [plaintext],
    });
  });
});

describe('topic', () => {
  const assignment = {
    topicId: 'F1aTlpZ7SWqk6v8Rj0Qm2A',
    partitions: new Map([
      [1, { replicas: [2, 3, 1], adding: [3], removing: [] }],
      [0, { replicas: [1, 2, 3], adding: [], removing: [] }],
    ]),
  };
  const text =
    '{"version":3,"topic_id":"F1aTlpZ7SWqk6v8Rj0Qm2A","partitions":{"0":[1,2,3],"1":[2,3,1]},' +
    '"adding_replicas":{"1":[3]},"removing_replicas":{}}';

  test('v3, both ways', () => {
    expect(encodeTopic(assignment)).toBe(text);
    expect(decodeTopic('t', bytes(text))).toEqual(assignment);
  });

  test('v1 has partitions only', () => {
    expect(decodeTopic('t', bytes('{"version":1,"partitions":{"0":[5]}}'))).toEqual({
      topicId: null,
      partitions: new Map([[0, { replicas: [5], adding: [], removing: [] }]]),
    });
  });
});

describe('partition state', () => {
  test.each([
    {
      state: { leader: 1, leaderEpoch: 12, isr: [1, 2], leaderRecoveryState: 0 },
      text: '{"controller_epoch":5,"leader":1,"version":1,"leader_epoch":12,"isr":[1,2]}',
    },
    {
      state: { leader: -1, leaderEpoch: 0, isr: [3], leaderRecoveryState: 1 },
      text: '{"controller_epoch":5,"leader":-1,"version":1,"leader_epoch":0,"isr":[3],"leader_recovery_state":1}',
    },
  ])('$text', ({ state, text }) => {
    expect(encodePartitionState(state, 5)).toBe(text);
    expect(decodePartitionState('/p', bytes(text))).toEqual({ ...state, controllerEpoch: 5 });
  });
});

test('controller, epoch, cluster id, feature', () => {
  expect(encodeController(1, 1_700_000_000_000)).toBe(
    '{"version":2,"brokerid":1,"timestamp":"1700000000000","kraftControllerEpoch":-1}',
  );
  expect(decodeController(bytes('{"version":1,"brokerid":4,"timestamp":"17"}'))).toBe(4);
  expect(decodeControllerEpoch(bytes('7'))).toBe(7);
  expect(encodeClusterId('abc')).toBe('{"version":"1","id":"abc"}');
  expect(decodeClusterId(bytes('{"version":"1","id":"abc"}'))).toBe('abc');
  expect(FEATURE_NODE).toBe('{"version":2,"status":1,"features":{}}');
});

test('config and its notifications', () => {
  const text = '{"version":1,"config":{"retention.ms":"1000"}}';
  expect(encodeConfig(new Map([['retention.ms', '1000']]))).toBe(text);
  expect(decodeConfig('/c', bytes(text))).toEqual(new Map([['retention.ms', '1000']]));
  expect(decodeConfig('/c', bytes(''))).toEqual(new Map());
  expect(encodeConfigChange('topics/foo')).toBe('{"version":2,"entity_path":"topics/foo"}');
  expect(decodeConfigChange('/n', bytes('{"version":2,"entity_path":"topics/foo"}'))).toBe(
    'topics/foo',
  );
  const old = '{"version":1,"entity_type":"topics","entity_name":"foo"}';
  expect(decodeConfigChange('/n', bytes(old))).toBe('topics/foo');
});

test('notifications and producer ids', () => {
  const list = '{"version":1,"partitions":[{"topic":"t","partition":0}]}';
  expect(encodePartitionList([{ topic: 't', partition: 0 }])).toBe(list);
  expect(decodePartitionList('/i', bytes(list))).toEqual([{ topic: 't', partition: 0 }]);
  expect(encodeLogDirEvent(1)).toBe('{"version":1,"broker":1,"event":1}');
  expect(decodeLogDirEvent('/l', bytes('{"version":1,"broker":1,"event":1}'))).toBe(1);
  const block =
    '{"version":1,"broker":1,"block_start":"9007199254740993","block_end":"9007199254741992"}';
  const decoded = { brokerId: 1, first: 9_007_199_254_740_993n, last: 9_007_199_254_741_992n };
  expect(encodeProducerIdBlock(decoded)).toBe(block);
  expect(decodeProducerIdBlock(bytes(block))).toEqual(decoded);
});

test.each(['isr_change_0000000012', 'config_change_0000000012'])('sequence of %s', (name) => {
  expect(sequenceOf(name)).toBe(12);
  expect(sequenceOf('other')).toBeNull();
});

test.each([
  () => decodeBroker(1, bytes('{'), 1n),
  () => decodeBroker(1, bytes('[]'), 1n),
  () => decodeBroker(1, bytes('{"endpoints":["nonsense"]}'), 1n),
  () => decodeBroker(1, bytes('{"endpoints":["X://h:1"]}'), 1n),
  () => decodeTopic('t', bytes('{"partitions":{"a":[1]}}')),
  () => decodeTopic('t', bytes('{"partitions":{"0":["1"]}}')),
  () => decodePartitionState('/p', bytes('{"leader":1.5}')),
  () => decodeControllerEpoch(bytes('x')),
  () => decodeController(bytes('{"brokerid":null}')),
])('damage %# is told with the path', (decode) => {
  expect(decode).toThrow(MalformedZnode);
  expect(decode).toThrow(/^znode \//);
});
