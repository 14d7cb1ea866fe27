/** What two servers say differently about the members, in words. Pure. */
import { type Ensemble, memberLines } from '../core/quorum/ensemble.ts';

/** More differences than this are only counted. */
const NAMED_MAX = 3;

/**
 * @param ours what this server goes by
 * @param theirs what the other one goes by
 * @returns null when both say the same, or one of them is only newer
 */
export function membersDifference(ours: Ensemble, theirs: Ensemble): string | null {
  if (ours.version !== theirs.version) return null;
  const here = byKey(ours);
  const there = byKey(theirs);
  const differences: string[] = [];
  for (const key of new Set([...here.keys(), ...there.keys()])) {
    const [mine, its] = [here.get(key), there.get(key)];
    if (mine === its) continue;
    differences.push(
      mine === undefined
        ? `${key} is ${its} there and missing here`
        : its === undefined
          ? `${key} is ${mine} here and missing there`
          : `${key} is ${mine} here and ${its} there`,
    );
  }
  if (differences.length === 0) return null;
  const named = differences.slice(0, NAMED_MAX).join('; ');
  const more = differences.length - NAMED_MAX;
  return more > 0 ? `${named}; and ${more} more` : named;
}

/** Client addresses are each server's own affair. */
function byKey(ensemble: Ensemble): Map<string, string> {
  const entries = memberLines(ensemble).map((line): [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  });
  return new Map(entries);
}
