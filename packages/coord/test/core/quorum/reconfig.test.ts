/** Goal: a change of members is checked as the original checks it, and never opens a way to two sets that decide. */
import { describe, expect, test } from '@jest/globals';
import { zookeeperErrorCodes as errorCodes } from '@odradek/protocol';
import fc from 'fast-check';
import { type Ensemble, parseEnsemble } from '../../../src/core/quorum/ensemble.ts';
import {
  commonQuorum,
  decideReconfig,
  type ReconfigContext,
  type ReconfigRequest,
} from '../../../src/core/quorum/reconfig.ts';
import { JointRules, QuorumRules } from '../../../src/core/quorum/rules.ts';
import { anyEnsemble, ensembleOf, subsetsOf, twoSites } from './ensembles.ts';

const ask = (request: Partial<ReconfigRequest>): ReconfigRequest => ({
  joiningServers: null,
  leavingServers: null,
  newMembers: null,
  curConfigId: -1n,
  ...request,
});
const context = (current: Ensemble, more: Partial<ReconfigContext> = {}): ReconfigContext => ({
  current: { ...current, version: 5n },
  isOutstanding: false,
  participantsMin: 2,
  refusalOf: () => null,
  ...more,
});
const ZXID = 0x200000007n;

function membersAfter(request: Partial<ReconfigRequest>, current: Ensemble): string[] {
  const decision = decideReconfig(ask(request), context(current), ZXID);
  return decision.kind === 'accepted' ? decision.text.split('\n') : [decision.why];
}

describe('what becomes of the members', () => {
  const [one, two, three] = ensembleLines(ensembleOf(3));

  test('one joins, one leaves; the version is the zxid', () => {
    expect(
      membersAfter(
        { joiningServers: 'server.4=d:1:2:observer;3', leavingServers: '2, 77' },
        ensembleOf(3),
      ),
    ).toEqual([one, three, 'server.4=d:1:2:observer;0.0.0.0:3', 'version=200000007']);
  });

  test('who joins with a known id takes its place: another role, other ports', () => {
    expect(
      membersAfter(
        { joiningServers: 'server.3=host3:9:8:observer;7' },
        ensembleOf(3, 'weight.3=4'),
      ),
    ).toEqual([one, two, 'server.3=host3:9:8:observer;0.0.0.0:7', 'version=200000007']);
  });

  test('weights stay with those who stay, and go with those who leave', () => {
    expect(
      membersAfter(
        { leavingServers: '2', joiningServers: 'server.4=d:1:2,weight.4=0' },
        ensembleOf(3, 'weight.1=3', 'weight.2=2'),
      ),
    ).toEqual([
      one,
      three,
      'server.4=d:1:2:participant',
      'weight.1=3',
      'weight.4=0',
      'version=200000007',
    ]);
  });

  test('all new members at once, by commas or lines, a version among them meaning nothing', () => {
    const newMembers = `${one},${two}\n${three}\nweight.2=5,version=3`;
    expect(membersAfter({ newMembers, leavingServers: '1' }, ensembleOf(3))).toEqual([
      one,
      two,
      three,
      'weight.2=5',
      'version=200000007',
    ]);
  });
});

const grouped = ensembleOf(3, 'group.1=1:2:3');

test.each([
  { name: 'nothing', request: {}, code: 'BAD_ARGUMENTS' },
  { name: 'unreadable', request: { joiningServers: 'server.4=d' }, code: 'BAD_ARGUMENTS' },
  {
    name: 'the same address',
    request: { joiningServers: 'server.4=host1:2182:9' },
    code: 'BAD_ARGUMENTS',
  },
  { name: 'not an id', request: { leavingServers: 'a' }, code: 'MARSHALLING_ERROR' },
  { name: 'too few', request: { leavingServers: '1,2' }, code: 'BAD_ARGUMENTS' },
  {
    name: 'no weight',
    request: { joiningServers: 'weight.1=0,weight.2=0,weight.3=0' },
    code: 'BAD_ARGUMENTS',
  },
  { name: 'a weight for nobody', request: { joiningServers: 'weight.9=1' }, code: 'BAD_ARGUMENTS' },
  {
    name: 'another version',
    request: { leavingServers: '3', curConfigId: 4n },
    code: 'BAD_VERSION',
  },
] as const)('refused: $name', ({ request, code }) => {
  const decision = decideReconfig(ask(request), context(ensembleOf(3)), ZXID);
  expect(decision).toEqual({ kind: 'refused', wire: errorCodes[code], why: expect.any(String) });
});

