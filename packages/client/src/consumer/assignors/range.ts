/**
 * `range`: for each topic by itself, consecutive partitions to members in order; the first members get
 * one more where it does not divide. Equal partition numbers of equally wide topics meet at one member.
 * Pure.
 */
import type { TopicPartition } from '../../topic-partition.ts';
import { type Assignor, inMemberOrder } from './assignor.ts';

export const rangeAssignor: Assignor = {
  name: 'range',
  isCooperative: false,
  assign(members, partitionCounts) {
    const result = new Map(members.map(({ memberId }) => [memberId, [] as TopicPartition[]]));
    for (const [topic, partitionCount] of partitionCounts) {
      const subscribed = inMemberOrder(members).filter(({ topics }) => topics.includes(topic));
      if (subscribed.length === 0) continue;
      const each = Math.floor(partitionCount / subscribed.length);
      const withOneMore = partitionCount % subscribed.length;
      let next = 0;
      subscribed.forEach(({ memberId }, index) => {
        const end = next + each + (index < withOneMore ? 1 : 0);
        for (; next < end; next += 1) result.get(memberId)?.push({ topic, partition: next });
      });
    }
    return result;
  },
};
