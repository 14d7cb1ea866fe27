/**
 * `roundrobin`: all partitions of all topics in a row, dealt to members in a circle; a member that has not
 * subscribed to the topic is passed over. Pure.
 */
import type { TopicPartition } from '../../topic-partition.ts';
import { type Assignor, inMemberOrder } from './assignor.ts';

export const roundRobinAssignor: Assignor = {
  name: 'roundrobin',
  isCooperative: false,
  assign(members, partitionCounts) {
    const circle = inMemberOrder(members);
    const result = new Map(members.map(({ memberId }) => [memberId, [] as TopicPartition[]]));
    let turn = 0;
    for (const topic of [...partitionCounts.keys()].sort()) {
      if (!circle.some(({ topics }) => topics.includes(topic))) continue;
      for (let partition = 0; partition < (partitionCounts.get(topic) ?? 0); partition += 1) {
        while (!circle[turn % circle.length]?.topics.includes(topic)) turn += 1;
        result.get(circle[turn % circle.length]?.memberId ?? '')?.push({ topic, partition });
        turn += 1;
      }
    }
    return result;
  },
};
