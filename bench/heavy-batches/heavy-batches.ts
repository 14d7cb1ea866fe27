/**
 * What large compressed batches cost everybody else: a client produces batches of 1 MB (unfolded) into topics that want
 * another codec, and another one asks for ApiVersions all the time. The same broker twice, once with worker threads and
 * once with everything done on its event loop. Prints, for each: MB/s (unfolded), the longest and the 99th percentile of
 * the event loop's delays as the broker measures them, the longest wait of the other client, the broker's CPU seconds.
 * `npm run bench:heavy [-- --smoke]`.
 */
import { cpus } from 'node:os';
import { join } from 'node:path';
import { BrokerConnection } from '@odradek/client';
import { apis, type Codec, encodeBatch, errorCodes, zstdReady } from '@odradek/protocol';
import { nodeEnvironment } from '@odradek/runtime';
import { startCoordinator } from '../../test/support/cluster.ts';
import { type Daemon, freePorts, projectRoot, Workspace } from '../../test/support/workspace.ts';
import { cpuSeconds } from '../process-usage.ts';

await zstdReady;
const smoke = process.argv.includes('--smoke');
const BATCHES = smoke ? 4 : 100;
const IN_FLIGHT = 4;
const UNFOLDED_BYTES = 1_000_000;
/** From the codec of the producer to that of the topic. */
const WAYS: readonly (readonly [sent: Codec, stored: string])[] = [
  ['gzip', 'producer'],
  ['zstd', 'producer'],
  ['lz4', 'producer'],
  ['none', 'gzip'],
  ['gzip', 'zstd'],
  ['zstd', 'gzip'],
  ['lz4', 'uncompressed'],
];
const workspace = new Workspace();

/** Lines of a log, which compress about as well as what people send. */
function batchOf(compression: Codec): Buffer {
  const value = (line: number): Buffer =>
    Buffer.from(
      `{"time":${1_700_000_000_000 + line * 37},"level":"info","request":"/orders/${(line * 7919) % 1009}","ms":${(line * line) % 97}}`,
    );
  const count = Math.floor(UNFOLDED_BYTES / 90);
  const records = Array.from({ length: count }, (_, line) => ({
    key: null,
    value: value(line),
    timestamp: 1_700_000_000_000 + line,
  }));
  return encodeBatch({ records, compression });
}

function connect(port: number): Promise<BrokerConnection> {
  return BrokerConnection.connect({
    host: '127.0.0.1',
    port,
    clientId: 'bench',
    environment: nodeEnvironment({ holdsProcess: true }),
    requestTimeoutMs: 60_000,
  });
}

async function produce(client: BrokerConnection, topic: string, records: Buffer): Promise<void> {
  for (;;) {
    const answer = await client.send(apis.produce, 9, {
      acks: 1,
      timeoutMs: 30_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    });
    const errorCode = answer.responses[0]?.partitionResponses[0]?.errorCode ?? -1;
    if (errorCode === 0) return;
    const isTooEarly = [
      errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
      errorCodes.NOT_LEADER_OR_FOLLOWER,
    ].some((code) => code === errorCode);
    if (!isTooEarly) throw new Error(`${topic}: error ${errorCode}`);
  }
}

async function createTopics(client: BrokerConnection): Promise<void> {
  for (;;) {
    const { topics } = await client.send(apis.createTopics, 5, {
      topics: WAYS.map(([sent, stored]) => ({
        name: `${sent}-${stored}`,
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: [{ name: 'compression.type', value: stored }],
      })),
      timeoutMs: 10_000,
      validateOnly: false,
    });
    if (topics.every(({ errorCode }) => errorCode === 0)) return;
  }
}

/** Asks all the time until told to stop. @returns the longest wait in ms */
async function neighbour(client: BrokerConnection, signal: AbortSignal): Promise<number> {
  let longestMs = 0;
  while (!signal.aborted) {
    const asked = performance.now();
    await client.send(apis.apiVersions, 0, {});
    longestMs = Math.max(longestMs, performance.now() - asked);
  }
  return longestMs;
}

/** Asks the broker for the delays since the last time. */
async function delays(broker: Daemon): Promise<{ maxMs: number; p99Ms: number }> {
  const before = broker.output.split('delays ').length;
  broker.child.kill('SIGUSR2');
  while (broker.output.split('delays ').length === before)
    await new Promise((resolve) => setTimeout(resolve, 1));
  return JSON.parse(broker.output.split('delays ').at(-1) ?? '');
}

async function measure(
  place: 'threads' | 'event-loop',
  broker: Daemon,
  port: number,
): Promise<void> {
  const client = await connect(port);
  const other = await connect(port);
  await createTopics(client);
  for (const [sent, stored] of WAYS) {
    const topic = `${sent}-${stored}`;
    const batch = batchOf(sent);
    await produce(client, topic, batch); // Starts the threads and warms the code up.
    await delays(broker);
    const stop = new AbortController();
    const longest = neighbour(other, stop.signal);
    const cpuBefore = cpuSeconds(broker.child.pid ?? 0);
    const began = performance.now();
    for (let done = 0; done < BATCHES; done += IN_FLIGHT)
      await Promise.all(
        Array.from({ length: IN_FLIGHT }, () => produce(client, topic, Buffer.from(batch))),
      );
    const seconds = (performance.now() - began) / 1000;
    stop.abort();
    const { maxMs, p99Ms } = await delays(broker);
    const cpu = cpuSeconds(broker.child.pid ?? 0) - cpuBefore;
    console.log(
      [
        `${sent} to ${stored}`.padEnd(20),
        place.padEnd(12),
        `${((BATCHES * UNFOLDED_BYTES) / seconds / 1e6).toFixed(0)} MB/s`.padStart(9),
        `loop delay max ${maxMs.toFixed(1)} p99 ${p99Ms.toFixed(1)} ms`.padStart(34),
        `neighbour waits up to ${(await longest).toFixed(1)} ms`.padStart(36),
        `CPU ${cpu.toFixed(2)} s`.padStart(14),
      ].join(''),
    );
  }
  client.close();
  other.close();
}

console.log(`${cpus().length} cores, ${cpus()[0]?.model.trim()}, Node ${process.version}`);
try {
  const coordinator = await startCoordinator(workspace);
  for (const [id, place] of (['event-loop', 'threads'] as const).entries()) {
    const [port = 0] = await freePorts(1);
    const file = workspace.write(
      `heavy-${place}.properties`,
      [
        `broker.id=${id + 1}`,
        `listeners=PLAINTEXT://127.0.0.1:${port}`,
        `log.dirs=${workspace.path(`heavy-${place}`)}`,
        `zookeeper.connect=${coordinator.connect}/${place}`,
      ].join('\n'),
    );
    const broker = workspace.daemon(`broker with ${place}`, process.execPath, [
      join(projectRoot, 'bench/heavy-batches/serve.mjs'),
      file,
      place,
    ]);
    await broker.printed('serving');
    await measure(place, broker, port);
    await broker.stop();
  }
} finally {
  await workspace.dispose();
}
