/**
 * Weights with which another site decides alone: the smallest change from the present ones.
 * Groups know no weight between them, so an ensemble with groups has nothing to move.
 */
import type { Ensemble } from './ensemble.ts';
import { outcomeOf, type Sites, stopsIn } from './plan.ts';
import { QuorumRules } from './rules.ts';
import { changesOf, withWeights } from './weight-changes.ts';

/** All differences of weights added up. */
const DIFFERENCE_MAX = 8;
/** So many ways are tried at most. */
const TRIES_MAX = 50_000;

/**
 * @param ids of the site that is to decide
 * @returns new weights of those that change; empty: it decides already; null: no small change does it
 */
export function weightsToMove(
  ensemble: Ensemble,
  sites: Sites,
  ids: readonly number[],
): ReadonlyMap<number, number> | null {
  if (ensemble.groups.size > 0) return null;
  if (new QuorumRules(ensemble).isQuorum(ids)) return new Map();
  const { totalWeight } = new QuorumRules(ensemble);
  let tries = 0;
  for (let difference = 1; difference <= DIFFERENCE_MAX; difference++) {
    let best: Candidate | null = null;
    for (const weights of changesOf(ensemble, difference)) {
      if (++tries > TRIES_MAX) return best?.weights ?? null;
      const rules = new QuorumRules(withWeights(ensemble, weights));
      if (!rules.isQuorum(ids)) continue;
      const candidate = {
        weights,
        stops: stopsIn(outcomeOf(rules, sites)),
        silenced: rules.voters.filter((id) => !rules.mayLead(id)).length,
        drift: Math.abs(rules.totalWeight - totalWeight),
      };
      if (best === null || isBetter(candidate, best)) best = candidate;
    }
    if (best !== null) return best.weights;
  }
  return null;
}

interface Candidate {
  readonly weights: ReadonlyMap<number, number>;
  readonly stops: number;
  /** Participants without a vote. */
  readonly silenced: number;
  readonly drift: number;
}

/** Fewer failures that stop the service; then fewer servers without a vote; then as many votes in all as before. */
function isBetter(one: Candidate, other: Candidate): boolean {
  if (one.stops !== other.stops) return one.stops < other.stops;
  if (one.silenced !== other.silenced) return one.silenced < other.silenced;
  return one.drift < other.drift;
}
