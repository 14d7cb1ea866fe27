/**
 * The cluster as producer, consumer and admin use it: who leads what, a connection to whom, and calls
 * that find their broker, try again while that can help, and refresh what turned out to be old.
 */
import {
  type Api,
  apis,
  type BodyOf,
  type InputOf,
  KafkaError,
  kafkaErrorOf,
  type Message,
} from '@odradek/protocol';
import { type Environment, millis } from '@odradek/runtime';
import type { BrokerConnection } from '../connection/broker-connection-host.ts';
import type { MetadataSource } from '../discovery/source.ts';
import { ClientMisuse, RequestTimedOut } from '../errors.ts';
import type { TopicPartition } from '../topic-partition.ts';
import { type ClusterUpdate, ClusterView, type TopicView } from './cluster-view.ts';
import type { Connections, Purpose } from './connections-host.ts';
import { decideRetry, lastWord } from './retry.ts';

const CHANCES = 1_000;
const GROUP_KEY = 0;
const TRANSACTION_KEY = 1;
/** One key per request: v4 on would take several. */
const FIND_COORDINATOR_VERSION_MAX = 3;

/** Whom a call is for; `group` and `transaction` mean the broker that coordinates it. */
export type Target =
  | { readonly kind: 'any' }
  | { readonly kind: 'controller' }
  | { readonly kind: 'broker'; readonly id: number }
  | { readonly kind: 'group' | 'transaction'; readonly id: string };

export interface CallOptions<Req extends Message<unknown>, Res extends Message<unknown>> {
  readonly target: Target;
  readonly api: Api<Req, Res>;
  readonly body: (version: number) => InputOf<Req>;
  /** The code that decides over success and retry; 0 unless given. */
  readonly codeOf?: (response: BodyOf<Res>) => number;
  readonly messageOf?: (response: BodyOf<Res>) => string | null;
  readonly maxVersion?: number;
  readonly purpose?: Purpose;
  /** With all retries, ms. */
  readonly timeoutMs?: number;
  /** One attempt, ms; the client's request time-out unless given. */
  readonly requestTimeoutMs?: number;
}

export interface ClusterOptions {
  readonly environment: Environment;
  readonly source: MetadataSource;
  readonly connections: Connections;
  /** For a call with all its retries, ms. */
  readonly callTimeoutMs: number;
}

export class Cluster {
  readonly environment: Environment;
  readonly view = new ClusterView();
  readonly #source: MetadataSource;
  readonly #connections: Connections;
  readonly #callTimeoutMs: number;
  readonly #listeners = new Set<() => void>();
  readonly #coordinators = new Map<string, number>();
  readonly #pauses = new Set<() => void>();
  /** Topics the next refresh is to cover; null in it stands for all. */
  #wanted: { readonly topics: Set<string | null>; create: boolean } | null = null;
  #refreshing: Promise<void> | null = null;
  #nextRefresh: Promise<void> | null = null;
  #consumerCount = 0;
  #isClosed = false;

