/**
 * Fetches ahead for a consumer: one fetch at a time to each leader, for the partitions that may take
 * more, within a bound on what is fetched and not handed out; finds positions that are not known; hands
 * records out in turns of partitions.
 */
import { apis, errorCodes, type FetchResponse, KafkaError, kafkaErrorOf } from '@odradek/protocol';
import { type Disarm, millis } from '@odradek/runtime';
import { listOffsets } from '../admin/offsets-host.ts';
import type { Cluster } from '../cluster/cluster-host.ts';
import { isRetriable } from '../errors.ts';
import { partitionKey, type TopicPartition } from '../topic-partition.ts';
import { FetchedRecords } from './fetched.ts';
import type { Place, Positions } from './positions.ts';
import type { ConsumedBatch, ConsumedRecord } from './types.ts';

/** Topics by name: v13 on takes ids only. */
const FETCH_VERSION_MAX = 12;
/** Batches of magic 2 and aborted transactions. */
const FETCH_VERSION_MIN = 4;
/** What the answer may take beyond the broker's own wait. */
const ANSWER_SLACK_MS = 30_000;
const RETRY_MS = 100;
const CONSUMER = -1;
const FETCH_ERRORS_THAT_PASS: ReadonlySet<number> = new Set([
  errorCodes.NOT_LEADER_OR_FOLLOWER,
  errorCodes.LEADER_NOT_AVAILABLE,
  errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  errorCodes.REPLICA_NOT_AVAILABLE,
  errorCodes.KAFKA_STORAGE_ERROR,
  errorCodes.FENCED_LEADER_EPOCH,
  errorCodes.UNKNOWN_LEADER_EPOCH,
  errorCodes.OFFSET_NOT_AVAILABLE,
  errorCodes.UNKNOWN_SERVER_ERROR,
]);

export interface FetcherOptions {
  /** Names this consumer's own connections. */
  readonly consumerNumber: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxPartitionBytes: number;
  readonly maxWaitMs: number;
  readonly prefetchBytes: number;
  readonly isolation: 'read_uncommitted' | 'read_committed';
  readonly offsetReset: 'earliest' | 'latest' | 'none';
  readonly rackId: string;
}

/** Reads the group's committed offsets; null where there is none, or no group. */
export type ReadCommitted = (
  partitions: readonly TopicPartition[],
) => Promise<ReadonlyMap<string, number>>;

interface Buffered {
  readonly place: Place;
  readonly version: number;
  readonly fetched: FetchedRecords;
}

export class Fetcher {
  readonly #cluster: Cluster;
  readonly #positions: Positions;
  readonly #options: FetcherOptions;
  readonly #readCommitted: ReadCommitted;
  /** What came in, in order of arrival. */
  #buffered: Buffered[] = [];
  readonly #busyBrokers = new Set<number>();
  readonly #waiters = new Set<() => void>();
  readonly #forgetChanges: () => void;
  #isFinding = false;
  #alarm: Disarm | null = null;
  #failure: Error | null = null;
  #isClosed = false;

  constructor(
    cluster: Cluster,
    positions: Positions,
    options: FetcherOptions,
    readCommitted: ReadCommitted,
  ) {
    this.#cluster = cluster;
    this.#positions = positions;
    this.#options = options;
    this.#readCommitted = readCommitted;
    this.#forgetChanges = cluster.onChange(() => this.pump());
  }

  /** Something can be handed out, or failed. */
  get hasNews(): boolean {
    this.#dropVoid();
    return this.#failure !== null || this.#buffered.some(({ place }) => !place.isPaused);
  }

  /** Calls `wake` once, when there may be news. */
  whenNews(wake: () => void): () => void {
    this.#waiters.add(wake);
    return () => this.#waiters.delete(wake);
  }

