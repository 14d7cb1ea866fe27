/**
 * Random conversations with static members among the dynamic ones and a record store that is slow or fails: what must hold
 * after every step, and that in the end everybody has been answered.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { GroupSnapshot } from '../../../src/core/group/group-types.ts';
import { Conversation } from './conversation.ts';

/** Most arrays that fast-check makes by itself are too short for anything to happen. */
const LONG = { minLength: 30, maxLength: 100, size: 'max' } as const;
const who = fc.nat(4);
const action = fc.oneof(
  fc.record({ what: fc.constant('join' as const), needsId: fc.boolean(), protocol: fc.nat(2) }),
  fc.record({
    what: fc.constant('return' as const),
    who,
    skips: fc.boolean(),
    protocol: fc.nat(2),
  }),
  fc.record({ what: fc.constant('rejoin' as const), who, protocol: fc.nat(2) }),
  fc.record({ what: fc.constant('sync' as const), who }),
  fc.record({ what: fc.constant('leave' as const), who }),
  fc.record({ what: fc.constant('beat' as const), who }),
  fc.record({ what: fc.constant('store' as const), fails: fc.boolean() }),
  fc.record({ what: fc.constant('pass' as const), ms: fc.oneof(fc.nat(300), fc.nat(15_000)) }),
);

/** Every list has `range`, so that members can always work together. */
const lists = [['range'], ['sticky', 'range'], ['range', 'sticky']].map((names) =>
  names.map((name) => ({ name, metadata: Buffer.from(name) })),
);

/** What is wrong with the group after a step; nothing, one hopes. */
function violations(before: GroupSnapshot, after: GroupSnapshot): string[] {
  const ids = after.members.map(({ memberId }) => memberId);
  const instances = after.members.flatMap(({ instanceId }) => instanceId ?? []);
  const settled = after.state === 'Stable' || after.state === 'CompletingRebalance';
  const sameGeneration = after.generation === before.generation;
  const staysStable = before.state === 'Stable' && after.state === 'Stable' && sameGeneration;
  const rules: readonly (readonly [holds: boolean, rule: string])[] = [
    [new Set(ids).size === ids.length, 'members are unique'],
    [new Set(instances).size === instances.length, 'instances are unique'],
    [after.generation >= before.generation, 'generations only grow'],
    [after.state !== 'Empty' || ids.length === 0, 'an empty group has no members'],
    [ids.length === 0 || ids.includes(after.leader ?? ''), 'the leader is one of the members'],
    [!settled || (ids.length > 0 && after.protocolName !== null), 'members agree on something'],
    [
      !staysStable || assignments(after) === assignments(before),
      'a generation keeps its assignment',
    ],
  ];
  return rules.filter(([holds]) => !holds).map(([, rule]) => rule);
}

const assignments = ({ members }: GroupSnapshot): string =>
  members
    .map(({ assignment }) => assignment.toString())
    .sort()
    .join();

test('members are unique, the leader is one of them, and nobody waits for ever', () => {
  fc.assert(
    fc.property(fc.array(action, LONG), fc.nat(200), (actions, initialRebalanceDelayMs) => {
      const talk = new Conversation({ initialRebalanceDelayMs, maxSize: 5 });
      talk.storesByItself = false;
      const asked: number[] = [];
      const broken: string[] = [];
      const open: number[] = [];
      let seen = 0;
      const collectStores = (): void => {
        open.push(...talk.stores.slice(seen));
        seen = talk.stores.length;
      };
      const member = (index: number) => {
        const { members } = talk.group.snapshot();
        const found = members[index % Math.max(members.length, 1)];
        return { memberId: found?.memberId ?? 'nobody', instanceId: found?.instanceId ?? null };
      };
      for (const step of actions) {
        const before = talk.group.snapshot();
        const protocols = 'protocol' in step ? (lists[step.protocol] ?? []) : [];
        const subject = 'who' in step ? member(step.who) : member(0);
        switch (step.what) {
          case 'join': {
            const reply = talk.join('', { protocols, requiresKnownMemberId: step.needsId });
            asked.push(reply);
            const answer = talk.joined.get(reply);
            if (answer?.error === 'MEMBER_ID_REQUIRED')
              asked.push(talk.join(answer.memberId, { protocols }));
            break;
          }
          case 'return':
            asked.push(
              talk.join('', {
                protocols,
                instanceId: `i${step.who}`,
                canSkipAssignment: step.skips,
              }),
            );
            break;
          case 'rejoin':
            asked.push(talk.join(subject.memberId, { protocols, instanceId: subject.instanceId }));
            break;
          case 'sync': {
            const all = Object.fromEntries(
              before.members.map(({ memberId }) => [memberId, `part of ${memberId}`]),
            );
            asked.push(talk.sync(subject.memberId, all, { instanceId: subject.instanceId }));
            break;
          }
          case 'leave':
            talk.leave(subject.memberId, subject.instanceId);
            break;
          case 'beat':
            talk.heartbeat(subject.memberId, subject.instanceId);
            break;
          case 'store': {
            const store = open.shift();
            if (store === undefined) break;
            const error = step.fails ? ('NOT_COORDINATOR' as const) : null;
            talk.deliver({ kind: 'stored', store, error });
            break;
          }
          case 'pass':
            talk.pass(step.ms);
            break;
        }
        collectStores();
        broken.push(...violations(before, talk.group.snapshot()));
      }
      for (let hour = 0; hour < 2; hour++) {
        for (const store of open.splice(0)) talk.deliver({ kind: 'stored', store, error: null });
        talk.pass(3_600_000);
        collectStores();
      }
      // What a leader is asked to assign is the same however often it asks within one generation.
      const rosters = new Map<number, string>();
      for (const { generationId, members, skipAssignment } of talk.joined.values()) {
        if (members.length === 0 || skipAssignment) continue;
        const roster = members.map(({ memberId }) => memberId).join();
        if ((rosters.get(generationId) ?? roster) !== roster) broken.push('two rosters');
        rosters.set(generationId, roster);
      }
      const unanswered = asked.filter(
        (reply) => !talk.joined.has(reply) && !talk.synced.has(reply),
      );
      expect({ broken, unanswered }).toEqual({ broken: [], unanswered: [] });
      expect(talk.group.isVacant).toBe(true);
      expect(talk.group.state).toBe('Empty');
    }),
    { numRuns: 500 },
  );
});
