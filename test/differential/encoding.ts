/** Requests as the bytes that travel: the same for every server but for session ids and zxids. */
import {
  addWatchRequest,
  checkVersionRequest,
  createRequest,
  createTtlRequest,
  deleteRequest,
  getAclRequest,
  getAllChildrenNumberRequest,
  getDataRequest,
  getEphemeralsRequest,
  multiEnd,
  multiHeader,
  opCodes,
  reconfigRequest,
  removeWatchesRequest,
  setAclRequest,
  setDataRequest,
  setWatches2Request,
  setWatchesRequest,
  syncRequest,
  Writer,
} from '@odradek/protocol';
import type {
  AclName,
  HeldWatches,
  Operation,
  Part,
  ReadPart,
  Request,
  Since,
} from './sequence.ts';

/** What stands for what in this sequence, at this server. */
export interface Names {
  /** The sequence's own node. */
  readonly root: string;
  /** Zxids that the client has seen. */
  zxidOf(since: Since): bigint;
}

type Entry = {
  readonly perms: number;
  readonly id: { readonly scheme: string | null; readonly id: string | null };
};

const entry = (perms: number, scheme: string | null, id: string | null): Entry => ({
  perms,
  id: { scheme, id },
});
const open = entry(31, 'world', 'anyone');
/** The subject of the certificate of who comes as `alice`. */
export const ALICE = 'CN=alice,O=Acme';
/** u:p */
const digest = 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=';

const acls: Readonly<Record<AclName, readonly Entry[] | null>> = {
  open: [open],
  read: [entry(1, 'world', 'anyone')],
  createOnly: [entry(4, 'world', 'anyone')],
  nothing: [entry(0, 'world', 'anyone')],
  'strange bits': [entry(33, 'world', 'anyone')],
  null: null,
  empty: [],
  auth: [entry(31, 'auth', '')],
  digest: [entry(31, 'digest', digest)],
  'digest or read': [entry(31, 'digest', digest), entry(1, 'world', 'anyone')],
  'other digest': [entry(31, 'digest', 'w:AAAA')],
  'own address': [entry(31, 'ip', '127.0.0.1')],
  'own network': [entry(31, 'ip', '127.0.0.0/8')],
  'other address': [entry(31, 'ip', '10.0.0.1')],
  twice: [open, open],
  'bad scheme': [entry(31, 'nope', 'x')],
  'null scheme': [entry(31, null, 'x')],
  'bad world': [entry(31, 'world', 'x')],
  'bad digest': [entry(31, 'digest', 'a:b:c')],
  'bad address': [entry(31, 'ip', '1.2.3')],
  'bad mask': [entry(31, 'ip', '1.2.3.4/33')],
  super: [entry(31, 'super', '')],
  'sasl alice': [entry(31, 'sasl', 'alice')],
  'other sasl': [entry(31, 'sasl', 'bob'), entry(1, 'world', 'anyone')],
  'x509 alice': [entry(31, 'x509', ALICE)],
  'other x509': [entry(1, 'x509', 'CN=somebody'), entry(31, 'sasl', 'alice')],
  'bad x509': [entry(31, 'x509', 'nobody')],
};

const bytesOf = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text));

const LENGTH_BYTES = 4;
/** Whether it is null decides the layout, not the type: every path may be null in the bytes. */
const NULL_PATH = '\u0000null\u0000';

/** @returns xid asked for (null: the next of the row), operation code and body */
export function encode(
  { operation, damage }: Request,
  names: Names,
): { xid: number | null; opCode: number; body: Buffer } {
  const body = nullPaths(bodyOf(operation, names));
  return { xid: xidOf(operation), opCode: opCodeOf(operation), body: damaged(body, damage) };
}

function xidOf({ op }: Operation): number | null {
  if (op === 'ping') return -2;
  return op === 'setWatches' ? -8 : null;
}

function opCodeOf(operation: Operation): number {
  if (operation.op === 'setWatches' && operation.held.persistent !== undefined) {
    return opCodes.setWatches2;
  }
  return opCodes[operation.op];
}

function pathOf(path: string | null, { root }: Names): string {
  return path === null ? NULL_PATH : path.replace('@', root);
}

