/**
 * FindCoordinator: which broker leads the partition of the internal topic that a group belongs to.
 * The topic is made when it is asked for the first time. Transactions and share groups have no coordinator here yet.
 */
import { apis, errorCodes, type KafkaErrorName } from '@odradek/protocol';
import { OFFSETS_TOPIC } from '../core/controller/topic-names.ts';
import { coordinatorPartition } from '../core/group/coordinator-partition.ts';
import type { MetadataView, TopicMetadata } from '../metadata/metadata-cache.ts';
import { handler, type RegisteredHandler } from './registry.ts';

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

export function findCoordinatorHandler(needs: FindCoordinatorNeeds): RegisteredHandler {
  return handler(apis.findCoordinator, [0, 5], async (request, { apiVersion, listenerName }) => {
    const locate = await locator(needs, request.keyType, listenerName);
    if (apiVersion < BATCHED_SINCE) {
      const { error, message, node } = locate(request.key);
      return { throttleTimeMs: 0, errorCode: errorCodes[error], errorMessage: message, ...node };
    }
    return {
      throttleTimeMs: 0,
      coordinators: request.coordinatorKeys.map((key) => {
        const { error, message, node } = locate(key);
        return { key, ...node, errorCode: errorCodes[error], errorMessage: message };
      }),
    };
  });
}

/** How to find the coordinator of each key of one request. */
async function locator(
  { metadata, ensureInternalTopic }: FindCoordinatorNeeds,
  keyType: number,
  listenerName: string,
): Promise<(key: string) => Located> {
  if (keyType !== KEY_TYPE_GROUP) {
    const message = `There is no coordinator of type ${keyType} on this broker.`;
    return () => refusal('INVALID_REQUEST', message);
  }
  if (metadata.topic(OFFSETS_TOPIC) === undefined) await ensureInternalTopic(OFFSETS_TOPIC);
  const topic = metadata.topic(OFFSETS_TOPIC);
  if (topic === undefined) {
    return () => refusal('COORDINATOR_NOT_AVAILABLE', `${OFFSETS_TOPIC} is being created.`);
  }
  return (group) => leaderOf(metadata, topic, group, listenerName);
}

function leaderOf(
  metadata: MetadataView,
  { partitions }: TopicMetadata,
  group: string,
  listenerName: string,
): Located {
  const partition = partitions.get(coordinatorPartition(group, partitions.size));
  const broker = partition && metadata.liveBroker(partition.leader);
  const endpoint = broker?.endpoints.get(listenerName);
  if (broker === undefined || endpoint === undefined)
    return refusal('COORDINATOR_NOT_AVAILABLE', 'The coordinator is not available.');
  const node = { nodeId: broker.id, host: endpoint.host, port: endpoint.port };
  return { error: 'NONE', message: null, node };
}

const refusal = (error: KafkaErrorName, message: string): Located => ({
  error,
  message,
  node: NO_NODE,
});
