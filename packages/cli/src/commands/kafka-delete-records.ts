/**
 * kafka-delete-records: deletes the records before an offset, partition by partition, as a JSON file
 * says. Texts and exit codes are Kafka's: what fails for one partition is told in its line.
 */
import { Kafka, type TopicPartition } from '@odradek/client';
import { ConfigError } from '@odradek/runtime';
import { clientSettings } from '../client-settings.ts';
import type { Tool } from '../context.ts';
import { exceptionName } from '../exception-names.ts';
import { toolLogging } from '../logging.ts';
import { parseOptions, renderUsage } from '../options.ts';

const options = {
  'bootstrap-server': {
    kind: 'text',
    hint: 'String: server(s) to use for bootstrapping',
    about: 'The brokers to connect to, as host:port pairs.',
    required: true,
  },
  'offset-json-file': {
    kind: 'text',
    hint: 'String: Offset json file path',
    about:
      'The offsets: {"version":1,"partitions":[{"topic":"foo","partition":1,"offset":1}]}. -1 is the high watermark.',
    required: true,
  },
  'command-config': {
    kind: 'text',
    hint: 'String: command config property file path',
    about: 'A file of client properties.',
  },
} as const;

const FILE_VERSION = 1;
/** In place of an offset: all that is safe. */
const HIGH_WATERMARK = -1;

type Wish = TopicPartition & { readonly before: number | 'high-watermark' };

export const kafkaDeleteRecords: Tool = {
  name: 'kafka-delete-records',
  description:
    'This tool helps to delete records of the given partitions down to the specified offset.',
  usage: () => renderUsage(kafkaDeleteRecords.description, options),
  wantsWords: true,
  reportsSignal: false,
  logging: toolLogging,
  async run(words, context) {
    const { values } = parseOptions(kafkaDeleteRecords.name, options, words);
    const file = values['offset-json-file'] ?? '';
    const content = await context.environment.disk.readFile(file);
    if (content === null) throw new ConfigError(`${file} cannot be read: there is no such file`);
    const wishes = parseOffsetFile(content.toString('utf8'), file);
    const kafka = new Kafka({
      ...(await clientSettings(context, values['command-config'])),
      bootstrapServers: values['bootstrap-server'] ?? '',
      environment: context.environment,
    });
    const admin = kafka.admin();
    try {
      await context.stdout('Executing records delete operation\n');
      const results = await admin.deleteRecords(wishes);
      await context.stdout('Records delete operation completed:\n');
      for (const { topic, partition, error, lowWatermark } of results) {
        const outcome =
          error === null
            ? `low_watermark: ${lowWatermark}`
            : `error: ${exceptionName(error.code)}: ${error.message}`;
        await context.stdout(`partition: ${topic}-${partition}\t${outcome}\n`);
      }
      return 0;
    } finally {
      await admin.close();
      await kafka.close();
    }
  },
};

/**
 * Reads the file of offsets.
 * @throws ConfigError naming the file and what is wrong with it
 */
export function parseOffsetFile(text: string, file: string): readonly Wish[] {
  const wrong = (what: string): ConfigError => new ConfigError(`${file}: ${what}`);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(`${file}: The input string is not a valid JSON`, { cause });
  }
  const { version = FILE_VERSION, partitions } = fieldsOf(content);
  if (version !== FILE_VERSION) throw wrong(`Not supported version field value ${version}`);
  if (!Array.isArray(partitions)) throw wrong('Missing partitions field');
  const wishes = partitions.map((entry, index): Wish => {
    const { topic, partition, offset } = fieldsOf(entry);
    if (typeof topic !== 'string') throw wrong(`partitions[${index}]: topic is not a text`);
    if (!isWhole(partition)) throw wrong(`partitions[${index}]: partition is not a whole number`);
    if (!isWhole(offset)) throw wrong(`partitions[${index}]: offset is not a whole number`);
    return { topic, partition, before: offset === HIGH_WATERMARK ? 'high-watermark' : offset };
  });
  const names = wishes.map(({ topic, partition }) => `${topic}-${partition}`);
  const repeated = new Set(names.filter((name, index) => names.indexOf(name) !== index));
  if (repeated.size > 0) {
    throw wrong(`Offset json file contains duplicate topic partitions: ${[...repeated].join(',')}`);
  }
  return wishes;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}