  /** Wakes who waits, for other reasons than records. */
  wake(): void {
    for (const wake of [...this.#waiters]) wake();
  }

  /** Tells the user at the next turn. */
  fail(error: Error): void {
    this.#failure = error;
    this.wake();
  }

  /**
   * Takes what is there, at most so many records.
   * @throws what failed in the meantime
   */
  async take(maxRecords: number): Promise<readonly ConsumedBatch[]> {
    if (this.#failure !== null) {
      const failure = this.#failure;
      this.#failure = null;
      throw failure;
    }
    this.#dropVoid();
    const batches: ConsumedBatch[] = [];
    let room = maxRecords;
    for (const entry of [...this.#buffered]) {
      if (room <= 0) break;
      const { place } = entry;
      if (place.isPaused) continue;
      const records = await this.#takeFrom(entry, room);
      if (records.length === 0) continue;
      room -= records.length;
      const { topic, partition, highWatermark } = place;
      batches.push({ topic, partition, records, highWatermark });
    }
    this.pump();
    return batches;
  }

  /** Sends fetches to whoever may take one. */
  pump(): void {
    if (this.#isClosed) return;
    if (this.#positions.unknown.length > 0) this.#findPositions();
    const { clock } = this.#cluster.environment;
    if (this.#bufferedBytes >= this.#options.prefetchBytes) return;
    const byLeader = new Map<number, Place[]>();
    const leaderless = new Set<string>();
    for (const place of this.#positions.fetchable(clock.now(), this.#options.maxPartitionBytes)) {
      const leader = this.#cluster.leaderOf(place);
      if (leader === null) leaderless.add(place.topic);
      else byLeader.set(leader, [...(byLeader.get(leader) ?? []), place]);
    }
    for (const [leader, places] of byLeader)
      if (!this.#busyBrokers.has(leader)) this.#fetch(leader, places);
    if (leaderless.size > 0) {
      this.#refresh([...leaderless]);
      this.#pumpLater();
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#forgetChanges();
    this.#alarm?.();
    this.#buffered = [];
    this.wake();
  }

  get #bufferedBytes(): number {
    let sum = 0;
    for (const { fetched } of this.#buffered) sum += fetched.sizeBytes;
    return sum;
  }

  async #takeFrom(entry: Buffered, maxRecords: number): Promise<readonly ConsumedRecord[]> {
    const { place, version, fetched } = entry;
    let records: readonly ConsumedRecord[];
    try {
      records = await fetched.take(maxRecords);
    } catch (error) {
      this.#discard(entry);
      // Asked for again: the copy of another replica, or a resend, may be whole.
      this.#positions.seek(place, place.position ?? 0);
      throw error;
    }
    if (place.version !== version) {
      this.#discard(entry);
      return []; // The user went elsewhere while this was being read.
    }
    this.#positions.handOut(place, fetched.nextOffset);
    if (fetched.isExhausted) this.#discard(entry);
    return records;
  }

  #discard(entry: Buffered): void {
    const at = this.#buffered.indexOf(entry);
    if (at < 0) return;
    this.#buffered.splice(at, 1);
    if (entry.place.version === entry.version) entry.place.bufferedBytes -= entry.fetched.sizeBytes;
  }

  /** What was fetched before a seek, or for a partition that is no longer ours, is void. */
  #dropVoid(): void {
    this.#buffered = this.#buffered.filter(
      ({ place, version }) => place.version === version && this.#positions.get(place) === place,
    );
  }

  #fetch(leader: number, places: readonly Place[]): void {
    this.#busyBrokers.add(leader);
    const asked = places.map((place) => ({
      place,
      version: place.version,
      offset: place.fetch ?? 0,
    }));
    for (const { place } of asked) place.isFetching = true;
    this.#ask(leader, asked)
      .then(
        (response) => this.#received(asked, response),
        (error: unknown) => this.#fetchFailed(asked, error),
      )
      .finally(() => {
        this.#busyBrokers.delete(leader);
        for (const { place } of asked) place.isFetching = false;
        this.pump();
      })
      .catch((error: unknown) => this.fail(asError(error)));
  }

  async #ask(leader: number, asked: readonly Asked[]): Promise<FetchResponse> {
    const connection = await this.#cluster.connectionTo(
      leader,
      `fetch ${this.#options.consumerNumber}`,
    );
    const version = connection.versionOf(apis.fetch, FETCH_VERSION_MAX);
    if (version < FETCH_VERSION_MIN)
      throw new KafkaError('UNSUPPORTED_VERSION', 'the broker is older than Kafka 0.11');
    const { minBytes, maxBytes, maxWaitMs, maxPartitionBytes, isolation, rackId } = this.#options;
    const topics = new Map<
      string,
      { partition: number; fetchOffset: number; partitionMaxBytes: number }[]
    >();
    for (const { place, offset } of asked) {
      const entry = {
        partition: place.partition,
        fetchOffset: offset,
        partitionMaxBytes: maxPartitionBytes,
      };
      const known = topics.get(place.topic);
      if (known === undefined) topics.set(place.topic, [entry]);
      else known.push(entry);
    }
    const body: BodyInput = {
      replicaId: CONSUMER,
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: isolation === 'read_committed' ? 1 : 0,
      topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })),
      rackId,
    };
    return await connection.send(apis.fetch, version, body, {
      timeoutMs: maxWaitMs + ANSWER_SLACK_MS,
    });
  }

  #received(asked: readonly Asked[], response: FetchResponse): void {
    if (response.errorCode !== 0) throw new KafkaError(kafkaErrorOf(response.errorCode), 'fetch');
    const byKey = new Map(asked.map((one) => [one.place.key, one]));
    const stale = new Set<string>();
    let hasCome = false;
    for (const { topic, partitions } of response.responses)
      for (const answer of partitions) {
        const one = byKey.get(partitionKey({ topic, partition: answer.partitionIndex }));
        if (one === undefined || one.place.version !== one.version) continue;
        if (answer.errorCode !== 0) this.#partitionFailed(one, answer.errorCode, stale);
        else if (this.#keep(one, answer)) hasCome = true;
      }
    if (stale.size > 0) this.#refresh([...stale]);
    if (hasCome) this.wake();
  }

  /** @returns whether there are records */
  #keep(
    { place, version, offset }: Asked,
    answer: FetchResponse['responses'][number]['partitions'][number],
  ): boolean {
    place.highWatermark = answer.highWatermark;
    const { records } = answer;
    if (records === null || records.length === 0) return false;
    const fetched = new FetchedRecords({
      topic: place.topic,
      partition: place.partition,
      records,
      fromOffset: offset,
      aborted:
        this.#options.isolation === 'read_committed' ? (answer.abortedTransactions ?? []) : null,
    });
    const { endOffset } = fetched;
    if (endOffset === null) return false;
    place.fetch = Math.max(offset, endOffset);
    place.bufferedBytes += fetched.sizeBytes;
    this.#buffered.push({ place, version, fetched });
    return true;
  }

  #partitionFailed({ place }: Asked, code: number, stale: Set<string>): void {
    if (code === errorCodes.OFFSET_OUT_OF_RANGE) {
      this.#outOfRange(place);
      return;
    }
    place.notBeforeMs = this.#cluster.environment.clock.now() + RETRY_MS;
    this.#pumpLater();
    if (FETCH_ERRORS_THAT_PASS.has(code)) stale.add(place.topic);
    else this.fail(new KafkaError(kafkaErrorOf(code), place.key));
  }

  #outOfRange(place: Place): void {
    const { offsetReset } = this.#options;
    if (offsetReset === 'none') {
      place.notBeforeMs = Number.POSITIVE_INFINITY;
      this.fail(new KafkaError('OFFSET_OUT_OF_RANGE', `${place.key} at ${place.fetch}`));
    } else this.#positions.seek(place, offsetReset === 'earliest' ? 'beginning' : 'end');
  }

  #fetchFailed(asked: readonly Asked[], error: unknown): void {
    const notBeforeMs = this.#cluster.environment.clock.now() + RETRY_MS;
    for (const { place } of asked) place.notBeforeMs = notBeforeMs;
    if (this.#isClosed) return;
    if (!isRetriable(error)) throw error;
    this.#refresh([...new Set(asked.map(({ place }) => place.topic))]);
    this.#pumpLater();
  }

  /** One at a time: committed offsets of the group, the others of the leaders. */
  #findPositions(): void {
    if (this.#isFinding) return;
    this.#isFinding = true;
    const unknown = this.#positions.unknown.map((place) => ({ place, version: place.version }));
    this.#find(unknown)
      .catch(async (error: unknown) => {
        if (this.#isClosed) return;
        if (!isRetriable(error)) this.fail(asError(error));
        await this.#cluster.pause(RETRY_MS);
      })
      .finally(() => {
        this.#isFinding = false;
        this.pump();
      })
      .catch((error: unknown) => this.fail(asError(error)));
  }

  async #find(
    unknown: readonly { readonly place: Place; readonly version: number }[],
  ): Promise<void> {
    const byGroup = unknown.filter(({ place }) => place.wanted === 'committed');
    if (byGroup.length > 0) {
      const committed = await this.#readCommitted(byGroup.map(({ place }) => place));
      for (const { place, version } of byGroup) {
        const offset = committed.get(place.key);
        if (offset !== undefined) this.#positions.found(place, version, offset);
        else if (place.version === version) this.#reset(place);
      }
    }
    const byLeader = this.#positions.unknown.filter(({ wanted }) => wanted !== 'committed');
    if (byLeader.length === 0) return;
    const places = byLeader.map((place) => ({ place, version: place.version }));
    const listed = await listOffsets(
      this.#cluster,
      byLeader.map(({ topic, partition, wanted }) => ({ topic, partition, at: specOf(wanted) })),
      this.#options.isolation,
    );
    for (const { place, version } of places) {
      const result = listed.find((one) => partitionKey(one) === place.key);
      if (result === undefined) continue;
      if (result.error !== null) throw result.error;
      if (result.offset >= 0) this.#positions.found(place, version, result.offset);
      // No record is that young: what comes next is.
      else if (place.version === version) this.#positions.seek(place, 'end');
    }
  }

  #reset(place: Place): void {
    const { offsetReset } = this.#options;
    if (offsetReset !== 'none') {
      this.#positions.seek(place, offsetReset === 'earliest' ? 'beginning' : 'end');
      return;
    }
    place.wanted = null;
    throw new KafkaError('OFFSET_OUT_OF_RANGE', `${place.key} has no committed offset`);
  }

  #pumpLater(): void {
    if (this.#alarm !== null || this.#isClosed) return;
    const { clock, timers } = this.#cluster.environment;
    this.#alarm = timers.wakeAt(millis(clock.now() + RETRY_MS), () => {
      this.#alarm = null;
      this.pump();
    });
  }

  #refresh(topics: readonly string[]): void {
    this.#cluster.refresh(topics).catch(() => undefined); // The next failure asks again.
  }
}

interface Asked {
  readonly place: Place;
  readonly version: number;
  readonly offset: number;
}

type BodyInput = Parameters<typeof apis.fetch.request.encode>[0];

function specOf(wanted: Place['wanted']): 'earliest' | 'latest' | { readonly timestamp: number } {
  if (wanted === 'beginning') return 'earliest';
  if (wanted === 'end' || wanted === 'committed' || wanted === null) return 'latest';
  return wanted;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
