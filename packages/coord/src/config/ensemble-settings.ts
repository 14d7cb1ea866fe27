/**
 * What a zoo.cfg says about the ensemble, as the rest of the server takes it: the members, who of
 * them this server is, and the times in ms. A server alone has none of it.
 *
 * Three sources: the main file, the file that dynamicConfigFile names, and `myid` in the data
 * directory. The decisions are pure; `loadMembership` only fetches the two files.
 */
import {
  ConfigError,
  type Disk,
  DiskError,
  type PropertyEntry,
  parseProperties,
} from '@odradek/runtime';
import {
  type Ensemble,
  type EnsembleServer,
  InvalidEnsemble,
  memberKey,
  participantsOf,
  readEnsemble,
  readMembers,
  SERVER_ID_MAX,
} from '../core/quorum/ensemble.ts';
import { QuorumRules } from '../core/quorum/rules.ts';
import type { ZooCfg } from './zoo-cfg.ts';

export interface EnsembleSettings {
  /** null: they are in the file `dynamicConfigFile`. */
  readonly members: Ensemble | null;
  readonly tickMs: number;
  /** A new leader and its followers have so long to find each other, and again to be in sync. */
  readonly initMs: number;
  /** After so much silence a leader and a learner give each other up. */
  readonly syncMs: number;
  /** A learner tries so long to connect to its leader. */
  readonly connectToLeaderMs: number;
  /** One connection may take so long to come about. */
  readonly connectMs: number;
  /** An election repeats itself after the first, and doubles it up to the second. */
  readonly notificationMs: number;
  readonly notificationMsMax: number;
  readonly listenOnAllAddresses: boolean;
  readonly readOnlyMode: boolean;
  /** An empty disk votes like any other. */
  readonly trustEmptyDisk: boolean;
}

/** This server's place in its ensemble. */
export interface Membership {
  readonly serverId: number;
  /** As the files say; the data directory may know newer ones. */
  readonly ensemble: Ensemble;
  /** This server's line. */
  readonly self: EnsembleServer;
  /** Where clients are served: the own line and clientPort together. null: no plain port. */
  readonly clientHost: string | null;
  readonly clientPort: number | null;
  /** Sentences for the log. */
  readonly warnings: readonly string[];
}

/** Texts of the files that a zoo.cfg refers to; null: there is none. */
export interface MembershipFiles {
  readonly myid: string | null;
  readonly dynamicConfig: string | null;
}

type Values = Pick<
  ZooCfg,
  | 'tickTime'
  | 'initLimit'
  | 'syncLimit'
  | 'connectToLearnerMasterLimit'
  | 'cnxTimeout'
  | 'fastleader.minNotificationInterval'
  | 'fastleader.maxNotificationInterval'
  | 'quorumListenOnAllIPs'
  | 'readonlymode.enabled'
  | 'db.autocreate'
  | 'dynamicConfigFile'
  | 'standaloneEnabled'
  | 'extendedTypesEnabled'
>;

/**
 * @returns null for a server alone
 * @throws ConfigError naming file, line and remedy
 */
export function readEnsembleSettings(
  values: Values,
  entries: readonly PropertyEntry[],
): EnsembleSettings | null {
  const members = refusingAsConfig(() => readEnsemble(entries));
  if (values.dynamicConfigFile !== null) {
    const line = entries.find(({ key }) => memberKey.test(key));
    if (line !== undefined) {
      throw new ConfigError(
        `${place(line)}: ${line.key}=${line.value}: with dynamicConfigFile this line must stand in ` +
          `${values.dynamicConfigFile}, not here`,
      );
    }
  } else if (isAlone(members, values)) {
    return null;
  }
  const { tickTime } = values;
  return {
    members: values.dynamicConfigFile === null ? members : null,
    tickMs: tickTime,
    initMs: values.initLimit * tickTime,
    syncMs: values.syncLimit * tickTime,
    connectToLeaderMs: (values.connectToLearnerMasterLimit || values.initLimit) * tickTime,
    connectMs: values.cnxTimeout,
    notificationMs: values['fastleader.minNotificationInterval'],
    notificationMsMax: values['fastleader.maxNotificationInterval'],
    listenOnAllAddresses: values.quorumListenOnAllIPs,
    readOnlyMode: values['readonlymode.enabled'],
    trustEmptyDisk: values['db.autocreate'],
  };
}

/**
 * Who this server is among which members.
 * @returns null for a server alone
 * @throws ConfigError in one sentence: what is missing where, and what to do
 */
export function ensembleOf(config: ZooCfg, files: MembershipFiles): Membership | null {
  if (config.ensemble === null) return null;
  const ensemble = config.ensemble.members ?? dynamicMembers(config, files.dynamicConfig);
  if (isAlone(ensemble, config)) return null;
  const serverId = serverIdOf(config, files.myid);
  const self = ensemble.servers.get(serverId);
  if (self === undefined) {
    throw new ConfigError(
      `${idSource(config, files.myid)}: this server is ${serverId}, and there is no server.${serverId} among the members (${[...ensemble.servers.keys()].join(', ')}); ` +
        'add its line on every server, or correct the number',
    );
  }
  if (config.extendedTypesEnabled && (serverId < 1 || serverId > EXTENDED_ID_MAX)) {
    throw new ConfigError(
      `${idSource(config, files.myid)}: with extendedTypesEnabled an id must be from 1 to ${EXTENDED_ID_MAX}, not ${serverId}; TTL nodes use the others`,
    );
  }
  return {
    serverId,
    ensemble,
    self,
    ...clientAddressOf(config, self),
    warnings: notesOn(config, ensemble, self),
  };
}

