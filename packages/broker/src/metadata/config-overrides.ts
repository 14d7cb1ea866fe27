/**
 * Settings that lie in the coordination service: those of topics, and those that were given to
 * brokers while they ran. Read at the start, then again whenever /config/changes announces a change.
 *
 * A topic that is new to this broker is read when it is first heard of, because creating a topic
 * with settings announces nothing. What settings mean is in `config/`.
 */
import type { Watcher } from '@odradek/client';
import type { Clock, Log } from '@odradek/runtime';
import { type Coordination, hasCode, inPortions, persist } from './coordination.ts';
import { MalformedZnode } from './znode-json.ts';
import { type ConfigType, DEFAULT_ENTITY, paths, sequenceOf } from './znode-paths.ts';
import { decodeConfig, decodeConfigChange, encodeConfig, encodeConfigChange } from './znodes.ts';

/** Notifications older than this are removed: every broker has seen them, or reads all anew. */
const NOTIFICATION_LIFE_MS = 15 * 60_000;

export type Settings = ReadonlyMap<string, string>;
const NONE: Settings = new Map();

export interface ConfigOverridesOptions {
  readonly brokerId: number;
  readonly session: Coordination;
  readonly clock: Clock;
  readonly log: Log;
}

export type ConfigChangeListener = (
  change: { readonly kind: 'topic'; readonly topic: string } | { readonly kind: 'broker' },
) => void;

