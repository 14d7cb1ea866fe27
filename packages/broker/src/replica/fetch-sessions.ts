/**
 * Incremental fetch sessions (KIP-227): a requester names its partitions once, then only what
 * changes, and is answered only about partitions that have news. Pure but for the ids it is given.
 *
 * A session belongs to whoever knows its id and next epoch. Sessions are kept in a bounded cache:
 * when it is full, one that nobody used for two minutes makes room; else a follower may push out a
 * consumer, and an old session of fewer partitions gives way to one of more; else the newcomer
 * gets none and goes on with full requests.
 */
import type { FetchRequest, KafkaErrorName } from '@odradek/protocol';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import type { FetchTarget, PartitionRead } from './fetch-read.ts';

/** A session unused for this long may be evicted by anybody. */
const EVICTABLE_AFTER_MS = 120_000;
/** Topic ids instead of names from this version on. */
const TOPIC_IDS_SINCE = 13;
const NO_SESSION = 0;
const FINAL_EPOCH = -1;
const INITIAL_EPOCH = 0;
const LAST_EPOCH = 2_147_483_647;

/** A partition of a session, and what its requester was told of it last. */
class SessionPartition implements FetchTarget {
  topic: string | null;
  readonly topicId: string;
  readonly partition: number;
  fetchOffset = -1;
  maxBytes = 0;
  currentLeaderEpoch = -1;
  lastFetchedEpoch = -1;
  logStartOffset = -1;
  toldHighWatermark = -1;
  toldLogStartOffset = -1;

  constructor(topic: string | null, topicId: string, partition: number) {
    this.topic = topic;
    this.topicId = topicId;
    this.partition = partition;
  }
}

interface FetchSession {
  readonly id: number;
  /** Made by a follower. */
  readonly privileged: boolean;
  readonly usesTopicIds: boolean;
  readonly createdAtMs: number;
  usedAtMs: number;
  /** What the next request must say. */
  nextEpoch: number;
  /** In the order in which they are read: one that had data goes to the end. */
  readonly partitions: Map<string, SessionPartition>;
}

/** What one request is about, and how it is to be answered. */
export interface FetchPlan {
  readonly targets: readonly FetchTarget[];
  /** Takes down what is answered; returns the session's id and the partitions to be mentioned. */
  conclude(reads: readonly PartitionRead[]): {
    readonly sessionId: number;
    readonly reads: readonly PartitionRead[];
  };
}

export interface FetchSessionOptions {
  /** max.incremental.fetch.session.cache.slots */
  readonly slots: number;
  /** A number from 0 on, below `limit`, that cannot be guessed. */
  randomBelow(limit: number): number;
  topicNameById(topicId: string): string | undefined;
}

export class FetchSessions {
  readonly #options: FetchSessionOptions;
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>();

  constructor(options: FetchSessionOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Finds out which partitions a request is about.
   * @returns the plan, or the error of the whole request
   */
  plan(request: FetchRequest, version: number, now: number): FetchPlan | KafkaErrorName {
    const { sessionId, sessionEpoch } = request;
    const usesTopicIds = version >= TOPIC_IDS_SINCE;
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      if (sessionId !== NO_SESSION) this.#sessions.delete(sessionId);
      const create = sessionEpoch === INITIAL_EPOCH;
      return this.#full(request, usesTopicIds, create, now);
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return 'FETCH_SESSION_ID_NOT_FOUND';
    if (session.nextEpoch !== sessionEpoch) return 'INVALID_FETCH_SESSION_EPOCH';
    if (session.usesTopicIds !== usesTopicIds) return 'FETCH_SESSION_TOPIC_ID_ERROR';
    return this.#incremental(session, request, now);
  }

  #full(request: FetchRequest, usesTopicIds: boolean, create: boolean, now: number): FetchPlan {
    const targets = this.#targetsOf(request, usesTopicIds);
    return {
      targets,
      conclude: (reads) => {
        const session = create ? this.#create(request, usesTopicIds, targets, now) : null;
        if (session === null) return { sessionId: NO_SESSION, reads };
        for (const read of reads) tell(session, read);
        return { sessionId: session.id, reads };
      },
    };
  }

