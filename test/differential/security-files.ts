/** Keys, certificates and SASL users for the compared servers and for who comes to them; made anew for each run. */
import type { ConnectionOptions } from 'node:tls';
import { Authority, type Made, oid } from '../../packages/runtime/test/support/certificates.ts';
import type { Workspace } from '../support/workspace.ts';
import type { Way } from './sequence.ts';

export interface Certificates {
  /** What a client shows that comes this way. */
  showing(way: Way): ConnectionOptions;
}

export interface SecurityFiles {
  /** Keys of the configuration. */
  readonly settings: Readonly<Record<string, string>>;
  readonly jaas: string;
  readonly certificates: Certificates;
  /** Path of a file with a client's certificate and key. */
  identityOf(who: 'alice' | 'admin'): string;
}

const JAAS = `Server {
  org.apache.zookeeper.server.auth.DigestLoginModule required
  user_alice="secret"
  user_root="secret"
  user_älice="secret";
};
`;

export function writeSecurityFiles(workspace: Workspace): SecurityFiles {
  const authority = new Authority();
  const server = authority.issue({ subject: [[oid.commonName, 'server']], hosts: ['127.0.0.1'] });
  const alice = authority.issue({
    subject: [
      [oid.organization, 'Acme'],
      [oid.commonName, 'alice'],
    ],
  });
  const admin = authority.issue({ subject: [[oid.commonName, 'admin']] });
  const shown = (who: Made): ConnectionOptions => ({ key: who.key, cert: who.certificate });
  return {
    settings: {
      'ssl.keyStore.location': workspace.write('server.pem', server.certificate + server.key),
      'ssl.trustStore.location': workspace.write('trust.pem', authority.certificate),
    },
    jaas: workspace.write('jaas.conf', JAAS),
    identityOf: (who) => {
      const { certificate, key } = { alice, admin }[who];
      return workspace.write(`${who}.pem`, certificate + key);
    },
    certificates: {
      showing(way) {
        const common = { ca: authority.certificate, servername: '' };
        switch (way) {
          case 'plain':
          case 'tls':
            return common;
          case 'alice':
            return { ...common, ...shown(alice) };
          case 'admin':
            return { ...common, ...shown(admin) };
        }
      },
    },
  };
}
