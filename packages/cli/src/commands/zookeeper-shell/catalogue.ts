/** All commands of the shell by name, and the help that lists them. */
import { aclCommands } from './acl-commands.ts';
import { optionTable } from './arguments.ts';
import type { ShellCommand } from './command.ts';
import { configCommands } from './config-commands.ts';
import { quotaCommands } from './quota-commands.ts';
import { readCommands } from './read-commands.ts';
import { watchCommands } from './watch-commands.ts';
import { writeCommands } from './write-commands.ts';

/** Commands that are carried out at the server. */
export const commands: Readonly<Record<string, ShellCommand>> = {
  ...aclCommands,
  ...configCommands,
  ...quotaCommands,
  ...readCommands,
  ...watchCommands,
  ...writeCommands,
};

/** Commands about the shell itself, with what follows their names; shell.ts carries them out. */
export const shellCommands = {
  close: '',
  connect: 'host:port',
  history: '',
  printwatches: 'on|off',
  quit: '',
  redo: 'cmdno',
} as const;

export type ShellCommandName = keyof typeof shellCommands;

export const commandNames: readonly string[] = [
  ...Object.keys(commands),
  ...Object.keys(shellCommands),
].sort();

export function isShellCommand(name: string): name is ShellCommandName {
  return Object.hasOwn(shellCommands, name);
}

/** @param firstLine how the program is called */
export function helpText(firstLine: string): string {
  const lines = commandNames.map((name) => {
    const usage = isShellCommand(name) ? shellCommands[name] : commands[name]?.usage;
    return `\t${name} ${usage}\n`;
  });
  return `${firstLine}\n${lines.join('')}`;
}

/** What a command says to a call with too few words. */
export function usageText(name: string, { usage, showsOptions, options }: ShellCommand): string {
  return `${name} ${usage}${showsOptions === true ? `\n${optionTable(options)}` : ''}`;
}
