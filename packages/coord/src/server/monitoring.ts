/**
 * What the words, the admin pages and the metrics are answered from: the server's parts, read when
 * somebody asks.
 */
import {
  type Clock,
  Counter,
  type Disk,
  Gauge,
  type Meters,
  type Metrics,
  Summary,
} from '@odradek/runtime';
import { counterOf, usedShareOf } from '../core/transaction/number-spaces.ts';
import type { Tree } from '../core/tree/tree.ts';
import { each } from '../core/watch/watch-index.ts';
import type { WatchTable } from '../core/watch/watch-table.ts';
import type { TransactionLog } from '../storage/types.ts';
import type { Acceptor } from './acceptor.ts';
import type { Admission } from './admission.ts';
import type { ClientConnection } from './client-connection.ts';
import type { EnsembleView } from './ensemble-view.ts';
import { openFiles } from './host-facts.ts';
import { gaugeMetrics, ownMetrics, quorumMetrics, quotaMetrics } from './metrics-table.ts';
import type { Roles } from './roles.ts';
import {
  type ConnectionInfo,
  type DueConnections,
  type Named,
  type ServerInfo,
  VERSION,
} from './server-info.ts';
import type { ServerState } from './server-state.ts';
import { decimals, type ServerStats } from './server-stats.ts';
import type { Doorway } from './serving.ts';
import type { SlowReaders } from './slow-readers.ts';

/** What the original begins with: requests, sessions, warnings. */
const DEFAULT_TRACE_MASK = 306n;

export interface MonitoredParts {
  readonly clock: Clock;
  readonly state: ServerState;
  readonly roles: Roles;
  /** null: a server alone. */
  readonly ensemble: EnsembleView | null;
  readonly watches: WatchTable<ClientConnection>;
  readonly stats: ServerStats;
  readonly admission: Admission;
  readonly acceptor: Acceptor;
  readonly doorway: Doorway;
  readonly slowReaders: SlowReaders;
  readonly log: TransactionLog;
  readonly metrics: Metrics;
  readonly disk: Disk;
  readonly startedAtMs: number;
  readonly configuration: ServerInfo['configuration'];
  readonly initialConfiguration: string;
  readonly environment: ServerInfo['environment'];
  readonly folderSizes: ServerInfo['folderSizes'];
  readonly lastSnapshot: () => ServerInfo['lastSnapshot'];
}

export interface Monitoring {
  readonly info: ServerInfo;
  /** To be called before the metrics are rendered: brings those up to date that are not counted. */
  refresh(): Promise<void>;
}

export function monitor(parts: MonitoredParts): Monitoring {
  const { metrics } = parts;
  const meters: FixedMeters = {
    ...metrics.declare(gaugeMetrics),
    ...metrics.declare(quotaMetrics),
    ...metrics.declare(ownMetrics),
  };
  const { ensemble } = parts;
  const quorumMeters = ensemble === null ? null : metrics.declare(quorumMetrics);
  const refresh = async (): Promise<void> => {
    if (ensemble !== null && quorumMeters !== null) {
      refreshQuorum(parts, ensemble, quorumMeters);
    }
    await refreshMeters(parts, meters);
  };
  return { info: serverInfo(parts, refresh), refresh };
}

type FixedMeters = Meters<typeof gaugeMetrics> &
  Meters<typeof quotaMetrics> &
  Meters<typeof ownMetrics>;

