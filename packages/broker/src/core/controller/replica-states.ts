/**
 * The life of a replica as the controller sees it.
 *
 *   nonExistent → new                                     it is being created
 *   new, online, offline, deletionIneligible → online     its broker serves it
 *   the same → offline                                    its broker or directory is gone
 *   offline → deletionStarted → deletionSuccessful → nonExistent
 *   offline, deletionStarted → deletionIneligible         cannot be deleted now
 *
 * A replica that goes offline leaves the ISR first, in the stored state.
 */
import { ask, type Procedure, type StateWrite } from './commands.ts';
import type { PartitionRecord, Replica, ReplicaPhase } from './context.ts';
import { withoutReplica } from './election.ts';
import type { LeaderAndIsr } from './state.ts';
import type { Term } from './term.ts';

const living: readonly ReplicaPhase[] = ['new', 'online', 'offline', 'deletionIneligible'];
const predecessors: Readonly<Record<ReplicaPhase, readonly ReplicaPhase[]>> = {
  nonExistent: ['deletionSuccessful'],
  new: ['nonExistent'],
  online: living,
  offline: living,
  deletionStarted: ['offline'],
  deletionSuccessful: ['deletionStarted'],
  deletionIneligible: ['offline', 'deletionStarted'],
};

/** At the start of a term: what can be reached is online, the rest is not. */
export function* startReplicas(term: Term): Procedure {
  const { context } = term;
  const online: Replica[] = [];
  const offline: Replica[] = [];
  for (const replica of context.replicasOf(context.partitions())) {
    const { partition, brokerId } = replica;
    const isOnline = context.isOnline(brokerId, partition.key);
    partition.replicas.set(brokerId, isOnline ? 'online' : 'deletionIneligible');
    (isOnline ? online : offline).push(replica);
  }
  moveReplicas(term, online, 'online');
  yield* toOffline(term, offline);
}

/** Into a phase that needs nothing stored. Sends what brokers have to know. */
export function moveReplicas(
  term: Term,
  replicas: readonly Replica[],
  phase: Exclude<ReplicaPhase, 'offline'>,
): void {
  for (const { partition, brokerId } of permitted(term, replicas, phase)) {
    switch (phase) {
      case 'new':
        if (!instructNew(term, partition, brokerId)) continue;
        break;
      case 'online':
        // A new replica hears of its role when the first leader is stored.
        if (partition.replicas.get(brokerId) !== 'new' && partition.stored !== null)
          term.batch.leaderAndIsr([brokerId], partition, false);
        break;
      case 'deletionStarted':
        term.batch.stop(brokerId, partition, true);
        break;
      case 'nonExistent':
        partition.replicas.delete(brokerId);
        continue;
      case 'deletionSuccessful':
      case 'deletionIneligible':
        break;
    }
    partition.replicas.set(brokerId, phase);
  }
  term.flush();
}

function instructNew(term: Term, partition: PartitionRecord, brokerId: number): boolean {
  if (partition.stored === null) return true;
  if (partition.stored.leader === brokerId) {
    term.note('error', `replica ${brokerId} of ${partition.key} leads it, so it cannot be new`);
    return false;
  }
  term.batch.leaderAndIsr([brokerId], partition, true);
  return true;
}

/** Stops replicas and takes them out of the ISR. */
export function* toOffline(term: Term, replicas: readonly Replica[]): Procedure {
  const { context, batch } = term;
  const byBroker = new Map<number, PartitionRecord[]>();
  for (const { partition, brokerId } of permitted(term, replicas, 'offline')) {
    batch.stop(brokerId, partition, false);
    partition.replicas.set(brokerId, 'offline');
    if (partition.stored === null) continue;
    // A topic that is being deleted loses its stored state anyway: no need to mend its ISR first.
    if (context.deleting.has(partition.topic)) batch.announce(context.brokers.keys(), [partition]);
    else byBroker.set(brokerId, [...(byBroker.get(brokerId) ?? []), partition]);
  }
  for (const [brokerId, partitions] of byBroker) yield* leaveIsr(term, brokerId, partitions);
  term.flush();
}

function* leaveIsr(term: Term, brokerId: number, records: readonly PartitionRecord[]): Procedure {
  let remaining = records;
  while (remaining.length > 0) remaining = yield* leaveIsrOnce(term, brokerId, remaining);
}

/** One round: returns the partitions whose state was changed by somebody else in between. */
function* leaveIsrOnce(
  term: Term,
  brokerId: number,
  records: readonly PartitionRecord[],
): Procedure<readonly PartitionRecord[]> {
  const { context, batch } = term;
  const { states } = yield* ask({ kind: 'readStates', partitions: records });
  const writes: StateWrite[] = [];
  const byKey = new Map<string, { record: PartitionRecord; state: LeaderAndIsr }>();
  for (const record of records) {
    const stored = states.get(record.key);
    if (stored === undefined || stored.controllerEpoch > context.epoch) continue;
    record.stored = stored;
    if (!stored.isr.includes(brokerId)) {
      batch.announce(context.brokers.keys(), [record]); // It counts as an offline replica now.
      continue;
    }
    const state = withoutReplica(stored, brokerId);
    const { topic, partition, key } = record;
    writes.push({ topic, partition, state, expectedPartitionEpoch: stored.partitionEpoch });
    byKey.set(key, { record, state });
  }
  if (writes.length === 0) return [];
  const { written } = yield* ask({ kind: 'writeStates', writes });
  const again: PartitionRecord[] = [];
  for (const { topic, partition, partitionEpoch } of written) {
    const entry = byKey.get(`${topic}-${partition}`);
    if (entry === undefined) continue;
    const { record, state } = entry;
    if (partitionEpoch === null) {
      again.push(record);
      continue;
    }
    record.stored = { ...state, controllerEpoch: context.epoch, partitionEpoch };
    const others = record.assignment.replicas.filter((id) => id !== brokerId);
    batch.leaderAndIsr(others, record, false);
  }
  return again;
}

function permitted(term: Term, replicas: readonly Replica[], phase: ReplicaPhase): Replica[] {
  return replicas.filter(({ partition, brokerId }) => {
    const from = partition.replicas.get(brokerId) ?? 'nonExistent';
    if (predecessors[phase].includes(from)) return true;
    term.note('error', `replica ${brokerId} of ${partition.key}: no way from ${from} to ${phase}`);
    return false;
  });
}
