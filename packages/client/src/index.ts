/** The client: sessions with the coordinator, connections to brokers, producer, consumer, admin. */
export * from './admin/types.ts';
export * from './connection/index.ts';
export type { Assignor, GroupMemberSubscription } from './consumer/assignors/assignor.ts';
export { rangeAssignor } from './consumer/assignors/range.ts';
export { roundRobinAssignor } from './consumer/assignors/round-robin.ts';
export { cooperativeStickyAssignor, stickyAssignor } from './consumer/assignors/sticky.ts';
export * from './consumer/types.ts';
export * from './coordinator-session/index.ts';
export * from './errors.ts';
export { Kafka, type KafkaOptions, parseBootstrapServers } from './kafka.ts';
export { murmur2 } from './producer/murmur2.ts';
export {
  type PartitionChoice,
  type Partitioner,
  partitionOfKey,
  StickyPartitioner,
} from './producer/partitioner.ts';
export * from './producer/types.ts';
export * from './raw-session/index.ts';
export { comparePartitions, partitionKey, type TopicPartition } from './topic-partition.ts';
