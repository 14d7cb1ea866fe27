/**
 * What a program needs that speaks ZooKeeper's protocol and not Kafka's: `@odradek/protocol/zookeeper`.
 *
 * Kafka's messages are several megabytes of memory once loaded, which a coordination server would hold
 * for nothing. Everything here but the single codec is in the package's index as well, and is the same.
 */
export * from './errors.ts';
/** ZooKeeper's own snapshots may be compressed so. */
export { snappy } from './kafka/compression/snappy.ts';
export * from './kafka/records/crc32c.ts';
export * from './schema/index.ts';
export * from './wire/index.ts';
export * from './zookeeper/index.ts';
