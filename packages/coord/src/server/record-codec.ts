/**
 * Records and snapshot entries as bytes: msgpack arrays, first the kind, then its fields in a fixed
 * order. The storage around them adds lengths and checksums and does not look inside.
 *
 * Numbers of kinds are part of the format on disk: they are never reused, new fields go at the end.
 */
import { Packr } from 'msgpackr/pack';
import type { StoredSession } from '../core/session/session-table.ts';
import type { Change, TransactionRecord } from '../core/transaction/record.ts';
import type { AclEntry } from '../core/tree/acl.ts';
import type { Node } from '../core/tree/node.ts';
import { lowHalf, type NumberPage, word } from '../core/tree/number-store.ts';
import { type StoredNode, storedForm } from '../core/tree/tree.ts';
import { MsgpackEye } from './msgpack-eye.ts';
import { MsgpackPen } from './msgpack-pen.ts';

/** 64-bit integers come back as bigint whatever their size; other numbers as they were. */
const packr = new Packr({
  useRecords: false,
  int64AsType: 'bigint',
  // Decoded data outlives the file chunk that it was read from, which must not stay in memory for it.
  copyBuffers: true,
});

const changeKind = {
  create: 1,
  delete: 2,
  setData: 3,
  setAcl: 4,
  check: 5,
  multi: 6,
  createSession: 7,
  closeSession: 8,
  error: 9,
} as const satisfies Record<Change['kind'], number>;

const entryKind = { session: 1, node: 2 } as const;

/** One thing that a snapshot holds. */
export type SnapshotEntry =
  | { readonly kind: 'session'; readonly session: StoredSession }
  | { readonly kind: 'node'; readonly node: StoredNode };

/** Bytes of ours that do not read as what they should be: damage that a checksum did not see, or a newer format. */
export class UnreadableRecord extends Error {
  override readonly name = 'UnreadableRecord';
}

/** The two kinds that nearly all writes are go the short way; the bytes are the same kind of msgpack. */
export function encodeRecord(record: TransactionRecord): Buffer {
  const { zxid, timeMs, sessionId, change } = record;
  if (change.kind === 'setData') return encodeSetData(record, change);
  if (change.kind === 'create' && change.acl === null) return encodeOpenCreate(record, change);
  return packr.pack([zxid, timeMs, sessionId, packable(change)]);
}

function encodeSetData(
  record: TransactionRecord,
  { path, data, version }: Extract<Change, { kind: 'setData' }>,
): Buffer {
  const pen = new MsgpackPen(recordBytesMax(path, data));
  penHead(pen, record);
  pen.array(4);
  pen.small(changeKind.setData);
  pen.text(path);
  pen.bytes(data);
  pen.int32(version);
  return pen.finish();
}

/** A create whose list is the open one. */
function encodeOpenCreate(
  record: TransactionRecord,
  { path, data, owner, parentCreationCount }: Extract<Change, { kind: 'create' }>,
): Buffer {
  const pen = new MsgpackPen(recordBytesMax(path, data));
  penHead(pen, record);
  pen.array(6);
  pen.small(changeKind.create);
  pen.text(path);
  pen.bytes(data);
  pen.nothing();
  pen.int64(owner);
  pen.number(parentCreationCount);
  return pen.finish();
}

function penHead(pen: MsgpackPen, { zxid, timeMs, sessionId }: TransactionRecord): void {
  pen.array(4);
  pen.int64(zxid);
  pen.number(timeMs);
  pen.int64(sessionId);
}

/** Marks and numbers take no more than this. */
const FIXED_BYTES_MAX = 64;
/** What a node's numbers take beyond that. */
const FIXED_NODE_BYTES_MAX = 64;
const BYTES_PER_UNIT_MAX = 3;

const recordBytesMax = (path: string, data: Buffer | null): number =>
  FIXED_BYTES_MAX + BYTES_PER_UNIT_MAX * path.length + (data === null ? 0 : data.length);

/** @throws UnreadableRecord */
export function decodeRecord(bytes: Uint8Array): TransactionRecord {
  const likely = likelyRecord(bytes);
  if (likely !== null) return likely;
  const fields = new Fields(unpack(bytes));
  return {
    zxid: fields.bigint(),
    timeMs: fields.number(),
    sessionId: fields.bigint(),
    change: changeOf(new Fields(fields.next())),
  };
}

