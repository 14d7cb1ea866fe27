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
import type { ZooCfg } from './config/zoo-cfg.ts';
import { loadSecurity } from './security/security.ts';
import { tlsFiles } from './security/security-files.ts';
import { startTlsReload } from './security/tls-reload-host.ts';
import { CoordinatorServer, quorumOfOne } from './server/coordinator-server.ts';
import type { CoordinatorObserver } from './server/observer.ts';
import { serverOptions, storageSettings } from './server/options.ts';
import type { Replication } from './server/write-path.ts';
import { openStorage } from './storage/storage.ts';
import type { Storage } from './storage/types.ts';

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
  const options = serverOptions(environment, config, null, security, describeHost);
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
