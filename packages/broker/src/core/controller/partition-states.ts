/**
 * The life of a partition as the controller sees it.
 *
 *   nonExistent → new              its topic was created
 *   new → online                   first leader and ISR are stored
 *   online, offline → online       another leader is elected
 *   new, online → offline          its leader is gone
 *   offline → nonExistent          its topic is deleted
 *
 * A change of leader is stored first, if nobody else changed the state meanwhile; only then do
 * brokers hear of it. A partition for which no leader can be found stays as it was.
 */
import { ask, type Procedure, type StateWrite } from './commands.ts';
import type { PartitionPhase, PartitionRecord } from './context.ts';
import {
  type Candidacy,
  electAfterLoss,
  electForShutdown,
  electPreferred,
  firstLeader,
} from './election.ts';
import type { LeaderAndIsr, PartitionState } from './state.ts';
import type { Term } from './term.ts';

/** Why leaders are elected; see election.ts. */
export type ElectionReason = 'loss' | 'preferred' | 'controlledShutdown';

const predecessors: Readonly<Record<PartitionPhase, readonly PartitionPhase[]>> = {
  nonExistent: ['offline'],
  new: ['nonExistent'],
  online: ['new', 'online', 'offline'],
  offline: ['new', 'online', 'offline'],
};

/** Gives each partition the phase its stored state speaks for, then elects where a leader is missing. */
export function* startPartitions(term: Term): Procedure {
  const { context } = term;
  for (const record of context.partitions()) {
    if (record.stored === null) record.phase = 'new';
    else record.phase = context.hasLostLeader(record) ? 'offline' : 'online';
  }
  yield* bringPartitionsOnline(term);
}

/** Tries to find leaders for all partitions that have none. */
export function* bringPartitionsOnline(term: Term): Procedure {
  const waiting = [...term.context.partitions()].filter(
    ({ phase, topic }) =>
      (phase === 'offline' || phase === 'new') && !term.context.deleting.has(topic),
  );
  yield* toOnline(term, waiting, 'loss');
}

/**
 * A leader of an old Kafka that writes its ISR itself can enlarge it at the last moment, after no
 * successor was found: then one of the new members can lead after all.
 */
export function* seizeLateChances(term: Term): Procedure {
  const { context } = term;
  const chances = [...context.partitions()].filter((partition) => context.couldBeLed(partition));
  if (chances.length > 0) yield* toOnline(term, chances, 'loss');
}

/** Into a phase that needs no election. */
export function movePartitions(
  term: Term,
  records: Iterable<PartitionRecord>,
  phase: 'new' | 'offline' | 'nonExistent',
): void {
  for (const record of permitted(term, records, phase)) record.phase = phase;
}

/** Elects leaders; partitions for which that fails keep their phase. */
export function* toOnline(
  term: Term,
  records: Iterable<PartitionRecord>,
  reason: ElectionReason,
): Procedure {
  const allowed = permitted(term, records, 'online');
  const fresh = allowed.filter(({ phase }) => phase === 'new');
  const known = allowed.filter(({ phase }) => phase !== 'new');
  if (fresh.length > 0) yield* storeFirstLeaders(term, fresh);
  if (known.length > 0) yield* electLeaders(term, known, reason);
  term.flush();
}

function* storeFirstLeaders(term: Term, records: readonly PartitionRecord[]): Procedure {
  const { context } = term;
  const writes: StateWrite[] = [];
  const byKey = new Map<string, { record: PartitionRecord; state: LeaderAndIsr }>();
  const lifeless: PartitionRecord[] = [];
  for (const record of records) {
    const { topic, partition, key, assignment } = record;
    const state = firstLeader(assignment.replicas, (id) => context.isOnline(id, key));
    if (state === null) {
      lifeless.push(record);
      continue;
    }
    writes.push({ topic, partition, state, expectedPartitionEpoch: null });
    byKey.set(key, { record, state });
  }
  if (lifeless.length > 0)
    term.note('warn', `no leader yet, since no replica is alive, for ${listed(lifeless)}`);
  if (writes.length === 0) return;
  const { written } = yield* ask({ kind: 'writeStates', writes });
  const taken: PartitionRecord[] = [];
  for (const outcome of written) {
    const entry = byKey.get(`${outcome.topic}-${outcome.partition}`);
    if (entry === undefined) continue;
    if (outcome.partitionEpoch === null) taken.push(entry.record);
    else begin(term, entry.record, entry.state, outcome.partitionEpoch);
  }
  // An earlier controller stored a state just before it lost office: what it stored holds.
  if (taken.length > 0) yield* electLeaders(term, taken, 'loss');
}

function begin(
  term: Term,
  record: PartitionRecord,
  state: LeaderAndIsr,
  partitionEpoch: number,
): void {
  record.stored = { ...state, controllerEpoch: term.context.epoch, partitionEpoch };
  record.phase = 'online';
  term.batch.leaderAndIsr(state.isr, record, true);
}

