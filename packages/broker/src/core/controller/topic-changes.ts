/**
 * What the controller does when topics appear, grow or vanish in /brokers/topics.
 */
import { ask, type Procedure } from './commands.ts';
import type { PartitionRecord } from './context.ts';
import { movePartitions, toOnline } from './partition-states.ts';
import { moveReplicas } from './replica-states.ts';
import type { TopicAssignment } from './state.ts';
import type { Term } from './term.ts';

/** Compares the topics that are stored with those that are known. */
export function* followTopics(term: Term): Procedure {
  const { context } = term;
  const { topics } = yield* ask({ kind: 'readTopicNames' });
  const stored = new Set(topics);
  for (const name of [...context.topics.keys()])
    if (!stored.has(name)) {
      // Ours go through deletion.ts, which forgets them itself; somebody removed this one by hand.
      term.note('warn', `the znode of topic ${name} was removed`);
      context.removeTopic(name);
    }
  const fresh = topics.filter((name) => !context.topics.has(name));
  if (fresh.length === 0) return;
  const assignments = yield* readTopics(term, fresh);
  const added = [...assignments].flatMap(([name, assignment]) =>
    context.addTopic(name, assignment),
  );
  if (added.length > 0) term.note('info', `new topics: ${[...assignments.keys()].join(', ')}`);
  yield* createPartitions(term, added);
}

/** Reads what is stored about these topics; those without an id get one. */
export function* readTopics(
  _term: Term,
  topics: readonly string[],
): Procedure<ReadonlyMap<string, TopicAssignment>> {
  const { assignments } = yield* ask({ kind: 'readAssignments', topics });
  const nameless = new Map([...assignments].filter(([, { topicId }]) => topicId === null));
  if (nameless.size === 0) return assignments;
  const { topicIds } = yield* ask({ kind: 'assignTopicIds', topics: nameless });
  const complete = new Map(assignments);
  for (const [topic, topicId] of topicIds) {
    const assignment = assignments.get(topic);
    if (assignment !== undefined) complete.set(topic, { ...assignment, topicId });
  }
  return complete;
}

/** A topic's znode changed: partitions may have been added. */
export function* followTopic(term: Term, name: string): Procedure {
  const { context } = term;
  if (!context.topics.has(name)) return;
  const assignment = (yield* readTopics(term, [name])).get(name);
  const topic = context.topics.get(name);
  if (assignment === undefined || topic === undefined) return;
  if (context.deleting.has(name)) {
    if (assignment.partitions.size <= topic.partitions.size) return;
    term.note('warn', `topic ${name} is being deleted: its new partitions are taken back`);
    const partitions = new Map(
      [...topic.partitions].map(([index, record]) => [index, record.assignment]),
    );
    const { topicId } = topic;
    yield* ask({ kind: 'writeAssignment', topic: name, assignment: { topicId, partitions } });
    return;
  }
  const added = context.addTopic(name, assignment);
  if (added.length === 0) return;
  term.note('info', `topic ${name} has ${added.length} more partitions`);
  yield* createPartitions(term, added);
}

function* createPartitions(term: Term, added: readonly PartitionRecord[]): Procedure {
  if (added.length === 0) return;
  const replicas = term.context.replicasOf(added);
  movePartitions(term, added, 'new');
  moveReplicas(term, replicas, 'new');
  yield* toOnline(term, added, 'loss');
  moveReplicas(term, replicas, 'online');
}
