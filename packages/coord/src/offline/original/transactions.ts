/**
 * One entry of ZooKeeper's transaction log as a transaction of ours.
 *
 * Which record an entry holds follows from its type; what may come behind it (a digest) and what may
 * be left out (the parent's counter before 3.4, the paths of closeSession before 3.6) follows from
 * the bytes that are left. Both servers record results, not wishes, so nothing is decided here.
 */
import {
  checkVersionTxn,
  closeSessionTxn,
  createContainerTxn,
  createSessionTxn,
  createTtlTxn,
  createTxn,
  createTxnV0,
  deleteTxn,
  errorTxn,
  MalformedMessage,
  multiTxn,
  opCodes,
  Reader,
  setAclTxn,
  setDataTxn,
  txnDigest,
  txnHeader,
} from '@odradek/protocol/zookeeper';
import type { Change, TransactionRecord } from '../../core/transaction/record.ts';
import type { AclEntry, RawAclEntry } from '../../core/tree/acl.ts';
import { CONTAINER_OWNER, TTL_MS_MAX, ttlOwner } from '../../core/tree/node.ts';
import { derivedPassword } from './session-password.ts';

/** Types that only stand in logs. */
const ERROR = -1;
const CREATE_SESSION = -10;
const DELETE_CONTAINER = 20;

const DIGEST_BYTES = 12;
/** What the parent's counter is where the record does not tell it. */
export const COUNTER_NOT_TOLD = -1;
/** An operation of a failed multi that did not fail itself. */
const RUNTIME_INCONSISTENCY = -2;

export interface OriginalTransaction {
  readonly record: TransactionRecord;
  /** The client's number of the request. */
  readonly cxid: number;
  readonly type: number;
  /** Of the whole tree afterwards; null where it is not told (before 3.6, or switched off). */
  readonly digest: { readonly version: number; readonly value: bigint } | null;
}

/** @throws MalformedMessage */
export function decodeTransaction(bytes: Buffer): OriginalTransaction {
  const reader = new Reader(bytes);
  const { clientId, cxid, zxid, time, type } = txnHeader.decodeFrom(reader);
  const timeMs = Number(time);
  if (!Number.isSafeInteger(timeMs)) throw new MalformedMessage(`a time of ${time} ms`);
  const change = changeOf(type, reader, clientId);
  return {
    record: { zxid, timeMs, sessionId: clientId, change },
    cxid,
    type,
    digest: digestOf(reader),
  };
}

function digestOf(reader: Reader): OriginalTransaction['digest'] {
  if (reader.remaining === 0) return null;
  if (reader.remaining !== DIGEST_BYTES) {
    throw new MalformedMessage(`${reader.remaining} bytes behind the record`);
  }
  const { version, treeDigest } = txnDigest.decodeFrom(reader);
  return { version, value: treeDigest };
}

function changeOf(type: number, reader: Reader, clientId: bigint): Change {
  switch (type) {
    case opCodes.create:
    case opCodes.create2: {
      const { ephemeral, parentCVersion, ...rest } = createOf(reader);
      return created(rest, ephemeral ? clientId : 0n, parentCVersion);
    }
    case opCodes.createContainer: {
      const { parentCVersion, ...rest } = createContainerTxn.decodeFrom(reader);
      return created(rest, CONTAINER_OWNER, parentCVersion);
    }
    case opCodes.createTtl: {
      const { parentCVersion, ttl, ...rest } = createTtlTxn.decodeFrom(reader);
      if (ttl < 1n || ttl > BigInt(TTL_MS_MAX)) {
        throw new MalformedMessage(`a time to live of ${ttl} ms`);
      }
      return created(rest, ttlOwner(Number(ttl)), parentCVersion);
    }
    case opCodes.delete:
    case DELETE_CONTAINER:
      return { kind: 'delete', path: deleteTxn.decodeFrom(reader).path };
    case opCodes.setData:
    case opCodes.reconfig: {
      const { path, data, version } = setDataTxn.decodeFrom(reader);
      return { kind: 'setData', path, data: data === null ? null : Buffer.from(data), version };
    }
    case opCodes.setAcl: {
      const { path, acl, version } = setAclTxn.decodeFrom(reader);
      return { kind: 'setAcl', path, acl: entriesOf(acl), version };
    }
    case opCodes.check:
      return { kind: 'check', path: checkVersionTxn.decodeFrom(reader).path };
    case opCodes.multi:
      return multiOf(reader, clientId);
    case CREATE_SESSION: {
      const { timeOut } = createSessionTxn.decodeFrom(reader);
      return { kind: 'createSession', timeoutMs: timeOut, password: derivedPassword(clientId) };
    }
    case opCodes.closeSession:
      return { kind: 'closeSession', paths: closedPathsOf(reader) };
    case ERROR:
      return { kind: 'error', wire: errorTxn.decodeFrom(reader).err, failedIndex: -1 };
    default:
      throw new MalformedMessage(`a transaction of unknown type ${type}`);
  }
}

