/**
 * What a broker does about one partition of a LeaderAndIsr or StopReplica request. Pure rules;
 * ../../replica/ carries them out.
 */

/** What this broker holds of the partition already. */
export interface HeldReplica {
  /** -1 before the first LeaderAndIsr of this life. */
  readonly leaderEpoch: number;
  /** Null as long as none was told. */
  readonly topicId: string | null;
}

/** The part of a LeaderAndIsr partition state that is judged. */
export interface AssignedState {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  /** Null when the controller's version does not say. */
  readonly topicId: string | null;
}

export type Verdict =
  | 'lead'
  | 'follow'
  /** Nothing changes but that the log learns its topic id. */
  | 'adopt-topic-id'
  | 'STALE_CONTROLLER_EPOCH'
  | 'INCONSISTENT_TOPIC_ID'
  | 'UNKNOWN_TOPIC_OR_PARTITION';

/**
 * @param held null for a partition that this broker does not hold
 * @returns what to become, or the error of this partition
 */
export function judge(state: AssignedState, held: HeldReplica | null, self: number): Verdict {
  if (held !== null) {
    if (held.topicId !== null && state.topicId !== null && held.topicId !== state.topicId)
      return 'INCONSISTENT_TOPIC_ID';
    if (state.leaderEpoch === held.leaderEpoch && held.topicId === null && state.topicId !== null)
      return 'adopt-topic-id';
    if (state.leaderEpoch <= held.leaderEpoch) return 'STALE_CONTROLLER_EPOCH';
  }
  if (!state.replicas.includes(self)) return 'UNKNOWN_TOPIC_OR_PARTITION';
  return state.leader === self ? 'lead' : 'follow';
}

/** StopReplica: no epoch is known (old versions). */
const EPOCH_ABSENT = -1;
/** StopReplica: the topic is being deleted, whatever the epoch. */
const EPOCH_DURING_DELETE = -2;

/** Tells whether a StopReplica made under `requested` may stop a replica that is at `held`. */
export const mayStop = (requested: number, held: number): boolean =>
  requested === EPOCH_ABSENT || requested === EPOCH_DURING_DELETE || requested >= held;
