/**
 * Following one leader: fetches all partitions that this broker follows on one source broker, over
 * one connection and with one request at a time.
 *
 * A round is: ask for everything from where each log ends, in words that leave out what the leader has
 * been told before (source-session.ts); cut back the logs that the leader says
 * have gone another way; append what came; wait until that is written; take over the leader's high
 * watermark. Waiting for the write before the next round is what makes the offset a follower asks
 * for a promise: the leader counts everything below it as replicated.
 *
 * A partition that meets an error sits out `backoffMs`; one that the leader fences, or whose disk
 * failed, sits out until the controller says something new. A lost connection lets all of them wait
 * that long. The rules of truncation are in ../core/partition/epochs.ts, which source and fetcher a
 * partition belongs to in fetcher-pool.ts.
 */
import {
  type FetchResponse,
  type fetchRequest,
  type InputOf,
  KafkaError,
  kafkaErrorOf,
  type ListOffsetsResponse,
  type listOffsetsRequest,
} from '@odradek/protocol';
import { type Clock, type Log, millis, type Timers } from '@odradek/runtime';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import { afterOutOfRange, truncationOffset } from '../core/partition/epochs.ts';
import { UnexpectedAppendOffset } from '../log/log-types.ts';
import type { OffsetWaiter } from './offset-waiters.ts';
import type { Partition } from './partition.ts';
import { type Position, SourceSession } from './source-session.ts';

/** Topics go by name up to this version, and only by id after it. */
const LAST_FETCH_WITH_NAMES = 12;
/** Followers say who they are in a struct of its own from this version on. */
const REPLICA_STATE_SINCE = 15;
/** The source has not, or not like this, the session that was named. */
const SESSION_ERRORS: ReadonlySet<string> = new Set([
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
  'FETCH_SESSION_TOPIC_ID_ERROR',
]);
const LATEST_TIMESTAMP = -1;
const EARLIEST_TIMESTAMP = -2;

export type FetchInput = InputOf<typeof fetchRequest>;
export type ListOffsetsInput = InputOf<typeof listOffsetsRequest>;
type FetchedPartition = FetchResponse['responses'][number]['partitions'][number];

/** A connection to the source broker, as far as fetchers use it. */
/** What a source answered. */
export interface Fetched {
  readonly response: FetchResponse;
  /** Nothing of the response is used any more. */
  readonly done: () => void;
}

export interface SourceConnection {
  /** The highest version of Fetch that both sides have; at least 12, which truncation needs. */
  readonly fetchVersion: number;
  fetch(version: number, request: FetchInput): Promise<Fetched>;
  listOffsets(request: ListOffsetsInput): Promise<ListOffsetsResponse>;
  close(): void;
}

export interface FetcherOptions {
  /** Id of this broker. */
  readonly brokerId: number;
  readonly sourceId: number;
  /** Opens a connection to the source; rejects while its address is unknown or it is unreachable. */
  connect(sourceId: number): Promise<SourceConnection>;
  brokerEpoch(): number | null;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** replica.fetch.wait.max.ms */
  readonly maxWaitMs: number;
  /** replica.fetch.min.bytes */
  readonly minBytes: number;
  /** replica.fetch.max.bytes: for each partition. */
  readonly partitionMaxBytes: number;
  /** replica.fetch.response.max.bytes */
  readonly responseMaxBytes: number;
  /** replica.fetch.backoff.ms */
  readonly backoffMs: number;
}

interface Following {
  readonly partition: Partition;
  /** Not asked for before this time; Infinity until the controller says something new. */
  resumesAtMs: number;
}

/** What was asked for in a round. */
interface Asked extends Position {
  readonly replica: Partition;
  readonly following: Following;
}

