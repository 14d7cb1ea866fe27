/** TLS between servers: one certificate with which a server both calls and is called. */
import type { ClientTls, Environment, ServerTls } from '@odradek/runtime';
import type { QuorumTlsSettings, RefuseKey } from '../config/tls-settings.ts';
import { loadTls } from '../security/security-files.ts';

export interface PeerTls {
  readonly server: ServerTls;
  readonly client: ClientTls;
  /** A certificate of who calls must be made out to where it is. */
  readonly verifyCallers: boolean;
}

/** Handshakes of one address going on at once: a server has a handful of links to another. */
const HANDSHAKES_PER_ADDRESS = 64;

/** @throws ConfigError */
export async function loadPeerTls(
  environment: Pick<Environment, 'disk' | 'clock'>,
  settings: QuorumTlsSettings,
  refuse: RefuseKey,
): Promise<PeerTls> {
  const server = await loadTls(environment, settings, refuse, HANDSHAKES_PER_ADDRESS);
  const { identity, authorities, versions, ciphers } = server;
  return {
    server: { ...server, alsoPlain: settings.alsoPlain },
    client: {
      identity,
      authorities,
      versions,
      ciphers,
      verifyHostName: settings.verifyServerName,
    },
    verifyCallers: settings.verifyClientAddress,
  };
}
