/**
 * Who is let in, ready to be asked: the settings with the files they name, as the server takes them.
 */
import { type Environment, isDistinguishedName, type ServerTls } from '@odradek/runtime';
import type { ZooCfg } from '../config/zoo-cfg.ts';
import { type AclSchemes, basicSchemes } from '../core/tree/acl.ts';
import type { AuthenticationOptions } from '../server/authentication.ts';
import { loadSaslUsers, loadTls } from './security-files.ts';

export interface Security {
  /** null: no TLS. */
  readonly tls: ServerTls | null;
  readonly authentication: AuthenticationOptions;
  readonly schemes: AclSchemes;
  /** Reads the certificates again. @throws ConfigError */
  readonly loadTls: () => Promise<ServerTls | null>;
}

/** A principal of Kerberos' form: no `@`, or one with a realm behind it. */
const isPrincipal = (id: string): boolean =>
  !id.includes('@') || /^[^/@]*(\/[^/@]*)?@[^/@]*$/.test(id);

const validators = { sasl: isPrincipal, x509: isDistinguishedName } as const;

/** @throws ConfigError naming the key, its place, the file and the reason */
export async function loadSecurity(
  environment: Pick<Environment, 'disk' | 'clock'>,
  config: ZooCfg,
): Promise<Security> {
  const { security } = config;
  const { tls, sasl, refuse, ensembleNames } = security;
  const digestEnabled = config['DigestAuthenticationProvider.enabled'];
  const load = async (): Promise<ServerTls | null> =>
    tls === null ? null : loadTls(environment, tls, refuse, config.maxClientCnxns);
  const schemes = new Map(basicSchemes);
  if (!digestEnabled) schemes.delete('digest');
  for (const scheme of security.schemes) schemes.set(scheme, validators[scheme]);
  return {
    tls: await load(),
    loadTls: load,
    schemes,
    authentication: {
      superDigest: config['DigestAuthenticationProvider.superDigest']?.reveal() ?? null,
      digestEnabled,
      digestAlgorithm: security.digestAlgorithm,
      x509SuperUser: security.x509SuperUser,
      verifyClientAddress: tls?.verifyClientAddress ?? false,
      sasl:
        sasl === null
          ? null
          : {
              users: await loadSaslUsers(environment.disk, sasl, refuse),
              superUsers: new Set(security.saslSuperUsers),
              allowFailed: security.allowSaslFailedClients,
            },
      ensembleNames: ensembleNames === null ? null : new Set(ensembleNames),
      enforcedSchemes: new Set(security.enforcedSchemes),
    },
  };
}
