/**
 * The follower's side of an incremental fetch session (KIP-227): what of all that is followed has to be
 * said in the next request, because the source does not know it yet. Pure.
 *
 *   no session --answer with an id--> session --the source says it is gone, a lost answer--> no session
 *
 * Without a session everything is said, and a session is asked for; a session that the source may still
 * have is named so that it ends. The source decides whether there is one: id 0 means that it has no room.
 * Its side is fetch-sessions.ts.
 */
import type { fetchRequest, InputOf } from '@odradek/protocol';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import { epochAfter } from './fetch-sessions.ts';

type FetchInput = InputOf<typeof fetchRequest>;
type TopicInput = FetchInput['topics'][number];
type ForgottenTopic = NonNullable<FetchInput['forgottenTopicsData']>[number];

const NO_SESSION = 0;
const NEW_SESSION_EPOCH = 0;

/** Where one partition is to be fetched from. */
export interface Position {
  /** The same object for the same replica: what is told is remembered by it. */
  readonly replica: object;
  readonly topic: string;
  /** null for a topic that has none. */
  readonly topicId: string | null;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly leaderEpoch: number;
  readonly lastFetchedEpoch: number;
  readonly logStartOffset: number;
}

/** What a request says of its session and partitions. */
export type SessionRequest = Pick<
  FetchInput,
  'sessionId' | 'sessionEpoch' | 'topics' | 'forgottenTopicsData'
>;

interface Told {
  position: Position;
  /** Number of the request that asked for it last. */
  request: number;
}

/** A list that grows while it is made. */
type Growing<T> = T extends readonly (infer Item)[] ? Item[] : never;

export class SourceSession {
  readonly #partitionMaxBytes: number;
  #id = NO_SESSION;
  #epoch = NEW_SESSION_EPOCH;
  #byTopicId = false;
  /** What the source knows in this session, by replica. */
  #told = new Map<object, Told>();
  #request = 0;

  /** @param partitionMaxBytes of each partition */
  constructor(partitionMaxBytes: number) {
    this.#partitionMaxBytes = partitionMaxBytes;
  }

  /**
   * The next request for exactly `positions`.
   * @param byTopicId topics go by id, in place of their name; then all have one
   */
  next(positions: readonly Position[], byTopicId: boolean): SessionRequest {
    if (byTopicId !== this.#byTopicId) this.reset();
    this.#byTopicId = byTopicId;
    this.#request += 1;
    const topics = new Map<
      string,
      TopicInput & { partitions: Growing<TopicInput['partitions']> }
    >();
    for (const position of positions) {
      if (!this.#isNews(position)) continue;
      const { topic, topicId, partition } = position;
      const name = (byTopicId ? topicId : topic) ?? topic;
      let group = topics.get(name);
      if (group === undefined) {
        group = { ...this.#named(topic, topicId), partitions: [] };
        topics.set(name, group);
      }
      group.partitions.push({
        partition,
        currentLeaderEpoch: position.leaderEpoch,
        fetchOffset: position.fetchOffset,
        lastFetchedEpoch: position.lastFetchedEpoch,
        logStartOffset: position.logStartOffset,
        partitionMaxBytes: this.#partitionMaxBytes,
      });
    }
    return {
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      topics: [...topics.values()],
      forgottenTopicsData: this.#told.size > positions.length ? this.#forgotten(positions) : [],
    };
  }

  /** The source has answered a request, without an error of the request as a whole. */
  answered(sessionId: number): void {
    const isNew = this.#epoch === NEW_SESSION_EPOCH;
    if (sessionId === NO_SESSION || (!isNew && sessionId !== this.#id)) {
      this.reset();
      this.#id = NO_SESSION;
      return;
    }
    this.#id = sessionId;
    this.#epoch = epochAfter(this.#epoch);
  }

  /** Says everything again, in a new session. The source ends the old one, if it still has it. */
  reset(): void {
    this.#epoch = NEW_SESSION_EPOCH;
    this.#told = new Map();
  }

  #named(topic: string, topicId: string | null): { topic: string; topicId: string } {
    return { topic, topicId: topicId ?? NO_TOPIC_ID };
  }

  /** Takes down that a position is asked for. @returns whether the source has to be told */
  #isNews(position: Position): boolean {
    const told = this.#told.get(position.replica);
    if (told === undefined) {
      this.#told.set(position.replica, { position, request: this.#request });
      return true;
    }
    told.request = this.#request;
    const { position: known } = told;
    const isSame =
      known.fetchOffset === position.fetchOffset &&
      known.leaderEpoch === position.leaderEpoch &&
      known.lastFetchedEpoch === position.lastFetchedEpoch &&
      known.logStartOffset === position.logStartOffset &&
      known.topicId === position.topicId;
    if (isSame) return false;
    told.position = position;
    return true;
  }

  /**
   * What was asked for before and is not asked for now. A replica that was made anew is asked for under
   * the same name, and to forget that would be to forget the new one.
   */
  #forgotten(positions: readonly Position[]): ForgottenTopic[] {
    const asked = new Set(positions.map((position) => this.#nameOf(position)));
    const topics = new Map<string, { topic: string; topicId: string; partitions: number[] }>();
    for (const [replica, { position, request }] of this.#told) {
      if (request === this.#request) continue;
      this.#told.delete(replica);
      if (asked.has(this.#nameOf(position))) continue;
      const named = this.#named(position.topic, position.topicId);
      const key = `${named.topic} ${named.topicId}`;
      const group = topics.get(key) ?? { ...named, partitions: [] };
      topics.set(key, group);
      group.partitions.push(position.partition);
    }
    return [...topics.values()];
  }

  #nameOf({ topic, topicId, partition }: Position): string {
    return `${this.#byTopicId ? topicId : topic}-${partition}`;
  }
}
