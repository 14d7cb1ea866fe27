/** What a command of the shell is, and what it is handed: its words and the open session. */
import type { RawSession } from '@odradek/client';
import type { Disk } from '@odradek/runtime';
import type { Print } from '../../context.ts';
import type { ParsedWords, ShellOptions } from './arguments.ts';

export interface ShellSurroundings {
  readonly session: RawSession;
  readonly stdout: Print;
  readonly stderr: Print;
  readonly disk: Disk;
}

export interface ShellCommand extends ShellOptions {
  /** What follows the name in the help. */
  readonly usage: string;
  /** The fewest words it makes sense with; with fewer the usage is all that it says. */
  readonly wordsMin: number;
  /** The usage of a wrong call shows the options as a table too. */
  readonly showsOptions?: boolean;
  run(parsed: ParsedWords, surroundings: ShellSurroundings): Promise<void>;
}

/** Version argument for "whichever". */
export const ANY_VERSION = -1;
