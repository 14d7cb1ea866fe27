/** AlterPartition (key 56): a leader asks the controller for another ISR. */
import {
  type AlterPartitionRequest,
  apis,
  errorCodes,
  type KafkaErrorName,
} from '@odradek/protocol';
import type { TermHost } from '../controller/term-host.ts';
import type { PartitionAlteration } from '../core/controller/isr-changes.ts';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import type { AlteredPartition } from '../core/controller/term.ts';
import { handler, type RegisteredHandler } from './registry.ts';

/** Topics are named by id from this version on. */
const TOPIC_IDS_SINCE = 2;
/** The ISR comes with broker epochs from this version on. */
const EPOCHS_SINCE = 3;

export function alterPartitionHandler({
  controller,
}: {
  readonly controller: { readonly term: TermHost | null };
}): RegisteredHandler {
  return handler(apis.alterPartition, [0, 3], async (request, { apiVersion }) => {
    const { term } = controller;
    if (term === null) return refusal('NOT_CONTROLLER');
    const reply = await term.alterPartition({
      brokerId: request.brokerId,
      brokerEpoch: request.brokerEpoch,
      version: apiVersion,
      partitions: alterations(request, apiVersion),
    });
    if (reply.error !== null) return refusal(reply.error);
    return { throttleTimeMs: 0, errorCode: errorCodes.NONE, topics: byTopic(reply.partitions) };
  });
}

const refusal = (error: KafkaErrorName) => ({
  throttleTimeMs: 0,
  errorCode: errorCodes[error],
  topics: [],
});

function alterations(request: AlterPartitionRequest, version: number): PartitionAlteration[] {
  return request.topics.flatMap((topic) =>
    topic.partitions.map((partition) => ({
      topic: version < TOPIC_IDS_SINCE ? topic.topicName : null,
      topicId: version < TOPIC_IDS_SINCE ? null : topic.topicId,
      partition: partition.partitionIndex,
      leaderEpoch: partition.leaderEpoch,
      newIsr:
        version < EPOCHS_SINCE
          ? partition.newIsr
          : partition.newIsrWithEpochs.map(({ brokerId }) => brokerId),
      leaderRecoveryState: partition.leaderRecoveryState,
      partitionEpoch: partition.partitionEpoch,
    })),
  );
}

function byTopic(partitions: readonly AlteredPartition[]) {
  const topics = new Map<
    string,
    { topicName: string; topicId: string; partitions: ReturnType<typeof partitionAnswer>[] }
  >();
  for (const altered of partitions) {
    const key = altered.topicId ?? altered.topic;
    const topic = topics.get(key) ?? {
      topicName: altered.topic,
      topicId: altered.topicId ?? NO_TOPIC_ID,
      partitions: [],
    };
    topics.set(key, topic);
    topic.partitions.push(partitionAnswer(altered));
  }
  return [...topics.values()];
}

const partitionAnswer = (altered: AlteredPartition) => ({
  partitionIndex: altered.partition,
  errorCode: altered.error === null ? errorCodes.NONE : errorCodes[altered.error],
  leaderId: altered.leader,
  leaderEpoch: altered.leaderEpoch,
  isr: altered.isr,
  leaderRecoveryState: altered.leaderRecoveryState,
  partitionEpoch: altered.partitionEpoch,
});
