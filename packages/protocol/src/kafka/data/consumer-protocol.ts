/**
 * What members of a classic group tell each other through JoinGroup and SyncGroup, in Kafka's own
 * embedded format: an int16 version, then the message. A reader takes a version above the highest it
 * knows for that one and ignores what follows.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  ignorable,
  int32,
  nullableBytes,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

/** v1: ownedPartitions; v2: generationId; v3: rackId. */
export const consumerProtocolSubscription = data(
  { name: 'ConsumerProtocolSubscription', versions: [0, 3], flexibleSince: null },
  {
    topics: arrayOf(string),
    userData: defaulted(nullableBytes, null),
    ownedPartitions: since(
      1,
      arrayOf({ topic: string, partitions: arrayOf(int32) }),
      [],
      ignorable,
    ),
    generationId: since(2, int32, -1, ignorable),
    rackId: since(3, nullableString, null, ignorable),
  },
);

export const consumerProtocolAssignment = data(
  { name: 'ConsumerProtocolAssignment', versions: [0, 3], flexibleSince: null },
  {
    assignedPartitions: arrayOf({ topic: string, partitions: arrayOf(int32) }),
    userData: defaulted(nullableBytes, null),
  },
);

export type ConsumerProtocolSubscription = BodyOf<typeof consumerProtocolSubscription>;
export type ConsumerProtocolAssignment = BodyOf<typeof consumerProtocolAssignment>;
