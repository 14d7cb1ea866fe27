/**
 * What clients do in one sequence: several sessions, each step one of them sends a few requests at once, shows who
 * it is, comes back on a new connection, or ends. Only data, so that fast-check can shrink a sequence and a failing
 * one can be read. Not here: how sequences are drawn (sequences.ts), and what they are in bytes (encoding.ts).
 *
 * In paths `@` stands for the sequence's own node, a child of the root with a new name each time; sequences so
 * never meet.
 */
/** Sessions that take part in every sequence. */
export const SESSIONS = 3;

export const aclNames = [
  'open',
  'read',
  'createOnly',
  'nothing',
  'strange bits',
  'null',
  'empty',
  'auth',
  'digest',
  'digest or read',
  'other digest',
  'own address',
  'own network',
  'other address',
  'twice',
  'bad scheme',
  'null scheme',
  'bad world',
  'bad digest',
  'bad address',
  'bad mask',
  'super',
  'sasl alice',
  'other sasl',
  'x509 alice',
  'other x509',
  'bad x509',
] as const;
export type AclName = (typeof aclNames)[number];

/** An operation that may stand in a multi. */
export type Part = Readonly<
  | {
      op: 'create' | 'create2' | 'createContainer';
      path: string | null;
      data: string | null;
      acl: AclName;
      flags: number;
    }
  | { op: 'createTtl'; path: string | null; acl: AclName; flags: number; ttl: number }
  | { op: 'delete'; path: string | null; version: number }
  | { op: 'setData'; path: string | null; data: string | null; version: number }
  | { op: 'check'; path: string | null; version: number }
>;

export type ReadPart = Readonly<{ op: 'getData' | 'getChildren'; path: string | null }>;

/** To what time watches are set: since then everything that happened is told at once. */
export type Since = 'ever' | 'start' | 'now' | 'future';

export interface HeldWatches {
  readonly since: Since;
  readonly data: readonly string[];
  readonly exist: readonly string[];
  readonly child: readonly string[];
  /** Absent: sent as setWatches, not setWatches2. */
  readonly persistent?: readonly string[];
  readonly recursive?: readonly string[];
}

export type Operation =
  | Part
  | Readonly<
      | {
          op: 'exists' | 'getData' | 'getChildren' | 'getChildren2';
          path: string | null;
          watch: boolean;
        }
      | { op: 'getAcl' | 'sync' | 'getEphemerals' | 'getAllChildrenNumber'; path: string | null }
      | { op: 'setAcl'; path: string | null; acl: AclName; version: number }
      | { op: 'multi'; parts: readonly (Part | ReadPart)[]; ended: boolean }
      | { op: 'multiRead'; parts: readonly (ReadPart | Part)[]; ended: boolean }
      | { op: 'addWatch'; path: string | null; mode: number }
      | { op: 'removeWatches' | 'checkWatches'; path: string | null; type: number }
      | { op: 'setWatches'; held: HeldWatches }
      | {
          op: 'reconfig';
          joining: string | null;
          leaving: string | null;
          members: string | null;
          config: number;
        }
      | { op: 'ping' | 'whoAmI' }
    >;

/** A request; `damage` changes its body: cut short, with bytes behind it, or one byte another. */
export interface Request {
  readonly operation: Operation;
  readonly damage?:
    | { readonly kind: 'cut'; readonly bytes: number }
    | { readonly kind: 'longer'; readonly bytes: number }
    | { readonly kind: 'flip'; readonly at: number; readonly mask: number };
}

/** How a connection is made: without TLS, over it, or over it with a certificate that is shown. */
export type Way = 'plain' | 'tls' | 'alice' | 'admin';

/** What a client says about itself when it comes. */
export interface Greeting {
  readonly timeoutMs: number;
  /** Clients before 3.4 leave the last byte out, and are answered without it. */
  readonly saysReadOnly: boolean | null;
  /** `ahead`: it claims to have seen what has not happened yet. */
  readonly seen: 'own' | 'ahead';
  readonly way: Way;
}

export type Step = Readonly<{ session: number }> &
  Readonly<
    | { kind: 'send'; requests: readonly Request[] }
    | { kind: 'auth'; scheme: string | null; auth: string | null }
    /** An operation code that nobody has, or that is not for clients. */
    | { kind: 'unknown'; opCode: number }
    | {
        kind: 'reconnect';
        greeting: Greeting;
        password: 'right' | 'wrong';
        held: HeldWatches | null;
      }
    /** Comes back while its connection still stands, which then ends. */
    | { kind: 'takeover'; greeting: Greeting }
    /** DIGEST-MD5, from start to end or until it is refused. */
    | { kind: 'sasl'; user: string; password: string; isGarbled: boolean }
    | { kind: 'close' }
  >;

export type Sequence = readonly Step[];
