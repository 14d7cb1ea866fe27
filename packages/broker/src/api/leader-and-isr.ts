/**
 * LeaderAndIsr (key 4): the controller assigns roles. What is done about it is in ../replica/.
 */
import { apis } from '@odradek/protocol';
import type { ControlledReplicas } from '../replica/controlled-replicas.ts';
import { handler, type RegisteredHandler } from './registry.ts';

/** Answers are grouped by topic id from this version on. */
const TOPIC_IDS_SINCE = 5;

export function leaderAndIsrHandler({
  controlled,
  prepareTopics,
}: {
  readonly controlled: ControlledReplicas;
  /** Reads the settings of topics this broker has not heard of, before their logs are made. */
  prepareTopics(topics: readonly string[]): Promise<void>;
}): RegisteredHandler {
  return handler(apis.leaderAndIsr, [0, 7], async (request, { apiVersion }) => {
    await prepareTopics([
      ...request.topicStates.map(({ topicName }) => topicName),
      ...new Set(request.ungroupedPartitionStates.map(({ topicName }) => topicName)),
    ]);
    const { errorCode, partitionErrors, topics } = await controlled.becomeLeaderOrFollower(request);
    return apiVersion >= TOPIC_IDS_SINCE ? { errorCode, topics } : { errorCode, partitionErrors };
  });
}
