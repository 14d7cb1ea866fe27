/**
 * The keys of zoo.cfg (zookeeper.properties): what this server makes of them.
 *
 * Names, defaults and meanings are the original's, so that an operator's file works as it is. Keys of
 * the original that have nothing to do here are taken and noted; keys that promise something this
 * version does not keep stop the start. Keys of security are in security-keys.ts, those of an
 * ensemble in ensemble-keys.ts.
 */
import {
  atLeast,
  between,
  ConfigError,
  type ConfigValues,
  defineConfig,
  HIDDEN,
  oneOfAnyCase,
  type PropertyEntry,
  readConfig,
} from '@odradek/runtime';
import { memberKey } from '../core/quorum/ensemble.ts';
import { ensembleKeys } from './ensemble-keys.ts';
import { type EnsembleSettings, readEnsembleSettings } from './ensemble-settings.ts';
import { type IdleKeys, idleGroupOf } from './idle-keys.ts';
import { pageKeys, prometheusProvider } from './page-keys.ts';
import { securityKeys } from './security-keys.ts';
import { openSecurityKey, readSecurity, type SecuritySettings } from './security-settings.ts';

const PORT_MAX = 65_535;
const INT_MAX = 2 ** 31 - 1;
/** A record of the log holds a request and may be no longer than this plus its own part. */
const JUTE_MAX_BUFFER_MAX = 512 * 1024 * 1024;
const yesOrNo = oneOfAnyCase('yes', 'no');

