/**
 * The group coordinator in its place: over the offsets topic of this broker's replicas, told of
 * leadership and of topics that are gone, with the request handlers that lead to it.
 */
import type { Environment } from '@odradek/runtime';
import { deleteGroupsHandler } from '../api/delete-groups.ts';
import { describeGroupsHandler } from '../api/describe-groups.ts';
import { findCoordinatorHandler } from '../api/find-coordinator.ts';
import { heartbeatHandler } from '../api/heartbeat.ts';
import { initProducerIdHandler } from '../api/init-producer-id.ts';
import { joinGroupHandler } from '../api/join-group.ts';
import { leaveGroupHandler } from '../api/leave-group.ts';
import { listGroupsHandler } from '../api/list-groups.ts';
import { offsetCommitHandler } from '../api/offset-commit.ts';
import { offsetFetchHandler } from '../api/offset-fetch.ts';
import type { RegisteredHandler } from '../api/registry.ts';
import { syncGroupHandler } from '../api/sync-group.ts';
import type { ControlPlane } from '../controller/control-plane.ts';
import { OFFSETS_TOPIC } from '../core/controller/topic-names.ts';
import { GroupCoordinator, type GroupCoordinatorConfig } from '../group/group-coordinator-host.ts';
import { ProducerIds } from '../group/producer-ids-host.ts';
import type { ReplicaManager } from '../replica/replica-manager.ts';

export interface GroupModule {
  readonly handlers: readonly RegisteredHandler[];
  stop(): void;
}

export function groupModule(
  environment: Environment,
  config: GroupCoordinatorConfig,
  replicas: ReplicaManager,
  plane: ControlPlane,
): GroupModule {
  const { metadata } = plane;
  const coordinator = new GroupCoordinator(environment, config, {
    partitionCount: () => metadata.topic(OFFSETS_TOPIC)?.partitions.size ?? null,
    log: (partition) => replicas.log(OFFSETS_TOPIC, partition),
    append: (partition, records, options) =>
      replicas.appendToPartition(OFFSETS_TOPIC, partition, records, {
        ...options,
        origin: 'coordinator',
      }),
  });
  replicas.onLeadership({
    elected: (topic, partition, leaderEpoch) => {
      if (topic === OFFSETS_TOPIC) coordinator.elected(partition, leaderEpoch);
    },
    resigned: (topic, partition) => {
      if (topic === OFFSETS_TOPIC) coordinator.resigned(partition);
    },
  });
  const forget = metadata.onChange(({ deleted }) => {
    if (deleted.length === 0) return;
    coordinator
      .forgetTopics(deleted)
      .catch((error: unknown) =>
        environment.log.warn('offsets of deleted topics stay for now', { reason: String(error) }),
      );
  });
  const producerIds = new ProducerIds(() => plane.allocateProducerIds());
  const topicExists = (topic: string, partition: number): boolean =>
    metadata.topic(topic)?.partitions.has(partition) ?? false;
  return {
    handlers: [
      findCoordinatorHandler({
        metadata,
        ensureInternalTopic: (name) => plane.ensureInternalTopic(name),
      }),
      joinGroupHandler(coordinator, environment.random),
      syncGroupHandler(coordinator),
      heartbeatHandler(coordinator),
      leaveGroupHandler(coordinator),
      offsetCommitHandler(coordinator, topicExists),
      offsetFetchHandler(coordinator),
      listGroupsHandler(coordinator),
      describeGroupsHandler(coordinator),
      deleteGroupsHandler(coordinator),
      initProducerIdHandler(producerIds),
    ],
    stop() {
      forget();
      coordinator.stop();
    },
  };
}
