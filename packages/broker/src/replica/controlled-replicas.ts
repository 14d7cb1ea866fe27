/**
 * The replicas as the controller sees them: its requests are checked to come from the newest
 * controller and to be meant for this life of the broker, carried out, and answered. Used by the
 * handlers of the two requests, and by the controller of this very broker without a connection.
 */
import {
  errorCodes,
  type LeaderAndIsrRequest,
  type LeaderAndIsrResponse,
  type StopReplicaRequest,
  type StopReplicaResponse,
} from '@odradek/protocol';
import type { ControlFence } from '../metadata/control-fence.ts';
import type { PartitionOutcome } from './control-requests.ts';
import type { ReplicaManager } from './replica-manager.ts';

type TopicErrors = LeaderAndIsrResponse['topics'][number];
type PartitionError = LeaderAndIsrResponse['partitionErrors'][number];

export class ControlledReplicas {
  readonly #replicas: ReplicaManager;
  readonly #fence: ControlFence;

  constructor(replicas: ReplicaManager, fence: ControlFence) {
    this.#replicas = replicas;
    this.#fence = fence;
  }

  /** The outcomes are there twice, flat and by topic id: versions differ in which they have. */
  async becomeLeaderOrFollower(request: LeaderAndIsrRequest): Promise<LeaderAndIsrResponse> {
    const refusal = this.#fence.admit(request);
    if (refusal !== null)
      return { errorCode: errorCodes[refusal], partitionErrors: [], topics: [] };
    const outcomes = await this.#replicas.assignRoles(request);
    return {
      errorCode: 0,
      partitionErrors: outcomes.map(partitionError),
      topics: byTopicId(outcomes),
    };
  }

  async stopReplicas(request: StopReplicaRequest): Promise<StopReplicaResponse> {
    const refusal = this.#fence.admit(request);
    if (refusal !== null) return { errorCode: errorCodes[refusal], partitionErrors: [] };
    const outcomes = await this.#replicas.stopReplicas(request);
    return { errorCode: 0, partitionErrors: outcomes.map(partitionError) };
  }
}

const partitionError = ({ topic, index, errorCode }: PartitionOutcome): PartitionError => ({
  topicName: topic,
  partitionIndex: index,
  errorCode,
});

function byTopicId(outcomes: readonly PartitionOutcome[]): TopicErrors[] {
  const topics = new Map<string, PartitionError[]>();
  for (const outcome of outcomes) {
    const errors = topics.get(outcome.topicId) ?? [];
    topics.set(outcome.topicId, errors);
    errors.push({ ...partitionError(outcome), topicName: '' });
  }
  return [...topics].map(([topicId, partitionErrors]) => ({ topicId, partitionErrors }));
}
