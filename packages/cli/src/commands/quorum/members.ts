/**
 * Which ensemble a command is about: from a zoo.cfg, from a file of members, or from servers that
 * live; and which of its servers are in which place.
 */
import {
  type Ensemble,
  type EnsembleServer,
  parseEnsemble,
  QuorumRules,
  readEnsemble,
  type Sites,
  sitesOf,
} from '@odradek/coord/quorum';
import { ConfigError, type PropertyEntry, parseProperties } from '@odradek/runtime';
import type { CommandContext } from '../../context.ts';
import { UsageError } from '../../options.ts';
import { type Answer, askStatus, type HostAndPort } from './server-status.ts';

/** Options that say which ensemble is meant. */
export const sourceOptions = {
  server: {
    kind: 'text',
    hint: 'host:port,...',
    about: 'Servers that live, by their client ports; one is enough, the others are found by it.',
  },
  timeout: {
    kind: 'number',
    hint: 'ms',
    about: 'How long one server may take to answer.',
    shownDefault: '2000',
  },
} as const;

export const siteOptions = {
  site: {
    kind: 'repeated',
    hint: 'name=id,id,...',
    about:
      'Servers that are in one place; given once for each place. Groups are places by themselves.',
  },
} as const;

const TIMEOUT_MS = 2_000;
const CLIENT_PORT = 2181;
const ANY_ADDRESSES: readonly string[] = ['0.0.0.0', '::'];

export interface Source {
  /** null: none is given. */
  readonly file: string | null;
  readonly servers: readonly HostAndPort[];
  readonly timeoutMs: number;
}

export interface Member {
  readonly server: EnsembleServer;
  /** null: nobody says where its clients connect. */
  readonly address: HostAndPort | null;
  readonly answer: Answer;
}

/** An ensemble with what its servers answer. */
export interface Survey {
  readonly ensemble: Ensemble;
  readonly rules: QuorumRules;
  /** By id. */
  readonly members: readonly Member[];
}

/** @throws UsageError unless a file or servers are named */
export function sourceOf(
  rest: readonly string[],
  values: { readonly server: string | undefined; readonly timeout: number | undefined },
): Source {
  const [file, ...more] = rest;
  if (more.length > 0) throw new UsageError(`Found non argument parameters: ${more.join(', ')}`);
  const servers = (values.server ?? '')
    .split(',')
    .filter((text) => text !== '')
    .map(hostAndPort);
  if (file === undefined && servers.length === 0) {
    throw new UsageError('a configuration file, or servers (--server), must be named');
  }
  const timeoutMs = values.timeout ?? TIMEOUT_MS;
  if (timeoutMs < 1) throw new UsageError('timeout: at least 1 ms is expected');
  return { file: file ?? null, servers, timeoutMs };
}

function hostAndPort(text: string): HostAndPort {
  const match = /^\s*(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?\s*$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) throw new UsageError(`server: ${JSON.stringify(text)} is no host:port`);
  return { host, port: Number(match?.[3] ?? CLIENT_PORT) };
}

/** Members and the client port that a file names. @throws ConfigError, InvalidEnsemble */
export async function membersInFile(
  { environment: { disk } }: Pick<CommandContext, 'environment'>,
  path: string,
): Promise<{ readonly ensemble: Ensemble; readonly clientPort: number }> {
  const entriesOf = async (file: string): Promise<readonly PropertyEntry[]> => {
    const content = await disk.readFile(file);
    if (content === null) throw new ConfigError(`${file} cannot be read: there is no such file`);
    return parseProperties(content.toString(), file);
  };
  const entries = await entriesOf(path);
  const given = (key: string): string | undefined =>
    entries.findLast((entry) => entry.key === key)?.value.trim();
  const elsewhere = given('dynamicConfigFile');
  const ensemble = readEnsemble(elsewhere === undefined ? entries : await entriesOf(elsewhere));
  if (ensemble.servers.size === 0) {
    throw new ConfigError(`${elsewhere ?? path}: it has no server lines, so there is no ensemble`);
  }
  return { ensemble, clientPort: Number(given('clientPort') ?? CLIENT_PORT) };
}

