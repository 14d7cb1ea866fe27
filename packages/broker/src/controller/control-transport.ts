/**
 * Carries the controller's requests to one broker and turns its answers into events of the
 * controller's machine. A refusal is an answer too: only a broken line makes a request be sent again.
 */
import { apis, errorCodes, kafkaErrorOf } from '@odradek/protocol';
import type { Log } from '@odradek/runtime';
import type { ControlVersions } from '../config/inter-broker-protocol.ts';
import type { AddressedRequest } from '../core/controller/control-batch.ts';
import type { ControllerEvent } from '../core/controller/controller.ts';
import type { ControlTransport } from './broker-channel.ts';
import type { BrokerPeer } from './broker-peer.ts';
import {
  directoriesKnown,
  leaderAndIsrMessage,
  replicasDeleted,
  stopReplicaMessage,
  updateMetadataMessage,
} from './control-messages.ts';

export interface ControlTransportOptions {
  readonly peer: BrokerPeer;
  readonly controllerId: number;
  readonly versions: ControlVersions;
  readonly interBrokerListener: string;
  readonly log: Log;
  readonly deliver: (event: ControllerEvent) => void;
}

export function controlTransport(options: ControlTransportOptions): ControlTransport {
  const { peer, controllerId, versions, interBrokerListener, log, deliver } = options;
  const heed = (event: ControllerEvent | null): void => {
    if (event !== null) deliver(event);
  };
  const told = (kind: string, brokerId: number, errorCode: number): void => {
    if (errorCode === errorCodes.NONE) return;
    const error = kafkaErrorOf(errorCode);
    log.warn('a broker refused a control request', { kind, brokerId, error });
  };
  return {
    async deliver({ brokerId, brokerEpoch, request }: AddressedRequest): Promise<void> {
      switch (request.kind) {
        case 'leaderAndIsr': {
          const response = await peer.send(apis.leaderAndIsr, versions.leaderAndIsr, (version) =>
            leaderAndIsrMessage({
              controllerId,
              brokerEpoch,
              request,
              listener: interBrokerListener,
              version,
            }),
          );
          told(request.kind, brokerId, response.errorCode);
          heed(directoriesKnown({ brokerId, brokerEpoch, request }, response));
          return;
        }
        case 'updateMetadata': {
          const response = await peer.send(apis.updateMetadata, versions.updateMetadata, () =>
            updateMetadataMessage(controllerId, brokerEpoch, request),
          );
          told(request.kind, brokerId, response.errorCode);
          return;
        }
        case 'stopReplica': {
          const response = await peer.send(apis.stopReplica, versions.stopReplica, () =>
            stopReplicaMessage(controllerId, brokerEpoch, request),
          );
          told(request.kind, brokerId, response.errorCode);
          heed(replicasDeleted({ brokerId, brokerEpoch, request }, response));
          return;
        }
      }
    },
    close: () => peer.close(),
  };
}