export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #followed = new Map<Partition, Following>();
  readonly #session: SourceSession;
  #connection: SourceConnection | null = null;
  #running = false;
  #closed = false;
  #wake: (() => void) | null = null;
  /** One log line per time of trouble. */
  #inTrouble = false;

  constructor(options: FetcherOptions) {
    this.#options = options;
    this.#session = new SourceSession(options.partitionMaxBytes);
  }

  get isIdle(): boolean {
    return this.#followed.size === 0;
  }

  /** Follows a partition, or goes on with one that was set aside. */
  add(partition: Partition): void {
    this.#followed.set(partition, { partition, resumesAtMs: 0 });
    this.#wake?.();
    if (!this.#running && !this.#closed) {
      this.#running = true;
      // `#run` handles every failure of the world; what it throws is a bug and ends the process.
      void this.#run();
    }
  }

  /** Nothing is appended to the partition after this; a truncation may be under way. */
  remove(partition: Partition): void {
    this.#followed.delete(partition);
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#followed.clear();
    this.#connection?.close();
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (this.#followed.size > 0 && !this.#closed) {
      const asked = this.#ready();
      if (asked.length === 0) await this.#rest(this.#nextResumption());
      else await this.#round(asked);
    }
    this.#running = false;
    this.#connection?.close();
    this.#connection = null;
  }

  async #round(asked: readonly Asked[]): Promise<void> {
    try {
      this.#connection ??= await this.#options.connect(this.#options.sourceId);
      const { fetchVersion } = this.#connection;
      const withIds = asked.every(({ topicId }) => topicId !== null);
      const version = withIds ? fetchVersion : Math.min(fetchVersion, LAST_FETCH_WITH_NAMES);
      const request = this.#request(asked, version);
      const { response, done } = await this.#connection.fetch(version, request);
      if (this.#inTrouble) this.#options.log.info('following again', this.#source());
      this.#inTrouble = false;
      const error = kafkaErrorOf(response.errorCode);
      if (SESSION_ERRORS.has(error) && request.sessionEpoch !== 0) {
        this.#session.reset(); // It had no room for us any more: the next round says everything.
        done();
        return;
      }
      if (error !== 'NONE') throw new KafkaError(error);
      this.#session.answered(response.sessionId);
      await this.#take(asked, response);
      done(); // The logs have copies of the batches.
    } catch (error) {
      if (!isOfTheWorld(error)) throw error;
      this.#session.reset();
      this.#connection?.close();
      this.#connection = null;
      if (this.#closed || this.#followed.size === 0) return;
      if (!this.#inTrouble)
        this.#options.log.warn('cannot fetch from the leader', { ...this.#source(), error });
      this.#inTrouble = true;
      const resumesAtMs = this.#options.clock.now() + this.#options.backoffMs;
      for (const { following } of asked)
        following.resumesAtMs = Math.max(following.resumesAtMs, resumesAtMs);
    }
  }

  #source(): { source: number } {
    return { source: this.#options.sourceId };
  }

  #ready(): Asked[] {
    const now = this.#options.clock.now();
    const ready: Asked[] = [];
    for (const following of this.#followed.values()) {
      if (following.resumesAtMs > now) continue;
      const { partition } = following;
      const { log } = partition;
      ready.push({
        following,
        replica: partition,
        topic: partition.topic,
        topicId: log.topicId,
        partition: partition.index,
        fetchOffset: log.logEndOffset,
        leaderEpoch: partition.leaderEpoch,
        lastFetchedEpoch: log.latestEpoch ?? -1,
        logStartOffset: log.logStartOffset,
      });
    }
    return ready;
  }

  #nextResumption(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { resumesAtMs } of this.#followed.values()) next = Math.min(next, resumesAtMs);
    return next;
  }

  /** Waits until `untilMs`, or until the set of partitions changes. */
  #rest(untilMs: number): Promise<void> {
    return new Promise((resolve) => {
      const disarm = Number.isFinite(untilMs)
        ? this.#options.timers.wakeAt(millis(untilMs), () => this.#wake?.())
        : () => {};
      this.#wake = () => {
        this.#wake = null;
        disarm();
        resolve();
      };
    });
  }

  #request(asked: readonly Asked[], version: number): FetchInput {
    const { brokerId, maxWaitMs, minBytes, responseMaxBytes } = this.#options;
    const replicaEpoch = this.#options.brokerEpoch() ?? -1;
    return {
      ...(version >= REPLICA_STATE_SINCE
        ? { replicaState: { replicaId: brokerId, replicaEpoch } }
        : { replicaId: brokerId }),
      maxWaitMs,
      minBytes,
      maxBytes: responseMaxBytes,
      isolationLevel: 0,
      ...this.#session.next(asked, version > LAST_FETCH_WITH_NAMES),
    };
  }

  async #take(asked: readonly Asked[], response: FetchResponse): Promise<void> {
    if (response.responses.length === 0) return; // Nothing is new.
    const byTopic = new Map<string, Map<number, Asked>>();
    for (const one of asked) {
      const { topic, topicId, partition } = one;
      for (const key of topicId === null ? [topic] : [topic, topicId]) {
        const partitions = byTopic.get(key) ?? new Map<number, Asked>();
        byTopic.set(key, partitions);
        partitions.set(partition, one);
      }
    }
    const written: Promise<void>[] = [];
    for (const { topic, topicId, partitions } of response.responses) {
      const of = byTopic.get(topicId === NO_TOPIC_ID ? topic : topicId);
      for (const fetched of partitions) {
        const one = of?.get(fetched.partitionIndex);
        if (one === undefined) continue;
        await this.#takePartition(one, fetched, written);
      }
    }
    await Promise.all(written);
  }

  /** Adds to `written` what is to be waited for before the next round. */
  async #takePartition(
    asked: Asked,
    fetched: FetchedPartition,
    written: Promise<void>[],
  ): Promise<void> {
    const { following } = asked;
    const { partition } = following;
    if (!this.#isCurrent(asked)) return;
    try {
      const error = kafkaErrorOf(fetched.errorCode);
      switch (error) {
        case 'NONE':
          break;
        case 'OFFSET_OUT_OF_RANGE':
          await this.#findPlace(asked);
          return;
        case 'FENCED_LEADER_EPOCH': // Our epoch is old: the controller's word is on its way.
          following.resumesAtMs = Number.POSITIVE_INFINITY;
          return;
        default:
          this.#setAside(following, new KafkaError(error));
          return;
      }
      const { epoch, endOffset } = fetched.divergingEpoch;
      if (epoch >= 0 || endOffset >= 0) {
        const own = partition.log.endOffsetForEpoch(epoch);
        const offset = truncationOffset(
          { epoch, endOffset },
          asked.fetchOffset,
          partition.log.logEndOffset,
          own,
        );
        await this.#converge(following, offset);
        return;
      }
      await this.#append(partition, fetched.records ?? NOTHING);
      written.push(this.#finish(following, fetched));
    } catch (error) {
      if (!isOfTheWorld(error)) throw error;
      this.#setAside(following, error);
      return;
    }
  }

  /** The partition is still followed under the epoch it was asked for, and nobody moved its log. */
  #isCurrent({ following, fetchOffset, leaderEpoch }: Asked): boolean {
    const { partition } = following;
    return (
      this.#followed.get(partition) === following &&
      partition.isFollower &&
      partition.leaderEpoch === leaderEpoch &&
      partition.log.logEndOffset === fetchOffset
    );
  }

  #setAside(following: Following, error: Error): void {
    const { topic, index } = following.partition;
    this.#options.log.debug('a partition cannot be fetched for now', {
      partition: `${topic}-${index}`,
      ...this.#source(),
      error,
    });
    following.resumesAtMs = this.#options.clock.now() + this.#options.backoffMs;
  }

  /** Cuts the log to where the leader's may be the same; when that changes nothing, not at once again. */
  async #converge(following: Following, offset: number): Promise<void> {
    const { log } = following.partition;
    const { logEndOffset, latestEpoch } = log;
    await this.#truncate(following.partition, offset);
    if (log.logEndOffset === logEndOffset && log.latestEpoch === latestEpoch)
      this.#setAside(following, new KafkaError('UNKNOWN_LEADER_EPOCH', 'the logs do not converge'));
  }

  async #truncate(partition: Partition, offset: number): Promise<void> {
    const fields = { partition: `${partition.topic}-${partition.index}`, offset };
    if (offset < partition.highWatermark)
      this.#options.log.warn('cutting a log below its high watermark, after an unclean election', {
        ...fields,
        highWatermark: partition.highWatermark,
      });
    else this.#options.log.info('cutting a log back to what the leader has', fields);
    await partition.truncate(offset);
  }

  async #append(partition: Partition, records: Buffer): Promise<void> {
    if (records.length === 0) return;
    const { log, leaderEpoch } = partition;
    try {
      // What a later leader wrote is left for when we know of that leader.
      log.appendAsFollower(records, leaderEpoch);
    } catch (error) {
      // The leader's log begins inside a batch: an empty replica can begin there too.
      const startsInside =
        error instanceof UnexpectedAppendOffset &&
        log.logStartOffset === log.nextOffset &&
        error.firstOffset < log.nextOffset &&
        log.nextOffset <= error.lastOffset;
      if (!startsInside) throw error;
      await partition.startAnew(error.firstOffset);
      log.appendAsFollower(records, leaderEpoch);
    }
  }

  /** What comes with the data, once the data is written. */
  async #finish(following: Following, fetched: FetchedPartition): Promise<void> {
    const { partition } = following;
    const { log } = partition;
    try {
      if (log.logEndOffset < log.nextOffset) await whenWritten(partition, log.nextOffset);
      if (this.#followed.get(partition) !== following) return;
      partition.leaderSaid(fetched.highWatermark);
      const { logStartOffset } = fetched;
      if (logStartOffset > log.logStartOffset && logStartOffset <= log.logEndOffset)
        await log.advanceLogStart(logStartOffset);
    } catch (error) {
      if (!isOfTheWorld(error)) throw error;
      this.#setAside(following, error);
    }
  }

  /** The leader has nothing at our offset: find out where its log is. */
  async #findPlace(asked: Asked): Promise<void> {
    const { partition } = asked.following;
    const latest = await this.#listOffset(partition, LATEST_TIMESTAMP);
    const earliest = await this.#listOffset(partition, EARLIEST_TIMESTAMP);
    if (!this.#isCurrent(asked)) return;
    const step = afterOutOfRange(latest, earliest, partition.log.logEndOffset);
    switch (step.kind) {
      case 'truncate':
        await this.#truncate(partition, step.offset);
        return;
      case 'start-anew':
        this.#options.log.warn('the leader has dropped what comes next: starting anew', {
          partition: `${partition.topic}-${partition.index}`,
          from: partition.log.logEndOffset,
          offset: step.offset,
        });
        await partition.startAnew(step.offset);
        return;
      case 'continue':
        // Our epochs are older than the leader's memory: without them we may simply read on.
        this.#setAside(asked.following, new KafkaError('OFFSET_OUT_OF_RANGE'));
    }
  }

  async #listOffset(partition: Partition, timestamp: number): Promise<number> {
    const { topic: name, index: partitionIndex, leaderEpoch: currentLeaderEpoch } = partition;
    const response = await this.#connection?.listOffsets({
      replicaId: this.#options.brokerId,
      isolationLevel: 0,
      topics: [{ name, partitions: [{ partitionIndex, currentLeaderEpoch, timestamp }] }],
    });
    const answer = response?.topics[0]?.partitions[0];
    if (answer === undefined) throw new KafkaError('UNKNOWN_SERVER_ERROR', 'no offset was listed');
    if (answer.errorCode !== 0) throw new KafkaError(kafkaErrorOf(answer.errorCode));
    return answer.offset;
  }
}

const NOTHING = Buffer.alloc(0);

function whenWritten(partition: Partition, offset: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const waiter: OffsetWaiter = {
      offset,
      settled: false,
      reached: resolve,
      failed: (error) => reject(new KafkaError(error)),
    };
    partition.whenWritten(waiter);
  });
}

/** A failure of the world, with a code of its own, as opposed to a bug. */
const isOfTheWorld = (error: unknown): error is Error & { code: string } =>
  error instanceof Error && 'code' in error && 'retriable' in error;
