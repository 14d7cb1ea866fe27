/** Offers the ends of a half-typed line: command names for the first word, paths of the tree for the others. */
import { operations, type RawSession } from '@odradek/client';
import type { Completer } from '../../context.ts';
import { childPath } from './paths.ts';

/** @param session the one that is open when the key is pressed */
export function completerFor(
  names: readonly string[],
  session: () => RawSession | null,
): Completer {
  return async (line) => {
    const words = line.trimStart().split(' ');
    const last = words.at(-1) ?? '';
    if (words.length === 1) return [names.filter((name) => name.startsWith(last)), last];
    const current = session();
    if (!last.startsWith('/') || current?.state !== 'CONNECTED') return [[], last];
    const parent = last.slice(0, last.lastIndexOf('/')) || '/';
    const { children } = await current.call(operations.getChildren, { path: parent, watch: false });
    const paths = [...children].sort().map((name) => childPath(parent, name));
    return [paths.filter((path) => path.startsWith(last)), last];
  };
}
