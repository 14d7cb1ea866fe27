/**
 * What a broker counts: read off its parts when somebody asks for the page.
 */
import { defineMetrics, type Metrics } from '@odradek/runtime';
import type { CleanerStats } from '../log/compaction/cleaner-stats.ts';
import type { FlushCounts } from '../log/flush/group-commit.ts';
import type { DirectoryProgress } from '../log/load-progress.ts';
import type { FetchCounts } from '../replica/fetch-service.ts';

export const brokerMetrics = defineMetrics({
  broker_connections: { kind: 'gauge', help: 'Connections of clients and brokers.' },
  broker_request_bytes: { kind: 'gauge', help: 'Bytes of requests in memory.' },
  broker_answer_bytes: {
    kind: 'gauge',
    help: 'Bytes of answers that their readers have not taken.',
  },
  broker_log_pending_bytes: {
    kind: 'gauge',
    help: 'Bytes that wait for a worker to prepare them, or that the system has not taken yet.',
  },
  broker_flush_journal_writes_total: {
    kind: 'counter',
    help: 'Durable writes to flush journals (flush.messages).',
  },
  broker_flush_journal_appends_total: {
    kind: 'counter',
    help: 'Appends that these writes made durable.',
  },
  broker_segment_flushes_total: {
    kind: 'counter',
    help: 'Appends for which a segment was forced to the disk by itself (flush.messages).',
  },
  broker_logs_left_to_load: {
    kind: 'gauge',
    labels: ['directory'],
    help: 'Logs that a start has still to load (remainingLogsToRecover).',
  },
  broker_segments_left_to_recover: {
    kind: 'gauge',
    labels: ['directory'],
    help: 'Segments still to be read through in logs that are being recovered (remainingSegmentsToRecover).',
  },
  broker_partitions_led: { kind: 'gauge', help: 'Partitions this broker leads.' },
  broker_partitions_followed: { kind: 'gauge', help: 'Partitions this broker follows.' },
  broker_partitions_offline: { kind: 'gauge', help: 'Replicas whose log directory failed.' },
  broker_partitions_under_replicated: {
    kind: 'gauge',
    help: 'Partitions led here that have replicas out of sync.',
  },
  broker_fetches_waiting: { kind: 'gauge', help: 'Fetches that wait for more to read.' },
  broker_fetch_sessions: { kind: 'gauge', help: 'Incremental fetch sessions.' },
  broker_fetch_session_partitions: { kind: 'gauge', help: 'Partitions of all fetch sessions.' },
  broker_fetch_session_evictions_total: {
    kind: 'counter',
    help: 'Fetch sessions ended to make room for others.',
  },
  broker_consumer_bytes_total: { kind: 'counter', help: 'Bytes of records given to consumers.' },
  broker_follower_bytes_total: { kind: 'counter', help: 'Bytes of records given to followers.' },
  broker_is_controller: { kind: 'gauge', help: '1 on the controller.' },
  broker_cleaner_passes: { kind: 'counter', help: 'Compactions of a log that came to their end.' },
  broker_cleaner_read_bytes: { kind: 'counter', help: 'Bytes that compactions have read.' },
  broker_cleaner_written_bytes: { kind: 'counter', help: 'Bytes that compactions have written.' },
  broker_cleaner_max_dirty_percent: {
    kind: 'gauge',
    help: 'How dirty the dirtiest log was when last looked.',
  },
  broker_cleaner_recopy_percent: {
    kind: 'gauge',
    help: 'What the last compaction wrote, of what it went over.',
  },
  broker_cleaner_last_pass_seconds: {
    kind: 'gauge',
    help: 'How long the last compaction took.',
  },
  broker_cleaner_table_percent: {
    kind: 'gauge',
    help: 'How full of keys the memory of the last compaction became.',
  },
  broker_cleaner_max_overdue_seconds: {
    kind: 'gauge',
    help: 'For how long something has waited beyond max.compaction.lag.ms.',
  },
  broker_cleaner_uncleanable_partitions: {
    kind: 'gauge',
    help: 'Logs that cannot be compacted because something is wrong with them.',
  },
  broker_cleaner_uncleanable_bytes: {
    kind: 'gauge',
    help: 'Bytes of these logs that would be compacted.',
  },
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
  flushes(): Readonly<FlushCounts>;
  partitions(): PartitionCounts;
  fetches(): FetchCounts;
  isController(): boolean;
  /** One for each data directory. */
  readonly loading: readonly Readonly<DirectoryProgress>[];
  cleaner(): CleanerStats;
}

export function declareBrokerMetrics(metrics: Metrics, gauges: BrokerGauges): void {
  const meters = metrics.declare(brokerMetrics);
  meters.broker_connections.readFrom(() => gauges.connections());
  meters.broker_request_bytes.readFrom(() => gauges.requestBytes());
  meters.broker_answer_bytes.readFrom(() => gauges.answerBytes());
  meters.broker_log_pending_bytes.readFrom(() => gauges.logPendingBytes());
  const { flushes } = gauges;
  meters.broker_flush_journal_writes_total.readFrom(() => flushes().journalWrites);
  meters.broker_flush_journal_appends_total.readFrom(() => flushes().journaled);
  meters.broker_segment_flushes_total.readFrom(() => flushes().direct);
  for (const progress of gauges.loading) {
    meters.broker_logs_left_to_load.of(progress.directory).readFrom(() => progress.logsLeft);
    meters.broker_segments_left_to_recover
      .of(progress.directory)
      .readFrom(() => progress.segmentsLeft);
  }
  meters.broker_partitions_led.readFrom(() => gauges.partitions().led);
  meters.broker_partitions_followed.readFrom(() => gauges.partitions().followed);
  meters.broker_partitions_offline.readFrom(() => gauges.partitions().offline);
  meters.broker_partitions_under_replicated.readFrom(() => gauges.partitions().underReplicated);
  meters.broker_fetches_waiting.readFrom(() => gauges.fetches().waiting);
  meters.broker_fetch_sessions.readFrom(() => gauges.fetches().sessions);
  meters.broker_fetch_session_partitions.readFrom(() => gauges.fetches().sessionPartitions);
  meters.broker_fetch_session_evictions_total.readFrom(() => gauges.fetches().sessionEvictions);
  meters.broker_consumer_bytes_total.readFrom(() => gauges.fetches().consumerBytes);
  meters.broker_follower_bytes_total.readFrom(() => gauges.fetches().followerBytes);
  meters.broker_is_controller.readFrom(() => (gauges.isController() ? 1 : 0));
  const { cleaner } = gauges;
  meters.broker_cleaner_passes.readFrom(() => cleaner().passes);
  meters.broker_cleaner_read_bytes.readFrom(() => cleaner().bytesRead);
  meters.broker_cleaner_written_bytes.readFrom(() => cleaner().bytesWritten);
  meters.broker_cleaner_max_dirty_percent.readFrom(() => cleaner().maxDirtyPercent);
  meters.broker_cleaner_recopy_percent.readFrom(() => cleaner().recopyPercent);
  meters.broker_cleaner_last_pass_seconds.readFrom(() => cleaner().lastPassSeconds);
  meters.broker_cleaner_table_percent.readFrom(() => cleaner().tablePercent);
  meters.broker_cleaner_max_overdue_seconds.readFrom(() => cleaner().maxOverdueSeconds);
  meters.broker_cleaner_uncleanable_partitions.readFrom(() => cleaner().uncleanablePartitions);
  meters.broker_cleaner_uncleanable_bytes.readFrom(() => cleaner().uncleanableBytes);
}
