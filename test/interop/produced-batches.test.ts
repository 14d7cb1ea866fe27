/**
 * Goal: what this broker makes of good and bad batches is what Apache Kafka 3.9.1 makes of them: error, records that
 * are to blame, offsets, stored bytes.
 * Method: the same produce requests to both, in the same order, and every partition read back raw. What Apache's
 * broker answers is also the table that the quick test holds this broker to; ODRADEK_WRITE_GOLDEN=1 writes it anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { BrokerConnection } from '@odradek/client';
import { apis, errorCodes } from '@odradek/protocol';
import { nodeEnvironment } from '@odradek/runtime';
import {
  cases,
  expected,
  type Outcome,
  outcomesOf,
  type Produce,
  type ProducedCase,
  topics,
} from '../../packages/broker/test/log/produced-batches.ts';
import { type ApacheKafka, findApacheKafka, startApacheBroker } from '../support/apache-kafka.ts';
import { startBroker, startCoordinator } from '../support/cluster.ts';
import { projectRoot, Workspace } from '../support/workspace.ts';

const GOLDEN = join(projectRoot, 'packages/broker/test/log/produced-batches.golden.json');
/** The leader has not been told of the topic yet. */
const TOO_EARLY: ReadonlySet<number> = new Set([
  errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  errorCodes.LEADER_NOT_AVAILABLE,
  errorCodes.NOT_LEADER_OR_FOLLOWER,
]);
const workspace = new Workspace();
const kafka = findApacheKafka();
if (typeof kafka === 'string') console.warn(`skipped: ${kafka}`);
const whereItIs = typeof kafka === 'string' ? test.skip : test;
afterAll(() => workspace.dispose());

async function outcomes(port: number): Promise<Record<string, Outcome>> {
  const connection = await BrokerConnection.connect({
    host: '127.0.0.1',
    port,
    clientId: 'comparison',
    environment: nodeEnvironment(),
    requestTimeoutMs: 60_000,
  });
  await createTopics(connection);
  const found = await outcomesOf(
    cases,
    (each) => produced(connection, each),
    (topic, offset) => storedFrom(connection, topic, offset),
  );
  connection.close();
  return found;
}

/** A broker serves a little before it is known that it lives. */
async function createTopics(connection: BrokerConnection): Promise<void> {
  for (;;) {
    const { topics: created } = await connection.send(apis.createTopics, 5, {
      topics: Object.entries(topics).map(([name, settings]) => ({
        name,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
      })),
      timeoutMs: 10_000,
      validateOnly: false,
    });
    if (created[0]?.errorCode === errorCodes.INVALID_REPLICATION_FACTOR) continue;
    expect(created.map(({ errorMessage }) => errorMessage)).toEqual(created.map(() => null));
    return;
  }
}

async function produced(
  connection: BrokerConnection,
  { topic, version, records }: ProducedCase,
): ReturnType<Produce> {
  for (;;) {
    const answer = await connection.send(apis.produce, version, {
      acks: 1,
      timeoutMs: 5_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    });
    const response = answer.responses[0]?.partitionResponses[0];
    if (response === undefined) throw new Error('no answer for the partition');
    if (!TOO_EARLY.has(response.errorCode)) return response;
  }
}

async function storedFrom(
  connection: BrokerConnection,
  topic: string,
  offset: number,
): Promise<Buffer> {
  const partition = { partition: 0, fetchOffset: offset, partitionMaxBytes: 1 << 20 };
  const answer = await connection.send(apis.fetch, 11, {
    maxWaitMs: 100,
    minBytes: 1,
    maxBytes: 1 << 20,
    topics: [{ topic, partitions: [partition] }],
  });
  return answer.responses[0]?.partitions[0]?.records ?? Buffer.alloc(0);
}

whereItIs('every batch has the same outcome in both brokers', async () => {
  const coordinator = await startCoordinator(workspace);
  const apache = await startApacheBroker(
    workspace,
    kafka as ApacheKafka,
    1,
    `${coordinator.connect}/apache`,
  );
  const theirs = await outcomes(apache.port);
  if (process.env.ODRADEK_WRITE_GOLDEN === '1')
    writeFileSync(GOLDEN, `${JSON.stringify(theirs, null, 1)}\n`);
  const ours = await startBroker(workspace, 2, coordinator.connect);
  expect(await outcomes(ours.port)).toEqual(expected(theirs));
  expect(theirs).toEqual(JSON.parse(readFileSync(GOLDEN, 'utf8')));
});
