/**
 * The seam between replication and what is replicated.
 *
 * Below it (this folder, core/quorum, peers) zxids, epochs and bytes: which transactions exist, in
 * which order, and which of them are certain. Above it (server/) trees, sessions and clients. What is
 * in a record, and what servers tell each other about sessions and requests, is opaque here.
 */
import type { Role } from '../core/quorum/vote.ts';
import type { LogRecord } from '../storage/types.ts';

export type { Role };

/** Whose request became a transaction; lost where an entry comes from a log on disk. */
export interface Origin {
  readonly serverId: number;
  /** Rises with each request of that server, also across its restarts. */
  readonly requestId: number;
}

/** One transaction as it travels between servers. */
export interface LogEntry {
  readonly zxid: bigint;
  /** Must not change while it is here. */
  readonly record: Uint8Array;
  readonly origin: Origin | null;
  /** For a change of members: the text of the ensemble from this transaction on; null for all else. */
  readonly ensembleText: string | null;
}

/** The members, as what was loaded says. A change that is only in the log may not be certain yet. */
export interface LoadedMembers {
  /** As the newest of the transactions says; null when nothing says. */
  readonly ensembleText: string | null;
  /** As it was before the newest one of `records` that changes it; null when none of `records` does. */
  readonly ensembleTextBefore: string | null;
}

/** The tree and the sessions of a server, as replication sees them. Implemented by server/. */
export interface ReplicatedState {
  /** The last applied transaction. */
  readonly appliedZxid: bigint;
  /**
   * Everything anew: at the start, after a snapshot from the leader, or when the log was cut below
   * `appliedZxid`. No client is served meanwhile.
   * @param content as the storage has it; `zxid` is that of the last record
   */
  load(content: {
    readonly snapshot: AsyncIterable<Uint8Array> | null;
    readonly records: AsyncIterable<LogRecord>;
    readonly zxid: bigint;
  }): Promise<LoadedMembers>;
  /**
   * One committed transaction; in order, each once. After a snapshot of the leader's the first ones may be
   * contained in it already, as at a start; no client is served until they are done.
   */
  apply(entry: LogEntry): void;
  /** Where a record is a change of members: the text of the ensemble from it on. For what is read from a disk. */
  ensembleTextOf(record: Uint8Array): string | null;
  /** What a snapshot holds, read while transactions go on being applied. */
  entries(): Iterable<Uint8Array>;
}

/** What the server is told of its role. */
export interface RoleListener {
  /** Leading, with a quorum behind it: clients may be served. */
  leading(leadership: Leadership): void;
  /** Following (or observing) and as far as the leader was: clients may be served. */
  following(link: LeaderLink): void;
  /**
   * No longer: connections of clients are to be closed, whoever waits is not answered, and earlier
   * leaderships and links do nothing from here on. Told once per loss, and not before the first role.
   * @param reason one phrase for the log
   */
  looking(reason: string): void;
  /** These are the members from now on (committed). */
  reconfigured(ensembleText: string): void;
}

/** What one hears of the others while leading. */
export interface LearnerListener {
  /** In the order in which that server told it. */
  told(learnerId: number, bytes: Uint8Array): void;
  gone(learnerId: number): void;
}

/** An established leadership. All calls do nothing once it is over. */
export interface Leadership {
  readonly epoch: number;
  /** Proposals go on after this one: the first has counter 1 of `epoch`. */
  readonly lastZxid: bigint;
  /** To be called once, from within `leading`. */
  listen(listener: LearnerListener): void;
  /**
   * Makes a transaction certain. Zxids are the caller's: each one more than the last.
   * `ReplicatedState.apply` is called with it once it is committed, never from within this call.
   */
  propose(entry: LogEntry): void;
  /** Calls back, in the order of asking, once a quorum has said that nobody else leads. */
  confirm(confirmed: () => void): void;
  /** A message to one learner, in order with the commits that it is sent. */
  tell(learnerId: number, bytes: Uint8Array): void;
  /** Proposed and not committed: the caller's measure for holding requests back. */
  readonly outstandingBytes: number;
  /** Learners that are synchronised, whatever they weigh. */
  learners(): readonly LearnerStatus[];
  /**
   * Why these members cannot be proposed now (their quorum is not in sync, one change is still
   * outstanding, no quorum of the old and the new in common); null: they can.
   */
  refusalOf(ensembleText: string): 'NEW_CONFIG_NO_QUORUM' | 'RECONFIG_IN_PROGRESS' | null;
  stepDown(reason: string): void;
}

export interface LearnerStatus {
  readonly serverId: number;
  readonly isObserver: boolean;
  readonly acknowledgedZxid: bigint;
  /** Of the last answer to a ping, monotonic ms. */
  readonly heardAtMs: number;
}

/** A way to the leader, over which one is up to date. All calls do nothing once it is over. */
export interface LeaderLink {
  readonly leaderId: number;
  readonly epoch: number;
  readonly isObserver: boolean;
  /** To be called once, from within `following`. @param told messages of the leader, in order with commits */
  listen(told: (bytes: Uint8Array) => void): void;
  /** A message to the leader, in order. */
  tell(bytes: Uint8Array): void;
  /** Bytes told that the network has not taken: the caller's measure for holding requests back. */
  readonly unsentBytes: number;
  /** Calls back, in the order of asking, once all that anybody was told of before is applied here. */
  confirm(confirmed: () => void): void;
}

/** For words, metrics and `odradek quorum status`. */
export interface ReplicaStatus {
  readonly role: Role;
  readonly serverId: number;
  /** null while looking. */
  readonly leaderId: number | null;
  readonly acceptedEpoch: number;
  readonly currentEpoch: number;
  /** The last one in the log, certain or not. */
  readonly loggedZxid: bigint;
  readonly committedZxid: bigint;
  readonly ensembleText: string;
  /** Servers that were heard of lately, this one included, and what they weigh. */
  readonly presentIds: readonly number[];
  readonly presentWeight: number;
  readonly totalWeight: number;
  /** One sentence on why there is no leader; null when there is one. */
  readonly obstacle: string | null;
  /** null when not leading. */
  readonly learners: readonly LearnerStatus[] | null;
}
