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
  {
    name: 'leader-counts-itself-early',
    bug: 'the leader counts its own vote for a proposal before its disk has it',
    file: 'coord/src/core/quorum/leader.ts',
    from: '    this.#proposedZxid = zxid;\n    if (change !== null)',
    to: '    this.#proposedZxid = zxid;\n    this.#self.ackedZxid = zxid;\n    if (change !== null)',
    topology: 'three',
    seedsMax: 200,
  },
  {
    name: 'acknowledge-before-sync',
    bug: 'a proposal is acknowledged when the log has it, not when the disk has',
    file: 'coord/src/replica/replicated-log.ts',
    from: 'storage.log.append(entry.record, entry.zxid, this.#onDurable, this.#onFailed);',
    to: 'storage.log.append(entry.record, entry.zxid, () => {}, this.#onFailed);\n    queueMicrotask(this.#onDurable);',
    topology: 'three',
    seedsMax: 100,
  },
  {
    name: 'servers-instead-of-weights',
    bug: 'a quorum is counted in servers instead of votes',
    file: 'coord/src/core/quorum/rules.ts',
    from: 'sums[group] = (sums[group] ?? 0) + (this.#weights[id] ?? 0);',
    to: 'sums[group] = (sums[group] ?? 0) + 1;',
    topology: 'twoSites',
    seedsMax: 40,
  },
  {
    name: 'no-truncation',
    bug: 'a learner keeps what the leader wants cut from its log',
    file: 'coord/src/replica/learner-host.ts',
    from: 'isReloading = await log.truncate(zxid);',
    to: 'isReloading = false;',
    topology: 'three',
    seedsMax: 200,
  },
  {
    name: 'promise-forgotten',
    bug: 'the promise to follow nobody of an earlier epoch does not outlive a restart',
    file: 'coord/src/replica/mark-keeper.ts',
    from: 'await this.#storage.saveMark(raised);',
    to: 'await this.#storage.saveMark({ ...raised, acceptedEpoch: raised.currentEpoch });',
    topology: 'three',
    seedsMax: 400,
  },
  {
    name: 'commit-before-quorum',
    bug: 'a proposal is committed when the first disk has it',
    file: 'coord/src/core/quorum/leader.ts',
    from: 'if (rules.isQuorum(ids)) return ackedZxid;',
    to: 'if (ids.length > 0) return ackedZxid;',
    topology: 'three',
    seedsMax: 100,
  },
  {
    name: 'epoch-before-history',
    bug: 'a learner makes the new epoch its own before the history of it is on its disk',
    file: 'coord/src/core/quorum/learner.ts',
    from: '    if (this.#durableZxid < this.#historyEnd) return [];\n    const epoch',
    to: '    const epoch',
    topology: 'three',
    seedsMax: 400,
  },
  {
    name: 'sync-without-quorum',
    bug: 'a leader that may have been replaced confirms that it leads',
    file: 'coord/src/core/quorum/leader.ts',
    from: '    if (!this.#isQuorum(ids)) return [];\n    this.#confirmPing = null;',
    to: '    this.#confirmPing = null;',
    topology: 'three',
    seedsMax: 400,
  },
  {
    name: 'serve-too-early',
    bug: 'a learner shows what may never be committed',
    file: 'coord/src/core/quorum/learner.ts',
    from: '    if (this.#committedZxid < this.#servableZxid) return [];\n',
    to: '',
    topology: 'three',
    seedsMax: 400,
  },
  {
    name: 'missed-change-not-told',
    bug: 'a client that comes back is not told what changed meanwhile',
    file: 'coord/src/core/watch/catch-up.ts',
    from: 'else if (node.mzxid > held.relativeZxid) tell(eventTypes.dataChanged, path);\n',
    to: '',
    topology: null,
    seedsMax: 60,
  },
  {
    name: 'moved-session-writes',
    bug: 'a write that a client left behind on its old server is carried out after newer ones',
    file: 'coord/src/server/write-path.ts',
    from: 'preparer.prepare(isOwner ? asked : sessionMoved, requester, zxid);',
    to: 'preparer.prepare(asked, requester, zxid);',
    topology: 'three',
    seedsMax: 400,
  },
];
