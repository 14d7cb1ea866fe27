/**
 * Broker configuration: Kafka's defaults, old ways to name a port, and every combination that is
 * refused before anything starts.
 */
import { describe, expect, test } from '@jest/globals';
import { ConfigError, parseProperties } from '@odradek/runtime';
import { readBrokerConfig } from '../../src/config/broker-config.ts';
import {
  controlVersionsOf,
  parseInterBrokerProtocol,
} from '../../src/config/inter-broker-protocol.ts';

const read = (text: string) =>
  readBrokerConfig(parseProperties(`zookeeper.connect=h:2181\n${text}`, 'server.properties'), {
    source: 'server.properties',
    homeDirectory: '/home/me',
    hostName: 'box',
  });

test('defaults', () => {
  const config = read('');
  expect(config.coordinators).toBe('h:2181');
  expect(config.logDirectories).toEqual(['/tmp/kafka-logs']);
  expect(config.listeners).toEqual([
    { name: 'PLAINTEXT', host: '', port: 9092, securityProtocol: 'PLAINTEXT' },
  ]);
  expect(config.advertisedListeners).toEqual([
    { name: 'PLAINTEXT', host: 'box', port: 9092, securityProtocol: 'PLAINTEXT' },
  ]);
  expect(config.interBrokerListener).toBe('PLAINTEXT');
  expect(config.controlListener).toBe('PLAINTEXT');
  expect(config.controlVersions).toEqual({
    leaderAndIsr: 7,
    updateMetadata: 8,
    stopReplica: 4,
    controlledShutdown: 3,
    alterPartition: 3,
  });
  expect(config.warnings).toEqual([]);
});

describe('listeners', () => {
  test.each([
    { text: 'port=9091', expected: [['PLAINTEXT', '', 9091]] },
    { text: 'host.name=127.0.0.1', expected: [['PLAINTEXT', '127.0.0.1', 9092]] },
    { text: 'port=9091\nlisteners=PLAINTEXT://:9000', expected: [['PLAINTEXT', '', 9000]] },
    {
      text: 'listeners=IN://[::1]:1, plaintext://h:0\nlistener.security.protocol.map=in:SSL,PLAINTEXT:PLAINTEXT',
      expected: [
        ['IN', '::1', 1],
        ['PLAINTEXT', 'h', 0],
      ],
    },
  ])('$text', ({ text, expected }) => {
    expect(read(text).listeners.map(({ name, host, port }) => [name, host, port])).toEqual(
      expected,
    );
  });

  test('advertised by the old keys', () => {
    const { advertisedListeners } = read('port=9091\nadvertised.host.name=pub\nadvertised.port=7');
    expect(advertisedListeners).toMatchObject([{ host: 'pub', port: 7 }]);
  });

  test('a control listener of its own', () => {
    const config = read(
      'listeners=PLAINTEXT://:1,CONTROL://:2\ncontrol.plane.listener.name=CONTROL\n' +
        'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROL:PLAINTEXT',
    );
    expect(config).toMatchObject({ interBrokerListener: 'PLAINTEXT', controlListener: 'CONTROL' });
  });
});

test.each([
  [
    'listeners=nonsense',
    /server\.properties:2: listeners=nonsense: "nonsense" must be NAME:\/\/host:port/,
  ],
  ['listeners=FOO://:1', /listener FOO has no protocol/],
  ['listeners=PLAINTEXT://:1,PLAINTEXT://:2', /PLAINTEXT is there twice/],
  ['listeners=PLAINTEXT://:1,SSL://:1', /same port 1/],
  ['listener.security.protocol.map=A:B', /"A:B" must be LISTENER:PROTOCOL/],
  ['listeners=PLAINTEXT://0.0.0.0:1', /listeners=.*nobody can connect to 0\.0\.0\.0/],
  ['advertised.listeners=SSL://h:1', /SSL is advertised but not in listeners/],
  ['listeners=SSL://:1', /no advertised listener speaks PLAINTEXT/],
  ['inter.broker.listener.name=SSL', /must be one of the advertised/],
  ['control.plane.listener.name=PLAINTEXT', /must not be the listener/],
  ['replica.fetch.wait.max.ms=40000', /must not exceed replica\.lag\.time\.max\.ms/],
  ['offsets.commit.required.acks=9', /0 to offsets\.topic\.replication\.factor/],
  ['log.dirs=', /log\.dirs=.*at least one folder/],
  ['broker.id=2000', /must not exceed reserved\.broker\.max\.id \(1000\)/],
  ['zookeeper.connect=', /zookeeper\.connect=.*must name the coordination service/],
  ['inter.broker.protocol.version=2.7', /from 2\.8 to 3\.9/],
  ['zookeeper.set.acl=true', /not supported yet/],
  ['authorizer.class.name=kafka.security.authorizer.AclAuthorizer', /not supported yet/],
  ['replica.selector.class=org.example.OwnSelector', /RackAwareReplicaSelector/],
  ['num.partitions=none', /num\.partitions=none: must be an integer at least 1/],
])('refuses %s', (text, message) => {
  expect(() => read(text)).toThrow(ConfigError);
  expect(() => read(text)).toThrow(message);
});

test('an unknown key is warned about, a listener-prefixed one is not', () => {
  const { warnings } = read('num.partition=3\nlistener.name.ssl.ssl.keystore.location=/k');
  expect(warnings).toEqual([
    'server.properties:2: unknown key num.partition, ignored; did you mean num.partitions?',
  ]);
});

test.each([
  ['3.9-IV0', { leaderAndIsr: 7, updateMetadata: 8, stopReplica: 4 }],
  ['3.3', { leaderAndIsr: 6, updateMetadata: 7, stopReplica: 3 }],
  ['2.8-IV1', { leaderAndIsr: 5, updateMetadata: 7, stopReplica: 3 }],
])('versions of %s', (text, versions) => {
  const release = parseInterBrokerProtocol(text);
  expect(release && controlVersionsOf(release)).toMatchObject(versions);
});
