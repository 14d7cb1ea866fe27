/**
 * The admin commands: what the four-letter words tell, as JSON, under the original's names and keys.
 *
 * Not here: taking and loading snapshots over HTTP, which `odradek coord-backup` and `coord-restore`
 * do; those two commands say so.
 */
import { participantsOf } from '../../core/quorum/ensemble.ts';
import { counterOf, epochOf } from '../../core/transaction/number-spaces.ts';
import { DIGEST_VERSION } from '../../digest/tree-digest.ts';
import type { EnsembleView } from '../ensemble-view.ts';
import {
  bySession,
  type ConnectionInfo,
  type Named,
  type ProposalSizes,
  type ServerInfo,
  VERSION,
} from '../server-info.ts';
import type { Json } from './pretty-json.ts';

export interface AdminAnswer {
  readonly status: number;
  /** Without `command` and `error`, which every answer has. */
  readonly content: Readonly<Record<string, Json>>;
  readonly error: string | null;
}

type Answer = (info: ServerInfo, query: URLSearchParams) => Promise<AdminAnswer>;

interface AdminCommand {
  readonly aliases: readonly string[];
  readonly doc: string;
  readonly answer: Answer;
}

const fine = (content: Readonly<Record<string, Json>> = {}): AdminAnswer => ({
  status: 200,
  content,
  error: null,
});

const failed = (error: string, status = 200): AdminAnswer => ({ status, content: {}, error });

