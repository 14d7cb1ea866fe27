/**
 * The members of an ensemble as a value: who they are, where they listen, what their votes weigh.
 * Read from and written as the lines `server.N`, `group.N`, `weight.N` and `version` of a
 * configuration file, of the config node and of a reconfiguration.
 *
 * Everything that cannot work is refused here, so that whoever holds an Ensemble need not check it:
 * each id once, no address twice, groups that are disjoint and hold every participant, some weight.
 * Not here: which sets of members decide (rules.ts), what the other keys of zoo.cfg say (config/).
 */
import { OdradekError } from '@odradek/runtime';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ServerAddress {
  /** IPv6 without brackets. */
  readonly host: string;
  /** Replication. */
  readonly quorumPort: number;
  readonly electionPort: number;
}

export type PeerType = 'participant' | 'observer';

export interface EnsembleServer {
  readonly id: number;
  /** At least one; several are ways to the same server. */
  readonly addresses: readonly ServerAddress[];
  readonly role: PeerType;
  /** null: the line has none, the server's own file says where. */
  readonly clientAddress: Address | null;
}

export interface Ensemble {
  /** The zxid of the transaction that made these the members; 0: they come from a file. */
  readonly version: bigint;
  /** By id, rising. */
  readonly servers: ReadonlyMap<number, EnsembleServer>;
  /** Ids of participants by group, both rising; empty: there are no groups. */
  readonly groups: ReadonlyMap<number, readonly number[]>;
  /** Those that were given, by id, rising; whoever has none weighs 1. */
  readonly weights: ReadonlyMap<number, number>;
}

/** One line about members, as properties are read from files. */
export interface MemberLine {
  readonly key: string;
  readonly value: string;
  /** From 1; null when it does not come from a file. */
  readonly line: number | null;
  readonly source: string;
}

/** Members that cannot be an ensemble: one sentence with place and remedy. */
export class InvalidEnsemble extends OdradekError {
  override readonly name = 'InvalidEnsemble';
  readonly code = 'INVALID_ENSEMBLE';
  readonly retriable = false;
}

/** Ids are the first byte of session ids. */
export const SERVER_ID_MAX = 255;
/** Sums of weights stay far from what a number can hold. */
export const WEIGHT_MAX = 1_000_000;
const PORT_MAX = 65_535;
const ANY_ADDRESS = '0.0.0.0';
const DEFAULT_WEIGHT = 1;

/** A key that says something about members. */
export const memberKey = /^(server|group|weight)\./;

/**
 * Reads the text of members, a line each. Blank lines and those that begin with # are passed over.
 * @param source names the text in errors
 * @throws InvalidEnsemble
 */
export function parseEnsemble(text: string, source = 'members'): Ensemble {
  const lines: MemberLine[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const content = raw.trim();
    if (content === '' || content.startsWith('#')) continue;
    const equals = content.indexOf('=');
    const key = (equals < 0 ? content : content.slice(0, equals)).trim();
    const value = equals < 0 ? '' : content.slice(equals + 1).trim();
    lines.push({ key, value, line: index + 1, source });
  }
  return readMembers(lines);
}

/**
 * Members from lines among which nothing else may be.
 * @throws InvalidEnsemble
 */
export function readMembers(lines: readonly MemberLine[]): Ensemble {
  const foreign = lines.find(({ key }) => !memberKey.test(key) && key !== 'version');
  if (foreign !== undefined) {
    throw refusal(
      foreign,
      'only server.N, group.N, weight.N and version may stand here; other keys belong in zoo.cfg',
    );
  }
  const ensemble = readEnsemble(lines);
  if (ensemble.servers.size > 0) return ensemble;
  const where = lines[0] === undefined ? '' : `${lines[0].source}: `;
  throw new InvalidEnsemble(`${where}no member is named; at least one server.N line is needed`);
}

/**
 * Members from those lines that are about members; others are passed over.
 * @throws InvalidEnsemble
 */
