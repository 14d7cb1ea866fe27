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
  type ServerTls,
  watchEventLoop,
} from '@odradek/runtime';
import { loadMembership } from './config/ensemble-settings.ts';
import type { ZooCfg } from './config/zoo-cfg.ts';
import { loadPeerTls, type PeerTls } from './peers/peer-tls.ts';
import type { ReplicaStatus } from './replica/types.ts';
import { loadSecurity } from './security/security.ts';
import { tlsFiles } from './security/security-files.ts';
import { startTlsReload } from './security/tls-reload-host.ts';
import { CoordinatorServer, quorumOfOne } from './server/coordinator-server.ts';
import type { CoordinatorObserver } from './server/observer.ts';
import { serverOptions, storageSettings } from './server/options.ts';
import type { Mode } from './server/server-info.ts';
import type { Replication } from './server/write-path.ts';
import { openStorage } from './storage/storage.ts';
import type { Storage } from './storage/types.ts';

export interface RunningCoordinator {
  /** The client port that is bound at present: the plain one, or that for TLS if it is the only one. */
  readonly port: number;
  /** The port for TLS alone; null: there is none. */
  readonly securePort: number | null;
  /** Ports of the admin pages and of the metrics, those that are served. */
  readonly pagePorts: readonly number[];
  readonly metrics: Metrics;
  /** Resolves when the server had to stop serving because its disk failed; never otherwise. */
  readonly failure: Promise<OdradekError>;
  /** What it is to its clients at present; null: nobody is served. */
  role(): Mode | null;
  /** Its part in its ensemble; null: it is alone. */
  status(): ReplicaStatus | null;
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
  /** The file that the configuration came from; after a change of members it is brought up to date. */
  readonly configurationFile?: string;
}

let memberCode: Promise<typeof import('./server/member-host.ts')> | null = null;

/**
 * Loads what only members of an ensemble need; once. To call it ahead is for whoever lets time pass by
 * rules of its own: the loading takes real time.
 */
export function loadMemberCode(): Promise<typeof import('./server/member-host.ts')> {
  memberCode ??= import('./server/member-host.ts');
  return memberCode;
}

/**
 * Starts a server. Alone it serves when this resolves; a member of an ensemble has its ports then, and
 * serves when there is a leader.
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
  const membership = await loadMembership(own, config);
  for (const warning of membership?.warnings ?? []) log.warn(warning);
  const settings = config.ensemble;
  const security = await loadSecurity(own, config);
  const { tls, quorumTls, refuse } = config.security;
  const loadOwnPeerTls = async (): Promise<PeerTls | null> =>
    membership === null || quorumTls === null ? null : loadPeerTls(own, quorumTls, refuse);
  const peerTls = await loadOwnPeerTls();
  const storage = await openStorage({
    environment: own,
    dataDirectory: config.dataDir,
    logDirectory: config.dataLogDir,
    settings: storageSettings(config),
    ...(settings === null ? {} : { autocreate: settings.trustEmptyDisk }),
    isAlone: membership === null,
    onFailure: (error) => {
      if (member === null) fail(error);
      else member.failed(error); // Which says so in its turn.
    },
    onSync: (syncMs, records) => server.synced(syncMs, records),
  });
  const fail = (error: OdradekError): void => {
    void server.failed(error).then(() => reportFailure(error));
  };
  const { metrics = new Metrics(), serveHttp = null, eventLoopDelay, describeHost } = services;
  if (config['metricsProvider.exportJvmInfo']) services.watchProcess?.(metrics);
  const options = serverOptions(environment, config, membership, security, describeHost);
  const { replication = quorumOfOne, observer = null, configurationFile = null } = services;
  const server = new CoordinatorServer(own, options, storage, { metrics, serveHttp, observer });
  if (options.maxFrameBytes < config['jute.maxbuffer']) {
    log.warn(
      `jute.maxbuffer: in an ensemble requests of up to ${options.maxFrameBytes} bytes are taken`,
    );
  }
  if (config.forceSync.toLowerCase() === 'no') {
    log.warn('forceSync=no: acknowledged writes can be lost in a power cut');
  }
  const member =
    membership === null || settings === null
      ? null
      : (await loadMemberCode()).makeMember({
          environment: own,
          server,
          storage,
          membership,
          settings,
          limits: { initLimit: config.initLimit, syncLimit: config.syncLimit },
          participantsMin: config.standaloneEnabled ? 2 : 1,
          configurationFile: config.reconfigEnabled ? configurationFile : null,
          tls: peerTls,
          onFailure: (error) => fail(error),
        });
  try {
    if (member === null) await server.startAlone(replication(storage));
    else await member.start();
  } catch (error) {
    await member?.stop();
    await server.close();
    await storage.close();
    throw error;
  }
  const endings: (() => void)[] = [];
  if (tls?.reload) {
    const files = tlsFiles(tls);
    const renew = (renewed: ServerTls): void => server.renewTls(renewed);
    endings.push(await startTlsReload({ environment: own, files, load: security.loadTls, renew }));
  }
  if (member !== null && quorumTls?.reload) {
    const files = tlsFiles(quorumTls);
    const renew = (renewed: PeerTls): void => member.renewTls(renewed);
    endings.push(await startTlsReload({ environment: own, files, load: loadOwnPeerTls, renew }));
  }
  if (eventLoopDelay !== undefined) {
    endings.push(watchEventLoop(eventLoopDelay, own, log, metrics));
  }
  const stop = async (): Promise<void> => {
    for (const end of endings) end();
    await member?.stop();
    await server.stop();
    await storage.close();
    log.info('stopped');
  };
  let stopping: Promise<void> | null = null;
  return {
    get port() {
      return server.ports.plain ?? server.ports.secure ?? 0;
    },
    securePort: server.ports.secure,
    pagePorts: server.pagePorts,
    metrics,
    failure,
    role: () => server.roles.mode,
    status: () => member?.status() ?? null,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}
