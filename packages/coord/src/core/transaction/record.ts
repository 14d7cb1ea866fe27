/**
 * Transactions: what a write becomes once it is decided, and the only thing that changes state.
 *
 * A record is deterministic: times, versions, sequence numbers and the list of a session's
 * ephemerals are fixed in it, so that every server, and every replay, ends in the same tree. A write
 * that was refused becomes a record as well (`error`): it takes a zxid and keeps its place in the
 * order, and does nothing.
 */
import type { AclEntry } from '../tree/acl.ts';

/** What one transaction does. `check` stands only inside a `multi`, and a `multi` never in another. */
export type Change =
  | {
      readonly kind: 'create';
      readonly path: string;
      readonly data: Buffer | null;
      /** null for the open list. */
      readonly acl: readonly AclEntry[] | null;
      /** As the node holds it: a session id, 0, or the mark of a container or TTL node. */
      readonly owner: bigint;
      /** The parent's count of creations, this one included. */
      readonly parentCreationCount: number;
    }
  | { readonly kind: 'delete'; readonly path: string }
  | {
      readonly kind: 'setData';
      readonly path: string;
      readonly data: Buffer | null;
      /** The version afterwards. */
      readonly version: number;
    }
  | {
      readonly kind: 'setAcl';
      readonly path: string;
      readonly acl: readonly AclEntry[] | null;
      /** The aversion afterwards. */
      readonly version: number;
    }
  | { readonly kind: 'check'; readonly path: string }
  | { readonly kind: 'multi'; readonly changes: readonly Change[] }
  | { readonly kind: 'createSession'; readonly timeoutMs: number; readonly password: Buffer }
  | {
      readonly kind: 'closeSession';
      /** Its ephemerals, in path order. */
      readonly paths: readonly string[];
    }
  | {
      readonly kind: 'error';
      /** The code the client is told; see protocol's table. */
      readonly wire: number;
      /** In a multi: which operation failed, counted from 0; -1 elsewhere. */
      readonly failedIndex: number;
    };

export interface TransactionRecord {
  readonly zxid: bigint;
  /** Wall clock of the server that prepared it. */
  readonly timeMs: number;
  /** Who asked; for createSession and closeSession the session in question. 0 for the server itself. */
  readonly sessionId: bigint;
  readonly change: Change;
}
