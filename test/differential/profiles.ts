/**
 * The ways in which both servers are set up to be compared, and what is drawn for each: one server alone is many
 * servers, by its settings.
 */
import type { zookeeperErrorCodes } from '@odradek/protocol';
import type fc from 'fast-check';
import { asAnswered } from './older-release.ts';
import type { Sequence, Way } from './sequence.ts';
import { guardedSequences, quotaSequences, sequences } from './sequences.ts';

export interface Profile {
  readonly name: string;
  /** Keys of the configuration file that both get. */
  readonly settings: Readonly<Record<string, string>>;
  /** With TLS, certificates and a file of SASL users. */
  readonly isSecured: boolean;
  /** Everybody is to show who it is: also whoever makes the sequence's node, and closes sessions. */
  readonly wantsIdentity: boolean;
  /** How the sessions come at first, in turn. */
  readonly ways: readonly Way[];
  readonly sequences: fc.Arbitrary<Sequence>;
  /**
   * How a zxid reads: by how much it is above the first write's; or as the number of writes up to there, where
   * the opening of a session is a transaction to one of the two only.
   */
  readonly zxids: 'exact' | 'as writes';
  /** Errors that a thousand sequences bring about: a run without them has compared less than it should. */
  readonly errors: readonly (keyof typeof zookeeperErrorCodes)[];
  /** Whether events are compared in their order and with their zxids, or those between two replies as a set. */
  readonly events: 'in order' | 'as sets';
  /** Of all sequences. */
  readonly share: number;
}

const ordinary = {
  settings: {},
  isSecured: false,
  wantsIdentity: false,
  ways: ['plain'],
  sequences,
  zxids: 'exact',
  events: 'in order',
  errors: [
    'BAD_ARGUMENTS',
    'BAD_VERSION',
    'INVALID_ACL',
    'MARSHALLING_ERROR',
    'NODE_EXISTS',
    'NOT_EMPTY',
    'NO_AUTH',
    'NO_CHILDREN_FOR_EPHEMERALS',
    'NO_NODE',
    'NO_WATCHER',
    'RECONFIG_DISABLED',
  ],
} as const;
const secured = {
  ...ordinary,
  settings: {
    serverCnxnFactory: 'org.apache.zookeeper.server.NettyServerCnxnFactory',
    'authProvider.1': 'org.apache.zookeeper.server.auth.SASLAuthenticationProvider',
    'authProvider.x509': 'org.apache.zookeeper.server.auth.X509AuthenticationProvider',
    'X509AuthenticationProvider.superUser': 'CN=admin',
    superUser: 'root',
    'fips-mode': 'false',
  },
  isSecured: true,
  ways: ['plain', 'alice', 'admin'],
  errors: ['AUTH_FAILED', 'NO_AUTH', 'INVALID_ACL', 'RECONFIG_DISABLED'],
  sequences: guardedSequences(['plain', 'alice', 'alice', 'admin']),
} as const;

export const profiles: readonly Profile[] = [
  { ...ordinary, name: 'as installed', share: 0.5 },
  {
    ...ordinary,
    name: 'hard quotas, reconfiguration allowed',
    settings: { enforceQuota: 'true', reconfigEnabled: 'true' },
    sequences: quotaSequences,
    errors: ['QUOTA_EXCEEDED', 'NO_NODE'],
    share: 0.15,
  },
  {
    ...ordinary,
    name: 'local sessions that become global',
    settings: { localSessionsEnabled: 'true', localSessionsUpgradingEnabled: 'true' },
    zxids: 'as writes',
    errors: ['NO_CHILDREN_FOR_EPHEMERALS', 'NO_NODE'],
    share: 0.1,
  },
  { ...secured, name: 'TLS with certificates, SASL', share: 0.15 },
  {
    ...secured,
    name: 'TLS with certificates, SASL, nobody unknown',
    settings: {
      ...secured.settings,
      'ssl.clientAuth': 'want',
      'enforce.auth.enabled': 'true',
      'enforce.auth.schemes': 'digest,sasl,x509',
      reconfigEnabled: 'true',
    },
    wantsIdentity: true,
    ways: ['plain', 'tls', 'alice'],
    sequences: guardedSequences(['plain', 'tls', 'alice', 'admin']),
    errors: ['SESSION_CLOSED_REQUIRE_SASL_AUTH', 'NO_AUTH'],
    share: 0.1,
  },
];

/** For ZooKeeper 3.8, whose events have no zxid; what is drawn leaves out what 3.9 answers otherwise. */
export const olderProfiles: readonly Profile[] = profiles
  .filter(({ isSecured }) => !isSecured)
  .map((profile) => ({
    ...profile,
    sequences: profile.sequences.map(asAnswered),
    events: 'as sets',
    errors: [],
  }));
