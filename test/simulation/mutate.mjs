/** Loads one file of the sources with a planted bug, named by ODRADEK_MUTANT; see packages/testkit/src/mutants.ts. */
import { register } from 'node:module';

const mutant = process.env.ODRADEK_MUTANT;
if (mutant !== undefined) {
  register('./mutate-hooks.mjs', { parentURL: import.meta.url, data: JSON.parse(mutant) });
}
