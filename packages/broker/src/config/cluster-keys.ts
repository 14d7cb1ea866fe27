/**
 * Identity, coordination service, controller: who the broker is and how the cluster keeps together.
 * Names, types and defaults are Kafka 3.9's; a key without `dynamic` needs a restart to change.
 */
import { atLeast, between, defineConfig, oneOf } from '@odradek/runtime';
import { interBrokerProtocol } from './validators.ts';

export const clusterKeys = defineConfig({
  'broker.id': {
    type: 'int',
    default: -1,
    validate: atLeast(-1),
    doc: "The broker's own id; -1 takes it from meta.properties, or else generates one.",
  },
  'broker.id.generation.enable': {
    type: 'boolean',
    default: true,
    doc: 'Whether a broker without an id may get one from /brokers/seqid.',
  },
  'reserved.broker.max.id': {
    type: 'int',
    default: 1000,
    validate: atLeast(0),
    doc: 'Generated broker ids are larger than this.',
  },
  'broker.rack': {
    type: 'string',
    default: null,
    doc: 'Label of the rack, room or zone the broker is in; replicas are spread over racks.',
  },
  'zookeeper.connect': {
    type: 'string',
    default: null,
    doc: 'Where the coordination service is: host:port list with an optional /chroot at the end.',
  },
  'zookeeper.session.timeout.ms': {
    type: 'int',
    default: 18_000,
    validate: atLeast(1),
    doc: 'How long the broker may be out of touch before its registration is removed.',
  },
  'zookeeper.connection.timeout.ms': {
    type: 'int',
    default: null,
    validate: atLeast(1),
    doc: 'Longest wait for a connection to the coordination service; unset: the session time-out.',
  },
  'zookeeper.max.in.flight.requests': {
    type: 'int',
    default: 10,
    validate: atLeast(1),
    doc: 'Requests to the coordination service that may be unanswered at once.',
  },
  'zookeeper.set.acl': {
    type: 'boolean',
    default: false,
    doc: 'Whether znodes are created so that only the creator may change them.',
  },
  'zookeeper.clientCnxnSocket': {
    type: 'string',
    default: null,
    doc: 'Kept for old files; the session here has one kind of socket.',
  },
  'inter.broker.protocol.version': {
    type: 'string',
    default: '3.9-IV0',
    validate: interBrokerProtocol,
    doc: 'The Kafka release whose requests and formats brokers use among each other, from 2.8 on.',
  },
  'controller.socket.timeout.ms': {
    type: 'int',
    default: 30_000,
    validate: atLeast(1),
    doc: 'Longest wait for an answer between controller and brokers.',
  },
  'controlled.shutdown.enable': {
    type: 'boolean',
    default: true,
    doc: 'Whether leaders are moved away before the broker stops.',
  },
  'controlled.shutdown.max.retries': {
    type: 'int',
    default: 3,
    validate: atLeast(0),
    doc: 'How often moving leaders away is tried.',
  },
  'controlled.shutdown.retry.backoff.ms': {
    type: 'long',
    default: 5000,
    validate: atLeast(0),
    doc: 'Pause between those attempts.',
  },
  'delete.topic.enable': {
    type: 'boolean',
    default: true,
    doc: 'Whether topics can be deleted.',
  },
  'auto.create.topics.enable': {
    type: 'boolean',
    default: true,
    doc: 'Whether a topic comes into being when somebody asks for its metadata.',
  },
  'auto.leader.rebalance.enable': {
    type: 'boolean',
    default: true,
    doc: 'Whether leadership goes back to preferred replicas by itself.',
  },
  'leader.imbalance.per.broker.percentage': {
    type: 'int',
    default: 10,
    validate: between(0, 100),
    doc: "Share of a broker's preferred partitions that others may lead before that happens.",
  },
  'leader.imbalance.check.interval.seconds': {
    type: 'long',
    default: 300,
    validate: atLeast(1),
    doc: 'How often the controller looks for such imbalance.',
  },
  'unclean.leader.election.enable': {
    type: 'boolean',
    default: false,
    dynamic: 'cluster-wide',
    doc: 'Whether a replica that misses records may lead when no other is left; default for topics.',
  },
  'unclean.leader.election.interval.ms': {
    type: 'long',
    default: 300_000,
    validate: atLeast(1),
    doc: 'Kept for old files: unclean elections are held at once.',
  },
  'control.plane.listener.name': {
    type: 'string',
    default: null,
    doc: 'Listener for requests of the controller; unset: the one between brokers.',
  },
  'inter.broker.listener.name': {
    type: 'string',
    default: null,
    doc: 'Listener that brokers use among each other; unset: the one that speaks security.inter.broker.protocol.',
  },
  'security.inter.broker.protocol': {
    type: 'string',
    default: 'PLAINTEXT',
    validate: oneOf('PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'),
    doc: 'Security protocol between brokers.',
  },
  'create.topic.policy.class.name': {
    type: 'class',
    default: null,
    doc: 'Kept for old files: policies in Java classes cannot be run here.',
  },
  'alter.config.policy.class.name': {
    type: 'class',
    default: null,
    doc: 'Kept for old files: policies in Java classes cannot be run here.',
  },
  'alter.config.policy.kraft.compatibility.enable': {
    type: 'boolean',
    default: false,
    doc: 'Kept for old files.',
  },
});
