/** kafka-console-consumer: records of a topic as lines on standard output. Options, columns and texts are Kafka's. */
import { type ConsumedBatch, type Consumer, type ConsumerOptions, Kafka } from '@odradek/client';
import { millis } from '@odradek/runtime';
import { numberOf, readPropertiesFile, withPairs } from '../client-settings.ts';
import type { CommandContext, Tool } from '../context.ts';
import { toolLogging } from '../logging.ts';
import { type OptionValues, parseOptions, renderUsage, UsageError } from '../options.ts';
import { recordFormatter } from '../record-formatter.ts';
import { topicPattern } from '../topic-pattern.ts';

const options = {
  'bootstrap-server': {
    kind: 'text',
    hint: 'String: server to connect to',
    about: 'The brokers to connect to, as host:port pairs. Required unless --zookeeper is given.',
  },
  zookeeper: {
    kind: 'text',
    hint: 'String: urls',
    about:
      'The coordination service to find the brokers through, as host:port pairs with an optional /path.',
  },
  topic: { kind: 'text', hint: 'String: topic', about: 'The topic to consume.' },
  include: {
    kind: 'text',
    hint: 'String: Java regex (String)',
    about: 'A regular expression for the topics to consume.',
  },
  whitelist: { kind: 'text', about: 'The older name of --include.', hidden: true },
  partition: {
    kind: 'number',
    hint: 'Integer: partition',
    about: 'The partition to consume; from its end unless --offset is given.',
  },
  offset: {
    kind: 'text',
    hint: 'String: consume offset',
    about: "Where to begin: a number, 'earliest' or 'latest'. Needs --partition.",
    shownDefault: 'latest',
  },
  'from-beginning': {
    kind: 'flag',
    about:
      'Begin with the earliest record where the group has no offset yet, rather than with the next one.',
  },
  group: {
    kind: 'text',
    hint: 'String: consumer group id',
    about: 'The group to read as a member of.',
  },
  'max-messages': {
    kind: 'number',
    hint: 'Integer: num_messages',
    about: 'Stop after so many records.',
  },
  'timeout-ms': {
    kind: 'number',
    hint: 'Integer: timeout_ms',
    about: 'Stop when no record arrives for so long.',
  },
  'skip-message-on-error': { kind: 'flag', about: 'Skip a record that cannot be printed.' },
  'isolation-level': {
    kind: 'text',
    hint: 'String',
    about: "'read_committed' leaves out records of transactions that are open or aborted.",
    shownDefault: 'read_uncommitted',
  },
  property: {
    kind: 'repeated',
    hint: 'String: prop',
    about:
      'A property of the output, as name=value: print.timestamp, print.key, print.offset, print.partition, print.headers, print.value, key.separator, line.separator, headers.separator, null.literal.',
  },
  'formatter-config': {
    kind: 'text',
    hint: 'String: config file',
    about: 'A file of such properties.',
  },
  'consumer-property': {
    kind: 'repeated',
    hint: 'String: consumer_prop',
    about: 'A property of the consumer, as name=value.',
  },
  'consumer.config': {
    kind: 'text',
    hint: 'String: config file',
    about: 'A file of such properties.',
  },
  'enable-systest-events': {
    kind: 'flag',
    about: 'Say on standard output when the consumer has shut down.',
  },
  'new-consumer': { kind: 'flag', about: 'Accepted from older scripts.', hidden: true },
} as const;

type Values = OptionValues<typeof options>;

/** How long one poll waits at most: how soon an interruption is noticed when nothing comes. */
const POLL_MS = 200;
/** Bytes that are gathered before they are written. */
const OUTPUT_CHUNK_BYTES = 64 * 1024;

export const kafkaConsoleConsumer: Tool = {
  name: 'kafka-console-consumer',
  description: 'This tool helps to read data from Kafka topics and outputs it to standard output.',
  usage: () => renderUsage(kafkaConsoleConsumer.description, options),
  wantsWords: true,
  reportsSignal: false,
  logging: toolLogging,
  async run(words, context) {
    const { values } = parseOptions(kafkaConsoleConsumer.name, options, words);
    const properties = withPairs(
      await readPropertiesFile(context, values['consumer.config']),
      values['consumer-property'],
    );
    check(values, properties);
    const format = recordFormatter(
      withPairs(await readPropertiesFile(context, values['formatter-config']), values.property),
    );
    const kafka = new Kafka({
      ...(values.zookeeper === undefined
        ? { bootstrapServers: values['bootstrap-server'] ?? '' }
        : { coordinator: values.zookeeper }),
      clientId: properties.get('client.id') ?? 'console-consumer',
      environment: context.environment,
    });
    const consumer = kafka.consumer(consumerOptions(values, properties, context));
    let count = 0;
    try {
      begin(consumer, values);
      await print(consumer, values, format, context, () => ++count);
      return 0;
    } finally {
      await consumer.close();
      await kafka.close();
      if (values['enable-systest-events']) await context.stdout('shutdown_complete\n');
      await context.stderr(`Processed a total of ${count} messages\n`);
    }
  },
};

