/**
 * Incremental fetch sessions (KIP-227): a requester names its partitions once, then only what
 * changes, and is answered only about partitions that have news. Pure but for the ids it is given.
 *
 * A session belongs to whoever knows its id and next epoch. Sessions are kept in a bounded cache:
 * when it is full, one that nobody used for two minutes makes room; else a follower may push out a
 * consumer, and an old session of fewer partitions gives way to one of more; else the newcomer
 * gets none and goes on with full requests. The partitions of all sessions together are bounded as
 * well, which Kafka's are not.
 */
import type { FetchRequest, KafkaErrorName } from '@odradek/protocol';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import { type FetchTarget, NOT_TOLD, type PartitionRead } from './fetch-read.ts';

/** A session unused for this long may be evicted by anybody; so may one that is used and this old. */
const EVICTABLE_AFTER_MS = 120_000;
/**
 * Partitions of all sessions together: some 260 bytes each. Whoever comes on top of that gets no
 * session, and a session that grows beyond it ends.
 */
export const SESSION_PARTITIONS_MAX = 500_000;
/** Topic ids instead of names from this version on. */
const TOPIC_IDS_SINCE = 13;
/** Followers say which high watermark they know from this version on (KIP-1166). */
const HIGH_WATERMARK_SINCE = 18;
const NO_SESSION = 0;
const FINAL_EPOCH = -1;
const INITIAL_EPOCH = 0;
const LAST_EPOCH = 2_147_483_647;

type WantedPartition = FetchRequest['topics'][number]['partitions'][number];

/** A partition of a session, and what its requester was told of it last. */
class SessionPartition implements FetchTarget {
  readonly key: string;
  topic: string | null;
  readonly topicId: string;
  readonly partition: number;
  fetchOffset = -1;
  maxBytes = 0;
  currentLeaderEpoch = -1;
  lastFetchedEpoch = -1;
  logStartOffset = -1;
  knownHighWatermark = NOT_TOLD;
  toldHighWatermark = -1;
  toldLogStartOffset = -1;

  constructor(key: string, topic: string | null, topicId: string, partition: number) {
    this.key = key;
    this.topic = topic;
    this.topicId = topicId;
    this.partition = partition;
  }

  want(wanted: WantedPartition, version: number): this {
    this.fetchOffset = wanted.fetchOffset;
    this.maxBytes = wanted.partitionMaxBytes;
    // What was answered under another epoch may have been ignored.
    if (wanted.currentLeaderEpoch !== this.currentLeaderEpoch) this.toldHighWatermark = -1;
    this.currentLeaderEpoch = wanted.currentLeaderEpoch;
    this.lastFetchedEpoch = wanted.lastFetchedEpoch;
    this.logStartOffset = wanted.logStartOffset;
    if (version >= HIGH_WATERMARK_SINCE) {
      const { highWatermark } = wanted;
      this.knownHighWatermark =
        highWatermark <= Number.MAX_SAFE_INTEGER ? Number(highWatermark) : NOT_TOLD;
    }
    return this;
  }

  /**
   * Takes down what the requester is told.
   * @param mindsHighWatermark from now on, it is to be told of each move of the high watermark
   * @returns whether that is news
   */
  tell({ answer, sizeBytes, urgent }: PartitionRead, mindsHighWatermark: boolean): boolean {
    const { highWatermark, logStartOffset = -1, errorCode, divergingEpoch } = answer;
    const news =
      sizeBytes > 0 ||
      urgent ||
      highWatermark !== this.toldHighWatermark ||
      logStartOffset !== this.toldLogStartOffset;
    // After an error, or a log that goes another way, the next success is news, whatever was told before.
    const isSound = errorCode === 0 && divergingEpoch === undefined;
    this.toldHighWatermark = isSound ? highWatermark : -1;
    this.toldLogStartOffset = logStartOffset;
    // What was told is known, also when the next requests do not mention the partition.
    if (isSound && (mindsHighWatermark || this.knownHighWatermark !== NOT_TOLD))
      this.knownHighWatermark = highWatermark;
    return news;
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
  /** How many partitions the cache counts for it: as of its last use. */
  countedPartitions: number;
}

/** What one request is about, and how it is to be answered. */
export interface FetchPlan {
  readonly targets: readonly FetchTarget[];
  /**
   * Takes down what is answered.
   * @param reads one for each of the first targets, in their order
   * @returns the session's id and the partitions to be mentioned
   */
  conclude(reads: readonly PartitionRead[]): {
    readonly sessionId: number;
    readonly reads: readonly PartitionRead[];
  };
}

export interface FetchSessionOptions {
  /** max.incremental.fetch.session.cache.slots */
  readonly slots: number;
  /** {@link SESSION_PARTITIONS_MAX} unless given. */
  readonly partitionsMax?: number;
  /** Followers are to hear of each move of a high watermark soon: consumers read from them. */
  readonly tellsHighWatermarks: boolean;
  /** A number from 0 on, below `limit`, that cannot be guessed. */
  randomBelow(limit: number): number;
  topicNameById(topicId: string): string | undefined;
}

export class FetchSessions {
  readonly #options: FetchSessionOptions;
  readonly #partitionsMax: number;
  /** Least recently used first. */
  readonly #sessions = new Map<number, FetchSession>();
  #partitionCount = 0;
  #evictionCount = 0;

