/**
 * Listeners, connections, requests: how the broker is reached and how much it takes in at once.
 * Names, types and defaults are Kafka 3.9's; a key without `dynamic` needs a restart to change.
 */
import { atLeast, between, defineConfig, nonEmpty } from '@odradek/runtime';

export const networkKeys = defineConfig({
  listeners: {
    type: 'string',
    default: 'PLAINTEXT://:9092',
    validate: nonEmpty,
    dynamic: 'per-broker',
    doc: 'Where the broker listens: NAME://host:port list; no host means all interfaces.',
  },
  'advertised.listeners': {
    type: 'string',
    default: null,
    dynamic: 'per-broker',
    doc: 'What clients and brokers are told to connect to; unset: listeners.',
  },
  'listener.security.protocol.map': {
    type: 'string',
    default: 'SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT',
    validate: nonEmpty,
    dynamic: 'per-broker',
    doc: 'Security protocol of each listener name.',
  },
  port: {
    type: 'int',
    default: 9092,
    validate: between(0, 65535),
    doc: 'Old form of listeners: the port; counts when listeners is not given.',
  },
  'host.name': {
    type: 'string',
    default: '',
    doc: 'Old form of listeners: the interface; counts when listeners is not given.',
  },
  'advertised.port': {
    type: 'int',
    default: null,
    validate: between(0, 65535),
    doc: 'Old form of advertised.listeners: the port.',
  },
  'advertised.host.name': {
    type: 'string',
    default: null,
    doc: 'Old form of advertised.listeners: the host.',
  },
  'num.network.threads': {
    type: 'int',
    default: 3,
    validate: atLeast(1),
    dynamic: 'cluster-wide',
    doc: 'Kept for old files: one event loop serves all connections.',
  },
  'num.io.threads': {
    type: 'int',
    default: 8,
    validate: atLeast(1),
    dynamic: 'cluster-wide',
    doc: 'Kept for old files: one event loop handles all requests.',
  },
  'queued.max.requests': {
    type: 'int',
    default: 500,
    validate: atLeast(1),
    doc: 'Requests that may wait before connections stop being read.',
  },
  'queued.max.request.bytes': {
    type: 'long',
    default: -1,
    doc: 'Bytes of requests that may be in memory before connections stop being read; -1: 134217728, where Kafka has no limit.',
  },
  'odradek.metrics.port': {
    type: 'int',
    default: null,
    validate: between(0, 65_535),
    doc: "Port of the page of metrics in Prometheus' form; no page unless given.",
  },
  'odradek.queued.max.response.bytes': {
    type: 'long',
    default: 134_217_728,
    validate: atLeast(1),
    doc: 'Bytes of answers that clients have not taken yet; above it, fetches are answered with less.',
  },
  'socket.send.buffer.bytes': {
    type: 'int',
    default: 102_400,
    doc: 'Send buffer of a connection; -1 leaves it to the system.',
  },
  'socket.receive.buffer.bytes': {
    type: 'int',
    default: 102_400,
    doc: 'Receive buffer of a connection; -1 leaves it to the system.',
  },
  'socket.request.max.bytes': {
    type: 'int',
    default: 104_857_600,
    validate: atLeast(1),
    doc: 'The largest request that is read.',
  },
  'socket.listen.backlog.size': {
    type: 'int',
    default: 50,
    validate: atLeast(1),
    doc: 'Connections the system may hold until they are accepted.',
  },
  'connections.max.idle.ms': {
    type: 'long',
    default: 600_000,
    doc: 'A connection that is idle for longer is closed.',
  },
  'max.connections': {
    type: 'int',
    default: 2_147_483_647,
    validate: atLeast(0),
    dynamic: 'cluster-wide',
    doc: 'Connections the broker accepts.',
  },
  'max.connections.per.ip': {
    type: 'int',
    default: 2_147_483_647,
    validate: atLeast(0),
    dynamic: 'cluster-wide',
    doc: 'Connections it accepts from one address.',
  },
  'max.connections.per.ip.overrides': {
    type: 'string',
    default: '',
    dynamic: 'cluster-wide',
    doc: 'Other limits for some addresses: host:count list.',
  },
  'max.connection.creation.rate': {
    type: 'int',
    default: 2_147_483_647,
    validate: atLeast(0),
    dynamic: 'cluster-wide',
    doc: 'New connections per second.',
  },
  'connection.failed.authentication.delay.ms': {
    type: 'int',
    default: 100,
    validate: atLeast(0),
    doc: 'Pause before a connection that failed to authenticate is closed.',
  },
  'connections.max.reauth.ms': {
    type: 'long',
    default: 0,
    doc: 'Longest life of an authentication; 0: no limit.',
  },
  'request.timeout.ms': {
    type: 'int',
    default: 30_000,
    validate: atLeast(0),
    doc: 'Longest wait for an answer from another broker.',
  },
  'socket.connection.setup.timeout.ms': {
    type: 'long',
    default: 10_000,
    validate: atLeast(1),
    doc: 'Longest wait for a connection to another broker.',
  },
  'socket.connection.setup.timeout.max.ms': {
    type: 'long',
    default: 30_000,
    validate: atLeast(1),
    doc: 'The same after several failures.',
  },
  'max.request.partition.size.limit': {
    type: 'int',
    default: 2000,
    validate: atLeast(1),
    doc: 'Partitions that one request may list when it describes topics.',
  },
});
