/**
 * What the parts of a broker are told, out of its configuration. Names on the left are the parts',
 * names on the right are Kafka's.
 */

import { codecOf } from '@odradek/protocol';
import { ConfigError } from '@odradek/runtime';
import type { BrokerConfig } from '../config/broker-config.ts';
import { RACK_AWARE_SELECTOR } from '../config/replication-keys.ts';
import type { GroupCoordinatorConfig } from '../group/group-coordinator-host.ts';
import type { ListenAddress } from '../network/acceptor.ts';
import type { ReplicaSettings } from '../replica/replica-manager.ts';

const MINUTE_MS = 60_000;
/**
 * Bytes of requests in memory when queued.max.request.bytes is -1, which is Kafka's word for no
 * limit. One request of the largest size is let in even so.
 */
const REQUEST_BYTES_DEFAULT_MAX = 128 * 1024 * 1024;

export interface NetworkSettings {
  readonly addresses: readonly ListenAddress[];
  readonly requestMaxBytes: number;
  readonly maxIdleMs: number;
  readonly maxConnections: number;
  maxConnectionsFrom(address: string): number;
  /** Bytes of requests, and of answers, that all connections may hold. */
  readonly requestBytesMax: number;
  readonly answerBytesMax: number;
}

/** @throws ConfigError for a listener that cannot be served, and for limits that cannot be read */
export function networkSettings({ values, listeners }: BrokerConfig): NetworkSettings {
  const queued = values['queued.max.request.bytes'];
  const perAddress = values['max.connections.per.ip'];
  const overrides = addressLimits(values['max.connections.per.ip.overrides']);
  for (const { name, securityProtocol } of listeners)
    if (securityProtocol !== 'PLAINTEXT')
      throw new ConfigError(
        `listeners: listener ${name} speaks ${securityProtocol}; this version serves PLAINTEXT only`,
      );
  return {
    addresses: listeners.map(({ name, host, port }) => ({ listenerName: name, host, port })),
    requestMaxBytes: values['socket.request.max.bytes'],
    maxIdleMs: values['connections.max.idle.ms'],
    maxConnections: values['max.connections'],
    maxConnectionsFrom: (address) => overrides.get(address) ?? perAddress,
    requestBytesMax: queued > 0 ? queued : REQUEST_BYTES_DEFAULT_MAX,
    answerBytesMax: values['odradek.queued.max.response.bytes'],
  };
}

/** Reads `address:count,address:count`; IPv6 addresses may have colons. */
function addressLimits(text: string): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  for (const item of text.split(',').map((part) => part.trim())) {
    if (item === '') continue;
    const [, address = '', count] = /^(.+):(\d+)$/.exec(item) ?? [];
    if (count === undefined)
      throw new ConfigError(
        `max.connections.per.ip.overrides: "${item}" must be address:count, such as 10.0.0.7:100`,
      );
    limits.set(address, Number(count));
  }
  return limits;
}

export function replicaSettings({ values }: BrokerConfig): ReplicaSettings {
  return {
    lagMaxMs: values['replica.lag.time.max.ms'],
    fetchWaitMaxMs: values['replica.fetch.wait.max.ms'],
    fetchMinBytes: values['replica.fetch.min.bytes'],
    fetchPartitionMaxBytes: values['replica.fetch.max.bytes'],
    fetchResponseMaxBytes: values['replica.fetch.response.max.bytes'],
    fetchBackoffMs: values['replica.fetch.backoff.ms'],
    fetchersPerSource: values['num.replica.fetchers'],
    consumerFetchMaxBytes: values['fetch.max.bytes'],
    fetchSessionSlots: values['max.incremental.fetch.session.cache.slots'],
    readsNearby: values['replica.selector.class'] === RACK_AWARE_SELECTOR,
    highWatermarkCheckpointMs: values['replica.high.watermark.checkpoint.interval.ms'],
    concurrentMoves: values['num.replica.alter.log.dirs.threads'],
    moveQuotaWindowCount: values['alter.log.dirs.replication.quota.window.num'],
    moveQuotaWindowMs: values['alter.log.dirs.replication.quota.window.size.seconds'] * 1000,
  };
}

/** What LogManager.open is told besides whose logs they are. */
export function logSettings({ values, logDirectories }: BrokerConfig) {
  return {
    directories: logDirectories,
    tailCacheBytes: values['odradek.log.tail.cache.bytes'],
    recoveryThreads: values['num.recovery.threads.per.data.dir'],
    initialTaskDelayMs: values['log.initial.task.delay.ms'],
    retentionCheckIntervalMs: values['log.retention.check.interval.ms'],
    flushCheckIntervalMs: values['log.flush.scheduler.interval.ms'],
    recoveryPointCheckpointIntervalMs: values['log.flush.offset.checkpoint.interval.ms'],
    logStartCheckpointIntervalMs: values['log.flush.start.offset.checkpoint.interval.ms'],
    producerIdExpirationMs: values['producer.id.expiration.ms'],
    producerIdExpirationCheckIntervalMs: values['producer.id.expiration.check.interval.ms'],
  };
}

export function groupSettings({ values }: BrokerConfig): GroupCoordinatorConfig {
  return {
    minSessionTimeoutMs: values['group.min.session.timeout.ms'],
    maxSessionTimeoutMs: values['group.max.session.timeout.ms'],
    initialRebalanceDelayMs: values['group.initial.rebalance.delay.ms'],
    maxGroupSize: values['group.max.size'],
    offsetMetadataMaxBytes: values['offset.metadata.max.bytes'],
    commitTimeoutMs: values['offsets.commit.timeout.ms'],
    // An own append is always waited for; Kafka's 0 and its larger numbers mean the same here.
    commitRequiredAcks: values['offsets.commit.required.acks'] === -1 ? -1 : 1,
    compression: codecOf(values['offsets.topic.compression.codec']),
    loadBufferBytes: values['offsets.load.buffer.size'],
    retentionMs: values['offsets.retention.minutes'] * MINUTE_MS,
    retentionCheckIntervalMs: values['offsets.retention.check.interval.ms'],
  };
}
