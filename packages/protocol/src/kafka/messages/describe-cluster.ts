/** DescribeCluster (key 60). v1: endpointType; v2: includeFencedBrokers, isFenced. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  int8,
  int16,
  int32,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const describeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 2],
  flexibleSince: 0,
});

export const describeClusterRequest = describeCluster.message({
  includeClusterAuthorizedOperations: bool,
  endpointType: since(1, int8, 1),
  includeFencedBrokers: since(2, bool, false),
});

export const describeClusterResponse = describeCluster.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: defaulted(nullableString, null),
  endpointType: since(1, int8, 1),
  clusterId: string,
  controllerId: defaulted(int32, -1),
  brokers: arrayOf({
    brokerId: int32,
    host: string,
    port: int32,
    rack: defaulted(nullableString, null),
    isFenced: since(2, bool, false),
  }),
  clusterAuthorizedOperations: defaulted(int32, -0x80000000),
});

export type DescribeClusterRequest = BodyOf<typeof describeClusterRequest>;
export type DescribeClusterResponse = BodyOf<typeof describeClusterResponse>;