export function readEnsemble(entries: readonly MemberLine[]): Ensemble {
  const server = byId('server', entries);
  const group = byId('group', entries);
  const weight = byId('weight', entries);
  const versionLine = entries.findLast(({ key }) => key === 'version');
  const version = versionLine === undefined ? 0n : versionOf(versionLine);
  const servers = serversOf(server);
  refuseSharedPorts(servers, server);
  const groups = groupsOf(group, servers);
  const weights = weightsOf(weight, servers);
  const ensemble = { version, servers, groups, weights };
  if (servers.size > 0) refuseWithoutVotes(ensemble, server, weight, group);
  return ensemble;
}

/** The lines of one kind; no id may stand there twice. */
function byId(kind: string, entries: readonly MemberLine[]): Map<number, MemberLine> {
  const found = new Map<number, MemberLine>();
  for (const entry of entries) {
    if (!entry.key.startsWith(`${kind}.`)) continue;
    const id = idOf(entry.key.slice(kind.length + 1), entry);
    const earlier = found.get(id);
    if (earlier !== undefined) {
      throw refusal(
        entry,
        `${kind}.${id} is given already at ${place(earlier)}; leave one of them out`,
      );
    }
    found.set(id, entry);
  }
  return found;
}

/** The canonical text: what the config node holds. Without a line end at its end. */
export function formatEnsemble(ensemble: Ensemble): string {
  return [...memberLines(ensemble), `version=${ensemble.version.toString(16)}`].join('\n');
}

/** The same without the version: equal for equal members. */
export function memberLines({ servers, groups, weights }: Ensemble): string[] {
  return [
    ...[...servers.values()].map((server) => `server.${server.id}=${formatServer(server)}`),
    ...[...groups].map(([id, members]) => `group.${id}=${members.join(':')}`),
    ...[...weights].map(([id, weight]) => `weight.${id}=${weight}`),
  ];
}

/** What stands after `server.N=`. */
export function formatServer({ addresses, role, clientAddress }: EnsembleServer): string {
  const listening = addresses
    .map(({ host, quorumPort, electionPort }) => `${shown(host)}:${quorumPort}:${electionPort}`)
    .join('|');
  const client =
    clientAddress === null ? '' : `;${shown(clientAddress.host)}:${clientAddress.port}`;
  return `${listening}:${role}${client}`;
}

/** Those who vote, by id. */
export function participantsOf({ servers }: Pick<Ensemble, 'servers'>): EnsembleServer[] {
  return [...servers.values()].filter(({ role }) => role === 'participant');
}

/** What a participant weighs; 0 for everybody else. */
export function weightIn({ servers, weights }: Ensemble, id: number): number {
  if (servers.get(id)?.role !== 'participant') return 0;
  return weights.get(id) ?? DEFAULT_WEIGHT;
}

const shown = (host: string): string => (host.includes(':') ? `[${host}]` : host);

const place = ({ source, line }: MemberLine): string =>
  line === null ? source : `${source}:${line}`;

function refusal(entry: MemberLine, reason: string): InvalidEnsemble {
  return new InvalidEnsemble(`${place(entry)}: ${entry.key}=${entry.value}: ${reason}`);
}

function idOf(text: string, entry: MemberLine): number {
  if (/^\d{1,3}$/.test(text) && Number(text) <= SERVER_ID_MAX) return Number(text);
  throw refusal(
    entry,
    `the id ${JSON.stringify(text)} must be a number from 0 to ${SERVER_ID_MAX}`,
  );
}

function versionOf(entry: MemberLine): bigint {
  const text = entry.value.trim();
  if (/^[0-9a-f]{1,16}$/i.test(text)) return BigInt(`0x${text}`);
  throw refusal(entry, 'the version must be a hexadecimal number of at most 16 digits');
}

function sorted<Value>(map: Iterable<readonly [number, Value]>): Map<number, Value> {
  return new Map([...map].sort(([one], [other]) => one - other));
}

