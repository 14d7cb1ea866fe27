/**
 * zookeeper-shell: looks at znodes and changes them; one command from the command line, or many from a prompt.
 * Where text goes follows ZooKeeper's shell: answers to standard output, `Created …` and errors to standard error.
 * Not here yet: ACLs, quotas, reconfiguration, watches that outlive one command.
 */
import { CoordinatorSession, type Stat } from '@odradek/client';
import { ZooKeeperError } from '@odradek/protocol';
import { millis } from '@odradek/runtime';
import type { CommandContext, Completer, Tool } from '../context.ts';
import { toolLogging } from '../logging.ts';
import { UsageError } from '../options.ts';
import { renderStat } from '../stat-block.ts';
import { splitWords } from '../words.ts';

const USAGE = `ZooKeeper -server host:port [-timeout ms] cmd args
	close
	create [-s] [-e] path [data]
	delete [-v version] path
	deleteall path
	get [-s] [-w] path
	help
	ls [-s] [-w] [-R] path
	quit
	set [-s] [-v version] path data
	stat [-w] path
`;

const SESSION_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 30_000;

/** A mistake in one shell command: said on standard error; the shell goes on. */
class ShellError extends Error {
  override readonly name = 'ShellError';
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

export const zookeeperShell: Tool = {
  name: 'zookeeper-shell',
  description: 'Shows and changes the znodes of a coordination server.',
  usage: () => 'USAGE: zookeeper-shell host:port[/chroot] [-timeout ms] [command args]\n',
  wantsWords: true,
  reportsSignal: false,
  logging: toolLogging,
  async run(words, context) {
    const { connect, timeoutMs, command } = parseCall(words);
    const session = CoordinatorSession.open({
      connect,
      sessionTimeoutMs: timeoutMs,
      environment: context.environment,
      name: 'zookeeper-shell',
    });
    try {
      await context.stdout(`Connecting to ${connect}\n`);
      await connected(session, connect, context);
      if (context.isTerminal && command.length === 0)
        await context.stdout('Welcome to ZooKeeper!\n');
      await context.stdout('\nWATCHER::\n\nWatchedEvent state:SyncConnected type:None path:null\n');
      if (command.length > 0) return await runOne(session, command, context);
      return await converse(session, connect, context);
    } finally {
      await session.close();
    }
  },
};

interface Call {
  readonly connect: string;
  readonly timeoutMs: number;
  readonly command: readonly string[];
}

function parseCall(words: readonly string[]): Call {
  const rest = [...words];
  if (rest[0] === '-server') rest.shift();
  const connect = rest.shift();
  if (connect === undefined || connect.startsWith('-'))
    throw new UsageError('host:port is missing');
  let timeoutMs = SESSION_TIMEOUT_MS;
  while (rest[0]?.startsWith('-')) {
    const option = rest.shift();
    if (option !== '-timeout') throw new UsageError(`${option} is not a recognized option`);
    timeoutMs = Number(rest.shift());
    if (!Number.isInteger(timeoutMs) || timeoutMs <= 0) {
      throw new UsageError('-timeout wants a positive number of milliseconds');
    }
  }
  return { connect, timeoutMs, command: rest };
}

/** Waits for the session, but not for ever. */
async function connected(
  session: CoordinatorSession,
  connect: string,
  { environment: { clock, timers }, interrupted }: CommandContext,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const giveUp = () => reject(new ShellError(`no coordination server answers at ${connect}`));
    const disarm = timers.wakeAt(millis(clock.now() + CONNECT_TIMEOUT_MS), giveUp);
    interrupted.addEventListener('abort', giveUp, { once: true });
    session.whenConnected().then(() => {
      disarm();
      resolve();
    }, reject);
  });
}

