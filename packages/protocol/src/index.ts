/** Kafka's and ZooKeeper's wire formats: what other packages may use. */
export * from './errors.ts';
export * from './kafka/errors.ts';
export * from './schema/index.ts';
export * from './wire/index.ts';
export * from './zookeeper/index.ts';