function serverInfo(parts: MonitoredParts, refresh: () => Promise<void>): ServerInfo {
  const { state, roles, ensemble, stats, admission, acceptor, clock } = parts;
  return {
    get mode() {
      return roles.mode;
    },
    get maintenance() {
      return ensemble?.maintenance() ?? null;
    },
    ensemble,
    get proposalSizes() {
      if (roles.mode !== 'leader') return null;
      const { lastProposalSize: last, minProposalSize: min, maxProposalSize: max } = stats;
      return { last, min, max };
    },
    globalSessions() {
      if (roles.mode !== 'follower' && roles.mode !== 'observer') return null;
      return [...state.sessions.all()].map(({ id, timeoutMs }) => [id, timeoutMs] as const);
    },
    quorum: () =>
      ensemble?.describe(roles.mode, roles.sinceMs, clock.now()) ?? {
        serverId: 0,
        role: roles.mode,
        appliedZxid: `0x${state.appliedZxid.toString(16)}`,
        sinceMs: Math.round(clock.now() - roles.sinceMs),
      },
    traceMask: DEFAULT_TRACE_MASK,
    get packetsReceived() {
      return stats.packetsReceived;
    },
    get packetsSent() {
      return stats.packetsSent;
    },
    latency: stats.latency,
    get outstandingCount() {
      return admission.count;
    },
    get authFailures() {
      return stats.authFailures;
    },
    get slowSyncs() {
      return stats.slowSyncs;
    },
    get responseBytes() {
      const { lastResponseBytes: last, minResponseBytes: min, maxResponseBytes: max } = stats;
      return { last, min, max };
    },
    get zxid() {
      return state.appliedZxid;
    },
    get nodeCount() {
      return state.tree.nodeCount;
    },
    get uptimeMs() {
      return clock.now() - parts.startedAtMs;
    },
    get connections() {
      return [...acceptor.connections];
    },
    get lastSnapshot() {
      return parts.lastSnapshot();
    },
    async monitored() {
      await refresh();
      return monitored(parts);
    },
    configuration: parts.configuration,
    initialConfiguration: parts.initialConfiguration,
    environment: parts.environment,
    watches: () => watchInfo(parts),
    dueSessions: () => roles.sessions?.due() ?? [],
    dueConnections: () => dueConnections(parts),
    get digests() {
      return state.digests;
    },
    ephemerals: () =>
      [...state.tree.ephemeralOwners()].map(([id, paths]) => [id, [...paths]] as const),
    folderSizes: parts.folderSizes,
    resetStats: () => stats.reset(),
  };
}

/** Standard and persistent watches of the data table; recursive and child watches are not shown. */
function watchInfo({ watches, acceptor }: MonitoredParts): ReturnType<ServerInfo['watches']> {
  const byPath = new Map<string, bigint[]>();
  for (const index of [watches.data, watches.persistent]) {
    for (const [path, watchers] of index.paths()) {
      const ids = byPath.get(path) ?? [];
      const known = new Set(ids);
      for (const { sessionId } of each(watchers)) if (!known.has(sessionId)) ids.push(sessionId);
      byPath.set(path, ids);
    }
  }
  return {
    connectionCount: [...acceptor.connections].filter(
      (one) => watches.data.countOf(one) + watches.persistent.countOf(one) > 0,
    ).length,
    pathCount: byPath.size,
    totalCount: [...byPath.values()].reduce((count, ids) => count + ids.length, 0),
    byPath: [...byPath],
  };
}

/** Connections end with their session, or when they have not made one in time. */
function dueConnections({ acceptor, clock, roles }: MonitoredParts): readonly DueConnections[] {
  const dueSessions = roles.sessions?.due() ?? [];
  const dueOf = new Map(dueSessions.flatMap(({ atMs, ids }) => ids.map((id) => [id, atMs])));
  const toWallMs = clock.wallTime() - clock.now();
  const byTime = new Map<number, ConnectionInfo[]>();
  for (const connection of acceptor.connections) {
    const atMs = dueOf.get(connection.sessionId) ?? Math.round(connection.deadlineMs + toWallMs);
    const own = byTime.get(atMs);
    if (own === undefined) byTime.set(atMs, [connection]);
    else own.push(connection);
  }
  return [...byTime]
    .sort(([a], [b]) => a - b)
    .map(([atMs, connections]) => ({ atMs, connections }));
}

