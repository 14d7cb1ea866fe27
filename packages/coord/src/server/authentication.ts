/**
 * How a connection earns identities: its address at once, others by auth packets.
 * Not here: what identities may do (../core/tree/acl.ts), SASL and TLS certificates.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Identity } from '../core/tree/acl.ts';

export interface AuthenticationOptions {
  /** `super:<hash>` of the user that may do everything; null: there is none. */
  readonly superDigest: string | null;
  /** Whether the digest scheme is offered. */
  readonly digestEnabled: boolean;
}

/** The hash under which `user:password` is known in access control lists. */
export function digestIdentity(userAndPassword: Buffer): Identity {
  const text = userAndPassword.toString('utf8');
  const colon = text.indexOf(':');
  const user = colon === -1 ? text : text.slice(0, colon);
  const hash = createHash('sha1').update(text, 'utf8').digest('base64');
  return { scheme: 'digest', id: `${user}:${hash}` };
}

/** @returns the identities that an auth packet earns; null when it is refused */
export function authenticate(
  scheme: string | null,
  auth: Buffer | null,
  { superDigest, digestEnabled }: AuthenticationOptions,
): readonly Identity[] | null {
  // The address is an identity anyway: asking for it changes nothing.
  if (scheme === 'ip') return [];
  if (scheme !== 'digest' || !digestEnabled || auth === null) return null;
  const identity = digestIdentity(auth);
  const isSuper = superDigest !== null && isSame(identity.id, superDigest);
  return isSuper ? [{ scheme: 'super', id: '' }, identity] : [identity];
}

/** The identities with new ones behind, each once. */
export function withIdentities(
  known: readonly Identity[],
  earned: readonly Identity[],
): readonly Identity[] {
  const fresh = earned.filter(
    ({ scheme, id }) => !known.some((own) => own.scheme === scheme && own.id === id),
  );
  return [...known, ...fresh];
}

/** What whoAmI shows: never a hash. */
export function shownUser({ scheme, id }: Identity): string {
  return scheme === 'digest' ? (id.split(':')[0] ?? '') : id;
}

function isSame(a: string, b: string): boolean {
  const [bytesA, bytesB] = [Buffer.from(a), Buffer.from(b)];
  return bytesA.length === bytesB.length && timingSafeEqual(bytesA, bytesB);
}
