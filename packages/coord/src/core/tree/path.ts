/**
 * Paths of nodes: which are allowed, and how parent and name are cut out.
 *
 * The rules are the original's, which looks at UTF-16 units: that is why every character above
 * U+FFFF is refused with the private use area (its surrogates lie in the refused range).
 * Not here: chroots, which clients resolve, and the four system nodes, which the tree knows.
 */

const SLASH = 0x2f;
const DOT = 0x2e;

/** Whether a node may be created under this name. `/` itself is a valid path. */
export function isValidPath(path: string): boolean {
  if (path === '/') return true;
  if (path.charCodeAt(0) !== SLASH) return false;
  let segmentStart = 1;
  for (let index = 1; index < path.length; index += 1) {
    const unit = path.charCodeAt(index);
    if (isForbidden(unit)) return false;
    if (unit !== SLASH) continue;
    if (!isValidSegment(path, segmentStart, index)) return false;
    segmentStart = index + 1;
  }
  return isValidSegment(path, segmentStart, path.length);
}

/** Control characters, surrogates, the private use area, and the last 16 units. */
const isForbidden = (unit: number): boolean =>
  unit < 0x20 ||
  (unit >= 0x7f && unit <= 0x9f) ||
  (unit >= 0xd800 && unit <= 0xf8ff) ||
  unit >= 0xfff0;

/** Not empty, and neither `.` nor `..`. */
function isValidSegment(path: string, from: number, to: number): boolean {
  if (to - from > 2) return true;
  if (to === from || path.charCodeAt(from) !== DOT) return to > from;
  return to - from === 2 && path.charCodeAt(from + 1) !== DOT;
}

/** What deletions and creations refuse before they look at the tree. */
export function isAddressable(path: string): boolean {
  return path.includes('/') && !path.includes('\0');
}

/**
 * The path of the parent. A parent that is no valid path comes out as such and is then not found,
 * which is how `/a//b` earns "no node" and not "bad arguments".
 * @returns `/` for children of the root and, harmlessly, for the root
 */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

/** The last segment. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The number that a sequential node's name ends with: ten digits, or more once ten are not enough. */
export function sequenceSuffix(sequence: number): string {
  return String(sequence).padStart(10, '0');
}