function bodyOf(operation: Operation, names: Names): Buffer {
  switch (operation.op) {
    case 'ping':
    case 'whoAmI':
      return Buffer.alloc(0);
    case 'exists':
    case 'getChildren':
    case 'getData':
    case 'getChildren2':
      return getDataRequest.encode({
        path: pathOf(operation.path, names),
        watch: operation.watch ?? false,
      });
    case 'getAcl':
      return getAclRequest.encode({ path: pathOf(operation.path, names) });
    case 'sync':
      return syncRequest.encode({ path: pathOf(operation.path, names) });
    case 'getEphemerals':
      return getEphemeralsRequest.encode({ prefixPath: pathOf(operation.path, names) });
    case 'getAllChildrenNumber':
      return getAllChildrenNumberRequest.encode({ path: pathOf(operation.path, names) });
    case 'setAcl':
      return setAclRequest.encode({
        path: pathOf(operation.path, names),
        acl: acls[operation.acl],
        version: operation.version,
      });
    case 'multi':
    case 'multiRead':
      return rowOf(operation.parts, operation.ended, names);
    case 'addWatch':
      return addWatchRequest.encode({ path: pathOf(operation.path, names), mode: operation.mode });
    case 'removeWatches':
    case 'checkWatches':
      return removeWatchesRequest.encode({
        path: pathOf(operation.path, names),
        type: operation.type,
      });
    case 'setWatches':
      return encodeHeld(operation.held, names);
    case 'reconfig':
      return reconfigRequest.encode({
        joiningServers: operation.joining,
        leavingServers: operation.leaving,
        newMembers: operation.members,
        curConfigId: BigInt(operation.config),
      });
    default:
      return partBody(operation, names);
  }
}

export function encodeHeld(held: HeldWatches, names: Names): Buffer {
  const all = (paths: readonly string[]): string[] => paths.map((path) => pathOf(path, names));
  const body = {
    relativeZxid: names.zxidOf(held.since),
    dataWatches: all(held.data),
    existWatches: all(held.exist),
    childWatches: all(held.child),
  };
  if (held.persistent === undefined) return setWatchesRequest.encode(body);
  return setWatches2Request.encode({
    ...body,
    persistentWatches: all(held.persistent),
    persistentRecursiveWatches: all(held.recursive ?? []),
  });
}

function rowOf(parts: readonly (Part | ReadPart)[], ended: boolean, names: Names): Buffer {
  const writer = new Writer();
  for (const part of parts) {
    multiHeader.encodeInto(writer, { type: opCodes[part.op], done: false, err: -1 });
    writer.copy(
      isRead(part)
        ? getDataRequest.encode({ path: pathOf(part.path, names), watch: false })
        : partBody(part, names),
    );
  }
  if (ended) multiHeader.encodeInto(writer, multiEnd);
  return writer.finishWhole();
}

const isRead = (part: Part | ReadPart): part is ReadPart =>
  part.op === 'getData' || part.op === 'getChildren';

function partBody(part: Part, names: Names): Buffer {
  const path = pathOf(part.path, names);
  switch (part.op) {
    case 'create':
    case 'create2':
    case 'createContainer':
      return createRequest.encode({
        path,
        data: bytesOf(part.data),
        acl: acls[part.acl],
        flags: part.flags,
      });
    case 'createTtl':
      return createTtlRequest.encode({
        path,
        data: null,
        acl: acls[part.acl],
        flags: part.flags,
        ttl: BigInt(part.ttl),
      });
    case 'delete':
      return deleteRequest.encode({ path, version: part.version });
    case 'setData':
      return setDataRequest.encode({ path, data: bytesOf(part.data), version: part.version });
    case 'check':
      return checkVersionRequest.encode({ path, version: part.version });
  }
}

/** Our records do not encode null where no client means it; so null is put in afterwards. */
function nullPaths(body: Buffer): Buffer {
  const mark = Buffer.from(NULL_PATH);
  let rest = body;
  const pieces: Buffer[] = [];
  for (let at = rest.indexOf(mark); at >= 4; at = rest.indexOf(mark)) {
    pieces.push(rest.subarray(0, at - 4), Buffer.from('ffffffff', 'hex'));
    rest = rest.subarray(at + mark.length);
  }
  return Buffer.concat([...pieces, rest]);
}

function damaged(body: Buffer, damage: Request['damage']): Buffer {
  switch (damage?.kind) {
    case undefined:
      return body;
    case 'cut':
      return body.subarray(0, Math.max(0, body.length - damage.bytes));
    case 'longer':
      return Buffer.concat([body, Buffer.alloc(damage.bytes, 7)]);
    case 'flip': {
      // Not the length that most bodies begin with: an empty path would be the root's.
      if (body.length <= LENGTH_BYTES) return body;
      const at = LENGTH_BYTES + (damage.at % (body.length - LENGTH_BYTES));
      const changed = Buffer.from(body);
      changed.writeUInt8(changed.readUInt8(at) ^ damage.mask, at);
      return changed;
    }
  }
}
