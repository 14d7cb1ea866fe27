/**
 * FindCoordinator: which broker leads the partition of the internal topic that a group belongs to.
 * The topic is made when it is asked for the first time. Transactions and share groups have no coordinator here yet.
 */
import { apis, errorCodes, type KafkaErrorName } from '@odradek/protocol';
import { coordinatorPartition } from '../core/group/coordinator-partition.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export const OFFSETS_TOPIC = '__consumer_offsets';
const KEY_TYPE_GROUP = 0;
const BATCHED_SINCE = 4;
const NO_NODE = { nodeId: -1, host: '', port: -1 } as const;

interface Located {
  readonly error: KafkaErrorName;
  readonly message: string | null;
  readonly node: { readonly nodeId: number; readonly host: string; readonly port: number };
}

export interface FindCoordinatorNeeds {
  readonly metadata: MetadataView;
  /** Makes the internal topic when it is not there and enough brokers are. */
  readonly ensureInternalTopic: (name: typeof OFFSETS_TOPIC) => Promise<unknown>;
}

export function findCoordinatorHandler({
  metadata,
  ensureInternalTopic,
}: FindCoordinatorNeeds): RegisteredHandler {
  const locate = async (keyType: number, key: string, listener: string): Promise<Located> => {
    const fail = (error: KafkaErrorName, message: string): Located => ({
      error,
      message,
      node: NO_NODE,
    });
    if (keyType !== KEY_TYPE_GROUP) {
      return fail('INVALID_REQUEST', `There is no coordinator of type ${keyType} on this broker.`);
    }
    const topic = metadata.topic(OFFSETS_TOPIC);
    if (topic === undefined || topic.partitions.size === 0) {
      await ensureInternalTopic(OFFSETS_TOPIC);
      return fail('COORDINATOR_NOT_AVAILABLE', `${OFFSETS_TOPIC} is being created.`);
    }
    const partition = topic.partitions.get(coordinatorPartition(key, topic.partitions.size));
    const broker = partition && metadata.liveBroker(partition.leader);
    const endpoint = broker?.endpoints.get(listener);
    if (broker === undefined || endpoint === undefined) {
      return fail('COORDINATOR_NOT_AVAILABLE', 'The coordinator is not available.');
    }
    return {
      error: 'NONE',
      message: null,
      node: { nodeId: broker.id, host: endpoint.host, port: endpoint.port },
    };
  };
  return handler(apis.findCoordinator, [0, 5], async (request, { apiVersion, listenerName }) => {
    if (apiVersion >= BATCHED_SINCE) {
      const coordinators = [];
      for (const key of request.coordinatorKeys) {
        const { error, message, node } = await locate(request.keyType, key, listenerName);
        coordinators.push({ key, ...node, errorCode: errorCodes[error], errorMessage: message });
      }
      return { throttleTimeMs: 0, coordinators };
    }
    const { error, message, node } = await locate(request.keyType, request.key, listenerName);
    return { throttleTimeMs: 0, errorCode: errorCodes[error], errorMessage: message, ...node };
  });
}
