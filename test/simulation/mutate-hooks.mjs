/** The hook behind mutate.mjs: it runs in the thread of the loader. */
import { readFile, realpath } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';

/** @type {{ file: string; from: string; to: string }} */
let mutant;

export function initialize(data) {
  mutant = data;
}

export async function load(url, context, nextLoad) {
  if (!url.startsWith('file:') || !url.includes('/src/')) return nextLoad(url, context);
  const path = await realpath(fileURLToPath(url.replace(/\?.*$/, '')));
  if (!path.endsWith(`/packages/${mutant.file}`)) return nextLoad(url, context);
  const source = await readFile(path, 'utf8');
  const parts = source.split(mutant.from);
  if (parts.length !== 2) {
    throw new Error(`the place of the planted bug stands ${parts.length - 1} times in ${path}`);
  }
  const { code } = await transform(parts.join(mutant.to), {
    filename: path,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'es6' },
    sourceMaps: 'inline',
  });
  return { format: 'module', source: code, shortCircuit: true };
}
