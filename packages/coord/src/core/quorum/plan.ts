/**
 * What would happen if: every server alone and every pair fails, every site is cut off or lost, and
 * the smallest change of weights after which the worst of it does not stop the service any more.
 * Only counting; nothing here talks to anybody.
 */
import type { Ensemble } from './ensemble.ts';
import { QuorumRules } from './rules.ts';
import { changesOf, withWeights } from './weight-changes.ts';

/** Servers that stand or fall together, by the name of their place. */
export type Sites = ReadonlyMap<string, readonly number[]>;

/** Some servers are down; whether the others decide. */
export interface Failure {
  readonly down: readonly number[];
  readonly goesOn: boolean;
  /** What is left, as `4 of 7 votes`. */
  readonly left: string;
}

/** One site is cut off from all others. */
export interface SiteCut {
  readonly site: string;
  readonly siteDecides: boolean;
  readonly othersDecide: boolean;
  readonly siteHolds: string;
  readonly othersHold: string;
}

/** What stops the service, from the most ordinary to the rarest. */
export type Weakness =
  /** One server. */
  | 'server'
  /** Nobody is down, and neither side of a cut decides. */
  | 'cut'
  /** A whole site. */
  | 'site'
  | 'pair';

export interface Change {
  /** New weights of those that change. */
  readonly weights: ReadonlyMap<number, number>;
  /** What stays that cannot be worse than before. */
  readonly plan: Outcome;
}

/** What every case leads to. */
export interface Outcome {
  readonly servers: readonly Failure[];
  readonly pairs: readonly Failure[];
  readonly cuts: readonly SiteCut[];
  /** Kinds of cases that stop the service, the worst first. */
  readonly weaknesses: readonly Weakness[];
}

export interface Plan extends Outcome {
  readonly totalWeight: number;
  /** Such as `4 of 7 votes`. */
  readonly requirement: string;
  readonly voters: readonly { readonly id: number; readonly weight: number }[];
  /** The smallest change that takes the first weakness away which weights can take away; null: there is none. */
  readonly remedy: { readonly against: Weakness; readonly change: Change } | null;
}

const ORDER: readonly Weakness[] = ['server', 'cut', 'site', 'pair'];
/** A change of more than this, all differences added up, is no small change any more. */
const DIFFERENCE_MAX = 4;
/** So many ways are tried at most. */
const TRIES_MAX = 20_000;

/** @param sites of the participants; empty: nothing is said about sites */
export function planOf(ensemble: Ensemble, sites: Sites = sitesOf(ensemble)): Plan {
  const rules = new QuorumRules(ensemble);
  const outcome = outcomeOf(rules, sites);
  return {
    ...outcome,
    totalWeight: rules.totalWeight,
    requirement: rules.requirement,
    voters: rules.voters.map((id) => ({ id, weight: rules.weightOf(id) })),
    remedy: remedyOf(ensemble, sites, outcome),
  };
}

/** Groups of an ensemble as its sites; none when there are fewer than two. */
export function sitesOf({ groups }: Ensemble): Sites {
  if (groups.size < 2) return new Map();
  return new Map([...groups].map(([id, members]) => [`group ${id}`, members]));
}

/** @param sites of the participants */
export function outcomeOf(rules: QuorumRules, sites: Sites): Outcome {
  const { voters } = rules;
  const servers = voters.map((id) => failureOf(rules, [id]));
  const pairs = voters.flatMap((one, index) =>
    voters.slice(index + 1).map((other) => failureOf(rules, [one, other])),
  );
  const cuts = [...sites].map(([site, ids]) => cutOf(rules, site, ids));
  const stops: Readonly<Record<Weakness, boolean>> = {
    server: servers.some(({ goesOn }) => !goesOn),
    cut: cuts.some(({ siteDecides, othersDecide }) => !siteDecides && !othersDecide),
    site: cuts.some(({ othersDecide }) => !othersDecide),
    pair: pairs.some(({ goesOn }) => !goesOn),
  };
  return { servers, pairs, cuts, weaknesses: ORDER.filter((weakness) => stops[weakness]) };
}

function failureOf(rules: QuorumRules, down: readonly number[]): Failure {
  const left = rules.voters.filter((id) => !down.includes(id));
  return { down, goesOn: rules.isQuorum(left), left: rules.describe(left) };
}

function cutOf(rules: QuorumRules, site: string, ids: readonly number[]): SiteCut {
  const own = rules.voters.filter((id) => ids.includes(id));
  const others = rules.voters.filter((id) => !ids.includes(id));
  return {
    site,
    siteDecides: rules.isQuorum(own),
    othersDecide: rules.isQuorum(others),
    siteHolds: rules.describe(own),
    othersHold: rules.describe(others),
  };
}

function remedyOf(ensemble: Ensemble, sites: Sites, now: Outcome): Plan['remedy'] {
  for (const against of now.weaknesses) {
    const change = smallestChange(ensemble, sites, now, against);
    if (change !== null) return { against, change };
  }
  return null;
}

/** Changes are tried from the smallest on; among equals the one that leaves the fewest cases that stop. */
function smallestChange(
  ensemble: Ensemble,
  sites: Sites,
  now: Outcome,
  against: Weakness,
): Change | null {
  const worse = ORDER.slice(0, ORDER.indexOf(against));
  let tries = 0;
  for (let difference = 1; difference <= DIFFERENCE_MAX; difference++) {
    let best: Change | null = null;
    for (const weights of changesOf(ensemble, difference)) {
      if (++tries > TRIES_MAX) return best;
      const rules = new QuorumRules(withWeights(ensemble, weights));
      if (rules.totalWeight === 0) continue;
      const plan = outcomeOf(rules, sites);
      const isWorse = worse.some(
        (kind) => plan.weaknesses.includes(kind) && !now.weaknesses.includes(kind),
      );
      if (isWorse || plan.weaknesses.includes(against)) continue;
      if (best === null || stopsIn(plan) < stopsIn(best.plan)) best = { weights, plan };
    }
    if (best !== null) return best;
  }
  return null;
}

/** How many of the cases stop the service. */
export function stopsIn({ servers, pairs, cuts }: Outcome): number {
  const failures = [...servers, ...pairs].filter(({ goesOn }) => !goesOn).length;
  return failures + cuts.filter(({ othersDecide }) => !othersDecide).length;
}