/** By primary name, in the order of the list page. */
export const adminCommands: Readonly<Record<string, AdminCommand>> = {
  configuration: {
    aliases: ['conf', 'config'],
    doc: 'The configuration that is in effect.',
    answer: async (info) => fine(configuration(await info.configuration())),
  },
  connection_stat_reset: {
    aliases: ['crst'],
    doc: 'Forgets the counts of connections.',
    answer: async (info) => {
      for (const { stats } of info.connections) stats.reset();
      return fine();
    },
  },
  connections: {
    aliases: ['cons'],
    doc: 'Connections with all that is known of them.',
    answer: async (info) => fine(connections(info, detail)),
  },
  dirs: {
    aliases: [],
    doc: 'Bytes of the folders of snapshots and logs.',
    answer: async (info) => {
      const { dataBytes, logBytes } = await info.folderSizes();
      return fine({ datadir_size: dataBytes, logdir_size: logBytes });
    },
  },
  dump: {
    aliases: [],
    doc: 'Sessions by the time (ms since 1970) at which they end, and their ephemerals.',
    answer: async (info) =>
      fine({
        expiry_time_to_session_ids: Object.fromEntries(
          info.dueSessions().map(({ atMs, ids }) => [String(atMs), ids]),
        ),
        session_id_to_ephemeral_paths: Object.fromEntries(
          info.ephemerals().map(([id, paths]) => [String(id), paths]),
        ),
      }),
  },
  environment: {
    aliases: ['env', 'envi'],
    doc: 'The process and the machine; the `java.` names tell of Node.',
    answer: async (info) =>
      fine({ 'zookeeper.version': VERSION, ...Object.fromEntries(info.environment()) }),
  },
  get_trace_mask: {
    aliases: ['gtmk'],
    doc: 'The trace mask.',
    answer: async (info) => fine({ tracemask: info.traceMask }),
  },
  hash: {
    aliases: [],
    doc: 'Digests of the tree, one per 128 zxids; none unless `digest.enabled=true`.',
    answer: async ({ digests }) =>
      fine({
        digests: digests.map(({ zxid, digest }) => ({
          zxid,
          digest,
          digest_version: DIGEST_VERSION,
        })),
      }),
  },
  initial_configuration: {
    aliases: ['icfg'],
    doc: 'The file that the server was started with, passwords hidden.',
    answer: async (info) => fine({ initial_configuration: info.initialConfiguration }),
  },
  is_read_only: {
    aliases: ['isro'],
    doc: 'Whether the server refuses writes.',
    answer: async ({ mode }) => fine({ read_only: mode === 'read-only' }),
  },
  last_snapshot: {
    aliases: ['lsnp'],
    doc: 'The newest snapshot: its zxid in hexadecimal, its time in s since 1970.',
    answer: async ({ lastSnapshot: { zxid, atMs } }) =>
      fine({ zxid: zxid.toString(16), timestamp: Math.floor(atMs / 1000) }),
  },
  leader: {
    aliases: ['lead'],
    doc: 'Who leads; an error for a server alone, as in the original.',
    answer: async ({ ensemble }) => {
      if (ensemble === null) return failed('server is not initialized');
      const { leaderId, serverId } = ensemble.status();
      if (leaderId === null) return failed('server is not initialized');
      const host = ensemble.ensemble.servers.get(leaderId)?.addresses[0]?.host ?? '';
      return fine({ is_leader: leaderId === serverId, leader_id: leaderId, leader_ip: host });
    },
  },
  monitor: {
    aliases: ['mntr'],
    doc: 'Everything that is counted.',
    answer: async (info) => fine(Object.fromEntries((await info.monitored()).map(asNumber))),
  },
  observer_connection_stat_reset: {
    aliases: ['orst'],
    doc: 'Forgets the counts of observers; none are kept.',
    answer: async () => fine(),
  },
  observers: {
    aliases: ['obsr'],
    doc: 'Observers that this leader has.',
    answer: async ({ ensemble }) => {
      const learners = ensemble?.status().learners ?? [];
      const observers = learners.filter(({ isObserver }) => isObserver);
      return fine({
        synced_observers: observers.length,
        observers: observers.map(({ serverId, acknowledgedZxid }) => ({
          sid: serverId,
          last_zxid: acknowledgedZxid,
        })),
      });
    },
  },
  quorum: {
    aliases: ['quor'],
    doc: 'The ensemble as this server sees it: who leads, epochs, zxids, votes. Ours.',
    answer: async (info) => fine(info.quorum()),
  },
  restore: {
    aliases: ['rest'],
    doc: 'Not here: `odradek coord-restore` does it, with the server stopped.',
    answer: async () => failed('restore is done by `odradek coord-restore`', 503),
  },
  ruok: { aliases: [], doc: 'Answers as long as the process lives.', answer: async () => fine() },
  server_stats: {
    aliases: ['srvr'],
    doc: 'Version, latency, counts, zxid, mode.',
    answer: async (info) => fine(await serverStats(info)),
  },
  set_trace_mask: {
    aliases: ['stmk'],
    doc: 'Sets the trace mask (`?traceMask=n`). It is kept and told; nothing is traced by it.',
    answer: async (info, query) => {
      const mask = query.get('traceMask') ?? '';
      if (!/^-?\d{1,19}$/.test(mask)) {
        return failed('setTraceMask requires long traceMask argument');
      }
      info.traceMask = BigInt.asIntN(64, BigInt(mask));
      return fine({ tracemask: info.traceMask });
    },
  },
  snapshot: {
    aliases: ['snap'],
    doc: 'Not here: `odradek coord-backup` does it.',
    answer: async () => failed('snapshots are taken by `odradek coord-backup`', 503),
  },
  stat_reset: {
    aliases: ['srst'],
    doc: 'Forgets the counts of the server.',
    answer: async (info) => {
      info.resetStats();
      return fine();
    },
  },
  stats: {
    aliases: ['stat'],
    doc: 'server_stats with the list of clients.',
    answer: async (info) => fine({ ...(await serverStats(info)), ...connections(info, brief) }),
  },
  system_properties: {
    aliases: ['sysp'],
    doc: 'The process and the machine.',
    answer: async (info) => fine(Object.fromEntries(info.environment())),
  },
  voting_view: {
    aliases: [],
    doc: 'The members of the ensemble that vote; none for a server alone.',
    answer: async ({ ensemble }) =>
      fine({ current_config: ensemble === null ? {} : votingView(ensemble) }),
  },
  watch_summary: {
    aliases: ['wchs'],
    doc: 'How many watch how much.',
    answer: async (info) => {
      const { connectionCount, pathCount, totalCount } = info.watches();
      return fine({
        num_connections: connectionCount,
        num_paths: pathCount,
        num_total_watches: totalCount,
      });
    },
  },
  watches: {
    aliases: ['wchc'],
    doc: 'Watched paths by session.',
    answer: async (info) =>
      fine({
        session_id_to_watched_paths: Object.fromEntries(
          bySession(info.watches().byPath).map(([id, paths]) => [String(id), paths]),
        ),
      }),
  },
  watches_by_path: {
    aliases: ['wchp'],
    doc: 'Sessions by watched path.',
    answer: async (info) =>
      fine({ path_to_session_ids: Object.fromEntries(info.watches().byPath) }),
  },
  zabstate: {
    aliases: [],
    doc: 'The state of the replication; empty for a server alone, as in the original.',
    answer: async (info) => fine(zabState(info)),
  },
};

function votingView({ ensemble }: EnsembleView): Record<string, Json> {
  return Object.fromEntries(
    participantsOf(ensemble).map(({ id, addresses, clientAddress, role }) => [
      String(id),
      {
        server_addresses: addresses.map(({ host, quorumPort }) => `${host}:${quorumPort}`),
        election_addresses: addresses.map(({ host, electionPort }) => `${host}:${electionPort}`),
        client_address: clientAddress === null ? '' : `${clientAddress.host}:${clientAddress.port}`,
        learner_type: role.toUpperCase(),
      },
    ]),
  );
}

function zabState({ ensemble, zxid }: ServerInfo): Record<string, Json> {
  if (ensemble === null) return { voting: false, zabstate: '' };
  const { serverId, leaderId, role } = ensemble.status();
  return {
    myid: serverId,
    is_leader: leaderId === serverId,
    voting: ensemble.rules.voters.includes(serverId),
    last_zxid: `0x${zxid.toString(16)}`,
    zab_epoch: epochOf(zxid),
    zab_counter: counterOf(zxid),
    zabstate: role === 'looking' ? 'election' : 'broadcast',
  };
}

