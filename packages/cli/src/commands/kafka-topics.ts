/**
 * kafka-topics: makes, lists, describes, grows and deletes topics, through brokers or through the coordination server
 * (`--zookeeper`), which is asked who the brokers are. Texts and exit codes are Kafka's.
 */
import {
  type Admin,
  type ConfigEntry,
  Kafka,
  type PartitionDescription,
  type TopicDescription,
} from '@odradek/client';
import { KafkaError, ProtocolError } from '@odradek/protocol';
import { OdradekError } from '@odradek/runtime';
import { clientSettings } from '../client-settings.ts';
import type { CommandContext, Print, Tool } from '../context.ts';
import { toolLogging } from '../logging.ts';
import { type OptionValues, parseOptions, renderUsage, UsageError } from '../options.ts';
import { topicPattern } from '../topic-pattern.ts';

const options = {
  'bootstrap-server': {
    kind: 'text',
    hint: 'String: server to connect to',
    about: 'The brokers to connect to, as host:port pairs.',
  },
  zookeeper: {
    kind: 'text',
    hint: 'String: hosts',
    about:
      'The coordination service to find the brokers through, as host:port pairs with an optional /path.',
  },
  'command-config': {
    kind: 'text',
    hint: 'String: command config property file',
    about: 'A file of client properties.',
  },
  create: { kind: 'flag', about: 'Create a new topic.' },
  list: { kind: 'flag', about: 'List all topics.' },
  describe: { kind: 'flag', about: 'List details for the topics.' },
  alter: { kind: 'flag', about: 'Raise the number of partitions.' },
  delete: { kind: 'flag', about: 'Delete a topic.' },
  topic: {
    kind: 'text',
    hint: 'String: topic',
    about:
      'The topic to create, alter, describe or delete. Except for create, a regular expression is taken too.',
  },
  'topic-id': {
    kind: 'text',
    hint: 'String: topic-id',
    about: 'The topic to describe, by its id.',
  },
  partitions: {
    kind: 'number',
    hint: 'Integer: # of partitions',
    about: "How many partitions the topic is to have. The broker's default unless given.",
  },
  'replication-factor': {
    kind: 'number',
    hint: 'Integer: replication factor',
    about: "How many replicas each partition is to have. The broker's default unless given.",
  },
  'replica-assignment': {
    kind: 'text',
    hint: 'String: broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , …',
    about: 'Which brokers hold which partition; in place of the two counts.',
  },
  config: {
    kind: 'repeated',
    hint: 'String: name=value',
    about: 'A setting of the topic that is created.',
  },
  'if-exists': { kind: 'flag', about: 'Do nothing when the topic is not there.' },
  'if-not-exists': { kind: 'flag', about: 'Do nothing when the topic is there already.' },
  'exclude-internal': { kind: 'flag', about: 'Leave out internal topics.' },
  'under-replicated-partitions': {
    kind: 'flag',
    about: 'Describe only under-replicated partitions.',
  },
  'unavailable-partitions': {
    kind: 'flag',
    about: 'Describe only partitions whose leader is not available.',
  },
  'under-min-isr-partitions': {
    kind: 'flag',
    about: 'Describe only partitions with fewer in-sync replicas than min.insync.replicas.',
  },
  'at-min-isr-partitions': {
    kind: 'flag',
    about: 'Describe only partitions with exactly min.insync.replicas in-sync replicas.',
  },
  'topics-with-overrides': {
    kind: 'flag',
    about: 'Describe only topics with settings of their own.',
  },
  'disable-rack-aware': { kind: 'flag', about: 'Accepted from older scripts.', hidden: true },
  force: { kind: 'flag', about: 'Accepted from older scripts.', hidden: true },
} as const;

type Values = OptionValues<typeof options>;

const ACTIONS = ['create', 'list', 'alter', 'describe', 'delete'] as const;
type Action = (typeof ACTIONS)[number];

/** A reason for which the tool gives up; printed on standard output, as Kafka does. */
class TopicCommandError extends Error {
  override readonly name = 'TopicCommandError';
}

export const kafkaTopics: Tool = {
  name: 'kafka-topics',
  description: 'This tool helps to create, delete, describe, or change a topic.',
  usage: () => renderUsage(kafkaTopics.description, options),
  wantsWords: true,
  reportsSignal: false,
  logging: toolLogging,
  async run(words, context) {
    const { values } = parseOptions(kafkaTopics.name, options, words);
    const action = check(values);
    const kafka = new Kafka({
      ...(await clientSettings(context, values['command-config'])),
      ...(values.zookeeper === undefined
        ? { bootstrapServers: values['bootstrap-server'] ?? '' }
        : { coordinator: values.zookeeper }),
      environment: context.environment,
    });
    const admin = kafka.admin();
    try {
      await actions[action](admin, values, context);
      return 0;
    } catch (failure) {
      if (!isExpected(failure)) throw failure;
      await context.stdout(`Error while executing topic command : ${failure.message}\n`);
      return 1;
    } finally {
      await admin.close();
      await kafka.close();
    }
  },
};

