/**
 * `npm start`: a whole cluster in one process. One coordination server or an ensemble of them, and any number of
 * brokers, on neighbouring ports, with their data in one folder; Ctrl-C stops it, the next start finds the data again.
 */
import { readBrokerConfig, startBroker } from '@odradek/broker';
import { type RunningCoordinator, readZooCfg, startCoordinator } from '@odradek/coord';
import {
  ConfigError,
  type Environment,
  Lifecycle,
  type OdradekError,
  type PropertyEntry,
} from '@odradek/runtime';
import type { CommandContext, Tool } from '../context.ts';
import { quietLogging } from '../logging.ts';
import { parseOptions, renderUsage, UsageError } from '../options.ts';
import { serve } from './server-start.ts';

const options = {
  brokers: {
    kind: 'number',
    hint: 'Integer',
    about: 'How many brokers to start.',
    shownDefault: '1',
  },
  coords: {
    kind: 'number',
    hint: 'Integer',
    about: 'How many coordination servers to start. More than one are one ensemble.',
    shownDefault: '1',
  },
  data: {
    kind: 'text',
    hint: 'String: folder',
    about: 'Where the data lives.',
    shownDefault: './data',
  },
  'client-port': {
    kind: 'number',
    hint: 'Integer',
    about:
      "The first coordination server's port. With several, each has three that follow each other: for clients, for replication, for elections.",
    shownDefault: '2181',
  },
  'broker-port': {
    kind: 'number',
    hint: 'Integer',
    about: "The first broker's port; the others follow it.",
    shownDefault: '9092',
  },
  host: { kind: 'text', about: 'The address to listen on.', shownDefault: 'localhost' },
  help: { kind: 'flag', about: 'Print this text.' },
} as const;

const BROKERS_MAX = 100;
const COORDS_MAX = 9;
/** Of each server of an ensemble, from its client port on. */
const PORTS_PER_COORD = 3;

export const start: Tool = {
  name: 'start',
  description: 'Starts a whole cluster in one process.',
  usage: () => renderUsage(start.description, options),
  wantsWords: false,
  reportsSignal: false,
  logging: quietLogging,
  async run(words, context) {
    const { values, rest } = parseOptions(start.name, options, words);
    if (values.help) {
      await context.stdout(start.usage());
      return 0;
    }
    if (rest.length > 0) throw new UsageError(`${rest[0]} is not an option`);
    const coords = values.coords ?? 1;
    if (coords < 1 || coords > COORDS_MAX) {
      throw new UsageError(`--coords: a number from 1 to ${COORDS_MAX} is expected`);
    }
    const brokers = values.brokers ?? 1;
    if (brokers < 1 || brokers > BROKERS_MAX) {
      throw new UsageError(`--brokers: a number from 1 to ${BROKERS_MAX} is expected`);
    }
    return await startCluster(
      {
        coords,
        brokers,
        data: values.data ?? 'data',
        host: values.host ?? 'localhost',
        clientPort: values['client-port'] ?? 2181,
        brokerPort: values['broker-port'] ?? 9092,
      },
      context,
    );
  },
};

interface Layout {
  readonly coords: number;
  readonly brokers: number;
  readonly data: string;
  readonly host: string;
  readonly clientPort: number;
  readonly brokerPort: number;
}

async function startCluster(layout: Layout, context: CommandContext): Promise<number> {
  const { environment, homeDirectory, interrupted, stdout } = context;
  const lifecycle = new Lifecycle(environment, environment.log);
  const failures: Promise<OdradekError>[] = [];
  const source = 'npm start';
  const ids = Array.from({ length: layout.brokers }, (_, id) => id);
  const running: RunningCoordinator[] = [];
  const stopBroker = new Map<number, () => Promise<void>>();
  const coordinators = {
    name: 'coordination servers',
    start: async () => {
      await refuseOtherCount(layout, environment);
      const started = await Promise.allSettled(
        coordIds(layout).map(async (id) => {
          const coordinator = await startOne(layout, id, context);
          running.push(coordinator);
          failures.push(coordinator.failure);
        }),
      );
      for (const one of started) {
        if (one.status === 'fulfilled') continue;
        await Promise.all(running.map((coordinator) => coordinator.stop()));
        throw one.reason;
      }
    },
    stop: async () => {
      await Promise.all(running.map((coordinator) => coordinator.stop()));
    },
  };
  const openFiles = context.openFilesLimit();
  const brokers = {
    name: 'brokers',
    start: async () => {
      await Promise.all(
        ids.map(async (id) => {
          const config = readBrokerConfig(brokerEntries(layout, id), {
            source,
            homeDirectory,
          });
          const broker = await startBroker(environment, config, {
            interrupted,
            openFilesLimit: openFiles === null ? null : Math.floor(openFiles / ids.length),
            // One loop serves them all, so one broker watches it.
            ...(id === 0 && { eventLoopDelay: context.eventLoopDelay() }),
          });
          failures.push(broker.failure);
          stopBroker.set(id, () => broker.stop());
        }),
      );
    },
    stop: async () => {
      // One after the other, so that each hands its partitions to those that are left.
      for (const id of ids) await stopBroker.get(id)?.();
    },
  };
  await lifecycle.start([coordinators, brokers]);
  await stdout(greeting(layout, Math.round(context.upMs())));
  const code = await serve(
    { failure: Promise.race(failures), stop: () => lifecycle.stop() },
    context,
  );
  await stdout(`Stopped. The data is in ${layout.data}.\n`);
  return code;
}