function check(values: Values, properties: ReadonlyMap<string, string>): void {
  if ((values['bootstrap-server'] === undefined) === (values.zookeeper === undefined)) {
    throw new UsageError('Exactly one of --bootstrap-server and --zookeeper must be given');
  }
  const pattern = values.include ?? values.whitelist;
  if ((values.topic === undefined) === (pattern === undefined)) {
    throw new UsageError('Exactly one of --include/--topic is required.');
  }
  const groups = new Set(
    [values.group, properties.get('group.id')].filter((id) => id !== undefined),
  );
  if (groups.size > 1) {
    throw new UsageError(
      `The group ids provided in different places do not match: ${[...groups].join(', ')}`,
    );
  }
  if (values.partition !== undefined) {
    if (values.topic === undefined)
      throw new UsageError('The topic is required when partition is specified.');
    if (groups.size > 0)
      throw new UsageError('Options group and partition cannot be specified together.');
    if (values.partition < 0) throw new UsageError('--partition: a number from 0 on is expected');
  }
  if (values.offset !== undefined) {
    if (values.partition === undefined)
      throw new UsageError('The partition is required when offset is specified.');
    if (values['from-beginning'])
      throw new UsageError('Options from-beginning and offset cannot be specified together.');
    if (!/^(\d+|earliest|latest)$/i.test(values.offset)) {
      throw new UsageError(
        `The provided offset value '${values.offset}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative number.`,
      );
    }
  }
  const isolation = values['isolation-level'];
  if (
    isolation !== undefined &&
    isolation !== 'read_committed' &&
    isolation !== 'read_uncommitted'
  ) {
    throw new UsageError('--isolation-level: read_committed or read_uncommitted is expected');
  }
  const reset = properties.get('auto.offset.reset');
  if (values['from-beginning'] && reset !== undefined && reset !== 'earliest') {
    throw new UsageError(`--from-beginning contradicts auto.offset.reset=${reset}`);
  }
}

function consumerOptions(
  values: Values,
  properties: ReadonlyMap<string, string>,
  { environment: { random } }: CommandContext,
): ConsumerOptions {
  const given = values.group ?? properties.get('group.id');
  const reset =
    properties.get('auto.offset.reset') ?? (values['from-beginning'] ? 'earliest' : 'latest');
  const sessionTimeoutMs = numberOf(properties, 'session.timeout.ms');
  const autoCommit = properties.get('enable.auto.commit');
  const instanceId = properties.get('group.instance.id');
  return {
    // A partition is read without a group, so also where no coordinator of groups is there.
    ...(values.partition === undefined && {
      groupId: given ?? `console-consumer-${random.below(100_000)}`,
      // Nobody will ask for the offsets of a group whose name was made up.
      autoCommit: autoCommit === undefined ? given !== undefined : autoCommit.trim() === 'true',
    }),
    offsetReset: reset === 'earliest' || reset === 'none' ? reset : 'latest',
    isolation:
      values['isolation-level'] === 'read_committed' ? 'read_committed' : 'read_uncommitted',
    ...(sessionTimeoutMs !== undefined && { sessionTimeoutMs }),
    ...(instanceId !== undefined && { groupInstanceId: instanceId }),
    ...(values['max-messages'] !== undefined && {
      maxPollRecords: Math.max(1, Math.min(values['max-messages'], 10_000)),
    }),
  };
}

function begin(consumer: Consumer, values: Values): void {
  const { topic, partition } = values;
  if (partition !== undefined && topic !== undefined) {
    const where = { topic, partition };
    consumer.assign([where]);
    const offset =
      values.offset?.toLowerCase() ?? (values['from-beginning'] ? 'earliest' : 'latest');
    consumer.seek(
      where,
      offset === 'earliest' ? 'beginning' : offset === 'latest' ? 'end' : Number(offset),
    );
  } else if (topic !== undefined) {
    consumer.subscribe([topic]);
  } else {
    consumer.subscribe(topicPattern(values.include ?? values.whitelist ?? ''));
  }
}

async function print(
  consumer: Consumer,
  values: Values,
  format: ReturnType<typeof recordFormatter>,
  context: CommandContext,
  counted: () => number,
): Promise<void> {
  const { clock, log } = context.environment;
  const limit = values['max-messages'] ?? Number.POSITIVE_INFINITY;
  const timeoutMs = values['timeout-ms'] ?? Number.POSITIVE_INFINITY;
  let lastRecordAt = clock.now();
  let done = 0;
  const stopped = (): boolean => context.interrupted.aborted || context.outputClosed.aborted;
  while (done < limit && !stopped()) {
    const waitMs = Math.max(0, Math.min(POLL_MS, lastRecordAt + timeoutMs - clock.now()));
    const batches = await consumer.poll(waitMs);
    if (batches.length === 0) {
      if (clock.now() - lastRecordAt < timeoutMs) continue;
      log.child('console-consumer').error('no record arrived in time', { timeoutMs });
      return;
    }
    done = await printBatches(batches, format, limit, context, counted);
    lastRecordAt = millis(clock.now());
  }
}

async function printBatches(
  batches: readonly ConsumedBatch[],
  format: ReturnType<typeof recordFormatter>,
  limit: number,
  { stdout, outputClosed }: CommandContext,
  counted: () => number,
): Promise<number> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let done = 0;
  const write = async (): Promise<void> => {
    const chunk = Buffer.concat(pending, pendingBytes);
    pending = [];
    pendingBytes = 0;
    await stdout(chunk);
  };
  for (const { records } of batches) {
    for (const record of records) {
      if (done >= limit || outputClosed.aborted) break;
      const before = pending.length;
      format(record, pending);
      for (const piece of pending.slice(before)) pendingBytes += piece.length;
      done = counted();
      if (pendingBytes >= OUTPUT_CHUNK_BYTES) await write();
    }
  }
  if (pendingBytes > 0) await write();
  return done;
}
