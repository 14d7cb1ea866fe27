/** Goal: exactly the sets of the reference decide, and never two that have nothing in common. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Ensemble, weightIn } from '../../../src/core/quorum/ensemble.ts';
import { JointRules, QuorumRules } from '../../../src/core/quorum/rules.ts';
import { anyEnsemble, ensembleOf, subsetsOf, twoSites } from './ensembles.ts';

const voter = 'participant';
const grouped = (...lines: string[]): Ensemble => ensembleOf(9, ...lines);
const threeGroups = ['group.1=1:2:3', 'group.2=4:5:6', 'group.3=7:8:9'];

test.each([
  {
    name: 'majority of 3',
    ensemble: ensembleOf(3),
    yes: [
      [1, 2],
      [1, 2, 3],
    ],
    no: [[], [3], [1, 1]],
  },
  { name: 'majority of 4', ensemble: ensembleOf(4), yes: [[1, 2, 3]], no: [[1, 2]] },
  {
    name: 'observers and strangers count for nothing',
    ensemble: ensembleOf([voter, voter, voter, 'observer', 'observer']),
    yes: [[1, 2, 4]],
    no: [
      [1, 4, 5],
      [1, 77, 78, 300, -1],
    ],
  },
  {
    name: 'weights without groups: two sites, 7 votes',
    ensemble: twoSites(),
    yes: [
      [1, 2, 3],
      [1, 4, 5],
      [2, 3, 4, 5],
    ],
    no: [
      [4, 5, 6],
      [2, 3, 4],
      [1, 2],
      [1, 1, 1, 1],
    ],
  },
  {
    name: 'even totals: half is not enough',
    ensemble: ensembleOf(3, 'weight.1=2'),
    yes: [
      [1, 2],
      [1, 3],
    ],
    no: [[1], [2, 3]],
  },
  {
    name: "the original's example: weights 3, 1, 1, 0 in one group",
    ensemble: ensembleOf(4, 'group.1=1:2:3:4', 'weight.1=3', 'weight.4=0'),
    yes: [[1]],
    no: [[2, 3, 4]],
  },
  {
    name: 'three groups of three',
    ensemble: grouped(...threeGroups),
    yes: [
      [1, 2, 4, 5],
      [2, 3, 8, 9],
    ],
    no: [
      [1, 2, 3],
      [1, 4, 7],
      [1, 2, 3, 4, 7],
    ],
  },
  {
    name: 'a group without weight does not exist',
    ensemble: grouped(...threeGroups, 'weight.7=0', 'weight.8=0', 'weight.9=0'),
    yes: [[1, 2, 4, 5]],
    no: [[1, 2, 3, 7, 8, 9]],
  },
])('$name', ({ ensemble, yes, no }) => {
  const rules = new QuorumRules(ensemble);
  expect(yes.filter((ids) => !rules.isQuorum(ids))).toEqual([]);
  expect(no.filter((ids) => rules.isQuorum(ids))).toEqual([]);
});

/** The rules as the reference has them, slowly. */
function naive(ensemble: Ensemble, ids: readonly number[]): boolean {
  const voters = [...ensemble.servers.keys()].filter((id) => weightIn(ensemble, id) > 0);
  const groups = ensemble.groups.size > 0 ? [...ensemble.groups.values()] : [voters];
  const sum = (members: readonly number[]): number =>
    members.reduce((total, id) => total + weightIn(ensemble, id), 0);
  const real = groups.filter((members) => sum(members) > 0);
  const won = real.filter(
    (members) => sum(members.filter((id) => ids.includes(id))) > Math.floor(sum(members) / 2),
  );
  return won.length > Math.floor(real.length / 2);
}

test('every set decides as the slow rules say; any two that decide share a server with weight', () => {
  fc.assert(
    fc.property(anyEnsemble, (ensemble) => {
      const rules = new QuorumRules(ensemble);
      const sets = subsetsOf([...ensemble.servers.keys()]);
      const deciding = sets.filter((ids) => rules.isQuorum(ids));
      expect(deciding).toEqual(sets.filter((ids) => naive(ensemble, ids)));
      expect(deciding.length).toBeGreaterThan(0);
      const weighty = deciding.map((ids) => ids.filter((id) => rules.weightOf(id) > 0));
      // Smallest sets suffice: more members only add to what is shared.
      const smallest = weighty.filter((ids) =>
        ids.every((left) => !rules.isQuorum(ids.filter((id) => id !== left))),
      );
      for (const one of smallest) {
        for (const other of smallest) {
          expect(one.some((id) => other.includes(id))).toBe(true);
        }
      }
    }),
    { numRuns: 40 },
  );
});

test('a set blocks when nobody can decide without it', () => {
  const rules = new QuorumRules(twoSites());
  expect(rules.isBlocking([1, 2, 3])).toBe(true);
  expect(rules.isBlocking([4, 5, 6])).toBe(false);
});

test('who may lead weighs something', () => {
  const rules = new QuorumRules(ensembleOf([voter, voter, 'observer'], 'weight.2=0'));
  expect([1, 2, 3, 4].map((id) => rules.mayLead(id))).toEqual([true, false, false, false]);
  expect(rules.voters).toEqual([1, 2]);
});

test('both rules of a change must agree', () => {
  const joint = new JointRules(
    new QuorumRules(twoSites()),
    new QuorumRules(ensembleOf(6, 'weight.4=2')),
  );
  expect(joint.isQuorum([1, 2, 3])).toBe(false);
  expect(joint.isQuorum([1, 4, 5])).toBe(true);
});

test('for people', () => {
  const sites = new QuorumRules(twoSites());
  expect(sites.describe([4, 5, 6])).toBe('3 of 7 votes');
  expect(sites.requirement).toBe('4 of 7 votes');
  const groups = new QuorumRules(grouped(...threeGroups));
  expect(groups.describe([1, 2, 7])).toBe(
    '1 of 3 groups (group 1: 2 of 3 votes, group 2: 0 of 3, group 3: 1 of 3)',
  );
  expect(groups.requirement).toBe('2 of 3 groups');
});