function serversOf(given: ReadonlyMap<number, MemberLine>): Map<number, EnsembleServer> {
  return sorted([...given].map(([id, entry]) => [id, serverOf(id, entry)] as const));
}

/** `host:quorum:election[:role][|more addresses][;[client host:]client port]`. */
function serverOf(id: number, entry: MemberLine): EnsembleServer {
  const [listening = '', client, ...more] = entry.value.trim().split(';');
  if (more.length > 0) throw refusal(entry, 'there may be one ";", before the client port');
  const roles = new Set<PeerType>();
  const addresses = listening.split('|').map((part) => {
    const { host, fields } = hostAndFields(part.trim(), entry);
    const [quorumPort, electionPort, role, ...rest] = fields;
    if (quorumPort === undefined || electionPort === undefined || rest.length > 0) {
      throw refusal(entry, `must be ${SERVER_FORM}, an IPv6 host in brackets`);
    }
    if (role !== undefined) roles.add(roleOf(role, entry));
    const address = {
      host,
      quorumPort: portOf(quorumPort, 'replication port', entry),
      electionPort: portOf(electionPort, 'election port', entry),
    };
    if (address.quorumPort === address.electionPort) {
      throw refusal(entry, 'replication and election need two different ports');
    }
    return address;
  });
  const [role = 'participant', otherRole] = roles;
  if (otherRole !== undefined) throw refusal(entry, 'all addresses must have the same role');
  return { id, addresses, role, clientAddress: clientAddressOf(client, entry) };
}

const SERVER_FORM =
  'host:replicationPort:electionPort[:participant|observer][;[clientHost:]clientPort]';

function hostAndFields(text: string, entry: MemberLine): { host: string; fields: string[] } {
  const bracketed = /^\[([0-9a-fA-F:.%\w]+)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) {
    return { host: bracketed[1] ?? '', fields: bracketed[2]?.split(':') ?? [] };
  }
  const [host = '', ...fields] = text.split(':');
  if (host === '' || !/^[\w.-]+$/.test(host)) {
    throw refusal(
      entry,
      `the host ${JSON.stringify(host)} must be a name or an address, IPv6 in brackets: ${SERVER_FORM}`,
    );
  }
  return { host, fields };
}

function roleOf(text: string, entry: MemberLine): PeerType {
  const role = text.trim().toLowerCase();
  if (role === 'participant' || role === 'observer') return role;
  throw refusal(
    entry,
    `the role ${JSON.stringify(text)} must be participant or observer (an IPv6 host stands in brackets)`,
  );
}

function portOf(text: string, name: string, entry: MemberLine): number {
  const port = Number(text.trim());
  if (/^\d{1,5}$/.test(text.trim()) && port >= 1 && port <= PORT_MAX) return port;
  throw refusal(
    entry,
    `the ${name} ${JSON.stringify(text)} must be a number from 1 to ${PORT_MAX} (an IPv6 host stands in brackets)`,
  );
}

function clientAddressOf(text: string | undefined, entry: MemberLine): Address | null {
  if (text === undefined) return null;
  if (!text.includes(':')) return { host: ANY_ADDRESS, port: portOf(text, 'client port', entry) };
  const { host, fields } = hostAndFields(text.trim(), entry);
  const [port, ...rest] = fields;
  if (port === undefined || rest.length > 0) throw refusal(entry, `must be ${SERVER_FORM}`);
  return { host, port: portOf(port, 'client port', entry) };
}

