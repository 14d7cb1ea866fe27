/** DescribeConfigs: topics of any broker, a broker's own configuration of that broker. */
import { apis, type DescribeConfigsResponse } from '@odradek/protocol';
import type { Cluster, Target } from '../cluster/cluster-host.ts';
import { failureOf } from './failures.ts';
import type { ConfigEntry, ConfigResource, ConfigSource, ResourceConfigs } from './types.ts';

const RESOURCE_TYPES = { topic: 2, broker: 4, 'broker-logger': 8 } as const;
const RESOURCE_NAMES = new Map<number, ConfigResource['type']>([
  [RESOURCE_TYPES.topic, 'topic'],
  [RESOURCE_TYPES.broker, 'broker'],
  [RESOURCE_TYPES['broker-logger'], 'broker-logger'],
]);
const SOURCES = new Map<number, ConfigSource>([
  [1, 'topic'],
  [2, 'dynamic-broker'],
  [3, 'dynamic-default-broker'],
  [4, 'static-broker'],
  [5, 'default'],
  [6, 'broker-logger'],
]);

export async function describeConfigs(
  cluster: Cluster,
  resources: readonly ConfigResource[],
  options: { readonly includeSynonyms?: boolean; readonly includeDocumentation?: boolean },
): Promise<readonly ResourceConfigs[]> {
  const groups = new Map<string, { target: Target; resources: ConfigResource[] }>();
  for (const resource of resources) {
    const isOwn = resource.type !== 'topic' && resource.name !== '';
    const target: Target = isOwn ? { kind: 'broker', id: Number(resource.name) } : { kind: 'any' };
    const key = isOwn ? resource.name : 'any';
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { target, resources: [resource] });
    else group.resources.push(resource);
  }
  const answers = await Promise.all(
    [...groups.values()].map((group) =>
      cluster.call({
        target: group.target,
        api: apis.describeConfigs,
        body: (version) => ({
          resources: group.resources.map(({ type, name }) => ({
            resourceType: RESOURCE_TYPES[type],
            resourceName: name,
            configurationKeys: null,
          })),
          ...(version >= 1 ? { includeSynonyms: options.includeSynonyms ?? false } : {}),
          ...(version >= 3 ? { includeDocumentation: options.includeDocumentation ?? false } : {}),
        }),
      }),
    ),
  );
  return answers.flatMap(({ results }) => results.map(configsOf));
}

function configsOf(result: DescribeConfigsResponse['results'][number]): ResourceConfigs {
  return {
    resource: {
      type: RESOURCE_NAMES.get(result.resourceType) ?? 'topic',
      name: result.resourceName,
    },
    error: failureOf(result.errorCode, result.errorMessage),
    entries: result.configs.map(entryOf),
  };
}

function entryOf(
  entry: DescribeConfigsResponse['results'][number]['configs'][number],
): ConfigEntry {
  const sourceOfOld: ConfigSource = entry.isDefault ? 'default' : 'other';
  return {
    name: entry.name,
    value: entry.value,
    source: entry.configSource < 0 ? sourceOfOld : (SOURCES.get(entry.configSource) ?? 'other'),
    isReadOnly: entry.readOnly,
    isSensitive: entry.isSensitive,
    documentation: entry.documentation || null,
    synonyms: entry.synonyms.map(({ name, value, source }) => ({
      name,
      value,
      source: SOURCES.get(source) ?? 'other',
    })),
  };
}