export class ConfigOverrides {
  readonly #options: ConfigOverridesOptions;
  readonly #session: Coordination;
  readonly #topics = new Map<string, Settings>();
  #ofBroker: Settings = NONE;
  #ofAllBrokers: Settings = NONE;
  readonly #listeners = new Set<ConfigChangeListener>();
  #lastSequence = -1;
  #isFollowing = false;
  #isClosed = false;
  #followAgain = false;
  readonly #watcher: Watcher = ({ kind }) => {
    if (kind !== 'session') this.#follow();
  };

  constructor(options: ConfigOverridesOptions) {
    this.#options = options;
    this.#session = options.session;
  }

  /** What the topic sets itself; empty when nothing, or when the topic is not known. */
  ofTopic(topic: string): Settings {
    return this.#topics.get(topic) ?? NONE;
  }

  /** What was set for this broker alone. */
  get ofBroker(): Settings {
    return this.#ofBroker;
  }

  /** What was set for all brokers. */
  get ofAllBrokers(): Settings {
    return this.#ofAllBrokers;
  }

  onChange(listener: ConfigChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads everything; to be called before the first use and in every new session. */
  async load(): Promise<void> {
    const listed = await this.#session.children(paths.configsOf('topics'));
    await inPortions(listed?.names ?? [], (topic) => this.#readTopic(topic));
    await this.#readBrokers();
    await this.#readChanges();
  }

  /** Reads the settings of topics that were not heard of before. */
  async prepare(topics: readonly string[]): Promise<void> {
    await inPortions(
      topics.filter((topic) => !this.#topics.has(topic)),
      (topic) => this.#readTopic(topic),
    );
  }

  /** A topic is gone; one of the same name that comes later is another one. */
  forget(topic: string): void {
    this.#topics.delete(topic);
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
  }

  /** Stores the settings of an entity, replacing what it had, and announces the change. */
  async store(type: ConfigType, name: string, settings: Settings): Promise<void> {
    await this.storeQuietly(type, name, settings);
    const change = encodeConfigChange(`${type}/${name}`);
    const path = paths.configChangePrefix;
    await persist(this.#session, () => this.#session.create(path, change, { sequential: true }));
  }

  /** The same for an entity that nobody has heard of yet. */
  async storeQuietly(type: ConfigType, name: string, settings: Settings): Promise<void> {
    const path = paths.configOf(type, name);
    const data = encodeConfig(settings);
    for (;;) {
      try {
        await persist(this.#session, () => this.#session.set(path, data));
        return;
      } catch (error) {
        if (!hasCode(error, 'NO_NODE')) throw error;
      }
      try {
        await persist(this.#session, () => this.#session.create(path, data));
        return;
      } catch (error) {
        if (!hasCode(error, 'NODE_EXISTS')) throw error;
      }
    }
  }

  async #readTopic(topic: string): Promise<void> {
    const settings = await this.#read('topics', topic);
    const before = this.#topics.get(topic);
    this.#topics.set(topic, settings);
    if (before === undefined && settings.size === 0) return;
    if (before === undefined || !sameSettings(before, settings))
      this.#tell({ kind: 'topic', topic });
  }

  async #readBrokers(): Promise<void> {
    const own = await this.#read('brokers', String(this.#options.brokerId));
    const all = await this.#read('brokers', DEFAULT_ENTITY);
    const same = sameSettings(own, this.#ofBroker) && sameSettings(all, this.#ofAllBrokers);
    this.#ofBroker = own;
    this.#ofAllBrokers = all;
    if (!same) this.#tell({ kind: 'broker' });
  }

  async #read(type: ConfigType, name: string): Promise<Settings> {
    const path = paths.configOf(type, name);
    const node = await this.#session.get(path);
    if (node === null) return NONE;
    try {
      return decodeConfig(path, node.data);
    } catch (error) {
      if (!(error instanceof MalformedZnode)) throw error;
      this.#options.log.error('ignoring damaged settings', { reason: error.message });
      return NONE;
    }
  }

  #follow(): void {
    if (this.#isClosed) return;
    if (this.#isFollowing) {
      this.#followAgain = true;
      return;
    }
    this.#isFollowing = true;
    this.#readChanges().then(
      () => this.#followed(),
      (error: unknown) => {
        this.#options.log.warn('reading config changes failed', { reason: String(error) });
        this.#followed();
      },
    );
  }

  #followed(): void {
    this.#isFollowing = false;
    if (!this.#followAgain) return;
    this.#followAgain = false;
    this.#follow();
  }

  async #readChanges(): Promise<void> {
    const listed = await this.#session.children(paths.configChanges, this.#watcher);
    const names = (listed?.names ?? []).filter((name) => sequenceOf(name) !== null).sort();
    const entities = new Set<string>();
    for (const name of names) {
      const path = `${paths.configChanges}/${name}`;
      const node = await this.#session.get(path);
      if (node === null) continue;
      const sequence = sequenceOf(name) ?? -1;
      if (sequence > this.#lastSequence) entities.add(this.#changedEntity(path, node.data));
      this.#lastSequence = Math.max(this.#lastSequence, sequence);
      if (this.#options.clock.wallTime() - node.stat.ctime > NOTIFICATION_LIFE_MS)
        await this.#removeNotification(path);
    }
    for (const entity of entities) await this.#readEntity(entity);
  }

  #changedEntity(path: string, data: Buffer): string {
    try {
      return decodeConfigChange(path, data);
    } catch (error) {
      if (!(error instanceof MalformedZnode)) throw error;
      this.#options.log.error('ignoring a damaged notification', { reason: error.message });
      return '';
    }
  }

  async #readEntity(entity: string): Promise<void> {
    const [type, name, ...rest] = entity.split('/');
    if (name === undefined || rest.length > 0) return;
    if (type === 'topics') await this.#readTopic(name);
    else if (type === 'brokers') await this.#readBrokers();
  }

  async #removeNotification(path: string): Promise<void> {
    try {
      await this.#session.remove(path);
    } catch (error) {
      if (!hasCode(error, 'NO_NODE', 'CONNECTION_LOSS')) throw error; // Another broker was faster.
    }
  }

  #tell(change: Parameters<ConfigChangeListener>[0]): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function sameSettings(left: Settings, right: Settings): boolean {
  if (left.size !== right.size) return false;
  for (const [key, value] of left) if (right.get(key) !== value) return false;
  return true;
}
