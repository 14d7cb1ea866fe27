/**
 * Deleting topics, step by step and through failures.
 *
 * A topic that somebody wants deleted is taken out of service (its partitions become nonExistent and
 * clients hear that it is gone), then every replica is stopped and its log removed, and when all
 * brokers have said so the topic's znodes go. A replica on a dead broker or a failed directory halts
 * the topic until it is back. Which topics are asked for lies in /admin/delete_topics, so the next
 * controller goes on where this one stopped.
 */
import { ask, type Procedure } from './commands.ts';
import type { Replica, ReplicaPhase } from './context.ts';
import { movePartitions } from './partition-states.ts';
import { moveReplicas, toOffline } from './replica-states.ts';
import type { Term } from './term.ts';

/** At the start of a term, before the phases are known: takes in the wishes that are stored. */
export function* loadDeletions(term: Term): Procedure {
  const { context } = term;
  const { topics } = yield* ask({ kind: 'readDeletions' });
  const { wanted, unwanted } = sift(term, topics);
  if (unwanted.length > 0) yield* ask({ kind: 'forgetDeletions', topics: unwanted });
  for (const topic of wanted) {
    context.deleting.add(topic);
    if (hasUnreachableReplica(term, topic)) context.deletionHalted.add(topic);
  }
}

/** New wishes. */
export function* requestDeletions(term: Term): Procedure {
  const { topics } = yield* ask({ kind: 'readDeletions' });
  const { wanted, unwanted } = sift(term, topics);
  if (unwanted.length > 0) yield* ask({ kind: 'forgetDeletions', topics: unwanted });
  const fresh = wanted.filter((topic) => !term.context.deleting.has(topic));
  if (fresh.length === 0) return;
  term.note('info', `deleting topics ${fresh.join(', ')}`);
  for (const topic of fresh) term.context.deleting.add(topic);
  yield* continueDeletions(term);
}

function sift(
  term: Term,
  topics: readonly string[],
): { wanted: readonly string[]; unwanted: readonly string[] } {
  if (!term.settings.deleteTopicEnable) return { wanted: [], unwanted: topics };
  const exists = (topic: string): boolean => term.context.topics.has(topic);
  return {
    wanted: topics.filter(exists),
    unwanted: topics.filter((topic) => !exists(topic)),
  };
}

/** A broker or directory came back: what was halted because of it may go on. */
export function* resumeDeletions(term: Term, topics: Iterable<string>): Procedure {
  let resumed = false;
  for (const topic of topics) {
    if (!term.context.deleting.has(topic)) continue;
    term.context.deletionHalted.delete(topic);
    resumed = true;
  }
  if (resumed) yield* continueDeletions(term);
}

/** Brokers removed the logs of these replicas. */
export function* completeReplicaDeletions(term: Term, replicas: readonly Replica[]): Procedure {
  moveReplicas(term, inPhase(replicas, 'deletionStarted'), 'deletionSuccessful');
  yield* continueDeletions(term);
}

/** These replicas could not be deleted, or cannot be reached. */
export function* failReplicaDeletions(term: Term, replicas: readonly Replica[]): Procedure {
  const { context } = term;
  const concerned = replicas.filter(({ partition }) => context.deleting.has(partition.topic));
  if (concerned.length === 0) return;
  const living = inPhase(concerned, 'new', 'online', 'deletionIneligible');
  yield* toOffline(term, living);
  moveReplicas(term, inPhase(concerned, 'offline', 'deletionStarted'), 'deletionIneligible');
  for (const { partition } of concerned) context.deletionHalted.add(partition.topic);
  yield* continueDeletions(term);
}

/** Moves every topic that is to be deleted as far as it can go now. */
export function* continueDeletions(term: Term): Procedure {
  const { context } = term;
  const eligible: string[] = [];
  for (const topic of [...context.deleting]) {
    const replicas = context.replicasOf(context.partitionsOf([topic]));
    if (replicas.length === inPhase(replicas, 'deletionSuccessful').length) {
      yield* finish(term, topic, replicas);
      continue;
    }
    if (inPhase(replicas, 'deletionStarted').length > 0) continue; // Brokers are at it.
    if (context.deletionHalted.has(topic)) continue;
    yield* toOffline(term, inPhase(replicas, 'deletionIneligible'));
    eligible.push(topic);
  }
  if (eligible.length > 0) yield* deleteReplicas(term, eligible);
}

function* finish(term: Term, topic: string, replicas: readonly Replica[]): Procedure {
  moveReplicas(term, replicas, 'nonExistent');
  yield* ask({ kind: 'removeTopic', topic });
  term.context.removeTopic(topic);
  term.note('info', `topic ${topic} is deleted`);
}

function* deleteReplicas(term: Term, topics: readonly string[]): Procedure {
  const { context, batch } = term;
  const unseen = topics.filter((topic) => !context.deletionBegun.has(topic));
  const partitions = [...context.partitionsOf(unseen)];
  movePartitions(
    term,
    partitions.filter(({ phase }) => phase !== 'nonExistent'),
    'offline',
  );
  movePartitions(
    term,
    partitions.filter(({ phase }) => phase === 'offline'),
    'nonExistent',
  );
  for (const topic of unseen) context.deletionBegun.add(topic);
  batch.announce(context.brokers.keys(), context.partitionsOf(topics));
  term.flush();
  for (const topic of topics) {
    const replicas = context.replicasOf(context.partitionsOf([topic]));
    const open = replicas.filter(
      ({ partition, brokerId }) => partition.replicas.get(brokerId) !== 'deletionSuccessful',
    );
    const reachable = open.filter(({ partition, brokerId }) =>
      context.isOnline(brokerId, partition.key),
    );
    const dead = open.filter((replica) => !reachable.includes(replica));
    yield* toOffline(term, open);
    moveReplicas(term, dead, 'deletionIneligible');
    moveReplicas(term, reachable, 'deletionStarted');
    if (dead.length === 0) continue;
    context.deletionHalted.add(topic);
    term.note('warn', `deleting ${topic} waits for brokers ${brokersOf(dead)} to return`);
  }
}

function hasUnreachableReplica(term: Term, topic: string): boolean {
  const { context } = term;
  return context
    .replicasOf(context.partitionsOf([topic]))
    .some(({ partition, brokerId }) => !context.isOnline(brokerId, partition.key));
}

function inPhase(replicas: readonly Replica[], ...phases: readonly ReplicaPhase[]): Replica[] {
  return replicas.filter(({ partition, brokerId }) =>
    phases.includes(partition.replicas.get(brokerId) ?? 'nonExistent'),
  );
}

const brokersOf = (replicas: readonly Replica[]): string =>
  [...new Set(replicas.map(({ brokerId }) => brokerId))].join(', ');
