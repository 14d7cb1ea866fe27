/** Plays sequences to two servers side by side and finds where their answers part. */
import fc from 'fast-check';
import type { Workspace } from '../support/workspace.ts';
import { play, type Transcript } from './player.ts';
import type { Profile } from './profiles.ts';
import { type Reference, startOurs, startReference } from './reference-server.ts';
import { writeSecurityFiles } from './security-files.ts';

export interface Run {
  readonly count: number;
  readonly seed: number;
  /** Where in the shrinking of a failure to go on. */
  readonly path: string | undefined;
}

/** Generous: a sequence takes 10 to 30 ms on a machine that has nothing else to do. */
export const limitMs = (count: number): number => 120_000 + count * 600;

export interface Compared {
  readonly sequenceCount: number;
  readonly replyCount: number;
  /** The codes with which requests were refused. */
  readonly errors: ReadonlySet<number>;
}

/**
 * @throws with the sequence, made as short as it goes, at which the servers differ
 */
export async function compare(
  workspace: Workspace,
  reference: Reference,
  profile: Profile,
  { count, seed, path }: Run,
): Promise<Compared> {
  const files = profile.isSecured ? writeSecurityFiles(workspace) : null;
  const [ours, theirs] = await Promise.all([
    startOurs(workspace, profile, files),
    startReference(workspace, reference, profile, files),
  ]);
  let roots = 0;
  let replyCount = 0;
  const errors = new Set<number>();
  await fc.assert(
    fc.asyncProperty(profile.sequences, async (sequence) => {
      roots += 1;
      const root = `/s${String(roots).padStart(7, '0')}`;
      const [here, there] = await Promise.all([
        play(ours, root, sequence, profile),
        play(theirs, root, sequence, profile),
      ]);
      const difference = firstDifference(here, there);
      for (const { reply, err } of here.flat()) {
        if (reply !== undefined) replyCount += 1;
        if (typeof err === 'number' && err !== 0) errors.add(err);
      }
      if (difference !== null) throw new Error(`${theirs.name} answers otherwise: ${difference}`);
    }),
    {
      numRuns: count,
      seed,
      interruptAfterTimeLimit: limitMs(count) / 2,
      markInterruptAsFailure: true,
      ...(path === undefined ? {} : { path }),
    },
  );
  await Promise.all([ours.stop(), theirs.stop()]);
  return { sequenceCount: roots, replyCount, errors };
}

/** The first entry of a session that is not the same, as text; null when there is none. */
function firstDifference(ours: Transcript, theirs: Transcript): string | null {
  for (const [session, entries] of ours.entries()) {
    const others = theirs[session] ?? [];
    for (let index = 0; index < Math.max(entries.length, others.length); index += 1) {
      const [own, other] = [text(entries[index]), text(others[index])];
      if (own === other) continue;
      return `session ${session}, entry ${index}\n  ours:   ${own}\n  theirs: ${other}`;
    }
  }
  return null;
}

/** Keys in the order of their names, so that equal content is equal text. */
function text(entry: unknown): string {
  return (
    JSON.stringify(entry, (_key, value: unknown) => {
      if (typeof value === 'bigint') return String(value);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
      return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? 'nothing'
  );
}
