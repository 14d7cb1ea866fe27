/**
 * DescribeConfigs (key 32). v1: synonyms and sources (KIP-226); v3: types and documentation
 * (KIP-569); v4: flexible.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  ignorable,
  int8,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const describeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: [0, 4],
  flexibleSince: 4,
});

export const describeConfigsRequest = describeConfigs.message({
  resources: arrayOf({
    resourceType: int8,
    resourceName: string,
    configurationKeys: nullableArrayOf(string),
  }),
  includeSynonyms: since(1, bool, false),
  includeDocumentation: since(3, bool, false),
});

export const describeConfigsResponse = describeConfigs.message({
  throttleTimeMs: int32,
  results: arrayOf({
    errorCode: int16,
    errorMessage: nullableString,
    resourceType: int8,
    resourceName: string,
    configs: arrayOf({
      name: string,
      value: nullableString,
      readOnly: bool,
      isDefault: since([0, 0], bool, false),
      configSource: since(1, int8, -1, ignorable),
      isSensitive: bool,
      synonyms: since(
        1,
        arrayOf({ name: string, value: nullableString, source: int8 }),
        [],
        ignorable,
      ),
      configType: since(3, int8, 0, ignorable),
      documentation: since(3, nullableString, '', ignorable),
    }),
  }),
});

export type DescribeConfigsRequest = BodyOf<typeof describeConfigsRequest>;
export type DescribeConfigsResponse = BodyOf<typeof describeConfigsResponse>;
