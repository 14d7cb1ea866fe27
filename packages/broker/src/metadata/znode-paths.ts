/**
 * Where everything of a cluster lies in the coordination service: Kafka's own paths.
 * What is in the znodes is in `znodes.ts`.
 */

export const paths = {
  controller: '/controller',
  controllerEpoch: '/controller_epoch',
  clusterId: '/cluster/id',
  feature: '/feature',
  brokerIds: '/brokers/ids',
  brokerId: (id: number) => `/brokers/ids/${id}`,
  brokerSequence: '/brokers/seqid',
  topics: '/brokers/topics',
  topic: (topic: string) => `/brokers/topics/${topic}`,
  partitions: (topic: string) => `/brokers/topics/${topic}/partitions`,
  partition: (topic: string, partition: number) =>
    `/brokers/topics/${topic}/partitions/${partition}`,
  partitionState: (topic: string, partition: number) =>
    `/brokers/topics/${topic}/partitions/${partition}/state`,
  deleteTopics: '/admin/delete_topics',
  deleteTopic: (topic: string) => `/admin/delete_topics/${topic}`,
  reassignPartitions: '/admin/reassign_partitions',
  preferredElection: '/admin/preferred_replica_election',
  configOf: (type: ConfigType, name: string) => `/config/${type}/${name}`,
  configsOf: (type: ConfigType) => `/config/${type}`,
  configChanges: '/config/changes',
  configChangePrefix: '/config/changes/config_change_',
  isrChanges: '/isr_change_notification',
  isrChangePrefix: '/isr_change_notification/isr_change_',
  logDirEvents: '/log_dir_event_notification',
  logDirEventPrefix: '/log_dir_event_notification/log_dir_event_',
  producerIdBlock: '/latest_producer_id_block',
} as const;

export type ConfigType = 'topics' | 'clients' | 'users' | 'brokers' | 'ips';

/** The entity name that stands for "all that have no setting of their own". */
export const DEFAULT_ENTITY = '<default>';

/** Created by every broker at its start when they are not there. */
export const persistentPaths: readonly string[] = [
  '/consumers',
  paths.brokerIds,
  paths.topics,
  paths.configChanges,
  paths.deleteTopics,
  paths.brokerSequence,
  paths.isrChanges,
  paths.producerIdBlock,
  paths.logDirEvents,
  '/config/topics',
  '/config/clients',
  '/config/users',
  '/config/brokers',
  '/config/ips',
];

/** The number the coordination service put behind a sequential node's name; null for another name. */
export function sequenceOf(name: string): number | null {
  const match = /_(\d{10})$/.exec(name);
  return match?.[1] === undefined ? null : Number(match[1]);
}
