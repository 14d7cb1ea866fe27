/** exists (3), getData (4), getChildren (8), getChildren2 (12): one layout of request, four answers. */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';
import { statType } from './stat.ts';

const fields = { path: jute.ustring, watch: jute.bool } as const;

export const existsRequest = record('ExistsRequest', fields);
export type ExistsRequest = BodyOf<typeof existsRequest>;
export const existsResponse = record('ExistsResponse', { stat: statType });
export type ExistsResponse = BodyOf<typeof existsResponse>;

export const getDataRequest = record('GetDataRequest', fields);
export type GetDataRequest = BodyOf<typeof getDataRequest>;
export const getDataResponse = record('GetDataResponse', {
  data: jute.nullableBuffer,
  stat: statType,
});
export type GetDataResponse = BodyOf<typeof getDataResponse>;

export const getChildrenRequest = record('GetChildrenRequest', fields);
export type GetChildrenRequest = BodyOf<typeof getChildrenRequest>;
export const getChildrenResponse = record('GetChildrenResponse', {
  children: jute.vector(jute.ustring),
});
export type GetChildrenResponse = BodyOf<typeof getChildrenResponse>;

export const getChildren2Request = record('GetChildren2Request', fields);
export type GetChildren2Request = BodyOf<typeof getChildren2Request>;
export const getChildren2Response = record('GetChildren2Response', {
  children: jute.vector(jute.ustring),
  stat: statType,
});
export type GetChildren2Response = BodyOf<typeof getChildren2Response>;
