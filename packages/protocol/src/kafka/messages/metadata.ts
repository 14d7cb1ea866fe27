/**
 * Metadata (key 3). Brokers, topics, partitions and their leaders. v1: controller id, racks,
 * internal topics; null asks for all topics; v2: clusterId; v3: throttleTimeMs; v4:
 * allowAutoTopicCreation; v5: offlineReplicas (KIP-112); v7: leaderEpoch (KIP-320); v8: authorized
 * operations (KIP-430); v9: flexible; v10: topicId (KIP-516); v11: no authorized operations of the
 * cluster (KIP-700); v12: topics by id (KIP-516); v13: errorCode for the whole answer (KIP-1102).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  ignorable,
  int16,
  int32,
  nullableIn,
  nullableString,
  since,
  string,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const metadata = api({ key: 3, name: 'Metadata', versions: [0, 13], flexibleSince: 9 });

export const metadataRequest = metadata.message({
  topics: nullableIn(
    1,
    arrayOf({ topicId: since(10, uuid, ZERO_UUID, ignorable), name: nullableIn(10, string) }),
  ),
  allowAutoTopicCreation: since(4, bool, true),
  includeClusterAuthorizedOperations: since([8, 10], bool, false),
  includeTopicAuthorizedOperations: since(8, bool, false),
});

export const metadataResponse = metadata.message({
  throttleTimeMs: since(3, int32, 0, ignorable),
  brokers: arrayOf({
    nodeId: int32,
    host: string,
    port: int32,
    rack: since(1, nullableString, null, ignorable),
  }),
  clusterId: since(2, nullableString, null, ignorable),
  controllerId: since(1, int32, -1, ignorable),
  topics: arrayOf({
    errorCode: int16,
    name: nullableIn(12, string),
    topicId: since(10, uuid, ZERO_UUID, ignorable),
    isInternal: since(1, bool, false, ignorable),
    partitions: arrayOf({
      errorCode: int16,
      partitionIndex: int32,
      leaderId: int32,
      leaderEpoch: since(7, int32, -1, ignorable),
      replicaNodes: arrayOf(int32),
      isrNodes: arrayOf(int32),
      offlineReplicas: since(5, arrayOf(int32), [], ignorable),
    }),
    topicAuthorizedOperations: since(8, int32, -0x80000000),
  }),
  clusterAuthorizedOperations: since([8, 10], int32, -0x80000000),
  errorCode: since(13, int16, 0, ignorable),
});

export type MetadataRequest = BodyOf<typeof metadataRequest>;
export type MetadataResponse = BodyOf<typeof metadataResponse>;