export const zooCfg = defineConfig({
  dataDir: {
    type: 'path',
    doc: 'Folder of the snapshots, and of the log unless dataLogDir is set.',
  },
  dataLogDir: {
    type: 'path',
    default: null,
    doc: 'Folder of the transaction log; best on a device of its own.',
  },
  clientPort: {
    type: 'int',
    default: 2181,
    validate: between(0, PORT_MAX),
    doc: 'Port for clients; 0 takes any free one.',
  },
  clientPortAddress: {
    type: 'string',
    default: null,
    doc: 'Address to listen on; all interfaces when not set.',
  },
  tickTime: {
    type: 'int',
    default: 3_000,
    validate: between(1, INT_MAX),
    doc: 'Unit of session times, in ms; sessions expire to the tick.',
  },
  minSessionTimeout: {
    type: 'int',
    default: null,
    validate: atLeast(-1),
    doc: 'Shortest session time-out, in ms; 2 ticks when not set or -1.',
  },
  maxSessionTimeout: {
    type: 'int',
    default: null,
    validate: atLeast(-1),
    doc: 'Longest session time-out, in ms; 20 ticks when not set or -1.',
  },
  maxClientCnxns: {
    type: 'int',
    default: 60,
    validate: atLeast(0),
    doc: 'Connections of one client address; 0: any number.',
  },
  maxCnxns: {
    type: 'int',
    default: 0,
    validate: atLeast(0),
    doc: 'Connections in all; 0: any number.',
  },
  globalOutstandingLimit: {
    type: 'int',
    default: 1_000,
    validate: atLeast(1),
    doc: 'Requests that may wait for the log before connections are held back.',
  },
  'jute.maxbuffer': {
    type: 'int',
    default: 0xfffff,
    validate: between(1_024, JUTE_MAX_BUFFER_MAX),
    doc: 'Longest request, in bytes. Data that is already stored is served whatever its length, and setWatches may take 64 MiB.',
  },
  'odradek.maxReplyBytes': {
    type: 'int',
    default: 0,
    validate: atLeast(0),
    doc: 'Longest answer with data or names, in bytes; a longer one becomes MarshallingError. 0: any, as in the original.',
  },
  'odradek.linearizableReads': {
    type: 'boolean',
    default: false,
    doc: 'Whether every read shows all that was acknowledged to anybody before; a client can ask for it by `addauth odradek reads=linearizable`.',
  },
  '4lw.commands.whitelist': {
    type: 'list',
    default: ['ruok', 'srvr', 'stat', 'mntr', 'conf', 'isro', 'quor'],
    doc: 'Four-letter words that are answered; * for all. The original answers only srvr by default.',
  },
  snapCount: {
    type: 'int',
    default: 100_000,
    validate: atLeast(2),
    doc: 'A snapshot is taken after between half as many and as many transactions.',
  },
  snapSizeLimitInKb: {
    type: 'long',
    default: 4_194_304,
    doc: 'The same by size of the log, in KiB; 0 or less: not by size.',
  },
  txnLogSizeLimitInKb: {
    type: 'long',
    default: -1,
    doc: 'Size at which a new log file is begun, in KiB; -1: 64 MiB.',
  },
  preAllocSize: {
    type: 'long',
    default: 1_024,
    validate: atLeast(1),
    doc: 'The first log file has room for this, in KiB, and grows by it; under load the next are made beforehand, each twice as big. The original takes 65536.',
  },
  'fsync.warningthresholdms': {
    type: 'long',
    default: 1_000,
    validate: atLeast(0),
    doc: 'A slower sync of the log is worth a line.',
  },
  forceSync: {
    type: 'string',
    default: 'yes',
    validate: yesOrNo,
    doc: 'no: writes are acknowledged before they are on disk and can be lost in a power cut.',
  },
  'autopurge.snapRetainCount': {
    type: 'int',
    default: 3,
    validate: atLeast(3),
    doc: 'Snapshots that are kept, with the logs they need.',
  },
  'autopurge.purgeInterval': {
    type: 'int',
    default: 1,
    validate: atLeast(0),
    doc: 'Hours between purges of old files; 0: never. The original takes 0.',
  },
  maxBatchSize: {
    type: 'int',
    default: 4_096,
    validate: atLeast(1),
    doc: 'Transactions in one write and sync.',
  },
  skipACL: {
    type: 'string',
    default: 'no',
    validate: yesOrNo,
    doc: 'yes: everybody may do everything.',
  },
  extendedTypesEnabled: {
    type: 'boolean',
    default: false,
    doc: 'Whether TTL nodes can be made.',
  },
  enforceQuota: {
    type: 'boolean',
    default: false,
    doc: 'Whether writes beyond a hard quota are refused; otherwise they are only told in the log, like those beyond a soft one.',
  },
  localSessionsEnabled: {
    type: 'boolean',
    default: false,
    doc: 'Whether new sessions are known to this server only: no transaction makes them, and they end with it.',
  },
  localSessionsUpgradingEnabled: {
    type: 'boolean',
    default: false,
    doc: 'Whether such a session becomes a global one when it makes an ephemeral node; otherwise that is refused.',
  },
  reconfigEnabled: {
    type: 'boolean',
    default: false,
    doc: 'Whether members can be changed while the ensemble serves; a server alone then says that it has none to change.',
  },
  'digest.enabled': {
    type: 'boolean',
    default: false,
    doc: 'Whether digests of the tree are kept for the word `hash`, by which two servers can be compared. Costs a start a second or two per million nodes, and each write two checksums. The original has it on.',
  },
  'DigestAuthenticationProvider.superDigest': {
    type: 'password',
    default: null,
    doc: 'super:<hash> of the user that may do everything.',
  },
  'DigestAuthenticationProvider.enabled': {
    type: 'boolean',
    default: true,
    doc: 'Whether the digest scheme is offered.',
  },
  ...securityKeys,
  'znode.container.checkIntervalMs': {
    type: 'int',
    default: 60_000,
    validate: atLeast(1),
    doc: 'Time between looks for containers and TTL nodes to remove, in ms.',
  },
  'znode.container.maxPerMinute': {
    type: 'int',
    default: 10_000,
    validate: atLeast(1),
    doc: 'Such nodes removed in one minute.',
  },
  'znode.container.maxNeverUsedIntervalMs': {
    type: 'long',
    default: 0,
    validate: atLeast(0),
    doc: 'A container that never had a child goes after this time, in ms; 0: it stays.',
  },
  standaloneEnabled: {
    type: 'boolean',
    default: true,
    doc: 'Whether one server line is a server alone; otherwise it is an ensemble of one, to which others can be added.',
  },
  'nio.sessionlessCnxnTimeout': {
    type: 'int',
    default: 10_000,
    validate: atLeast(1),
    doc: 'A connection that has opened no session after this time is closed, in ms.',
  },
  ...ensembleKeys,
  ...pageKeys,
});

export type ZooCfg = Omit<ConfigValues<typeof zooCfg>, 'clientPort'> & {
  /** null: no plain port, because only secureClientPort is given. */
  readonly clientPort: number | null;
  readonly hasClientPort: boolean;
  readonly isPeerTypeGiven: boolean;
  readonly security: SecuritySettings;
  /** null: a server alone. */
  readonly ensemble: EnsembleSettings | null;
  /** With the defaults that depend on tickTime filled in. */
  readonly minSessionTimeout: number;
  readonly maxSessionTimeout: number;
  readonly dataLogDir: string;
  /** What was given, a line for each key, without its secrets. */
  readonly initialConfiguration: string;
};

/** Keys about protection that change nothing in this version. */
const withoutEffect: readonly RegExp[] = [
  /^(quorum\.auth\..*|IPAuthenticationProvider\..*)$/,
  /^ssl\.(quorum\.)?(sslProvider|allowReverseDnsLookup)$/,
];

