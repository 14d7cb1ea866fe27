/**
 * What the keys of TLS come to, for clients (`ssl.`) and for the servers of an ensemble among
 * themselves (`ssl.quorum.`). Files are only named here; ../security/ reads them.
 */
import {
  type ConfigError,
  type ConfigValues,
  currentTlsVersions,
  openSslSuite,
  type Secret,
  type TlsVersions,
  tlsVersionRange,
} from '@odradek/runtime';
import type { securityKeys } from './security-keys.ts';

export type SecurityKey = keyof typeof securityKeys;
/** The error that a key is at fault, with file and line. */
export type RefuseKey = (key: SecurityKey, reason: string) => ConfigError;
type Values = ConfigValues<typeof securityKeys>;
type Prefix = 'ssl' | 'ssl.quorum';

/** A file that needs a password, and the keys it came from. */
export interface StoreFile {
  readonly path: string;
  readonly password: Secret | null;
  readonly passwordPath: string | null;
  readonly key: `${Prefix}.${'keyStore' | 'trustStore'}`;
}

/** What both have in common. */
export interface TlsParts {
  readonly keyStore: StoreFile;
  readonly trustStore: StoreFile | null;
  readonly clientAuthentication: 'none' | 'want' | 'need';
  readonly versions: TlsVersions;
  readonly ciphers: readonly string[] | null;
  readonly handshakeMsMax: number;
  /** A certificate of whoever connects is good only for the address it is made out to. */
  readonly verifyClientAddress: boolean;
  readonly reload: boolean;
}

export interface TlsSettings extends TlsParts {
  readonly secureHost: string | null;
  /** null: TLS only on the plain port, beside the rest. */
  readonly securePort: number | null;
  readonly alsoOnPlainPort: boolean;
}

/** TLS between servers. Each is a server to some and a client to others, with one certificate. */
export interface QuorumTlsSettings extends TlsParts {
  readonly trustStore: StoreFile;
  /** A certificate of a server that is connected to must be made out to its host. */
  readonly verifyServerName: boolean;
  /** Plain connections are taken as well. */
  readonly alsoPlain: boolean;
}

/** @throws ConfigError */
export function tlsSettings(values: Values, refuse: RefuseKey): TlsSettings | null {
  const wanted = values.secureClientPort === null ? null : 'secureClientPort';
  const key = wanted ?? (values['client.portUnification'] ? 'client.portUnification' : null);
  if (key === null) return null;
  const parts = tlsParts(values, 'ssl', key, refuse);
  if (values['ssl.authProvider'] !== 'x509') {
    throw refuse('ssl.authProvider', 'must be x509');
  }
  return {
    ...parts,
    secureHost: values.secureClientPortAddress,
    securePort: values.secureClientPort,
    alsoOnPlainPort: values['client.portUnification'],
    reload: values['client.certReload'],
  };
}

/** @throws ConfigError */
export function quorumTlsSettings(values: Values, refuse: RefuseKey): QuorumTlsSettings | null {
  if (!values.sslQuorum) {
    if (!values.portUnification) return null;
    throw refuse('portUnification', 'needs sslQuorum=true; without it connections are plain');
  }
  const parts = tlsParts(values, 'ssl.quorum', 'sslQuorum', refuse);
  if (parts.trustStore === null) {
    throw refuse(
      'sslQuorum',
      'ssl.quorum.trustStore.location must say whose certificates are believed',
    );
  }
  return {
    ...parts,
    trustStore: parts.trustStore,
    verifyServerName: values['ssl.quorum.hostnameVerification'],
    alsoPlain: values.portUnification,
    reload: values.sslQuorumReloadCertFiles,
  };
}

/** @param wantedBy the key that asks for TLS */
function tlsParts(
  values: Values,
  prefix: Prefix,
  wantedBy: SecurityKey,
  refuse: RefuseKey,
): Omit<TlsParts, 'reload'> {
  const keyStore = storeFile(values, `${prefix}.keyStore`);
  if (keyStore === null) throw refuse(wantedBy, `TLS needs ${prefix}.keyStore.location`);
  const trustStore = storeFile(values, `${prefix}.trustStore`);
  const clientAuthentication = clientAuthenticationOf(values[`${prefix}.clientAuth`]);
  if (trustStore === null && clientAuthentication !== 'none') {
    throw refuse(
      `${prefix}.clientAuth`,
      `with ${clientAuthentication} (the default is need) ${prefix}.trustStore.location must say whose ` +
        `certificates are believed; set ${prefix}.clientAuth=none for TLS without client certificates`,
    );
  }
  for (const check of [`${prefix}.crl`, `${prefix}.ocsp`] as const) {
    if (values[check]) throw refuse(check, 'this version cannot look for revoked certificates');
  }
  if (values[`${prefix}.context.supplier.class`] !== null) {
    throw refuse(
      `${prefix}.context.supplier.class`,
      'a Java class cannot be loaded; leave the key out',
    );
  }
  return {
    keyStore,
    trustStore,
    clientAuthentication,
    versions: versionsOf(values, prefix, refuse),
    ciphers: values[`${prefix}.ciphersuites`]?.map(openSslSuite) ?? null,
    handshakeMsMax: values[`${prefix}.handshakeDetectionTimeoutMillis`],
    verifyClientAddress:
      values[`${prefix}.hostnameVerification`] && values[`${prefix}.clientHostnameVerification`],
  };
}

function storeFile(values: Values, key: StoreFile['key']): StoreFile | null {
  const path = values[`${key}.location`];
  if (path === null) return null;
  return {
    path,
    key,
    password: values[`${key}.password`],
    passwordPath: values[`${key}.passwordPath`],
  };
}

function clientAuthenticationOf(word: string): TlsParts['clientAuthentication'] {
  const lower = word.toLowerCase();
  return lower === 'none' || lower === 'want' ? lower : 'need';
}

function versionsOf(values: Values, prefix: Prefix, refuse: RefuseKey): TlsVersions {
  const enabled = values[`${prefix}.enabledProtocols`];
  const only = values[`${prefix}.protocol`];
  // "TLS" is Java's name for whatever it speaks.
  if (enabled === null && (only === null || only === 'TLS')) return currentTlsVersions;
  const range = tlsVersionRange(enabled ?? [only ?? '']);
  if (range !== null) return range;
  throw refuse(
    enabled === null ? `${prefix}.protocol` : `${prefix}.enabledProtocols`,
    'must be versions of TLS without a gap: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3',
  );
}
