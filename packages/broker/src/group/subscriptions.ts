/** Which topics the members of a consumer group read, as far as their embedded protocol tells. */
import { consumerProtocolSubscription, ProtocolError, Reader } from '@odradek/protocol';
import type { GroupSnapshot } from '../core/group/group-types.ts';

const CONSUMER = 'consumer';
const HIGHEST_KNOWN_VERSION = 3;

/** null when the group is not one of consumers, or a member's metadata cannot be read. */
export function subscribedTopics({ protocolType, members }: GroupSnapshot): Set<string> | null {
  if (protocolType !== CONSUMER) return null;
  const topics = new Set<string>();
  for (const { metadata } of members) {
    if (metadata.length < 2) return null;
    const version = Math.min(metadata.readInt16BE(0), HIGHEST_KNOWN_VERSION);
    try {
      for (const topic of topicsIn(metadata.subarray(2), version)) topics.add(topic);
    } catch (error) {
      if (error instanceof ProtocolError) return null;
      throw error;
    }
  }
  return topics;
}

/** Reads only as far as it must: a newer writer may have put more behind. */
function topicsIn(bytes: Buffer, version: number): readonly string[] {
  return consumerProtocolSubscription.decodeFrom(new Reader(bytes), version).topics;
}
