/** Transactions, sessions and nodes as one line of text, or as one object for other programs. */
import { zookeeperErrorOf } from '@odradek/protocol/zookeeper';
import type { Change, TransactionRecord } from '../core/transaction/record.ts';
import type { AclEntry } from '../core/tree/acl.ts';
import { kindOfOwner, ttlMsOf } from '../core/tree/node.ts';
import type { StoredNode } from '../core/tree/tree.ts';
import { hex, type StoredSession } from './state.ts';

/** Plain values: what JSON can hold. */
export interface Description {
  readonly [name: string]: string | number | boolean | null | readonly Description[];
}

/** What a log tells of one transaction beside the transaction. */
export interface LogPlace {
  readonly offset: number;
  /** The client's number of the request; only ZooKeeper keeps it. */
  readonly cxid?: number;
}

export function describeRecord(
  { zxid, timeMs, sessionId, change }: TransactionRecord,
  place: LogPlace,
): Description {
  return {
    zxid: hex(zxid),
    time: timeText(timeMs),
    session: hex(sessionId),
    ...(place.cxid === undefined ? {} : { cxid: place.cxid }),
    offset: place.offset,
    ...describeChange(change),
  };
}

function describeChange(change: Change): Description {
  switch (change.kind) {
    case 'create':
      return {
        type: 'create',
        path: change.path,
        dataBytes: change.data?.length ?? null,
        ...ownerOf(change.owner),
        acl: aclText(change.acl),
        parentCreations: change.parentCreationCount,
      };
    case 'delete':
    case 'check':
      return { type: change.kind, path: change.path };
    case 'setData':
      return {
        type: 'setData',
        path: change.path,
        dataBytes: change.data?.length ?? null,
        version: change.version,
      };
    case 'setAcl':
      return {
        type: 'setACL',
        path: change.path,
        acl: aclText(change.acl),
        version: change.version,
      };
    case 'multi':
      return { type: 'multi', operations: change.changes.map(describeChange) };
    case 'createSession':
      return { type: 'createSession', timeoutMs: change.timeoutMs };
    case 'closeSession':
      return { type: 'closeSession', deletes: change.paths.map((path) => ({ path })) };
    case 'error':
      return {
        type: 'error',
        error: zookeeperErrorOf(change.wire) ?? String(change.wire),
        ...(change.failedIndex >= 0 ? { failedOperation: change.failedIndex } : {}),
      };
  }
}

export function describeSession({
  id,
  timeoutMs,
}: Pick<StoredSession, 'id' | 'timeoutMs'>): Description {
  return { type: 'session', session: hex(id), timeoutMs };
}

export function describeNode(node: StoredNode): Description {
  return {
    type: 'node',
    path: node.path,
    dataBytes: node.data?.length ?? null,
    ...ownerOf(node.owner),
    acl: aclText(node.acl),
    czxid: hex(node.czxid),
    mzxid: hex(node.mzxid),
    pzxid: hex(node.pzxid),
    ctime: timeText(node.ctime),
    mtime: timeText(node.mtime),
    version: node.version,
    aversion: node.aversion,
    creations: node.creationCount,
  };
}

function ownerOf(owner: bigint): Description {
  switch (kindOfOwner(owner)) {
    case 'persistent':
      return {};
    case 'ephemeral':
      return { owner: hex(owner) };
    case 'container':
      return { container: true };
    case 'ttl':
      return { ttlMs: ttlMsOf(owner) };
  }
}

/** The letters that ZooKeeper's shell uses. */
const LETTERS = [
  [4, 'c'],
  [8, 'd'],
  [1, 'r'],
  [2, 'w'],
  [16, 'a'],
] as const;

function aclText(acl: readonly AclEntry[] | null): string {
  if (acl === null) return 'world:anyone:cdrwa';
  return acl
    .map(({ perms, id }) => {
      const letters = LETTERS.filter(([bit]) => (perms & bit) !== 0).map(([, letter]) => letter);
      return `${id.scheme}:${id.id}:${letters.join('')}`;
    })
    .join(',');
}

const MS_MAX = 8.64e15;

const timeText = (timeMs: number): string =>
  Math.abs(timeMs) <= MS_MAX ? new Date(timeMs).toISOString() : `${timeMs} ms`;

/** One line: zxid, time, session, type and path in front, whatever else as name=value. */
export function lineOf(description: Description): string {
  const {
    zxid,
    time,
    session,
    type,
    path,
    offset: _offset,
    operations,
    deletes,
    ...rest
  } = description;
  const front = zxid === undefined ? [type] : [zxid, time, `session ${session}`, type];
  if (zxid === undefined && session !== undefined) front.push(String(session));
  const parts = front.map(String);
  if (typeof path === 'string') parts.push(printable(path));
  parts.push(...pairs(rest));
  if (Array.isArray(operations)) parts.push(`[${operations.map(operationText).join('; ')}]`);
  if (Array.isArray(deletes))
    parts.push(`deletes=[${deletes.map(({ path: gone }) => printable(String(gone))).join(' ')}]`);
  return parts.join(' ');
}

function operationText({ type, path, ...rest }: Description): string {
  return [String(type), printable(String(path)), ...pairs(rest)].join(' ');
}

const pairs = (rest: Description): string[] =>
  Object.entries(rest).map(([name, value]) => `${name}=${printable(String(value))}`);

/** Paths come from clients: nothing in them may move the cursor or pretend to be another line. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029\s\\]/gu, (character) =>
    character === ' ' ? '\\ ' : `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
