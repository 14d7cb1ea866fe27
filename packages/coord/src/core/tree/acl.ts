/**
 * Access control lists: who may do what to one node. Entries only grant, nothing is inherited.
 *
 * Few lists serve many nodes, so each distinct list is held once and counted (AclTable); a node
 * refers to it. Not here: how a connection earns its identities (../../server/authenticate.ts).
 */
import { ipMatches, isIpPattern } from './ip-pattern.ts';

/** Permission bits; lists are stored as given, unknown bits included. */
export const permission = { read: 1, write: 2, create: 4, delete: 8, admin: 16, all: 31 } as const;

export interface AclEntry {
  readonly perms: number;
  readonly id: Identity;
}

/** Who somebody is under one scheme. A connection has several; an entry names one. */
export interface Identity {
  readonly scheme: string;
  readonly id: string;
}

export const openEntries: readonly AclEntry[] = [
  { perms: permission.all, id: { scheme: 'world', id: 'anyone' } },
];

/** A distinct list, shared by the nodes that carry it. */
export interface Acl {
  readonly entries: readonly AclEntry[];
  /** The world may do everything: the common case, decided once. */
  readonly isOpen: boolean;
}

interface CountedAcl extends Acl {
  readonly key: string;
  userCount: number;
}

/** The list of nodes made with `world:anyone:cdrwa`. */
export const openAcl: Acl = { entries: openEntries, isOpen: true };

/** Holds every distinct list once, for as long as a node carries it. */
export class AclTable {
  readonly #byKey = new Map<string, CountedAcl>();

  /** The shared list with these entries, with one user more. */
  acquire(entries: readonly AclEntry[]): Acl {
    if (isOpenList(entries)) return openAcl;
    const key = JSON.stringify(entries.map(({ perms, id }) => [perms, id.scheme, id.id]));
    let acl = this.#byKey.get(key);
    if (acl === undefined) {
      acl = { entries, isOpen: false, key, userCount: 0 };
      this.#byKey.set(key, acl);
    }
    acl.userCount += 1;
    return acl;
  }

  /** One user less; the last one takes the list along. */
  release(acl: Acl): void {
    if (acl.isOpen) return;
    const counted = acl as CountedAcl;
    counted.userCount -= 1;
    if (counted.userCount === 0) this.#byKey.delete(counted.key);
  }

  /** Distinct lists other than the open one. */
  get size(): number {
    return this.#byKey.size;
  }
}

function isOpenList(entries: readonly RawAclEntry[]): boolean {
  const [only] = entries;
  return (
    entries.length === 1 &&
    only !== undefined &&
    only.perms === permission.all &&
    only.id.scheme === 'world' &&
    only.id.id === 'anyone'
  );
}

/** Whether one of the identities may do what `wanted` (one permission bit, or several of which any) says. */
export function permits(acl: Acl, wanted: number, identities: readonly Identity[]): boolean {
  return acl.isOpen || permittedByEntries(acl.entries, wanted, identities);
}

function permittedByEntries(
  entries: readonly AclEntry[],
  wanted: number,
  identities: readonly Identity[],
): boolean {
  // An empty list grants everything; it can only come from data of old servers.
  if (entries.length === 0 || identities.some(({ scheme }) => scheme === 'super')) return true;
  return entries.some(
    ({ perms, id }) =>
      (perms & wanted) !== 0 &&
      (id.scheme === 'world' || identities.some((own) => matches(own, id))),
  );
}

function matches(own: Identity, entry: Identity): boolean {
  if (own.scheme !== entry.scheme) return false;
  if (own.scheme === 'ip') return ipMatches(entry.id, own.id);
  // The original lets the SASL user of that name stand for all of them.
  return own.id === entry.id || (own.scheme === 'sasl' && own.id === 'super');
}

/** The schemes that lists may name, each with the ids that it accepts. */
export type AclSchemes = ReadonlyMap<string, (id: string) => boolean>;

/** Those that need nothing from outside. */
export const basicSchemes: AclSchemes = new Map([
  ['world', (id: string) => id === 'anyone'],
  ['ip', isIpPattern],
  ['digest', (id: string) => /^[^:]*:[^:]+$/.test(id)],
]);

/** Schemes whose identities were proved, and which `auth` therefore stands for. */
const provedSchemes: ReadonlySet<string> = new Set(['digest', 'sasl', 'x509']);

/** An entry as it arrives: any part may be missing. */
export interface RawAclEntry {
  readonly perms: number;
  readonly id: { readonly scheme: string | null; readonly id: string | null };
}

/**
 * Turns the list of a request into the one that is stored: duplicates dropped, `auth` replaced by
 * the requester's own identities, everything else checked by its scheme.
 * @param schemes an entry of any other is not acceptable
 * @returns null when the list is not acceptable (the client is told "invalid ACL"); for the open list
 *   the one that {@link openAcl} holds
 */
export function resolveAcl(
  requested: readonly RawAclEntry[] | null,
  identities: readonly Identity[],
  schemes: AclSchemes,
): readonly AclEntry[] | null {
  if (requested === null || requested.length === 0) return null;
  if (isOpenList(requested)) return openEntries;
  const resolved: AclEntry[] = [];
  const add = (perms: number, scheme: string, id: string): void => {
    const known = resolved.some(
      (entry) => entry.perms === perms && entry.id.scheme === scheme && entry.id.id === id,
    );
    if (!known) resolved.push({ perms, id: { scheme, id } });
  };
  for (const { perms, id } of requested) {
    if (id.scheme === null) return null;
    if (id.scheme === 'auth') {
      // Its id says nothing, and kazoo leaves it out.
      const own = identities.filter(({ scheme }) => provedSchemes.has(scheme));
      if (own.length === 0) return null;
      for (const identity of own) add(perms, identity.scheme, identity.id);
    } else if (id.id !== null && schemes.get(id.scheme)?.(id.id) === true) {
      add(perms, id.scheme, id.id);
    } else {
      return null;
    }
  }
  return isOpenList(resolved) ? openEntries : resolved;
}

/** What somebody without ADMIN is shown: the secret part of digest entries becomes `x`. */
export function maskedEntries(entries: readonly AclEntry[]): readonly AclEntry[] {
  return entries.map((entry) =>
    entry.id.scheme === 'digest'
      ? { perms: entry.perms, id: { scheme: 'digest', id: entry.id.id.replace(/:.*$/s, ':x') } }
      : entry,
  );
}
