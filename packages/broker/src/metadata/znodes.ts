/**
 * What Kafka 3.9 in ZooKeeper mode writes into its znodes, both ways: values to JSON text and back.
 * A real Kafka broker in the same cluster reads what we write, and the other way round; older forms
 * of a node are understood, only the newest is written. Paths are in `znode-paths.ts`.
 */
import { isSecurityProtocol, type SecurityProtocol } from '../core/controller/security-protocol.ts';
import type {
  Endpoint,
  LeaderAndIsr,
  RegisteredBroker,
  ReplicaAssignment,
  TopicAssignment,
  TopicPartition,
} from '../core/controller/state.ts';
import { MalformedZnode, ZnodeObject } from './znode-json.ts';
import { paths } from './znode-paths.ts';

/** `/brokers/ids/N`. */
export interface BrokerRegistration {
  readonly endpoints: readonly Endpoint[];
  readonly rack: string | null;
  readonly timestampMs: number;
}

export function encodeBroker({ endpoints, rack, timestampMs }: BrokerRegistration): string {
  // Clients of before 0.9 look at host and port only, and can only speak PLAINTEXT.
  const plaintext = endpoints.find((endpoint) => endpoint.securityProtocol === 'PLAINTEXT');
  return JSON.stringify({
    version: 5,
    host: plaintext?.host ?? null,
    port: plaintext?.port ?? -1,
    endpoints: endpoints.map(
      ({ listener, host, port }) => `${listener}://${bracketed(host)}:${port}`,
    ),
    listener_security_protocol_map: Object.fromEntries(
      endpoints.map(({ listener, securityProtocol }) => [listener, securityProtocol]),
    ),
    jmx_port: -1,
    timestamp: String(timestampMs),
    ...(rack === null ? {} : { rack }),
    features: {},
  });
}

/** @param epoch the node's czxid */
export function decodeBroker(id: number, data: Buffer, epoch: bigint): RegisteredBroker {
  const path = paths.brokerId(id);
  const node = ZnodeObject.parse(path, data);
  const rack = node.textOrNull('rack');
  const registered = { id, epoch: Number(epoch), rack };
  if (!node.has('endpoints')) {
    const plaintext = { listener: 'PLAINTEXT', securityProtocol: 'PLAINTEXT' } as const;
    const endpoint = { ...plaintext, host: node.text('host'), port: node.int('port') };
    return { ...registered, endpoints: [endpoint] };
  }
  const protocols = node.has('listener_security_protocol_map')
    ? node.textMap('listener_security_protocol_map')
    : new Map<string, string>();
  const endpoints = node.texts('endpoints').map((text) => {
    const { listener, host, port } = splitEndpoint(path, text);
    return { listener, host, port, securityProtocol: protocolOf(path, protocols, listener) };
  });
  return { ...registered, endpoints };
}

function protocolOf(
  path: string,
  protocols: ReadonlyMap<string, string>,
  listener: string,
): SecurityProtocol {
  const protocol = protocols.get(listener) ?? listener;
  if (!isSecurityProtocol(protocol))
    throw new MalformedZnode(path, `listener ${listener} has no known security protocol`);
  return protocol;
}

/** Takes `NAME://host:port` apart; IPv6 addresses stand in brackets. */
function splitEndpoint(
  path: string,
  text: string,
): { listener: string; host: string; port: number } {
  const match = /^([^:/]+):\/\/(?:\[([^\]]*)\]|([^:]*)):(-?\d+)$/.exec(text);
  const listener = match?.[1];
  if (match === null || listener === undefined)
    throw new MalformedZnode(path, `"${text}" is not an endpoint`);
  return { listener, host: match[2] ?? match[3] ?? '', port: Number(match[4]) };
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** `/brokers/topics/T`. */
export function encodeTopic({ topicId, partitions }: TopicAssignment): string {
  const sorted = [...partitions].sort(([left], [right]) => left - right);
  const only = (of: (assignment: ReplicaAssignment) => readonly number[]) =>
    Object.fromEntries(
      sorted.flatMap(([partition, assignment]) =>
        of(assignment).length === 0 ? [] : [[partition, of(assignment)]],
      ),
    );
  return JSON.stringify({
    version: 3,
    ...(topicId === null ? {} : { topic_id: topicId }),
    partitions: Object.fromEntries(
      sorted.map(([partition, { replicas }]) => [partition, replicas]),
    ),
    adding_replicas: only(({ adding }) => adding),
    removing_replicas: only(({ removing }) => removing),
  });
}

export function decodeTopic(topic: string, data: Buffer): TopicAssignment {
  const path = paths.topic(topic);
  const node = ZnodeObject.parse(path, data);
  const partitionsNode = node.object('partitions');
  const listOf = (field: string, partition: string): readonly number[] => {
    if (!node.has(field)) return [];
    const lists = node.object(field);
    return lists.has(partition) ? lists.ints(partition) : [];
  };
  const partitions = new Map<number, ReplicaAssignment>();
  for (const key of partitionsNode.keys()) {
    if (!/^\d{1,9}$/.test(key)) throw new MalformedZnode(path, `"${key}" is not a partition`);
    partitions.set(Number(key), {
      replicas: partitionsNode.ints(key),
      adding: listOf('adding_replicas', key),
      removing: listOf('removing_replicas', key),
    });
  }
  return { topicId: node.textOrNull('topic_id'), partitions };
}

