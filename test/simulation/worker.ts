/** A process that runs seeds as it is handed them. */
import type { Topology } from '@odradek/testkit';
import { runSeed, type SeedResult } from './seeds.ts';

interface Portion {
  readonly seeds: readonly number[];
  readonly topology: Topology | null;
  readonly shrinkSeconds: number;
  readonly ignored: string | null;
}

process.on('message', (portion: Portion) => {
  const { seeds, topology, shrinkSeconds, ignored } = portion;
  void (async () => {
    const results: SeedResult[] = [];
    for (const seed of seeds) {
      results.push(await runSeed(seed, topology ?? undefined, shrinkSeconds, ignored));
    }
    process.send?.({ results });
  })();
});
