/** Ensembles for tests: written shortly, and generated. */
import fc from 'fast-check';
import { type Ensemble, parseEnsemble } from '../../../src/core/quorum/ensemble.ts';

/** Servers 1 to n on 2182 and 2183 of hosts of their own, and further lines. */
export function ensembleOf(
  roles: number | readonly ('participant' | 'observer')[],
  ...lines: readonly string[]
): Ensemble {
  const all = typeof roles === 'number' ? new Array(roles).fill('participant') : roles;
  const servers = all.map(
    (role, index) => `server.${index + 1}=host${index + 1}:2182:2183:${role};2181`,
  );
  return parseEnsemble([...servers, ...lines].join('\n'));
}

/** The two-site case: server 1 has two votes of seven. */
export const twoSites = (): Ensemble => ensembleOf(6, 'weight.1=2');

/** Every kind of rules: majority, weights, groups of any sizes, observers, weights of 0. */
export const anyEnsemble: fc.Arbitrary<Ensemble> = fc
  .record({
    servers: fc.array(
      fc.record({
        isObserver: fc.boolean(),
        weight: fc.option(fc.constantFrom(0, 1, 1, 1, 2, 3, 5)),
        group: fc.integer({ min: 1, max: 4 }),
      }),
      { minLength: 1, maxLength: 9 },
    ),
    hasGroups: fc.boolean(),
  })
  .map(({ servers, hasGroups }) => {
    // The first one votes with some weight, or there would be nobody to decide.
    const all = servers.map((server, index) =>
      index === 0 ? { ...server, isObserver: false, weight: server.weight || 1 } : server,
    );
    const voters = all.map((server, index) => ({ ...server, id: index + 1 }));
    const participants = voters.filter(({ isObserver }) => !isObserver);
    const weights = participants.flatMap(({ id, weight }) =>
      weight === null ? [] : [`weight.${id}=${weight}`],
    );
    const groupIds = hasGroups ? [...new Set(participants.map(({ group }) => group))] : [];
    const groups = groupIds.map((group) => {
      const members = participants.filter((server) => server.group === group);
      return `group.${group}=${members.map(({ id }) => id).join(':')}`;
    });
    return ensembleOf(
      all.map(({ isObserver }) => (isObserver ? 'observer' : 'participant')),
      ...weights,
      ...groups,
    );
  });

/** All subsets of a few ids. */
export function subsetsOf(ids: readonly number[]): number[][] {
  let sets: number[][] = [[]];
  for (const id of ids) sets = [...sets, ...sets.map((set) => [...set, id])];
  return sets;
}