interface CreatedNode {
  readonly path: string;
  readonly data: Buffer | null;
  readonly acl: readonly RawAclEntry[] | null;
}

/** @param parentCreationCount COUNTER_NOT_TOLD where it is not told */
function created(
  { path, data, acl }: CreatedNode,
  owner: bigint,
  parentCreationCount: number,
): Change {
  return {
    kind: 'create',
    path,
    // The node outlives the chunk of the file that it was read from.
    data: data === null ? null : Buffer.from(data),
    acl: entriesOf(acl),
    owner,
    parentCreationCount,
  };
}

/** The record of 3.3 and before lacks its last field. */
function createOf(reader: Reader): ReturnType<typeof createTxn.decode> {
  const start = reader.position;
  const { parentCVersion, ...old } = {
    ...createTxnV0.decodeFrom(reader),
    parentCVersion: COUNTER_NOT_TOLD,
  };
  if (reader.remaining === 0 || reader.remaining === DIGEST_BYTES)
    return { ...old, parentCVersion };
  reader.position = start;
  return createTxn.decodeFrom(reader);
}

/**
 * The paths, where they are told. Without them a digest may follow at once, which by its size could
 * be a list as well: but a digest begins with its version, 2, and two paths do not fit into the rest.
 */
function closedPathsOf(reader: Reader): readonly string[] {
  if (reader.remaining === 0) return [];
  if (reader.remaining === DIGEST_BYTES && reader.buffer.readInt32BE(reader.position) === 2)
    return [];
  return closeSessionTxn.decodeFrom(reader).paths2Delete;
}

/** A multi of which one operation failed is logged whole, and does nothing. */
function multiOf(reader: Reader, clientId: bigint): Change {
  const { txns } = multiTxn.decodeFrom(reader);
  const changes = txns.map(({ type, data }) => {
    if (type === opCodes.multi) throw new MalformedMessage('a multi inside a multi');
    const part = new Reader(data);
    const change = changeOf(type, part, clientId);
    part.expectEnd();
    return change;
  });
  for (const [failedIndex, change] of changes.entries()) {
    if (change.kind !== 'error' || change.wire === 0 || change.wire === RUNTIME_INCONSISTENCY)
      continue;
    return { kind: 'error', wire: change.wire, failedIndex };
  }
  if (changes.some(({ kind }) => kind === 'error')) {
    return { kind: 'error', wire: RUNTIME_INCONSISTENCY, failedIndex: 0 };
  }
  return { kind: 'multi', changes };
}

/** null is the open list; an empty one is kept, for it grants everything too. */
export function entriesOf(acl: readonly RawAclEntry[] | null): readonly AclEntry[] | null {
  if (acl === null) return null;
  return acl.map(({ perms, id: { scheme, id } }) => {
    if (scheme === null || id === null) throw new MalformedMessage('an access entry without an id');
    return { perms, id: { scheme, id } };
  });
}
