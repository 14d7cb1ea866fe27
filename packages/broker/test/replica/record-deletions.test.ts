/**
 * Goal: records are deleted as Kafka deletes them, and the answer comes when no live replica has them
 * any more. Method: data planes with real logs over real sockets, a controller that does as it is told.
 */
import { describe, expect, test } from '@jest/globals';
import { apis, kafkaErrorOf } from '@odradek/protocol';
import { defaultLogConfig } from '../../src/log/log-config.ts';
import { TestBroker, TOPIC, until, withCluster } from './support.ts';

interface Answered {
  readonly error: string;
  readonly lowWatermark: number;
}

async function deleteRecords(
  broker: TestBroker,
  offset: number,
  { timeoutMs = 10_000, topic = TOPIC, partition = 0, version = 2 } = {},
): Promise<Answered> {
  const { topics } = await broker.send(apis.deleteRecords, version, {
    topics: [{ name: topic, partitions: [{ partitionIndex: partition, offset }] }],
    timeoutMs,
  });
  const answer = topics[0]?.partitions[0];
  if (answer === undefined) throw new Error('no answer for the partition');
  return { error: kafkaErrorOf(answer.errorCode), lowWatermark: answer.lowWatermark };
}

/** The records of these tests are from long ago. */
const config = { ...defaultLogConfig, retentionMs: -1 };

const letters = ['a', 'b', 'c', 'd', 'e'];

async function produceEach(broker: TestBroker, acks: -1 | 1 = -1): Promise<void> {
  for (const letter of letters) await broker.produce([letter], acks);
}

describe('a leader alone', () => {
  const withFive = (run: (broker: TestBroker, folder: string) => Promise<void>) =>
    withCluster(1, async (controller, [one], folder) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1]);
      controller.announce();
      await produceEach(one);
      await run(one, folder);
    });

  test.each([0, 1, 2])('answers v%i at once', (version) =>
    withFive(async (one) => {
      expect(await deleteRecords(one, 2, { version })).toEqual({ error: 'NONE', lowWatermark: 2 });
      expect(await one.consume(2)).toEqual(['c', 'd', 'e']);
      await expect(one.consume(1)).rejects.toThrow('OFFSET_OUT_OF_RANGE');
    }),
  );

  test('takes -1 for the high watermark, and never lowers the start', () =>
    withFive(async (one) => {
      expect(await deleteRecords(one, -1)).toEqual({ error: 'NONE', lowWatermark: 5 });
      expect(await deleteRecords(one, 3)).toEqual({ error: 'NONE', lowWatermark: 5 });
      expect(one.partition.log.logStartOffset).toBe(5);
      expect(await one.produce(['f'])).toEqual({ error: 'NONE', offset: 5 });
      expect(await one.consume(5)).toEqual(['f']);
    }));

  test.each([
    ['above the high watermark', 6, {}, 'OFFSET_OUT_OF_RANGE'],
    ['below -1', -2, {}, 'OFFSET_OUT_OF_RANGE'],
    ['of a partition that is not there', 1, { partition: 7 }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['of a topic that is not there', 1, { topic: 'nowhere' }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['of an internal topic', 1, { topic: '__consumer_offsets' }, 'INVALID_TOPIC_EXCEPTION'],
  ] as const)('refuses what is %s', (_what, offset, where, error) =>
    withFive(async (one) => {
      expect(await deleteRecords(one, offset, where)).toEqual({ error, lowWatermark: -1 });
      expect(await one.everything()).toEqual(letters);
    }),
  );

  test('refuses where the policy is to compact only', () =>
    withFive(async (one) => {
      one.logs.reconfigure(TOPIC, { ...config, cleanupPolicy: ['compact'] });
      expect((await deleteRecords(one, 1)).error).toBe('POLICY_VIOLATION');
      one.logs.reconfigure(TOPIC, { ...config, cleanupPolicy: ['compact', 'delete'] });
      expect(await deleteRecords(one, 1)).toEqual({ error: 'NONE', lowWatermark: 1 });
    }));

  test('answers for several partitions; the last word counts', () =>
    withFive(async (one) => {
      const { topics } = await one.send(apis.deleteRecords, 2, {
        topics: [
          { name: 'nowhere', partitions: [{ partitionIndex: 0, offset: 1 }] },
          {
            name: TOPIC,
            partitions: [
              { partitionIndex: 0, offset: 4 },
              { partitionIndex: 0, offset: 2 },
            ],
          },
        ],
        timeoutMs: 1_000,
      });
      expect(topics).toEqual([
        { name: 'nowhere', partitions: [{ partitionIndex: 0, lowWatermark: -1, errorCode: 3 }] },
        { name: TOPIC, partitions: [{ partitionIndex: 0, lowWatermark: 2, errorCode: 0 }] },
      ]);
    }));

  test('whole segments go, and a start remembers where the log begins', () =>
    withCluster(1, async (controller, [one], folder) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1]);
      one.logs.reconfigure(TOPIC, { ...config, segmentBytes: 150 });
      await produceEach(one);
      const { log } = one.partition;
      expect(log.firstSegmentOffset).toBe(0);
      expect(await deleteRecords(one, 3)).toEqual({ error: 'NONE', lowWatermark: 3 });
      expect(log.firstSegmentOffset).toBeGreaterThan(0);
      expect(log.firstSegmentOffset).toBeLessThanOrEqual(3);
      await one.stop();
      const again = await TestBroker.start({ id: 1, controller, folder });
      await controller.elect(1, [1]);
      controller.announce();
      expect(again.partition.log.logStartOffset).toBe(3);
      expect(await again.consume(3)).toEqual(['d', 'e']);
    }));
});

