/**
 * What a configuration means for the server and its storage: units, defaults, and which key says what.
 */
import type { Environment, HostFacts } from '@odradek/runtime';
import type { Membership } from '../config/ensemble-settings.ts';
import { prometheusProvider } from '../config/page-keys.ts';
import type { ZooCfg } from '../config/zoo-cfg.ts';
import { participantsOf } from '../core/quorum/ensemble.ts';
import type { Security } from '../security/security.ts';
import type { StorageSettings } from '../storage/types.ts';
import type { BoundPorts, ServerOptions } from './coordinator-server.ts';
import { environmentLines, folderBytes } from './host-facts.ts';
import { ENSEMBLE_REQUEST_BYTES_MAX } from './limits.ts';

/** Alone, a server has this id in its session ids. */
const STANDALONE_ID = 1;
const KIB = 1024;
const HOUR_MS = 3_600_000;
const MIB = 1024 * KIB;
/** What a record may be longer than the request it came from; the end of a session names all its nodes. */
const OWN_RECORD_BYTES = 512 * MIB;

export function storageSettings(config: ZooCfg): Partial<StorageSettings> {
  const hours = config['autopurge.purgeInterval'];
  const logFileKib = config.txnLogSizeLimitInKb;
  return {
    ...(logFileKib > 0 ? { logFileBytes: logFileKib * KIB } : {}),
    preallocateBytes: config.preAllocSize * KIB,
    groupRecords: config.maxBatchSize,
    slowSyncMs: config['fsync.warningthresholdms'],
    forceSync: config.forceSync.toLowerCase() === 'yes',
    // Never refused for its length: what was decided must be written, or nobody could go on.
    recordBytes: OWN_RECORD_BYTES + config['jute.maxbuffer'],
    retainSnapshots: config['autopurge.snapRetainCount'],
    purgeIntervalMs: hours === 0 ? null : hours * HOUR_MS,
  };
}

/** @param membership null: a server alone */
export function serverOptions(
  environment: Environment,
  config: ZooCfg,
  membership: Membership | null,
  { tls, schemes, authentication }: Security,
  describeHost: (() => HostFacts) | undefined,
): ServerOptions {
  const sizeLimitKib = config.snapSizeLimitInKb;
  const checkIntervalMs = config['znode.container.checkIntervalMs'];
  const perInterval = Math.ceil(
    (config['znode.container.maxPerMinute'] * checkIntervalMs) / 60_000,
  );
  return {
    serverId: membership?.serverId ?? STANDALONE_ID,
    host: membership?.clientHost ?? config.clientPortAddress,
    port: membership === null ? config.clientPort : membership.clientPort,
    tls,
    tlsOnPlainPort: config['client.portUnification'],
    secureHost: config.secureClientPortAddress,
    securePort: config.secureClientPort,
    connectionsPerAddressMax: config.maxClientCnxns,
    connectionsMax: config.maxCnxns,
    tickMs: config.tickTime,
    minSessionTimeoutMs: config.minSessionTimeout,
    maxSessionTimeoutMs: config.maxSessionTimeout,
    maxFrameBytes:
      membership === null
        ? config['jute.maxbuffer']
        : Math.min(config['jute.maxbuffer'], ENSEMBLE_REQUEST_BYTES_MAX),
    outstandingMax: outstandingMax(config, membership),
    skipAcl: config.skipACL.toLowerCase() === 'yes',
    extendedTypes: config.extendedTypesEnabled,
    enforceQuota: config.enforceQuota,
    reconfigEnabled: config.reconfigEnabled,
    keepsDigests: config['digest.enabled'],
    localSessions: {
      isEnabled: config.localSessionsEnabled,
      mayUpgrade: config.localSessionsUpgradingEnabled,
    },
    linearizableReads: config['odradek.linearizableReads'],
    replyBytesMax: config['odradek.maxReplyBytes'],
    handshakeMs: config['nio.sessionlessCnxnTimeout'],
    slowSyncMs: config['fsync.warningthresholdms'],
    schemes,
    authentication,
    words: config['4lw.commands.whitelist'],
    snapshotRecords: config.snapCount,
    snapshotBytes: sizeLimitKib > 0 ? sizeLimitKib * KIB : null,
    readOnlyMode: membership !== null && (config.ensemble?.readOnlyMode ?? false),
    reaper: {
      intervalMs: checkIntervalMs,
      countMax: perInterval,
      neverUsedMs: config['znode.container.maxNeverUsedIntervalMs'],
    },
    configuration: (ports) => configurationLines(environment, config, ports, membership),
    folderSizes: async () => ({
      dataBytes: await folderBytes(environment.disk, config.dataDir),
      logBytes: await folderBytes(environment.disk, config.dataLogDir),
    }),
    initialConfiguration: config.initialConfiguration,
    environment: () => (describeHost === undefined ? [] : environmentLines(describeHost())),
    admin: config['admin.enableServer']
      ? {
          host: config['admin.serverAddress'],
          port: config['admin.serverPort'],
          path: config['admin.commandURL'].replace(/\/+$/, ''),
          idleTimeoutMs: config['admin.idleTimeout'],
        }
      : null,
    prometheus:
      config['metricsProvider.className'] === prometheusProvider
        ? { host: config['metricsProvider.httpHost'], port: config['metricsProvider.httpPort'] }
        : null,
  };
}

/** As the original's `conf` prints them. */
async function configurationLines(
  { disk }: Environment,
  config: ZooCfg,
  ports: BoundPorts,
  membership: Membership | null,
): Promise<readonly (readonly [string, string | number])[]> {
  return [
    ['clientPort', ports.plain ?? -1],
    ['secureClientPort', ports.secure ?? -1],
    ['dataDir', config.dataDir],
    ['dataDirSize', await folderBytes(disk, config.dataDir)],
    ['dataLogDir', config.dataLogDir],
    ['dataLogSize', await folderBytes(disk, config.dataLogDir)],
    ['tickTime', config.tickTime],
    ['maxClientCnxns', config.maxClientCnxns],
    ['minSessionTimeout', config.minSessionTimeout],
    ['maxSessionTimeout', config.maxSessionTimeout],
    ['clientPortListenBacklog', -1],
    ['serverId', membership?.serverId ?? 0],
    ...ensembleLines(config, membership),
  ];
}

function ensembleLines(
  config: ZooCfg,
  membership: Membership | null,
): readonly (readonly [string, string | number])[] {
  const address = membership?.self.addresses[0];
  if (membership === null || address === undefined) return [];
  return [
    ['initLimit', config.initLimit],
    ['syncLimit', config.syncLimit],
    ['electionAlg', 3],
    ['electionPort', address.electionPort],
    ['quorumPort', address.quorumPort],
    ['peerType', membership.self.role === 'observer' ? 1 : 0],
  ];
}

/** Of an ensemble all servers together may have so many requests waiting. */
function outstandingMax(config: ZooCfg, membership: Membership | null): number {
  const voters = membership === null ? 1 : participantsOf(membership.ensemble).length;
  const { globalOutstandingLimit } = config;
  return voters > 2
    ? Math.max(1, Math.floor(globalOutstandingLimit / (voters - 1)))
    : globalOutstandingLimit;
}
