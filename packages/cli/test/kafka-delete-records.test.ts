/** kafka-delete-records: its file, and the names that it gives errors. */
import { describe, expect, test } from '@jest/globals';
import { parseOffsetFile } from '../src/commands/kafka-delete-records.ts';
import { exceptionName } from '../src/exception-names.ts';

const partitions = (...list: unknown[]): string => JSON.stringify({ version: 1, partitions: list });

describe('the file of offsets', () => {
  test('names partitions; -1 is the high watermark, the version may be left out', () => {
    const list = [
      { topic: 'a', partition: 0, offset: 10 },
      { topic: 'a', partition: 1, offset: -1 },
    ];
    const wishes = [
      { topic: 'a', partition: 0, before: 10 },
      { topic: 'a', partition: 1, before: 'high-watermark' },
    ];
    expect(parseOffsetFile(partitions(...list), 'f')).toEqual(wishes);
    expect(parseOffsetFile(JSON.stringify({ partitions: list }), 'f')).toEqual(wishes);
    expect(parseOffsetFile(partitions(), 'f')).toEqual([]);
  });

  test.each([
    ['{', 'The input string is not a valid JSON'],
    ['{"version":2,"partitions":[]}', 'Not supported version field value 2'],
    ['{"version":1}', 'Missing partitions field'],
    ['[]', 'Missing partitions field'],
    [partitions({ partition: 0, offset: 1 }), 'partitions[0]: topic is not a text'],
    [partitions({ topic: 'a', offset: 1 }), 'partitions[0]: partition is not a whole number'],
    [partitions({ topic: 'a', partition: 0, offset: 1.5 }), 'offset is not a whole number'],
    [partitions(null), 'partitions[0]: topic is not a text'],
    [
      partitions(
        { topic: 'a', partition: 0, offset: 1 },
        { topic: 'b', partition: 0, offset: 1 },
        { topic: 'a', partition: 0, offset: 2 },
      ),
      'Offset json file contains duplicate topic partitions: a-0',
    ],
  ])('%s is refused', (text, reason) => {
    expect(() => parseOffsetFile(text, 'offsets.json')).toThrow(reason);
    expect(() => parseOffsetFile(text, 'offsets.json')).toThrow('offsets.json: ');
  });
});

test.each([
  ['OFFSET_OUT_OF_RANGE', 'OffsetOutOfRangeException'],
  ['UNKNOWN_TOPIC_OR_PARTITION', 'UnknownTopicOrPartitionException'],
  ['POLICY_VIOLATION', 'PolicyViolationException'],
  ['REQUEST_TIMED_OUT', 'TimeoutException'],
  ['INVALID_TOPIC_EXCEPTION', 'InvalidTopicException'],
  ['KAFKA_STORAGE_ERROR', 'KafkaStorageException'],
] as const)('%s is the exception %s', (code, name) => {
  expect(exceptionName(code)).toBe(`org.apache.kafka.common.errors.${name}`);
});
