/** AlterPartitionReassignments (key 45). v1: allowReplicationFactorChange. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  ignorable,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const alterPartitionReassignments = api({
  key: 45,
  name: 'AlterPartitionReassignments',
  versions: [0, 1],
  flexibleSince: 0,
});

export const alterPartitionReassignmentsRequest = alterPartitionReassignments.message({
  timeoutMs: defaulted(int32, 60000),
  allowReplicationFactorChange: since(1, bool, true),
  topics: arrayOf({
    name: string,
    partitions: arrayOf({
      partitionIndex: int32,
      replicas: defaulted(nullableArrayOf(int32), null),
    }),
  }),
});

export const alterPartitionReassignmentsResponse = alterPartitionReassignments.message({
  throttleTimeMs: int32,
  allowReplicationFactorChange: since(1, bool, true, ignorable),
  errorCode: int16,
  errorMessage: nullableString,
  responses: arrayOf({
    name: string,
    partitions: arrayOf({ partitionIndex: int32, errorCode: int16, errorMessage: nullableString }),
  }),
});

export type AlterPartitionReassignmentsRequest = BodyOf<typeof alterPartitionReassignmentsRequest>;
export type AlterPartitionReassignmentsResponse = BodyOf<
  typeof alterPartitionReassignmentsResponse
>;
