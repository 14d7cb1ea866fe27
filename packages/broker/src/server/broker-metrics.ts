/**
 * What a broker counts: read off its parts when somebody asks for the page.
 */
import { defineMetrics, type Metrics } from '@odradek/runtime';

export const brokerMetrics = defineMetrics({
  broker_connections: { kind: 'gauge', help: 'Connections of clients and brokers.' },
  broker_request_bytes: { kind: 'gauge', help: 'Bytes of requests in memory.' },
  broker_answer_bytes: {
    kind: 'gauge',
    help: 'Bytes of answers that their readers have not taken.',
  },
  broker_log_pending_bytes: { kind: 'gauge', help: 'Appended bytes the system has not taken.' },
  broker_partitions_led: { kind: 'gauge', help: 'Partitions this broker leads.' },
  broker_partitions_followed: { kind: 'gauge', help: 'Partitions this broker follows.' },
  broker_partitions_offline: { kind: 'gauge', help: 'Replicas whose log directory failed.' },
  broker_partitions_under_replicated: {
    kind: 'gauge',
    help: 'Partitions led here that have replicas out of sync.',
  },
  broker_is_controller: { kind: 'gauge', help: '1 on the controller.' },
});

/** The partitions by what this broker is to them. */
export interface PartitionCounts {
  readonly led: number;
  readonly followed: number;
  readonly offline: number;
  readonly underReplicated: number;
}

export interface BrokerGauges {
  connections(): number;
  requestBytes(): number;
  answerBytes(): number;
  logPendingBytes(): number;
  partitions(): PartitionCounts;
  isController(): boolean;
}

export function declareBrokerMetrics(metrics: Metrics, gauges: BrokerGauges): void {
  const meters = metrics.declare(brokerMetrics);
  meters.broker_connections.readFrom(() => gauges.connections());
  meters.broker_request_bytes.readFrom(() => gauges.requestBytes());
  meters.broker_answer_bytes.readFrom(() => gauges.answerBytes());
  meters.broker_log_pending_bytes.readFrom(() => gauges.logPendingBytes());
  meters.broker_partitions_led.readFrom(() => gauges.partitions().led);
  meters.broker_partitions_followed.readFrom(() => gauges.partitions().followed);
  meters.broker_partitions_offline.readFrom(() => gauges.partitions().offline);
  meters.broker_partitions_under_replicated.readFrom(() => gauges.partitions().underReplicated);
  meters.broker_is_controller.readFrom(() => (gauges.isController() ? 1 : 0));
}