async function converse(
  session: CoordinatorSession,
  connect: string,
  context: CommandContext,
): Promise<number> {
  let exitCode = 0;
  const complete = completerFor(session);
  for (let count = 0; ; count++) {
    const state = session.state.toUpperCase();
    const line = await context.prompt(
      context.isTerminal ? `[zk: ${connect}(${state}) ${count}] ` : '',
      complete,
    );
    if (line === null) return exitCode;
    const words = splitWords(line);
    if (words.length === 0) continue;
    if (words[0] === 'quit' || words[0] === 'close') return exitCode;
    const code = await runOne(session, words, context);
    // A script that pipes its commands in learns that one of them failed; a person has seen it.
    if (!context.isTerminal && code !== 0) exitCode = code;
  }
}

async function runOne(
  session: CoordinatorSession,
  words: readonly string[],
  context: CommandContext,
): Promise<number> {
  const [name = '', ...args] = words;
  const command = commands[name];
  try {
    if (command === undefined) {
      await context.stderr(USAGE);
      throw new ShellError(`Command not found: Command not found ${name}`, 127);
    }
    await command(session, args, context);
    return 0;
  } catch (failure) {
    if (failure instanceof ShellError) {
      await context.stderr(`${failure.message}\n`);
      return failure.exitCode;
    }
    if (failure instanceof ZooKeeperError) {
      await context.stderr(
        `${explain(failure, args.find((word) => word.startsWith('/')) ?? '')}\n`,
      );
      return 1;
    }
    throw failure;
  }
}

type ShellCommand = (
  session: CoordinatorSession,
  args: readonly string[],
  context: CommandContext,
) => Promise<void>;

const commands: Readonly<Record<string, ShellCommand>> = {
  async help(_session, _args, { stderr }) {
    await stderr(USAGE);
  },
  async ls(session, args, context) {
    const { flags, words } = flagsOf(args, 'swR');
    const path = one(words, 'ls [-s] [-w] [-R] path');
    if (flags.has('R')) {
      for await (const found of walk(session, path)) await context.stdout(`${found}\n`);
      return;
    }
    const found = present(await session.children(path, watcherFor(flags, context)));
    await context.stdout(`[${[...found.names].sort().join(', ')}]\n`);
    if (flags.has('s')) await context.stdout(renderStat(found.stat));
  },
  async get(session, args, context) {
    const { flags, words } = flagsOf(args, 'sw');
    const path = one(words, 'get [-s] [-w] path');
    const found = present(await session.get(path, watcherFor(flags, context)));
    await context.stdout(Buffer.concat([textOf(found), Buffer.from('\n')]));
    if (flags.has('s')) await context.stdout(renderStat(found.stat));
  },
  async stat(session, args, context) {
    const { flags, words } = flagsOf(args, 'w');
    const path = one(words, 'stat [-w] path');
    await context.stdout(
      renderStat(present(await session.exists(path, watcherFor(flags, context)))),
    );
  },
  async create(session, args, context) {
    const { flags, words } = flagsOf(args, 'se');
    const [path, data, ...more] = words;
    if (path === undefined || more.length > 0) throw new ShellError('create [-s] [-e] path [data]');
    const created = await session.create(path, data ?? null, {
      sequential: flags.has('s'),
      ephemeral: flags.has('e'),
    });
    await context.stderr(`Created ${created}\n`);
  },
  async set(session, args, context) {
    const { flags, words, version } = flagsOf(args, 's');
    const [path, data, ...more] = words;
    if (path === undefined || data === undefined || more.length > 0) {
      throw new ShellError('set [-s] [-v version] path data');
    }
    const stat = await session.set(path, data, version);
    if (flags.has('s')) await context.stdout(renderStat(stat));
  },
  async delete(session, args) {
    const { words, version } = flagsOf(args, '');
    await session.remove(one(words, 'delete [-v version] path'), version);
  },
  async deleteall(session, args) {
    const { words } = flagsOf(args, '');
    const top = one(words, 'deleteall path');
    const found: string[] = [];
    for await (const path of walk(session, top)) found.push(path);
    for (const path of found.reverse()) await session.remove(path);
  },
};

