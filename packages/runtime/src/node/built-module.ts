/**
 * Where the built form of a module is. Programs run from their build; tests and scripts run from source
 * through a loader that a worker thread does not have, and so a thread gets what was built of it.
 */
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const modifiedAtMs = (url: string): number | null =>
  statSync(fileURLToPath(url), { throwIfNoEntry: false })?.mtimeMs ?? null;

/**
 * The URL from which a thread without a loader can import a module.
 * @param url of the module as it runs here: of its source in `src/`, or of what runs anywhere
 * @returns null when the module was not built, or was changed since
 */
export function builtModule(url: string): string | null {
  if (!url.endsWith('.ts')) return url;
  const root = url.lastIndexOf('/src/');
  if (root === -1) return null;
  const built = `${url.slice(0, root)}/dist/${url.slice(root + '/src/'.length, -'.ts'.length)}.js`;
  const builtAtMs = modifiedAtMs(built);
  return builtAtMs === null || builtAtMs < (modifiedAtMs(url) ?? 0) ? null : built;
}