async function refreshMeters(parts: MonitoredParts, meters: FixedMeters): Promise<void> {
  const { state, watches, stats, admission, acceptor, slowReaders, clock } = parts;
  const { tree, sessions } = state;
  const files = await openFiles(parts.disk);
  meters.znode_count.set(tree.nodeCount);
  meters.ephemerals_count.set(tree.ephemeralCount);
  meters.approximate_data_size.set(tree.dataSizeBytes);
  meters.watch_count.set(watches.size);
  meters.num_alive_connections.set(acceptor.connections.size);
  meters.outstanding_requests.set(admission.count);
  meters.global_sessions.set(sessions.size);
  meters.local_sessions.set(sessions.localSize);
  meters.avg_latency.set(stats.latency.averageMs);
  meters.min_latency.set(stats.latency.minMs);
  meters.max_latency.set(stats.latency.maxMs);
  meters.packets_received.set(stats.packetsReceived);
  meters.packets_sent.set(stats.packetsSent);
  meters.last_client_response_size.set(stats.lastResponseBytes);
  meters.min_client_response_size.set(stats.minResponseBytes);
  meters.max_client_response_size.set(stats.maxResponseBytes);
  meters.auth_failed_count.set(stats.authFailures);
  meters.uptime.set(Math.floor(clock.now() - parts.startedAtMs));
  meters.open_file_descriptor_count.set(files?.count ?? -1);
  meters.max_file_descriptor_count.set(files?.max ?? -1);
  refreshQuotas(tree, meters);
  meters.odradek_zxid_counter_used_ratio.set(usedShareOf(counterOf(state.appliedZxid)));
  meters.odradek_sequence_number_max.set(tree.creationCountMax);
  meters.odradek_log_pending_bytes.set(parts.log.pendingBytes);
  meters.odradek_slow_readers.set(slowReaders.count);
  meters.odradek_slow_reader_bytes.set(slowReaders.totalBytes);
  meters.odradek_slow_readers_closed_total.readFrom(() => slowReaders.closedCount);
  meters.odradek_watched_paths.set(watches.pathCount);
}

function refreshQuorum(
  { roles, stats, clock, doorway }: MonitoredParts,
  ensemble: EnsembleView,
  meters: Meters<typeof quorumMetrics>,
): void {
  const status = ensemble.status();
  const learners = status.learners ?? [];
  const { voters } = ensemble.rules;
  const synced = learners.filter(({ isObserver }) => !isObserver);
  const voting = synced.filter(({ serverId }) => voters.includes(serverId));
  meters.quorum_size.set(voters.length);
  meters.learners.set(learners.length);
  meters.synced_followers.set(voting.length);
  meters.synced_non_voting_followers.set(synced.length - voting.length);
  meters.synced_observers.set(learners.length - synced.length);
  meters.leader_uptime.set(roles.mode === 'leader' ? Math.floor(clock.now() - roles.sinceMs) : 0);
  meters.last_proposal_size.set(stats.lastProposalSize);
  meters.max_proposal_size.set(stats.maxProposalSize);
  meters.min_proposal_size.set(stats.minProposalSize);
  meters.odradek_votes_present.set(status.presentWeight);
  meters.odradek_votes_total.set(status.totalWeight);
  meters.odradek_maintenance.set(ensemble.maintenance() === null ? 0 : 1);
  meters.odradek_clients_turned_away_total.readFrom(() => doorway.turnedAwayCount);
  meters.odradek_unreplicated_bytes.set(roles.unreplicatedBytes);
}

/** Several quotas below one namespace are added up. */
function refreshQuotas({ quotas }: Tree, meters: FixedMeters): void {
  const {
    quota_count_limit_per_namespace: countLimit,
    quota_bytes_limit_per_namespace: bytesLimit,
    quota_count_usage_per_namespace: countUsage,
    quota_bytes_usage_per_namespace: bytesUsage,
  } = meters;
  for (const gauge of [countLimit, bytesLimit, countUsage, bytesUsage]) gauge.clear();
  for (const { path, limits, usage } of quotas.all()) {
    const key = namespaceOf(path);
    const count = limits.countHard >= 0 ? limits.countHard : limits.count;
    const bytes = limits.bytesHard >= 0 ? limits.bytesHard : limits.bytes;
    if (count >= 0) countLimit.of(key).add(count);
    if (bytes >= 0) bytesLimit.of(key).add(bytes);
    if (usage === null) continue;
    countUsage.of(key).add(usage.count);
    bytesUsage.of(key).add(usage.bytes);
  }
}

/** The first segment of a path. */
export const namespaceOf = (path: string): string => path.split('/')[1] ?? '';

