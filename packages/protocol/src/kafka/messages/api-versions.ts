/**
 * ApiVersions (key 18). The response never has more than header v0; see ../api-versions.ts. v1:
 * throttling; v3: the client's name and version (KIP-511), features (KIP-584), flexible; v4:
 * features may begin at 0; v5: the cluster and node that the client means. v5 is in no release.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  ignorable,
  int16,
  int32,
  int64,
  nullableString,
  since,
  string,
  tagged,
} from '../../schema/types.ts';

const apiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 5],
  flexibleSince: 3,
  unstable: [5],
});

export const apiVersionsRequest = apiVersions.message({
  clientSoftwareName: since(3, string, '', ignorable),
  clientSoftwareVersion: since(3, string, '', ignorable),
  clusterId: since(5, nullableString, null, ignorable),
  nodeId: since(5, int32, -1, ignorable),
});

export const apiVersionsResponse = apiVersions.message({
  errorCode: int16,
  apiKeys: arrayOf({ apiKey: int16, minVersion: int16, maxVersion: int16 }),
  throttleTimeMs: since(1, int32, 0, ignorable),
  supportedFeatures: tagged(
    0,
    3,
    arrayOf({ name: string, minVersion: int16, maxVersion: int16 }),
    [],
    ignorable,
  ),
  finalizedFeaturesEpoch: tagged(1, 3, int64, -1, ignorable),
  finalizedFeatures: tagged(
    2,
    3,
    arrayOf({ name: string, maxVersionLevel: int16, minVersionLevel: int16 }),
    [],
    ignorable,
  ),
  zkMigrationReady: tagged(3, 3, bool, false, ignorable),
});

export type ApiVersionsRequest = BodyOf<typeof apiVersionsRequest>;
export type ApiVersionsResponse = BodyOf<typeof apiVersionsResponse>;
