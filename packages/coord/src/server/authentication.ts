/**
 * How a connection earns identities: its address and its certificate at once, others by auth packets
 * and SASL. Not here: what identities may do (../core/tree/acl.ts), checking certificates (TLS does,
 * before anything is read), the exchange of SASL (../security/digest-md5.ts).
 */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import { type Connection, subjectOf } from '@odradek/runtime';
import type { Identity } from '../core/tree/acl.ts';

export interface AuthenticationOptions {
  /** `super:<hash>` of the user that may do everything; null: there is none. */
  readonly superDigest: string | null;
  /** Whether the digest scheme is offered. */
  readonly digestEnabled: boolean;
  /** As node:crypto names it. */
  readonly digestAlgorithm: string;
  /** Subject of the certificate whose owner may do everything; null: there is none. */
  readonly x509SuperUser: string | null;
  /** Whether a certificate must be made out to the address it comes from. */
  readonly verifyClientAddress: boolean;
  /** null: SASL is not offered. */
  readonly sasl: SaslOptions | null;
  /** Of these a client of the ensemble scheme must give one; null: the scheme is not offered. */
  readonly ensembleNames: ReadonlySet<string> | null;
  /** Schemes of which one is needed to be answered; empty: none. */
  readonly enforcedSchemes: ReadonlySet<string>;
}

export interface SaslOptions {
  /** Passwords by name. */
  readonly users: ReadonlyMap<string, string>;
  readonly superUsers: ReadonlySet<string>;
  /** Whether who is refused may stay, without an identity. */
  readonly allowFailed: boolean;
}

/** `refused` is told, and then the connection ends; `cut` ends it without a word. */
export type Earned = readonly Identity[] | 'refused' | 'cut';

const superIdentity: Identity = { scheme: 'super', id: '' };

/** The hash under which `user:password` is known in access control lists. */
export function digestIdentity(userAndPassword: Buffer, algorithm = 'sha1'): Identity {
  const text = userAndPassword.toString('utf8');
  const colon = text.indexOf(':');
  const user = colon === -1 ? text : text.slice(0, colon);
  const hash = createHash(algorithm).update(text, 'utf8').digest('base64');
  return { scheme: 'digest', id: `${user}:${hash}` };
}

/** What a connection has from the beginning. */
export function initialIdentities(
  { remoteAddress, tls }: Pick<Connection, 'remoteAddress' | 'tls'>,
  { x509SuperUser }: AuthenticationOptions,
): readonly Identity[] {
  const address = { scheme: 'ip', id: remoteAddress };
  const certificate = tls?.peerCertificate ?? null;
  if (certificate === null) return [address];
  const subject = subjectOf(certificate);
  const identity = { scheme: 'x509', id: subject };
  return subject === x509SuperUser ? [address, superIdentity, identity] : [address, identity];
}

/** Why a connection is not taken, whatever it would say; null: it is. */
export function reasonToRefuse(
  { remoteAddress, tls }: Pick<Connection, 'remoteAddress' | 'tls'>,
  { verifyClientAddress }: AuthenticationOptions,
): string | null {
  const certificate = tls?.peerCertificate ?? null;
  if (!verifyClientAddress || certificate === null) return null;
  const isItsOwn = new X509Certificate(certificate).checkIP(remoteAddress) !== undefined;
  return isItsOwn ? null : 'ssl.clientHostnameVerification: the certificate is for another address';
}

/** @returns the identities that an auth packet earns on a connection that has `known` ones */
export function authenticate(
  scheme: string | null,
  auth: Buffer | null,
  options: AuthenticationOptions,
  known: readonly Identity[],
): Earned {
  switch (scheme) {
    case 'ip': // The address is an identity anyway: asking for it changes nothing.
      return [];
    case 'x509': // Likewise the certificate, if there is one.
      return known.some((identity) => identity.scheme === 'x509') ? [] : 'refused';
    case 'digest':
      return options.digestEnabled && auth !== null ? digestIdentities(auth, options) : 'refused';
    case 'ensemble':
      return ensembleJudgement(auth, options.ensembleNames);
    default:
      return 'refused';
  }
}

function digestIdentities(
  auth: Buffer,
  { superDigest, digestAlgorithm }: AuthenticationOptions,
): readonly Identity[] {
  const identity = digestIdentity(auth, digestAlgorithm);
  const isSuper = superDigest !== null && isSame(identity.id, superDigest);
  return isSuper ? [superIdentity, identity] : [identity];
}

/** A client of another ensemble is to look for its own, so it is not told that it may not enter. */
function ensembleJudgement(
  auth: Buffer | null,
  names: AuthenticationOptions['ensembleNames'],
): Earned {
  if (names === null) return 'refused';
  if (auth === null || auth.length === 0 || names.size === 0) return [];
  return names.has(auth.toString('utf8')) ? [] : 'cut';
}

/** What a user of SASL is. */
export const saslIdentities = (user: string, { superUsers }: SaslOptions): readonly Identity[] =>
  superUsers.has(user)
    ? [{ scheme: 'sasl', id: user }, superIdentity]
    : [{ scheme: 'sasl', id: user }];

/** Whether requests of somebody with these identities are answered. */
export function isLetIn(
  identities: readonly Identity[],
  { enforcedSchemes }: AuthenticationOptions,
): boolean {
  return enforcedSchemes.size === 0 || identities.some(({ scheme }) => enforcedSchemes.has(scheme));
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
