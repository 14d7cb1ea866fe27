/** Access control lists; getACL and setACL. Scheme and id may be null on the wire, which is refused later. */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';
import { statType } from './stat.ts';

export const aclEntry = jute.struct({
  perms: jute.int,
  id: jute.struct({ scheme: jute.nullableUstring, id: jute.nullableUstring }),
});
export const aclList = jute.nullableVector(aclEntry);

export const getAclRequest = record('GetACLRequest', { path: jute.ustring });
export type GetAclRequest = BodyOf<typeof getAclRequest>;
export const getAclResponse = record('GetACLResponse', { acl: aclList, stat: statType });
export type GetAclResponse = BodyOf<typeof getAclResponse>;

export const setAclRequest = record('SetACLRequest', {
  path: jute.ustring,
  acl: aclList,
  version: jute.int,
});
export type SetAclRequest = BodyOf<typeof setAclRequest>;
export const setAclResponse = record('SetACLResponse', { stat: statType });
export type SetAclResponse = BodyOf<typeof setAclResponse>;
