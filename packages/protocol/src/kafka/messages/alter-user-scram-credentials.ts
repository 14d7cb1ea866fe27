/** AlterUserScramCredentials (key 51). */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, bytes, int8, int16, int32, nullableString, string } from '../../schema/types.ts';

const alterUserScramCredentials = api({
  key: 51,
  name: 'AlterUserScramCredentials',
  versions: [0, 0],
  flexibleSince: 0,
});

export const alterUserScramCredentialsRequest = alterUserScramCredentials.message({
  deletions: arrayOf({ name: string, mechanism: int8 }),
  upsertions: arrayOf({
    name: string,
    mechanism: int8,
    iterations: int32,
    salt: bytes,
    saltedPassword: bytes,
  }),
});

export const alterUserScramCredentialsResponse = alterUserScramCredentials.message({
  throttleTimeMs: int32,
  results: arrayOf({ user: string, errorCode: int16, errorMessage: nullableString }),
});

export type AlterUserScramCredentialsRequest = BodyOf<typeof alterUserScramCredentialsRequest>;
export type AlterUserScramCredentialsResponse = BodyOf<typeof alterUserScramCredentialsResponse>;
