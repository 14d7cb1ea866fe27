/** Our own daemons as child processes, started as a user starts them: the scripts of bin/ and a properties file. */
import { join } from 'node:path';
import { type Daemon, freePorts, projectRoot, type Workspace } from './workspace.ts';

const script = (name: string): string => join(projectRoot, 'bin', `${name}.sh`);

export interface CoordinatorProcess {
  readonly daemon: Daemon;
  readonly port: number;
  readonly connect: string;
  readonly restart: () => Promise<CoordinatorProcess>;
}

export interface BrokerProcess {
  readonly daemon: Daemon;
  readonly id: number;
  readonly port: number;
  readonly address: string;
  readonly logDirectory: string;
  readonly restart: () => Promise<BrokerProcess>;
}

export async function startCoordinator(
  workspace: Workspace,
  port?: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<CoordinatorProcess> {
  const clientPort = port ?? (await freePorts(1))[0] ?? 0;
  const file = workspace.write(
    `zookeeper-${clientPort}.properties`,
    properties({
      dataDir: workspace.path(`zookeeper-${clientPort}`),
      clientPort: String(clientPort),
      clientPortAddress: '127.0.0.1',
      tickTime: '500',
      ...settings,
    }),
  );
  const daemon = workspace.daemon('zookeeper', script('zookeeper-server-start'), [file]);
  await daemon.printed('serving clients');
  return {
    daemon,
    port: clientPort,
    connect: `127.0.0.1:${clientPort}`,
    restart: () => startCoordinator(workspace, clientPort, settings),
  };
}

export async function startBroker(
  workspace: Workspace,
  id: number,
  connect: string,
  settings: Readonly<Record<string, string>> = {},
  port?: number,
  environment: NodeJS.ProcessEnv = {},
): Promise<BrokerProcess> {
  const bound = port ?? (await freePorts(1))[0] ?? 0;
  const logDirectory = workspace.path(`kafka-${id}`);
  const file = workspace.write(
    `server-${id}.properties`,
    properties({
      'broker.id': String(id),
      listeners: `PLAINTEXT://127.0.0.1:${bound}`,
      'log.dirs': logDirectory,
      'zookeeper.connect': connect,
      'zookeeper.session.timeout.ms': '3000',
      'offsets.topic.replication.factor': '1',
      'offsets.topic.num.partitions': '5',
      'group.initial.rebalance.delay.ms': '0',
      ...settings,
    }),
  );
  const daemon = workspace.daemon(
    `broker ${id}`,
    script('kafka-server-start'),
    [file],
    environment,
  );
  await daemon.printed('started (kafka.server.KafkaServer)');
  return {
    daemon,
    id,
    port: bound,
    address: `127.0.0.1:${bound}`,
    logDirectory,
    restart: () => startBroker(workspace, id, connect, settings, bound, environment),
  };
}

function properties(entries: Readonly<Record<string, string>>): string {
  return `${Object.entries(entries)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')}\n`;
}
