/**
 * What `mntr`, `conf` and their like are answered from: the server's parts, read when asked.
 */
import type { Disk } from '@odradek/runtime';
import type { SessionTable } from '../core/session/session-table.ts';
import type { Tree } from '../core/tree/tree.ts';
import { each } from '../core/watch/watch-index.ts';
import type { WatchTable } from '../core/watch/watch-table.ts';
import type { Acceptor } from './acceptor.ts';
import type { Admission } from './admission.ts';
import type { ClientConnection } from './client-connection.ts';
import { type ServerInfo, VERSION } from './four-letter-words.ts';
import { openFiles } from './host-facts.ts';
import type { LastZxid } from './outbox.ts';
import type { ServerStats } from './server-stats.ts';

export interface MonitoredParts {
  readonly tree: Tree;
  readonly sessions: SessionTable;
  readonly watches: WatchTable<ClientConnection>;
  readonly stats: ServerStats;
  readonly admission: Admission;
  readonly acceptor: Acceptor;
  readonly lastZxid: LastZxid;
  /** Since the start. */
  uptimeMs(): number;
  readonly disk: Disk;
  readonly configuration: () => Promise<readonly (readonly [string, string | number])[]>;
  readonly environment: readonly (readonly [string, string])[];
  readonly dueSessions: ServerInfo['dueSessions'];
  readonly folderSizes: ServerInfo['folderSizes'];
}

export function serverInfo(parts: MonitoredParts): ServerInfo {
  const { tree, stats, admission, acceptor, lastZxid } = parts;
  return {
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
    get zxid() {
      return lastZxid.value;
    },
    get nodeCount() {
      return tree.nodeCount;
    },
    get connections() {
      return [...acceptor.connections];
    },
    monitored: () => monitored(parts),
    configuration: parts.configuration,
    environment: () => parts.environment,
    watches: () => watchInfo(parts),
    dueSessions: parts.dueSessions,
    ephemerals: () => [...tree.ephemeralOwners()].map(([id, paths]) => [id, [...paths]] as const),
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
      for (const { sessionId } of each(watchers)) if (!ids.includes(sessionId)) ids.push(sessionId);
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

/** The fixed block first and in the original's order: agents and dashboards know it. */
async function monitored({
  disk,
  tree,
  sessions,
  watches,
  stats,
  admission,
  acceptor,
  uptimeMs,
}: MonitoredParts): Promise<readonly (readonly [string, string | number])[]> {
  const files = await openFiles(disk);
  const { latency } = stats;
  return [
    ['version', VERSION],
    ['server_state', 'standalone'],
    ['ephemerals_count', tree.ephemeralCount],
    ['num_alive_connections', acceptor.connections.size],
    ['avg_latency', latency.average],
    ['outstanding_requests', admission.count],
    ['znode_count', tree.nodeCount],
    ['global_sessions', sessions.size],
    ['non_mtls_remote_conn_count', 0],
    ['last_client_response_size', stats.lastResponseBytes],
    ['packets_sent', stats.packetsSent],
    ['packets_received', stats.packetsReceived],
    ['max_client_response_size', stats.maxResponseBytes],
    ['connection_drop_probability', '0.0'],
    ['watch_count', watches.size],
    ['auth_failed_count', stats.authFailures],
    ['min_latency', latency.minMs],
    ...(files === null ? [] : [['max_file_descriptor_count', files.max] as const]),
    ['approximate_data_size', tree.dataSizeBytes],
    ...(files === null ? [] : [['open_file_descriptor_count', files.count] as const]),
    ['local_sessions', 0],
    ['uptime', Math.floor(uptimeMs())],
    ['max_latency', latency.maxMs],
    ['outstanding_tls_handshake', 0],
    ['min_client_response_size', stats.minResponseBytes],
    ['non_mtls_local_conn_count', 0],
    ['proposal_count', stats.proposals],
    ['commit_count', stats.commits],
    ['snap_count', stats.snapshots],
    ['bytes_received_count', stats.bytesReceived],
    ['connection_request_count', stats.connectionsAccepted],
    ['connection_rejected', stats.connectionsRejected],
    ['stale_sessions_expired', stats.staleSessionsExpired],
  ];
}
