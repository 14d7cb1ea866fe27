/** create (1), create2 (15), createContainer (19) and, with a time to live, createTTL (21). */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';
import { aclList } from './acl.ts';
import { statType } from './stat.ts';

const fields = {
  path: jute.ustring,
  data: jute.nullableBuffer,
  acl: aclList,
  flags: jute.int,
} as const;

export const createRequest = record('CreateRequest', fields);
export type CreateRequest = BodyOf<typeof createRequest>;
export const createTtlRequest = record('CreateTTLRequest', { ...fields, ttl: jute.long });
export type CreateTtlRequest = BodyOf<typeof createTtlRequest>;

/** Answers create; the path is the one really made. */
export const createResponse = record('CreateResponse', { path: jute.ustring });
export type CreateResponse = BodyOf<typeof createResponse>;
/** Answers the three others. */
export const create2Response = record('Create2Response', { path: jute.ustring, stat: statType });
export type Create2Response = BodyOf<typeof create2Response>;
