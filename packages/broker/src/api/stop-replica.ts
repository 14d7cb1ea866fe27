/**
 * StopReplica (key 5): the controller takes replicas away. What is done about it is in ../replica/.
 */
import { apis } from '@odradek/protocol';
import type { ControlledReplicas } from '../replica/controlled-replicas.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function stopReplicaHandler({
  controlled,
}: {
  readonly controlled: ControlledReplicas;
}): RegisteredHandler {
  return handler(apis.stopReplica, [0, 4], (request) => controlled.stopReplicas(request));
}
