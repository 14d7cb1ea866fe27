/** Which topics the members of a consumer group read, as far as their embedded protocol tells. */
import { consumerProtocolSubscription, ProtocolError, Reader } from '@odradek/protocol';
import type { GroupSnapshot } from '../core/group/group-types.ts';

const CONSUMER = 'consumer';
/** Every version begins as the first one does, so the topics can be read whatever came behind them later. */
const COMMON_VERSION = 0;
const VERSION_BYTES = 2;

/** null when the group is not one of consumers, or a member's metadata cannot be read. */
export function subscribedTopics({ protocolType, members }: GroupSnapshot): Set<string> | null {
  if (protocolType !== CONSUMER) return null;
  const topics = new Set<string>();
  for (const { metadata } of members) {
    try {
      for (const topic of topicsIn(metadata)) topics.add(topic);
    } catch (error) {
      if (error instanceof ProtocolError) return null;
      throw error;
    }
  }
  return topics;
}

function topicsIn(metadata: Buffer): readonly string[] {
  const reader = new Reader(metadata.subarray(VERSION_BYTES));
  return consumerProtocolSubscription.decodeFrom(reader, COMMON_VERSION).topics;
}
