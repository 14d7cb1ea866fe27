/**
 * What the security keys of a zoo.cfg come to, with the rules over several of them: whatever is
 * promised there is kept or stops the start. Files are only named here; ../security/ reads them.
 * Not here: TLS (tls-settings.ts).
 */
import { createHash } from 'node:crypto';
import type { Config, ConfigValues, PropertyEntry, Secret } from '@odradek/runtime';
import type { securityKeys } from './security-keys.ts';
import {
  type QuorumTlsSettings,
  quorumTlsSettings,
  type RefuseKey,
  type TlsSettings,
  tlsSettings,
} from './tls-settings.ts';

type Values = ConfigValues<typeof securityKeys>;

export interface SaslSettings {
  readonly file: string;
  readonly section: string;
  readonly superPassword: Secret | null;
}

export interface SecuritySettings {
  readonly tls: TlsSettings | null;
  /** null: servers speak plainly with each other. */
  readonly quorumTls: QuorumTlsSettings | null;
  readonly sasl: SaslSettings | null;
  /** Schemes that access lists may name beside world, ip and digest. */
  readonly schemes: readonly ('sasl' | 'x509')[];
  /** As node:crypto names it. */
  readonly digestAlgorithm: string;
  readonly x509SuperUser: string | null;
  readonly saslSuperUsers: readonly string[];
  readonly allowSaslFailedClients: boolean;
  /** null: the scheme is not offered. */
  readonly ensembleNames: readonly string[] | null;
  /** Of these one is needed to be answered; empty: none. */
  readonly enforcedSchemes: readonly string[];
  readonly refuse: RefuseKey;
  /** Sentences for the log. */
  readonly warnings: readonly string[];
}

/** Keys that are read here, one by one, because their names go on as the operator likes. */
export const openSecurityKey = /^(authProvider|superUser)\./;

const providers = new Map<string, 'sasl' | 'x509' | 'ensemble' | null>([
  ['org.apache.zookeeper.server.auth.SASLAuthenticationProvider', 'sasl'],
  ['org.apache.zookeeper.server.auth.X509AuthenticationProvider', 'x509'],
  ['org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider', 'ensemble'],
  ['org.apache.zookeeper.server.auth.DigestAuthenticationProvider', null],
  ['org.apache.zookeeper.server.auth.IPAuthenticationProvider', null],
]);

/**
 * @param digestEnabled whether the digest scheme is offered
 * @throws ConfigError naming file, line, key and value
 */
export function readSecurity(
  config: Pick<Config<typeof securityKeys>, 'values' | 'explicit' | 'refuse'>,
  entries: readonly PropertyEntry[],
  digestEnabled: boolean,
): SecuritySettings {
  const { values } = config;
  const refuse: SecuritySettings['refuse'] = (key, reason) => config.refuse(key, reason);
  const tls = tlsSettings(values, refuse);
  const sasl = saslSettings(values, refuse);
  const { named, warnings } = namedProviders(entries);
  const schemes = (['sasl', 'x509'] as const).filter((scheme) => {
    if (named.has(scheme)) return true;
    return scheme === 'sasl' ? sasl !== null : tls !== null && tls.clientAuthentication !== 'none';
  });
  const offered = new Set<string>(['ip', ...schemes, ...(digestEnabled ? ['digest'] : [])]);
  return {
    tls,
    quorumTls: quorumTlsSettings(values, refuse),
    sasl,
    schemes,
    digestAlgorithm: digestAlgorithm(values['DigestAuthenticationProvider.digestAlg'], refuse),
    x509SuperUser: values['X509AuthenticationProvider.superUser'],
    saslSuperUsers: [
      ...(values.superUser === null ? [] : [values.superUser]),
      ...entries.filter(({ key }) => /^superUser\./.test(key)).map(textOf),
    ],
    allowSaslFailedClients: values.allowSaslFailedClients,
    ensembleNames: named.has('ensemble') ? values.ensembleAuthName : null,
    enforcedSchemes: enforcedSchemes(values, sasl !== null, offered, refuse),
    refuse,
    warnings,
  };
}

const textOf = ({ value }: PropertyEntry): string => value.trim();

function saslSettings(values: Values, refuse: SecuritySettings['refuse']): SaslSettings | null {
  const file = values['java.security.auth.login.config'];
  if (file === null) return null;
  if (values['fips-mode'] === true) {
    throw refuse(
      'fips-mode',
      'DIGEST-MD5, which java.security.auth.login.config asks for, does not go with it',
    );
  }
  return {
    file,
    section: values['sasl.serverconfig'],
    superPassword: values['SASLAuthenticationProvider.superPassword'],
  };
}

function namedProviders(entries: readonly PropertyEntry[]): {
  named: ReadonlySet<string>;
  warnings: readonly string[];
} {
  const named = new Set<string>();
  const warnings: string[] = [];
  for (const entry of entries) {
    if (!/^authProvider\./.test(entry.key)) continue;
    const scheme = providers.get(textOf(entry));
    if (scheme === undefined) {
      warnings.push(
        `${entry.key}=${entry.value}: a Java class cannot be loaded; its scheme is not offered`,
      );
    } else if (scheme !== null) {
      named.add(scheme);
    }
  }
  return { named, warnings };
}

/** Java's names of hashes have dashes where OpenSSL's have none. */
function digestAlgorithm(name: string, refuse: SecuritySettings['refuse']): string {
  const plain = name.replace(/^SHA-/i, 'SHA').toLowerCase();
  try {
    createHash(plain);
  } catch {
    throw refuse(
      'DigestAuthenticationProvider.digestAlg',
      'must be a hash such as SHA1 or SHA-256',
    );
  }
  return plain;
}

function enforcedSchemes(
  values: Values,
  hasSasl: boolean,
  offered: ReadonlySet<string>,
  refuse: SecuritySettings['refuse'],
): readonly string[] {
  if (values.sessionRequireClientSASLAuth) {
    if (hasSasl) return ['sasl'];
    throw refuse(
      'sessionRequireClientSASLAuth',
      'needs java.security.auth.login.config, which says who the users are',
    );
  }
  if (!values['enforce.auth.enabled']) return [];
  const schemes = values['enforce.auth.schemes'];
  if (schemes.length === 0) throw refuse('enforce.auth.enabled', 'needs enforce.auth.schemes');
  const missing = schemes.find((scheme) => !offered.has(scheme));
  if (missing !== undefined) {
    throw refuse(
      'enforce.auth.schemes',
      `${missing} is not offered; offered are ${[...offered].join(', ')}`,
    );
  }
  return schemes;
}
