/** Topic settings: own ones first, then the broker's synonyms in their order and units. */
import { describe, expect, test } from '@jest/globals';
import { ConfigError, parseProperties } from '@odradek/runtime';
import { type BrokerKey, readBrokerConfig } from '../../src/config/broker-config.ts';
import { isFormatVersion } from '../../src/config/message-format-version.ts';
import { checkTopicSettings, logConfigOf, topicValuesOf } from '../../src/config/topic-config.ts';
import { defaultLogConfig } from '../../src/log/log-config.ts';

function brokerWith(text: string) {
  const { values } = readBrokerConfig(parseProperties(`zookeeper.connect=h:1\n${text}`, 'f'), {
    source: 'f',
    homeDirectory: '/h',
  });
  return { value: (key: BrokerKey) => values[key] };
}
const own = (settings: Record<string, string> = {}) => new Map(Object.entries(settings));

test('nothing set: Kafka defaults', () => {
  const config = logConfigOf(topicValuesOf(brokerWith(''), own()));
  const unlimited = Number.MAX_SAFE_INTEGER;
  expect(config).toEqual({
    ...defaultLogConfig,
    messageTimestampBeforeMaxMs: unlimited,
    messageTimestampAfterMaxMs: unlimited,
    maxCompactionLagMs: unlimited,
    flushIntervalMessages: unlimited,
    flushIntervalMs: unlimited,
  });
});

test.each([
  { broker: 'log.retention.hours=1', topic: {}, expected: 3_600_000 },
  { broker: 'log.retention.hours=1\nlog.retention.minutes=2', topic: {}, expected: 120_000 },
  { broker: 'log.retention.minutes=2\nlog.retention.ms=3', topic: {}, expected: 3 },
  { broker: 'log.retention.hours=-1', topic: {}, expected: -1 },
  { broker: 'log.retention.ms=3', topic: { 'retention.ms': '4' }, expected: 4 },
  { broker: '', topic: { 'retention.ms': 'soon' }, expected: 604_800_000 }, // Stored by somebody else.
])('retention.ms with "$broker" and $topic', ({ broker, topic, expected }) => {
  expect(topicValuesOf(brokerWith(broker), own(topic))['retention.ms']).toBe(expected);
});

test('the old symmetric timestamp limit counts where the new ones are not set', () => {
  const values = topicValuesOf(
    brokerWith(''),
    own({ 'message.timestamp.difference.max.ms': '10', 'message.timestamp.after.max.ms': '5' }),
  );
  expect(logConfigOf(values)).toMatchObject({
    messageTimestampBeforeMaxMs: 10,
    messageTimestampAfterMaxMs: 5,
  });
});

describe('settings that are refused', () => {
  test.each([
    [{ 'retention.mss': '1' }, /Unknown topic config name: retention\.mss/],
    [
      { 'segment.bytes': '1' },
      /Invalid value 1 for configuration segment\.bytes: must be an integer at least 14/,
    ],
    [{ 'cleanup.policy': 'burn' }, /cleanup\.policy/],
    [{ 'message.format.version': 'nonsense' }, /a Kafka release from 0\.8\.0 to 3\.9/],
    [{ 'remote.storage.enable': 'true' }, /there is no tiered storage/],
    [{ 'min.compaction.lag.ms': '9', 'max.compaction.lag.ms': '8' }, /must not exceed/],
  ])('%j', (settings, message) => {
    const check = () => checkTopicSettings(brokerWith(''), own(settings as Record<string, string>));
    expect(check).toThrow(ConfigError);
    expect(check).toThrow(message);
  });

  test('and those that are not', () => {
    const settings = own({ 'cleanup.policy': 'compact,delete', 'retention.ms': '-1' });
    expect(() => checkTopicSettings(brokerWith(''), settings)).not.toThrow();
  });
});

// What MetadataVersion.fromVersionString of Kafka 3.9.1 says to each; it also knows steps to a 4.0 that was yet to come.
test.each([
  ...['0.8.0', '0.8.2.1', '0.9.0', '0.10.0', '0.10.0.1', '0.10.0-IV0', '0.10.1-IV2', '0.11.0'],
  ...['1.0', '1.0.0', '1.0-IV0', '1.0.0-IV0', '2.8', '2.8.1', '2.8-IV1', '3.0-IV1', '3.9', '3.9.1'],
])('%s is a message format', (version) => {
  expect(isFormatVersion(version)).toBe(true);
});
test.each([
  ...['0.8', '0.10', '0.11', '0.9.0-IV0', '2.1-IV5', '3', '3.10', '3.9-IV9', '4.0', '4.1', '', 'x'],
  ...['3.0-', '3.0-IV', 'constructor'],
])('"%s" is none', (version) => {
  expect(isFormatVersion(version)).toBe(false);
});
