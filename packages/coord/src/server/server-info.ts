/**
 * What the four-letter words and the admin pages are answered from.
 */
import type { NotedDigest } from '../digest/digest-log.ts';
import type { Json } from './admin/pretty-json.ts';
import type { ConnectionStats } from './connection-stats.ts';
import type { EnsembleView } from './ensemble-view.ts';
import type { LatencyStats } from './server-stats.ts';

/** Clients and agents switch on this: it says which ZooKeeper we answer like. */
export const VERSION = '3.9.5-odradek-0.1.0, built on 2026-11-20 00:00 UTC';

/** One connection as `stat`, `cons` and `dump` show it. */
export interface ConnectionInfo {
  /** `/address:port` */
  readonly peer: string;
  /** 1 while it is read, 4 while it has to be written, 5 for both. */
  readonly interest: number;
  readonly queuedCount: number;
  /** 0 without a session. */
  readonly sessionId: bigint;
  readonly sessionTimeoutMs: number;
  /** Whether it came over TLS. */
  readonly isSecure: boolean;
  /** Monotonic: when it is closed if it has no session by then. */
  readonly deadlineMs: number;
  readonly stats: ConnectionStats;
}

/** Sessions that are due at the same time, if nothing is heard of them. */
export interface DueSessions {
  /** Wall clock. */
  readonly atMs: number;
  readonly ids: readonly bigint[];
}

/** Connections that end at the same time, if nothing is heard of them. */
export interface DueConnections {
  /** Wall clock. */
  readonly atMs: number;
  readonly connections: readonly ConnectionInfo[];
}

export type Value = string | number | bigint | boolean | null;

/** A line of `mntr`, `conf` or `envi`. */
export type Named<Type extends Value = string | number> = readonly [name: string, value: Type];

/** What a server is to its clients. */
export type Mode = 'standalone' | 'leader' | 'follower' | 'observer' | 'read-only';

/** Sizes of records in bytes; -1 until there was one. */
export interface ProposalSizes {
  readonly last: number;
  readonly min: number;
  readonly max: number;
}

export interface ServerInfo {
  /** null: nobody is served. */
  readonly mode: Mode | null;
  /** `maintenance: 3 of 7 votes` when that is why; else null. */
  readonly maintenance: string | null;
  /** null: a server alone. */
  readonly ensemble: EnsembleView | null;
  /** Of the present leadership; null when not leading. */
  readonly proposalSizes: ProposalSizes | null;
  /** What a learner knows of sessions whose silence the leader judges; null where it is judged here. */
  globalSessions(): readonly (readonly [id: bigint, timeoutMs: number])[] | null;
  /** The ensemble as JSON. */
  quorum(): Readonly<Record<string, Json>>;
  readonly packetsReceived: number;
  readonly packetsSent: number;
  readonly latency: LatencyStats;
  readonly outstandingCount: number;
  readonly authFailures: number;
  readonly slowSyncs: number;
  /** -1 until there was one. */
  readonly responseBytes: { readonly last: number; readonly min: number; readonly max: number };
  readonly zxid: bigint;
  readonly nodeCount: number;
  readonly uptimeMs: number;
  readonly connections: readonly ConnectionInfo[];
  /** Bits of what is traced: kept and told, as the original does without its trace log. */
  traceMask: bigint;
  /** Words of `mntr` with their values, in order, without the `zk_` in front. */
  monitored(): Promise<readonly Named[]>;
  /** Lines of `conf`. */
  configuration(): Promise<readonly Named[]>;
  /** The file that the server was started with, passwords hidden. */
  readonly initialConfiguration: string;
  /** Lines of `envi`. */
  environment(): readonly Named<string>[];
  /** Watches of the data table, as the original counts them. */
  watches(): {
    readonly connectionCount: number;
    readonly pathCount: number;
    readonly totalCount: number;
    /** Paths, each with the sessions that watch it. */
    readonly byPath: readonly (readonly [path: string, sessionIds: readonly bigint[]])[];
  };
  /** In the order of their times. */
  dueSessions(): readonly DueSessions[];
  dueConnections(): readonly DueConnections[];
  /** Of the tree, as of every 128th zxid. */
  readonly digests: readonly NotedDigest[];
  ephemerals(): readonly (readonly [sessionId: bigint, paths: readonly string[]])[];
  folderSizes(): Promise<{ readonly dataBytes: number; readonly logBytes: number }>;
  /** The newest snapshot; at the start, the one that was loaded. */
  readonly lastSnapshot: { readonly zxid: bigint; readonly atMs: number };
  /** Forgets counts and times of the server. */
  resetStats(): void;
}

/** The same question from a word and from a page has the same answer: watches by session. */
export function bySession(
  byPath: readonly (readonly [string, readonly bigint[]])[],
): readonly (readonly [id: bigint, paths: readonly string[]])[] {
  const paths = new Map<bigint, string[]>();
  for (const [path, ids] of byPath) {
    for (const id of ids) {
      const own = paths.get(id);
      if (own === undefined) paths.set(id, [path]);
      else own.push(path);
    }
  }
  return [...paths];
}
