/**
 * kafka-log-dirs: how large each replica is in each log directory of each broker, as one line of JSON
 * in the form of Kafka 3.9, keys in its order.
 */
import { type BrokerLogDirs, Kafka, type LogDirDescription } from '@odradek/client';
import { clientSettings } from '../client-settings.ts';
import type { Tool } from '../context.ts';
import { exceptionName } from '../exception-names.ts';
import { toolLogging } from '../logging.ts';
import { parseOptions, renderUsage, UsageError } from '../options.ts';

const options = {
  'bootstrap-server': {
    kind: 'text',
    hint: 'String: The server(s) to use for bootstrapping',
    about: 'The brokers to connect to, as host:port pairs.',
    required: true,
  },
  'command-config': {
    kind: 'text',
    hint: 'String: Admin client property file',
    about: 'A file of client properties.',
  },
  describe: {
    kind: 'flag',
    about: 'Describe the log directories of the brokers.',
    required: true,
  },
  'broker-list': {
    kind: 'text',
    hint: 'String: Broker list',
    about: 'The brokers to ask, as "0,1,2". All of the cluster unless given.',
  },
  'topic-list': {
    kind: 'text',
    hint: 'String: Topic list',
    about: 'The topics to show, as "topic1,topic2". All unless given.',
  },
} as const;

const CLIENT_ID = 'log-dirs-tool';
const FORMAT_VERSION = 1;

export const kafkaLogDirs: Tool = {
  name: 'kafka-log-dirs',
  description: 'This tool helps to query log directory usage on the specified brokers.',
  usage: () => renderUsage(kafkaLogDirs.description, options),
  wantsWords: true,
  reportsSignal: false,
  logging: toolLogging,
  async run(words, context) {
    const { values } = parseOptions(kafkaLogDirs.name, options, words);
    const wanted = idsOf(values['broker-list']);
    const topics = new Set(itemsOf(values['topic-list']));
    const kafka = new Kafka({
      clientId: CLIENT_ID,
      ...(await clientSettings(context, values['command-config'])),
      bootstrapServers: values['bootstrap-server'] ?? '',
      environment: context.environment,
    });
    const admin = kafka.admin();
    try {
      const known = (await admin.describeCluster()).brokers.map(({ id }) => id);
      const unknown = wanted.filter((id) => !known.includes(id));
      if (unknown.length > 0) {
        await context.stderr(
          `ERROR: The given brokers do not exist from --broker-list: ${unknown.join(',')}. Current existent brokers: ${known.join(',')}\n`,
        );
        return 1;
      }
      const asked = wanted.length === 0 ? known : wanted;
      await context.stdout('Querying brokers for log directories information\n');
      const described = await admin.describeLogDirs(asked);
      await context.stdout(`Received log directory information from brokers ${asked.join(',')}\n`);
      await context.stdout(`${logDirsJson(described, topics)}\n`);
      return 0;
    } finally {
      await admin.close();
      await kafka.close();
    }
  },
};

/** @param topics those to show; empty for all */
export function logDirsJson(
  described: readonly BrokerLogDirs[],
  topics: ReadonlySet<string>,
): string {
  const brokers = described.map(({ brokerId, logDirs }) => ({
    broker: brokerId,
    logDirs: logDirs.map((dir) => dirOf(dir, topics)),
  }));
  return JSON.stringify({ brokers, version: FORMAT_VERSION });
}

function dirOf({ path, error, replicas }: LogDirDescription, topics: ReadonlySet<string>) {
  return {
    partitions: replicas
      .filter(({ topic }) => topics.size === 0 || topics.has(topic))
      .map(({ topic, partition, sizeBytes, offsetLag, isFuture }) => ({
        partition: `${topic}-${partition}`,
        size: sizeBytes,
        offsetLag,
        isFuture,
      })),
    error: error === null ? null : exceptionName(error.code),
    logDir: path,
  };
}

function itemsOf(list: string | undefined): readonly string[] {
  return (list ?? '').split(',').filter((item) => item !== '');
}

/** Each id once, ascending. */
function idsOf(list: string | undefined): readonly number[] {
  const ids = itemsOf(list).map((item) => {
    if (!/^-?\d+$/.test(item)) {
      throw new UsageError(`Cannot parse '${item}' of option broker-list: ids are whole numbers`);
    }
    return Number(item);
  });
  return [...new Set(ids)].sort((a, b) => a - b);
}