function isExpected(failure: unknown): failure is Error {
  return (
    failure instanceof TopicCommandError ||
    failure instanceof OdradekError ||
    failure instanceof ProtocolError
  );
}

/** Which action is meant, if the call makes sense. */
function check(values: Values): Action {
  const wanted = ACTIONS.filter((action) => values[action]);
  const [action] = wanted;
  if (action === undefined || wanted.length > 1) {
    throw new UsageError(
      'Command must include exactly one action: --list, --describe, --create, --alter or --delete',
    );
  }
  const { zookeeper } = values;
  if ((values['bootstrap-server'] === undefined) === (zookeeper === undefined)) {
    throw new UsageError('Exactly one of --bootstrap-server and --zookeeper must be given');
  }
  if (action !== 'list' && action !== 'describe' && values.topic === undefined) {
    throw new UsageError('Missing required argument "[topic]"');
  }
  if (
    action === 'alter' &&
    values.partitions === undefined &&
    values['replica-assignment'] === undefined
  ) {
    throw new UsageError('Missing required argument "[partitions]"');
  }
  const counts = values.partitions !== undefined || values['replication-factor'] !== undefined;
  if (action === 'create' && counts && values['replica-assignment'] !== undefined) {
    throw new UsageError('--replica-assignment excludes --partitions and --replication-factor');
  }
  if (values.config.length > 0 && action !== 'create') {
    throw new UsageError('--config can only be used with --create');
  }
  const filters = FILTERS.filter((name) => values[name]);
  if (filters.length > 1 || (filters.length > 0 && values['topics-with-overrides'])) {
    throw new UsageError('Only one filter of partitions can be used at a time');
  }
  return action;
}

const FILTERS = [
  'under-replicated-partitions',
  'unavailable-partitions',
  'under-min-isr-partitions',
  'at-min-isr-partitions',
] as const;

type Run = (admin: Admin, values: Values, context: CommandContext) => Promise<void>;

const actions: Readonly<Record<Action, Run>> = { create, list, describe, alter, delete: remove };

async function create(admin: Admin, values: Values, { stdout }: CommandContext): Promise<void> {
  const name = values.topic ?? '';
  if (/[._]/.test(name)) {
    await stdout(
      "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.\n",
    );
  }
  const { partitions, 'replication-factor': factor, 'replica-assignment': assignment } = values;
  if (partitions !== undefined && partitions < 1) {
    throw new TopicCommandError('The partitions must be greater than 0');
  }
  if (factor !== undefined && (factor < 1 || factor > 32_767)) {
    throw new TopicCommandError('The replication factor must be between 1 and 32767 inclusive');
  }
  try {
    await admin.createTopic({
      name,
      ...(partitions !== undefined && { partitions }),
      ...(factor !== undefined && { replicationFactor: factor }),
      ...(assignment !== undefined && { assignments: parseAssignment(assignment) }),
      configs: parseConfigs(values.config),
    });
  } catch (failure) {
    const exists = failure instanceof KafkaError && failure.code === 'TOPIC_ALREADY_EXISTS';
    if (exists && values['if-not-exists']) return;
    throw failure;
  }
  await stdout(`Created topic ${name}.\n`);
}

async function list(admin: Admin, values: Values, { stdout }: CommandContext): Promise<void> {
  const names = await matching(admin, values);
  await stdout(`${names.join('\n')}\n`);
}

async function alter(admin: Admin, values: Values, { stdout }: CommandContext): Promise<void> {
  const names = await required(admin, values);
  const described = await descriptionsOf(admin, names);
  const assignment = values['replica-assignment'];
  const outcomes = await admin.createPartitions(
    described.map(({ name, partitions }) => {
      const all = assignment === undefined ? null : parseAssignment(assignment);
      return {
        name,
        totalCount: values.partitions ?? all?.length ?? 0,
        ...(all !== null && { assignments: all.slice(partitions.length) }),
      };
    }),
  );
  for (const { error } of outcomes) if (error !== null) throw error;
  if (values.zookeeper !== undefined && names.length > 0) {
    await stdout(
      'WARNING: If partitions are increased for a topic that has a key, the partition logic or ordering of the messages will be affected\nAdding partitions succeeded!\n',
    );
  }
}

async function remove(admin: Admin, values: Values, { stdout }: CommandContext): Promise<void> {
  const names = await required(admin, values);
  const outcomes = await admin.deleteTopics(names);
  for (const { name, error } of outcomes) {
    if (error !== null) throw error;
    if (values.zookeeper === undefined) continue;
    await stdout(
      `Topic ${name} is marked for deletion.\nNote: This will have no impact if delete.topic.enable is not set to true.\n`,
    );
  }
}

