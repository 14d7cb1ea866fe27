/** WriteTxnMarkers (key 27). v1: flexible; v2: transactionVersion. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
  bool,
  ignorable,
  int8,
  int16,
  int32,
  since,
  string,
} from '../../schema/types.ts';

const writeTxnMarkers = api({
  key: 27,
  name: 'WriteTxnMarkers',
  versions: [0, 2],
  flexibleSince: 1,
});

export const writeTxnMarkersRequest = writeTxnMarkers.message({
  markers: arrayOf({
    producerId: bigint64,
    producerEpoch: int16,
    transactionResult: bool,
    topics: arrayOf({ name: string, partitionIndexes: arrayOf(int32) }),
    coordinatorEpoch: int32,
    transactionVersion: since(2, int8, 0, ignorable),
  }),
});

export const writeTxnMarkersResponse = writeTxnMarkers.message({
  markers: arrayOf({
    producerId: bigint64,
    topics: arrayOf({
      name: string,
      partitions: arrayOf({ partitionIndex: int32, errorCode: int16 }),
    }),
  }),
});

export type WriteTxnMarkersRequest = BodyOf<typeof writeTxnMarkersRequest>;
export type WriteTxnMarkersResponse = BodyOf<typeof writeTxnMarkersResponse>;
