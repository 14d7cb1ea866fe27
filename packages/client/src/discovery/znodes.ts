/**
 * What discovery reads of Kafka's nodes at the coordinator, from JSON of any age to values. Unknown keys
 * are ignored, unreadable nodes count as absent. Pure.
 */
import type { Broker, PartitionView } from '../cluster/cluster-view.ts';

export interface TopicNode {
  readonly topicId: string | null;
  readonly replicas: ReadonlyMap<number, readonly number[]>;
}

export interface PartitionStateNode {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
}

type Json = Readonly<Record<string, unknown>>;

/** `/brokers/ids/N`; null when the broker has no plaintext listener. */
export function parseBroker(id: number, data: Buffer): Broker | null {
  const json = parseJson(data);
  if (json === null) return null;
  const address = plaintextEndpoint(json) ?? oldAddress(json);
  return address === null
    ? null
    : { id, ...address, rack: typeof json.rack === 'string' ? json.rack : null };
}

/** `/controller`: the broker's id. */
export function parseController(data: Buffer): number | null {
  const id = parseJson(data)?.brokerid;
  return typeof id === 'number' ? id : null;
}

/** `/cluster/id` */
export function parseClusterId(data: Buffer): string | null {
  const id = parseJson(data)?.id;
  return typeof id === 'string' ? id : null;
}

/** `/brokers/topics/T` */
export function parseTopic(data: Buffer): TopicNode | null {
  const json = parseJson(data);
  if (json === null || !isObject(json.partitions)) return null;
  const replicas = new Map<number, readonly number[]>();
  for (const [partition, ids] of Object.entries(json.partitions))
    replicas.set(Number(partition), numbers(ids));
  return { topicId: typeof json.topic_id === 'string' ? json.topic_id : null, replicas };
}

/** `/brokers/topics/T/partitions/P/state` */
export function parsePartitionState(data: Buffer): PartitionStateNode | null {
  const json = parseJson(data);
  if (json === null || typeof json.leader !== 'number') return null;
  return {
    leader: json.leader,
    leaderEpoch: typeof json.leader_epoch === 'number' ? json.leader_epoch : -1,
    isr: numbers(json.isr),
  };
}

/** A partition whose state is not written yet has no leader. */
export function partitionView(
  partition: number,
  replicas: readonly number[],
  state: PartitionStateNode | null,
  isAlive: (brokerId: number) => boolean,
): PartitionView {
  return {
    partition,
    leader: state?.leader ?? -1,
    leaderEpoch: state?.leaderEpoch ?? -1,
    replicas,
    isr: state?.isr ?? [],
    offlineReplicas: replicas.filter((id) => !isAlive(id)),
  };
}

/** `{"endpoints":["NAME://host:port"],"listener_security_protocol_map":{"NAME":"PLAINTEXT"}}` */
function plaintextEndpoint(json: Json): { host: string; port: number } | null {
  const protocols = isObject(json.listener_security_protocol_map)
    ? json.listener_security_protocol_map
    : {};
  for (const endpoint of Array.isArray(json.endpoints) ? json.endpoints : []) {
    const match = /^([^:]+):\/\/(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(String(endpoint));
    if (match === null) continue;
    const [, name = '', bracketed, plain] = match;
    const host = bracketed ?? plain ?? '';
    if ((protocols[name] ?? name) === 'PLAINTEXT' && host !== '')
      return { host, port: Number(match[4]) };
  }
  return null;
}

function oldAddress(json: Json): { host: string; port: number } | null {
  const { host, port } = json;
  return typeof host === 'string' && typeof port === 'number' && port > 0 ? { host, port } : null;
}

function numbers(value: unknown): readonly number[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'number') : [];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(data: Buffer): Json | null {
  try {
    const value: unknown = JSON.parse(data.toString());
    return isObject(value) ? value : null;
  } catch {
    return null; // Half-written or foreign data is as good as none.
  }
}
