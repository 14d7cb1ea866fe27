/**
 * The replicas of a broker and the requests that reach them, put together over its logs and its
 * control plane.
 */
import type { CoordinatorSession } from '@odradek/client';
import type { BufferPool, Environment } from '@odradek/runtime';
import { alterReplicaLogDirsHandler } from '../api/alter-replica-log-dirs.ts';
import { deleteRecordsHandler } from '../api/delete-records.ts';
import { describeLogDirsHandler } from '../api/describe-log-dirs.ts';
import { fetchHandler } from '../api/fetch.ts';
import { leaderAndIsrHandler } from '../api/leader-and-isr.ts';
import { listOffsetsHandler } from '../api/list-offsets.ts';
import { offsetForLeaderEpochHandler } from '../api/offset-for-leader-epoch.ts';
import { type EndpointOf, produceHandler } from '../api/produce.ts';
import type { RegisteredHandler } from '../api/registry.ts';
import { stopReplicaHandler } from '../api/stop-replica.ts';
import type { BrokerConfig } from '../config/broker-config.ts';
import type { ControlPlane } from '../controller/control-plane.ts';
import { isInternalTopic } from '../core/controller/topic-names.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { ByteBudget } from '../network/byte-budget.ts';
import { ControlledReplicas } from '../replica/controlled-replicas.ts';
import { RecordDeletions } from '../replica/record-deletions.ts';
import { ReplicaManager } from '../replica/replica-manager.ts';
import { connectToSource } from '../replica/source-connection.ts';
import { replicaSettings } from './broker-settings.ts';

export interface DataPlaneParts {
  readonly environment: Environment;
  readonly config: BrokerConfig;
  readonly session: CoordinatorSession;
  readonly plane: ControlPlane;
  readonly logs: LogManager;
  /** Memory for answers. */
  readonly answers: ByteBudget;
  /** Memory for what is fetched from leaders. */
  readonly buffers: BufferPool;
}

export interface DataPlane {
  readonly replicas: ReplicaManager;
  readonly handlers: readonly RegisteredHandler[];
}

export function dataPlane(parts: DataPlaneParts): DataPlane {
  const { environment, config, session, plane, logs, answers, buffers } = parts;
  const { metadata, brokerId } = plane;
  const { values } = config;
  const replicas = new ReplicaManager({
    brokerId,
    environment,
    settings: replicaSettings(config),
    logs,
    metadata,
    room: answers,
    fenced: () => session.inDoubt,
    brokerEpoch: () => plane.brokerEpoch(),
    minInsyncReplicasOf: (topic) => plane.minInsyncReplicasOf(topic),
    moveBytesPerSecond: () => plane.moveBytesPerSecond(),
    alterPartition: (topics) =>
      plane.alterPartition({ brokerId, brokerEpoch: plane.brokerEpoch() ?? -1, topics }),
    connectTo: (sourceId) =>
      connectToSource(sourceId, {
        brokerId,
        environment,
        buffers,
        requestTimeoutMs: values['replica.socket.timeout.ms'],
        connectTimeoutMs: values['socket.connection.setup.timeout.ms'],
        endpointOf: (id) =>
          metadata.liveBroker(id)?.endpoints.get(config.interBrokerListener) ?? null,
      }),
  });
  const endpointOf: EndpointOf = (id, listenerName) => {
    const broker = metadata.liveBroker(id);
    const endpoint = broker?.endpoints.get(listenerName);
    return broker === undefined || endpoint === undefined
      ? null
      : { host: endpoint.host, port: endpoint.port, rack: broker.rack };
  };
  const deletions = new RecordDeletions({
    replicas,
    deadlines: replicas.deadlines,
    metadata,
    isInternal: isInternalTopic,
  });
  const controlled = new ControlledReplicas(replicas, plane.fence);
  return {
    replicas,
    handlers: [
      produceHandler({
        replicas,
        endpointOf,
        topicNameById: (topicId) => metadata.topicNameById(topicId),
        isInternal: isInternalTopic,
      }),
      fetchHandler({ replicas }),
      listOffsetsHandler({ replicas }),
      offsetForLeaderEpochHandler({ replicas }),
      deleteRecordsHandler({ deletions }),
      describeLogDirsHandler({ logs, disk: environment.disk }),
      alterReplicaLogDirsHandler({ replicas }),
      leaderAndIsrHandler({
        controlled,
        prepareTopics: (topics) => plane.prepareTopics(topics),
      }),
      stopReplicaHandler({ controlled }),
    ],
  };
}
