/**
 * The way from this broker to the controller, whoever that is at the moment: AlterPartition,
 * AllocateProducerIds, ControlledShutdown. One connection, replaced when the controller changes.
 *
 * A request is tried once. When there is no controller, or the connection breaks, it rejects with an
 * error that is retriable; asking again, and when, is the caller's business.
 */
import { type Api, type BodyOf, type InputOf, KafkaError, type Message } from '@odradek/protocol';
import type { Environment } from '@odradek/runtime';
import type { ApiRegistry } from '../api/registry.ts';
import type { BrokerConfig } from '../config/broker-config.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { type BrokerPeer, localPeer, remotePeer } from './broker-peer.ts';

export interface ControllerLinkOptions {
  readonly brokerId: number;
  readonly config: BrokerConfig;
  readonly environment: Environment;
  readonly metadata: MetadataView;
  readonly registry: Pick<ApiRegistry, 'find'>;
  /** The controller as far as known; null while there is none. */
  readonly controllerId: () => number | null;
}

export class ControllerLink {
  readonly #options: ControllerLinkOptions;
  #peer: { readonly controllerId: number; readonly peer: BrokerPeer } | null = null;

  constructor(options: ControllerLinkOptions) {
    this.#options = options;
  }

  async send<Req extends Message<unknown>, Res extends Message<unknown>>(
    api: Api<Req, Res>,
    maxVersion: number,
    body: (version: number) => InputOf<Req>,
  ): Promise<BodyOf<Res>> {
    const controllerId = this.#options.controllerId();
    if (controllerId === null)
      throw new KafkaError('NOT_CONTROLLER', 'there is no controller at the moment');
    return this.#peerOf(controllerId).send(api, maxVersion, body);
  }

  close(): void {
    this.#peer?.peer.close();
    this.#peer = null;
  }

  #peerOf(controllerId: number): BrokerPeer {
    if (this.#peer?.controllerId === controllerId) return this.#peer.peer;
    this.close();
    const peer = this.#open(controllerId);
    this.#peer = { controllerId, peer };
    return peer;
  }

  #open(controllerId: number): BrokerPeer {
    const { brokerId, config, environment, metadata, registry } = this.#options;
    if (controllerId === brokerId) return localPeer(registry, brokerId);
    return remotePeer({
      address: () =>
        metadata.liveBroker(controllerId)?.endpoints.get(config.controlListener) ?? null,
      name: `controller ${controllerId}`,
      clientId: `broker-${brokerId}`,
      requestTimeoutMs: config.values['controller.socket.timeout.ms'],
      connectTimeoutMs: config.values['socket.connection.setup.timeout.ms'],
      environment,
    });
  }
}
