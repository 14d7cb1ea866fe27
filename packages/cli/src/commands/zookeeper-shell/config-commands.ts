/** Commands about the ensemble itself: config, reconfig, version. */
import { operations } from '@odradek/client';
import { DiskError, parseProperties } from '@odradek/runtime';
import { renderStat } from '../../stat-block.ts';
import { VERSION } from '../../version.ts';
import type { ShellCommand } from './command.ts';
import { asText } from './data-formats.ts';
import { about, ShellError } from './failures.ts';

/** Whose shell this one equals. */
const COMPATIBLE_WITH = '3.9.5';
const CONFIG_NODE = '/zookeeper/config';

const config: ShellCommand = {
  usage: '[-c] [-w] [-s]',
  wordsMin: 0,
  options: {
    c: { about: 'client connection string' },
    s: { about: 'stats' },
    w: { about: 'watch' },
  },
  async run({ has }, { session, stdout }) {
    const asked = { path: CONFIG_NODE, watch: has('w') };
    const { data, stat } = await about(
      CONFIG_NODE,
      session.call(operations.getData, asked, { ignoreChroot: true }),
    );
    const text = asText(data).toString();
    await stdout(`${has('c') ? clientConnectString(text) : text}\n`);
    if (has('s')) await stdout(renderStat(stat));
  },
};

const reconfig: ShellCommand = {
  usage:
    '[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | [-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]',
  wordsMin: 0,
  options: {
    add: { takesValue: true, about: 'comma-separated list of config strings for new servers' },
    file: { takesValue: true, about: 'path of config file to parse for membership' },
    members: {
      takesValue: true,
      about: 'comma-separated list of config strings for non-incremental reconfig',
    },
    remove: { takesValue: true, about: 'comma-separated list of server IDs to remove' },
    s: { about: 'stats' },
    v: { takesValue: true, about: 'required current config version' },
  },
  async run({ has, valueFor }, { session, stdout, disk }) {
    const [add, remove, members, file] = ['add', 'remove', 'members', 'file'].map(valueFor);
    if (!['add', 'remove', 'members', 'file'].some(has))
      throw new ShellError(`reconfig ${reconfig.usage}`);
    const curConfigId = configVersion(valueFor('v'));
    if ((file ?? members) !== undefined && (add ?? remove) !== undefined)
      throw new ShellError(
        "Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental modes is not allowed)",
      );
    if (file !== undefined && members !== undefined)
      throw new ShellError(
        "Can't use -file and -members together (conflicting non-incremental modes)",
      );
    const { data, stat } = await about(
      null,
      session.call(operations.reconfig, {
        joiningServers: add?.toLowerCase() ?? null,
        leavingServers: remove ?? null,
        newMembers:
          file === undefined ? (members?.toLowerCase() ?? null) : await membersIn(file, disk),
        curConfigId,
      }),
    );
    await stdout(`Committed new configuration:\n${asText(data)}\n`);
    if (has('s')) await stdout(renderStat(stat));
  },
};

const version: ShellCommand = {
  usage: '',
  wordsMin: 0,
  options: {},
  async run({ words }, { stdout }) {
    if (words.length > 0) throw new ShellError('version ');
    await stdout(`ZooKeeper CLI version: ${COMPATIBLE_WITH}-odradek-${VERSION}\n`);
  },
};

export const configCommands = { config, reconfig, version };

/** `100000000 host1:2181,host2:2181`: the version, and where clients connect. */
function clientConnectString(text: string): string {
  const entries = parseProperties(text, CONFIG_NODE);
  const configuration = entries.find(({ key }) => key === 'version')?.value ?? '';
  const clients = entries
    .filter(({ key }) => key.startsWith('server.'))
    .map(({ value }) => clientAddress(value))
    .filter((address) => address !== null);
  return `${configuration} ${clients.join(',')}`;
}

/** `host:2888:3888:role;[address:]port`: the part behind the semicolon; an address for all means the host. */
function clientAddress(server: string): string | null {
  const semicolon = server.lastIndexOf(';');
  if (semicolon < 0) return null;
  const client = server.slice(semicolon + 1);
  const host = /^(\[[^\]]+\]|[^:]+):/.exec(server)?.[1] ?? '';
  if (!client.includes(':')) return `${host}:${client}`;
  return client.replace(/^(0\.0\.0\.0|\[?::\]?|\*)(?=:\d+$)/, host);
}

/** Hexadecimal, as the configuration itself shows it; -1 for whichever. */
function configVersion(text: string | undefined): bigint {
  if (text === undefined) return -1n;
  if (!/^-?[0-9a-f]{1,16}$/i.test(text))
    throw new ShellError('-v must be followed by a long (configuration version)');
  return text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
}

/** The `server.N=` lines of a dynamic configuration file. */
async function membersIn(
  file: string,
  disk: { readFile(path: string): Promise<Buffer | null> },
): Promise<string> {
  const problem = (reason: string) => new ShellError(`Error processing ${file}${reason}`);
  let content: Buffer | null;
  try {
    content = await disk.readFile(file);
  } catch (failure) {
    throw failure instanceof DiskError ? problem(failure.message) : failure;
  }
  if (content === null) throw problem(`${file} (No such file or directory)`);
  const lines = parseProperties(content.toString(), file)
    .filter(({ key }) => /^(server|group|weight)/.test(key))
    .map(({ key, value }) => `${key}=${value}`);
  return lines.join(',');
}
