/**
 * What ZooKeeper keeps in its snapshots. The parts follow each other: header, sessions, lists of
 * access, nodes; then seals and trailers, which have no record of their own.
 */
import { record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';
import { aclList } from '../messages/acl.ts';

/** The first 16 bytes of snapshots and logs. */
export const storedFileHeader = record('FileHeader', {
  magic: jute.int,
  version: jute.int,
  dbid: jute.long,
});

export const storedSession = record('StoredSession', { id: jute.long, timeout: jute.int });
export const storedAcl = record('StoredACL', { id: jute.long, acl: aclList });
export const storedNode = record('StoredNode', {
  /** Empty for the root. */
  path: jute.ustring,
  data: jute.nullableBuffer,
  /** One of the lists above; -1 for the open one. */
  acl: jute.long,
  czxid: jute.long,
  mzxid: jute.long,
  ctime: jute.long,
  mtime: jute.long,
  version: jute.int,
  /** Not what Stat shows: the number of children ever created. */
  cversion: jute.int,
  aversion: jute.int,
  ephemeralOwner: jute.long,
  pzxid: jute.long,
});
