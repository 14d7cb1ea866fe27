/**
 * Names of cipher suites and protocol versions: Java's, as configuration files have them, into
 * OpenSSL's, as Node wants them.
 */

/** Versions of TLS in their order. */
export const tlsVersions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;
export type TlsVersion = (typeof tlsVersions)[number];

export interface TlsVersions {
  readonly min: TlsVersion;
  readonly max: TlsVersion;
}

/** What is spoken unless a configuration says otherwise. */
export const currentTlsVersions: TlsVersions = { min: 'TLSv1.2', max: 'TLSv1.3' };

/**
 * The range that a list of versions stands for.
 * @returns null when one is unknown, one in between is missing, or there is none
 */
export function tlsVersionRange(names: readonly string[]): TlsVersions | null {
  const order: readonly string[] = tlsVersions;
  const indexes = names.map((name) => order.indexOf(name));
  const [first, last] = [Math.min(...indexes), Math.max(...indexes)];
  const [min, max] = [tlsVersions[first], tlsVersions[last]];
  if (min === undefined || max === undefined) return null;
  return new Set(indexes).size === last - first + 1 ? { min, max } : null;
}

const JAVA_SUITE =
  /^TLS_(RSA|DHE_RSA|DHE_DSS|ECDHE_RSA|ECDHE_ECDSA)_WITH_(AES_128|AES_256|CHACHA20)_(CBC_SHA|CBC_SHA256|CBC_SHA384|GCM_SHA256|GCM_SHA384|POLY1305_SHA256)$/;

/** OpenSSL's name of a suite; names that are OpenSSL's already, and those of TLS 1.3, stay as they are. */
export function openSslSuite(name: string): string {
  const [, exchange, cipher, mode] = JAVA_SUITE.exec(name) ?? [];
  if (exchange === undefined || cipher === undefined || mode === undefined) return name;
  const prefix = exchange === 'RSA' ? '' : `${exchange.replace('_', '-')}-`;
  if (cipher === 'CHACHA20') return `${prefix}CHACHA20-POLY1305`;
  const suffix = mode.startsWith('CBC') ? mode.slice('CBC_'.length) : mode.replace('_', '-');
  return `${prefix}${cipher.replace('_', '')}-${suffix}`;
}