async function startOne(
  layout: Layout,
  id: number,
  { environment, homeDirectory }: CommandContext,
): Promise<RunningCoordinator> {
  const { values, warnings } = readZooCfg(coordinatorEntries(layout, id), {
    source: 'npm start',
    homeDirectory,
  });
  for (const note of warnings) environment.log.warn(note);
  if (layout.coords > 1) {
    const folder = coordFolder(layout, id);
    await environment.disk.makeDirectory(folder);
    await environment.disk.replaceFile(`${folder}/myid`, `${id}\n`);
  }
  return await startCoordinator(environment, values);
}

/** Data of another number of servers is not this ensemble's: it would begin empty beside it. */
async function refuseOtherCount(layout: Layout, { disk }: Environment): Promise<void> {
  const expected = coordIds(layout).map((id) => coordFolder(layout, id));
  const found = (await disk.list(layout.data))
    .filter(({ name }) => /^zookeeper(-\d+)?$/.test(name))
    .map(({ name }) => `${layout.data}/${name}`);
  const isOther =
    found.some((folder) => !expected.includes(folder)) ||
    (found.length > 0 && found.length < expected.length);
  if (!isOther) return;
  throw new ConfigError(
    `${layout.data} holds the data of ${many(found.length, 'coordination server')} (${found.join(', ')}), not of ${layout.coords}: ` +
      'start as many as there were, or name another folder with --data',
  );
}

function greeting(layout: Layout, ms: number): string {
  const { coords, brokers, data, host, brokerPort } = layout;
  const ports = Array.from({ length: brokers }, (_, id) => `${host}:${brokerPort + id}`).join(',');
  const [first = ''] = coordAddresses(layout);
  return `Odradek is ready after ${ms} ms: ${many(coords, 'coordination server')} and ${many(brokers, 'broker')}.

  ZooKeeper clients   ${coordAddresses(layout).join(',')}
  Kafka clients       ${ports}
  data                ${data}

Try, in another terminal:

  ./bin/kafka-topics.sh --create --zookeeper ${first} --replication-factor ${Math.min(brokers, 3)} --partitions 2 --topic first
  ./bin/kafka-console-producer.sh --broker-list ${host}:${brokerPort} --topic first
  ./bin/kafka-console-consumer.sh --zookeeper ${first} --topic first --from-beginning

Ctrl-C stops it; the next start finds the data again.
`;
}

const many = (count: number, noun: string): string =>
  count === 1 ? `one ${noun}` : `${count} ${noun}s`;

const coordIds = ({ coords }: Layout): number[] =>
  Array.from({ length: coords }, (_, index) => index + 1);

const coordFolder = ({ coords, data }: Layout, id: number): string =>
  coords === 1 ? `${data}/zookeeper` : `${data}/zookeeper-${id}`;

const coordPort = ({ clientPort }: Layout, id: number): number =>
  clientPort + PORTS_PER_COORD * (id - 1);

const coordAddresses = (layout: Layout): string[] =>
  coordIds(layout).map((id) => `${layout.host}:${coordPort(layout, id)}`);

function coordinatorEntries(layout: Layout, id: number): PropertyEntry[] {
  const { coords, host } = layout;
  const members = coordIds(layout).map((member): [string, string] => {
    const port = coordPort(layout, member);
    return [`server.${member}`, `${host}:${port + 1}:${port + 2}`];
  });
  return entriesOf({
    dataDir: coordFolder(layout, id),
    clientPort: String(coordPort(layout, id)),
    clientPortAddress: host,
    tickTime: '2000',
    maxClientCnxns: '0',
    ...(coords > 1 && { initLimit: '10', syncLimit: '5', ...Object.fromEntries(members) }),
  });
}

function brokerEntries(layout: Layout, id: number): PropertyEntry[] {
  const { brokers, data, host, brokerPort } = layout;
  const copies = String(Math.min(brokers, 3));
  return entriesOf({
    'broker.id': String(id),
    listeners: `PLAINTEXT://${host}:${brokerPort + id}`,
    'log.dirs': `${data}/kafka-${id}`,
    'zookeeper.connect': coordAddresses(layout).join(','),
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
  });
}

function entriesOf(properties: Readonly<Record<string, string>>): PropertyEntry[] {
  return Object.entries(properties).map(([key, value], index) => ({
    key,
    value,
    line: index + 1,
    source: 'npm start',
  }));
}
