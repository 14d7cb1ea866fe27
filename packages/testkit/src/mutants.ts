/**
 * Planted bugs: what the checkers must find, or they are worth nothing. Each is one change of the source, made
 * while it is loaded, in a process of its own; there are no hooks for it in the servers.
 *
 * `from` stands exactly once in its file; a test holds that, and that each mutant is caught.
 */
import type { Topology } from './ensemble/plan.ts';

export interface Mutant {
  readonly name: string;
  /** What is wrong then, in one sentence. */
  readonly bug: string;
  /** Under packages/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** Where it shows; null: anywhere. */
  readonly topology: Topology | null;
  /** Within how many seeds it must be found. */
  readonly seedsMax: number;
}

export const mutants: readonly Mutant[] = [
  {
    name: 'answer-before-sync',
    bug: 'the log calls records durable that are only written',
    file: 'coord/src/storage/log-writer.ts',
    from: "return this.#settings.forceSync ? 'durable' : 'write';",
    to: "return 'write';",
    topology: 'standalone',
    seedsMax: 60,
  },
  {
    name: 'watch-twice',
    bug: 'a watch stays after it has fired',
    file: 'coord/src/core/watch/watch-index.ts',
    from: `    this.#byPath.delete(path);
    for (const watcher of each(watchers)) this.#drop(path, watcher);
`,
    to: '',
    topology: null,
    seedsMax: 40,
  },
  {
    name: 'read-before-own-write',
    bug: 'a read does not wait for the writes that its session asked for before',
    file: 'coord/src/server/client-connection.ts',
    from: 'if (this.#order.length === 0) {\n      this.#read(',
    to: 'if (this.#order.length >= 0) {\n      this.#read(',
    topology: null,
    seedsMax: 40,
  },
  {
    name: 'expiry-lost',
    bug: 'a session that fell silent is forgotten without being ended',
    file: 'coord/src/server/session-host.ts',
    from: "writes().submit({ kind: 'closeSession' }, { sessionId, identities: [] }, null, null);",
    to: '',
    topology: null,
    seedsMax: 60,
  },
];
