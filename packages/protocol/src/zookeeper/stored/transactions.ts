/**
 * What ZooKeeper keeps in its transaction log: a header, a record by the header's type, a digest.
 *
 * The layouts did not change between 3.4 and 3.9 but for what was added at the end: the digest (3.6)
 * and the paths of closeSession (3.6). Before 3.4 a create did not tell the parent's counter.
 * Not here: the log's framing and checksums, and which type has which record; that is the
 * coordination server's import.
 */
import { record } from '../../schema/api.ts';
import { jute } from '../../schema/jute.ts';
import { aclList } from '../messages/acl.ts';

export const txnHeader = record('TxnHeader', {
  clientId: jute.long,
  cxid: jute.int,
  zxid: jute.long,
  /** ms since 1970. */
  time: jute.long,
  type: jute.int,
});

const createFields = { path: jute.ustring, data: jute.nullableBuffer, acl: aclList } as const;

export const createTxnV0 = record('CreateTxnV0', { ...createFields, ephemeral: jute.bool });
export const createTxn = record('CreateTxn', {
  ...createFields,
  ephemeral: jute.bool,
  /** The parent's count of creations, this one included; -1 where it is not told. */
  parentCVersion: jute.int,
});
export const createContainerTxn = record('CreateContainerTxn', {
  ...createFields,
  parentCVersion: jute.int,
});
export const createTtlTxn = record('CreateTTLTxn', {
  ...createFields,
  parentCVersion: jute.int,
  ttl: jute.long,
});
export const deleteTxn = record('DeleteTxn', { path: jute.ustring });
export const setDataTxn = record('SetDataTxn', {
  path: jute.ustring,
  data: jute.nullableBuffer,
  /** The version afterwards. */
  version: jute.int,
});
export const setAclTxn = record('SetACLTxn', {
  path: jute.ustring,
  acl: aclList,
  /** The aversion afterwards. */
  version: jute.int,
});
export const checkVersionTxn = record('CheckVersionTxn', { path: jute.ustring, version: jute.int });
export const createSessionTxn = record('CreateSessionTxn', { timeOut: jute.int });
export const closeSessionTxn = record('CloseSessionTxn', {
  paths2Delete: jute.vector(jute.ustring),
});
export const errorTxn = record('ErrorTxn', { err: jute.int });
export const multiTxn = record('MultiTxn', {
  txns: jute.vector({ type: jute.int, data: jute.buffer }),
});
/** Of the whole tree once the transaction is applied. */
export const txnDigest = record('TxnDigest', { version: jute.int, treeDigest: jute.long });
