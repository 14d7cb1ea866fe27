/**
 * `npm start`: a whole cluster in one process. One coordination server and any number of brokers, on neighbouring
 * ports, with their data in one folder; Ctrl-C stops it, the next start finds the data again.
 */
import { readBrokerConfig, startBroker } from '@odradek/broker';
import { readZooCfg, startCoordinator } from '@odradek/coord';
import { Lifecycle, type OdradekError, type PropertyEntry } from '@odradek/runtime';
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
    about:
      'How many coordination servers to start. More than one needs an ensemble, which this version does not have.',
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
    about: "The coordination server's port.",
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
    if ((values.coords ?? 1) !== 1) {
      throw new UsageError(
        '--coords: 1 is expected. Ensembles of coordination servers are not part of this version yet.',
      );
    }
    const brokers = values.brokers ?? 1;
    if (brokers < 1 || brokers > BROKERS_MAX) {
      throw new UsageError(`--brokers: a number from 1 to ${BROKERS_MAX} is expected`);
    }
    return await startCluster(
      {
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
  let stopCoordinator = async (): Promise<void> => {};
  const stopBroker = new Map<number, () => Promise<void>>();
  const coordinator = {
    name: 'coordination server',
    start: async () => {
      const { values, warnings } = readZooCfg(coordinatorEntries(layout), {
        source,
        homeDirectory,
      });
      for (const note of warnings) environment.log.warn(note);
      const running = await startCoordinator(environment, values);
      failures.push(running.failure);
      stopCoordinator = () => running.stop();
    },
    stop: () => stopCoordinator(),
  };
  const brokers = {
    name: 'brokers',
    start: async () => {
      await Promise.all(
        ids.map(async (id) => {
          const config = readBrokerConfig(brokerEntries(layout, id), {
            source,
            homeDirectory,
          });
          const running = await startBroker(environment, config, {
            interrupted,
            // One loop serves them all, so one broker watches it.
            ...(id === 0 && { eventLoopDelay: context.eventLoopDelay() }),
          });
          failures.push(running.failure);
          stopBroker.set(id, () => running.stop());
        }),
      );
    },
    stop: async () => {
      // One after the other, so that each hands its partitions to those that are left.
      for (const id of ids) await stopBroker.get(id)?.();
    },
  };
  await lifecycle.start([coordinator, brokers]);
  await stdout(greeting(layout, Math.round(context.upMs())));
  const code = await serve(
    { failure: Promise.race(failures), stop: () => lifecycle.stop() },
    context,
  );
  await stdout(`Stopped. The data is in ${layout.data}.\n`);
  return code;
}

function greeting({ brokers, data, host, clientPort, brokerPort }: Layout, ms: number): string {
  const ports = Array.from({ length: brokers }, (_, id) => `${host}:${brokerPort + id}`).join(',');
  return `Odradek is ready after ${ms} ms: one coordination server and ${brokers === 1 ? 'one broker' : `${brokers} brokers`}.

  ZooKeeper clients   ${host}:${clientPort}
  Kafka clients       ${ports}
  data                ${data}

Try, in another terminal:

  ./bin/kafka-topics.sh --create --zookeeper ${host}:${clientPort} --replication-factor ${Math.min(brokers, 3)} --partitions 2 --topic first
  ./bin/kafka-console-producer.sh --broker-list ${host}:${brokerPort} --topic first
  ./bin/kafka-console-consumer.sh --zookeeper ${host}:${clientPort} --topic first --from-beginning

Ctrl-C stops it; the next start finds the data again.
`;
}

function coordinatorEntries({ data, host, clientPort }: Layout): PropertyEntry[] {
  return entriesOf({
    dataDir: `${data}/zookeeper`,
    clientPort: String(clientPort),
    clientPortAddress: host,
    tickTime: '2000',
    maxClientCnxns: '0',
  });
}

function brokerEntries(
  { brokers, data, host, clientPort, brokerPort }: Layout,
  id: number,
): PropertyEntry[] {
  const copies = String(Math.min(brokers, 3));
  return entriesOf({
    'broker.id': String(id),
    listeners: `PLAINTEXT://${host}:${brokerPort + id}`,
    'log.dirs': `${data}/kafka-${id}`,
    'zookeeper.connect': `${host}:${clientPort}`,
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
