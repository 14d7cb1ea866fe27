/** The client as a program of one's own uses it: a script that imports the built package, and nothing else. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  type BrokerProcess,
  type CoordinatorProcess,
  startBroker,
  startCoordinator,
} from '../support/cluster.ts';
import { type Finished, freePorts, projectRoot, Workspace } from '../support/workspace.ts';

const workspace = new Workspace();
const client = pathToFileURL(join(projectRoot, 'packages/client/dist/index.js')).href;
let coordinator: CoordinatorProcess;
let broker: BrokerProcess;

beforeAll(async () => {
  coordinator = await startCoordinator(workspace);
  broker = await startBroker(workspace, 0, coordinator.connect);
});
afterAll(() => workspace.dispose());

function script(body: string): Promise<Finished> {
  const file = workspace.write('program.mjs', `import { Kafka } from '${client}';\n${body}`);
  return workspace.run(process.execPath, [file], { limitMs: 60_000 });
}

test.each([
  ['the coordination server', () => `{ coordinator: '${coordinator.connect}' }`],
  ['bootstrap brokers', () => `{ bootstrapServers: '${broker.address}' }`],
])(
  'a program that finds its cluster through %s sends, reads, and ends by itself',
  async (how, options) => {
    const topic = how.replaceAll(' ', '-');
    const finished = await script(`
    const kafka = new Kafka(${options()});
    const producer = kafka.producer();
    for (const value of ['one', 'two']) await producer.send({ topic: '${topic}', key: 'k', value });
    await producer.close();
    const consumer = kafka.consumer({ groupId: 'program-${topic}', offsetReset: 'earliest' });
    consumer.subscribe(['${topic}']);
    const seen = [];
    for await (const { value } of consumer) if (seen.push(String(value)) === 2) break;
    await consumer.close();
    console.log(seen.join(' '));
    await kafka.close();
  `);
    expect(finished).toMatchObject({ code: 0, stdout: 'one two\n', stderr: '' });
  },
);

test('a program that waits for a cluster that is not there is told so, rather than ended without a word', async () => {
  const [port] = await freePorts(1);
  const finished = await script(`
    const kafka = new Kafka({ bootstrapServers: '127.0.0.1:${port}' });
    const producer = kafka.producer({ deliveryTimeoutMs: 1500, requestTimeoutMs: 1000 });
    await producer.send({ topic: 'nowhere', value: 'x' }).catch((error) => console.log(error.retriable, error.message));
    await kafka.close();
  `);
  expect(finished.code).toBe(0);
  expect(finished.stdout).toMatch(/^(true|false) \S+/);
});
