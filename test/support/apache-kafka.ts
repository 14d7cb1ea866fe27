/**
 * Apache Kafka 3.9.1 itself, unmodified, for tests and benchmarks beside it: one broker in ZooKeeper mode on a
 * coordination server of ours or of Apache's, and its tools, each of which is a class.
 */
import { join } from 'node:path';
import { fetchJars } from './maven.ts';
import { type Daemon, type Finished, freePorts, type Workspace } from './workspace.ts';

export const APACHE_KAFKA = 'Apache Kafka 3.9.1';

const folder = join(import.meta.dirname, 'apache-kafka');

/** Apache Kafka as it is at hand. */
export interface ApacheKafka {
  readonly classPath: string;
}

export interface ApacheBroker {
  readonly daemon: Daemon;
  readonly id: number;
  readonly port: number;
  readonly address: string;
  readonly logDirectory: string;
  /** The same broker on the same directory, after it was stopped or killed. */
  readonly restart: () => Promise<ApacheBroker>;
}

/** @returns why there is none, or where it is; fetches it the first time */
export function findApacheKafka(): ApacheKafka | string {
  const found = fetchJars(folder, /^kafka-tools-3\.9\.1\.jar$/);
  return 'reason' in found ? found.reason : found;
}

/** Where a broker of Apache's lies and listens, when the caller wants to say so. */
export interface ApacheBrokerPlace {
  readonly port?: number;
  readonly logDirectory?: string;
  /** The heap; Kafka's own scripts give 1G. */
  readonly heap?: string;
  readonly environment?: NodeJS.ProcessEnv;
}

/** Starts a broker of Apache's and waits until it serves. */
export async function startApacheBroker(
  workspace: Workspace,
  { classPath }: ApacheKafka,
  id: number,
  connect: string,
  settings: Readonly<Record<string, string>> = {},
  place: ApacheBrokerPlace = {},
): Promise<ApacheBroker> {
  const port = place.port ?? (await freePorts(1))[0] ?? 0;
  const logDirectory = place.logDirectory ?? workspace.path(`apache-kafka-${id}`);
  const all: Record<string, string> = {
    'broker.id': String(id),
    listeners: `PLAINTEXT://127.0.0.1:${port}`,
    'log.dirs': logDirectory,
    'zookeeper.connect': connect,
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '5',
    'group.initial.rebalance.delay.ms': '0',
    ...settings,
  };
  const text = Object.entries(all).map(([key, value]) => `${key}=${value}\n`);
  const file = workspace.write(`apache-server-${id}.properties`, text.join(''));
  const log4j = workspace.write(
    'apache-log4j.properties',
    'log4j.rootLogger=INFO, out\n' +
      'log4j.appender.out=org.apache.log4j.ConsoleAppender\n' +
      'log4j.appender.out.layout=org.apache.log4j.PatternLayout\n' +
      'log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n\n',
  );
  const heap = place.heap ?? '1G';
  const daemon = workspace.daemon(
    `${APACHE_KAFKA} broker ${id}`,
    'java',
    [
      // As Kafka's own scripts start it.
      `-Xmx${heap}`,
      `-Xms${heap}`,
      '-server',
      '-XX:+UseG1GC',
      '-XX:MaxGCPauseMillis=20',
      '-XX:InitiatingHeapOccupancyPercent=35',
      '-XX:+ExplicitGCInvokesConcurrent',
      '-Djava.awt.headless=true',
      `-Dlog4j.configuration=file:${log4j}`,
      '-cp',
      classPath,
      'kafka.Kafka',
      file,
    ],
    place.environment,
  );
  await daemon.printed('started (kafka.server.KafkaServer)', 120_000);
  return {
    daemon,
    id,
    port,
    address: `127.0.0.1:${port}`,
    logDirectory,
    restart: () =>
      startApacheBroker(workspace, { classPath }, id, connect, settings, {
        ...place,
        port,
        logDirectory,
      }),
  };
}

/** Runs one of Apache's tools to its end, such as `kafka.tools.DumpLogSegments`. */
export function apacheTool(
  workspace: Workspace,
  { classPath }: ApacheKafka,
  mainClass: string,
  args: readonly string[],
  options?: Parameters<Workspace['run']>[2],
): Promise<Finished> {
  const quiet = workspace.write('apache-tool-log4j.properties', 'log4j.rootLogger=OFF\n');
  return workspace.run(
    'java',
    ['-Xmx256m', `-Dlog4j.configuration=file:${quiet}`, '-cp', classPath, mainClass, ...args],
    options,
  );
}
