/**
 * The answers to writes, encoded right after the transaction was applied, straight from the nodes.
 */
import {
  create2Response,
  createResponse,
  ERROR_OP,
  errorResponse,
  getDataResponse,
  multiEnd,
  multiHeader,
  opCodes,
  setDataResponse,
  Writer,
  zookeeperErrorCodes,
} from '@odradek/protocol/zookeeper';
import { InvariantViolation, invariant } from '@odradek/runtime';
import type { Applied } from '../core/transaction/apply.ts';
import type { Change } from '../core/transaction/record.ts';
import { Node, type Stat } from '../core/tree/node.ts';
import type { Outbox } from './outbox.ts';

const STAT_BYTES = 68;

/** A write that waits for its commit, as far as its answer needs it. */
export interface AnsweredWrite {
  readonly xid: number;
  readonly opCode: number;
  readonly resultTypes: readonly number[];
}

/**
 * Answers a write whose transaction was just applied; its zxid is the last one applied.
 * @returns size of the reply in bytes
 */
export function replyToWrite(
  outbox: Outbox,
  { xid, opCode, resultTypes }: AnsweredWrite,
  change: Change,
  applied: Applied,
): number {
  if (change.kind === 'error') {
    // A failed multi tells which operation failed; refused as a whole it is like any other request.
    return change.failedIndex < 0
      ? outbox.bare(xid, change.wire)
      : outbox.chunks(xid, 0, failedMulti(resultTypes.length, change.failedIndex, change.wire));
  }
  switch (opCode) {
    case opCodes.create:
      return replyWithPath(outbox, xid, nodeOf(applied));
    case opCodes.create2:
    case opCodes.createContainer:
    case opCodes.createTtl:
      return outbox.reply(xid, create2Response, nodeOf(applied));
    case opCodes.setData:
    case opCodes.setAcl: // SetACLResponse has the same one field.
      return outbox.sized(xid, setDataResponse, nodeOf(applied), STAT_BYTES);
    case opCodes.reconfig:
      return outbox.reply(xid, getDataResponse, nodeOf(applied));
    case opCodes.multi:
      invariant(change.kind === 'multi' && Array.isArray(applied), 'a multi has results');
      return outbox.chunks(xid, 0, results(resultTypes, change.changes, applied));
    default:
      return outbox.bare(xid, 0); // delete, closeSession
  }
}

/** Encoded right into place, as most replies are: how long a path is costs less to find out than a copy. */
function replyWithPath(outbox: Outbox, xid: number, node: Node): number {
  return outbox.sized(xid, createResponse, node, 4 + Buffer.byteLength(node.path));
}

function nodeOf(applied: Applied): Node {
  if (applied instanceof Node) return applied;
  throw new InvariantViolation('a committed create, setData or setACL has its node');
}

function results(
  resultTypes: readonly number[],
  changes: readonly Change[],
  stats: readonly (Stat | null)[],
): Buffer[] {
  const writer = new Writer();
  for (const [index, change] of changes.entries()) {
    const type = resultTypes[index] ?? ERROR_OP;
    multiHeader.encodeInto(writer, { type, done: false, err: 0 });
    const stat = stats[index];
    if (change.kind === 'create' && type === opCodes.create) {
      createResponse.encodeInto(writer, change);
    } else if (change.kind === 'create' && stat) {
      create2Response.encodeInto(writer, { path: change.path, stat });
    } else if (change.kind === 'setData' && stat) {
      setDataResponse.encodeInto(writer, { stat });
    }
  }
  multiHeader.encodeInto(writer, multiEnd);
  return writer.finish();
}

/** All or nothing: what stood before the failure is told "ok", what stood behind it "inconsistent". */
function failedMulti(count: number, failedIndex: number, wire: number): Buffer[] {
  const writer = new Writer();
  for (let index = 0; index < count; index += 1) {
    let err = 0;
    if (index === failedIndex) err = wire;
    else if (index > failedIndex) err = zookeeperErrorCodes.RUNTIME_INCONSISTENCY;
    multiHeader.encodeInto(writer, { type: ERROR_OP, done: false, err });
    errorResponse.encodeInto(writer, { err });
  }
  multiHeader.encodeInto(writer, multiEnd);
  return writer.finish();
}
