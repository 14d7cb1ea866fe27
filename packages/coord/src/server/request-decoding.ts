/**
 * From the bytes of a write to what `prepare` takes. Data that will live in the tree is copied out
 * of the received chunk here, once, so that no node keeps a chunk in memory.
 */
import {
  checkVersionRequest,
  createRequest,
  createTtlRequest,
  deleteRequest,
  MalformedMessage,
  multiHeader,
  opCodes,
  type Reader,
  reconfigRequest,
  setAclRequest,
  setDataRequest,
} from '@odradek/protocol/zookeeper';
import type { Operation, WriteRequest } from '../core/transaction/request.ts';
import { SMALL_DATA_BYTES } from '../core/tree/node.ts';

/** A write and how its results are to be labelled. */
export interface DecodedWrite {
  readonly request: WriteRequest;
  /** In a multi: the type of each result. */
  readonly resultTypes: readonly number[];
}

const single: readonly number[] = [];
const closeSession: DecodedWrite = { request: { kind: 'closeSession' }, resultTypes: single };

/** Whether the operation goes through the log. */
export function isWrite(opCode: number): boolean {
  switch (opCode) {
    case opCodes.create:
    case opCodes.create2:
    case opCodes.createContainer:
    case opCodes.createTtl:
    case opCodes.delete:
    case opCodes.setData:
    case opCodes.setAcl:
    case opCodes.multi:
    case opCodes.reconfig:
    case opCodes.closeSession:
      return true;
    default:
      return false;
  }
}

/**
 * Reads a write.
 * @returns null for a body that does not read as what it should be: it is refused in its place, and never logged
 */
export function decodeWrite(opCode: number, reader: Reader): DecodedWrite | null {
  if (opCode === opCodes.closeSession) return closeSession;
  try {
    if (opCode === opCodes.multi) return decodeMulti(reader);
    if (opCode === opCodes.reconfig) {
      return {
        request: { kind: 'reconfig', ...reconfigRequest.decodeFrom(reader) },
        resultTypes: single,
      };
    }
    const request =
      opCode === opCodes.setAcl ? decodeSetAcl(reader) : decodeOperation(opCode, reader, false);
    return request === null ? null : { request, resultTypes: single };
  } catch (error) {
    if (error instanceof MalformedMessage) return null;
    throw error;
  }
}

function decodeSetAcl(reader: Reader): Operation {
  const { path, acl, version } = setAclRequest.decodeFrom(reader);
  return { kind: 'setAcl', path, acl, version };
}

/** The operations that stand alone or in a multi; null for any other. */
function decodeOperation(opCode: number, reader: Reader, isPart: boolean): Operation | null {
  switch (opCode) {
    case opCodes.create:
    case opCodes.create2:
    case opCodes.createContainer: {
      const { path, data, acl, flags } = createRequest.decodeFrom(reader);
      const variant = opCode === opCodes.createContainer ? 'createContainer' : 'create';
      return { kind: 'create', variant, path, data: owned(data), acl, flags, ttlMs: 0n };
    }
    case opCodes.createTtl: {
      const { path, data, acl, flags, ttl } = createTtlRequest.decodeFrom(reader);
      return {
        kind: 'create',
        variant: 'createTtl',
        path,
        data: owned(data),
        acl,
        flags,
        ttlMs: ttl,
      };
    }
    case opCodes.delete: {
      const { path, version } = deleteRequest.decodeFrom(reader);
      return { kind: 'delete', path, version };
    }
    case opCodes.setData: {
      const { path, data, version } = setDataRequest.decodeFrom(reader);
      // Alone, null is as bad a path as any; in a multi it is unreadable.
      if (path === null && isPart) return null;
      return { kind: 'setData', path: path ?? '', data: owned(data), version };
    }
    case opCodes.check: {
      const { path, version } = checkVersionRequest.decodeFrom(reader);
      return { kind: 'check', path, version };
    }
    default:
      return null;
  }
}

function decodeMulti(reader: Reader): DecodedWrite | null {
  const operations: Operation[] = [];
  const resultTypes: number[] = [];
  for (;;) {
    const { type, done } = multiHeader.decodeFrom(reader);
    if (done) return { request: { kind: 'multi', operations }, resultTypes };
    const operation = decodeOperation(type, reader, true);
    if (operation === null) return null;
    if (operation.kind === 'create' && !isReadableCreate(operation)) return null;
    operations.push(operation);
    resultTypes.push(resultType(type, operation));
  }
}

/** In a multi the original looks at flags and list while it reads: what they cannot be is unreadable. */
function isReadableCreate({
  variant,
  flags,
  acl,
}: Extract<Operation, { kind: 'create' }>): boolean {
  const hasList = acl !== null || variant === 'createTtl';
  return hasList && flags >= 0 && flags <= (variant === 'create' ? 4 : 6);
}

/** Everything that makes a node answers like create2, the plain create excepted. */
function resultType(opCode: number, operation: Operation): number {
  if (operation.kind !== 'create') return opCode;
  return opCode === opCodes.create && operation.flags !== 4 ? opCodes.create : opCodes.create2;
}

/** Nodes copy small data themselves; it may lie in the chunk until then. */
function owned(data: Buffer | null): Buffer | null {
  if (data === null || data.length <= SMALL_DATA_BYTES) return data;
  const copy = Buffer.allocUnsafeSlow(data.length);
  data.copy(copy);
  return copy;
}
