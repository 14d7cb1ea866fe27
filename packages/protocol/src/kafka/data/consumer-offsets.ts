/**
 * Records of the __consumer_offsets topic that classic groups write: committed offsets and groups.
 * Keys and values begin with an int16 version; that of a key tells its kind: 0 and 1 offsets, 2 groups.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  bytes,
  ignorable,
  int32,
  int64,
  nullableString,
  since,
  string,
  tagged,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

/** The version is the number in front of the key; 0 and 1 have the same form. */
export const offsetCommitKey = data(
  { name: 'OffsetCommitKey', versions: [0, 1], flexibleSince: null },
  { group: string, topic: string, partition: int32 },
);

/** v1: expireTimestamp; v2: no expireTimestamp; v3: leaderEpoch; v4: topicId, flexible. */
export const offsetCommitValue = data(
  { name: 'OffsetCommitValue', versions: [0, 4], flexibleSince: 4 },
  {
    offset: int64,
    leaderEpoch: since(3, int32, -1, ignorable),
    metadata: string,
    commitTimestamp: int64,
    expireTimestamp: since([1, 1], int64, -1, ignorable),
    topicId: tagged(0, 4, uuid, ZERO_UUID, ignorable),
  },
);

export const groupMetadataKey = data(
  { name: 'GroupMetadataKey', versions: [2, 2], flexibleSince: null },
  { group: string },
);

/** v1: rebalanceTimeout; v2: currentStateTimestamp; v3: groupInstanceId; v4: flexible. */
export const groupMetadataValue = data(
  { name: 'GroupMetadataValue', versions: [0, 4], flexibleSince: 4 },
  {
    protocolType: string,
    generation: int32,
    protocol: nullableString,
    leader: nullableString,
    currentStateTimestamp: since(2, int64, -1, ignorable),
    members: arrayOf({
      memberId: string,
      groupInstanceId: since(3, nullableString, null, ignorable),
      clientId: string,
      clientHost: string,
      rebalanceTimeout: since(1, int32, -1, ignorable),
      sessionTimeout: int32,
      subscription: bytes,
      assignment: bytes,
    }),
  },
);

export type OffsetCommitKey = BodyOf<typeof offsetCommitKey>;
export type OffsetCommitValue = BodyOf<typeof offsetCommitValue>;
export type GroupMetadataKey = BodyOf<typeof groupMetadataKey>;
export type GroupMetadataValue = BodyOf<typeof groupMetadataValue>;