  constructor(options: FetchSessionOptions) {
    this.#options = options;
    this.#partitionsMax = options.partitionsMax ?? SESSION_PARTITIONS_MAX;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Partitions of all sessions. */
  get partitionCount(): number {
    return this.#partitionCount;
  }

  /** Sessions that were ended to make room, so far. */
  get evictionCount(): number {
    return this.#evictionCount;
  }

  /**
   * Finds out which partitions a request is about.
   * @returns the plan, or the error of the whole request
   */
  plan(request: FetchRequest, version: number, now: number): FetchPlan | KafkaErrorName {
    const { sessionId, sessionEpoch } = request;
    const usesTopicIds = version >= TOPIC_IDS_SINCE;
    if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
      const left = this.#sessions.get(sessionId);
      if (left !== undefined) this.#remove(left);
      const create = sessionEpoch === INITIAL_EPOCH;
      return this.#full(request, version, create, now);
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return 'FETCH_SESSION_ID_NOT_FOUND';
    if (session.nextEpoch !== sessionEpoch) return 'INVALID_FETCH_SESSION_EPOCH';
    if (session.usesTopicIds !== usesTopicIds) return 'FETCH_SESSION_TOPIC_ID_ERROR';
    return this.#incremental(session, request, version, now);
  }

  #full(request: FetchRequest, version: number, create: boolean, now: number): FetchPlan {
    const wanted = new Map<string, SessionPartition>();
    this.#merge(request, version, wanted);
    const targets = [...wanted.values()];
    return {
      targets,
      conclude: (reads) => {
        const usesTopicIds = version >= TOPIC_IDS_SINCE;
        const session = create ? this.#create(request, usesTopicIds, wanted, now) : null;
        if (session === null) return { sessionId: NO_SESSION, reads };
        for (const [index, read] of reads.entries()) this.#tell(session, targets[index], read);
        return { sessionId: session.id, reads };
      },
    };
  }

