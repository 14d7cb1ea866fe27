/**
 * The servers that are measured: our broker (built, started by its script), another build of it when one is named,
 * Apache Kafka as its own scripts start it, and the bare prototype. All get the same settings; each broker has a
 * coordination server of ours of its own.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  APACHE_KAFKA,
  findApacheKafka,
  startApacheBroker,
} from '../../test/support/apache-kafka.ts';
import { startCoordinator } from '../../test/support/cluster.ts';
import {
  type Daemon,
  eventually,
  freePorts,
  projectRoot,
  type Workspace,
} from '../../test/support/workspace.ts';
import { cpuSeconds } from '../process-usage.ts';

export type Medium = 'tmpfs' | 'disk';

/** Alike in all; nothing is forced to the medium but what the system does by itself. */
const settings: Readonly<Record<string, string>> = {
  'log.segment.bytes': String(1024 ** 3),
  'log.segment.delete.delay.ms': '500',
  'log.flush.interval.messages': '9223372036854775807',
  'num.partitions': '1',
  'auto.create.topics.enable': 'false',
  'zookeeper.session.timeout.ms': '18000',
};

/** A server is quiet when it has worked less than this part of the time between two looks. */
const QUIET_PART = 0.15;
const QUIET_CHECK_MS = 100;
const QUIET_CHECKS_MAX = 50;
const TOPICS_GONE_MS = 20_000;

export interface Server {
  readonly name: string;
  readonly port: number;
  readonly address: string;
  readonly pid: number;
  readonly logDirectory: string;
  createTopic(topic: string, partitions: number): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
}

export interface Contestant {
  readonly name: string;
  /** A bare server that knows no groups, no administration. */
  readonly isPrototype: boolean;
  start(directory: string): Promise<Server>;
}

/** Programs and folders of one run. */
export interface Surroundings {
  readonly workspace: Workspace;
  /** The load client that also creates and deletes topics. */
  readonly librdkafka: string;
}

/** A folder on the medium; removed by the caller. */
export function folderOn(medium: Medium): string {
  const parent = medium === 'tmpfs' && existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  return mkdtempSync(join(parent, 'odradek-bench-'));
}

/** @param root the tree whose build is to be started */
export function ours(surroundings: Surroundings, name: string, root = projectRoot): Contestant {
  return {
    name,
    isPrototype: false,
    start: async (directory) => {
      const { workspace } = surroundings;
      const { connect } = await startCoordinator(workspace);
      const [port = 0] = await freePorts(1);
      const file = workspace.write(
        `bench-${port}.properties`,
        Object.entries({
          'broker.id': '1',
          listeners: `PLAINTEXT://127.0.0.1:${port}`,
          'log.dirs': directory,
          'zookeeper.connect': connect,
          'offsets.topic.replication.factor': '1',
          'offsets.topic.num.partitions': '5',
          'group.initial.rebalance.delay.ms': '0',
          ...settings,
        })
          .map(([key, value]) => `${key}=${value}\n`)
          .join(''),
      );
      const daemon = workspace.daemon(name, join(root, 'bin/kafka-server-start.sh'), [file]);
      await daemon.printed('started (kafka.server.KafkaServer)');
      return administered(surroundings, name, daemon, port, directory);
    },
  };
}

/** @returns why it cannot be measured, or Apache Kafka */
export function apache(surroundings: Surroundings): Contestant | string {
  const found = findApacheKafka();
  if (typeof found === 'string') return found;
  return {
    name: APACHE_KAFKA,
    isPrototype: false,
    start: async (directory) => {
      const { workspace } = surroundings;
      const { connect } = await startCoordinator(workspace);
      const place = { logDirectory: directory };
      const broker = await startApacheBroker(workspace, found, 1, connect, settings, place);
      return administered(surroundings, APACHE_KAFKA, broker.daemon, broker.port, directory);
    },
  };
}

/** Starts anew, with an empty log, whenever a topic is deleted: it has nothing else to delete one with. */
export function prototype({ workspace }: Surroundings): Contestant {
  const name = 'prototype';
  return {
    name,
    isPrototype: true,
    start: async (directory) => {
      const [port = 0] = await freePorts(1);
      const start = async (): Promise<Daemon> => {
        const program = join(import.meta.dirname, 'prototype.mjs');
        const daemon = workspace.daemon(name, process.execPath, [program, String(port), directory]);
        await daemon.printed('serving');
        return daemon;
      };
      let daemon = await start();
      return {
        name,
        port,
        address: `127.0.0.1:${port}`,
        get pid() {
          return daemon.child.pid ?? 0;
        },
        logDirectory: directory,
        createTopic: () => Promise.resolve(),
        deleteTopic: async () => {
          await daemon.stop('SIGKILL');
          for (const file of readdirSync(directory)) rmSync(join(directory, file));
          daemon = await start();
        },
      };
    },
  };
}

function administered(
  { librdkafka }: Surroundings,
  name: string,
  daemon: Daemon,
  port: number,
  logDirectory: string,
): Server {
  mkdirSync(logDirectory, { recursive: true });
  const address = `127.0.0.1:${port}`;
  const admin = (...args: readonly string[]): void => {
    const { status, stderr } = spawnSync(librdkafka, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${name}: ${args.join(' ')}: ${stderr}`);
  };
  return {
    name,
    port,
    address,
    pid: daemon.child.pid ?? 0,
    logDirectory,
    createTopic: async (topic, partitions) => {
      admin('create', address, topic, String(partitions));
    },
    deleteTopic: async (topic) => {
      admin('delete', address, topic);
      const isGone = async (): Promise<boolean> =>
        !readdirSync(logDirectory).some((folder) => folder.startsWith(`${topic}-`));
      await eventually(`${name} has deleted ${topic}`, isGone, TOPICS_GONE_MS);
    },
  };
}

/** Waits until a server is done with what it does behind its clients' backs. */
export async function quiet({ pid }: Server): Promise<void> {
  for (let check = 0; check < QUIET_CHECKS_MAX; check += 1) {
    const before = cpuSeconds(pid);
    await new Promise((resolve) => setTimeout(resolve, QUIET_CHECK_MS));
    if (cpuSeconds(pid) - before < (QUIET_PART * QUIET_CHECK_MS) / 1000) return;
  }
}