/** Depth first, the path itself first. */
async function* walk(session: CoordinatorSession, path: string): AsyncGenerator<string> {
  const found = present(await session.children(path));
  yield path;
  for (const name of [...found.names].sort()) {
    yield* walk(session, path === '/' ? `/${name}` : `${path}/${name}`);
  }
}

function textOf({ data, stat }: { readonly data: Buffer | null; readonly stat: Stat }): Buffer {
  return data === null || (stat.dataLength === 0 && data.length === 0) ? Buffer.from('null') : data;
}

function present<T>(found: T | null): T {
  if (found === null) throw new ZooKeeperError('NO_NODE');
  return found;
}

function watcherFor(flags: ReadonlySet<string>, { stdout }: CommandContext) {
  if (!flags.has('w')) return undefined;
  const names = {
    created: 'NodeCreated',
    deleted: 'NodeDeleted',
    changed: 'NodeDataChanged',
    children: 'NodeChildrenChanged',
    session: 'None',
  } as const;
  return (event: { readonly kind: keyof typeof names; readonly path: string }): void => {
    void stdout(
      `\nWATCHER::\n\nWatchedEvent state:SyncConnected type:${names[event.kind]} path:${event.path}\n`,
    );
  };
}

interface ShellArguments {
  readonly flags: ReadonlySet<string>;
  readonly words: readonly string[];
  readonly version: number;
}

/** Options of shell commands: single letters, alone or together, before or after the words; -v takes a number. */
function flagsOf(args: readonly string[], allowed: string): ShellArguments {
  const flags = new Set<string>();
  const words: string[] = [];
  let version = -1;
  for (let index = 0; index < args.length; index++) {
    const word = args[index] ?? '';
    if (word === '-v') {
      version = Number(args[++index]);
      if (!Number.isInteger(version)) throw new ShellError('-v wants a version number');
    } else if (/^-[a-zA-Z]+$/.test(word) && [...word.slice(1)].every((f) => allowed.includes(f))) {
      for (const flag of word.slice(1)) flags.add(flag);
    } else if (/^-[a-zA-Z]$/.test(word)) {
      throw new ShellError(`Unrecognized option: ${word}`);
    } else {
      words.push(word);
    }
  }
  return { flags, words, version };
}

function one(words: readonly string[], usage: string): string {
  const [path, ...more] = words;
  if (path === undefined || more.length > 0) throw new ShellError(usage);
  if (!path.startsWith('/')) {
    throw new ShellError(`Path must start with / character: ${path}`);
  }
  return path;
}

function explain(failure: ZooKeeperError, path: string): string {
  switch (failure.code) {
    case 'NO_NODE':
      return `Node does not exist: ${path}`;
    case 'NODE_EXISTS':
      return `Node already exists: ${path}`;
    case 'NOT_EMPTY':
      return `Node not empty: ${path}`;
    case 'NO_CHILDREN_FOR_EPHEMERALS':
      return `Ephemerals cannot have children: ${path}`;
    case 'NO_AUTH':
      return `Insufficient permission : ${path}`;
    case 'BAD_VERSION':
      return `version No is not valid : ${path}`;
    case 'BAD_ARGUMENTS':
      return `Arguments are not valid : ${path}`;
    default:
      return `${failure.code}: ${failure.message}`;
  }
}

function completerFor(session: CoordinatorSession): Completer {
  return async (line) => {
    const words = line.split(' ');
    const last = words.at(-1) ?? '';
    if (words.length === 1) {
      const names = [...Object.keys(commands), 'quit'];
      return [names.filter((name) => name.startsWith(last)).sort(), last];
    }
    if (!last.startsWith('/')) return [[], last];
    const slash = last.lastIndexOf('/');
    const parent = slash === 0 ? '/' : last.slice(0, slash);
    const found = await session.children(parent).catch(() => null);
    const base = parent === '/' ? '/' : `${parent}/`;
    const paths = (found?.names ?? []).map((name) => base + name).sort();
    return [paths.filter((path) => path.startsWith(last)), last];
  };
}
