/**
 * Real processes and kill -9: a leader dies in the middle of acks=all producing. Everything acknowledged must be
 * read afterwards, the ISR must shrink and, after the broker's return, grow again.
 */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Kafka } from '@odradek/client';
import {
  type BrokerProcess,
  type CoordinatorProcess,
  startBroker,
  startCoordinator,
} from '../support/cluster.ts';
import { eventually, Workspace } from '../support/workspace.ts';

const workspace = new Workspace();
let coordinator: CoordinatorProcess;
const brokers: BrokerProcess[] = [];

beforeAll(async () => {
  coordinator = await startCoordinator(workspace);
  for (const id of [0, 1]) {
    brokers.push(
      await startBroker(workspace, id, coordinator.connect, { 'replica.lag.time.max.ms': '5000' }),
    );
  }
});
afterAll(() => workspace.dispose());

async function describe(topic: string): Promise<{ leader: number; isr: number[] }> {
  const { stdout } = await workspace.tool('kafka-topics', [
    '--describe',
    '--zookeeper',
    coordinator.connect,
    '--topic',
    topic,
  ]);
  const match = /Leader: (\S+)\tReplicas: \S+\tIsr: (\S*)/.exec(stdout);
  if (match === null) throw new Error(`no partition line in ${stdout}`);
  return { leader: Number(match[1]), isr: (match[2] ?? '').split(',').map(Number).sort() };
}

test('nothing acknowledged is lost when the leader is killed, and it comes back into the ISR', async () => {
  const created = await workspace.tool('kafka-topics', [
    '--create',
    '--zookeeper',
    coordinator.connect,
    '--replication-factor',
    '2',
    '--partitions',
    '1',
    '--topic',
    'safe',
  ]);
  expect(created.code).toBe(0);
  const before = await eventually('both replicas in the ISR', async () => {
    const state = await describe('safe');
    return state.isr.length === 2 && state;
  });

  const kafka = new Kafka({ coordinator: coordinator.connect, clientId: 'failover-test' });
  const producer = kafka.producer({ acks: 'all' });
  const acknowledged: string[] = [];
  let producing = true;
  const loop = (async () => {
    for (let n = 0; producing; n += 50) {
      const values = Array.from({ length: 50 }, (_, index) => `record ${n + index}`);
      await Promise.all(
        values.map(async (value) => {
          await producer.send({ topic: 'safe', value });
          acknowledged.push(value);
        }),
      );
    }
  })();

  const victim = brokers.find(({ id }) => id === before.leader);
  if (victim === undefined) throw new Error('the leader is none of our brokers');
  await eventually('some records are in', async () => acknowledged.length > 500);
  await victim.daemon.stop('SIGKILL');
  const survivor = 1 - victim.id;
  await eventually('the leader moves and the ISR shrinks', async () => {
    const state = await describe('safe');
    return state.leader === survivor && state.isr.length === 1;
  });
  const atFailover = acknowledged.length;
  await eventually('producing goes on', async () => acknowledged.length > atFailover + 500);

  await victim.restart();
  await eventually('the ISR grows again', async () => (await describe('safe')).isr.length === 2);
  producing = false;
  await loop;
  await producer.close();
  await kafka.close();

  const consumed = await workspace.tool('kafka-console-consumer', [
    '--zookeeper',
    coordinator.connect,
    '--topic',
    'safe',
    '--from-beginning',
    '--timeout-ms',
    '10000',
  ]);
  const seen = consumed.stdout.trimEnd().split('\n');
  const seenOnce = new Set(seen);
  const missing = acknowledged.filter((value) => !seenOnce.has(value));
  expect(missing).toEqual([]);
  // The producer is idempotent by default, so a retry never doubles a record.
  expect(seenOnce.size).toBe(seen.length);
});
