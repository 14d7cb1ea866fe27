/** kafka-console-producer: one record per line of standard input. Options, defaults and texts are Kafka's. */
import { Kafka, type OutgoingRecord, type Producer, type ProducerOptions } from '@odradek/client';
import type { Codec } from '@odradek/protocol';
import { numberOf, readPropertiesFile, withPairs } from '../client-settings.ts';
import type { CommandContext, Tool } from '../context.ts';
import { LineError, lineReader } from '../line-reader.ts';
import { toolLogging } from '../logging.ts';
import { type OptionValues, parseOptions, renderUsage, UsageError } from '../options.ts';

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const satisfies readonly Codec[];

const options = {
  'bootstrap-server': {
    kind: 'text',
    hint: 'String: server to connect to',
    about: 'The brokers to connect to, as host:port pairs. Required unless --broker-list is given.',
  },
  'broker-list': {
    kind: 'text',
    hint: 'String: broker-list',
    about: 'The older name of --bootstrap-server; ignored when both are given.',
  },
  topic: { kind: 'text', hint: 'String: topic', about: 'The topic to produce to.', required: true },
  sync: { kind: 'flag', about: 'Wait for each record to be acknowledged before the next is sent.' },
  'compression-codec': {
    kind: 'optional',
    hint: 'String: compression-codec',
    about: "The codec: 'none', 'gzip', 'snappy', 'lz4' or 'zstd'. Without a value: gzip.",
  },
  'batch-size': {
    kind: 'number',
    hint: 'Integer: size',
    about: 'Bytes of a batch.',
    shownDefault: '16384',
  },
  'max-partition-memory-bytes': {
    kind: 'number',
    hint: 'Integer: memory in bytes per partition',
    about: 'As --batch-size, which it overrides.',
    shownDefault: '16384',
  },
  'max-memory-bytes': {
    kind: 'number',
    hint: 'Long: total memory in bytes',
    about: 'Bytes of records that wait to be sent.',
    shownDefault: '33554432',
  },
  'message-send-max-retries': {
    kind: 'number',
    hint: 'Integer',
    about: 'How often a record is sent again.',
    shownDefault: '3',
  },
  'retry-backoff-ms': {
    kind: 'number',
    hint: 'Long',
    about: 'Pause before a retry.',
    shownDefault: '100',
  },
  timeout: {
    kind: 'number',
    hint: 'Long: timeout_ms',
    about: 'How long a batch may wait for more records.',
    shownDefault: '1000',
  },
  'request-required-acks': {
    kind: 'text',
    hint: 'String: request required acks',
    about: 'Who must have a record: 0 nobody, 1 the leader, -1 or all the in-sync replicas.',
    shownDefault: '-1',
  },
  'request-timeout-ms': {
    kind: 'number',
    hint: 'Integer: request timeout ms',
    about: 'How long the brokers may take to acknowledge.',
    shownDefault: '1500',
  },
  'metadata-expiry-ms': {
    kind: 'number',
    hint: 'Long',
    about: 'Accepted; metadata is renewed when it proves wrong.',
  },
  'max-block-ms': {
    kind: 'number',
    hint: 'Long',
    about: 'How long a send may take in all.',
    shownDefault: '60000',
  },
  'socket-buffer-size': {
    kind: 'number',
    hint: 'Integer: size',
    about: "Accepted; the system's size is used.",
  },
  'line-reader': {
    kind: 'text',
    hint: 'String: reader_class',
    about: 'Only the reader of lines is there.',
  },
  property: {
    kind: 'repeated',
    hint: 'String: prop',
    about:
      'A property of the reader of lines, as name=value: parse.key, key.separator, parse.headers, headers.delimiter, headers.separator, headers.key.separator, null.marker, ignore.error.',
  },
  'reader-config': {
    kind: 'text',
    hint: 'String: config file',
    about: 'A file of such properties.',
  },
  'producer-property': {
    kind: 'repeated',
    hint: 'String: producer_prop',
    about: 'A property of the producer, as name=value.',
  },
  'producer.config': {
    kind: 'text',
    hint: 'String: config file',
    about: 'A file of such properties.',
  },
} as const;

type Values = OptionValues<typeof options>;

