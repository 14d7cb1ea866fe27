/**
 * `sticky` and `cooperative-sticky`: as even as subscriptions allow, and among even ones what moves the
 * fewest partitions.
 *
 * Each member keeps what it had, what nobody has goes to whoever has least, and then partitions move
 * from members to others that have at least two fewer, until there are none such; each move makes the
 * sum of squares smaller, so this ends. Of two claims the one of the newer generation counts.
 *
 * `sticky` learns what a member had from its user data, for an eager member has given up everything
 * when it joins; `cooperative-sticky` from what it owns, and withholds what must change hands until
 * its owner has given it up and everyone has joined again (KIP-429). Pure.
 */
import { comparePartitions, partitionKey, type TopicPartition } from '../../topic-partition.ts';
import { type Assignor, type GroupMemberSubscription, inMemberOrder } from './assignor.ts';
import { decodeStickyUserData, encodeStickyUserData } from './sticky-user-data.ts';

export const stickyAssignor: Assignor = {
  name: 'sticky',
  isCooperative: false,
  assign(members, partitionCounts) {
    const claims = members.map((member) => ({
      ...member,
      ...decodeStickyUserData(member.userData),
    }));
    return balanced(claims, partitionCounts);
  },
  userData: (owned, generation) => encodeStickyUserData({ owned, generation }),
};

export const cooperativeStickyAssignor: Assignor = {
  name: 'cooperative-sticky',
  isCooperative: true,
  assign(members, partitionCounts) {
    const target = balanced(members, partitionCounts);
    const ownerOf = new Map<string, string>();
    for (const { memberId, partition } of validClaims(members, partitionCounts))
      ownerOf.set(partitionKey(partition), memberId);
    return new Map(
      [...target].map(([memberId, partitions]) => [
        memberId,
        partitions.filter(
          (partition) => (ownerOf.get(partitionKey(partition)) ?? memberId) === memberId,
        ),
      ]),
    );
  },
};

interface Claim {
  readonly memberId: string;
  readonly partition: TopicPartition;
}

/** What members had, as far as it exists, is subscribed to, and no newer claim contradicts. */
function validClaims(
  members: readonly GroupMemberSubscription[],
  partitionCounts: ReadonlyMap<string, number>,
): readonly Claim[] {
  const claimed = new Set<string>();
  const claims: Claim[] = [];
  const newestFirst = [...inMemberOrder(members)].sort((a, b) => b.generation - a.generation);
  for (const { memberId, topics, owned } of newestFirst)
    for (const partition of owned) {
      const exists = partition.partition < (partitionCounts.get(partition.topic) ?? 0);
      const key = partitionKey(partition);
      if (!exists || !topics.includes(partition.topic) || claimed.has(key)) continue;
      claimed.add(key);
      claims.push({ memberId, partition });
    }
  return claims;
}

function balanced(
  members: readonly GroupMemberSubscription[],
  partitionCounts: ReadonlyMap<string, number>,
): ReadonlyMap<string, readonly TopicPartition[]> {
  const order = inMemberOrder(members).map(({ memberId }) => memberId);
  const shares = new Map(order.map((memberId) => [memberId, [] as TopicPartition[]]));
  const readers = new Map(
    [...partitionCounts.keys()].map((topic) => [
      topic,
      inMemberOrder(members)
        .filter(({ topics }) => topics.includes(topic))
        .map(({ memberId }) => memberId),
    ]),
  );
  const taken = new Set<string>();
  for (const { memberId, partition } of validClaims(members, partitionCounts)) {
    shares.get(memberId)?.push(partition);
    taken.add(partitionKey(partition));
  }
  const countOf = (memberId: string): number => shares.get(memberId)?.length ?? 0;
  for (const partition of free(partitionCounts, readers, taken)) {
    const least = leastLoaded(readers.get(partition.topic) ?? [], countOf);
    if (least !== null) shares.get(least)?.push(partition);
  }
  level(order, shares, readers, countOf);
  for (const share of shares.values()) share.sort(comparePartitions);
  return shares;
}

/** Unclaimed partitions, those that fewest members can take first. */
function free(
  partitionCounts: ReadonlyMap<string, number>,
  readers: ReadonlyMap<string, readonly string[]>,
  taken: ReadonlySet<string>,
): readonly TopicPartition[] {
  const partitions: TopicPartition[] = [];
  for (const topic of [...partitionCounts.keys()].sort())
    for (let partition = 0; partition < (partitionCounts.get(topic) ?? 0); partition += 1)
      if (!taken.has(partitionKey({ topic, partition }))) partitions.push({ topic, partition });
  const readerCount = ({ topic }: TopicPartition): number => readers.get(topic)?.length ?? 0;
  return partitions.sort((a, b) => readerCount(a) - readerCount(b));
}

function level(
  order: readonly string[],
  shares: ReadonlyMap<string, TopicPartition[]>,
  readers: ReadonlyMap<string, readonly string[]>,
  countOf: (memberId: string) => number,
): void {
  let hasMoved = true;
  while (hasMoved) {
    hasMoved = false;
    for (const giver of [...order].sort((a, b) => countOf(b) - countOf(a))) {
      const share = shares.get(giver) ?? [];
      // From the end, so that what has been kept longest stays.
      for (let at = share.length - 1; at >= 0; at -= 1) {
        const partition = share[at];
        if (partition === undefined) continue;
        const taker = leastLoaded(readers.get(partition.topic) ?? [], countOf);
        if (taker === null || countOf(giver) - countOf(taker) < 2) continue;
        share.splice(at, 1);
        shares.get(taker)?.push(partition);
        hasMoved = true;
      }
    }
  }
}

function leastLoaded(
  members: readonly string[],
  countOf: (memberId: string) => number,
): string | null {
  let least: string | null = null;
  for (const memberId of members)
    if (least === null || countOf(memberId) < countOf(least)) least = memberId;
  return least;
}
