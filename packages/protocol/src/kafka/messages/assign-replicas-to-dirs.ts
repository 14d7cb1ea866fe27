/** AssignReplicasToDirs (key 73). */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, defaulted, int16, int32, int64, uuid } from '../../schema/types.ts';

const assignReplicasToDirs = api({
  key: 73,
  name: 'AssignReplicasToDirs',
  versions: [0, 0],
  flexibleSince: 0,
});

export const assignReplicasToDirsRequest = assignReplicasToDirs.message({
  brokerId: int32,
  brokerEpoch: defaulted(int64, -1),
  directories: arrayOf({
    id: uuid,
    topics: arrayOf({ topicId: uuid, partitions: arrayOf({ partitionIndex: int32 }) }),
  }),
});

export const assignReplicasToDirsResponse = assignReplicasToDirs.message({
  throttleTimeMs: int32,
  errorCode: int16,
  directories: arrayOf({
    id: uuid,
    topics: arrayOf({
      topicId: uuid,
      partitions: arrayOf({ partitionIndex: int32, errorCode: int16 }),
    }),
  }),
});

export type AssignReplicasToDirsRequest = BodyOf<typeof assignReplicasToDirsRequest>;
export type AssignReplicasToDirsResponse = BodyOf<typeof assignReplicasToDirsResponse>;
