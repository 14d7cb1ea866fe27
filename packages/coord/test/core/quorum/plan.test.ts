/** Goal: what-if answers are those of the rules, and the proposed change is the smallest that helps. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Ensemble, memberLines } from '../../../src/core/quorum/ensemble.ts';
import { weightsToMove } from '../../../src/core/quorum/move.ts';
import { type Plan, planOf, sitesOf } from '../../../src/core/quorum/plan.ts';
import { QuorumRules } from '../../../src/core/quorum/rules.ts';
import { takeoverOf } from '../../../src/core/quorum/takeover.ts';
import { withWeights } from '../../../src/core/quorum/weight-changes.ts';
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

describe('the majority moves', () => {
  test.each([
    {
      name: 'from the heavy site',
      ensemble: twoSites(),
      change: [
        [1, 1],
        [4, 2],
      ],
    },
    { name: 'from equal sites', ensemble: ensembleOf(6), change: [[4, 2]] },
    { name: 'it is there already', ensemble: ensembleOf(6, 'weight.6=2'), change: [] },
    {
      name: 'from what a take-over left',
      ensemble: ensembleOf(6, 'weight.4=0', 'weight.5=0', 'weight.6=0'),
      change: [
        [4, 2],
        [5, 1],
        [6, 1],
      ],
    },
    {
      name: 'not with groups',
      ensemble: ensembleOf(6, 'group.1=1:2:3', 'group.2=4:5:6'),
      change: null,
    },
  ])('$name', ({ ensemble, change }) => {
    const weights = weightsToMove(ensemble, AB, [4, 5, 6]);
    expect(weights === null ? null : [...weights]).toEqual(change);
    if (weights === null) return;
    const rules = new QuorumRules(withWeights(ensemble, weights));
    expect(rules.isQuorum([4, 5, 6])).toBe(true);
    expect(planOf(withWeights(ensemble, weights), AB).weaknesses).toEqual(['site']);
  });
});

describe('a forced take-over', () => {
  const mark = { fence: 0, acceptedEpoch: 7 };

  test('those who are left decide, the lost ones have no votes, and all of them compute the same', () => {
    const takeover = takeoverOf(twoSites(), mark, [1, 2, 3]);
    expect(takeover).toMatchObject({
      fence: 1,
      acceptedEpoch: 65_536,
      survivors: [4, 5, 6],
      survivorsHold: '3 of 7 votes',
      lostHold: '4 of 7 votes',
      requirement: '2 of 3 votes',
    });
    expect(takeover.members.version).toBe(0x1_0000_0000_0000n);
    expect(memberLines(takeover.members).slice(6)).toEqual([
      'weight.1=0',
      'weight.2=0',
      'weight.3=0',
    ]);
    expect(takeoverOf(twoSites(), { fence: 0, acceptedEpoch: 9 }, [3, 2, 1])).toEqual(takeover);
    expect(takeoverOf(twoSites(), { fence: 1, acceptedEpoch: 65_600 }, [1, 2, 3])).toMatchObject({
      fence: 2,
      acceptedEpoch: 131_072,
    });
  });

  test.each([
    { lost: [4, 5, 6], says: /decide without a take-over \(4 of 7 votes are needed\): start them/ },
    { lost: [1, 9], says: /server 9 is no participant/ },
    { lost: [1, 2, 3, 4, 5, 6], says: /somebody must be left/ },
  ])('refused when $lost are lost: $says', ({ lost, says }) => {
    expect(() => takeoverOf(twoSites(), mark, lost)).toThrow(says);
  });

  test('refused when epochs have come as far as the next fence', () => {
    expect(() => takeoverOf(twoSites(), { fence: 0, acceptedEpoch: 65_536 }, [1, 2, 3])).toThrow(
      /epoch 65536 was promised here already/,
    );
  });
});
