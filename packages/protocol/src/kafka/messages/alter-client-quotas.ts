/** AlterClientQuotas (key 49). v1: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  float64,
  int16,
  int32,
  nullableString,
  string,
  struct,
} from '../../schema/types.ts';

const alterClientQuotas = api({
  key: 49,
  name: 'AlterClientQuotas',
  versions: [0, 1],
  flexibleSince: 1,
});

const entityData = struct({ entityType: string, entityName: nullableString });

export const alterClientQuotasRequest = alterClientQuotas.message({
  entries: arrayOf({
    entity: arrayOf(entityData),
    ops: arrayOf({ key: string, value: float64, remove: bool }),
  }),
  validateOnly: bool,
});

export const alterClientQuotasResponse = alterClientQuotas.message({
  throttleTimeMs: int32,
  entries: arrayOf({ errorCode: int16, errorMessage: nullableString, entity: arrayOf(entityData) }),
});

export type AlterClientQuotasRequest = BodyOf<typeof alterClientQuotasRequest>;
export type AlterClientQuotasResponse = BodyOf<typeof alterClientQuotasResponse>;
