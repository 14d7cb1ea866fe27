/** DescribeUserScramCredentials (key 50). */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  int8,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  string,
} from '../../schema/types.ts';

const describeUserScramCredentials = api({
  key: 50,
  name: 'DescribeUserScramCredentials',
  versions: [0, 0],
  flexibleSince: 0,
});

export const describeUserScramCredentialsRequest = describeUserScramCredentials.message({
  users: nullableArrayOf({ name: string }),
});

export const describeUserScramCredentialsResponse = describeUserScramCredentials.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: nullableString,
  results: arrayOf({
    user: string,
    errorCode: int16,
    errorMessage: nullableString,
    credentialInfos: arrayOf({ mechanism: int8, iterations: int32 }),
  }),
});

export type DescribeUserScramCredentialsRequest = BodyOf<
  typeof describeUserScramCredentialsRequest
>;
export type DescribeUserScramCredentialsResponse = BodyOf<
  typeof describeUserScramCredentialsResponse
>;
