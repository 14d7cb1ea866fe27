/**
 * The server's metrics under ZooKeeper's own names, so that its dashboards, alerts and agents work
 * as they are. Times are in ms. What is ours alone begins with `odradek_`.
 *
 * Here are those that a server alone can count, and those of an ensemble that dashboards ask for,
 * which stay at 0. Not here: what the original counts of its own threads and queues, which have no
 * like here.
 */
import { defineMetrics } from '@odradek/runtime';

/** A basic summary of the original shows the median, an advanced one more. */
const basic = [0.5] as const;
const advanced = [0.5, 0.9, 0.99] as const;

/** The fixed block of `mntr`, as gauges. */
export const gaugeMetrics = defineMetrics({
  znode_count: { kind: 'gauge', help: 'Nodes; the root counts twice, as in the original.' },
  ephemerals_count: { kind: 'gauge', help: 'Nodes that end with their session.' },
  approximate_data_size: { kind: 'gauge', help: 'Bytes of paths and data.' },
  watch_count: { kind: 'gauge', help: 'Watches, of all kinds.' },
  num_alive_connections: { kind: 'gauge', help: 'Client connections.' },
  outstanding_requests: {
    kind: 'gauge',
    help: 'Requests that wait for the log or behind a write.',
  },
  global_sessions: { kind: 'gauge', help: 'Sessions that all servers know.' },
  local_sessions: { kind: 'gauge', help: 'Sessions that only this server knows.' },
  avg_latency: { kind: 'gauge', help: 'Mean time from a request to its answer, since srst.' },
  min_latency: { kind: 'gauge', help: 'Shortest such time.' },
  max_latency: { kind: 'gauge', help: 'Longest such time.' },
  packets_received: { kind: 'gauge', help: 'Frames received, since srst.' },
  packets_sent: { kind: 'gauge', help: 'Frames sent, since srst.' },
  last_client_response_size: { kind: 'gauge', help: 'Bytes of the last answer; -1: none yet.' },
  min_client_response_size: { kind: 'gauge', help: 'Bytes of the shortest answer.' },
  max_client_response_size: { kind: 'gauge', help: 'Bytes of the longest answer.' },
  auth_failed_count: { kind: 'gauge', help: 'Auth packets that were refused.' },
  uptime: { kind: 'gauge', help: 'Since the start.' },
  open_file_descriptor_count: { kind: 'gauge', help: 'Files and sockets the process has open.' },
  max_file_descriptor_count: { kind: 'gauge', help: 'How many it may have open.' },
  connection_drop_probability: {
    kind: 'gauge',
    help: 'Share of new connections that is dropped: 0.',
  },
  non_mtls_local_conn_count: {
    kind: 'gauge',
    help: '0, as with the default transport of the original.',
  },
  non_mtls_remote_conn_count: {
    kind: 'gauge',
    help: '0, as with the default transport of the original.',
  },
  outstanding_tls_handshake: {
    kind: 'gauge',
    help: '0, as with the default transport of the original.',
  },
});

/** By the first segment of the path that a quota is for. */
export const quotaMetrics = defineMetrics({
  quota_count_limit_per_namespace: {
    kind: 'gauge',
    labels: ['key'],
    help: 'Nodes that quotas allow.',
  },
  quota_count_usage_per_namespace: { kind: 'gauge', labels: ['key'], help: 'Nodes below quotas.' },
  quota_bytes_limit_per_namespace: {
    kind: 'gauge',
    labels: ['key'],
    help: 'Bytes that quotas allow.',
  },
  quota_bytes_usage_per_namespace: { kind: 'gauge', labels: ['key'], help: 'Bytes below quotas.' },
});

