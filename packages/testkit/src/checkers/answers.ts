/**
 * Every answer against the committed transactions: a write is the transaction of its zxid, nothing more and
 * nothing less; a refusal was right; a reading shows the tree exactly as it was at its zxid.
 */
import type { Change, TransactionRecord } from '@odradek/coord';
import type { Exchange, KeeperAnswer, NodeWrite, SessionHistory } from '../keeper/history.ts';
import { type CommittedOrder, hex } from './committed-order.ts';
import { digestOfName, type NodeState, parentOf, type VersionedTree } from './versioned-tree.ts';

const errors = {
  noNode: -101,
  badVersion: -103,
  noChildrenForEphemerals: -108,
  nodeExists: -110,
  notEmpty: -111,
} as const;
const SEQUENTIAL = 2;

export function checkAnswers(
  sessions: readonly SessionHistory[],
  order: CommittedOrder,
  tree: VersionedTree,
): string[] {
  const breaches: string[] = [];
  for (const session of sessions) {
    for (const { exchanges, client, server } of session.links) {
      for (const exchange of exchanges) {
        if (exchange.answer === null) continue;
        const fault = faultOf(exchange, exchange.answer, session.sessionId, order, tree);
        if (fault !== null) {
          breaches.push(
            `${client} at ${server}, ${describe(exchange)} answered with ${describeAnswer(exchange.answer)}: ${fault}`,
          );
        }
      }
    }
  }
  return breaches;
}

function faultOf(
  { request }: Exchange,
  answer: KeeperAnswer,
  sessionId: bigint,
  order: CommittedOrder,
  tree: VersionedTree,
): string | null {
  switch (request.kind) {
    case 'create':
    case 'delete':
    case 'setData':
    case 'multi':
    case 'closeSession': {
      const record = order.at(answer.zxid)?.record ?? null;
      if (record === null) return 'no such transaction was committed';
      if (record.sessionId !== sessionId) return 'that transaction is of another session';
      return writeFault(request, answer, record, tree);
    }
    case 'getData':
    case 'exists':
    case 'getChildren':
      // The root has a child of the server's own, of which no transaction tells.
      if (request.path === '/') return null;
      return readFault(request.kind, answer, tree.at(request.path, answer.zxid));
    default:
      return answer.err === 0 ? null : 'it cannot fail';
  }
}

function writeFault(
  request: Extract<Exchange['request'], { kind: string }>,
  answer: KeeperAnswer,
  { zxid, change }: TransactionRecord,
  tree: VersionedTree,
): string | null {
  const before = zxid - 1n;
  if (request.kind === 'multi') {
    const failedAt = answer.results?.findIndex((result) => result !== 0) ?? -1;
    if (change.kind === 'error') {
      return failedAt === change.failedIndex ? null : `it failed at ${change.failedIndex}`;
    }
    if (change.kind !== 'multi') return `the transaction is a ${change.kind}`;
    if (failedAt >= 0) return 'it was carried out';
    if (change.changes.length !== request.operations.length) return 'it has other parts';
    const differing = request.operations.findIndex((operation, index) => {
      const part = change.changes[index];
      return part === undefined || !isSame(operation, part);
    });
    return differing < 0 ? null : `part ${differing} is another`;
  }
  if (request.kind === 'closeSession') {
    return change.kind === 'closeSession' ? null : `the transaction is a ${change.kind}`;
  }
  const write = request as NodeWrite;
  if (answer.err !== 0) {
    if (change.kind !== 'error') return `the transaction is a ${change.kind}`;
    if (change.wire !== answer.err) return `the transaction says ${change.wire}`;
    return isRightlyRefused(write, answer.err, before, tree) ? null : 'there was no reason for it';
  }
  if (!isSame(write, change)) return `the transaction is a ${change.kind} of something else`;
  if (change.kind === 'create' && answer.path !== change.path) return `it made ${change.path}`;
  const state = tree.at(change.kind === 'create' ? change.path : write.path, zxid);
  return answer.stat === undefined ? null : statFault(answer, state);
}

