/**
 * The controller's requests as messages on the wire, and what brokers answered, as events.
 *
 * The machine speaks of partitions and states; here they get their message, their version and their
 * target's epoch. Versions begin where inter.broker.protocol.version begins to be supported (2.8).
 */
import {
  errorCodes,
  type InputOf,
  type LeaderAndIsrResponse,
  type leaderAndIsrRequest,
  type StopReplicaResponse,
  type stopReplicaRequest,
  type updateMetadataRequest,
} from '@odradek/protocol';
import type {
  AddressedRequest,
  ControlRequest,
  PartitionAnnouncement,
  PartitionInstruction,
} from '../core/controller/control-batch.ts';
import type { ControllerEvent } from '../core/controller/controller.ts';
import { securityProtocols } from '../core/controller/security-protocol.ts';
import {
  keyOf,
  NO_TOPIC_ID,
  RECOVERED,
  type RegisteredBroker,
  type TopicPartition,
} from '../core/controller/state.ts';

export type LeaderAndIsrInput = InputOf<typeof leaderAndIsrRequest>;
export type UpdateMetadataInput = InputOf<typeof updateMetadataRequest>;
export type StopReplicaInput = InputOf<typeof stopReplicaRequest>;

export type OfKind<K extends ControlRequest['kind']> = Extract<ControlRequest, { kind: K }>;

/** Versions before this one have no word for a leader that was elected uncleanly. */
const RECOVERY_STATE_SINCE = 6;

export interface LeaderAndIsrOptions {
  readonly controllerId: number;
  readonly brokerEpoch: number;
  readonly request: OfKind<'leaderAndIsr'>;
  /** The one brokers fetch from each other on. */
  readonly listener: string;
  readonly version: number;
}

export function leaderAndIsrMessage(options: LeaderAndIsrOptions): LeaderAndIsrInput {
  const { controllerId, brokerEpoch, request, listener, version } = options;
  return {
    controllerId,
    controllerEpoch: request.controllerEpoch,
    brokerEpoch,
    topicStates: byTopic(request.partitions, (partition) => instruction(partition, version)),
    liveLeaders: request.liveLeaders.flatMap((broker) => {
      const endpoint = broker.endpoints.find((candidate) => candidate.listener === listener);
      if (endpoint === undefined) return [];
      return [{ brokerId: broker.id, hostName: endpoint.host, port: endpoint.port }];
    }),
  };
}

function instruction(
  { partition, state, isNew, ...instructed }: PartitionInstruction,
  version: number,
) {
  return {
    partitionIndex: partition,
    controllerEpoch: state.controllerEpoch,
    leader: state.leader,
    leaderEpoch: state.leaderEpoch,
    isr: state.isr,
    partitionEpoch: state.partitionEpoch,
    replicas: instructed.replicas,
    addingReplicas: instructed.adding,
    removingReplicas: instructed.removing,
    isNew,
    leaderRecoveryState: version < RECOVERY_STATE_SINCE ? RECOVERED : state.leaderRecoveryState,
  };
}

export function updateMetadataMessage(
  controllerId: number,
  brokerEpoch: number,
  request: OfKind<'updateMetadata'>,
): UpdateMetadataInput {
  return {
    controllerId,
    controllerEpoch: request.controllerEpoch,
    brokerEpoch,
    topicStates: byTopic(request.partitions, announcement),
    liveBrokers: request.liveBrokers.map(liveBroker),
  };
}

function announcement({ partition, state, replicas, offlineReplicas }: PartitionAnnouncement) {
  return {
    partitionIndex: partition,
    controllerEpoch: state.controllerEpoch,
    leader: state.leader,
    leaderEpoch: state.leaderEpoch,
    isr: state.isr,
    zkVersion: state.partitionEpoch,
    replicas,
    offlineReplicas,
  };
}

