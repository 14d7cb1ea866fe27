/**
 * DescribeLogDirs (key 35). v2: flexible; v3: errorCode; v4: totalBytes, usableBytes; v5:
 * isCordoned.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  ignorable,
  int16,
  int32,
  int64,
  nullableArrayOf,
  since,
  string,
} from '../../schema/types.ts';

const describeLogDirs = api({
  key: 35,
  name: 'DescribeLogDirs',
  versions: [0, 5],
  flexibleSince: 2,
});

export const describeLogDirsRequest = describeLogDirs.message({
  topics: nullableArrayOf({ topic: string, partitions: arrayOf(int32) }),
});

export const describeLogDirsResponse = describeLogDirs.message({
  throttleTimeMs: int32,
  errorCode: since(3, int16, 0, ignorable),
  results: arrayOf({
    errorCode: int16,
    logDir: string,
    topics: arrayOf({
      name: string,
      partitions: arrayOf({
        partitionIndex: int32,
        partitionSize: int64,
        offsetLag: int64,
        isFutureKey: bool,
      }),
    }),
    totalBytes: since(4, int64, -1, ignorable),
    usableBytes: since(4, int64, -1, ignorable),
    isCordoned: since(5, bool, false, ignorable),
  }),
});

export type DescribeLogDirsRequest = BodyOf<typeof describeLogDirsRequest>;
export type DescribeLogDirsResponse = BodyOf<typeof describeLogDirsResponse>;
