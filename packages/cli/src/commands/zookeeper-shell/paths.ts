/** Path rules as ZooKeeper's client checks them before it sends anything, with its words for a breach. Pure. */
import { ShellError } from './failures.ts';

/** Code units that no path may hold; surrogates are among them, so there are no emoji in paths. */
const isForbidden = (unit: number): boolean =>
  (unit > 0x00 && unit < 0x20) ||
  (unit > 0x7e && unit < 0xa0) ||
  (unit >= 0xd800 && unit <= 0xf8ff) ||
  unit >= 0xfff0;

/**
 * @param isSequential a number will be put behind it, so it may end with a slash
 * @throws ShellError
 */
export function checkedPath(path: string, isSequential = false): string {
  const problem = problemOf(isSequential ? `${path}1` : path);
  if (problem !== null) throw new ShellError(problem);
  return path;
}

function problemOf(path: string): string | null {
  if (path.length === 0) return 'Path length must be > 0';
  if (path[0] !== '/') return 'Path must start with / character';
  if (path.length === 1) return null;
  if (path.endsWith('/')) return 'Path must not end with / character';
  const invalid = (reason: string, at: number): string =>
    `Invalid path string "${path}" caused by ${reason} @${at}`;
  for (let at = 1; at < path.length; at += 1) {
    const unit = path.charCodeAt(at);
    if (unit === 0) return invalid('null character not allowed', at);
    if (path[at] === '/' && path[at - 1] === '/') return invalid('empty node name specified', at);
    if (isDots(path, at)) return invalid('relative paths not allowed', at);
    if (isForbidden(unit)) return invalid('invalid character', at);
  }
  return null;
}

/** The last dot of a segment that is `.` or `..`. */
function isDots(path: string, at: number): boolean {
  if (path[at] !== '.' || (at + 1 !== path.length && path[at + 1] !== '/')) return false;
  return path[at - 1] === '/' || (path[at - 1] === '.' && path[at - 2] === '/');
}

/** `/a` and `b`, or `/` and `b`. */
export function childPath(parent: string, name: string): string {
  return parent === '/' ? `/${name}` : `${parent}/${name}`;
}
