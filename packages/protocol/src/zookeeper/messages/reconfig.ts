/**
 * reconfig (16): changes the members of an ensemble. Either a complete new configuration, or lines that
 * join and numbers that leave. Answered with the new text and the Stat of `/zookeeper/config`
 * (GetDataResponse).
 */
import { type BodyOf, record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';

export const reconfigRequest = record('ReconfigRequest', {
  joiningServers: jute.nullableUstring,
  leavingServers: jute.nullableUstring,
  newMembers: jute.nullableUstring,
  /** The version that the change was made for; -1: whichever. */
  curConfigId: jute.long,
});
export type ReconfigRequest = BodyOf<typeof reconfigRequest>;
