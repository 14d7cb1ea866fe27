/**
 * FindCoordinator (key 10). Key types: 0 group, 1 transaction, 2 share group. v1: keyType,
 * throttling, errorMessage; v3: flexible; v4: several keys in one request (KIP-699); v5:
 * TRANSACTION_ABORTABLE may be answered (KIP-890); v6: share groups (KIP-932).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  ignorable,
  int8,
  int16,
  int32,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const findCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 6],
  flexibleSince: 3,
});

export const findCoordinatorRequest = findCoordinator.message({
  key: since([0, 3], string, ''),
  keyType: since(1, int8, 0),
  coordinatorKeys: since(4, arrayOf(string), []),
});

export const findCoordinatorResponse = findCoordinator.message({
  throttleTimeMs: since(1, int32, 0, ignorable),
  errorCode: since([0, 3], int16, 0),
  errorMessage: since([1, 3], nullableString, '', ignorable),
  nodeId: since([0, 3], int32, 0),
  host: since([0, 3], string, ''),
  port: since([0, 3], int32, 0),
  coordinators: since(
    4,
    arrayOf({
      key: string,
      nodeId: int32,
      host: string,
      port: int32,
      errorCode: int16,
      errorMessage: nullableString,
    }),
    [],
  ),
});

export type FindCoordinatorRequest = BodyOf<typeof findCoordinatorRequest>;
export type FindCoordinatorResponse = BodyOf<typeof findCoordinatorResponse>;
