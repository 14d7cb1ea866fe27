/** Whether the operator means it. */
import type { CommandContext } from '../../context.ts';

/**
 * Asks a person to type `expected`; where nobody sits there, `given` must say it.
 * @param given what an option said in advance
 */
export async function isConfirmed(
  context: Pick<CommandContext, 'isTerminal' | 'prompt' | 'stderr'>,
  question: string,
  expected: string,
  given: string | undefined,
): Promise<boolean> {
  if (given !== undefined) {
    if (given.replaceAll(' ', '') === expected) return true;
    await context.stderr(`Not confirmed: ${JSON.stringify(given)} is not ${expected}.\n`);
    return false;
  }
  if (!context.isTerminal) {
    await context.stderr(`Not confirmed: nobody is there to type ${expected}.\n`);
    return false;
  }
  const answer = await context.prompt(question);
  if (answer?.replaceAll(' ', '') === expected) return true;
  await context.stderr('Not confirmed: nothing was changed.\n');
  return false;
}
