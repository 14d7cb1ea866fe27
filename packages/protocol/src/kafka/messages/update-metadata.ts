/**
 * UpdateMetadata (key 6). The controller tells a broker how the cluster looks. v1: endpoints; v2:
 * rack; v3: listener names; v4: offlineReplicas; v5: brokerEpoch, grouped by topic (KIP-380); v6:
 * flexible; v7: topicId (KIP-516); v8: type and isKRaftController (KIP-866).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  ignorable,
  int8,
  int16,
  int32,
  int64,
  nullableString,
  since,
  string,
  struct,
  tagged,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const updateMetadata = api({ key: 6, name: 'UpdateMetadata', versions: [0, 8], flexibleSince: 6 });

const updateMetadataPartitionState = struct({
  topicName: since([0, 4], string, '', ignorable),
  partitionIndex: int32,
  controllerEpoch: int32,
  leader: int32,
  leaderEpoch: int32,
  isr: arrayOf(int32),
  zkVersion: int32,
  replicas: arrayOf(int32),
  offlineReplicas: since(4, arrayOf(int32), [], ignorable),
});

export const updateMetadataRequest = updateMetadata.message({
  controllerId: int32,
  isKRaftController: since(8, bool, false),
  type: tagged(0, 8, int8, 0),
  controllerEpoch: int32,
  brokerEpoch: since(5, int64, -1, ignorable),
  ungroupedPartitionStates: since([0, 4], arrayOf(updateMetadataPartitionState), []),
  topicStates: since(
    5,
    arrayOf({
      topicName: string,
      topicId: since(7, uuid, ZERO_UUID, ignorable),
      partitionStates: arrayOf(updateMetadataPartitionState),
    }),
    [],
  ),
  liveBrokers: arrayOf({
    id: int32,
    v0Host: since([0, 0], string, '', ignorable),
    v0Port: since([0, 0], int32, 0, ignorable),
    endpoints: since(
      1,
      arrayOf({
        port: int32,
        host: string,
        listener: since(3, string, '', ignorable),
        securityProtocol: int16,
      }),
      [],
      ignorable,
    ),
    rack: since(2, nullableString, '', ignorable),
  }),
});

export const updateMetadataResponse = updateMetadata.message({ errorCode: int16 });

export type UpdateMetadataRequest = BodyOf<typeof updateMetadataRequest>;
export type UpdateMetadataResponse = BodyOf<typeof updateMetadataResponse>;
