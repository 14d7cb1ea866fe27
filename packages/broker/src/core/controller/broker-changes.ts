/**
 * What the controller does when brokers come, go, come back, change their endpoints, lose a log
 * directory, or ask to be relieved before they stop.
 */
import type { KafkaErrorName } from '@odradek/protocol';
import { ask, type Procedure } from './commands.ts';
import type { PartitionRecord, Replica } from './context.ts';
import { failReplicaDeletions, resumeDeletions } from './deletion.ts';
import {
  bringPartitionsOnline,
  movePartitions,
  seizeLateChances,
  toOnline,
} from './partition-states.ts';
import { moveReplicas, toOffline } from './replica-states.ts';
import type { PartitionKey, RegisteredBroker, TopicPartition } from './state.ts';
import type { Term } from './term.ts';

/** Compares who is registered with who is known, and acts on the difference. */
export function* followBrokers(term: Term): Procedure {
  const { context } = term;
  const { brokers } = yield* ask({ kind: 'readBrokers' });
  const now = new Map(brokers.map((broker) => [broker.id, broker]));
  const dead = [...context.brokers.values()].filter(({ id }) => !now.has(id));
  const fresh: RegisteredBroker[] = [];
  const bounced: RegisteredBroker[] = [];
  let moved = false;
  for (const broker of brokers) {
    const known = context.brokers.get(broker.id);
    if (known === undefined) fresh.push(broker);
    else if (broker.epoch > known.epoch) bounced.push(broker);
    else if (describe(broker) !== describe(known)) {
      context.brokers.set(broker.id, broker);
      term.emit({ kind: 'openChannel', broker });
      moved = true;
    }
  }
  // The dead go first, so that nobody is told to follow them.
  yield* loseBrokers(term, [...dead, ...bounced]);
  yield* welcomeBrokers(term, [...bounced, ...fresh]);
  if (moved) {
    term.batch.announce(context.brokers.keys(), []);
    term.flush();
  }
}

const describe = ({ rack, endpoints }: RegisteredBroker): string =>
  JSON.stringify([rack, endpoints]);

function* loseBrokers(term: Term, lost: readonly RegisteredBroker[]): Procedure {
  if (lost.length === 0) return;
  const { context } = term;
  const ids = new Set(lost.map(({ id }) => id));
  term.note('info', `brokers gone: ${[...ids].join(', ')}`);
  for (const id of ids) {
    context.brokers.delete(id);
    context.shuttingDown.delete(id);
    term.emit({ kind: 'closeChannel', brokerId: id });
  }
  yield* loseReplicas(term, context.replicasOn(ids));
}

function* welcomeBrokers(term: Term, arrived: readonly RegisteredBroker[]): Procedure {
  if (arrived.length === 0) return;
  const { context, batch } = term;
  const known = [...context.brokers.keys()];
  const ids = new Set(arrived.map(({ id }) => id));
  term.note('info', `brokers registered: ${[...ids].join(', ')}`);
  for (const broker of arrived) {
    context.brokers.set(broker.id, broker);
    context.forgetFailedReplicas(broker.id);
    term.emit({ kind: 'openChannel', broker });
  }
  // Everybody has to know who is alive before being told to follow somebody.
  batch.announce(known, []);
  term.flush();
  batch.announce(ids, context.partitions());
  term.flush();
  const replicas = context.replicasOn(ids);
  moveReplicas(term, replicas, 'online');
  yield* bringPartitionsOnline(term);
  yield* resumeDeletions(term, new Set(replicas.map(({ partition }) => partition.topic)));
}

/** Tells a broker all that it should know and do, as if it had heard nothing. */
// biome-ignore lint/correctness/useYield: a procedure like the others, with nothing to ask
export function* resyncBroker(term: Term, brokerId: number): Procedure {
  const { context, batch } = term;
  if (!context.brokers.has(brokerId)) return;
  batch.announce([brokerId], context.partitions());
  for (const { partition } of context.replicasOn(new Set([brokerId]))) {
    const phase = partition.replicas.get(brokerId);
    if (phase === 'deletionStarted') batch.stop(brokerId, partition, true);
    else if (phase === 'offline') batch.stop(brokerId, partition, false);
    else if (phase === 'new' || phase === 'online')
      if (partition.stored !== null) batch.leaderAndIsr([brokerId], partition, phase === 'new');
  }
  term.flush();
}