/** `/brokers/topics/T/partitions/P/state`. */
export function encodePartitionState(state: LeaderAndIsr, controllerEpoch: number): string {
  return JSON.stringify({
    controller_epoch: controllerEpoch,
    leader: state.leader,
    version: 1,
    leader_epoch: state.leaderEpoch,
    isr: state.isr,
    ...(state.leaderRecoveryState === 0
      ? {}
      : { leader_recovery_state: state.leaderRecoveryState }),
  });
}

export function decodePartitionState(
  path: string,
  data: Buffer,
): LeaderAndIsr & { readonly controllerEpoch: number } {
  const node = ZnodeObject.parse(path, data);
  return {
    leader: node.int('leader'),
    leaderEpoch: node.int('leader_epoch'),
    isr: node.ints('isr'),
    leaderRecoveryState: node.int('leader_recovery_state', 0),
    controllerEpoch: node.int('controller_epoch'),
  };
}

/** `/controller`. */
export function encodeController(brokerId: number, timestampMs: number): string {
  return JSON.stringify({
    version: 2,
    brokerid: brokerId,
    timestamp: String(timestampMs),
    kraftControllerEpoch: -1,
  });
}

/** The id of the broker that is the controller. */
export const decodeController = (data: Buffer): number =>
  ZnodeObject.parse(paths.controller, data).int('brokerid');

/** `/controller_epoch`: decimal text. */
export function decodeControllerEpoch(data: Buffer): number {
  const text = data.toString('utf8').trim();
  if (!/^\d{1,10}$/.test(text)) throw new MalformedZnode(paths.controllerEpoch, 'not a number');
  return Number(text);
}

/** `/cluster/id`. */
export const encodeClusterId = (id: string): string => JSON.stringify({ version: '1', id });
export const decodeClusterId = (data: Buffer): string =>
  ZnodeObject.parse(paths.clusterId, data).text('id');

/** `/config/<type>/<name>`: what was set, as text. Some old nodes have no data at all. */
export function encodeConfig(config: ReadonlyMap<string, string>): string {
  return JSON.stringify({ version: 1, config: Object.fromEntries(config) });
}

export function decodeConfig(path: string, data: Buffer): Map<string, string> {
  if (data.length === 0) return new Map();
  const node = ZnodeObject.parse(path, data);
  return node.has('config') ? node.textMap('config') : new Map();
}

/** `/config/changes/config_change_<seq>`, naming the entity under `/config` that changed. */
export const encodeConfigChange = (entityPath: string): string =>
  JSON.stringify({ version: 2, entity_path: entityPath });

/** @returns the entity's path under `/config`, such as `topics/orders` */
export function decodeConfigChange(path: string, data: Buffer): string {
  const node = ZnodeObject.parse(path, data);
  return node.has('entity_path')
    ? node.text('entity_path')
    : `${node.text('entity_type')}/${node.text('entity_name')}`;
}

/** `/isr_change_notification/isr_change_<seq>` and `/admin/preferred_replica_election`. */
export function encodePartitionList(partitions: readonly TopicPartition[]): string {
  return JSON.stringify({
    version: 1,
    partitions: partitions.map(({ topic, partition }) => ({ topic, partition })),
  });
}

export const decodePartitionList = (path: string, data: Buffer): readonly TopicPartition[] =>
  ZnodeObject.parse(path, data)
    .objects('partitions')
    .map((node) => ({ topic: node.text('topic'), partition: node.int('partition') }));

/** `/log_dir_event_notification/log_dir_event_<seq>`: a log directory of this broker failed. */
export const encodeLogDirEvent = (brokerId: number): string =>
  JSON.stringify({ version: 1, broker: brokerId, event: 1 });
export const decodeLogDirEvent = (path: string, data: Buffer): number =>
  ZnodeObject.parse(path, data).int('broker');

/** `/latest_producer_id_block`: the last ids given out, both ends inclusive. */
export interface ProducerIdBlock {
  readonly brokerId: number;
  readonly first: bigint;
  readonly last: bigint;
}

export const encodeProducerIdBlock = ({ brokerId, first, last }: ProducerIdBlock): string =>
  JSON.stringify({
    version: 1,
    broker: brokerId,
    block_start: String(first),
    block_end: String(last),
  });

export function decodeProducerIdBlock(data: Buffer): ProducerIdBlock {
  const node = ZnodeObject.parse(paths.producerIdBlock, data);
  return {
    brokerId: node.int('broker'),
    first: node.bigint('block_start'),
    last: node.bigint('block_end'),
  };
}

/** `/feature`: enabled, with no features of a cluster-wide level, as IBP 3.3 and later write it. */
export const FEATURE_NODE = JSON.stringify({ version: 2, status: 1, features: {} });
