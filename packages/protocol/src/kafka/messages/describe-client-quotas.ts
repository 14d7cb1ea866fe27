/** DescribeClientQuotas (key 48). v1: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  float64,
  int8,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  string,
} from '../../schema/types.ts';

const describeClientQuotas = api({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: [0, 1],
  flexibleSince: 1,
});

export const describeClientQuotasRequest = describeClientQuotas.message({
  components: arrayOf({ entityType: string, matchType: int8, match: nullableString }),
  strict: bool,
});

export const describeClientQuotasResponse = describeClientQuotas.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: nullableString,
  entries: nullableArrayOf({
    entity: arrayOf({ entityType: string, entityName: nullableString }),
    values: arrayOf({ key: string, value: float64 }),
  }),
});

export type DescribeClientQuotasRequest = BodyOf<typeof describeClientQuotasRequest>;
export type DescribeClientQuotasResponse = BodyOf<typeof describeClientQuotasResponse>;
