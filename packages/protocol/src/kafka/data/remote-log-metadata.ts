/**
 * Records of the __remote_log_metadata topic (KIP-405). On disk an api key and a version stand in
 * front, both as unsigned varints.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  int8,
  int32,
  int64,
  nullableBytes,
  string,
  struct,
  uuid,
} from '../../schema/types.ts';

const topicIdPartitionEntry = struct({ name: string, id: uuid, partition: int32 });

const remoteLogSegmentIdEntry = struct({ topicIdPartition: topicIdPartitionEntry, id: uuid });

const segmentLeaderEpochEntry = struct({ leaderEpoch: int32, offset: int64 });

export const remoteLogSegmentMetadataRecord = data(
  { name: 'RemoteLogSegmentMetadataRecord', versions: [0, 0], flexibleSince: 0 },
  {
    remoteLogSegmentId: remoteLogSegmentIdEntry,
    startOffset: int64,
    endOffset: int64,
    brokerId: int32,
    maxTimestampMs: int64,
    eventTimestampMs: int64,
    segmentLeaderEpochs: arrayOf(segmentLeaderEpochEntry),
    segmentSizeInBytes: int32,
    customMetadata: defaulted(nullableBytes, null),
    remoteLogSegmentState: int8,
  },
);

export const remoteLogSegmentMetadataUpdateRecord = data(
  { name: 'RemoteLogSegmentMetadataUpdateRecord', versions: [0, 0], flexibleSince: 0 },
  {
    remoteLogSegmentId: remoteLogSegmentIdEntry,
    brokerId: int32,
    eventTimestampMs: int64,
    customMetadata: defaulted(nullableBytes, null),
    remoteLogSegmentState: int8,
  },
);

export const remotePartitionDeleteMetadataRecord = data(
  { name: 'RemotePartitionDeleteMetadataRecord', versions: [0, 0], flexibleSince: 0 },
  {
    topicIdPartition: topicIdPartitionEntry,
    brokerId: int32,
    eventTimestampMs: int64,
    remotePartitionDeleteState: int8,
  },
);

export const remoteLogSegmentMetadataSnapshotRecord = data(
  { name: 'RemoteLogSegmentMetadataSnapshotRecord', versions: [0, 0], flexibleSince: 0 },
  {
    segmentId: uuid,
    startOffset: int64,
    endOffset: int64,
    brokerId: int32,
    maxTimestampMs: int64,
    eventTimestampMs: int64,
    segmentLeaderEpochs: arrayOf(segmentLeaderEpochEntry),
    segmentSizeInBytes: int32,
    customMetadata: defaulted(nullableBytes, null),
    remoteLogSegmentState: int8,
  },
);

export type RemoteLogSegmentMetadataRecord = BodyOf<typeof remoteLogSegmentMetadataRecord>;
export type RemoteLogSegmentMetadataUpdateRecord = BodyOf<
  typeof remoteLogSegmentMetadataUpdateRecord
>;
export type RemotePartitionDeleteMetadataRecord = BodyOf<
  typeof remotePartitionDeleteMetadataRecord
>;
export type RemoteLogSegmentMetadataSnapshotRecord = BodyOf<
  typeof remoteLogSegmentMetadataSnapshotRecord
>;