/** The two kinds that nearly all writes are, by the short way; null for all else. */
function likelyRecord(bytes: Uint8Array): TransactionRecord | null {
  const eye = new MsgpackEye(asBuffer(bytes));
  if (eye.array() !== 4) return null;
  const zxid = eye.int64();
  const timeMs = eye.number();
  const sessionId = eye.int64();
  const fieldCount = eye.array();
  const kind = eye.small();
  let change: Change;
  if (kind === changeKind.create && fieldCount === 6) {
    const path = eye.text();
    const data = eye.bytes();
    eye.nothing();
    const owner = eye.int64();
    const parentCreationCount = eye.number();
    change = { kind: 'create', path, data, acl: null, owner, parentCreationCount };
  } else if (kind === changeKind.setData && fieldCount === 4) {
    change = { kind: 'setData', path: eye.text(), data: eye.bytes(), version: eye.int32() };
  } else {
    return null;
  }
  return eye.isPuzzled ? null : { zxid, timeMs, sessionId, change };
}

export function encodeEntry(entry: SnapshotEntry): Buffer {
  if (entry.kind === 'session') {
    const { id, timeoutMs, password } = entry.session;
    return packr.pack([entryKind.session, id, timeoutMs, password]);
  }
  const { node } = entry;
  return packr.pack([
    entryKind.node,
    node.path,
    node.data,
    packableAcl(node.acl),
    node.owner,
    node.czxid,
    node.mzxid,
    node.pzxid,
    node.ctime,
    node.mtime,
    node.version,
    node.aversion,
    node.creationCount,
  ]);
}

/**
 * The entry of a node as it is now, as `encodeEntry` makes it of its stored form. Most nodes have the open list:
 * they go the short way, since a snapshot writes all of them while others wait for their turn.
 */
export function encodeNode(node: Node): Buffer {
  if (!node.acl.isOpen) return encodeEntry({ kind: 'node', node: storedForm(node) });
  const { path, heldData, page, firstWord } = node;
  const dataBytes = heldData === null ? 0 : heldData.length;
  const pen = new MsgpackPen(
    FIXED_BYTES_MAX + FIXED_NODE_BYTES_MAX + BYTES_PER_UNIT_MAX * path.length + dataBytes,
  );
  pen.array(13);
  pen.small(entryKind.node);
  pen.text(path);
  if (typeof heldData === 'string') pen.latin1(heldData);
  else pen.bytes(heldData);
  pen.nothing();
  penInteger(pen, page, firstWord + word.owner);
  penInteger(pen, page, firstWord + word.czxid);
  penInteger(pen, page, firstWord + word.mzxid);
  penInteger(pen, page, firstWord + word.pzxid);
  pen.number(node.ctime);
  pen.number(node.mtime);
  pen.int32(node.version);
  pen.int32(node.aversion);
  pen.number(node.creationCount);
  return pen.finish();
}

/** Without a bigint in between. */
function penInteger(pen: MsgpackPen, { halves }: NumberPage, index: number): void {
  pen.int64Of(halves[2 * index + 1 - lowHalf] ?? 0, halves[2 * index + lowHalf] ?? 0);
}

/** @throws UnreadableRecord */
export function decodeEntry(bytes: Uint8Array): SnapshotEntry {
  const likely = likelyNode(bytes);
  if (likely !== null) return { kind: 'node', node: likely };
  const fields = new Fields(unpack(bytes));
  const kind = fields.number();
  if (kind === entryKind.session) {
    const session = { id: fields.bigint(), timeoutMs: fields.number(), password: fields.bytes() };
    return { kind: 'session', session };
  }
  if (kind !== entryKind.node) throw new UnreadableRecord(`snapshot entry of unknown kind ${kind}`);
  const node: StoredNode = {
    path: fields.text(),
    data: fields.nullableBytes(),
    acl: aclOf(fields.next()),
    owner: fields.bigint(),
    czxid: fields.bigint(),
    mzxid: fields.bigint(),
    pzxid: fields.bigint(),
    ctime: fields.number(),
    mtime: fields.number(),
    version: fields.number(),
    aversion: fields.number(),
    creationCount: fields.number(),
  };
  return { kind: 'node', node };
}

/** A node with the open list, by the short way; null for all else. */
function likelyNode(bytes: Uint8Array): StoredNode | null {
  const eye = new MsgpackEye(asBuffer(bytes));
  if (eye.array() !== 13 || eye.small() !== entryKind.node) return null;
  const path = eye.text();
  const data = eye.bytes();
  eye.nothing();
  const node: StoredNode = {
    path,
    data,
    acl: null,
    owner: eye.int64(),
    czxid: eye.int64(),
    mzxid: eye.int64(),
    pzxid: eye.int64(),
    ctime: eye.number(),
    mtime: eye.number(),
    version: eye.int32(),
    aversion: eye.int32(),
    creationCount: eye.number(),
  };
  return eye.isPuzzled ? null : node;
}

