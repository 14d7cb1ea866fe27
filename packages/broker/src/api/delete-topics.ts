/**
 * DeleteTopics (key 20), served by the controller: writes the wish and waits until the topics are
 * gone. A topic that is not gone in time will still be deleted.
 */
import {
  apis,
  type DeleteTopicsRequest,
  type DeleteTopicsResponse,
  errorCodes,
  KafkaError,
  type KafkaErrorName,
} from '@odradek/protocol';
import type { Environment } from '@odradek/runtime';
import type { TermHost } from '../controller/term-host.ts';
import { reasonOf, type TopicAdmin } from '../controller/topic-admin.ts';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import { awaitMetadata } from '../metadata/await-metadata.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export interface DeleteTopicsDependencies {
  readonly controller: { readonly term: TermHost | null };
  readonly admin: TopicAdmin;
  readonly metadata: MetadataView;
  readonly environment: Environment;
}

type TopicAnswer = DeleteTopicsResponse['responses'][number];

interface Doomed {
  readonly name: string | null;
  readonly topicId: string;
}

/** Older clients know no other word for "deletion is switched off". */
const DELETION_DISABLED_SINCE = 3;
const TOPIC_STATES_SINCE = 6;

export function deleteTopicsHandler(dependencies: DeleteTopicsDependencies): RegisteredHandler {
  return handler(apis.deleteTopics, [0, 6], async (request, { apiVersion }) => {
    const doomed = doomedOf(request, apiVersion);
    const keys = doomed.map(({ name, topicId }) => name ?? topicId);
    const answers = doomed.map(async (topic, index) => {
      if (dependencies.controller.term === null)
        return refusal(topic, 'NOT_CONTROLLER', 'This is not the correct controller.');
      if (keys.indexOf(topic.name ?? topic.topicId) !== index)
        return refusal(topic, 'INVALID_REQUEST', 'Duplicate topic in the request.');
      const answer = await deleteOne(topic, request.timeoutMs, dependencies);
      const isOld = apiVersion < DELETION_DISABLED_SINCE;
      return isOld && answer.errorCode === errorCodes.TOPIC_DELETION_DISABLED
        ? { ...answer, errorCode: errorCodes.INVALID_REQUEST }
        : answer;
    });
    return { throttleTimeMs: 0, responses: await Promise.all(answers) };
  });
}

function doomedOf(request: DeleteTopicsRequest, apiVersion: number): readonly Doomed[] {
  return apiVersion >= TOPIC_STATES_SINCE
    ? request.topics
    : request.topicNames.map((name) => ({ name, topicId: NO_TOPIC_ID }));
}

async function deleteOne(
  topic: Doomed,
  timeoutMs: number,
  { admin, metadata, environment }: DeleteTopicsDependencies,
): Promise<TopicAnswer> {
  const isById = topic.topicId !== NO_TOPIC_ID;
  if (isById && topic.name !== null)
    return refusal(topic, 'INVALID_REQUEST', 'A topic is to be given by name or by id, not both.');
  const name = isById ? metadata.topicNameById(topic.topicId) : topic.name;
  if (isById && name === undefined)
    return refusal(topic, 'UNKNOWN_TOPIC_ID', 'No topic has this id.');
  const known = metadata.topic(name ?? '');
  if (known === undefined)
    return refusal(topic, 'UNKNOWN_TOPIC_OR_PARTITION', 'This topic does not exist.');
  const found = { name: known.name, topicId: known.topicId ?? NO_TOPIC_ID };
  try {
    await admin.requestDeletion(known.name);
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return refusal(found, error.code, reasonOf(error));
  }
  // A topic of the same name that comes to be meanwhile is another one.
  const isGone = await awaitMetadata(metadata, environment, timeoutMs, () => {
    const now = metadata.topic(known.name);
    return now === undefined || now.topicId !== known.topicId;
  });
  if (!isGone) return refusal(found, 'REQUEST_TIMED_OUT', 'The topic is still being deleted.');
  return { ...found, errorCode: errorCodes.NONE, errorMessage: null };
}

const refusal = (topic: Doomed, error: KafkaErrorName, reason: string): TopicAnswer => ({
  name: topic.name,
  topicId: topic.topicId,
  errorCode: errorCodes[error],
  errorMessage: reason,
});
