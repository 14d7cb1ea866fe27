/**
 * Planted bugs: what the checkers must find, or they are worth nothing. Each is a change of the source, made while
 * it is loaded, in a process of its own; there are no hooks for it in the servers. Where the servers hold something
 * by more than one guard, a bug takes more than one change.
 *
 * `from` stands exactly once in its file; a test holds that, and that each mutant is caught.
 */
import type { Topology } from './ensemble/plan.ts';

export interface SourceChange {
  /** Under packages/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  readonly name: string;
  /** What is wrong then, in one sentence. */
  readonly bug: string;
  readonly changes: readonly SourceChange[];
  /** Where it shows; null: anywhere. */
  readonly topology: Topology | null;
  /** Within how many seeds it must be found. */
  readonly seedsMax: number;
}

export const mutants: readonly Mutant[] = [
  {
    name: 'answer-before-sync',
    bug: 'the log calls records durable that are only written',
    changes: [
      {
        file: 'coord/src/storage/log-writer.ts',
        from: "return this.#settings.forceSync ? 'durable' : 'write';",
        to: "return 'write';",
      },
    ],
    topology: 'standalone',
    seedsMax: 40,
  },
  {
    name: 'watch-twice',
    bug: 'a watch stays after it has fired',
    changes: [
      {
        file: 'coord/src/core/watch/watch-index.ts',
        from: '    this.#byPath.delete(path);\n    for (const watcher of each(watchers)) this.#drop(path, watcher);\n',
        to: '',
      },
    ],
    topology: null,
    seedsMax: 60,
  },
  {
    name: 'read-before-own-write',
    bug: 'a read does not wait for the writes that its session asked for before',
    changes: [
      {
        file: 'coord/src/server/client-connection.ts',
        from: 'if (this.#order.length === 0) {\n      this.#read(',
        to: 'if (this.#order.length >= 0) {\n      this.#read(',
      },
    ],
    topology: null,
    seedsMax: 20,
  },
  {
    name: 'expiry-lost',
    bug: 'a session that fell silent is forgotten without being ended',
    changes: [
      {
        file: 'coord/src/server/session-host.ts',
        from: "writes().submit({ kind: 'closeSession' }, { sessionId, identities: [] }, null, null);",
        to: '',
      },
    ],
    topology: null,
    seedsMax: 60,
  },
  {
    name: 'leader-counts-itself-early',
    bug: 'the leader counts its own vote for a proposal before its disk has it',
    changes: [
      {
        file: 'coord/src/core/quorum/leader.ts',
        from: '    this.#proposedZxid = zxid;\n    if (change !== null)',
        to: '    this.#proposedZxid = zxid;\n    this.#self.ackedZxid = zxid;\n    if (change !== null)',
      },
    ],
    topology: 'heavy',
    seedsMax: 40,
  },
  {
    name: 'acknowledge-before-sync',
    bug: 'a proposal is acknowledged when the log has it, not when the disk has',
    changes: [
      {
        file: 'coord/src/replica/replicated-log.ts',
        from: 'storage.log.append(entry.record, entry.zxid, this.#onDurable, this.#onFailed);',
        to: 'storage.log.append(entry.record, entry.zxid, () => {}, this.#onFailed);\n    queueMicrotask(this.#onDurable);',
      },
    ],
    topology: 'three',
    seedsMax: 120,
  },
  {
    name: 'servers-instead-of-weights',
    bug: 'a quorum is counted in servers instead of votes',
    changes: [
      {
        file: 'coord/src/core/quorum/rules.ts',
        from: 'sums[group] = (sums[group] ?? 0) + (this.#weights[id] ?? 0);',
        to: 'sums[group] = (sums[group] ?? 0) + 1;',
      },
    ],
    topology: 'twoSites',
    seedsMax: 60,
  },
  {
    name: 'no-truncation',
    bug: 'a learner keeps what the leader wants cut from its log',
    changes: [
      {
        file: 'coord/src/replica/learner-host.ts',
        from: 'isReloading = await log.truncate(zxid);',
        to: 'isReloading = false;',
      },
    ],
    topology: 'three',
    seedsMax: 120,
  },
  {
    name: 'commit-before-quorum',
    bug: 'a proposal is committed when the first disk has it',
    changes: [
      {
        file: 'coord/src/core/quorum/leader.ts',
        from: 'if (rules.isQuorum(ids)) return ackedZxid;',
        to: 'if (ids.length > 0) return ackedZxid;',
      },
    ],
    topology: 'three',
    seedsMax: 60,
  },
  {
    name: 'missed-change-not-told',
    bug: 'a client that comes back is not told what changed meanwhile',
    changes: [
      {
        file: 'coord/src/core/watch/catch-up.ts',
        from: 'else if (node.mzxid > held.relativeZxid) tell(eventTypes.dataChanged, path);\n',
        to: '',
      },
    ],
    topology: null,
    seedsMax: 80,
  },
  {
    name: 'moved-session-writes',
    bug: 'a write that a client left behind on its old server is carried out after newer ones',
    changes: [
      {
        file: 'coord/src/server/write-path.ts',
        from: 'preparer.prepare(isOwner ? asked : sessionMoved, requester, zxid);',
        to: 'preparer.prepare(asked, requester, zxid);',
      },
    ],
    topology: 'three',
    seedsMax: 60,
  },
  {
    name: 'old-epoch',
    bug: 'a leader goes on in an epoch that is promised already, and learners accept it once more',
    changes: [
      {
        file: 'coord/src/core/quorum/leader.ts',
        from: 'this.#epoch = highest + 1;',
        to: 'this.#epoch = Math.max(highest, 1);',
      },
      {
        file: 'coord/src/core/quorum/learner.ts',
        from: 'if (epoch === this.#acceptedEpoch) {',
        to: 'if (epoch < 0) {',
      },
    ],
    topology: 'three',
    seedsMax: 40,
  },
];
