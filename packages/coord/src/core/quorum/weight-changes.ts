/** Ensembles with other weights, the smallest changes first. */
import { type Ensemble, WEIGHT_MAX, weightIn } from './ensemble.ts';
import { QuorumRules } from './rules.ts';

/** The same ensemble with other weights. */
export function withWeights(ensemble: Ensemble, changed: ReadonlyMap<number, number>): Ensemble {
  const weights = new Map([...ensemble.weights, ...changed]);
  return { ...ensemble, weights: new Map([...weights].sort(([one], [other]) => one - other)) };
}

/** All ways to change weights by so much in all, as few servers as possible first. */
export function* changesOf(ensemble: Ensemble, difference: number): Generator<Map<number, number>> {
  const voters = new QuorumRules(ensemble).voters;
  for (let count = 1; count <= Math.min(difference, voters.length); count++) {
    yield* changesAmong(ensemble, voters, difference, count);
  }
}

/** Exactly `count` of these servers change, by `difference` together. */
function* changesAmong(
  ensemble: Ensemble,
  voters: readonly number[],
  difference: number,
  count: number,
): Generator<Map<number, number>> {
  if (count === 0) {
    if (difference === 0) yield new Map();
    return;
  }
  for (const [index, id] of voters.entries()) {
    const weight = weightIn(ensemble, id);
    // The others change by 1 at least.
    for (let step = difference - (count - 1); step >= 1; step--) {
      for (const next of [weight + step, weight - step]) {
        if (next < 0 || next > WEIGHT_MAX) continue;
        for (const rest of changesAmong(
          ensemble,
          voters.slice(index + 1),
          difference - step,
          count - 1,
        )) {
          yield new Map([[id, next], ...rest]);
        }
      }
    }
  }
}
