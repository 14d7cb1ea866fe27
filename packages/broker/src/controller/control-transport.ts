/**
 * How control requests get to a broker: over a connection to its control listener, or, when it is
 * this very broker, straight into its handlers (decoded from the same bytes, so that both ways are
 * one). Answers become events of the controller's machine.
 */
import { BrokerConnection } from '@odradek/client';
import {
  type Api,
  apis,
  errorCodes,
  type KafkaErrorName,
  kafkaErrorOf,
  type LeaderAndIsrRequest,
  type LeaderAndIsrResponse,
  type StopReplicaRequest,
  type StopReplicaResponse,
  type UpdateMetadataRequest,
  type UpdateMetadataResponse,
} from '@odradek/protocol';
import type { Environment } from '@odradek/runtime';
import type { ControlVersions } from '../config/inter-broker-protocol.ts';
import type { AddressedRequest } from '../core/controller/control-batch.ts';
import type { ControllerEvent } from '../core/controller/controller.ts';
import type { RegisteredBroker } from '../core/controller/state.ts';
import type { ControlTransport } from './broker-channel.ts';
import {
  directoriesKnown,
  leaderAndIsrMessage,
  replicasDeleted,
  stopReplicaMessage,
  updateMetadataMessage,
} from './control-messages.ts';

/** The three control requests, as a broker answers them. */
export interface ControlledBroker {
  leaderAndIsr(request: LeaderAndIsrRequest): Promise<LeaderAndIsrResponse>;
  stopReplica(request: StopReplicaRequest): Promise<StopReplicaResponse>;
  updateMetadata(request: UpdateMetadataRequest): Promise<UpdateMetadataResponse>;
}

export interface ControlTransportOptions {
  readonly controllerId: number;
  readonly versions: ControlVersions;
  readonly interBrokerListener: string;
  readonly environment: Environment;
  readonly deliver: (event: ControllerEvent) => void;
}

/** Sends the three kinds; a version at most. */
interface ControlPeer {
  leaderAndIsr(
    request: Parameters<typeof apis.leaderAndIsr.request.encode>[0],
    version: number,
  ): Promise<LeaderAndIsrResponse>;
  stopReplica(
    request: Parameters<typeof apis.stopReplica.request.encode>[0],
    version: number,
  ): Promise<StopReplicaResponse>;
  updateMetadata(
    request: Parameters<typeof apis.updateMetadata.request.encode>[0],
    version: number,
  ): Promise<UpdateMetadataResponse>;
  close(): void;
}

/** The way to this broker itself. */
export function localPeer(broker: ControlledBroker): ControlPeer {
  return {
    leaderAndIsr: (request, version) =>
      broker.leaderAndIsr(
        apis.leaderAndIsr.request.decode(
          apis.leaderAndIsr.request.encode(request, version),
          version,
        ),
      ),
    stopReplica: (request, version) =>
      broker.stopReplica(
        apis.stopReplica.request.decode(apis.stopReplica.request.encode(request, version), version),
      ),
    updateMetadata: (request, version) =>
      broker.updateMetadata(
        apis.updateMetadata.request.decode(
          apis.updateMetadata.request.encode(request, version),
          version,
        ),
      ),
    close: () => undefined,
  };
}

export interface RemotePeerOptions {
  readonly broker: RegisteredBroker;
  readonly controllerId: number;
  readonly listener: string;
  readonly requestTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly environment: Environment;
}

/** The way to another broker: connects when there is something to send, and again after a failure. */
export function remotePeer(options: RemotePeerOptions): ControlPeer {
  let connection: BrokerConnection | null = null;
  let isClosed = false;
  const connected = async (): Promise<BrokerConnection> => {
    if (connection !== null && !connection.isClosed) return connection;
    const { broker, listener, environment, controllerId } = options;
    const endpoint = broker.endpoints.find((candidate) => candidate.listener === listener);
    if (endpoint === undefined) throw new Error(`broker ${broker.id} has no listener ${listener}`);
    const fresh = await BrokerConnection.connect({
      host: endpoint.host,
      port: endpoint.port,
      clientId: `broker-${controllerId}-controller`,
      environment,
      requestTimeoutMs: options.requestTimeoutMs,
      connectTimeoutMs: options.connectTimeoutMs,
      negotiate: true,
    });
    if (isClosed) fresh.close();
    connection = fresh;
    return fresh;
  };
  const versionFor = (open: BrokerConnection, api: Api, wanted: number): number =>
    open.versionOf(api, wanted);
  return {
    async leaderAndIsr(request, version) {
      const open = await connected();
      return open.send(apis.leaderAndIsr, versionFor(open, apis.leaderAndIsr, version), request);
    },
    async stopReplica(request, version) {
      const open = await connected();
      return open.send(apis.stopReplica, versionFor(open, apis.stopReplica, version), request);
    },
    async updateMetadata(request, version) {
      const open = await connected();
      return open.send(
        apis.updateMetadata,
        versionFor(open, apis.updateMetadata, version),
        request,
      );
    },
    close() {
      isClosed = true;
      connection?.close();
    },
  };
}

/** Sends requests to a peer and turns its answers into events. */
export function controlTransport(
  peer: ControlPeer,
  options: ControlTransportOptions,
): ControlTransport {
  const { controllerId, versions, interBrokerListener, deliver } = options;
  const log = options.environment.log;
  const heed = (event: ControllerEvent | null): void => {
    if (event !== null) deliver(event);
  };
  const told = (kind: string, brokerId: number, errorCode: number): void => {
    if (errorCode === errorCodes.NONE) return;
    const error: KafkaErrorName = kafkaErrorOf(errorCode);
    log.warn('a broker refused a control request', { kind, brokerId, error });
  };
  return {
    async deliver({ brokerId, brokerEpoch, request }: AddressedRequest): Promise<void> {
      switch (request.kind) {
        case 'leaderAndIsr': {
          const message = leaderAndIsrMessage(
            controllerId,
            brokerEpoch,
            request,
            interBrokerListener,
          );
          const response = await peer.leaderAndIsr(message, versions.leaderAndIsr);
          told(request.kind, brokerId, response.errorCode);
          heed(directoriesKnown({ brokerId, brokerEpoch, request }, response));
          return;
        }
        case 'updateMetadata': {
          const message = updateMetadataMessage(controllerId, brokerEpoch, request);
          const response = await peer.updateMetadata(message, versions.updateMetadata);
          told(request.kind, brokerId, response.errorCode);
          return;
        }
        case 'stopReplica': {
          const message = stopReplicaMessage(controllerId, brokerEpoch, request);
          const response = await peer.stopReplica(message, versions.stopReplica);
          told(request.kind, brokerId, response.errorCode);
          heed(replicasDeleted({ brokerId, brokerEpoch, request }, response));
          return;
        }
      }
    },
    close: () => peer.close(),
  };
}
