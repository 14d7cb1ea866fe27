/** getEphemerals (103): the caller's own, by prefix. getAllChildrenNumber (104): how many are below a node. */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';

export const getEphemeralsRequest = record('GetEphemeralsRequest', {
  prefixPath: jute.nullableUstring,
});
export type GetEphemeralsRequest = BodyOf<typeof getEphemeralsRequest>;
export const getEphemeralsResponse = record('GetEphemeralsResponse', {
  ephemerals: jute.vector(jute.ustring),
});
export type GetEphemeralsResponse = BodyOf<typeof getEphemeralsResponse>;

export const getAllChildrenNumberRequest = record('GetAllChildrenNumberRequest', {
  path: jute.ustring,
});
export type GetAllChildrenNumberRequest = BodyOf<typeof getAllChildrenNumberRequest>;
export const getAllChildrenNumberResponse = record('GetAllChildrenNumberResponse', {
  totalNumber: jute.int,
});
export type GetAllChildrenNumberResponse = BodyOf<typeof getAllChildrenNumberResponse>;