/** What is counted while it happens. */
export const countedMetrics = defineMetrics({
  quota_exceeded_error_per_namespace: {
    kind: 'counter',
    labels: ['key'],
    help: 'Writes refused because of a hard quota.',
  },
  bytes_received_count: { kind: 'counter', help: 'Bytes from clients.' },
  response_bytes: { kind: 'counter', help: 'Bytes of answers.' },
  watch_bytes: { kind: 'counter', help: 'Bytes of notifications.' },
  connection_request_count: { kind: 'counter', help: 'Requests to open or renew a session.' },
  connection_rejected: { kind: 'counter', help: 'Connections refused: too many.' },
  connection_drop_count: { kind: 'counter', help: 'Connections closed because of their peer.' },
  connection_revalidate_count: {
    kind: 'counter',
    help: 'Sessions taken up by another connection.',
  },
  sessionless_connections_expired: {
    kind: 'counter',
    help: 'Connections that opened no session in time.',
  },
  stale_sessions_expired: { kind: 'counter', help: 'Sessions that fell silent.' },
  proposal_count: { kind: 'counter', help: 'Transactions proposed.' },
  commit_count: { kind: 'counter', help: 'Transactions applied.' },
  prep_processor_request_queued: { kind: 'counter', help: 'Writes taken.' },
  sync_processor_request_queued: { kind: 'counter', help: 'Records given to the log.' },
  snapshot_error_count: { kind: 'counter', help: 'Snapshots that could not be written.' },
  unrecoverable_error_count: { kind: 'counter', help: 'Failures that ended serving.' },
  readlatency: { kind: 'summary', quantiles: advanced, help: 'From a read to its answer.' },
  updatelatency: { kind: 'summary', quantiles: advanced, help: 'From a write to its answer.' },
  fsynctime: { kind: 'summary', quantiles: advanced, help: 'Syncs of the transaction log.' },
  sync_processor_batch_size: { kind: 'summary', quantiles: basic, help: 'Records in one sync.' },
  snapshottime: { kind: 'summary', quantiles: basic, help: 'Writing a snapshot.' },
  dbinittime: { kind: 'summary', quantiles: basic, help: 'Recovery at the start.' },
  startup_snap_load_time: { kind: 'summary', quantiles: basic, help: 'Its part in the snapshot.' },
  startup_txns_load_time: { kind: 'summary', quantiles: basic, help: 'Its part in the log.' },
  startup_txns_loaded: { kind: 'summary', quantiles: basic, help: 'Transactions replayed.' },
  node_created_watch_count: {
    kind: 'summary',
    quantiles: basic,
    help: 'Watchers told of a creation.',
  },
  node_deleted_watch_count: {
    kind: 'summary',
    quantiles: basic,
    help: 'Watchers told of a deletion.',
  },
  node_changed_watch_count: {
    kind: 'summary',
    quantiles: basic,
    help: 'Watchers told of new data.',
  },
  node_children_watch_count: {
    kind: 'summary',
    quantiles: basic,
    help: 'Watchers told of children.',
  },
});

/** Of an ensemble: there for the dashboards, 0 as long as a server is alone. */
export const ensembleMetrics = defineMetrics({
  looking_count: { kind: 'counter', help: 'Times it looked for a leader.' },
  election_time: { kind: 'summary', quantiles: basic, help: 'Times without a leader.' },
  diff_count: { kind: 'counter', help: 'Followers brought up by transactions.' },
  snap_count: { kind: 'counter', help: 'Followers brought up by a snapshot.' },
  learner_proposal_received_count: { kind: 'counter', help: 'Proposals from a leader.' },
  learner_commit_received_count: { kind: 'counter', help: 'Commits from a leader.' },
  quit_leading_due_to_disloyal_voter: { kind: 'counter', help: 'Leaderships given up.' },
  digest_mismatches_count: { kind: 'counter', help: 'Trees found to differ.' },
  quorum_ack_latency: {
    kind: 'summary',
    quantiles: advanced,
    help: 'From a proposal to its commit on the leader, of one proposal at a time.',
  },
});

/** Of an ensemble alone: a server without others does not have them. */
export const quorumMetrics = defineMetrics({
  quorum_size: { kind: 'gauge', help: 'Servers that vote, those of weight 0 included.' },
  learners: { kind: 'gauge', help: 'Servers that learn from this leader.' },
  synced_followers: { kind: 'gauge', help: 'Those among them that vote.' },
  synced_non_voting_followers: { kind: 'gauge', help: 'Those that follow without being members.' },
  synced_observers: { kind: 'gauge', help: 'Those that observe.' },
  pending_syncs: { kind: 'gauge', help: 'Always 0: sync takes no place in a queue.' },
  leader_uptime: { kind: 'gauge', help: 'Since this server leads; 0 when it does not.' },
  last_proposal_size: { kind: 'gauge', help: 'Bytes of the last transaction; -1: none yet.' },
  max_proposal_size: { kind: 'gauge', help: 'Bytes of the longest one of this leadership.' },
  min_proposal_size: { kind: 'gauge', help: 'Bytes of the shortest one.' },
  odradek_votes_present: {
    kind: 'gauge',
    help: 'Weight of the servers that were heard of lately.',
  },
  odradek_votes_total: { kind: 'gauge', help: 'Weight of all servers.' },
  odradek_maintenance: {
    kind: 'gauge',
    help: '1 while there are too few votes for anybody to lead, else 0.',
  },
  odradek_clients_turned_away_total: {
    kind: 'counter',
    help: 'Clients that came while nobody led and were sent elsewhere.',
  },
  odradek_unreplicated_bytes: {
    kind: 'gauge',
    help: 'Bytes on their way to other servers, or from a learner to its leader.',
  },
});

export const ownMetrics = defineMetrics({
  odradek_zxid_counter_used_ratio: {
    kind: 'gauge',
    help: 'Part of the 32 bits of the zxid counter that is used; at 1 the next epoch begins.',
  },
  odradek_sequence_number_max: {
    kind: 'gauge',
    help: 'Most nodes ever made under one parent; over 10^10 names get an eleventh digit.',
  },
  odradek_log_pending_bytes: { kind: 'gauge', help: 'Bytes of the log that are not durable yet.' },
  odradek_slow_readers: { kind: 'gauge', help: 'Connections that leave notifications unread.' },
  odradek_slow_reader_bytes: { kind: 'gauge', help: 'Bytes that they leave unread.' },
  odradek_slow_readers_closed_total: { kind: 'counter', help: 'Connections closed for it.' },
  odradek_watched_paths: { kind: 'gauge', help: 'Paths that somebody watches.' },
});
