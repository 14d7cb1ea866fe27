/**
 * A fetch request from its session to its answer: which partitions, read them, wait for more if it
 * is not enough, note in the session what was told.
 *
 * An answer is kept as small as the memory for answers allows (`room`): a fetch that comes while
 * slow readers hold most of it gets less, but always a whole batch if there is one.
 */
import { errorCodes, type FetchRequest, type fetchResponse, type InputOf } from '@odradek/protocol';
import type { Clock, PooledBuffer, Timers, Workers } from '@odradek/runtime';
import { nearerReplica } from '../core/partition/nearest-replica.ts';
import type { PeerPresence } from '../network/peer-presence.ts';
import type { DeadlineQueue } from '../time/deadline-queue.ts';
import { DelayedFetch, type FetchWakeups, foundBytes } from './delayed-fetch.ts';
import {
  type FetchRead,
  type FetchTarget,
  type FetchTerms,
  giveBack,
  isWorthAnswering,
  lentFor,
  NOT_TOLD,
  type PartitionRead,
  type ReplicaLookup,
  readAll,
  readOne,
} from './fetch-read.ts';
import { type FetchSessions, replicaIdOf } from './fetch-sessions.ts';
import { ANYTHING_SINCE, readForOlder } from './older-fetches.ts';

export type FetchAnswer = InputOf<typeof fetchResponse> & {
  /** The memory that its records lie in: to be given back when it is sent, or will not be. */
  readonly lent: readonly PooledBuffer[];
};
type TopicAnswer = FetchAnswer['responses'][number];

/** One limit is for all partitions together from v3 on. */
const LIMIT_SINCE = 3;
/** Consumers may read from followers from v11 on (KIP-392). */
const ANY_REPLICA_SINCE = 11;
const LEADER_TOLD_SINCE = 12;
const ENDPOINTS_SINCE = 16;
const TOPIC_IDS_SINCE = 13;
const READ_COMMITTED = 1;

/** Who asks. */
export interface FetchRequester {
  readonly listenerName: string;
  readonly presence: PeerPresence;
}

export interface FetchServiceOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Convert much for older consumers. */
  readonly workers: Workers;
  readonly sessions: FetchSessions;
  readonly replicas: ReplicaLookup;
  readonly wakeups: FetchWakeups;
  readonly deadlines: DeadlineQueue;
  /** fetch.max.bytes: the most a consumer gets in one answer. */
  readonly consumerMaxBytes: number;
  /** Memory for answers: what is left of it, and reservations while a disk is read. */
  readonly room: {
    readonly availableBytes: number;
    take(bytes: number): void;
    give(bytes: number): void;
  };
  readonly brokerId: number;
  /** Consumers are sent to a replica in their rack. */
  readonly readsNearby: boolean;
  /** Where a broker can be reached through a listener, for requesters that asked somebody else. */
  endpointOf(
    brokerId: number,
    listenerName: string,
  ): { host: string; port: number; rack: string | null } | null;
}

/**
 * The most in one answer but for a single batch that is larger, whatever was asked for. Consumers allow
 * for 50 MB and ask for the next piece as soon as they have this one; an answer of that size holds more
 * memory than the pool keeps, and what it then takes anew for every answer costs twice what reading does.
 */
export const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

/** Nobody waits for more than this: whole batches may leave half of an answer free. */
const MIN_BYTES_MAX = ANSWER_BYTES_MAX / 2;

/** What has been fetched, and by whom. */
export interface FetchCounts {
  /** Fetches that wait for more to read. */
  readonly waiting: number;
  readonly sessions: number;
  readonly sessionPartitions: number;
  readonly sessionEvictions: number;
  /** Bytes of records, so far. */
  readonly consumerBytes: number;
  readonly followerBytes: number;
}

export class FetchService {
  readonly #options: FetchServiceOptions;
  #waiting = 0;
  #consumerBytes = 0;
  #followerBytes = 0;

  constructor(options: FetchServiceOptions) {
    this.#options = options;
  }

