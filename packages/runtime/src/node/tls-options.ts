/** The terms of TLS, in the words of Node's `tls`. */
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
} from 'node:tls';
import type { ClientTls, ServerTls, TlsSession } from '../environment.ts';
import { UnusableTls } from '../errors.ts';

/** @throws UnusableTls */
export function contextOptions(
  tls: Pick<ServerTls, 'authorities' | 'versions' | 'ciphers'> & Pick<ClientTls, 'identity'>,
): SecureContextOptions {
  const { identity, authorities, versions, ciphers } = tls;
  const options: SecureContextOptions = {
    minVersion: versions.min,
    maxVersion: versions.max,
    ...(identity === null ? {} : { key: identity.key, cert: identity.certificates }),
    ...(authorities === null ? {} : { ca: [...authorities] }),
    ...(ciphers === null ? {} : { ciphers: ciphers.join(':') }),
  };
  secureContext(options);
  return options;
}

function secureContext(options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    throw new UnusableTls(tlsReasonOf(error), { cause: error });
  }
}

/** @throws UnusableTls */
export function clientOptions(host: string, tls: ClientTls): ConnectionOptions {
  return {
    ...contextOptions(tls),
    // An address cannot be asked for by name.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(tls.verifyHostName ? {} : { checkServerIdentity: () => undefined }),
  };
}

/** What the handshake of an established connection came to. */
export function sessionOf(socket: TLSSocket): TlsSession {
  return {
    version: socket.getProtocol() ?? 'unknown',
    peerCertificate: socket.getPeerX509Certificate()?.raw ?? null,
  };
}

/** OpenSSL's errors in words: its own text without the numbers and places around it. */
export function tlsReasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  if ('reason' in error && typeof error.reason === 'string') return error.reason;
  return 'message' in error && typeof error.message === 'string' ? error.message : String(error);
}