/**
 * The same, with the files read.
 * @throws ConfigError
 */
export async function loadMembership(
  { disk }: { readonly disk: Pick<Disk, 'readFile'> },
  config: ZooCfg,
): Promise<Membership | null> {
  if (config.ensemble === null) return null;
  const { dynamicConfigFile } = config;
  return ensembleOf(config, {
    myid: await textOf(disk, myidPath(config)),
    dynamicConfig: dynamicConfigFile === null ? null : await textOf(disk, dynamicConfigFile),
  });
}

/** The first byte of session ids, in which TTL nodes keep a mark of 255. */
const EXTENDED_ID_MAX = 254;

const myidPath = ({ dataDir }: Pick<ZooCfg, 'dataDir'>): string => `${dataDir}/myid`;

const idSource = (config: ZooCfg, myid: string | null): string =>
  myid === null ? 'odradek.serverId' : myidPath(config);

const place = ({ source, line }: PropertyEntry): string =>
  line === null ? source : `${source}:${line}`;

function refusingAsConfig<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof InvalidEnsemble) throw new ConfigError(error.message);
    throw error;
  }
}

function isAlone(members: Ensemble, { standaloneEnabled }: Pick<Values, 'standaloneEnabled'>) {
  if (members.servers.size === 0) return true;
  return standaloneEnabled && members.servers.size === 1;
}

function dynamicMembers(config: ZooCfg, text: string | null): Ensemble {
  const file = config.dynamicConfigFile ?? '';
  if (text === null) {
    throw new ConfigError(
      `dynamicConfigFile=${file}: there is no such file; it must hold the server lines`,
    );
  }
  return refusingAsConfig(() => readMembers(parseProperties(text, file)));
}

function serverIdOf(config: ZooCfg, text: string | null): number {
  const file = myidPath(config);
  const configured = config['odradek.serverId'];
  if (text === null) {
    if (configured !== null) return configured;
    throw new ConfigError(
      `${file} is missing: it must say in one line which of the servers this one is, such as 1 for server.1`,
    );
  }
  const line = (text.split(/\r?\n/)[0] ?? '').trim();
  const id = Number(line);
  if (!/^\d{1,3}$/.test(line) || id > SERVER_ID_MAX) {
    throw new ConfigError(
      `${file}:1: ${JSON.stringify(line)} must be the number of this server, from 0 to ${SERVER_ID_MAX}`,
    );
  }
  if (configured !== null && configured !== id) {
    throw new ConfigError(
      `odradek.serverId=${configured}, but ${file} says ${id}: this may be the data of another server; correct the wrong one`,
    );
  }
  return id;
}

const ANY_ADDRESSES: readonly (string | null)[] = [null, '0.0.0.0', '::'];

/** The own line and clientPort may both be there, and then say the same. */
function clientAddressOf(
  config: ZooCfg,
  { id, clientAddress }: EnsembleServer,
): Pick<Membership, 'clientHost' | 'clientPort'> {
  const { clientPort, clientPortAddress } = config;
  if (clientAddress === null) return { clientHost: clientPortAddress, clientPort };
  const { host, port } = clientAddress;
  if (config.hasClientPort && clientPort !== port) {
    throw new ConfigError(
      `clientPort=${clientPort} and the client port of server.${id}, ${port}, must be the same; leave one of them out`,
    );
  }
  const isAny = ANY_ADDRESSES.includes(clientPortAddress);
  if (!isAny && !ANY_ADDRESSES.includes(host) && host !== clientPortAddress) {
    throw new ConfigError(
      `clientPortAddress=${clientPortAddress} and the client address of server.${id}, ${host}, must be the same; leave one of them out`,
    );
  }
  const line = ANY_ADDRESSES.includes(host) ? null : host;
  return { clientHost: line ?? clientPortAddress, clientPort: port };
}

function notesOn(config: ZooCfg, ensemble: Ensemble, self: EnsembleServer): string[] {
  const notes: string[] = [];
  const peerType = config.peerType.toLowerCase();
  if (config.isPeerTypeGiven && peerType !== self.role) {
    notes.push(
      `peerType=${config.peerType}: server.${self.id} is a ${self.role} by its server line, which counts`,
    );
  }
  const rules = new QuorumRules(ensemble);
  const { voters } = rules;
  const isDispensable = (id: number): boolean =>
    rules.isQuorum(voters.filter((other) => other !== id));
  if (participantsOf(ensemble).length > 1 && !voters.some(isDispensable)) {
    notes.push(
      'no server may fail: every one of the participants is needed for a quorum; three servers of the same weight survive one',
    );
  }
  return notes;
}

async function textOf(disk: Pick<Disk, 'readFile'>, path: string): Promise<string | null> {
  try {
    return (await disk.readFile(path))?.toString('utf8') ?? null;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    throw new ConfigError(`${path} cannot be read: ${error.code}`);
  }
}
