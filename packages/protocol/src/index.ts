/** Kafka's and ZooKeeper's wire formats: what other packages may use. */
export * from './errors.ts';
export * from './kafka/api-versions.ts';
export * from './kafka/compression/index.ts';
export * from './kafka/data/index.ts';
export * from './kafka/errors.ts';
export * from './kafka/frame.ts';
export * from './kafka/frame-splitter.ts';
export * from './kafka/header.ts';
export * from './kafka/messages/index.ts';
export * from './kafka/records/index.ts';
export * from './kafka/registry.ts';
export * from './schema/index.ts';
export * from './wire/index.ts';
export * from './zookeeper/index.ts';