/** Promises about who is let in, which must not be dropped in silence. */
const refused = /^quorum\.auth\.(enableSasl|learnerRequireSasl|serverRequireSasl)$/;

export interface ReadZooCfg {
  readonly values: ZooCfg;
  /** Sentences for the log. */
  readonly warnings: readonly string[];
}

/**
 * Reads the entries of a zoo.cfg.
 * @throws ConfigError naming file, line, key, value and what is allowed
 */
export function readZooCfg(
  given: readonly PropertyEntry[],
  options: { readonly source: string; readonly homeDirectory: string },
): ReadZooCfg {
  const entries = given.map(withoutPrefix);
  const isForeign = (key: string): boolean =>
    memberKey.test(key) ||
    key === 'version' ||
    openSecurityKey.test(key) ||
    idleGroupOf(key) !== undefined ||
    withoutEffect.some((pattern) => pattern.test(key));
  const config = readConfig(zooCfg, entries, { ...options, isForeign });
  const { values, explicit } = config;
  for (const entry of entries) refuseUnkept(entry);
  const security = readSecurity(config, entries, values['DigestAuthenticationProvider.enabled']);
  const hasPlainPort = values.secureClientPort === null || explicit.has('clientPort');
  const minSessionTimeout = orTicks(values.minSessionTimeout, 2, values.tickTime);
  const maxSessionTimeout = orTicks(values.maxSessionTimeout, 20, values.tickTime);
  if (minSessionTimeout > maxSessionTimeout) {
    const key = explicit.has('minSessionTimeout') ? 'minSessionTimeout' : 'maxSessionTimeout';
    throw config.refuse(
      key,
      `must be such that minSessionTimeout (${minSessionTimeout}) is at most maxSessionTimeout (${maxSessionTimeout})`,
    );
  }
  return {
    values: {
      ...values,
      clientPort: hasPlainPort ? values.clientPort : null,
      hasClientPort: explicit.has('clientPort'),
      isPeerTypeGiven: explicit.has('peerType'),
      security,
      ensemble: readEnsembleSettings(values, entries),
      minSessionTimeout,
      maxSessionTimeout,
      dataLogDir: values.dataLogDir ?? values.dataDir,
      initialConfiguration: given.map(shown).join(''),
    },
    warnings: [...config.warnings, ...security.warnings, ...notes(entries), ...pageNotes(values)],
  };
}

const orTicks = (value: number | null, ticks: number, tickMs: number): number =>
  value === null || value === -1 ? ticks * tickMs : value;

/** The original's keys are system properties as well, whose names begin with `zookeeper.` */
function withoutPrefix(entry: PropertyEntry): PropertyEntry {
  return entry.key.startsWith(PREFIX) ? { ...entry, key: entry.key.slice(PREFIX.length) } : entry;
}

const PREFIX = 'zookeeper.';
const secret = /password|superDigest|secret/i;

const shown = ({ key, value }: PropertyEntry): string =>
  `${key}=${secret.test(key) && !key.endsWith('Path') ? HIDDEN : value}\n`;

/** Which keys change nothing, and why. */
function notes(entries: readonly PropertyEntry[]): string[] {
  const byReason = new Map<string, Set<string>>();
  for (const { key } of entries) {
    if (key in zooCfg) continue;
    const why = idleReason(key);
    if (why === undefined) continue;
    byReason.set(why, (byReason.get(why) ?? new Set()).add(key));
  }
  return [...byReason].map(
    ([why, keys]) => `without effect: ${[...keys].join(', ')}${why === '' ? '' : ` (${why})`}`,
  );
}

function idleReason(key: string): IdleKeys['why'] | undefined {
  const group = idleGroupOf(key);
  if (group !== undefined) return group.why;
  return withoutEffect.some((pattern) => pattern.test(key)) ? 'not in this version' : undefined;
}

function pageNotes(
  values: Pick<ConfigValues<typeof zooCfg>, 'metricsProvider.className'>,
): string[] {
  const provider = values['metricsProvider.className'];
  if (provider === prometheusProvider || provider.endsWith('.DefaultMetricsProvider')) return [];
  return [
    `metricsProvider.className=${provider}: there is only ${prometheusProvider}; ` +
      'metrics are told by mntr and the admin pages',
  ];
}

const place = ({ source, line, key, value }: PropertyEntry): string =>
  `${line === null ? source : `${source}:${line}`}: ${key}=${value}`;

function refuseUnkept(entry: PropertyEntry): void {
  if (!refused.test(entry.key) || /^false$/i.test(entry.value)) return;
  throw new ConfigError(
    `${place(entry)}: servers prove to each other who they are by certificates (sslQuorum=true), not by SASL; leave the key out`,
  );
}