  #incremental(
    session: FetchSession,
    request: FetchRequest,
    version: number,
    now: number,
  ): FetchPlan {
    session.nextEpoch = epochAfter(session.nextEpoch);
    session.usedAtMs = now;
    const { partitions } = session;
    this.#merge(request, version, partitions);
    for (const { topic, topicId, partitions: forgotten } of request.forgottenTopicsData)
      for (const partition of forgotten)
        partitions.delete(keyOf(session.usesTopicIds ? topicId : topic, partition));
    this.#remove(session);
    // A session without partitions has ended; the answer says so by id 0.
    const alive = partitions.size > 0;
    const hasRoom = this.#partitionCount + partitions.size <= this.#partitionsMax;
    if (alive && hasRoom) this.#keep(session);
    else if (alive) this.#evictionCount += 1;
    const targets = [...partitions.values()];
    if (session.usesTopicIds)
      for (const target of targets)
        target.topic ??= this.#options.topicNameById(target.topicId) ?? null;
    return {
      targets,
      conclude: (reads) => ({
        sessionId: alive ? session.id : NO_SESSION,
        reads: reads.filter((read, index) => this.#tell(session, targets[index], read)),
      }),
    };
  }

  /** Adds and updates what a request names; the last word counts for what is named twice. */
  #merge(request: FetchRequest, version: number, into: Map<string, SessionPartition>): void {
    const usesTopicIds = version >= TOPIC_IDS_SINCE;
    for (const { topic, topicId, partitions } of request.topics) {
      const name = usesTopicIds ? (this.#options.topicNameById(topicId) ?? null) : topic;
      for (const wanted of partitions) {
        const key = keyOf(usesTopicIds ? topicId : topic, wanted.partition);
        let known = into.get(key);
        if (known === undefined) {
          const id = usesTopicIds ? topicId : NO_TOPIC_ID;
          known = new SessionPartition(key, name, id, wanted.partition);
          into.set(key, known);
        }
        known.want(wanted, version);
      }
    }
  }

  #create(
    request: FetchRequest,
    usesTopicIds: boolean,
    partitions: Map<string, SessionPartition>,
    now: number,
  ): FetchSession | null {
    if (partitions.size === 0) return null;
    const privileged = replicaIdOf(request) >= 0;
    if (this.#partitionCount + partitions.size > this.#partitionsMax) return null;
    if (!this.#makeRoom(privileged, partitions.size, now)) return null;
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
      partitions,
      countedPartitions: 0,
    };
    this.#keep(session);
    return session;
  }

  /** Puts a session at the end of the row: it is the most recently used now. */
  #keep(session: FetchSession): void {
    session.countedPartitions = session.partitions.size;
    this.#partitionCount += session.countedPartitions;
    this.#sessions.set(session.id, session);
  }

  #remove(session: FetchSession): void {
    if (this.#sessions.delete(session.id)) this.#partitionCount -= session.countedPartitions;
  }

  #makeRoom(privileged: boolean, partitionCount: number, now: number): boolean {
    const { slots } = this.#options;
    if (slots <= 0) return false;
    if (this.#sessions.size < slots) return true;
    const [oldest] = this.#sessions.values();
    if (oldest !== undefined && now - oldest.usedAtMs > EVICTABLE_AFTER_MS)
      return this.#evict(oldest);
    let victim: FetchSession | null = null;
    for (const session of this.#sessions.values()) {
      const isOld = session.usedAtMs - session.createdAtMs > EVICTABLE_AFTER_MS;
      const evictable = isOld || (privileged && !session.privileged);
      if (evictable && (victim === null || ranksBelow(session, victim))) victim = session;
    }
    if (victim === null) return false;
    // Kafka compares with id 0, so that of two that are alike the older one stays.
    const isWorthMore =
      privileged !== victim.privileged ? privileged : partitionCount > victim.partitions.size;
    return isWorthMore && this.#evict(victim);
  }

  /** Takes down what a requester is told of a partition. @returns whether that is news */
  #tell(
    { partitions, privileged }: FetchSession,
    partition: SessionPartition | undefined,
    read: PartitionRead,
  ): boolean {
    if (partition === undefined) return true;
    const news = partition.tell(read, privileged && this.#options.tellsHighWatermarks);
    // What had data is read last next time, so that no partition starves behind another.
    if (read.sizeBytes > 0 && partitions.delete(partition.key))
      partitions.set(partition.key, partition);
    return news;
  }

  #evict(session: FetchSession): true {
    this.#remove(session);
    this.#evictionCount += 1;
    return true;
  }
}

/** The epoch of the request after one of `epoch`: never that of a first or of a last request. */
export const epochAfter = (epoch: number): number => (epoch === LAST_EPOCH ? 1 : epoch + 1);

/** The broker id of a follower, -1 for consumers; its place on the wire changed with v15. */
export function replicaIdOf(request: FetchRequest): number {
  return request.replicaId >= 0 ? request.replicaId : request.replicaState.replicaId;
}

function ranksBelow(one: FetchSession, other: FetchSession): boolean {
  if (one.privileged !== other.privileged) return other.privileged;
  if (one.partitions.size !== other.partitions.size)
    return one.partitions.size < other.partitions.size;
  return one.id < other.id;
}

const keyOf = (topic: string, partition: number): string => `${topic}-${partition}`;
