/**
 * Goal: with flush.messages=1, whatever goes wrong, what was acknowledged is there afterwards, and
 * what was truncated or deleted is not.
 * Method: the real log on the simulated disk, which loses, tears and reorders what was not synced;
 * many short lives, each ended at an instant of the seed's choice.
 */
import { expect, test } from '@jest/globals';
import { runFlushedLog } from './flushed-log.ts';

const FIRST_SEED = Number(process.env.ODRADEK_FLUSH_FIRST_SEED ?? 1);
/** Of each kind of directory; more of them are asked for by name. */
const SEEDS = process.env.ODRADEK_FLUSH_SEEDS;

test.each([
  { partitions: 1, flushMessages: 1, toggles: false, seeds: 6 },
  { partitions: 2, flushMessages: 1, toggles: false, seeds: 10 },
  { partitions: 7, flushMessages: 1, toggles: false, seeds: 18 },
  { partitions: 3, flushMessages: 1, toggles: true, seeds: 10 },
  { partitions: 3, flushMessages: 4, toggles: false, seeds: 10 },
])('$partitions partitions, flushed after $flushMessages, switched: $toggles', async (kind) => {
  const { partitions, flushMessages, toggles } = kind;
  const totals: Record<string, number> = {};
  const seeds = Number(SEEDS ?? kind.seeds);
  for (let seed = FIRST_SEED; seed < FIRST_SEED + seeds; seed++) {
    const { breaches, counts } = await runFlushedLog({ seed, partitions, flushMessages, toggles });
    expect({ seed, breaches }).toEqual({ seed, breaches: [] });
    for (const [what, count] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + count;
  }
  // The test would be worth little if nothing of this happened.
  for (const what of ['append', 'truncate', 'restart', 'remove', 'start', 'kill', 'power']) {
    expect({ what, count: totals[what] ?? 0 }).not.toEqual({ what, count: 0 });
  }
  if (partitions > 2) expect(totals.restored).toBeGreaterThan(0);
});