/** The fixed block first and in the original's order: agents and dashboards know it. */
function monitored({ metrics, stats, roles, ensemble }: MonitoredParts): readonly Named[] {
  const mode = roles.mode ?? 'looking';
  const inEnsemble = ensemble === null ? [] : ['quorum_size', ...linesOf(mode)];
  const fixed = [...fixedBlock, ...inEnsemble]
    .map((name): Named | null => {
      if (name === 'version') return [name, VERSION];
      if (name === 'server_state') return [name, mode];
      if (name === 'peer_state') return ensemble === null ? null : [name, peerStates[mode] ?? mode];
      if (name === 'followers') return [name, metrics.valueOf('synced_followers') ?? 0];
      if (name === 'avg_latency') return [name, stats.latency.average];
      if (name === 'connection_drop_probability') return [name, '0.0'];
      const value = metrics.valueOf(name);
      return value === null || (value < 0 && name.includes('descriptor')) ? null : [name, value];
    })
    .filter((line) => line !== null);
  return [...fixed, ...counted(metrics)];
}

const fixedBlock = [
  'version',
  'server_state',
  'peer_state',
  'ephemerals_count',
  'num_alive_connections',
  'avg_latency',
  'outstanding_requests',
  'znode_count',
  'global_sessions',
  'non_mtls_remote_conn_count',
  'last_client_response_size',
  'packets_sent',
  'packets_received',
  'max_client_response_size',
  'connection_drop_probability',
  'watch_count',
  'auth_failed_count',
  'min_latency',
  'max_file_descriptor_count',
  'approximate_data_size',
  'open_file_descriptor_count',
  'local_sessions',
  'uptime',
  'max_latency',
  'outstanding_tls_handshake',
  'min_client_response_size',
  'non_mtls_local_conn_count',
] as const;

/** As the original names its states. */
const peerStates: Readonly<Record<string, string>> = {
  leader: 'leading - broadcast',
  follower: 'following - broadcast',
  observer: 'observing - broadcast',
};

const leaderLines = [
  'learners',
  'followers',
  'synced_followers',
  'synced_non_voting_followers',
  'synced_observers',
  'pending_syncs',
  'leader_uptime',
  'last_proposal_size',
  'max_proposal_size',
  'min_proposal_size',
] as const;

function linesOf(mode: string): readonly string[] {
  if (mode === 'leader') return leaderLines;
  return mode === 'follower' ? ['synced_observers'] : [];
}

const alreadyShown: ReadonlySet<string> = new Set<string>([
  ...fixedBlock,
  ...leaderLines,
  'quorum_size',
  ...Object.keys(gaugeMetrics),
]);

/** Shares whose values an advanced summary has in `mntr`, with their names there. */
const percentiles = [
  ['p50', 0.5],
  ['p95', 0.95],
  ['p99', 0.99],
  ['p999', 0.999],
] as const;

/** Everything else but the process's own, in the original's spelling of counters, sets and summaries. */
function* counted(metrics: Metrics): IterableIterator<Named> {
  for (const { name, definition, series } of metrics.all()) {
    if (alreadyShown.has(name) || name.startsWith('process_')) continue;
    for (const { values, series: one } of series) {
      const full = [...values, name].join('_');
      if (one instanceof Counter || one instanceof Gauge) {
        yield [full, one.value];
      } else if (one instanceof Summary && definition.kind === 'summary') {
        yield* spread(full, one, definition.quantiles.length > 1);
      }
    }
  }
}

function* spread(name: string, summary: Summary, isAdvanced: boolean): IterableIterator<Named> {
  yield [`avg_${name}`, decimals(summary.average)];
  yield [`min_${name}`, Math.floor(summary.min)];
  yield [`max_${name}`, Math.floor(summary.max)];
  yield [`cnt_${name}`, summary.count];
  yield [`sum_${name}`, Math.round(summary.sum)];
  if (!isAdvanced) return;
  const values = summary.quantiles(percentiles.map(([, share]) => share));
  for (const [index, [prefix]] of percentiles.entries()) {
    yield [`${prefix}_${name}`, Math.floor(values[index] ?? 0)];
  }
}