function* electLeaders(
  term: Term,
  records: readonly PartitionRecord[],
  reason: ElectionReason,
): Procedure {
  let remaining = records;
  // A write is lost only to the partition's own leader changing its ISR, so this ends.
  while (remaining.length > 0) remaining = yield* electOnce(term, remaining, reason);
}

/** One round: returns the partitions whose state was changed by somebody else in between. */
function* electOnce(
  term: Term,
  records: readonly PartitionRecord[],
  reason: ElectionReason,
): Procedure<readonly PartitionRecord[]> {
  const { states } = yield* ask({ kind: 'readStates', partitions: records });
  const electable = records.filter((record) => adopt(term, record, states.get(record.key)));
  const unclean =
    reason === 'loss' ? yield* uncleanAllowed(term, electable) : (new Set() as ReadonlySet<string>);
  const writes: StateWrite[] = [];
  const byKey = new Map<string, { record: PartitionRecord; state: LeaderAndIsr }>();
  const leaderless: PartitionRecord[] = [];
  for (const record of electable) {
    const state = elect(term, record, reason, unclean.has(record.topic));
    if (state === null) {
      leaderless.push(record);
      continue;
    }
    const { topic, partition, key, stored } = record;
    const expectedPartitionEpoch = stored?.partitionEpoch ?? null;
    writes.push({ topic, partition, state, expectedPartitionEpoch });
    byKey.set(key, { record, state });
  }
  if (leaderless.length > 0)
    term.note('warn', `no leader can be elected (${reason}) for ${listed(leaderless)}`);
  if (writes.length === 0) return [];
  const { written } = yield* ask({ kind: 'writeStates', writes });
  const again: PartitionRecord[] = [];
  for (const outcome of written) {
    const entry = byKey.get(`${outcome.topic}-${outcome.partition}`);
    if (entry === undefined) continue;
    if (outcome.partitionEpoch === null) again.push(entry.record);
    else install(term, entry.record, entry.state, outcome.partitionEpoch);
  }
  return again;
}

/** Takes over what is stored; false when it is missing or a newer controller wrote it. */
function adopt(term: Term, record: PartitionRecord, stored: PartitionState | undefined): boolean {
  if (stored === undefined) {
    term.note('error', `the state of ${record.key} is not there: cannot elect a leader`);
    return false;
  }
  if (stored.controllerEpoch > term.context.epoch) {
    term.note('warn', `${record.key} was changed by a newer controller: leaving it alone`);
    return false;
  }
  record.stored = stored;
  return true;
}

function* uncleanAllowed(
  term: Term,
  records: readonly PartitionRecord[],
): Procedure<ReadonlySet<string>> {
  const { context } = term;
  const lost = records.filter(
    ({ key, stored }) => !(stored?.isr ?? []).some((id) => context.isOnline(id, key)),
  );
  if (lost.length === 0) return new Set();
  const topics = [...new Set(lost.map(({ topic }) => topic))];
  return (yield* ask({ kind: 'readUncleanAllowed', topics })).topics;
}

function elect(
  term: Term,
  record: PartitionRecord,
  reason: ElectionReason,
  unclean: boolean,
): LeaderAndIsr | null {
  const { context } = term;
  const { stored, assignment, key } = record;
  if (stored === null) return null;
  const isOnline = (id: number): boolean => context.isOnline(id, key);
  const candidacy: Candidacy = { assignment: assignment.replicas, stored, isOnline };
  switch (reason) {
    case 'loss':
      return electAfterLoss(candidacy, unclean);
    case 'preferred':
      return electPreferred(candidacy);
    case 'controlledShutdown':
      return electForShutdown(candidacy, (id) => context.shuttingDown.has(id));
  }
}

function install(
  term: Term,
  record: PartitionRecord,
  state: LeaderAndIsr,
  partitionEpoch: number,
): void {
  const { context, batch } = term;
  record.stored = { ...state, controllerEpoch: context.epoch, partitionEpoch };
  record.phase = 'online';
  // A broker that is shutting down still has to learn that it does not lead any more.
  const recipients = record.assignment.replicas.filter((id) =>
    context.isOnlineOrStopping(id, record.key),
  );
  batch.leaderAndIsr(recipients, record, false);
  if (state.leaderRecoveryState !== 0)
    term.note('warn', `${record.key}: unclean election of ${state.leader}, records may be lost`);
}

/** Partitions named in one line of the log; more are counted. */
const NAMED_IN_LOG = 5;

function listed(records: readonly PartitionRecord[]): string {
  const named = records.slice(0, NAMED_IN_LOG).map(({ key }) => key);
  const more = records.length - named.length;
  return named.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function permitted(
  term: Term,
  records: Iterable<PartitionRecord>,
  phase: PartitionPhase,
): PartitionRecord[] {
  return [...records].filter((record) => {
    if (predecessors[phase].includes(record.phase)) return true;
    term.note('error', `${record.key} cannot go from ${record.phase} to ${phase}`);
    return false;
  });
}