export const kafkaConsoleProducer: Tool = {
  name: 'kafka-console-producer',
  description: 'This tool helps to read data from standard input and publish it to Kafka.',
  usage: () => renderUsage(kafkaConsoleProducer.description, options),
  wantsWords: true,
  reportsSignal: false,
  logging: toolLogging,
  async run(words, context) {
    const { values } = parseOptions(kafkaConsoleProducer.name, options, words);
    const bootstrapServers = values['bootstrap-server'] ?? values['broker-list'];
    if (bootstrapServers === undefined)
      throw new UsageError('Missing required option [bootstrap-server]');
    if (!bootstrapServers.split(',').every((pair) => /^\s*[^\s:,]+:\d+\s*$/.test(pair))) {
      throw new UsageError(`'${bootstrapServers}' is not a list of host:port pairs`);
    }
    const properties = withPairs(
      await readPropertiesFile(context, values['producer.config']),
      values['producer-property'],
    );
    const read = lineReader(
      withPairs(await readPropertiesFile(context, values['reader-config']), values.property),
    );
    const kafka = new Kafka({
      bootstrapServers,
      clientId: properties.get('client.id') ?? 'console-producer',
      environment: context.environment,
    });
    const producer = kafka.producer(producerOptions(values, properties));
    try {
      return await pump(producer, values, read, context);
    } finally {
      await producer.close();
      await kafka.close();
    }
  },
};

type Read = ReturnType<typeof lineReader>;

async function pump(
  producer: Producer,
  values: Values,
  read: Read,
  context: CommandContext,
): Promise<number> {
  const { environment, interrupted } = context;
  const log = environment.log.child('console-producer');
  const topic = values.topic ?? '';
  const failed = (error: Error | null): void => {
    if (error !== null) log.error('a record was not accepted', { topic, error });
  };
  let lineNumber = 0;
  for await (const line of linesOf(context)) {
    if (interrupted.aborted) break;
    lineNumber += 1;
    let record: OutgoingRecord;
    try {
      record = { topic, ...read(line, lineNumber) };
    } catch (failure) {
      if (!(failure instanceof LineError)) throw failure;
      await context.stderr(`${failure.message}\n`);
      await producer.flush();
      return 1;
    }
    if (values.sync) await producer.send(record);
    else if (!producer.post(record, failed)) await producer.drained();
  }
  await producer.flush();
  return 0;
}

/** Lines of standard input, asked for with a prompt where a person types them. */
async function* linesOf(context: CommandContext): AsyncGenerator<Buffer> {
  if (!context.isTerminal) {
    yield* context.lines();
    return;
  }
  for (;;) {
    const line = await context.prompt('>');
    if (line === null) return;
    yield Buffer.from(line);
  }
}

/** What was given on the command line wins over properties; properties win over the tool's own defaults. */
function producerOptions(values: Values, properties: ReadonlyMap<string, string>): ProducerOptions {
  const choose = (given: number | undefined, key: string, ownDefault: number): number =>
    given ?? numberOf(properties, key) ?? ownDefault;
  const acks = parseAcks(values['request-required-acks'] ?? properties.get('acks') ?? '-1');
  const idempotent = properties.get('enable.idempotence')?.trim() !== 'false' && acks === 'all';
  const codec = values['compression-codec'];
  const requestTimeoutMs = choose(values['request-timeout-ms'], 'request.timeout.ms', 1500);
  const lingerMs = choose(values.timeout, 'linger.ms', 1000);
  return {
    acks,
    idempotent,
    compression: codec === undefined ? 'none' : parseCodec(codec === true ? 'gzip' : codec),
    batchBytes: choose(
      values['max-partition-memory-bytes'] ?? values['batch-size'],
      'batch.size',
      16_384,
    ),
    bufferBytes: choose(values['max-memory-bytes'], 'buffer.memory', 33_554_432),
    retries: choose(values['message-send-max-retries'], 'retries', 3),
    retryBackoffMs: choose(values['retry-backoff-ms'], 'retry.backoff.ms', 100),
    lingerMs,
    requestTimeoutMs,
    deliveryTimeoutMs: Math.max(
      choose(values['max-block-ms'], 'max.block.ms', 60_000),
      numberOf(properties, 'delivery.timeout.ms') ?? 0,
      requestTimeoutMs + lingerMs,
    ),
    ...maxRequest(properties),
  };
}

function maxRequest(
  properties: ReadonlyMap<string, string>,
): Pick<ProducerOptions, 'maxRequestBytes'> {
  const maxRequestBytes = numberOf(properties, 'max.request.size');
  return maxRequestBytes === undefined ? {} : { maxRequestBytes };
}

function parseAcks(text: string): 0 | 1 | 'all' {
  switch (text.trim()) {
    case '0':
      return 0;
    case '1':
      return 1;
    case '-1':
    case 'all':
      return 'all';
    default:
      throw new UsageError(`--request-required-acks ${text}: 0, 1, -1 or all is expected`);
  }
}

function parseCodec(text: string): Codec {
  const codec = CODECS.find((name) => name === text);
  if (codec === undefined) {
    throw new UsageError(`--compression-codec ${text}: one of ${CODECS.join(', ')} is expected`);
  }
  return codec;
}
