/**
 * Assignors: examples of the documented rules, and properties of every one: each partition goes to exactly
 * one member that wants it; sticky ones are even and move only what evenness asks for.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Assignor, GroupMemberSubscription } from '../../src/consumer/assignors/assignor.ts';
import { rangeAssignor } from '../../src/consumer/assignors/range.ts';
import { roundRobinAssignor } from '../../src/consumer/assignors/round-robin.ts';
import { cooperativeStickyAssignor, stickyAssignor } from '../../src/consumer/assignors/sticky.ts';
import {
  decodeStickyUserData,
  encodeStickyUserData,
} from '../../src/consumer/assignors/sticky-user-data.ts';
import { partitionKey, type TopicPartition } from '../../src/topic-partition.ts';

function member(
  memberId: string,
  topics: readonly string[],
  options: Partial<GroupMemberSubscription> = {},
): GroupMemberSubscription {
  return {
    memberId,
    groupInstanceId: null,
    topics,
    owned: [],
    generation: -1,
    userData: null,
    ...options,
  };
}

const shown = (result: ReadonlyMap<string, readonly TopicPartition[]>) =>
  Object.fromEntries(
    [...result].map(([id, partitions]) => [id, partitions.map(partitionKey).join(' ')]),
  );

test.each([
  {
    name: 'range: consecutive, per topic',
    assignor: rangeAssignor,
    expected: { a: 't-0 t-1 u-0', b: 't-2 u-1' },
  },
  {
    name: 'roundrobin: over all topics',
    assignor: roundRobinAssignor,
    expected: { a: 't-0 t-2 u-1', b: 't-1 u-0' },
  },
])('$name', ({ assignor, expected }) => {
  const members = [member('b', ['t', 'u']), member('a', ['t', 'u'])];
  const counts = new Map([
    ['t', 3],
    ['u', 2],
  ]);
  expect(shown(assignor.assign(members, counts))).toEqual(expected);
});

test('instance ids decide the order before member ids', () => {
  const members = [
    member('a', ['t'], { groupInstanceId: 'z' }),
    member('b', ['t'], { groupInstanceId: 'y' }),
    member('c', ['t']),
  ];
  expect(shown(rangeAssignor.assign(members, new Map([['t', 4]])))).toEqual({
    b: 't-0 t-1',
    a: 't-2',
    c: 't-3',
  });
});

test('roundrobin passes over members that do not read the topic', () => {
  const members = [member('a', ['t']), member('b', ['u']), member('c', ['t', 'u'])];
  const counts = new Map([
    ['t', 3],
    ['u', 3],
  ]);
  expect(shown(roundRobinAssignor.assign(members, counts))).toEqual({
    a: 't-0 t-2',
    b: 'u-0 u-2',
    c: 't-1 u-1',
  });
});

const topicNames = ['t', 'u', 'v'];
const groups = fc
  .record({
    counts: fc.tuple(fc.nat(7), fc.nat(7), fc.nat(7)),
    subscriptions: fc.array(fc.subarray(topicNames, { minLength: 1 }), {
      minLength: 1,
      maxLength: 6,
    }),
    claims: fc.array(fc.tuple(fc.nat(5), fc.constantFrom(...topicNames), fc.nat(9), fc.nat(3))),
  })
  .map(({ counts, subscriptions, claims }) => ({
    counts: new Map(topicNames.map((name, index) => [name, counts[index] ?? 0])),
    members: subscriptions.map((topics, index) => {
      const own = claims.filter(([owner]) => owner === index);
      const owned = own.map(([, topic, partition]) => ({ topic, partition }));
      const generation = own[0]?.[3] ?? -1;
      return member(`m${index}`, topics, {
        owned,
        generation,
        userData: encodeStickyUserData({ owned, generation }),
      });
    }),
  }));

const all: readonly Assignor[] = [rangeAssignor, roundRobinAssignor, stickyAssignor];

test.each(all.map((assignor) => ({ name: assignor.name, assignor })))(
  'property: $name gives every wanted partition to exactly one member that wants it',
  ({ assignor }) => {
    fc.assert(
      fc.property(groups, ({ members, counts }) => {
        const result = assignor.assign(members, counts);
        expect([...result.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort());
        const given = [...result.values()].flat().map(partitionKey);
        const wanted = [...counts].flatMap(([topic, count]) =>
          members.some(({ topics }) => topics.includes(topic))
            ? Array.from({ length: count }, (_, partition) => partitionKey({ topic, partition }))
            : [],
        );
        expect([...given].sort()).toEqual(wanted.sort());
        for (const { memberId, topics } of members)
          for (const { topic } of result.get(memberId) ?? []) expect(topics).toContain(topic);
      }),
    );
  },
);

describe('sticky', () => {
  test('property: equal subscriptions differ by one at most', () => {
    fc.assert(
      fc.property(groups, ({ members, counts }) => {
        const equal = members.map((one) => ({ ...one, topics: topicNames }));
        const sizes = [...stickyAssignor.assign(equal, counts).values()].map(
          ({ length }) => length,
        );
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('property: an even group stays as it is', () => {
    fc.assert(
      fc.property(groups, ({ members, counts }) => {
        const first = stickyAssignor.assign(members, counts);
        const again = members.map((one) => {
          const owned = first.get(one.memberId) ?? [];
          return {
            ...one,
            owned,
            generation: 9,
            userData: encodeStickyUserData({ owned, generation: 9 }),
          };
        });
        expect(shown(stickyAssignor.assign(again, counts))).toEqual(shown(first));
      }),
    );
  });

  test('a member that leaves gives its partitions to the others, who keep theirs', () => {
    const counts = new Map([['t', 9]]);
    const before = stickyAssignor.assign(
      [member('a', ['t']), member('b', ['t']), member('c', ['t'])],
      counts,
    );
    const left = ['a', 'b'].map((id) => {
      const owned = before.get(id) ?? [];
      return member(id, ['t'], { userData: encodeStickyUserData({ owned, generation: 1 }) });
    });
    const after = stickyAssignor.assign(left, counts);
    for (const id of ['a', 'b'])
      for (const kept of before.get(id) ?? []) expect(after.get(id)).toContainEqual(kept);
    expect([...after.values()].map(({ length }) => length).sort()).toEqual([4, 5]);
  });

  test('of two claims the newer generation counts', () => {
    const owned = [{ topic: 't', partition: 0 }];
    const claim = (id: string, generation: number) =>
      member(id, ['t'], { userData: encodeStickyUserData({ owned, generation }) });
    expect(
      shown(stickyAssignor.assign([claim('a', 1), claim('b', 2)], new Map([['t', 2]]))),
    ).toEqual({
      a: 't-1',
      b: 't-0',
    });
  });

  test('user data both ways, the old form without generation, and broken bytes', () => {
    const data = { owned: [{ topic: 't', partition: 3 }], generation: 5 };
    const encoded = encodeStickyUserData(data);
    expect(encoded.toString('hex')).toBe('00000001000174000000010000000300000005');
    expect(decodeStickyUserData(encoded)).toEqual(data);
    expect(decodeStickyUserData(encoded.subarray(0, -4))).toEqual({ ...data, generation: -1 });
    for (let end = 1; end < encoded.length - 4; end += 1)
      expect(decodeStickyUserData(encoded.subarray(0, end)).owned).toEqual([]);
  });
});

describe('cooperative-sticky', () => {
  test('what changes hands is withheld until its owner has given it up', () => {
    const counts = new Map([['t', 4]]);
    const owned = [0, 1, 2, 3].map((partition) => ({ topic: 't', partition }));
    const first = cooperativeStickyAssignor.assign(
      [member('a', ['t'], { owned, generation: 1 }), member('b', ['t'])],
      counts,
    );
    expect(shown(first)).toEqual({ a: 't-0 t-1', b: '' });
    const second = cooperativeStickyAssignor.assign(
      [
        member('a', ['t'], { owned: owned.slice(0, 2), generation: 2 }),
        member('b', ['t'], { generation: 2 }),
      ],
      counts,
    );
    expect(shown(second)).toEqual({ a: 't-0 t-1', b: 't-2 t-3' });
  });

  test('property: no partition is given to one while another owns it, and two rounds are enough', () => {
    fc.assert(
      fc.property(groups, ({ members, counts }) => {
        const first = cooperativeStickyAssignor.assign(members, counts);
        const kept = members.map((one) => ({
          ...one,
          generation: 9,
          owned: first.get(one.memberId) ?? [],
        }));
        const second = cooperativeStickyAssignor.assign(kept, counts);
        expect(shown(second)).toEqual(
          shown(
            stickyAssignor.assign(
              kept.map((one) => ({ ...one, userData: encodeStickyUserData(one) })),
              counts,
            ),
          ),
        );
        for (const { memberId } of members)
          for (const one of first.get(memberId) ?? [])
            expect(second.get(memberId)).toContainEqual(one);
      }),
    );
  });
});
