/** kafka-log-dirs: its JSON, key by key as Kafka 3.9 writes it. */
import { expect, test } from '@jest/globals';
import { KafkaError } from '@odradek/protocol';
import { logDirsJson } from '../src/commands/kafka-log-dirs.ts';

const replica = (topic: string, partition: number) => ({
  topic,
  partition,
  sizeBytes: 146,
  offsetLag: 0,
  isFuture: false,
});
const dir = {
  path: '/tmp/kafka-logs',
  error: null,
  replicas: [replica('t', 0)],
  totalBytes: 10,
  usableBytes: null,
};

test('one directory', () => {
  expect(logDirsJson([{ brokerId: 0, logDirs: [dir] }], new Set())).toBe(
    '{"brokers":[{"broker":0,"logDirs":[{"partitions":[{"partition":"t-0","size":146,"offsetLag":0,"isFuture":false}],"error":null,"logDir":"/tmp/kafka-logs"}]}],"version":1}',
  );
});

test('only the topics asked for; a failed directory has the name of an exception', () => {
  const error = new KafkaError('KAFKA_STORAGE_ERROR', '/b');
  const logDirs = [
    { ...dir, replicas: [replica('t', 0), replica('u', 1)] },
    { ...dir, path: '/b', error, replicas: [] },
  ];
  expect(JSON.parse(logDirsJson([{ brokerId: 3, logDirs }], new Set(['u'])))).toEqual({
    version: 1,
    brokers: [
      {
        broker: 3,
        logDirs: [
          {
            logDir: '/tmp/kafka-logs',
            error: null,
            partitions: [{ partition: 'u-1', size: 146, offsetLag: 0, isFuture: false }],
          },
          {
            logDir: '/b',
            error: 'org.apache.kafka.common.errors.KafkaStorageException',
            partitions: [],
          },
        ],
      },
    ],
  });
});
