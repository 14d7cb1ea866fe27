/**
 * Changes of the ISR that come from leaders: asked for with AlterPartition, or, by brokers that run
 * an old inter-broker protocol, written to the coordination service and announced there.
 *
 * A leader may only change what it has seen last: the same leader epoch, the same partition epoch,
 * and members that are alive. Everything else is refused with the error that tells it what to do.
 */
import type { KafkaErrorName } from '@odradek/protocol';
import { ask, type Procedure, type StateWrite } from './commands.ts';
import type { ControllerContext, PartitionRecord } from './context.ts';
import { seizeLateChances } from './partition-states.ts';
import { type LeaderAndIsr, RECOVERED, RECOVERING } from './state.ts';
import type { AlteredPartition, Term } from './term.ts';

/** What a leader asks for one of its partitions. */
export interface PartitionAlteration {
  /** Old versions name the topic, newer ones give its id; the other one is null. */
  readonly topic: string | null;
  readonly topicId: string | null;
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly newIsr: readonly number[];
  readonly leaderRecoveryState: number;
  readonly partitionEpoch: number;
}

export interface AlterPartitionCall {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  /** Versions 0 and 1 know another error for a member that is not alive. */
  readonly version: number;
  readonly partitions: readonly PartitionAlteration[];
}

type Verdict =
  | { readonly kind: 'refuse'; readonly error: KafkaErrorName }
  | { readonly kind: 'unchanged'; readonly record: PartitionRecord }
  | { readonly kind: 'write'; readonly record: PartitionRecord; readonly state: LeaderAndIsr };

/** Decides, stores, tells everybody, and answers. */
export function* alterPartitions(term: Term, token: number, call: AlterPartitionCall): Procedure {
  const { context, batch } = term;
  const answer = (error: KafkaErrorName | null, partitions: readonly AlteredPartition[]): void =>
    term.emit({ kind: 'reply', token, reply: { kind: 'alterPartition', error, partitions } });
  const broker = context.brokers.get(call.brokerId);
  if (broker === undefined || broker.epoch !== call.brokerEpoch)
    return answer('STALE_BROKER_EPOCH', []);

  const verdicts = call.partitions.map((wish) => judge(context, wish, call.version));
  const writes = verdicts.flatMap((verdict): StateWrite[] => {
    if (verdict.kind !== 'write') return [];
    const { record, state } = verdict;
    const { topic, partition, stored } = record;
    return [{ topic, partition, state, expectedPartitionEpoch: stored?.partitionEpoch ?? null }];
  });
  const outcome = new Map<string, number | null>();
  if (writes.length > 0) {
    const { written } = yield* ask({ kind: 'writeStates', writes });
    for (const { topic, partition, partitionEpoch } of written)
      outcome.set(`${topic}-${partition}`, partitionEpoch);
  }
  const changed: PartitionRecord[] = [];
  const doubtful = new Set<PartitionRecord>();
  for (const verdict of verdicts) {
    if (verdict.kind !== 'write') continue;
    const { record, state } = verdict;
    const partitionEpoch = outcome.get(record.key) ?? null;
    if (partitionEpoch === null) doubtful.add(record);
    else {
      record.stored = { ...state, controllerEpoch: context.epoch, partitionEpoch };
      changed.push(record);
    }
  }
  // Somebody else wrote these, or our own write was answered by a connection that broke.
  if (doubtful.size > 0) yield* refresh(term, [...doubtful]);
  const answers = verdicts.map((verdict, index): AlteredPartition => {
    const wish = call.partitions[index];
    if (verdict.kind === 'refuse') return refusal(wish, verdict.error);
    const { record } = verdict;
    const { stored } = record;
    const holds = !doubtful.has(record) || isGranted(wish, stored);
    return holds ? granted(wish, record) : refusal(wish, 'INVALID_UPDATE_VERSION');
  });
  answer(null, answers);
  if (changed.length > 0) batch.announce(context.brokers.keys(), changed);
  term.flush();
}

/** What is stored is what was wished for, by the same leader. */
function isGranted(wish: PartitionAlteration | undefined, stored: LeaderAndIsr | null): boolean {
  if (wish === undefined || stored === null) return false;
  return wish.leaderEpoch === stored.leaderEpoch && sameState(wish, stored);
}