  #incremental(session: FetchSession, request: FetchRequest, now: number): FetchPlan {
    session.nextEpoch = session.nextEpoch === LAST_EPOCH ? 1 : session.nextEpoch + 1;
    session.usedAtMs = now;
    this.#sessions.delete(session.id);
    const { partitions } = session;
    for (const { topic, topicId, partitions: forgotten } of request.forgottenTopicsData)
      for (const partition of forgotten)
        partitions.delete(keyOf(session.usesTopicIds ? topicId : topic, partition));
    for (const changed of this.#targetsOf(request, session.usesTopicIds)) {
      const key = keyOf(
        session.usesTopicIds ? changed.topicId : (changed.topic ?? ''),
        changed.partition,
      );
      const known = partitions.get(key);
      if (known === undefined) partitions.set(key, changed);
      else update(known, changed);
    }
    // A session without partitions has ended; the answer says so by id 0.
    const alive = partitions.size > 0;
    if (alive) this.#sessions.set(session.id, session);
    const targets = [...partitions.values()];
    for (const target of targets)
      if (target.topic === null) target.topic = this.#options.topicNameById(target.topicId) ?? null;
    return {
      targets,
      conclude: (reads) => ({
        sessionId: alive ? session.id : NO_SESSION,
        reads: reads.filter((read) => tell(session, read)),
      }),
    };
  }

  #targetsOf(request: FetchRequest, usesTopicIds: boolean): SessionPartition[] {
    const targets: SessionPartition[] = [];
    for (const { topic, topicId, partitions } of request.topics) {
      const name = usesTopicIds ? (this.#options.topicNameById(topicId) ?? null) : topic;
      for (const wanted of partitions) {
        const target = new SessionPartition(
          name,
          usesTopicIds ? topicId : NO_TOPIC_ID,
          wanted.partition,
        );
        target.fetchOffset = wanted.fetchOffset;
        target.maxBytes = wanted.partitionMaxBytes;
        target.currentLeaderEpoch = wanted.currentLeaderEpoch;
        target.lastFetchedEpoch = wanted.lastFetchedEpoch;
        target.logStartOffset = wanted.logStartOffset;
        targets.push(target);
      }
    }
    return targets;
  }

  #create(
    request: FetchRequest,
    usesTopicIds: boolean,
    targets: readonly SessionPartition[],
    now: number,
  ): FetchSession | null {
    if (targets.length === 0) return null;
    const privileged = replicaIdOf(request) >= 0;
    if (!this.#makeRoom(privileged, targets.length, now)) return null;
    let id = NO_SESSION;
    while (id === NO_SESSION || this.#sessions.has(id))
      id = 1 + this.#options.randomBelow(LAST_EPOCH);
    const session: FetchSession = {
      id,
      privileged,
      usesTopicIds,
      createdAtMs: now,
      usedAtMs: now,
      nextEpoch: 1,
      partitions: new Map(
        targets.map((target) => [
          keyOf(usesTopicIds ? target.topicId : (target.topic ?? ''), target.partition),
          target,
        ]),
      ),
    };
    this.#sessions.set(id, session);
    return session;
  }

  #makeRoom(privileged: boolean, partitionCount: number, now: number): boolean {
    const { slots } = this.#options;
    if (slots <= 0) return false;
    if (this.#sessions.size < slots) return true;
    const [oldest] = this.#sessions.values();
    if (oldest !== undefined && now - oldest.usedAtMs > EVICTABLE_AFTER_MS)
      return this.#sessions.delete(oldest.id);
    let victim: FetchSession | null = null;
    for (const session of this.#sessions.values()) {
      const evictable =
        now - session.createdAtMs > EVICTABLE_AFTER_MS || (privileged && !session.privileged);
      if (evictable && (victim === null || ranksBelow(session, victim))) victim = session;
    }
    if (victim === null) return false;
    const newcomerIsWorthMore =
      privileged !== victim.privileged ? privileged : partitionCount >= victim.partitions.size;
    return newcomerIsWorthMore && this.#sessions.delete(victim.id);
  }
}

/** The broker id of a follower, -1 for consumers; its place on the wire changed with v15. */
export function replicaIdOf(request: FetchRequest): number {
  return request.replicaId >= 0 ? request.replicaId : request.replicaState.replicaId;
}

/** Takes down what a requester is told of a partition. @returns whether that is news */
function tell(
  session: FetchSession,
  { target, answer, sizeBytes, urgent }: PartitionRead,
): boolean {
  const key = keyOf(session.usesTopicIds ? target.topicId : (target.topic ?? ''), target.partition);
  const partition = session.partitions.get(key);
  if (partition === undefined) return true;
  const { highWatermark, logStartOffset = -1 } = answer;
  const news =
    sizeBytes > 0 ||
    urgent ||
    highWatermark !== partition.toldHighWatermark ||
    logStartOffset !== partition.toldLogStartOffset;
  // After an error the next success is news, whatever was told before.
  partition.toldHighWatermark = answer.errorCode === 0 ? highWatermark : -1;
  partition.toldLogStartOffset = logStartOffset;
  if (sizeBytes > 0) {
    session.partitions.delete(key);
    session.partitions.set(key, partition);
  }
  return news;
}

function update(known: SessionPartition, changed: SessionPartition): void {
  known.fetchOffset = changed.fetchOffset;
  known.maxBytes = changed.maxBytes;
  known.currentLeaderEpoch = changed.currentLeaderEpoch;
  known.lastFetchedEpoch = changed.lastFetchedEpoch;
  known.logStartOffset = changed.logStartOffset;
}

function ranksBelow(one: FetchSession, other: FetchSession): boolean {
  if (one.privileged !== other.privileged) return other.privileged;
  if (one.partitions.size !== other.partitions.size)
    return one.partitions.size < other.partitions.size;
  return one.id < other.id;
}

const keyOf = (topic: string, partition: number): string => `${topic}-${partition}`;
