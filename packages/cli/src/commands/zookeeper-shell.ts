/**
 * ZooKeeper's shell under its two names: `zkCli` as ZooKeeper ships it, `zookeeper-shell` as Kafka does.
 * One command from the command line, or many from a prompt or a pipe. The shell is in zookeeper-shell/.
 */
import type { CommandContext, Tool } from '../context.ts';
import { toolLogging } from '../logging.ts';
import { UsageError } from '../options.ts';
import { readCall, type ShellCall } from './zookeeper-shell/call.ts';
import { ShellError } from './zookeeper-shell/failures.ts';
import { Shell, type ShellStyle } from './zookeeper-shell/shell.ts';

const ZK_CLI: ShellStyle = {
  name: 'zkCli',
  firstHelpLine: 'ZooKeeper -server host:port -client-configuration properties-file cmd args',
  showsZxid: true,
  echoes: true,
  variables: ['CLIENT_JVMFLAGS', 'JVMFLAGS'],
};

const ZOOKEEPER_SHELL: ShellStyle = {
  name: 'zookeeper-shell',
  firstHelpLine: 'ZooKeeper -server host:port [-zk-tls-config-file <file>] cmd args',
  showsZxid: false,
  echoes: false,
  variables: ['KAFKA_OPTS'],
};

export const zkCli: Tool = {
  name: 'zkCli',
  description: "ZooKeeper's shell, called as ZooKeeper's zkCli.sh.",
  usage: () =>
    'USAGE: zkCli [-server host:port[/chroot]] [-timeout ms] [-r] [-waitforconnection] [-client-configuration file] [command args]\n',
  wantsWords: false,
  reportsSignal: true,
  logging: toolLogging,
  run: (words, context) => start(words, ZK_CLI, context),
};

export const zookeeperShell: Tool = {
  name: 'zookeeper-shell',
  description: 'Shows and changes the znodes of a coordination server.',
  usage: () =>
    'USAGE: zookeeper-shell zookeeper_host:port[/path] [-zk-tls-config-file file] [args...]\n',
  wantsWords: true,
  reportsSignal: true,
  logging: toolLogging,
  run: (words, context) => {
    const [first] = words;
    if (first === '-server') return start(words, ZOOKEEPER_SHELL, context);
    if (first?.startsWith('-') !== false) throw new UsageError('host:port is missing');
    return start(['-server', ...words], ZOOKEEPER_SHELL, context);
  },
};

async function start(
  words: readonly string[],
  style: ShellStyle,
  context: CommandContext,
): Promise<number> {
  let call: ShellCall;
  try {
    call = readCall(words);
  } catch (mistake) {
    throw mistake instanceof ShellError ? new UsageError(mistake.message) : mistake;
  }
  return await new Shell(call, style, context).run();
}