async function describe(admin: Admin, values: Values, { stdout }: CommandContext): Promise<void> {
  const names =
    values['topic-id'] === undefined
      ? values.topic === undefined
        ? await matching(admin, values)
        : await required(admin, values)
      : await byId(admin, values['topic-id'], values['if-exists']);
  if (names.length === 0) return;
  const [topics, configs, cluster] = await Promise.all([
    descriptionsOf(admin, names),
    admin.describeConfigs(names.map((name) => ({ type: 'topic', name }))),
    admin.describeCluster(),
  ]);
  const live = new Set(cluster.brokers.map(({ id }) => id));
  for (const [index, topic] of topics.entries()) {
    const entries = configs[index]?.entries ?? [];
    await describeTopic(topic, entries, values, live, stdout);
  }
}

async function describeTopic(
  topic: TopicDescription,
  configs: readonly ConfigEntry[],
  values: Values,
  live: ReadonlySet<number>,
  stdout: Print,
): Promise<void> {
  const filter = FILTERS.find((name) => values[name]);
  const overrides = configs.filter(({ source }) => source !== 'default');
  if (values['topics-with-overrides'] && !configs.some(({ source }) => source === 'topic')) return;
  if (filter === undefined) {
    const id = topic.topicId === null ? '' : `\tTopicId: ${topic.topicId}`;
    const settings = overrides.map(({ name, value }) => `${name}=${value ?? ''}`).join(',');
    await stdout(
      `Topic: ${topic.name}${id}\tPartitionCount: ${topic.partitions.length}\tReplicationFactor: ${topic.partitions[0]?.replicas.length ?? 0}\tConfigs: ${settings}\n`,
    );
  }
  if (values['topics-with-overrides']) return;
  const minIsr = Number(configs.find(({ name }) => name === 'min.insync.replicas')?.value ?? 1);
  for (const partition of topic.partitions) {
    if (filter !== undefined && !passes(filter, partition, minIsr, live)) continue;
    const { leader, replicas, isr } = partition;
    await stdout(
      `\tTopic: ${topic.name}\tPartition: ${partition.partition}\tLeader: ${leader < 0 ? 'none' : leader}\tReplicas: ${replicas.join(',')}\tIsr: ${isr.join(',')}\tElr: N/A\tLastKnownElr: N/A\n`,
    );
  }
}

function passes(
  filter: (typeof FILTERS)[number],
  { leader, replicas, isr }: PartitionDescription,
  minIsr: number,
  live: ReadonlySet<number>,
): boolean {
  switch (filter) {
    case 'under-replicated-partitions':
      return isr.length < replicas.length;
    case 'unavailable-partitions':
      return leader < 0 || !live.has(leader);
    case 'under-min-isr-partitions':
      return leader < 0 || isr.length < minIsr;
    case 'at-min-isr-partitions':
      return isr.length === minIsr;
  }
}

/** The names that the pattern of --topic matches, or all. */
async function matching(admin: Admin, values: Values): Promise<string[]> {
  const pattern = values.topic === undefined ? null : topicPattern(values.topic);
  return (await admin.listTopics())
    .filter(({ isInternal }) => !(isInternal && values['exclude-internal']))
    .map(({ name }) => name)
    .filter((name) => pattern?.test(name) ?? true);
}

/** As `matching`, but finding none is an error unless --if-exists was given. */
async function required(admin: Admin, values: Values): Promise<string[]> {
  const names = await matching(admin, values);
  if (names.length === 0 && !values['if-exists']) {
    throw new TopicCommandError(`Topic '${values.topic}' does not exist as expected`);
  }
  return names;
}

async function byId(admin: Admin, id: string, ifExists: boolean): Promise<string[]> {
  const found = (await admin.listTopics()).filter(({ topicId }) => topicId === id);
  if (found.length === 0 && !ifExists) {
    throw new TopicCommandError(`TopicId '${id}' does not exist as expected`);
  }
  return found.map(({ name }) => name);
}

async function descriptionsOf(admin: Admin, names: readonly string[]): Promise<TopicDescription[]> {
  const described = await admin.describeTopics(names);
  return described.map((topic) => {
    if (topic instanceof KafkaError) throw topic;
    return topic;
  });
}

function parseAssignment(text: string): number[][] {
  const partitions = text.split(',').map((replicas) => replicas.trim().split(':').map(Number));
  for (const replicas of partitions) {
    if (replicas.some((id) => !Number.isInteger(id) || id < 0)) {
      throw new TopicCommandError(
        `'${text}' is not a list of broker ids by partition, such as 0:1,1:2`,
      );
    }
    if (new Set(replicas).size < replicas.length) {
      throw new TopicCommandError(
        `Partition replica lists may not contain duplicate entries: ${replicas.join(':')}`,
      );
    }
    if (replicas.length !== partitions[0]?.length) {
      throw new TopicCommandError('All partitions must have the same number of replicas');
    }
  }
  return partitions;
}

function parseConfigs(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const equals = pair.indexOf('=');
      if (equals < 1)
        throw new TopicCommandError(
          `Invalid topic config: '${pair}' is not of the form name=value`,
        );
      return [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()];
    }),
  );
}
