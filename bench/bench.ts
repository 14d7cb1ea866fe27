/**
 * Runs the micro benchmarks: `npm run bench`, with `-- NAME...` only those whose names contain one
 * of these, with `-- --smoke` each just long enough to show that it works.
 *
 * Every `*.bench.ts` beside this file is taken in by itself.
 */
import { readdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { runBenchmarks } from './harness.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { smoke: { type: 'boolean', default: false } },
});

const files = (await readdir(import.meta.dirname)).filter((name) => name.endsWith('.bench.ts'));
for (const file of files.sort()) await import(new URL(file, import.meta.url).href);

try {
  await runBenchmarks({ smoke: values.smoke, filters: positionals, print: console.log });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
