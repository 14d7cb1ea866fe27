/**
 * quorum: what an ensemble's votes would do in a bad hour (plan), what they do now (status, explain),
 * and who is to decide from now on (move while both sites live, takeover when one is lost).
 */
import type { CommandContext, Tool } from '../context.ts';
import { toolLogging } from '../logging.ts';
import { UsageError } from '../options.ts';
import { explain } from './quorum/explain.ts';
import { move } from './quorum/move.ts';
import { plan } from './quorum/plan.ts';
import { status } from './quorum/status.ts';
import { takeover } from './quorum/takeover.ts';

/** One word after `quorum`. */
export interface QuorumCommand {
  readonly usage: string;
  run(words: readonly string[], context: CommandContext): Promise<number>;
}

const commands: Readonly<Record<string, QuorumCommand>> = {
  plan,
  status,
  explain,
  move,
  takeover,
};

export const quorum: Tool = {
  name: 'quorum',
  description: 'Plans, shows and moves the votes of an ensemble of coordination servers.',
  usage: () =>
    'Plans, shows and moves the votes of an ensemble of coordination servers.\n' +
    Object.values(commands)
      .map(({ usage }) => `\n${usage}`)
      .join(''),
  wantsWords: true,
  reportsSignal: true,
  logging: toolLogging,
  async run([word = '', ...words], context) {
    const command = Object.hasOwn(commands, word) ? commands[word] : undefined;
    if (command !== undefined) return await command.run(words, context);
    throw new UsageError(`quorum ${word}: must be one of ${Object.keys(commands).join(', ')}`);
  },
};