function liveBroker({ id, rack, endpoints }: RegisteredBroker) {
  return {
    id,
    rack,
    endpoints: endpoints.map(({ listener, host, port, securityProtocol }) => ({
      listener,
      host,
      port,
      securityProtocol: securityProtocols[securityProtocol],
    })),
  };
}

export function stopReplicaMessage(
  controllerId: number,
  brokerEpoch: number,
  request: OfKind<'stopReplica'>,
): StopReplicaInput {
  const partitions = request.partitions.map((partition) => ({ ...partition, topicId: null }));
  return {
    controllerId,
    controllerEpoch: request.controllerEpoch,
    brokerEpoch,
    topicStates: byTopic(partitions, (stop) => ({
      partitionIndex: stop.partition,
      leaderEpoch: stop.leaderEpoch,
      deletePartition: stop.delete,
    })).map(({ topicName, partitionStates }) => ({ topicName, partitionStates })),
  };
}

function byTopic<P extends TopicPartition & { readonly topicId: string | null }, State>(
  partitions: readonly P[],
  stateOf: (partition: P) => State,
): { topicName: string; topicId: string; partitionStates: State[] }[] {
  const topics = new Map<
    string,
    { topicName: string; topicId: string; partitionStates: State[] }
  >();
  for (const partition of partitions) {
    let topic = topics.get(partition.topic);
    if (topic === undefined) {
      const topicId = partition.topicId ?? NO_TOPIC_ID;
      topic = { topicName: partition.topic, topicId, partitionStates: [] };
      topics.set(partition.topic, topic);
    }
    topic.partitionStates.push(stateOf(partition));
  }
  return [...topics.values()];
}

/** What an answer to LeaderAndIsr says about log directories. */
export function directoriesKnown(
  { brokerId, brokerEpoch, request }: AddressedRequest & { request: OfKind<'leaderAndIsr'> },
  response: LeaderAndIsrResponse,
): ControllerEvent | null {
  if (response.errorCode !== errorCodes.NONE) return null;
  const errors = new Map<string, number>();
  for (const { topicName, partitionIndex, errorCode } of response.partitionErrors)
    errors.set(keyOf(topicName, partitionIndex), errorCode);
  for (const { topicId, partitionErrors } of response.topics)
    for (const { partitionIndex, errorCode } of partitionErrors)
      errors.set(keyOf(topicId, partitionIndex), errorCode);
  const failed: TopicPartition[] = [];
  const working: TopicPartition[] = [];
  for (const { topic, partition, topicId } of request.partitions) {
    const error =
      errors.get(keyOf(topicId ?? NO_TOPIC_ID, partition)) ?? errors.get(keyOf(topic, partition));
    if (error === errorCodes.KAFKA_STORAGE_ERROR) failed.push({ topic, partition });
    else if (error === errorCodes.NONE) working.push({ topic, partition });
  }
  return { kind: 'directoriesKnown', brokerId, brokerEpoch, failed, working };
}

/** What an answer to StopReplica says about deletions; null when none was asked for. */
export function replicasDeleted(
  { brokerId, brokerEpoch, request }: AddressedRequest & { request: OfKind<'stopReplica'> },
  response: StopReplicaResponse,
): ControllerEvent | null {
  const asked = request.partitions.filter((stop) => stop.delete);
  if (asked.length === 0) return null;
  const errors = new Map(
    response.partitionErrors.map(({ topicName, partitionIndex, errorCode }) => [
      keyOf(topicName, partitionIndex),
      errorCode,
    ]),
  );
  const isGone = ({ topic, partition }: TopicPartition): boolean =>
    response.errorCode === errorCodes.NONE &&
    (errors.get(keyOf(topic, partition)) ?? errorCodes.NONE) === errorCodes.NONE;
  const only = ({ topic, partition }: TopicPartition): TopicPartition => ({ topic, partition });
  return {
    kind: 'replicasDeleted',
    brokerId,
    brokerEpoch,
    deleted: asked.filter(isGone).map(only),
    failed: asked.filter((stop) => !isGone(stop)).map(only),
  };
}
