/** FetchSnapshot (key 59). v1: replicaDirectoryId, nodeEndpoints. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  ignorable,
  int16,
  int32,
  int64,
  nullableString,
  records,
  string,
  struct,
  tagged,
  uint16,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const fetchSnapshot = api({ key: 59, name: 'FetchSnapshot', versions: [0, 1], flexibleSince: 0 });

const snapshotId = struct({ endOffset: int64, epoch: int32 });

export const fetchSnapshotRequest = fetchSnapshot.message({
  clusterId: tagged(0, 0, nullableString, null),
  replicaId: defaulted(int32, -1),
  maxBytes: defaulted(int32, 0x7fffffff),
  topics: arrayOf({
    name: string,
    partitions: arrayOf({
      partition: int32,
      currentLeaderEpoch: int32,
      snapshotId: snapshotId,
      position: int64,
      replicaDirectoryId: tagged(0, 1, uuid, ZERO_UUID, ignorable),
    }),
  }),
});

export const fetchSnapshotResponse = fetchSnapshot.message({
  throttleTimeMs: int32,
  errorCode: int16,
  topics: arrayOf({
    name: string,
    partitions: arrayOf({
      index: int32,
      errorCode: int16,
      snapshotId: snapshotId,
      currentLeader: tagged(0, 0, struct({ leaderId: int32, leaderEpoch: int32 })),
      size: int64,
      position: int64,
      unalignedRecords: records,
    }),
  }),
  nodeEndpoints: tagged(0, 1, arrayOf({ nodeId: int32, host: string, port: uint16 }), []),
});

export type FetchSnapshotRequest = BodyOf<typeof fetchSnapshotRequest>;
export type FetchSnapshotResponse = BodyOf<typeof fetchSnapshotResponse>;
