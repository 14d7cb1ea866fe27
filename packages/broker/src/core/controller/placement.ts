/**
 * Where the replicas of a new topic go: Kafka's algorithm, choice for choice.
 *
 * First replicas go round the brokers from a chosen start; the others follow at a distance that
 * grows by one each time round, so that the followers of one broker's partitions spread over all
 * others. With racks the same walk runs over brokers interleaved by rack and skips a rack that
 * already has a replica until all racks have one. The two random numbers are inputs.
 */

export interface PlacementBroker {
  readonly id: number;
  readonly rack: string | null;
}

export interface PlacementRequest {
  readonly brokers: readonly PlacementBroker[];
  readonly partitionCount: number;
  readonly replicationFactor: number;
  /** Index of the broker that gets the first replica of partition 0, in [0, brokers). */
  readonly start: number;
  /** The first distance, in [0, brokers); the same as `start` when partitions are added. */
  readonly shift: number;
  /** The first partition to place: 0 for a new topic, else the current count. */
  readonly firstPartition?: number;
}

/** Why nothing can be placed; `code` is Kafka's name for it. */
export interface PlacementRefusal {
  readonly code: 'INVALID_PARTITIONS' | 'INVALID_REPLICATION_FACTOR';
  readonly reason: string;
}

export type Placement =
  | { readonly kind: 'placed'; readonly replicas: ReadonlyMap<number, readonly number[]> }
  | { readonly kind: 'refused'; readonly refusal: PlacementRefusal };

/** Says why so many partitions with so many replicas cannot be had; null when they can. */
export function placementRefusal(
  partitionCount: number,
  replicationFactor: number,
  brokerCount: number,
): PlacementRefusal | null {
  if (partitionCount <= 0)
    return {
      code: 'INVALID_PARTITIONS',
      reason: 'Number of partitions must be larger than 0.',
    };
  if (replicationFactor <= 0)
    return {
      code: 'INVALID_REPLICATION_FACTOR',
      reason: 'Replication factor must be larger than 0.',
    };
  if (replicationFactor > brokerCount)
    return {
      code: 'INVALID_REPLICATION_FACTOR',
      reason: `Replication factor: ${replicationFactor} larger than available brokers: ${brokerCount}.`,
    };
  return null;
}

/** Places partitions; racks count only when every broker names one. */
export function place(request: PlacementRequest): Placement {
  const { brokers, partitionCount, replicationFactor, start } = request;
  const refusal = placementRefusal(partitionCount, replicationFactor, brokers.length);
  if (refusal !== null) return { kind: 'refused', refusal };
  const sorted = [...brokers].sort((left, right) => left.id - right.id);
  const walk = walkOver(sorted);
  const replicas = new Map<number, readonly number[]>();
  let shift = request.shift;
  const first = Math.max(0, request.firstPartition ?? 0);
  for (let partition = first; partition < first + partitionCount; partition += 1) {
    if (partition > 0 && partition % sorted.length === 0) shift += 1;
    const leaderIndex = (partition + start) % sorted.length;
    replicas.set(partition, walk(leaderIndex, shift, replicationFactor));
  }
  return { kind: 'placed', replicas };
}

type Walk = (leaderIndex: number, shift: number, replicationFactor: number) => readonly number[];

function walkOver(sorted: readonly PlacementBroker[]): Walk {
  const racks = new Map<string, number[]>();
  for (const { id, rack } of sorted) {
    if (rack === null) return withoutRacks(sorted.map((broker) => broker.id));
    const ofRack = racks.get(rack);
    if (ofRack === undefined) racks.set(rack, [id]);
    else ofRack.push(id);
  }
  const rackOf = new Map(sorted.map(({ id, rack }) => [id, rack ?? '']));
  return withRacks(interleave(racks), rackOf, racks.size);
}

function withoutRacks(ids: readonly number[]): Walk {
  return (leaderIndex, shift, replicationFactor) => {
    const replicas = [idAt(ids, leaderIndex)];
    for (let step = 0; step < replicationFactor - 1; step += 1)
      replicas.push(idAt(ids, replicaIndex(leaderIndex, shift, step, ids.length)));
    return replicas;
  };
}

function withRacks(
  ids: readonly number[],
  rackOf: ReadonlyMap<number, string>,
  rackCount: number,
): Walk {
  return (leaderIndex, shift, replicationFactor) => {
    const leader = idAt(ids, leaderIndex);
    const replicas = [leader];
    const usedRacks = new Set([rackOf.get(leader)]);
    const usedBrokers = new Set(replicas);
    let step = 0;
    while (replicas.length < replicationFactor) {
      const index = replicaIndex(leaderIndex, shift * rackCount, step, ids.length);
      const candidate = idAt(ids, index);
      step += 1;
      const rackFits = !usedRacks.has(rackOf.get(candidate)) || usedRacks.size === rackCount;
      const brokerFits = !usedBrokers.has(candidate) || usedBrokers.size === ids.length;
      if (!rackFits || !brokerFits) continue;
      replicas.push(candidate);
      usedRacks.add(rackOf.get(candidate));
      usedBrokers.add(candidate);
    }
    return replicas;
  };
}

/** Next broker of each rack in turn, racks by name, until all are listed. */
export function interleave(racks: ReadonlyMap<string, readonly number[]>): readonly number[] {
  const lists = [...racks]
    .sort(([left], [right]) => compareText(left, right))
    .map(([, ids]) => ids);
  const rounds = Math.max(0, ...lists.map((ids) => ids.length));
  const interleaved: number[] = [];
  for (let round = 0; round < rounds; round += 1)
    for (const ids of lists) {
      const id = ids[round];
      if (id !== undefined) interleaved.push(id);
    }
  return interleaved;
}

/** Where the walk for added partitions starts: the first broker not below partition 0's first replica. */
export function startForAddedPartitions(
  brokers: readonly PlacementBroker[],
  firstReplicaOfPartition0: number,
): number {
  const sorted = brokers.map(({ id }) => id).sort((left, right) => left - right);
  return Math.max(
    0,
    sorted.findIndex((id) => id >= firstReplicaOfPartition0),
  );
}

function replicaIndex(leaderIndex: number, shift: number, step: number, count: number): number {
  // With a single broker there is no other index; the caller never asks then.
  return (leaderIndex + 1 + ((shift + step) % (count - 1))) % count;
}

function idAt(ids: readonly number[], index: number): number {
  const id = ids[index];
  if (id === undefined) throw new RangeError(`no broker at index ${index} of ${ids.length}`);
  return id;
}

const compareText = (left: string, right: string): number =>
  left < right ? -1 : left > right ? 1 : 0;
