/**
 * How the two programs are called. `zkCli` takes options, then a command; `zookeeper-shell` takes the
 * server first, and is otherwise the same. As with the originals, an option they do not know is passed
 * over, and the first word that is no option begins the command.
 */
import { integerOf } from './arguments.ts';
import { ShellError } from './failures.ts';

export interface ShellCall {
  /** `host:port,host:port/chroot` */
  readonly server: string;
  readonly sessionTimeoutMs: number;
  /** A server that can only read will do. */
  readonly canBeReadOnly: boolean;
  /** The first command waits for a connection, at most as long as the session time-out. */
  readonly waitsForConnection: boolean;
  /** A properties file with the TLS settings of the connection. */
  readonly settingsFile: string | null;
  /** One command to carry out; null for a conversation. */
  readonly command: readonly string[] | null;
  /** Wrong, but not so wrong that nothing can be done. */
  readonly complaint: string | null;
}

const DEFAULTS: ShellCall = {
  server: 'localhost:2181',
  sessionTimeoutMs: 30_000,
  canBeReadOnly: false,
  waitsForConnection: false,
  settingsFile: null,
  command: null,
  complaint: null,
};

/** @throws ShellError for a time-out that is no number */
export function readCall(words: readonly string[]): ShellCall {
  let call = DEFAULTS;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (!word.startsWith('-')) return { ...call, command: words.slice(at) };
    if (word === '-r') call = { ...call, canBeReadOnly: true };
    else if (word === '-waitforconnection') call = { ...call, waitsForConnection: true };
    else if (VALUED.has(word)) {
      at += 1;
      const value = words[at];
      if (value === undefined)
        return { ...call, complaint: `Error: no argument found for option ${word}` };
      call = withOption(call, word, value);
    }
  }
  return call;
}

const VALUED: ReadonlySet<string> = new Set([
  '-server',
  '-timeout',
  '-client-configuration',
  '-zk-tls-config-file',
]);

function withOption(call: ShellCall, option: string, value: string): ShellCall {
  switch (option) {
    case '-server':
      return { ...call, server: value };
    case '-timeout': {
      const sessionTimeoutMs = Number(integerOf(value));
      if (sessionTimeoutMs <= 0) throw new ShellError('-timeout must be positive');
      return { ...call, sessionTimeoutMs };
    }
    default:
      return { ...call, settingsFile: value };
  }
}