const primaryNames = new Map<string, string>(
  Object.entries(adminCommands).flatMap(([name, { aliases }]) =>
    [name, ...aliases].map((each) => [each, name] as const),
  ),
);

/** Answers the command of this name or alias; an unknown one too, with an error. */
export async function answerAdminCommand(
  name: string,
  info: ServerInfo,
  query: URLSearchParams,
): Promise<{ readonly status: number; readonly body: Json }> {
  const primary = primaryNames.get(name);
  const command = primary === undefined ? undefined : adminCommands[primary];
  const { status, content, error } =
    command === undefined ? failed(`Unknown command: ${name}`) : await command.answer(info, query);
  return { status, body: { ...content, command: primary ?? name, error } };
}

/** Decimals are text in `mntr` and numbers here. */
const asNumber = ([name, value]: Named): Named =>
  typeof value === 'string' && /^\d+\.\d+$/.test(value) ? [name, Number(value)] : [name, value];

/** Keys of `conf` that have a place here, in the original's order. */
const configurationKeys = [
  ['client_port', 'clientPort'],
  ['data_dir', 'dataDir'],
  ['data_log_dir', 'dataLogDir'],
  ['tick_time', 'tickTime'],
  ['max_client_cnxns', 'maxClientCnxns'],
  ['min_session_timeout', 'minSessionTimeout'],
  ['max_session_timeout', 'maxSessionTimeout'],
  ['server_id', 'serverId'],
  ['client_port_listen_backlog', 'clientPortListenBacklog'],
] as const;

/** The same of a server in an ensemble. */
const ensembleKeys = [
  ['init_limit', 'initLimit'],
  ['sync_limit', 'syncLimit'],
  ['election_alg', 'electionAlg'],
  ['election_port', 'electionPort'],
  ['quorum_port', 'quorumPort'],
  ['peer_type', 'peerType'],
] as const;

function configuration(
  lines: readonly (readonly [string, string | number])[],
): Record<string, Json> {
  const values = new Map(lines);
  const keys = values.has('quorumPort')
    ? [...configurationKeys, ...ensembleKeys]
    : configurationKeys;
  return Object.fromEntries(keys.map(([key, name]) => [key, values.get(name) ?? null]));
}

async function serverStats(info: ServerInfo): Promise<Record<string, Json>> {
  const { latency, responseBytes } = info;
  const { dataBytes, logBytes } = await info.folderSizes();
  const clientResponse = {
    last_buffer_size: responseBytes.last,
    min_buffer_size: responseBytes.min,
    max_buffer_size: responseBytes.max,
  };
  return {
    version: VERSION,
    read_only: info.mode === 'read-only',
    server_stats: {
      packets_sent: info.packetsSent,
      packets_received: info.packetsReceived,
      fsync_threshold_exceed_count: info.slowSyncs,
      client_response_stats: clientResponse,
      provider_null: false,
      data_dir_size: dataBytes,
      log_dir_size: logBytes,
      last_processed_zxid: info.zxid,
      outstanding_requests: info.outstandingCount,
      server_state: info.mode ?? 'looking',
      avg_latency: latency.averageMs,
      max_latency: latency.maxMs,
      min_latency: latency.minMs,
      num_alive_client_connections: info.connections.length,
      uptime: Math.floor(info.uptimeMs),
      auth_failed_count: info.authFailures,
      non_mtlsremote_conn_count: 0,
      non_mtlslocal_conn_count: 0,
    },
    client_response: clientResponse,
    ...(info.proposalSizes === null ? {} : { proposal_stats: proposalStats(info.proposalSizes) }),
    node_count: info.nodeCount,
  };
}

const proposalStats = ({ last, min, max }: ProposalSizes): Record<string, Json> => ({
  last_buffer_size: last,
  min_buffer_size: min,
  max_buffer_size: max,
});

type Shown = (connection: ConnectionInfo) => Readonly<Record<string, Json>>;

function connections(info: ServerInfo, shown: Shown): Record<string, Json> {
  const all = info.connections;
  return {
    connections: all.filter(({ isSecure }) => !isSecure).map(shown),
    secure_connections: all.filter(({ isSecure }) => isSecure).map(shown),
  };
}

const brief: Shown = ({ peer, interest, queuedCount, stats }) => ({
  remote_socket_address: peer.slice(1),
  interest_ops: interest,
  outstanding_requests: queuedCount,
  packets_received: stats.received,
  packets_sent: stats.sent,
});

const detail: Shown = (connection) => {
  const { sessionId, sessionTimeoutMs, stats } = connection;
  if (sessionId === 0n) return brief(connection);
  return {
    ...brief(connection),
    session_id: sessionId,
    last_operation: stats.lastOperation,
    established: Math.floor(stats.establishedAtMs),
    session_timeout: sessionTimeoutMs,
    last_cxid: stats.lastXid,
    last_zxid: stats.lastZxid,
    last_response_time: Math.floor(stats.lastResponseAtMs),
    last_latency: Math.floor(stats.lastLatencyMs),
    min_latency: stats.latency.minMs,
    avg_latency: Math.floor(stats.latency.averageMs),
    max_latency: stats.latency.maxMs,
  };
};
