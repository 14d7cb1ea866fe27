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
}: {
  readonly controlled: ControlledReplicas;
}): RegisteredHandler {
  return handler(apis.leaderAndIsr, [0, 7], async (request, { apiVersion }) => {
    const { errorCode, partitionErrors, topics } = await controlled.becomeLeaderOrFollower(request);
    return apiVersion >= TOPIC_IDS_SINCE ? { errorCode, topics } : { errorCode, partitionErrors };
  });
}
