/** The console clients of Apache Kafka 4.1, unmodified: they know younger versions of requests than Kafka 3.9 does. */
import { join } from 'node:path';
import { fetchJars } from './maven.ts';
import type { Finished, Workspace } from './workspace.ts';

export const KAFKA_CLIENTS_4 = 'the clients of Apache Kafka 4.1.1';

const PRODUCER = 'org.apache.kafka.tools.ConsoleProducer';
const CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer';

export interface KafkaClients4 {
  readonly classPath: string;
}

/** @returns why there are none, or where they are; fetches them the first time */
export function findKafkaClients4(): KafkaClients4 | string {
  const folder = join(import.meta.dirname, 'kafka-clients-4');
  const found = fetchJars(folder, /^kafka-tools-4\.1\.1\.jar$/);
  return 'reason' in found ? found.reason : found;
}

/** Runs a console client to its end; standard error tells of each request that it sends. */
export function runKafka4(
  workspace: Workspace,
  { classPath }: KafkaClients4,
  tool: 'producer' | 'consumer',
  args: readonly string[],
  options?: Parameters<Workspace['run']>[2],
): Promise<Finished> {
  const logger = '-Dorg.slf4j.simpleLogger';
  const log = [`${logger}.defaultLogLevel=error`, `${logger}.log.org.apache.kafka.clients=debug`];
  const mainClass = tool === 'producer' ? PRODUCER : CONSUMER;
  return workspace.run('java', ['-Xmx256m', ...log, '-cp', classPath, mainClass, ...args], options);
}

/** The versions of the requests that a client has sent, by name, each in ascending order. */
export function versionsSent({ stderr }: Finished): Map<string, number[]> {
  const versions = new Map<string, number[]>();
  for (const [, api = '', version] of stderr.matchAll(/\(apiKey=(\w+), apiVersion=(\d+),/g)) {
    const known = versions.get(api) ?? [];
    if (!known.includes(Number(version))) known.push(Number(version));
    versions.set(
      api,
      known.sort((a, b) => a - b),
    );
  }
  return versions;
}
