/**
 * A server as a member of an ensemble: the replication below it, the network between the members, and
 * what follows from its members changing. Wires, decides nothing.
 */
import type { Environment, OdradekError } from '@odradek/runtime';
import type { EnsembleSettings, Membership } from '../config/ensemble-settings.ts';
import { formatEnsemble } from '../core/quorum/ensemble.ts';
import { TcpPeerNetwork } from '../peers/peer-network.ts';
import type { PeerTls } from '../peers/peer-tls.ts';
import { Replica } from '../replica/replica.ts';
import type { ReplicaStatus } from '../replica/types.ts';
import type { ReplicatedStorage } from '../storage/types.ts';
import type { CoordinatorServer } from './coordinator-server.ts';
import { EnsembleView } from './ensemble-view.ts';
import { MembershipHost } from './membership-host.ts';

export interface MemberParts {
  readonly environment: Environment;
  readonly server: CoordinatorServer;
  readonly storage: ReplicatedStorage;
  readonly membership: Membership;
  readonly settings: EnsembleSettings;
  /** Of initLimit and syncLimit, in ticks. */
  readonly limits: { readonly initLimit: number; readonly syncLimit: number };
  readonly participantsMin: number;
  /** null: in no file that could be changed. */
  readonly configurationFile: string | null;
  /** The disk failed: this server has left the ensemble. */
  onFailure(error: OdradekError): void;
  /** Between members; null: none. */
  readonly tls: PeerTls | null;
}

export interface Member {
  status(): ReplicaStatus;
  /** The disk failed: this server has no say any more. */
  failed(error: unknown): void;
  /** New connections between members see these certificates. @throws UnusableTls */
  renewTls(tls: PeerTls): void;
  stop(): Promise<void>;
}

/**
 * Prepares everything; nothing is bound or loaded before `start`.
 */
export function makeMember(parts: MemberParts): Member & { start(): Promise<void> } {
  const { environment, server, storage, membership, settings, limits } = parts;
  const { serverId, ensemble } = membership;
  const network = new TcpPeerNetwork({
    environment,
    serverId,
    ensembleText: formatEnsemble(ensemble),
    connectMs: settings.connectMs,
    listenOnAllAddresses: settings.listenOnAllAddresses,
    tls: parts.tls,
  });
  const replica = new Replica({
    environment,
    storage,
    network,
    state: server.state,
    listener: server.roles,
    config: {
      serverId,
      ensemble,
      tickMs: settings.tickMs,
      ...limits,
      trustsEmptyDisk: settings.trustEmptyDisk,
      notificationMs: settings.notificationMs,
      notificationMsMax: settings.notificationMsMax,
    },
    onFailure: (error) => parts.onFailure(error),
    onFeed: (how) => server.fed(how),
  });
  const view = new EnsembleView(serverId, server.state, {
    status: () => replica.status(),
    mark: () => storage.mark,
  });
  const host = new MembershipHost(
    {
      environment,
      view,
      participantsMin: parts.participantsMin,
      configurationFile: parts.configurationFile,
      rebind: (address, port) => server.rebind(address, port),
    },
    membership,
  );
  return {
    /**
     * Binds the ports for clients, loads what is stored, binds the ports between members.
     * @throws AddressInUse, StorageDamaged, DiskError
     */
    async start() {
      server.roles.beginLooking(host);
      await server.listen(view);
      await replica.start();
      server.state.showMembers(replica.status().ensembleText);
      host.started();
    },
    status: () => replica.status(),
    failed: (error) => replica.failed(error),
    renewTls: (tls) => network.renewTls(tls),
    stop: () => replica.stop(),
  };
}