function packable(change: Change): unknown[] {
  const kind = changeKind[change.kind];
  switch (change.kind) {
    case 'create': {
      const { path, data, acl, owner, parentCreationCount } = change;
      return [kind, path, data, packableAcl(acl), owner, parentCreationCount];
    }
    case 'delete':
    case 'check':
      return [kind, change.path];
    case 'setData':
      return [kind, change.path, change.data, change.version];
    case 'setAcl':
      return [kind, change.path, packableAcl(change.acl), change.version];
    case 'multi':
      return [kind, change.changes.map(packable)];
    case 'createSession':
      return [kind, change.timeoutMs, change.password];
    case 'closeSession':
      return [kind, change.paths];
    case 'error':
      return [kind, change.wire, change.failedIndex];
  }
}

function changeOf(fields: Fields): Change {
  const kind = fields.number();
  switch (kind) {
    case changeKind.create:
      return {
        kind: 'create',
        path: fields.text(),
        data: fields.nullableBytes(),
        acl: aclOf(fields.next()),
        owner: fields.bigint(),
        parentCreationCount: fields.number(),
      };
    case changeKind.delete:
      return { kind: 'delete', path: fields.text() };
    case changeKind.check:
      return { kind: 'check', path: fields.text() };
    case changeKind.setData:
      return {
        kind: 'setData',
        path: fields.text(),
        data: fields.nullableBytes(),
        version: fields.number(),
      };
    case changeKind.setAcl:
      return {
        kind: 'setAcl',
        path: fields.text(),
        acl: aclOf(fields.next()),
        version: fields.number(),
      };
    case changeKind.multi:
      return {
        kind: 'multi',
        changes: fields.list().map((change) => changeOf(new Fields(change))),
      };
    case changeKind.createSession:
      return { kind: 'createSession', timeoutMs: fields.number(), password: fields.bytes() };
    case changeKind.closeSession:
      return { kind: 'closeSession', paths: fields.list().map(textOf) };
    case changeKind.error:
      return { kind: 'error', wire: fields.number(), failedIndex: fields.number() };
    default:
      throw new UnreadableRecord(`transaction of unknown kind ${kind}`);
  }
}

const packableAcl = (acl: readonly AclEntry[] | null): unknown =>
  acl === null ? null : acl.map(({ perms, id }) => [perms, id.scheme, id.id]);

function aclOf(packed: unknown): readonly AclEntry[] | null {
  if (packed === null) return null;
  return new Fields([packed]).list().map((entry) => {
    const fields = new Fields(entry);
    return { perms: fields.number(), id: { scheme: fields.text(), id: fields.text() } };
  });
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function unpack(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(asBuffer(bytes));
  } catch (cause) {
    throw new UnreadableRecord('not a msgpack value', { cause });
  }
}

/** Takes the fields of a packed array one by one and insists on their types. */
class Fields {
  readonly #values: readonly unknown[];
  #index = 0;

  constructor(values: unknown) {
    if (!Array.isArray(values)) throw new UnreadableRecord('an array of fields was expected');
    this.#values = values;
  }

  next(): unknown {
    const value = this.#values[this.#index];
    if (value === undefined) throw new UnreadableRecord(`field ${this.#index} is missing`);
    this.#index += 1;
    return value;
  }

  number(): number {
    const value = this.next();
    return typeof value === 'number' ? value : this.#refuse('a number');
  }

  bigint(): bigint {
    const value = this.next();
    return typeof value === 'bigint' ? value : this.#refuse('a 64-bit integer');
  }

  text(): string {
    return textOf(this.next());
  }

  bytes(): Buffer {
    const value = this.next();
    return Buffer.isBuffer(value) ? value : this.#refuse('bytes');
  }

  nullableBytes(): Buffer | null {
    const value = this.next();
    return value === null || Buffer.isBuffer(value) ? value : this.#refuse('bytes or nothing');
  }

  list(): readonly unknown[] {
    const value = this.next();
    return Array.isArray(value) ? value : this.#refuse('a list');
  }

  #refuse(wanted: string): never {
    throw new UnreadableRecord(`field ${this.#index - 1} is not ${wanted}`);
  }
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new UnreadableRecord('text was expected');
  return value;
}
