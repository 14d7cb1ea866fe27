/** ListPartitionReassignments (key 46). */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  string,
} from '../../schema/types.ts';

const listPartitionReassignments = api({
  key: 46,
  name: 'ListPartitionReassignments',
  versions: [0, 0],
  flexibleSince: 0,
});

export const listPartitionReassignmentsRequest = listPartitionReassignments.message({
  timeoutMs: defaulted(int32, 60000),
  topics: defaulted(nullableArrayOf({ name: string, partitionIndexes: arrayOf(int32) }), null),
});

export const listPartitionReassignmentsResponse = listPartitionReassignments.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: nullableString,
  topics: arrayOf({
    name: string,
    partitions: arrayOf({
      partitionIndex: int32,
      replicas: arrayOf(int32),
      addingReplicas: arrayOf(int32),
      removingReplicas: arrayOf(int32),
    }),
  }),
});

export type ListPartitionReassignmentsRequest = BodyOf<typeof listPartitionReassignmentsRequest>;
export type ListPartitionReassignmentsResponse = BodyOf<typeof listPartitionReassignmentsResponse>;
