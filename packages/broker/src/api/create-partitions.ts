/** CreatePartitions (key 37), served by the controller: gives topics more partitions. */
import {
  apis,
  type CreatePartitionsRequest,
  errorCodes,
  KafkaError,
  type KafkaErrorName,
} from '@odradek/protocol';
import type { Environment } from '@odradek/runtime';
import type { TermHost } from '../controller/term-host.ts';
import { reasonOf, type TopicAdmin } from '../controller/topic-admin.ts';
import { awaitMetadata, isServed } from '../metadata/await-metadata.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export interface CreatePartitionsDependencies {
  readonly controller: { readonly term: TermHost | null };
  readonly admin: TopicAdmin;
  readonly metadata: MetadataView;
  readonly environment: Environment;
}

type Growth = CreatePartitionsRequest['topics'][number];

export function createPartitionsHandler(
  dependencies: CreatePartitionsDependencies,
): RegisteredHandler {
  return handler(apis.createPartitions, [0, 3], async (request) => {
    const names = request.topics.map(({ name }) => name);
    const results = request.topics
      .filter(({ name }, index) => names.indexOf(name) === index)
      .map(async (growth) => {
        const { name } = growth;
        if (dependencies.controller.term === null)
          return result(name, 'NOT_CONTROLLER', 'This is not the correct controller.');
        if (names.indexOf(name) !== names.lastIndexOf(name))
          return result(name, 'INVALID_REQUEST', 'Duplicate topic in the request.');
        return grow(growth, request, dependencies);
      });
    return { throttleTimeMs: 0, results: await Promise.all(results) };
  });
}

async function grow(
  { name, count, assignments }: Growth,
  { validateOnly, timeoutMs }: CreatePartitionsRequest,
  { admin, metadata, environment }: CreatePartitionsDependencies,
) {
  const chosen = assignments?.map(({ brokerIds }) => brokerIds) ?? null;
  try {
    await admin.addPartitions(name, count, chosen, validateOnly);
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return result(name, error.code, reasonOf(error));
  }
  if (validateOnly) return result(name, 'NONE', null);
  const isThere = await awaitMetadata(metadata, environment, timeoutMs, () =>
    isServed(metadata, name, count),
  );
  return isThere
    ? result(name, 'NONE', null)
    : result(name, 'REQUEST_TIMED_OUT', 'Timed out while waiting for the new partitions.');
}

const result = (name: string, error: KafkaErrorName, reason: string | null) => ({
  name,
  errorCode: errorCodes[error],
  errorMessage: reason,
});
