/**
 * Which names a topic may have. Names with a dot and with an underscore in the same place count as
 * one, because metrics cannot tell them apart.
 */

const LONGEST = 249;

/** Topics the cluster makes for itself. */
export const OFFSETS_TOPIC = '__consumer_offsets';
export const TRANSACTIONS_TOPIC = '__transaction_state';
export type InternalTopic = typeof OFFSETS_TOPIC | typeof TRANSACTIONS_TOPIC;

export const isInternalTopic = (topic: string): topic is InternalTopic =>
  topic === OFFSETS_TOPIC || topic === TRANSACTIONS_TOPIC;

/** Says why a topic may not be called so; null when it may. */
export function topicNameProblem(name: string): string | null {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed';
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`;
  if (name.length > LONGEST)
    return `Topic name is invalid: the length of '${name}' is longer than the max allowed length ${LONGEST}`;
  if (!/^[a-zA-Z0-9._-]+$/.test(name))
    return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
  return null;
}

/** The topic among `existing` that metrics could not tell from `name`; null when there is none. */
export function collidingTopic(name: string, existing: Iterable<string>): string | null {
  if (!/[._]/.test(name)) return null;
  const unified = unify(name);
  for (const other of existing) if (other !== name && unify(other) === unified) return other;
  return null;
}

const unify = (name: string): string => name.replaceAll('.', '_');
