/**
 * Goal: no client can tell our server from ZooKeeper. Method: the same random sequences, as the same bytes, to
 * both; all replies, error codes, stats and notifications are compared field by field.
 *
 *     npm run differential                      ODRADEK_SEQUENCES=10000 unless set
 *     ODRADEK_SEED=… ODRADEK_PATH=… npm run differential     what a failure printed, again
 */
import { afterAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Workspace } from '../support/workspace.ts';
import { play, type Transcript } from './player.ts';
import { findReference, startOurs, startReference } from './reference-server.ts';
import { sequences } from './sequences.ts';

const count = Number(process.env.ODRADEK_SEQUENCES ?? 200);
const seed = Number(process.env.ODRADEK_SEED ?? Date.now() % 2 ** 31);
const path = process.env.ODRADEK_PATH;
/** Generous: a sequence takes 10 to 30 ms. */
const LIMIT_MS = 60_000 + count * 200;

const workspace = new Workspace();
afterAll(() => workspace.dispose());

test(
  `${count} sequences, seed ${seed}`,
  async () => {
    const found = findReference();
    if (typeof found === 'string') {
      console.warn(`skipped: ${found}`);
      return;
    }
    const [ours, theirs] = await Promise.all([
      startOurs(workspace),
      startReference(workspace, found),
    ]);
    let roots = 0;
    await fc.assert(
      fc.asyncProperty(sequences, async (sequence) => {
        roots += 1;
        const root = `/s${String(roots).padStart(7, '0')}`;
        const [here, there] = await Promise.all([
          play(ours.port, root, sequence),
          play(theirs.port, root, sequence),
        ]);
        const difference = firstDifference(here, there);
        if (difference !== null) throw new Error(`${theirs.name} answers otherwise: ${difference}`);
      }),
      {
        numRuns: count,
        seed,
        interruptAfterTimeLimit: LIMIT_MS / 2,
        markInterruptAsFailure: true,
        ...(path === undefined ? {} : { path }),
      },
    );
    console.info(`${count} sequences without a difference to ${theirs.name}, seed ${seed}`);
    expect(roots).toBeGreaterThanOrEqual(path === undefined ? count : 1);
  },
  LIMIT_MS,
);

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
