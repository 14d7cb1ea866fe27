/**
 * Records of the __share_group_state topic (KIP-932). The version in front of a key tells its kind.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  int8,
  int16,
  int32,
  int64,
  string,
  struct,
  tagged,
  uuid,
} from '../../schema/types.ts';

const stateBatch = struct({
  firstOffset: int64,
  lastOffset: int64,
  deliveryState: int8,
  deliveryCount: int16,
});

export const shareSnapshotKey = data(
  { name: 'ShareSnapshotKey', versions: [0, 0], flexibleSince: null },
  { groupId: string, topicId: uuid, partition: int32 },
);

export const shareSnapshotValue = data(
  { name: 'ShareSnapshotValue', versions: [0, 0], flexibleSince: 0 },
  {
    snapshotEpoch: int32,
    stateEpoch: int32,
    leaderEpoch: int32,
    startOffset: int64,
    deliveryCompleteCount: tagged(0, 0, int32, -1),
    createTimestamp: int64,
    writeTimestamp: int64,
    stateBatches: arrayOf(stateBatch),
  },
);

export const shareUpdateKey = data(
  { name: 'ShareUpdateKey', versions: [1, 1], flexibleSince: null },
  { groupId: string, topicId: uuid, partition: int32 },
);

export const shareUpdateValue = data(
  { name: 'ShareUpdateValue', versions: [0, 0], flexibleSince: 0 },
  {
    snapshotEpoch: int32,
    leaderEpoch: int32,
    startOffset: int64,
    deliveryCompleteCount: tagged(0, 0, int32, -1),
    stateBatches: arrayOf(stateBatch),
  },
);

export type ShareSnapshotKey = BodyOf<typeof shareSnapshotKey>;
export type ShareSnapshotValue = BodyOf<typeof shareSnapshotValue>;
export type ShareUpdateKey = BodyOf<typeof shareUpdateKey>;
export type ShareUpdateValue = BodyOf<typeof shareUpdateValue>;