function judge(context: ControllerContext, wish: PartitionAlteration, version: number): Verdict {
  const refuse = (error: KafkaErrorName): Verdict => ({ kind: 'refuse', error });
  const topic = wish.topicId === null ? wish.topic : (context.topicNameOfId(wish.topicId) ?? null);
  if (topic === null) return refuse('UNKNOWN_TOPIC_ID');
  const record = context.partition(topic, wish.partition);
  if (record?.stored == null || context.deleting.has(topic))
    return refuse('UNKNOWN_TOPIC_OR_PARTITION');
  const { stored } = record;
  if (wish.partitionEpoch > stored.partitionEpoch || wish.leaderEpoch > stored.leaderEpoch)
    return refuse('NOT_CONTROLLER'); // The leader knows more: a newer controller must be in office.
  if (wish.leaderEpoch < stored.leaderEpoch) return refuse('FENCED_LEADER_EPOCH');
  if (sameState(wish, stored)) return { kind: 'unchanged', record };
  if (wish.partitionEpoch < stored.partitionEpoch) return refuse('INVALID_UPDATE_VERSION');
  const recovering = wish.leaderRecoveryState === RECOVERING;
  if (recovering && (wish.newIsr.length > 1 || stored.leaderRecoveryState === RECOVERED))
    return refuse('INVALID_REQUEST');
  if (!wish.newIsr.includes(stored.leader) || !isPlaced(wish.newIsr, record))
    return refuse('INVALID_REQUEST');
  if (!wish.newIsr.every((id) => context.isLive(id)))
    return refuse(version < 2 ? 'OPERATION_NOT_ATTEMPTED' : 'INELIGIBLE_REPLICA');
  const { leader, leaderEpoch } = stored;
  const { newIsr: isr, leaderRecoveryState } = wish;
  return { kind: 'write', record, state: { leader, leaderEpoch, isr, leaderRecoveryState } };
}

const isPlaced = (isr: readonly number[], { assignment }: PartitionRecord): boolean =>
  new Set(isr).size === isr.length && isr.every((id) => assignment.replicas.includes(id));

function sameState(wish: PartitionAlteration, stored: LeaderAndIsr): boolean {
  return (
    wish.leaderRecoveryState === stored.leaderRecoveryState &&
    wish.newIsr.length === stored.isr.length &&
    wish.newIsr.every((id, index) => id === stored.isr[index])
  );
}

function granted(
  wish: PartitionAlteration | undefined,
  { topic, partition, stored }: PartitionRecord,
): AlteredPartition {
  return {
    topic,
    partition,
    topicId: wish?.topicId ?? null,
    error: null,
    leader: stored?.leader ?? -1,
    leaderEpoch: stored?.leaderEpoch ?? -1,
    isr: stored?.isr ?? [],
    leaderRecoveryState: stored?.leaderRecoveryState ?? RECOVERED,
    partitionEpoch: stored?.partitionEpoch ?? -1,
  };
}

function refusal(wish: PartitionAlteration | undefined, error: KafkaErrorName): AlteredPartition {
  return {
    topic: wish?.topic ?? '',
    partition: wish?.partition ?? -1,
    topicId: wish?.topicId ?? null,
    error,
    leader: 0,
    leaderEpoch: 0,
    isr: [],
    leaderRecoveryState: RECOVERED,
    partitionEpoch: 0,
  };
}

/** Leaders announced ISRs that they wrote themselves. */
export function* followIsrChanges(term: Term): Procedure {
  const { context } = term;
  const { partitions } = yield* ask({ kind: 'takeIsrChanges', discard: false });
  const known = new Set<PartitionRecord>();
  for (const { topic, partition } of partitions) {
    const record = context.partition(topic, partition);
    if (record !== undefined) known.add(record);
  }
  if (known.size === 0) return;
  yield* refresh(term, [...known]);
  yield* seizeLateChances(term);
}

/** Reads the states anew and tells everybody. */
function* refresh(term: Term, records: readonly PartitionRecord[]): Procedure {
  const { context, batch } = term;
  const { states } = yield* ask({ kind: 'readStates', partitions: records });
  for (const record of records) {
    const stored = states.get(record.key);
    if (stored !== undefined && stored.controllerEpoch <= context.epoch) record.stored = stored;
  }
  batch.announce(context.brokers.keys(), records);
  term.flush();
}
