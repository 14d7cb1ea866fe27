/**
 * Writes as clients ask for them, decoded but not yet checked: what goes into `prepare`.
 */
import type { RawAclEntry } from '../tree/acl.ts';

/** How a create arrived. `createContainer` and `createTtl` read the flags differently. */
export type CreateVariant = 'create' | 'createContainer' | 'createTtl';

/** One thing to do to one node. `check` comes only inside a multi. */
export type Operation =
  | {
      readonly kind: 'create';
      readonly variant: CreateVariant;
      readonly path: string;
      /** Must not change afterwards: it goes into the tree as it is. */
      readonly data: Buffer | null;
      readonly acl: readonly RawAclEntry[] | null;
      readonly flags: number;
      /** Only for createTtl; 0 otherwise. */
      readonly ttlMs: bigint;
    }
  | { readonly kind: 'delete'; readonly path: string; readonly version: number }
  | {
      readonly kind: 'setData';
      readonly path: string;
      readonly data: Buffer | null;
      readonly version: number;
    }
  | {
      readonly kind: 'setAcl';
      readonly path: string;
      readonly acl: readonly RawAclEntry[] | null;
      readonly version: number;
    }
  | { readonly kind: 'check'; readonly path: string; readonly version: number };

export type WriteRequest =
  | Operation
  | { readonly kind: 'multi'; readonly operations: readonly Operation[] }
  | { readonly kind: 'createSession'; readonly timeoutMs: number; readonly password: Buffer }
  | { readonly kind: 'closeSession' }
  /** A change of the ensemble's members. */
  | {
      readonly kind: 'reconfig';
      readonly joiningServers: string | null;
      readonly leavingServers: string | null;
      readonly newMembers: string | null;
      /** The configuration it was made for; -1: whichever. */
      readonly curConfigId: bigint;
    }
  /** A leader's own: the members that it goes by become known to the log. */
  | { readonly kind: 'adoptMembers'; readonly text: string }
  /** The server's own: removes a container or TTL node that has outlived its use. */
  | { readonly kind: 'reap'; readonly path: string }
  /** Refused before anything was looked at (a body that could not be read), but in its place in the order. */
  | { readonly kind: 'refused'; readonly wire: number };
