/** AlterReplicaLogDirs (key 34). v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, int16, int32, string } from '../../schema/types.ts';

const alterReplicaLogDirs = api({
  key: 34,
  name: 'AlterReplicaLogDirs',
  versions: [0, 2],
  flexibleSince: 2,
});

export const alterReplicaLogDirsRequest = alterReplicaLogDirs.message({
  dirs: arrayOf({ path: string, topics: arrayOf({ name: string, partitions: arrayOf(int32) }) }),
});

export const alterReplicaLogDirsResponse = alterReplicaLogDirs.message({
  throttleTimeMs: int32,
  results: arrayOf({
    topicName: string,
    partitions: arrayOf({ partitionIndex: int32, errorCode: int16 }),
  }),
});

export type AlterReplicaLogDirsRequest = BodyOf<typeof alterReplicaLogDirsRequest>;
export type AlterReplicaLogDirsResponse = BodyOf<typeof alterReplicaLogDirsResponse>;
