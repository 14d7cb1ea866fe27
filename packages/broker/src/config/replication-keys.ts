/**
 * Replication, fetching, groups and transactions.
 * Names, types and defaults are Kafka 3.9's; a key without `dynamic` needs a restart to change.
 */
import { atLeast, between, defineConfig, each, oneOf, oneOfAnyCase } from '@odradek/runtime';

/** The choices of replica.selector.class; Java classes of others cannot be run here. */
export const RACK_AWARE_SELECTOR = 'org.apache.kafka.common.replica.RackAwareReplicaSelector';
const LEADER_SELECTOR = 'org.apache.kafka.common.replica.LeaderSelector';

export const replicationKeys = defineConfig({
  'num.replica.fetchers': {
    type: 'int',
    default: 1,
    validate: atLeast(1),
    dynamic: 'cluster-wide',
    doc: 'Connections that fetch from each other broker.',
  },
  'replica.lag.time.max.ms': {
    type: 'long',
    default: 30_000,
    validate: atLeast(1),
    doc: 'How long a follower may lag before it leaves the ISR.',
  },
  'replica.fetch.max.bytes': {
    type: 'int',
    default: 1_048_576,
    validate: atLeast(0),
    doc: 'Bytes a follower asks for in each partition.',
  },
  'replica.fetch.response.max.bytes': {
    type: 'int',
    default: 10_485_760,
    validate: atLeast(0),
    doc: 'Bytes a follower asks for in one response.',
  },
  'replica.fetch.min.bytes': {
    type: 'int',
    default: 1,
    validate: atLeast(0),
    doc: 'Bytes that are worth an answer to a follower.',
  },
  'replica.fetch.wait.max.ms': {
    type: 'int',
    default: 500,
    validate: atLeast(0),
    doc: "How long a follower's fetch may wait for them; below replica.lag.time.max.ms.",
  },
  'replica.fetch.backoff.ms': {
    type: 'int',
    default: 1000,
    validate: atLeast(0),
    doc: 'Pause of a follower after an error.',
  },
  'replica.socket.timeout.ms': {
    type: 'int',
    default: 30_000,
    validate: atLeast(1),
    doc: 'Longest wait of a follower for an answer; at least replica.fetch.wait.max.ms.',
  },
  'replica.socket.receive.buffer.bytes': {
    type: 'int',
    default: 65_536,
    doc: "Receive buffer of a follower's connection.",
  },
  'replica.high.watermark.checkpoint.interval.ms': {
    type: 'long',
    default: 5000,
    validate: atLeast(1),
    doc: 'How often high watermarks are noted on the disk.',
  },
  'replica.selector.class': {
    type: 'string',
    default: null,
    validate: oneOf(RACK_AWARE_SELECTOR, LEADER_SELECTOR),
    doc: 'How a replica near the consumer is chosen: by its rack, or not at all; unset: not at all.',
  },
  'fetch.max.bytes': {
    type: 'int',
    default: 57_671_680,
    validate: atLeast(1024),
    doc: 'Bytes of one answer to a consumer; at most 8 MiB are given, or one batch.',
  },
  'max.incremental.fetch.session.cache.slots': {
    type: 'int',
    default: 1000,
    validate: atLeast(0),
    doc: 'Fetch sessions that are remembered.',
  },
  'fetch.purgatory.purge.interval.requests': {
    type: 'int',
    default: 1000,
    doc: 'Kept for old files.',
  },
  'producer.purgatory.purge.interval.requests': {
    type: 'int',
    default: 1000,
    doc: 'Kept for old files.',
  },
  'delete.records.purgatory.purge.interval.requests': {
    type: 'int',
    default: 1,
    doc: 'Kept for old files.',
  },
  'group.min.session.timeout.ms': {
    type: 'int',
    default: 6000,
    validate: atLeast(1),
    doc: 'Shortest session time-out of a group member.',
  },
  'group.max.session.timeout.ms': {
    type: 'int',
    default: 1_800_000,
    validate: atLeast(1),
    doc: 'Longest session time-out of a group member.',
  },
  'group.initial.rebalance.delay.ms': {
    type: 'int',
    default: 3000,
    validate: atLeast(0),
    doc: 'How long a new group waits for more members.',
  },
  'group.max.size': {
    type: 'int',
    default: 2_147_483_647,
    validate: atLeast(1),
    doc: 'Members of one group.',
  },
  'group.coordinator.rebalance.protocols': {
    type: 'list',
    default: ['classic'],
    validate: each(oneOfAnyCase('classic', 'consumer', 'share')),
    doc: 'Kinds of groups that are served.',
  },
  'group.consumer.session.timeout.ms': {
    type: 'int',
    default: 45_000,
    validate: atLeast(1),
    doc: 'Session time-out of members under the consumer protocol.',
  },
  'group.consumer.min.session.timeout.ms': {
    type: 'int',
    default: 45_000,
    validate: atLeast(1),
    doc: 'Its lower bound.',
  },
  'group.consumer.max.session.timeout.ms': {
    type: 'int',
    default: 60_000,
    validate: atLeast(1),
    doc: 'Its upper bound.',
  },
  'group.consumer.heartbeat.interval.ms': {
    type: 'int',
    default: 5000,
    validate: atLeast(1),
    doc: 'Heartbeat interval of members under the consumer protocol.',
  },
  'group.consumer.min.heartbeat.interval.ms': {
    type: 'int',
    default: 5000,
    validate: atLeast(1),
    doc: 'Its lower bound.',
  },
  'group.consumer.max.heartbeat.interval.ms': {
    type: 'int',
    default: 15_000,
    validate: atLeast(1),
    doc: 'Its upper bound.',
  },
  'group.consumer.max.size': {
    type: 'int',
    default: 2_147_483_647,
    validate: atLeast(1),
    doc: 'Members of one group under the consumer protocol.',
  },
  'group.consumer.assignors': {
    type: 'list',
    default: [
      'org.apache.kafka.coordinator.group.assignor.UniformAssignor',
      'org.apache.kafka.coordinator.group.assignor.RangeAssignor',
    ],
    doc: "Assignors on the broker's side, in order of preference.",
  },
  'group.consumer.migration.policy': {
    type: 'string',
    default: 'disabled',
    validate: oneOfAnyCase('disabled', 'upgrade', 'downgrade', 'bidirectional'),
    doc: 'Between which kinds a group may change.',
  },
  'offsets.topic.num.partitions': {
    type: 'int',
    default: 50,
    validate: atLeast(1),
    doc: 'Partitions of the offsets topic; must not change once it exists.',
  },
  'offsets.topic.replication.factor': {
    type: 'short',
    default: 3,
    validate: atLeast(1),
    doc: 'Replicas of the offsets topic.',
  },
  'offsets.topic.segment.bytes': {
    type: 'int',
    default: 104_857_600,
    validate: atLeast(1),
    doc: 'Segment size of the offsets topic.',
  },
  'offsets.topic.compression.codec': {
    type: 'int',
    default: 0,
    validate: between(0, 4),
    doc: 'Compression of offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.',
  },
  'offsets.load.buffer.size': {
    type: 'int',
    default: 5_242_880,
    validate: atLeast(1),
    doc: 'Bytes that are read at once while loading groups.',
  },
  'offsets.retention.minutes': {
    type: 'int',
    default: 10_080,
    validate: atLeast(1),
    doc: 'How long the offsets of an empty group stay.',
  },
  'offsets.retention.check.interval.ms': {
    type: 'long',
    default: 600_000,
    validate: atLeast(1),
    doc: 'How often the broker looks for offsets to remove.',
  },
  'offsets.commit.timeout.ms': {
    type: 'int',
    default: 5000,
    validate: atLeast(1),
    doc: 'Longest wait until committed offsets are replicated.',
  },
  'offsets.commit.required.acks': {
    type: 'short',
    default: -1,
    doc: 'Acknowledgements a commit waits for.',
  },
  'offset.metadata.max.bytes': {
    type: 'int',
    default: 4096,
    validate: atLeast(0),
    doc: 'The longest note a client may attach to an offset.',
  },
  'transaction.state.log.num.partitions': {
    type: 'int',
    default: 50,
    validate: atLeast(1),
    doc: 'Partitions of the transactions topic; must not change once it exists.',
  },
  'transaction.state.log.replication.factor': {
    type: 'short',
    default: 3,
    validate: atLeast(1),
    doc: 'Replicas of the transactions topic.',
  },
  'transaction.state.log.min.isr': {
    type: 'int',
    default: 2,
    validate: atLeast(1),
    doc: 'Its min.insync.replicas.',
  },
  'transaction.state.log.segment.bytes': {
    type: 'int',
    default: 104_857_600,
    validate: atLeast(1),
    doc: 'Its segment size.',
  },
  'transaction.state.log.load.buffer.size': {
    type: 'int',
    default: 5_242_880,
    validate: atLeast(1),
    doc: 'Bytes that are read at once while loading transactions.',
  },
  'transaction.max.timeout.ms': {
    type: 'int',
    default: 900_000,
    validate: atLeast(1),
    doc: 'Longest transaction a producer may ask for.',
  },
  'transactional.id.expiration.ms': {
    type: 'int',
    default: 604_800_000,
    validate: atLeast(1),
    doc: 'How long an unused transactional id is remembered.',
  },
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': {
    type: 'int',
    default: 10_000,
    validate: atLeast(1),
    doc: 'How often the broker looks for transactions to abort.',
  },
  'transaction.remove.expired.transaction.cleanup.interval.ms': {
    type: 'int',
    default: 3_600_000,
    validate: atLeast(1),
    doc: 'How often it looks for transactional ids to forget.',
  },
  'transaction.partition.verification.enable': {
    type: 'boolean',
    default: true,
    dynamic: 'cluster-wide',
    doc: 'Whether a partition checks that it belongs to the transaction before it takes its records.',
  },
  'producer.id.expiration.ms': {
    type: 'int',
    default: 86_400_000,
    validate: atLeast(1),
    dynamic: 'cluster-wide',
    doc: "How long a silent producer's last sequence is remembered.",
  },
  'producer.id.expiration.check.interval.ms': {
    type: 'int',
    default: 600_000,
    validate: atLeast(1),
    doc: 'How often the broker looks for producers to forget.',
  },
});