test('refused with groups unless all members are named', () => {
  const incremental = decideReconfig(ask({ leavingServers: '3' }), context(grouped), ZXID);
  expect(incremental).toMatchObject({ wire: errorCodes.BAD_ARGUMENTS });
  const newMembers = [...ensembleLines(ensembleOf(3)), 'group.1=1:2', 'group.2=3'].join(',');
  expect(decideReconfig(ask({ newMembers }), context(grouped), ZXID).kind).toBe('accepted');
});

test('refused in the order of the original', () => {
  const wrong = ask({ leavingServers: 'a', curConfigId: 9n });
  const of = (more: Partial<ReconfigContext>, request = wrong): unknown =>
    decideReconfig(request, context(ensembleOf(3), more), ZXID);
  expect(of({ isOutstanding: true })).toMatchObject({ wire: errorCodes.RECONFIG_IN_PROGRESS });
  expect(of({})).toMatchObject({ wire: errorCodes.BAD_VERSION });
  const right = ask({ leavingServers: '3', curConfigId: 5n });
  expect(of({ refusalOf: () => 'NEW_CONFIG_NO_QUORUM' }, right)).toMatchObject({
    wire: errorCodes.NEW_CONFIG_NO_QUORUM,
  });
  expect(of({ refusalOf: () => 'RECONFIG_IN_PROGRESS' }, right)).toMatchObject({
    wire: errorCodes.RECONFIG_IN_PROGRESS,
  });
  expect(of({ participantsMin: 1 }, ask({ leavingServers: '2,3' }))).toMatchObject({
    kind: 'accepted',
  });
});

describe('a quorum in common', () => {
  const next = ensembleOf(6, 'weight.4=2');

  test.each([
    { available: [1, 2, 3, 4, 5, 6], quorum: [1, 3, 4] },
    { available: [1, 4, 5], quorum: [1, 4, 5] },
    { available: [1, 2, 3], quorum: null },
    { available: [4, 5, 6], quorum: null },
  ])('of $available: $quorum', ({ available, quorum }) => {
    const found = commonQuorum(twoSites(), next, available);
    expect(found?.length ?? null).toBe(quorum?.length ?? null);
    if (found !== null) {
      expect(new QuorumRules(twoSites()).isQuorum(found)).toBe(true);
      expect(new QuorumRules(next).isQuorum(found)).toBe(true);
    }
  });

  test('whoever made a change certain has somebody in common with every set of the old and of the new members', () => {
    fc.assert(
      fc.property(anyEnsemble, anyEnsemble, (current, after) => {
        const [old, young] = [new QuorumRules(current), new QuorumRules(after)];
        const joint = new JointRules(old, young);
        const ids = [...new Set([...current.servers.keys(), ...after.servers.keys()])];
        const certain = subsetsOf(ids).filter(
          (set) =>
            joint.isQuorum(set) &&
            set.every((left) => !joint.isQuorum(set.filter((id) => id !== left))),
        );
        expect(certain.length).toBeGreaterThan(0);
        for (const set of certain) {
          // Nobody else can decide, neither by the old members nor by the new ones.
          const others = ids.filter((id) => !set.includes(id));
          expect(old.isQuorum(others) || young.isQuorum(others)).toBe(false);
          expect(commonQuorum(current, after, set)).toEqual([...set].sort((a, b) => a - b));
        }
      }),
      { numRuns: 40 },
    );
  });
});

function ensembleLines(ensemble: Ensemble): string[] {
  const [one, two, three] = [...ensemble.servers.values()].map(
    ({ id }) => `server.${id}=host${id}:2182:2183:participant;0.0.0.0:2181`,
  );
  expect(parseEnsemble([one, two, three].join('\n'))).toEqual(ensembleOf(3));
  return [one ?? '', two ?? '', three ?? ''];
}
