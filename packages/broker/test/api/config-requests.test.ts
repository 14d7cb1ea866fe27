/**
 * Settings as clients see and change them, at old and new versions: answers are encoded and decoded, so that a field a
 * version lacks is found out.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { apis, errorCodes } from '@odradek/protocol';
import { TestCluster } from '../controller/cluster.ts';
import { create, requestsTo, wanted } from './requests.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());
const { start, ask } = requestsTo(() => cluster);

describe('DescribeConfigs', () => {
  const describeOne = (
    resourceType: number,
    resourceName: string,
    keys: string[] | null = null,
  ) => ({
    resources: [{ resourceType, resourceName, configurationKeys: keys }],
  });

  test('a topic: its own settings, the broker file, the defaults, and the chain of them', async () => {
    await start(1, 'log.retention.hours=1\nlog.segment.bytes=1000');
    await ask(
      1,
      apis.createTopics,
      7,
      create([wanted('t', { configs: [{ name: 'segment.bytes', value: '2000' }] })]),
    );
    const keys = ['segment.bytes', 'retention.ms', 'flush.messages'];
    const answer = await ask(1, apis.describeConfigs, 4, {
      ...describeOne(2, 't', keys),
      includeSynonyms: true,
      includeDocumentation: true,
    });
    const configs = answer.results[0]?.configs ?? [];
    expect(keys.map((key) => configs.find(({ name }) => name === key))).toEqual([
      {
        name: 'segment.bytes',
        value: '2000',
        readOnly: false,
        isDefault: false,
        configSource: 1,
        isSensitive: false,
        synonyms: [
          { name: 'segment.bytes', value: '2000', source: 1 },
          { name: 'log.segment.bytes', value: '1000', source: 4 },
          { name: 'log.segment.bytes', value: '1073741824', source: 5 },
        ],
        configType: 3,
        documentation: 'Size at which a segment file is closed.',
      },
      {
        name: 'retention.ms',
        value: '3600000',
        readOnly: false,
        isDefault: false,
        configSource: 4,
        isSensitive: false,
        synonyms: [
          { name: 'log.retention.hours', value: '1', source: 4 },
          { name: 'log.retention.hours', value: '168', source: 5 },
        ],
        configType: 5,
        documentation: 'Age at which a segment goes; -1: never.',
      },
      {
        name: 'flush.messages',
        value: '9223372036854775807',
        readOnly: false,
        isDefault: false,
        configSource: 5,
        isSensitive: false,
        synonyms: [
          { name: 'log.flush.interval.messages', value: '9223372036854775807', source: 5 },
        ],
        configType: 5,
        documentation:
          'Records after which the log is forced to the disk before the last one is acknowledged; with 1, partitions share one sync.',
      },
    ]);
  });

  test.each([0, 1, 2, 3, 4])('v%i: all settings of a topic and of the broker', async (version) => {
    await start(1, 'ssl.keystore.password=hunter2');
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const topic = await ask(1, apis.describeConfigs, version, describeOne(2, 't'));
    expect(topic.results[0]?.configs).toHaveLength(36);
    const { results } = await ask(1, apis.describeConfigs, version, describeOne(4, '1'));
    const configs = results[0]?.configs ?? [];
    const of = (name: string) => configs.find((config) => config.name === name);
    expect(of('ssl.keystore.password')).toMatchObject({ value: null, isSensitive: true });
    expect(of('broker.id')).toMatchObject({ value: '1', readOnly: true });
    expect(of('log.retention.hours')).toMatchObject({ value: '168', readOnly: false });
    if (version === 0) {
      expect(of('log.retention.hours')?.isDefault).toBe(true);
      expect(of('broker.id')?.isDefault).toBe(false);
    }
    expect(configs.some(({ value }) => value?.includes('hunter2'))).toBe(false);
  });

  test('what was set for all brokers holds for topics at once, and is shown as such', async () => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const { session } = cluster.broker(1);
    await session.create(
      '/config/brokers/<default>',
      '{"version":1,"config":{"log.retention.ms":"5"}}',
    );
    await session.create(
      '/config/changes/config_change_',
      '{"version":2,"entity_path":"brokers/<default>"}',
      {
        sequential: true,
      },
    );
    await cluster.until(() => cluster.broker(1).plane.logConfigOf('t').retentionMs === 5);
    const topic = await ask(1, apis.describeConfigs, 4, describeOne(2, 't', ['retention.ms']));
    expect(topic.results[0]?.configs).toMatchObject([{ value: '5', configSource: 3 }]);
    const all = await ask(1, apis.describeConfigs, 4, describeOne(4, ''));
    expect(all.results[0]?.configs).toMatchObject([{ name: 'log.retention.ms', value: '5' }]);
  });

  test.each([
    [2, 'none', 'UNKNOWN_TOPIC_OR_PARTITION'],
    [2, 'a b', 'INVALID_TOPIC_EXCEPTION'],
    [4, '9', 'INVALID_REQUEST'],
    [99, 'x', 'INVALID_REQUEST'],
  ] as const)('resource %i "%s": %s', async (type, name, error) => {
    await start(1);
    const answer = await ask(1, apis.describeConfigs, 4, describeOne(type, name));
    expect(answer.results).toMatchObject([{ errorCode: errorCodes[error], configs: [] }]);
  });
});

describe('changing settings', () => {
  const change = (
    resourceType: number,
    resourceName: string,
    ...configs: [string, number, string | null][]
  ) => ({
    resources: [
      {
        resourceType,
        resourceName,
        configs: configs.map(([name, configOperation, value]) => ({
          name,
          configOperation,
          value,
        })),
      },
    ],
    validateOnly: false,
  });
  const stored = () =>
    JSON.parse(cluster.service.text('/config/topics/t') ?? '{}').config as Record<string, string>;

  test('set, delete, append and subtract; every broker hears of it', async () => {
    await start(2);
    await ask(1, apis.createTopics, 7, create([wanted('t', { replicationFactor: 2 })]));
    await cluster.until(() => cluster.broker(2).plane.metadata.topic('t') !== undefined);
    const first = await ask(
      2,
      apis.incrementalAlterConfigs,
      1,
      change(
        2,
        't',
        ['retention.ms', 0, '5'],
        ['segment.ms', 0, '6'],
        ['cleanup.policy', 2, 'compact'],
      ),
    );
    expect(first.responses).toMatchObject([{ errorCode: 0, errorMessage: null }]);
    expect(stored()).toEqual({
      'retention.ms': '5',
      'segment.ms': '6',
      'cleanup.policy': 'delete,compact',
    });
    await cluster.until(() => cluster.broker(1).plane.logConfigOf('t').retentionMs === 5);
    await cluster.until(() => cluster.broker(2).plane.logConfigOf('t').retentionMs === 5);
    await ask(
      2,
      apis.incrementalAlterConfigs,
      0,
      change(2, 't', ['retention.ms', 1, null], ['cleanup.policy', 3, 'delete']),
    );
    expect(stored()).toEqual({ 'segment.ms': '6', 'cleanup.policy': 'compact' });
  });

  test('AlterConfigs replaces all of them; only looking changes nothing', async () => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const replace = (name: string, value: string, validateOnly: boolean) => ({
      resources: [{ resourceType: 2, resourceName: 't', configs: [{ name, value }] }],
      validateOnly,
    });
    await ask(1, apis.alterConfigs, 2, replace('retention.ms', '5', false));
    await ask(1, apis.alterConfigs, 0, replace('segment.ms', '6', false));
    const looked = await ask(1, apis.alterConfigs, 1, replace('segment.ms', '7', true));
    expect(looked.responses).toMatchObject([{ errorCode: 0 }]);
    expect(stored()).toEqual({ 'segment.ms': '6' });
  });

  test.each([
    [2, 'none', ['retention.ms', 0, '5'], 'UNKNOWN_TOPIC_OR_PARTITION'],
    [2, 't', ['nope', 0, '5'], 'INVALID_CONFIG'],
    [2, 't', ['retention.ms', 0, 'x'], 'INVALID_CONFIG'],
    [2, 't', ['retention.ms', 0, null], 'INVALID_REQUEST'],
    [2, 't', ['retention.ms', 2, '5'], 'INVALID_CONFIG'],
    [2, 't', ['retention.ms', 9, '5'], 'INVALID_REQUEST'],
    [4, '7', ['log.retention.ms', 0, '5'], 'INVALID_REQUEST'],
    [4, '', ['broker.id', 0, '5'], 'INVALID_REQUEST'],
    [4, '', ['log.retention.ms', 0, 'x'], 'INVALID_CONFIG'],
    [16, '', ['x', 0, '5'], 'INVALID_REQUEST'],
  ] as const)('refuses for %i "%s": %j', async (type, name, config, error) => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const request = change(type, name, [...config]);
    const answer = await ask(1, apis.incrementalAlterConfigs, 1, request);
    expect(answer.responses).toMatchObject([{ errorCode: errorCodes[error] }]);
    expect(stored()).toBeUndefined();
  });

  test('a default for all topics, for all brokers and for one', async () => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const { plane } = cluster.broker(1);
    await ask(1, apis.incrementalAlterConfigs, 1, change(4, '', ['log.retention.ms', 0, '5']));
    await cluster.until(() => plane.logConfigOf('t').retentionMs === 5);
    await ask(1, apis.incrementalAlterConfigs, 1, change(4, '1', ['log.retention.ms', 0, '6']));
    await cluster.until(() => plane.logConfigOf('t').retentionMs === 6);
  });
});
