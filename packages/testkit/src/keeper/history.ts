/**
 * What clients of the coordination service asked and heard, as they saw it: the evidence that checkers
 * judge. Times are the world's, in microseconds, not those of the clients' clocks.
 */

/** One thing done to one node; `check` only inside a multi. */
export type NodeWrite =
  | {
      readonly kind: 'create';
      readonly path: string;
      readonly data: string;
      readonly flags: number;
    }
  | { readonly kind: 'delete'; readonly path: string; readonly version: number }
  | {
      readonly kind: 'setData';
      readonly path: string;
      readonly data: string;
      readonly version: number;
    }
  | { readonly kind: 'check'; readonly path: string; readonly version: number };

export type WatchMode = 'persistent' | 'recursive';

export type KeeperRequest =
  | NodeWrite
  | { readonly kind: 'multi'; readonly operations: readonly NodeWrite[] }
  | {
      readonly kind: 'getData' | 'exists' | 'getChildren';
      readonly path: string;
      readonly watch: boolean;
    }
  | { readonly kind: 'sync'; readonly path: string }
  | { readonly kind: 'addWatch'; readonly path: string; readonly mode: WatchMode }
  | {
      readonly kind: 'setWatches';
      readonly relativeZxid: bigint;
      readonly data: readonly string[];
      readonly exist: readonly string[];
      readonly child: readonly string[];
      readonly persistent: readonly string[];
      readonly recursive: readonly string[];
    }
  | { readonly kind: 'closeSession' };

/** A node as a reply shows it. */
export interface SeenStat {
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly pzxid: bigint;
  readonly version: number;
  readonly cversion: number;
  readonly ephemeralOwner: bigint;
  readonly numChildren: number;
}

export interface KeeperAnswer {
  readonly zxid: bigint;
  /** As on the wire; 0 for success. */
  readonly err: number;
  readonly path?: string;
  readonly data?: string;
  readonly stat?: SeenStat;
  readonly children?: readonly string[];
  /** Of a multi: an error for each operation, 0 for success. */
  readonly results?: readonly number[];
}

/** One request and what came of it. */
export interface Exchange {
  readonly request: KeeperRequest;
  readonly calledAtUs: number;
  /** null: no answer came; it may have happened or not. */
  answer: KeeperAnswer | null;
  answeredAtUs: number;
}

export interface SeenEvent {
  /** As on the wire: created 1, deleted 2, data changed 3, children changed 4. */
  readonly type: number;
  readonly path: string;
  /** -1 where the server told of it only after a reconnection. */
  readonly zxid: bigint;
  readonly atUs: number;
}

/** What arrived on a link, in order. */
export type Arrival =
  | { readonly kind: 'answer'; readonly exchange: Exchange }
  | { readonly kind: 'event'; readonly event: SeenEvent };

/** One connection that had a session. */
export interface LinkHistory {
  readonly client: string;
  readonly server: string;
  readonly sessionId: bigint;
  readonly timeoutMs: number;
  readonly establishedAtUs: number;
  /** What the client had seen before. */
  readonly lastZxidSeen: bigint;
  /** In the order of sending. */
  readonly exchanges: Exchange[];
  readonly arrivals: Arrival[];
  /** Breaches of the protocol itself. */
  readonly faults: string[];
}

/** One session from its beginning to what is known of its end. */
export interface SessionHistory {
  readonly client: string;
  readonly sessionId: bigint;
  readonly timeoutMs: number;
  readonly openedAtUs: number;
  readonly links: LinkHistory[];
  /** When a server said that there is no such session (any more); null: never. */
  refusedAtUs: number | null;
  /** When its client said good-bye; null: never. */
  closeAskedAtUs: number | null;
}
