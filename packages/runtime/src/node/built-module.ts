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
  const folder = `${url.slice(0, root)}/dist`;
  const built = `${folder}/${url.slice(root + '/src/'.length, -'.ts'.length)}.js`;
  const builtAtMs = modifiedAtMs(built);
  if (builtAtMs === null) return null;
  // What came out the same is not written again, but the build notes that it has looked.
  const lookedAtMs = Math.max(builtAtMs, modifiedAtMs(`${folder}/.tsbuildinfo`) ?? 0);
  return lookedAtMs < (modifiedAtMs(url) ?? 0) ? null : built;
}
