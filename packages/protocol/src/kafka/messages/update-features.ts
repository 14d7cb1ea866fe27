/**
 * UpdateFeatures (key 57). v1: no allowDowngrade, upgradeType, validateOnly; v2: no results.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  ignorable,
  int8,
  int16,
  int32,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const updateFeatures = api({ key: 57, name: 'UpdateFeatures', versions: [0, 2], flexibleSince: 0 });

export const updateFeaturesRequest = updateFeatures.message({
  timeoutMs: defaulted(int32, 60000),
  featureUpdates: arrayOf({
    feature: string,
    maxVersionLevel: int16,
    allowDowngrade: since([0, 0], bool, false),
    upgradeType: since(1, int8, 1),
  }),
  validateOnly: since(1, bool, false),
});

export const updateFeaturesResponse = updateFeatures.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: nullableString,
  results: since(
    [0, 1],
    arrayOf({ feature: string, errorCode: int16, errorMessage: nullableString }),
    [],
    ignorable,
  ),
});

export type UpdateFeaturesRequest = BodyOf<typeof updateFeaturesRequest>;
export type UpdateFeaturesResponse = BodyOf<typeof updateFeaturesResponse>;