  constructor({ environment, source, connections, callTimeoutMs }: ClusterOptions) {
    this.environment = environment;
    this.#source = source;
    this.#connections = connections;
    this.#callTimeoutMs = callTimeoutMs;
    source.onUpdate((update) => this.#learn(update));
  }

  /** Called after the view changed. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Asks the source; calls that come while it is asked share the next question.
   * @param topics null for all
   */
  refresh(topics: readonly string[] | null, allowAutoTopicCreation = false): Promise<void> {
    this.#wanted ??= { topics: new Set(), create: false };
    for (const topic of topics ?? [null]) this.#wanted.topics.add(topic);
    this.#wanted.create ||= allowAutoTopicCreation;
    // One in flight and one that waits: whoever comes now may not be covered by the first.
    const ahead = this.#refreshing?.catch(() => undefined) ?? Promise.resolve();
    this.#nextRefresh ??= ahead.then(() => {
      this.#nextRefresh = null;
      this.#refreshing = this.#refreshNow();
      return this.#refreshing;
    });
    return this.#nextRefresh;
  }

  /**
   * The topic, asked for until it is there.
   * @throws KafkaError when it is not, or may not be described
   */
  async topic(
    name: string,
    options: { readonly allowAutoTopicCreation: boolean; readonly timeoutMs?: number },
  ): Promise<TopicView> {
    const known = this.view.topic(name);
    if (known !== undefined && known.error === null) return known;
    return await this.#retrying(options.timeoutMs, async () => {
      await this.refresh([name], options.allowAutoTopicCreation);
      const topic = this.view.topic(name);
      if (topic !== undefined && topic.error === null) return topic;
      throw new KafkaError(topic?.error ?? 'UNKNOWN_TOPIC_OR_PARTITION', `topic ${name}`);
    });
  }

  /** null while the partition has no leader, or none that is known to live. */
  leaderOf(partition: TopicPartition): number | null {
    const leader = this.view.partition(partition)?.leader ?? -1;
    return leader >= 0 && this.view.broker(leader) !== undefined ? leader : null;
  }

  /** @throws ConnectFailed; KafkaError BROKER_NOT_AVAILABLE for a broker nobody knows */
  async connectionTo(brokerId: number, purpose: Purpose): Promise<BrokerConnection> {
    const broker = this.view.broker(brokerId);
    if (broker === undefined)
      throw new KafkaError('LEADER_NOT_AVAILABLE', `broker ${brokerId} is not known to live`);
    return await this.#connections.to(broker, purpose);
  }

  /**
   * Sends a request to whom it is for and tries again while that can help and time is left.
   * @throws KafkaError of the code that `codeOf` gives
   */
  async call<Req extends Message<unknown>, Res extends Message<unknown>>(
    options: CallOptions<Req, Res>,
  ): Promise<BodyOf<Res>> {
    return await this.#retrying(
      options.timeoutMs,
      (timeLeftMs) => this.#attempt(options, timeLeftMs),
      () => this.forgetCoordinator(options.target),
      // Kafka does not count NOT_CONTROLLER among the signs of old metadata, but that is what it is.
      options.target.kind === 'controller',
    );
  }

  /** As `call`, but a single attempt: for callers that keep order among their own attempts. */
  async callOnce<Req extends Message<unknown>, Res extends Message<unknown>>(
    options: CallOptions<Req, Res>,
  ): Promise<BodyOf<Res>> {
    const deadline = this.environment.clock.now() + (options.timeoutMs ?? this.#callTimeoutMs);
    return await this.#within(deadline, (timeLeftMs) => this.#attempt(options, timeLeftMs));
  }

  /** A number for the purposes of one more consumer. */
  nextConsumerNumber(): number {
    this.#consumerCount += 1;
    return this.#consumerCount;
  }

  /** Closes a consumer's own connections. */
  releaseConsumer(number: number): void {
    this.#connections.release([`fetch ${number}`, `group ${number}`, `heartbeat ${number}`]);
  }

  /** The next call to this coordinator looks for it again. */
  forgetCoordinator(target: Target): void {
    if (target.kind === 'group' || target.kind === 'transaction')
      this.#coordinators.delete(`${target.kind} ${target.id}`);
  }

  /** The id of the broker that coordinates the group. */
  async coordinatorOf(groupId: string): Promise<number> {
    return await this.#retrying(undefined, () =>
      this.#findCoordinator({ kind: 'group', id: groupId }),
    );
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const resume of this.#pauses) resume();
    this.#connections.close();
    await this.#source.close();
  }

  /** Resolves after the span, or at once when the client is closed. */
  pause(spanMs: number): Promise<void> {
    const { clock, timers } = this.environment;
    return new Promise((resolve) => {
      const done = (): void => {
        this.#pauses.delete(done);
        disarm();
        resolve();
      };
      const disarm = timers.wakeAt(millis(clock.now() + spanMs), done);
      this.#pauses.add(done);
    });
  }

  /** Uniformly in [0, 1). */
  chance(): number {
    return this.environment.random.below(CHANCES) / CHANCES;
  }

  async #attempt<Req extends Message<unknown>, Res extends Message<unknown>>(
    options: CallOptions<Req, Res>,
    timeLeftMs: number,
  ): Promise<BodyOf<Res>> {
    const { target, api } = options;
    const connection = await this.#connectionFor(target, options.purpose ?? 'general');
    const version = connection.versionOf(api, options.maxVersion);
    const response = await connection.send(api, version, options.body(version), {
      timeoutMs: Math.min(timeLeftMs, options.requestTimeoutMs ?? timeLeftMs),
    });
    const code = options.codeOf?.(response) ?? 0;
    if (code !== 0)
      throw new KafkaError(kafkaErrorOf(code), options.messageOf?.(response) ?? api.name);
    return response;
  }

  async #retrying<T>(
    timeoutMs: number | undefined,
    attempt: (timeLeftMs: number) => Promise<T>,
    failed: () => void = () => undefined,
    mustRefresh = false,
  ): Promise<T> {
    const { clock } = this.environment;
    const patienceMs = timeoutMs ?? this.#callTimeoutMs;
    const deadline = clock.now() + patienceMs;
    let earlier: Error | null = null;
    for (let failures = 1; ; failures += 1) {
      if (this.#isClosed) throw new ClientMisuse('the client is closed');
      try {
        return await this.#within(deadline, attempt);
      } catch (error) {
        failed();
        const timeLeftMs = deadline - clock.now();
        const decision = decideRetry({ error, failures, timeLeftMs, chance: this.chance() });
        if (decision.kind === 'fail' || this.#isClosed) throw lastWord(error, earlier, patienceMs);
        if (error instanceof Error && !(error instanceof RequestTimedOut)) earlier = error;
        await this.pause(decision.afterMs);
        // What the refresh does not bring is found out by the next attempt.
        if (decision.refreshMetadata || mustRefresh) await this.refresh([]).catch(() => undefined);
      }
    }
  }

  /** No attempt outlives the caller's patience, whatever it waits for. */
  async #within<T>(deadlineMs: number, attempt: (timeLeftMs: number) => Promise<T>): Promise<T> {
    const { clock, timers } = this.environment;
    const timeLeftMs = Math.max(deadlineMs - clock.now(), 1);
    return await new Promise<T>((resolve, reject) => {
      const disarm = timers.wakeAt(millis(clock.now() + timeLeftMs), () =>
        reject(new RequestTimedOut(`no answer within ${Math.round(timeLeftMs)} ms`)),
      );
      attempt(timeLeftMs).then(resolve, reject).finally(disarm);
    });
  }

  async #connectionFor(target: Target, purpose: Purpose): Promise<BrokerConnection> {
    switch (target.kind) {
      case 'broker':
        if (this.view.broker(target.id) === undefined) await this.refresh([]);
        return await this.connectionTo(target.id, purpose);
      case 'controller':
        if (this.view.controllerId < 0) await this.refresh([]);
        if (this.view.controllerId < 0)
          throw new KafkaError('LEADER_NOT_AVAILABLE', 'the cluster has no controller now');
        return await this.connectionTo(this.view.controllerId, purpose);
      case 'any':
        return await this.#anyConnection(purpose);
      case 'group':
      case 'transaction':
        return await this.connectionTo(await this.#findCoordinator(target), purpose);
    }
  }

  async #anyConnection(purpose: Purpose): Promise<BrokerConnection> {
    if (this.view.brokers.length === 0) await this.refresh([]);
    const { brokers } = this.view;
    const broker = brokers[this.environment.random.below(Math.max(brokers.length, 1))];
    if (broker === undefined) throw new KafkaError('LEADER_NOT_AVAILABLE', 'no broker is alive');
    return await this.#connections.to(broker, purpose);
  }

  async #findCoordinator(target: Target & { kind: 'group' | 'transaction' }): Promise<number> {
    const key = `${target.kind} ${target.id}`;
    const known = this.#coordinators.get(key);
    if (known !== undefined) return known;
    const connection = await this.#anyConnection('general');
    const version = connection.versionOf(apis.findCoordinator, FIND_COORDINATOR_VERSION_MAX);
    const { errorCode, errorMessage, nodeId } = await connection.send(
      apis.findCoordinator,
      version,
      {
        key: target.id,
        ...(version >= 1 ? { keyType: target.kind === 'group' ? GROUP_KEY : TRANSACTION_KEY } : {}),
      },
    );
    if (errorCode !== 0)
      throw new KafkaError(kafkaErrorOf(errorCode), errorMessage || `coordinator of ${target.id}`);
    if (this.view.broker(nodeId) === undefined) await this.refresh([]);
    this.#coordinators.set(key, nodeId);
    return nodeId;
  }

  async #refreshNow(): Promise<void> {
    const wanted = this.#wanted;
    this.#wanted = null;
    if (wanted === null) return;
    const names = wanted.topics.has(null)
      ? null
      : [...wanted.topics].filter((name) => name !== null);
    this.#learn(await this.#source.fetch({ topics: names, allowAutoTopicCreation: wanted.create }));
  }

  #learn(update: ClusterUpdate): void {
    if (this.#isClosed) return;
    this.view.apply(update);
    for (const listener of [...this.#listeners]) listener();
  }
}
