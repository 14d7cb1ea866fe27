/**
 * A coordination server from its configuration: wires storage and server, decides nothing.
 */
import {
  type DelaySource,
  type Environment,
  type HostFacts,
  Metrics,
  type OdradekError,
  type ServeHttp,
  watchEventLoop,
} from '@odradek/runtime';
import { prometheusProvider } from './config/page-keys.ts';
import type { ZooCfg } from './config/zoo-cfg.ts';
import { loadSecurity, type Security } from './security/security.ts';
import { tlsFiles } from './security/security-files.ts';
import { startTlsReload } from './security/tls-reload-host.ts';
import {
  type BoundPorts,
  CoordinatorServer,
  quorumOfOne,
  type ServerOptions,
} from './server/coordinator-server.ts';
import { environmentLines, folderBytes } from './server/host-facts.ts';
import type { CoordinatorObserver } from './server/observer.ts';
import type { Replication } from './server/write-path.ts';
import { openStorage } from './storage/storage.ts';
import type { Storage, StorageSettings } from './storage/types.ts';

/** Alone, a server has this id in its session ids. */
const STANDALONE_ID = 1;
const KIB = 1024;
const HOUR_MS = 3_600_000;
const MIB = 1024 * KIB;
/** What a record may be longer than the request it came from; the end of a session names all its nodes. */
const OWN_RECORD_BYTES = 512 * MIB;

export interface RunningCoordinator {
  /** The client port that is bound: the plain one, or that for TLS if it is the only one. */
  readonly port: number;
  /** The port for TLS alone; null: there is none. */
  readonly securePort: number | null;
  /** Ports of the admin pages and of the metrics, those that are served. */
  readonly pagePorts: readonly number[];
  readonly metrics: Metrics;
  /** Resolves when the server had to stop serving because its disk failed; never otherwise. */
  readonly failure: Promise<OdradekError>;
  /** Ends the connections, writes a last snapshot and gives the directories free. Sessions live on. */
  stop(): Promise<void>;
}

/** What a process has to offer beyond the ports; all of it can be left out. */
export interface CoordinatorServices {
  /** Where the server's metrics go; its own registry when not given. */
  readonly metrics?: Metrics;
  /** Serves the admin pages and the metrics; there are none when not given. */
  readonly serveHttp?: ServeHttp;
  /** Measures how long the event loop keeps others waiting; not watched when not given. */
  readonly eventLoopDelay?: DelaySource;
  /** Adds the process's own metrics to the server's. */
  readonly watchProcess?: (metrics: Metrics) => void;
  /** For `envi`. */
  readonly describeHost?: () => HostFacts;
  /** Decides what is committed; our own log alone when not given. */
  readonly replication?: (storage: Storage) => Replication;
  /** Hears of everything that is applied, and of roles. */
  readonly observer?: CoordinatorObserver;
}

/**
 * Starts a server and resolves when it serves.
 * @throws ConfigError, UnusableTls, DirectoryLocked, StorageDamaged, StorageNotUsable, AddressInUse,
 *   DiskError: one sentence each
 */
export async function startCoordinator(
  environment: Environment,
  config: ZooCfg,
  services: CoordinatorServices = {},
): Promise<RunningCoordinator> {
  const log = environment.log.child('coord');
  const own = { ...environment, log };
  let reportFailure: (error: OdradekError) => void = () => {};
  const failure = new Promise<OdradekError>((resolve) => {
    reportFailure = resolve;
  });
  const security = await loadSecurity(own, config);
  const storage = await openStorage({
    environment: own,
    dataDirectory: config.dataDir,
    logDirectory: config.dataLogDir,
    settings: storageSettings(config),
    onFailure: (error) => {
      void server.failed(error).then(() => reportFailure(error));
    },
    onSync: (syncMs, records) => server.synced(syncMs, records),
  });
  const { metrics = new Metrics(), serveHttp = null, eventLoopDelay, describeHost } = services;
  if (config['metricsProvider.exportJvmInfo']) services.watchProcess?.(metrics);
  const options = serverOptions(environment, config, security, describeHost);
  const { replication = quorumOfOne, observer = null } = services;
  const server = new CoordinatorServer(own, options, storage, { metrics, serveHttp, observer });
  if (config.forceSync.toLowerCase() === 'no') {
    log.warn('forceSync=no: acknowledged writes can be lost in a power cut');
  }
  try {
    await server.startAlone(replication(storage));
  } catch (error) {
    await storage.close();
    throw error;
  }
  const { tls } = config.security;
  const stopReload = tls?.reload
    ? await startTlsReload({
        environment: own,
        files: tlsFiles(tls),
        load: security.loadTls,
        renew: (renewed) => server.renewTls(renewed),
      })
    : null;
  const endWatch =
    eventLoopDelay === undefined ? () => {} : watchEventLoop(eventLoopDelay, own, log, metrics);
  const stop = async (): Promise<void> => {
    endWatch();
    stopReload?.();
    await server.stop();
    await storage.close();
    log.info('stopped');
  };
  let stopping: Promise<void> | null = null;
  return {
    port: server.ports.plain ?? server.ports.secure ?? 0,
    securePort: server.ports.secure,
    pagePorts: server.pagePorts,
    metrics,
    failure,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

function storageSettings(config: ZooCfg): Partial<StorageSettings> {
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

function serverOptions(
  environment: Environment,
  config: ZooCfg,
  { tls, schemes, authentication }: Security,
  describeHost: (() => HostFacts) | undefined,
): ServerOptions {
  const sizeLimitKib = config.snapSizeLimitInKb;
  const checkIntervalMs = config['znode.container.checkIntervalMs'];
  const perInterval = Math.ceil(
    (config['znode.container.maxPerMinute'] * checkIntervalMs) / 60_000,
  );
  return {
    serverId: STANDALONE_ID,
    host: config.clientPortAddress,
    port: config.clientPort,
    tls,
    tlsOnPlainPort: config['client.portUnification'],
    secureHost: config.secureClientPortAddress,
    securePort: config.secureClientPort,
    connectionsPerAddressMax: config.maxClientCnxns,
    connectionsMax: config.maxCnxns,
    tickMs: config.tickTime,
    minSessionTimeoutMs: config.minSessionTimeout,
    maxSessionTimeoutMs: config.maxSessionTimeout,
    maxFrameBytes: config['jute.maxbuffer'],
    outstandingMax: config.globalOutstandingLimit,
    skipAcl: config.skipACL.toLowerCase() === 'yes',
    extendedTypes: config.extendedTypesEnabled,
    enforceQuota: config.enforceQuota,
    reconfigEnabled: config.reconfigEnabled,
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
    readOnlyMode: false,
    reaper: {
      intervalMs: checkIntervalMs,
      countMax: perInterval,
      neverUsedMs: config['znode.container.maxNeverUsedIntervalMs'],
    },
    configuration: (ports) => configurationLines(environment, config, ports),
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
    ['serverId', 0],
  ];
}