/** Whether a transaction is what was asked for. */
function isSame(write: NodeWrite, change: Change): boolean {
  switch (write.kind) {
    case 'create':
      return (
        change.kind === 'create' &&
        (change.path === write.path ||
          (write.flags >= SEQUENTIAL && change.path.startsWith(write.path))) &&
        change.data?.toString() === write.data &&
        (change.owner !== 0n) === (write.flags % 2 === 1)
      );
    case 'setData':
      return (
        change.kind === 'setData' &&
        change.path === write.path &&
        change.data?.toString() === write.data &&
        (write.version === -1 || change.version === write.version + 1)
      );
    default:
      return change.kind === write.kind && change.path === write.path;
  }
}

function isRightlyRefused(
  write: NodeWrite,
  err: number,
  before: bigint,
  tree: VersionedTree,
): boolean {
  const state = tree.at(write.path, before);
  const parent = tree.at(parentOf(write.path), before);
  switch (err) {
    case errors.noNode:
      return write.kind === 'create' ? parent === null : state === null;
    case errors.nodeExists:
      return write.kind === 'create' && state !== null;
    case errors.badVersion:
      return write.kind !== 'create' && state !== null && state.version !== write.version;
    case errors.notEmpty:
      return write.kind === 'delete' && (state?.childCount ?? 0) > 0;
    case errors.noChildrenForEphemerals:
      return write.kind === 'create' && (parent?.owner ?? 0n) !== 0n;
    default:
      return true; // Of sessions that end; those have checks of their own.
  }
}

function readFault(
  kind: 'getData' | 'exists' | 'getChildren',
  answer: KeeperAnswer,
  state: NodeState | null,
): string | null {
  if (answer.err === errors.noNode) return state === null ? null : 'the node is there';
  if (answer.err !== 0) return 'it cannot fail so';
  if (state === null) return 'there is no such node';
  if (kind === 'getData' && answer.data !== state.data) return `it holds ${brief(state.data)}`;
  if (kind === 'getChildren' && answer.children !== undefined) {
    const digest = answer.children.reduce((sum, name) => (sum + digestOfName(name)) | 0, 0);
    if (answer.children.length !== state.childCount || digest !== state.childrenDigest) {
      return `it has ${state.childCount} children, not all of them these`;
    }
  }
  return statFault(answer, state);
}

function statFault({ stat }: KeeperAnswer, state: NodeState | null): string | null {
  if (stat === undefined) return null;
  if (state === null) return 'there is no such node';
  const pairs: readonly [string, bigint | number, bigint | number][] = [
    ['czxid', stat.czxid, state.czxid],
    ['mzxid', stat.mzxid, state.mzxid],
    ['pzxid', stat.pzxid, state.pzxid],
    ['version', stat.version, state.version],
    ['numChildren', stat.numChildren, state.childCount],
    ['cversion', stat.cversion, 2 * state.created - state.childCount],
    ['ephemeralOwner', stat.ephemeralOwner, state.owner],
  ];
  const wrong = pairs.find(([, told, right]) => told !== right);
  return wrong === undefined ? null : `${wrong[0]} is ${wrong[2]}, not ${wrong[1]}`;
}

const TEXT_SHOWN = 60;
const brief = (text: string): string =>
  JSON.stringify(text.length <= TEXT_SHOWN ? text : `${text.slice(0, TEXT_SHOWN)}...`);

/** A request in a few words. */
export function describe({ request, calledAtUs }: Exchange): string {
  const at = `(asked at ${(calledAtUs / 1_000).toFixed(3)} ms)`;
  switch (request.kind) {
    case 'multi':
      return `multi of ${request.operations.map(({ kind, path }) => `${kind} ${path}`).join(', ')} ${at}`;
    case 'closeSession':
      return `closeSession ${at}`;
    case 'setWatches':
      return `setWatches since ${hex(request.relativeZxid)} ${at}`;
    case 'create':
    case 'setData':
      return `${request.kind} ${request.path} ${brief(request.data)} ${at}`;
    default:
      return `${request.kind} ${request.path} ${at}`;
  }
}

function describeAnswer({ zxid, err, data, path, children, results }: KeeperAnswer): string {
  const said = data ?? path ?? children?.join(' ') ?? results?.join(' ') ?? '';
  return `${err === 0 ? 'success' : `error ${err}`} ${brief(said)} zxid ${hex(zxid)}`;
}
