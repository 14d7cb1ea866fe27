/**
 * What a user of the coordinator session sees: node versions, watch events, session events, multi.
 * Values only; the session itself is coordinator-session-host.ts.
 */

import type { ZooKeeperErrorName } from '@odradek/protocol';
import { ZooKeeperError } from '@odradek/protocol';

/** The version record of one node. Zxids and session ids exceed 2^53; the rest does not. */
export interface Stat {
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly pzxid: bigint;
  /** The owning session of an ephemeral node, 0n otherwise. */
  readonly ephemeralOwner: bigint;
  readonly ctime: number;
  readonly mtime: number;
  readonly version: number;
  readonly cversion: number;
  readonly aversion: number;
  readonly dataLength: number;
  readonly numChildren: number;
}

/** `session`: the watch went away with its expired session; nothing is known about the node. */
export interface WatchEvent {
  readonly kind: 'created' | 'deleted' | 'changed' | 'children' | 'session';
  readonly path: string;
}

/** Called once; to go on watching, read again. */
export type Watcher = (event: WatchEvent) => void;

/**
 * `connected`: requests are answered; with `newSession` nothing of an earlier session is left
 * (ephemeral nodes, watches). `doubtful`: the link is lost or silent, and the session may be dying
 * unseen; whether promises may still be made on it is for `inDoubt` to say.
 * `expired`: it is gone; a new one is being opened. `closed`: the last event.
 */
export type SessionEvent =
  | { readonly kind: 'connected'; readonly newSession: boolean; readonly sessionId: bigint }
  | { readonly kind: 'doubtful' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'closed' };

export type SessionState = 'connecting' | 'connected' | 'doubtful' | 'closed';

export interface CreateOptions {
  readonly ephemeral?: boolean;
  readonly sequential?: boolean;
}

/** One step of a multi; `version` left out or -1 matches any. */
export type MultiOperation =
  | ({
      readonly kind: 'create';
      readonly path: string;
      readonly data: Buffer | string | null;
    } & CreateOptions)
  | {
      readonly kind: 'set';
      readonly path: string;
      readonly data: Buffer | string | null;
      readonly version?: number;
    }
  | { readonly kind: 'remove'; readonly path: string; readonly version?: number }
  | { readonly kind: 'check'; readonly path: string; readonly version: number };

/** What one step of a multi that succeeded gave. */
export type MultiResult =
  | { readonly kind: 'create'; readonly path: string }
  | { readonly kind: 'set'; readonly stat: Stat }
  | { readonly kind: 'remove' }
  | { readonly kind: 'check' };

/** A multi that changed nothing; `code` is the failing step's. */
export class MultiFailed extends ZooKeeperError {
  /** The step that failed, counted from 0. */
  readonly operationIndex: number;
  constructor(code: ZooKeeperErrorName, operationIndex: number, detail: string) {
    super(code, detail);
    this.operationIndex = operationIndex;
  }
}