  fetch(
    request: FetchRequest,
    version: number,
    requester: FetchRequester,
  ): FetchAnswer | Promise<FetchAnswer> {
    const { sessions, clock, replicas } = this.#options;
    const plan = sessions.plan(request, version, clock.now());
    if (typeof plan === 'string')
      return { errorCode: errorCodes[plan], sessionId: 0, responses: [], lent: [] };
    const { targets } = plan;
    const terms = this.#termsOf(request, version, requester);
    const minBytes = Math.min(request.minBytes, MIN_BYTES_MAX);
    const asRead = (read: FetchRead): FetchAnswer => {
      const { sessionId, reads } = plan.conclude(read.reads);
      if (terms.replicaId < 0) this.#consumerBytes += read.sizeBytes;
      else this.#followerBytes += read.sizeBytes;
      return {
        errorCode: 0,
        sessionId,
        lent: lentFor(read),
        responses: byTopic(reads, version),
        ...(version >= ENDPOINTS_SINCE ? this.#endpoints(reads, requester.listenerName) : {}),
      };
    };
    const isOlder = version < ANYTHING_SINCE && terms.replicaId < 0;
    const answer = (read: FetchRead): FetchAnswer | Promise<FetchAnswer> => {
      if (!isOlder) return asRead(read);
      const fit = readForOlder(read, terms, version, this.#options);
      return fit instanceof Promise ? fit.then(asRead) : asRead(fit);
    };
    const isEnough = (read: FetchRead): boolean =>
      request.maxWaitMs <= 0 ||
      targets.length === 0 ||
      requester.presence.isGone ||
      isWorthAnswering(read, minBytes);
    const answerOrWait = (read: FetchRead): FetchAnswer | Promise<FetchAnswer> => {
      if (isEnough(read)) return answer(read);
      giveBack(lentFor(read));
      return this.#wait(targets, terms, { minBytes, maxWaitMs: request.maxWaitMs }, read).then(
        answer,
      );
    };
    const first = this.#read(targets, terms, replicas, true);
    return first instanceof Promise ? first.then(answerOrWait) : answerOrWait(first);
  }

  counts(): FetchCounts {
    const { size, partitionCount, evictionCount } = this.#options.sessions;
    return {
      waiting: this.#waiting,
      sessions: size,
      sessionPartitions: partitionCount,
      sessionEvictions: evictionCount,
      consumerBytes: this.#consumerBytes,
      followerBytes: this.#followerBytes,
    };
  }

  #termsOf(
    request: FetchRequest,
    version: number,
    { presence, listenerName }: FetchRequester,
  ): FetchTerms {
    const replicaId = replicaIdOf(request);
    const fromFollower = replicaId >= 0;
    const anyReplica = !fromFollower && version >= ANY_REPLICA_SINCE;
    return {
      replicaId,
      readCommitted: !fromFollower && request.isolationLevel === READ_COMMITTED,
      maxBytes: fromFollower
        ? request.maxBytes
        : Math.min(request.maxBytes, this.#options.consumerMaxBytes),
      wholeBatchOfEach: version < LIMIT_SINCE,
      anyReplica,
      tellsLeader: version >= LEADER_TOLD_SINCE,
      requester: presence,
      nearer: anyReplica ? this.#nearer(request.rackId, listenerName) : null,
    };
  }

  #nearer(rack: string, listenerName: string): FetchTerms['nearer'] {
    const { readsNearby, brokerId, endpointOf } = this.#options;
    if (!readsNearby || rack === '') return null;
    const rackOf = (id: number): string | null => endpointOf(id, listenerName)?.rack ?? null;
    return (leader, fetchOffset) => nearerReplica(leader, brokerId, rack, fetchOffset, { rackOf });
  }