/** Asks everybody. @throws ConfigError when nobody says who the members are */
export async function surveyOf(context: CommandContext, source: Source): Promise<Survey> {
  const { environment } = context;
  const ask = (address: HostAndPort): Promise<Answer> =>
    askStatus(environment, address, source.timeoutMs);
  const file = source.file === null ? null : await membersInFile(context, source.file);
  const firstAnswers = await Promise.all(source.servers.map(ask));
  const known = new Map<number, { address: HostAndPort; answer: Answer }>();
  for (const [index, answer] of firstAnswers.entries()) {
    const address = source.servers[index];
    if (answer.kind === 'answered' && address !== undefined) {
      known.set(answer.status.serverId, { address, answer });
    }
  }
  const first = newestOf([...known.values()].map(({ answer }) => answer)) ?? file?.ensemble;
  if (first === undefined) throw new ConfigError(nobodyKnows(source, firstAnswers));
  // Where nobody says it, clients are likely to be served on the same port everywhere.
  const [found] = known.values();
  const usualPort = file?.clientPort ?? found?.address.port ?? null;
  const members = await Promise.all(
    [...first.servers.values()].map(async (server): Promise<Member> => {
      const asked = known.get(server.id);
      if (asked !== undefined) return { server, ...asked };
      const address = clientAddressOf(server, usualPort);
      const answer: Answer =
        address === null
          ? { kind: 'silent', reason: 'its server line has no client port, and no file names one' }
          : await ask(address);
      return { server, address, answer: rightOne(server.id, answer) };
    }),
  );
  const ensemble = newestOf(members.map(({ answer }) => answer)) ?? first;
  return { ensemble, rules: new QuorumRules(ensemble), members };
}

/** Where clients of a server connect. */
function clientAddressOf(server: EnsembleServer, fallbackPort: number | null): HostAndPort | null {
  const host = server.addresses[0]?.host ?? 'localhost';
  const { clientAddress } = server;
  if (clientAddress === null) return fallbackPort === null ? null : { host, port: fallbackPort };
  return ANY_ADDRESSES.includes(clientAddress.host)
    ? { host, port: clientAddress.port }
    : clientAddress;
}

function rightOne(id: number, answer: Answer): Answer {
  if (answer.kind === 'silent' || answer.status.serverId === id) return answer;
  return { kind: 'silent', reason: `server ${answer.status.serverId} answers there` };
}

/** The members of the greatest version that anybody goes by. */
function newestOf(answers: readonly Answer[]): Ensemble | undefined {
  const all = answers.flatMap((answer) =>
    answer.kind === 'answered' && answer.status.ensemble !== null
      ? [parseEnsemble(answer.status.ensemble)]
      : [],
  );
  return all.sort((one, other) => (one.version < other.version ? 1 : -1))[0];
}

function nobodyKnows({ servers }: Source, answers: readonly Answer[]): string {
  const reasons = answers.map((answer, index) => {
    const address = `${servers[index]?.host}:${servers[index]?.port}`;
    const why = answer.kind === 'silent' ? answer.reason : 'it is alone and belongs to no ensemble';
    return `${address}: ${why}`;
  });
  return `nobody says who the members are: ${reasons.join('; ')}`;
}

/**
 * Sites as the options name them, else the groups of the ensemble.
 * @throws UsageError naming the option
 */
export function sitesFrom(ensemble: Ensemble, given: readonly string[]): Sites {
  if (given.length === 0) return sitesOf(ensemble);
  const sites = new Map<string, readonly number[]>();
  const placeOf = new Map<number, string>();
  for (const text of given) {
    const match = /^([^=]+)=(\d+(?:\s*,\s*\d+)*)$/.exec(text.trim());
    const name = match?.[1]?.trim();
    if (name === undefined)
      throw new UsageError(`site: ${JSON.stringify(text)} is no name=id,id,...`);
    const ids = (match?.[2] ?? '').split(',').map(Number);
    for (const id of ids) {
      const other = placeOf.get(id);
      if (other !== undefined)
        throw new UsageError(`site: server ${id} is in ${other} and in ${name}`);
      if (!ensemble.servers.has(id)) throw new UsageError(`site: there is no server ${id}`);
      placeOf.set(id, name);
    }
    if (sites.has(name)) throw new UsageError(`site: ${name} is given twice`);
    sites.set(name, ids);
  }
  return sites;
}
