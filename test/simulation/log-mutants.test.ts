/**
 * Goal: the log's checkers bite. Each planted bug still fits its file, and is found within the seeds that it is given.
 * Method: the bug is planted while the file is loaded, in processes of their own (`npm run simulate:log -- --mutant`).
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { logMutants } from './log/mutants.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SIMULATE = fileURLToPath(new URL('./simulate-log.ts', import.meta.url));

test.each(logMutants)('$name still has its place in the sources', async ({ file, from, to }) => {
  const source = await readFile(join(root, 'packages', file), 'utf8');
  expect({ file, count: source.split(from).length - 1 }).toEqual({ file, count: 1 });
  expect(to).not.toBe(from);
});

test.each(logMutants)('$name is found: $bug', async ({ name }) => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--conditions=@odradek/source', SIMULATE, '--mutant', name],
    { cwd: root, env: { ...process.env, NODE_OPTIONS: '' }, maxBuffer: 64 * 1024 * 1024 },
  ).catch((error: { stdout: string }) => error);
  expect(stdout).toContain('was caught with seed');
});
