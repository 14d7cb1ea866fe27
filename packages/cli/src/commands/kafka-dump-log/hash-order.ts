/**
 * The order in which Kafka's tool prints the partitions of a transaction: that of the hash table
 * which it reads them into. Nobody should count on it; who compares two dumps will.
 */
interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** Buckets of an empty table; it doubles when three quarters are taken. */
const FIRST_BUCKETS = 16;
const LOAD_FACTOR = 0.75;

/** By bucket, then by hash, then as they came; each once. */
export function inHashOrder<P extends TopicPartition>(partitions: readonly P[]): P[] {
  const known = new Map(partitions.map((one) => [`${one.topic}-${one.partition}`, one]));
  let buckets = FIRST_BUCKETS;
  while (known.size >= buckets * LOAD_FACTOR) buckets *= 2;
  return [...known.values()]
    .map((one) => ({ one, hash: spread(hashOf(one)) }))
    .sort((a, b) => (a.hash & (buckets - 1)) - (b.hash & (buckets - 1)) || a.hash - b.hash)
    .map(({ one }) => one);
}

/** As Java computes it: 32 bits, topic and partition as the fields of a class. */
function hashOf({ topic, partition }: TopicPartition): number {
  let hash = 0;
  for (let index = 0; index < topic.length; index++) {
    hash = (Math.imul(31, hash) + topic.charCodeAt(index)) | 0;
  }
  return (Math.imul(31, 31 + partition) + hash) | 0;
}

function spread(hash: number): number {
  return hash ^ (hash >>> 16);
}
