/** Goal: what-if answers are those of the rules, and the proposed change is the smallest that helps. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Ensemble } from '../../../src/core/quorum/ensemble.ts';
import { type Plan, planOf, sitesOf, withWeights } from '../../../src/core/quorum/plan.ts';
import { QuorumRules } from '../../../src/core/quorum/rules.ts';
import { anyEnsemble, ensembleOf, twoSites } from './ensembles.ts';

const AB = new Map([
  ['a', [1, 2, 3]],
  ['b', [4, 5, 6]],
]);
const changeOf = ({ remedy }: Plan): unknown =>
  remedy === null ? null : { against: remedy.against, weights: [...remedy.change.weights] };

describe('the two sites', () => {
  test('six equal servers: a cut stops both sides, and one vote more helps', () => {
    const plan = planOf(ensembleOf(6), AB);
    expect(plan.cuts).toEqual([
      {
        site: 'a',
        siteDecides: false,
        othersDecide: false,
        siteHolds: '3 of 6 votes',
        othersHold: '3 of 6 votes',
      },
      expect.objectContaining({ site: 'b' }),
    ]);
    expect(plan.weaknesses).toEqual(['cut', 'site']);
    expect(changeOf(plan)).toEqual({ against: 'cut', weights: [[1, 2]] });
  });

  test('seven votes: the heavy site goes on; losing it stops the rest, which weights cannot change', () => {
    const plan = planOf(twoSites(), AB);
    expect(plan).toMatchObject({ totalWeight: 7, requirement: '4 of 7 votes' });
    expect(
      plan.cuts.map(({ site, siteDecides, othersDecide }) => [site, siteDecides, othersDecide]),
    ).toEqual([
      ['a', true, false],
      ['b', false, true],
    ]);
    expect(plan.servers.every(({ goesOn }) => goesOn)).toBe(true);
    expect(plan.pairs.every(({ goesOn }) => goesOn)).toBe(true);
    expect(plan.servers[0]).toEqual({ down: [1], goesOn: true, left: '5 of 7 votes' });
    expect(plan.weaknesses).toEqual(['site']);
    expect(plan.remedy).toBeNull();
  });

  test('a third site with one vote takes that away', () => {
    const sites = new Map([...AB, ['c', [7]]]);
    const plan = planOf(ensembleOf(7), sites);
    expect(plan.weaknesses).toEqual([]);
    expect(plan.remedy).toBeNull();
  });
});

test.each([
  {
    name: 'one server that is too heavy',
    ensemble: ensembleOf(3, 'weight.1=3'),
    weaknesses: ['server', 'pair'],
    change: { against: 'server', weights: [[1, 1]] },
  },
  {
    name: 'four equal ones survive one',
    ensemble: ensembleOf(4),
    weaknesses: ['pair'],
    change: null,
  },
  {
    name: 'two servers: no weights help',
    ensemble: ensembleOf(2),
    weaknesses: ['server', 'pair'],
    change: null,
  },
] as const)('$name', ({ ensemble, weaknesses, change }) => {
  const plan = planOf(ensemble);
  expect(plan.weaknesses).toEqual(weaknesses);
  expect(changeOf(plan)).toEqual(change);
});

test('groups are sites when nothing else is said', () => {
  const ensemble = ensembleOf(9, 'group.1=1:2:3', 'group.2=4:5:6', 'group.3=7:8:9');
  expect([...sitesOf(ensemble)]).toEqual([
    ['group 1', [1, 2, 3]],
    ['group 2', [4, 5, 6]],
    ['group 3', [7, 8, 9]],
  ]);
  expect(planOf(ensemble).weaknesses).toEqual([]);
});

test('whatever is proposed is right, and nothing that changes less would do', () => {
  fc.assert(
    fc.property(anyEnsemble, (ensemble) => {
      const { remedy } = planOf(ensemble);
      if (remedy === null) return;
      const after = planOf(withWeights(ensemble, remedy.change.weights));
      expect(after.weaknesses).not.toContain(remedy.against);
      expect(after.weaknesses).toEqual(remedy.change.plan.weaknesses);
      const [one] = remedy.change.weights;
      if (remedy.change.weights.size > 1 || one === undefined) return;
      const [id, weight] = one;
      const before = new QuorumRules(ensemble).weightOf(id);
      for (let less = Math.min(before, weight) + 1; less < Math.max(before, weight); less++) {
        expect(weaknessesWith(ensemble, id, less)).toContain(remedy.against);
      }
    }),
    { numRuns: 40 },
  );
});

function weaknessesWith(ensemble: Ensemble, id: number, weight: number): readonly string[] {
  return planOf(withWeights(ensemble, new Map([[id, weight]]))).weaknesses;
}
