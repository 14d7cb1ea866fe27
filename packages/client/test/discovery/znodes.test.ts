/** Kafka's nodes of every age, and nodes that are broken. Samples are those of the reference. */
import { describe, expect, test } from '@jest/globals';
import {
  parseBroker,
  parseClusterId,
  parseController,
  parsePartitionState,
  parseTopic,
} from '../../src/discovery/znodes.ts';

const bytes = (json: unknown): Buffer => Buffer.from(JSON.stringify(json));

describe('/brokers/ids', () => {
  test.each([
    {
      name: 'v5, plaintext first',
      json: {
        version: 5,
        host: 'h1',
        port: 9092,
        endpoints: ['PLAINTEXT://h1:9092', 'SSL://h1:9093'],
        listener_security_protocol_map: { PLAINTEXT: 'PLAINTEXT', SSL: 'SSL' },
        rack: 'r1',
        features: {},
      },
      expected: { id: 7, host: 'h1', port: 9092, rack: 'r1' },
    },
    {
      name: 'v5, a plaintext listener of another name, behind one that is not',
      json: {
        version: 5,
        host: null,
        port: -1,
        endpoints: ['OUT://h1:9093', 'IN://[::1]:9094'],
        listener_security_protocol_map: { OUT: 'SASL_SSL', IN: 'PLAINTEXT' },
      },
      expected: { id: 7, host: '::1', port: 9094, rack: null },
    },
    {
      name: 'v2, without a map the name is the protocol',
      json: { version: 2, host: null, port: -1, endpoints: ['SSL://h:1', 'PLAINTEXT://h:2'] },
      expected: { id: 7, host: 'h', port: 2, rack: null },
    },
    {
      name: 'v1',
      json: { version: 1, host: 'old', port: 9092, jmx_port: -1 },
      expected: { id: 7, host: 'old', port: 9092, rack: null },
    },
    {
      name: 'none that we can speak to',
      json: { version: 5, endpoints: ['SSL://h:1'] },
      expected: null,
    },
    { name: 'no object', json: [1], expected: null },
  ])('$name', ({ json, expected }) => {
    expect(parseBroker(7, bytes(json))).toEqual(expected);
  });
});

test('topics and partition states', () => {
  const data = bytes({
    version: 3,
    topic_id: 'x'.repeat(22),
    partitions: { '0': [1, 2], '10': [2] },
  });
  expect(parseTopic(data)).toEqual({
    topicId: 'x'.repeat(22),
    replicas: new Map([
      [0, [1, 2]],
      [10, [2]],
    ]),
  });
  expect(parseTopic(bytes({ version: 1, partitions: {} }))?.topicId).toBeNull();
  expect(
    parsePartitionState(
      bytes({ controller_epoch: 5, leader: 1, version: 1, leader_epoch: 12, isr: [1, 2] }),
    ),
  ).toEqual({ leader: 1, leaderEpoch: 12, isr: [1, 2] });
});

test('controller and cluster id', () => {
  expect(parseController(bytes({ version: 2, brokerid: 3, timestamp: '1' }))).toBe(3);
  expect(parseClusterId(bytes({ version: '1', id: 'abc' }))).toBe('abc');
});

test.each([parseController, parseClusterId, parseTopic, parsePartitionState])(
  'broken data counts as absent (%p)',
  (parse) => {
    for (const text of ['', '{', 'null', '7', '{"leader":"x"}', '{"partitions":[]}'])
      expect(parse(Buffer.from(text))).toBeNull();
  },
);
