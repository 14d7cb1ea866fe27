/**
 * Discovery through brokers: asks Metadata of any broker that answers, those known from the last
 * answer first, the addresses given at the start after them.
 */
import { apis } from '@odradek/protocol';
import type { Environment } from '@odradek/runtime';
import type { Broker, ClusterUpdate } from '../cluster/cluster-view.ts';
import type { Address, Connections } from '../cluster/connections-host.ts';
import { LimitReached } from '../errors.ts';
import { updateOfMetadata } from './metadata-answer.ts';
import type { MetadataQuery, MetadataSource } from './source.ts';

/** Brokers asked in one attempt; the caller tries again by its own policy. */
const BROKERS_TRIED_MAX = 6;
/** Topics by name; v13 adds nothing we use. */
const METADATA_VERSION_MAX = 12;

export class BootstrapSource implements MetadataSource {
  readonly #seeds: () => Promise<readonly Address[]>;
  readonly #connections: Connections;
  readonly #random: Environment['random'];
  #known: readonly Broker[] = [];

  /** @param seeds asked for when no known broker answers */
  constructor(
    seeds: () => Promise<readonly Address[]>,
    connections: Connections,
    random: Environment['random'],
  ) {
    this.#seeds = seeds;
    this.#connections = connections;
    this.#random = random;
  }

  async fetch(query: MetadataQuery): Promise<ClusterUpdate> {
    let failure: unknown = new LimitReached('no broker is known to ask');
    let tried = 0;
    for (const seeds of [() => this.#known, this.#seeds])
      for (const address of this.#rotated(await seeds())) {
        if (tried >= BROKERS_TRIED_MAX) throw failure;
        tried += 1;
        try {
          return await this.#ask(address, query);
        } catch (error) {
          failure = error;
        }
      }
    throw failure;
  }

  onUpdate(): void {
    // Brokers tell only what they are asked.
  }

  async close(): Promise<void> {
    // The connections are the client's.
  }

  async #ask(address: Address, query: MetadataQuery): Promise<ClusterUpdate> {
    const connection = await this.#connections.to(address, 'general');
    const version = connection.versionOf(apis.metadata, METADATA_VERSION_MAX);
    const response = await connection.send(apis.metadata, version, {
      topics: query.topics?.map((name) => ({ name })) ?? (version === 0 ? [] : null),
      ...(version >= 4 ? { allowAutoTopicCreation: query.allowAutoTopicCreation } : {}),
    });
    const update = updateOfMetadata(response);
    if (update.brokers !== null && update.brokers.length > 0) this.#known = update.brokers;
    return update;
  }

  /** Begins anywhere, so that many clients spread over the brokers. */
  #rotated<T>(items: readonly T[]): readonly T[] {
    if (items.length < 2) return items;
    const start = this.#random.below(items.length);
    return [...items.slice(start), ...items.slice(0, start)];
  }
}