/** One listener per host and port: two servers, or two uses within one, would fight for it. */
function refuseSharedPorts(
  servers: ReadonlyMap<number, EnsembleServer>,
  lines: ReadonlyMap<number, MemberLine>,
): void {
  const owners = new Map<string, string>();
  for (const server of servers.values()) {
    const entry = lines.get(server.id);
    if (entry === undefined) continue;
    const claim = (host: string, port: number, use: string): void => {
      const key = `${host.toLowerCase()} ${port}`;
      const owner = owners.get(key);
      if (owner !== undefined) {
        throw refusal(
          entry,
          `${shown(host)}:${port} is ${owner} already; every listener needs an address of its own`,
        );
      }
      owners.set(key, use);
    };
    for (const { host, quorumPort, electionPort } of server.addresses) {
      claim(host, quorumPort, `the replication port of server.${server.id}`);
      claim(host, electionPort, `the election port of server.${server.id}`);
    }
    const { clientAddress } = server;
    if (clientAddress === null) continue;
    // Listening on all interfaces takes the port on every host of that server.
    const hosts = isAnyAddress(clientAddress.host)
      ? new Set(server.addresses.map(({ host }) => host.toLowerCase()))
      : [clientAddress.host];
    for (const host of hosts) {
      claim(host, clientAddress.port, `the client port of server.${server.id}`);
    }
  }
}

const isAnyAddress = (host: string): boolean => host === ANY_ADDRESS || host === '::';

function groupsOf(
  lines: ReadonlyMap<number, MemberLine>,
  servers: ReadonlyMap<number, EnsembleServer>,
): Map<number, readonly number[]> {
  const groupOf = new Map<number, number>();
  const groups = [...lines].map(([groupId, entry]) => {
    const members = entry.value
      .trim()
      .split(':')
      .map((text) => idOf(text.trim(), entry));
    for (const id of members) {
      const server = servers.get(id);
      if (server === undefined) {
        throw refusal(
          entry,
          `there is no server.${id}; add its line or take ${id} out of the group`,
        );
      }
      if (server.role === 'observer') {
        throw refusal(
          entry,
          `server.${id} is an observer and has no vote; take it out of the group`,
        );
      }
      const other = groupOf.get(id);
      if (other !== undefined) {
        const where = other === groupId ? 'named twice' : `in group.${other} as well`;
        throw refusal(entry, `server.${id} is ${where}; every participant is in one group, once`);
      }
      groupOf.set(id, groupId);
    }
    return [groupId, members.sort((one, other) => one - other)] as const;
  });
  const [first] = lines.values();
  const left = participantsOf({ servers }).filter(({ id }) => !groupOf.has(id));
  if (first !== undefined && left.length > 0) {
    const names = left.map(({ id }) => `server.${id}`).join(', ');
    throw refusal(
      first,
      `with groups every participant must be in one; ${names} ${left.length === 1 ? 'is' : 'are'} in none`,
    );
  }
  return sorted(groups);
}

function weightsOf(
  lines: ReadonlyMap<number, MemberLine>,
  servers: ReadonlyMap<number, EnsembleServer>,
): Map<number, number> {
  return sorted(
    [...lines].map(([id, entry]) => {
      const server = servers.get(id);
      if (server === undefined) {
        throw refusal(entry, `there is no server.${id}; add its line or leave this one out`);
      }
      if (server.role === 'observer') {
        throw refusal(entry, `server.${id} is an observer and has no vote; leave this line out`);
      }
      const text = entry.value.trim();
      if (!/^\d{1,7}$/.test(text) || Number(text) > WEIGHT_MAX) {
        throw refusal(entry, `a weight must be a whole number from 0 to ${WEIGHT_MAX}`);
      }
      return [id, Number(text)] as const;
    }),
  );
}

function refuseWithoutVotes(
  ensemble: Ensemble,
  ...lines: readonly ReadonlyMap<number, MemberLine>[]
): void {
  const [[first] = [], [weight] = []] = lines.map((byId) => [...byId.values()]);
  if (first === undefined) return;
  const participants = participantsOf(ensemble);
  if (participants.length === 0) {
    throw refusal(first, 'all servers are observers; at least one must be a participant');
  }
  if (participants.every(({ id }) => weightIn(ensemble, id) === 0)) {
    throw refusal(
      weight ?? first,
      'all weights are 0, so that nobody could ever lead; give one server a weight above 0',
    );
  }
}
