/** Libraries in front of the C library, made of the C sources that lie beside this file: they need a compiler and no rights. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Workspace } from './workspace.ts';

/** @returns why there is none on this machine, or the library to use */
export function buildPreload(
  workspace: Workspace,
  name: 'failing-disk' | 'slow-disk',
): { readonly library: string } | { readonly refused: string } {
  const library = workspace.path(`${name}.so`);
  const source = join(import.meta.dirname, `${name}.c`);
  const compiled = spawnSync('gcc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  });
  if (compiled.error !== undefined) return { refused: 'there is no gcc' };
  return compiled.status === 0 ? { library } : { refused: `gcc: ${compiled.stderr.trim()}` };
}
