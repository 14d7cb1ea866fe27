/**
 * Bringing leadership back to preferred replicas, so that load stays as it was placed: from time to
 * time, for brokers that lead too few of the partitions they are the first choice for, or at once,
 * when a tool asks for it in /admin/preferred_replica_election.
 */
import { ask, type Procedure } from './commands.ts';
import type { ControllerContext, PartitionRecord } from './context.ts';
import { toOnline } from './partition-states.ts';
import type { Term } from './term.ts';

/** Partitions whose leadership should go back; empty while every broker is within its tolerance. */
export function imbalancedPartitions(
  context: ControllerContext,
  tolerancePercent: number,
): readonly PartitionRecord[] {
  const byPreferred = new Map<number, PartitionRecord[]>();
  for (const partition of context.partitions()) {
    const preferred = partition.assignment.replicas[0];
    if (preferred === undefined || context.deleting.has(partition.topic)) continue;
    const ofBroker = byPreferred.get(preferred);
    if (ofBroker === undefined) byPreferred.set(preferred, [partition]);
    else ofBroker.push(partition);
  }
  return [...byPreferred].flatMap(([brokerId, partitions]) => {
    const elsewhere = partitions.filter(
      (partition) => partition.stored !== null && !context.leads(brokerId, partition),
    );
    if (elsewhere.length / partitions.length <= tolerancePercent / 100) return [];
    return elsewhere.filter((partition) => canLead(context, brokerId, partition));
  });
}

function canLead(
  context: ControllerContext,
  brokerId: number,
  { key, stored, phase }: PartitionRecord,
): boolean {
  return (
    phase === 'online' && context.isOnline(brokerId, key) && (stored?.isr ?? []).includes(brokerId)
  );
}

/** The periodic look. */
export function* rebalanceLeaders(term: Term): Procedure {
  const { context, settings } = term;
  const partitions = imbalancedPartitions(context, settings.leaderImbalancePerBrokerPercentage);
  if (partitions.length === 0) return;
  term.note('info', `electing preferred leaders of ${partitions.length} partitions`);
  yield* toOnline(term, partitions, 'preferred');
}

/** A tool's wish; the znode is gone afterwards whether or not all could be done. */
export function* electPreferredOnRequest(term: Term): Procedure {
  const { context } = term;
  const { partitions } = yield* ask({ kind: 'takePreferredElection' });
  const wanted = partitions.flatMap(({ topic, partition }): PartitionRecord[] => {
    const record = context.partition(topic, partition);
    const preferred = record?.assignment.replicas[0];
    if (record === undefined || preferred === undefined || context.deleting.has(topic)) return [];
    return !context.leads(preferred, record) && canLead(context, preferred, record) ? [record] : [];
  });
  yield* toOnline(term, wanted, 'preferred');
}