describe('a leader with a follower', () => {
  test('answers when the follower has deleted too', () =>
    withCluster(2, async (controller, [one, two]) => {
      if (!one || !two) throw new Error('two brokers');
      await controller.elect(1, [1, 2]);
      await produceEach(one);
      expect(await deleteRecords(one, 3)).toEqual({ error: 'NONE', lowWatermark: 3 });
      expect(two.partition.log.logStartOffset).toBe(3);
      expect((await deleteRecords(two, 3)).error).toBe('NOT_LEADER_OR_FOLLOWER');
    }));

  /** The follower stays away, so that nothing above 0 is safe; an unclean leader has all five. */
  const withoutFollower = (
    run: (
      controller: Parameters<Parameters<typeof withCluster>[1]>[0],
      one: TestBroker,
    ) => Promise<void>,
  ) =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1], [1]);
      // Still within the time that it may lag it would count: it is dead first.
      controller.announce([1]);
      await produceEach(one);
      await until(() => one.partition.highWatermark === letters.length);
      controller.announce([1, 2]);
      await run(controller, one);
    });

  test('tells when the time is up', () =>
    withoutFollower(async (_controller, one) => {
      expect(await deleteRecords(one, 2, { timeoutMs: 30 })).toEqual({
        error: 'REQUEST_TIMED_OUT',
        lowWatermark: -1,
      });
      // The leader itself has deleted, and does not take it back.
      expect(one.partition.log.logStartOffset).toBe(2);
    }));

  test('waits for it', () =>
    withoutFollower(async (controller, one) => {
      const answer = deleteRecords(one, 2, { timeoutMs: 60_000 });
      await until(() => one.partition.log.logStartOffset === 2);
      await controller.assign(2);
      expect(await answer).toEqual({ error: 'NONE', lowWatermark: 2 });
    }));

  test('does not wait for one that has died', () =>
    withoutFollower(async (controller, one) => {
      const answer = deleteRecords(one, 2, { timeoutMs: 60_000 });
      await until(() => one.partition.log.logStartOffset === 2);
      controller.announce([1]);
      expect(await answer).toEqual({ error: 'NONE', lowWatermark: 2 });
    }));

  test('says so when it leads no more', () =>
    withoutFollower(async (controller, one) => {
      const answer = deleteRecords(one, 2, { timeoutMs: 60_000 });
      await until(() => one.partition.log.logStartOffset === 2);
      await controller.elect(2, [1, 2], [1]);
      expect((await answer).error).toBe('NOT_LEADER_OR_FOLLOWER');
    }));
});
