/**
 * quorum takeover: the site that decides is lost for good, and those who are left are to go on
 * without it. On the data directory of each survivor, while it is stopped. Says what may be lost,
 * makes sure as far as it can that the others are down, and wants the operator's word for it.
 */
import { loadMembership, type Membership, readZooCfg, type ZooCfg } from '@odradek/coord';
import { type TakeoverReport, takeOver } from '@odradek/coord/offline';
import { ConfigError, ConnectFailed, parseProperties } from '@odradek/runtime';
import type { CommandContext } from '../../context.ts';
import { hex, progressTo } from '../../coord-offline.ts';
import { parseOptions, renderUsage, UsageError } from '../../options.ts';
import type { QuorumCommand } from '../quorum.ts';
import { isConfirmed } from './confirmation.ts';
import type { HostAndPort } from './server-status.ts';

const name = 'quorum takeover';
const description =
  'quorum takeover ZOO.CFG --lost ID,ID,...: the servers that are left decide without the lost ones from now on. ' +
  'On every survivor, observers too, while it is stopped. What only the lost ones know is lost.';
const options = {
  lost: {
    kind: 'text',
    hint: 'id,...',
    required: true,
    about: 'Participants that are down for good, and stay down.',
  },
  confirm: {
    kind: 'text',
    hint: 'id,...',
    about: 'The same ids once more, where nobody can be asked.',
  },
  timeout: {
    kind: 'number',
    hint: 'ms',
    about: 'How long a lost server may take to show that it lives.',
    shownDefault: '2000',
  },
} as const;

const TIMEOUT_MS = 2_000;

export const takeover: QuorumCommand = {
  usage: renderUsage(description, options),
  async run(words, context) {
    const { values, rest } = parseOptions(name, options, words);
    const [file, ...more] = rest;
    if (file === undefined || more.length > 0) {
      throw new UsageError('exactly one zoo.cfg is expected: that of this server');
    }
    const lost = idsIn(values.lost ?? '');
    const { config, membership } = await readServer(context, file);
    const alive = await firstAlive(context, membership, lost, values.timeout ?? TIMEOUT_MS);
    if (alive !== null) {
      await context.stderr(
        `Nothing was changed: ${alive}. It is not lost: stop it for good, or cut it off, and call again.\n`,
      );
      return 1;
    }
    const done = await takeOver(
      context.environment,
      {
        dataDirectory: config.dataDir,
        logDirectory: config.dataLogDir === config.dataDir ? null : config.dataLogDir,
        serverId: membership.serverId,
        members: membership.ensemble,
        lost,
      },
      progressTo(context),
      async (report) => {
        await context.stdout(announcement(report, membership.serverId, lost));
        const question = `Type the ids of the servers that are down for good (${lost.join(',')}) to go on: `;
        return await isConfirmed(context, question, lost.join(','), values.confirm);
      },
    );
    if (done === null) return 1;
    await context.stdout(conclusion(done, membership.serverId));
    return 0;
  },
};

function idsIn(text: string): readonly number[] {
  const ids = text.split(',').map((id) => id.trim());
  const wrong = ids.find((id) => !/^\d{1,3}$/.test(id));
  if (wrong !== undefined) {
    throw new UsageError(`lost: ${JSON.stringify(wrong)} is not the id of a server`);
  }
  return [...new Set(ids.map(Number))].sort((one, other) => one - other);
}

async function readServer(
  { environment, homeDirectory, stderr }: CommandContext,
  file: string,
): Promise<{ config: ZooCfg; membership: Membership }> {
  const content = await environment.disk.readFile(file);
  if (content === null) throw new ConfigError(`${file} cannot be read: there is no such file`);
  const entries = parseProperties(content.toString(), file);
  const { values } = readZooCfg(entries, { source: file, homeDirectory });
  const membership = await loadMembership(environment, values);
  if (membership === null)
    throw new ConfigError(`${file}: this server is alone, not in an ensemble`);
  for (const warning of membership.warnings) await stderr(`WARNING: ${warning}\n`);
  return { config: values, membership };
}

/** A lost server that accepts a connection on any of its ports, as a clause; null: none does. */
async function firstAlive(
  { environment: { network } }: CommandContext,
  { ensemble }: Membership,
  lost: readonly number[],
  timeoutMs: number,
): Promise<string | null> {
  const doors = lost.flatMap((id) => {
    const server = ensemble.servers.get(id);
    const listening = server?.addresses.flatMap(({ host, quorumPort, electionPort }) => [
      { host, port: quorumPort },
      { host, port: electionPort },
      ...(server.clientAddress === null ? [] : [{ host, port: server.clientAddress.port }]),
    ]);
    return (listening ?? []).map((address) => ({ id, address }));
  });
  const found = await Promise.all(
    doors.map(async ({ id, address }) =>
      (await accepts(network, address, timeoutMs))
        ? `server ${id} accepts connections on ${address.host}:${address.port}`
        : null,
    ),
  );
  return found.find((clause) => clause !== null) ?? null;
}

async function accepts(
  network: CommandContext['environment']['network'],
  { host, port }: HostAndPort,
  timeoutMs: number,
): Promise<boolean> {
  try {
    const connection = await network.connect({ host, port, timeoutMs }, () => ({
      data: () => {},
      close: () => {},
    }));
    connection.destroy();
    return true;
  } catch (error) {
    if (error instanceof ConnectFailed) return false;
    throw error;
  }
}

function announcement(
  { survivors, survivorsHold, lostHold, requirement, lastZxid, lastTimeMs }: TakeoverReport,
  serverId: number,
  lost: readonly number[],
): string {
  const time = lastTimeMs === null ? '' : ` of ${new Date(lastTimeMs).toISOString()}`;
  return (
    `Forced take-over, on server ${serverId}.\n` +
    `  Lost for good, as you say: servers ${lost.join(', ')} (${lostHold}). None of their ports answers from here.\n` +
    `  To go on: servers ${survivors.join(', ')} (${survivorsHold}); from then on ${requirement} decide.\n` +
    `  The last transaction here: ${hex(lastZxid)}${time}.\n` +
    'What may be lost: every write that was acknowledged after the newest transaction that any survivor has, because the lost\n' +
    'servers could decide without them; how many these are nobody here can know. Sessions and locks of that time too.\n' +
    'What must be true: the lost servers are down, and do not come back with their old data. If they still serve clients\n' +
    'somewhere, there will be two histories, and theirs will be thrown away.\n' +
    'A fence keeps them out: as soon as one of them meets a survivor it stops deciding and says so.\n'
  );
}

function conclusion(
  { survivors, current, fence, fingerprint }: TakeoverReport,
  serverId: number,
): string {
  const observers = [...current.servers.values()].filter(({ role }) => role === 'observer');
  const others = [...survivors, ...observers.map(({ id }) => id)].filter((id) => id !== serverId);
  return (
    `Done on server ${serverId}: fence ${fence}, members ${fingerprint}.\n` +
    (others.length === 0
      ? ''
      : `Now the same on ${others.length === 1 ? 'server' : 'servers'} ${others.join(', ')}; each must say: fence ${fence}, members ${fingerprint}.\n`) +
    'Then start the survivors. A lost server that is to come back: move its data directory away, keep it, and start it\n' +
    'empty; it copies what the others have, and gets its votes back by odradek quorum move.\n'
  );
}
