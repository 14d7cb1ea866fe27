/**
 * Goal: good and bad batches of every kind get the error, the offsets and the stored bytes that Apache Kafka 3.9.1
 * gave them.
 * Method: produce requests over a socket, and a table of what Apache's broker answered to the same ones, written by
 * test/interop/produced-batches.test.ts. The partition takes one topic's settings after the other.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { apis } from '@odradek/protocol';
import { logConfigOf, topicValuesOf } from '../../src/config/topic-config.ts';
import {
  cases,
  expected,
  type Outcome,
  outcomesOf,
  type Produce,
  type ProducedCase,
  type TopicName,
  topics,
} from '../log/produced-batches.ts';
import { withFolder } from '../log/support.ts';
import { TestBroker, TestController, TOPIC } from './support.ts';

const golden: Record<string, Outcome> = JSON.parse(
  readFileSync(join(import.meta.dirname, '../log/produced-batches.golden.json'), 'utf8'),
);

async function outcomesIn(topic: TopicName): Promise<Record<string, Outcome>> {
  return withFolder(async (folder) => {
    const controller = new TestController([1]);
    const broker = await TestBroker.start({ id: 1, controller, folder });
    await controller.elect(1, [1]);
    const { log } = broker.partition;
    log.config = logConfigOf(
      topicValuesOf({ value: () => null }, new Map(Object.entries(topics[topic]))),
    );
    const produce: Produce = async ({ version, records }: ProducedCase) => {
      const answer = await broker.send(apis.produce, version, {
        acks: 1,
        timeoutMs: 5_000,
        topicData: [{ name: TOPIC, partitionData: [{ index: 0, records }] }],
      });
      const response = answer.responses[0]?.partitionResponses[0];
      if (response === undefined) throw new Error('no answer for the partition');
      return response;
    };
    const found = await outcomesOf(
      cases.filter((each) => each.topic === topic),
      produce,
      async (_, offset) =>
        Buffer.concat((await log.read(offset, 1 << 20, log.logEndOffset, true)).chunks),
    );
    await broker.stop();
    return found;
  });
}

test.each(Object.keys(topics) as TopicName[])('batches for the topic "%s"', async (topic) => {
  const names = new Set(cases.filter((each) => each.topic === topic).map(({ name }) => name));
  const known = Object.entries(golden).filter(([name]) => names.has(name));
  expect(known).toHaveLength(names.size);
  expect(await outcomesIn(topic)).toEqual(expected(Object.fromEntries(known)));
});