/** Replicas became unreachable: other leaders for what they led, and out of the ISR with them. */
export function* loseReplicas(term: Term, replicas: readonly Replica[]): Procedure {
  const { context, batch } = term;
  const isDeleting = ({ partition }: Replica): boolean => context.deleting.has(partition.topic);
  const leaderless = [...context.partitions()].filter(
    (partition) => !context.deleting.has(partition.topic) && context.hasLostLeader(partition),
  );
  movePartitions(
    term,
    leaderless.filter(({ phase }) => phase !== 'nonExistent'),
    'offline',
  );
  yield* bringPartitionsOnline(term);
  yield* toOffline(
    term,
    replicas.filter((replica) => !isDeleting(replica)),
  );
  yield* seizeLateChances(term);
  yield* failReplicaDeletions(term, replicas.filter(isDeleting));
  if (leaderless.length > 0) return;
  batch.announce(context.brokers.keys(), []);
  term.flush();
}

/** A broker said which of its replicas are on failed directories and which are not. */
export function* noteDirectories(
  term: Term,
  brokerId: number,
  failed: readonly TopicPartition[],
  working: readonly TopicPartition[],
): Procedure {
  const { context } = term;
  const key = ({ topic, partition }: TopicPartition): PartitionKey => `${topic}-${partition}`;
  const fresh = context.noteDirectories(brokerId, failed.map(key), working.map(key));
  if (fresh.length === 0) return;
  term.note('warn', `broker ${brokerId} lost the log directory of ${fresh.join(', ')}`);
  const replicas = failed.flatMap(({ topic, partition }): Replica[] => {
    const record = context.partition(topic, partition);
    return record !== undefined && fresh.includes(record.key)
      ? [{ partition: record, brokerId }]
      : [];
  });
  yield* loseReplicas(term, replicas);
}

/** Brokers announced a failed directory: asking for all their replicas tells which ones it held. */
export function* probeDirectories(term: Term): Procedure {
  const { brokerIds } = yield* ask({ kind: 'takeLogDirEvents', discard: false });
  const live = new Set(brokerIds.filter((id) => term.context.brokers.has(id)));
  if (live.size > 0) moveReplicas(term, term.context.replicasOn(live), 'online');
}

/**
 * A broker wants to stop. What it leads moves to others where that is possible, and what it follows
 * goes on without it.
 */
export function* relieveBroker(
  term: Term,
  token: number,
  brokerId: number,
  brokerEpoch: number,
): Procedure {
  const { context, batch } = term;
  const refuse = (error: KafkaErrorName): void =>
    term.emit({
      kind: 'reply',
      token,
      reply: { kind: 'controlledShutdown', error, remaining: [] },
    });
  const broker = context.brokers.get(brokerId);
  if (broker === undefined) return refuse('BROKER_NOT_AVAILABLE');
  if (brokerEpoch !== -1 && brokerEpoch < broker.epoch) return refuse('STALE_BROKER_EPOCH');
  term.note('info', `broker ${brokerId} is shutting down`);
  context.shuttingDown.add(brokerId);
  const concerned = context
    .replicasOn(new Set([brokerId]))
    .map(({ partition }) => partition)
    .filter(
      ({ assignment, stored, topic }) =>
        assignment.replicas.length > 1 && stored !== null && !context.deleting.has(topic),
    );
  const led = concerned.filter((partition) => context.leads(brokerId, partition));
  const followed = concerned.filter((partition) => !context.leads(brokerId, partition));
  yield* toOnline(term, led, 'controlledShutdown');
  for (const partition of followed) batch.stop(brokerId, partition, false);
  term.flush();
  yield* toOffline(
    term,
    followed.map((partition) => ({ partition, brokerId })),
  );
  const remaining = led
    .filter((partition: PartitionRecord) => context.leads(brokerId, partition))
    .map(({ topic, partition }) => ({ topic, partition }));
  term.emit({
    kind: 'reply',
    token,
    reply: { kind: 'controlledShutdown', error: null, remaining },
  });
}