  /**
   * Reads within the memory there is; what a disk is read into counts from the start. Nobody gets more
   * than half of what is left, so that the next one gets something as well.
   */
  #read(
    targets: readonly FetchTarget[],
    terms: FetchTerms,
    replicas: ReplicaLookup,
    arriving: boolean,
  ): FetchRead | Promise<FetchRead> {
    const { room } = this.#options;
    const roomBytes = Math.ceil(room.availableBytes / 2);
    const maxBytes = Math.min(terms.maxBytes, ANSWER_BYTES_MAX, roomBytes);
    const read = readAll(targets, { ...terms, maxBytes }, replicas, arriving);
    if (!(read instanceof Promise)) return read;
    let wantedBytes = 0;
    for (const target of targets) wantedBytes += target.maxBytes;
    const reservedBytes = Math.max(0, Math.min(maxBytes, wantedBytes));
    room.take(reservedBytes);
    return read.finally(() => room.give(reservedBytes));
  }

  #wait(
    targets: readonly FetchTarget[],
    terms: FetchTerms,
    { minBytes, maxWaitMs }: Pick<FetchRequest, 'minBytes' | 'maxWaitMs'>,
    first: FetchRead,
  ): Promise<FetchRead> {
    const { replicas, wakeups, deadlines } = this.#options;
    const partitions = targets.map(({ topic, topicId, partition }) => {
      const replica = replicas.replicaFor(topic, topicId, partition);
      return typeof replica === 'string' ? null : replica;
    });
    // Not the read itself, which has an answer for each partition: the closures below would keep it.
    const found = foundBytes(first);
    this.#waiting += 1;
    return new Promise((resolve, reject) => {
      let stopListening = (): void => undefined;
      const delayed = new DelayedFetch(
        {
          partitions,
          until: waitsFor(targets, terms),
          minBytes,
          found,
          readOne: (index) => readOne(targets[index] as FetchTarget, terms, replicas),
          read: () => this.#read(targets, terms, replicas, false),
          done: (read) => {
            this.#waiting -= 1;
            stopListening();
            resolve(read);
          },
          failed: (error) => {
            this.#waiting -= 1;
            stopListening();
            reject(error);
          },
        },
        wakeups,
        deadlines,
      );
      delayed.begin(maxWaitMs);
      stopListening = terms.requester.onLeaving(() =>
        terms.requester.isGone ? delayed.abandon() : delayed.hurry(),
      );
    });
  }

  #endpoints(
    reads: readonly PartitionRead[],
    listenerName: string,
  ): Pick<FetchAnswer, 'nodeEndpoints'> {
    const nodes = new Map<
      number,
      { nodeId: number; host: string; port: number; rack: string | null }
    >();
    for (const { answer } of reads) {
      const nodeId = answer.currentLeader?.leaderId ?? -1;
      if (nodeId < 0 || nodes.has(nodeId)) continue;
      const endpoint = this.#options.endpointOf(nodeId, listenerName);
      if (endpoint !== null) nodes.set(nodeId, { nodeId, ...endpoint });
    }
    return nodes.size === 0 ? {} : { nodeEndpoints: [...nodes.values()] };
  }
}

/** What may give a requester something to read. */
function waitsFor(
  targets: readonly FetchTarget[],
  { replicaId }: FetchTerms,
): readonly ('log-end' | 'high-watermark')[] {
  if (replicaId < 0) return ['high-watermark'];
  const wantsHighWatermark = targets.some((target) => target.knownHighWatermark !== NOT_TOLD);
  return wantsHighWatermark ? ['log-end', 'high-watermark'] : ['log-end'];
}

/** Neighbours of the same topic share an entry, in the order in which they were read. */
function byTopic(reads: readonly PartitionRead[], version: number): TopicAnswer[] {
  const answers: { topic: string; topicId: string; partitions: PartitionRead['answer'][] }[] = [];
  for (const { target, answer } of reads) {
    const topic = target.topic ?? '';
    const last = answers.at(-1);
    const same =
      last !== undefined &&
      (version >= TOPIC_IDS_SINCE ? last.topicId === target.topicId : last.topic === topic);
    if (same) last.partitions.push(answer);
    else answers.push({ topic, topicId: target.topicId, partitions: [answer] });
  }
  return answers;
}
