/**
 * What a member of a `sticky` group tells the leader: what it had and in which generation. Kafka's
 * format: `[{topic, [partition]}] generation:int32`, without a version in front; the oldest clients
 * leave the generation out. Pure.
 */
import { MalformedMessage, Reader, Writer } from '@odradek/protocol';
import type { TopicPartition } from '../../topic-partition.ts';

export interface StickyUserData {
  readonly owned: readonly TopicPartition[];
  /** -1: not told. */
  readonly generation: number;
}

const NOTHING: StickyUserData = { owned: [], generation: -1 };

export function encodeStickyUserData({ owned, generation }: StickyUserData): Buffer {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of owned)
    topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  const writer = new Writer();
  writer.begin();
  writer.int32(topics.size);
  for (const [topic, partitions] of topics) {
    writer.classicString(topic);
    writer.int32(partitions.length);
    for (const partition of partitions) writer.int32(partition);
  }
  writer.int32(generation);
  return writer.finishWhole();
}

/** What cannot be read counts as nothing: a member's mistake must not stop the group. */
export function decodeStickyUserData(userData: Buffer | null): StickyUserData {
  if (userData === null || userData.length === 0) return NOTHING;
  try {
    const reader = new Reader(userData);
    const owned: TopicPartition[] = [];
    for (let topics = reader.int32(); topics > 0; topics -= 1) {
      const topic = reader.text(reader.int16());
      for (let count = reader.int32(); count > 0; count -= 1)
        owned.push({ topic, partition: reader.int32() });
    }
    return { owned, generation: reader.remaining >= 4 ? reader.int32() : -1 };
  } catch (error) {
    if (error instanceof MalformedMessage) return NOTHING;
    throw error;
  }
}
