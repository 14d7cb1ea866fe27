/**
 * Reads a snapshot of ZooKeeper: header, sessions, lists of access, nodes, seal, trailers.
 *
 * It is fuzzy as ours are: nodes may show effects of later transactions than the one it is named
 * after. A node may even refer to a list of access that was made after the lists were written.
 * Only what has been read up to the seal is known to be right, so a caller throws away what it took
 * when this one throws.
 */
import {
  MalformedMessage,
  Reader,
  storedAcl,
  storedFileHeader,
  storedNode,
  storedSession,
} from '@odradek/protocol/zookeeper';
import type { Disk } from '@odradek/runtime';
import type { AclEntry } from '../../core/tree/acl.ts';
import type { StoredNode } from '../../core/tree/tree.ts';
import { ForeignDataDamaged } from '../errors.ts';
import { adler32 } from './adler32.ts';
import { contentOf } from './content.ts';
import { ContentReader } from './content-reader.ts';
import { entriesOf } from './transactions.ts';

const HEADER_BYTES = 16;
export const SNAPSHOT_MAGIC = 0x5a4b534e; // "ZKSN"
export const FILE_VERSION = 2;
const SESSION_BYTES = 12;
/** Of a node, without its path and data and their lengths. */
const NODE_FIXED_BYTES = 68;
const SEAL_BYTES = 13;
const TRAILERS_BYTES_MAX = 4_096;
/** The list number of nodes that everybody may do everything with. */
export const OPEN_ACL_ID = -1n;
/** From this version on a digest is a number; before, text. */
const NUMERIC_DIGEST_VERSION = 2;

/** One thing that a snapshot holds. */
export type SnapshotItem =
  | { readonly kind: 'session'; readonly id: bigint; readonly timeoutMs: number }
  | {
      readonly kind: 'node';
      readonly node: StoredNode /** It refers to a list that is not there. */;
      readonly aclMissing: boolean;
    }
  | { readonly kind: 'end'; readonly trailers: SnapshotTrailers };

export interface SnapshotTrailers {
  /** Of the tree at that transaction, which may be later than the snapshot's name (since 3.6). */
  readonly digest: {
    readonly zxid: bigint;
    readonly version: number;
    readonly value: bigint;
  } | null;
  /** The last transaction that may be in the nodes (since 3.9). */
  readonly lastProcessedZxid: bigint | null;
}

/** A list of access for nodes whose own is lost: nobody but a super user may do anything. */
export const CLOSED_ACL: readonly AclEntry[] = [
  { perms: 0, id: { scheme: 'world', id: 'anyone' } },
];

/**
 * The items of a snapshot, the last one being `end`.
 * @throws ForeignDataDamaged, DiskError
 */
export async function* readSnapshot(disk: Disk, path: string): AsyncGenerator<SnapshotItem> {
  const content = new ContentReader(contentOf(disk, path));
  try {
    yield* itemsOf(content);
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    throw new ForeignDataDamaged(path, content.position, error.message, '', { cause: error });
  } finally {
    await content.close();
  }
}

async function* itemsOf(content: ContentReader): AsyncGenerator<SnapshotItem> {
  await content.need(HEADER_BYTES);
  const { magic, version } = storedFileHeader.decodeFrom(content.takeReader(HEADER_BYTES));
  if (magic !== SNAPSHOT_MAGIC) throw new MalformedMessage('this is no snapshot of ZooKeeper');
  if (version !== FILE_VERSION) throw new MalformedMessage(`a snapshot of version ${version}`);
  const sessionCount = await countOf(content, 'sessions');
  for (let n = 0; n < sessionCount; n += 1) {
    await content.need(SESSION_BYTES);
    const { id, timeout } = storedSession.decodeFrom(content.takeReader(SESSION_BYTES));
    yield { kind: 'session', id, timeoutMs: timeout };
  }
  const acls = await readAcls(content);
  for (;;) {
    const node = await readNode(content, acls);
    if (node === null) break;
    yield node;
  }
  await checkSeal(content);
  yield { kind: 'end', trailers: await readTrailers(content) };
}

async function countOf(content: ContentReader, what: string): Promise<number> {
  const count = await content.int32();
  if (count < 0) throw new MalformedMessage(`${count} ${what}`);
  return count;
}

type AclLists = ReadonlyMap<bigint, readonly AclEntry[] | null>;

async function readAcls(content: ContentReader): Promise<AclLists> {
  const acls = new Map<bigint, readonly AclEntry[] | null>();
  const listCount = await countOf(content, 'access lists');
  for (let n = 0; n < listCount; n += 1) {
    const { id, acl } = storedAcl.decodeFrom(content.takeReader(await aclBytes(content)));
    acls.set(id, entriesOf(acl));
  }
  return acls;
}

/** How many bytes the list that begins here takes; they are buffered afterwards. */
async function aclBytes(content: ContentReader): Promise<number> {
  let size = 12;
  await content.need(size);
  for (let entries = content.peekInt32(8); entries > 0; entries -= 1) {
    size += 4; // perms
    for (let text = 0; text < 2; text += 1) {
      await content.need(size + 4);
      size += 4 + content.peekLength(size);
    }
    await content.need(size);
  }
  return size;
}

/** @returns null behind the last node */
async function readNode(
  content: ContentReader,
  acls: AclLists,
): Promise<Extract<SnapshotItem, { kind: 'node' }> | null> {
  if (content.buffered < 5) await content.need(5);
  const pathBytes = content.peekLength(0);
  let size = 4 + pathBytes + 4;
  if (pathBytes === 1) {
    const end = content.takeReader(5);
    if (end.buffer[end.position + 4] === SLASH) return null;
    throw new MalformedMessage('a node without a path');
  }
  if (content.buffered < size) await content.need(size);
  size += content.peekLength(4 + pathBytes) + NODE_FIXED_BYTES;
  if (content.buffered < size) await content.need(size);
  const stored = storedNode.decodeFrom(content.takeReader(size));
  const path = stored.path === '' ? '/' : stored.path;
  if (!path.startsWith('/')) throw new MalformedMessage('a path that does not begin with a slash');
  const acl = stored.acl === OPEN_ACL_ID ? null : acls.get(stored.acl);
  return {
    kind: 'node',
    aclMissing: acl === undefined,
    node: {
      path,
      data: stored.data === null ? null : Buffer.from(stored.data),
      acl: acl === undefined ? CLOSED_ACL : acl,
      owner: stored.ephemeralOwner,
      czxid: stored.czxid,
      mzxid: stored.mzxid,
      pzxid: stored.pzxid,
      ctime: Number(stored.ctime),
      mtime: Number(stored.mtime),
      version: stored.version,
      aversion: stored.aversion,
      creationCount: stored.cversion,
    },
  };
}

const SLASH = 0x2f;

/** A checksum of everything before, and a slash. */
async function checkSeal(content: ContentReader): Promise<void> {
  const checksum = BigInt(content.checksum);
  await content.need(SEAL_BYTES);
  if (!isSeal(content.take(SEAL_BYTES), checksum))
    throw new MalformedMessage('its checksum is wrong');
}

function isSeal(bytes: Buffer, checksum: bigint): boolean {
  const reader = new Reader(bytes);
  return reader.bigint64() === checksum && reader.int32() === 1 && reader.uint8() === SLASH;
}

/** Behind the seal: nothing before 3.6; a digest, and since 3.9 a zxid, each with a seal and each possibly left out. */
async function readTrailers(content: ContentReader): Promise<SnapshotTrailers> {
  const before = content.checksum;
  const bytes = await content.rest(TRAILERS_BYTES_MAX);
  for (const withDigest of [true, false]) {
    const trailers = trailersIn(bytes, before, withDigest);
    if (trailers !== null) return trailers;
  }
  throw new MalformedMessage('what follows its checksum is damaged');
}

function trailersIn(bytes: Buffer, before: number, withDigest: boolean): SnapshotTrailers | null {
  const reader = new Reader(bytes);
  const sealed = (): boolean => {
    const checksum = BigInt(adler32(bytes.subarray(0, reader.position), before));
    return reader.remaining >= SEAL_BYTES && isSeal(reader.bytes(SEAL_BYTES), checksum);
  };
  try {
    let digest: SnapshotTrailers['digest'] = null;
    if (withDigest && reader.remaining > 0) {
      const zxid = reader.bigint64();
      const version = reader.int32();
      const value =
        version >= NUMERIC_DIGEST_VERSION
          ? reader.bigint64()
          : BigInt.asIntN(64, BigInt(`0x${reader.text(reader.int32())}`));
      if (!sealed()) return null;
      digest = { zxid, version, value };
    }
    let lastProcessedZxid: bigint | null = null;
    if (reader.remaining > 0) {
      lastProcessedZxid = reader.bigint64();
      if (!sealed()) return null;
    }
    return reader.remaining === 0 ? { digest, lastProcessedZxid } : null;
  } catch (error) {
    // A length or a number that is none: not this form.
    if (error instanceof MalformedMessage || error instanceof SyntaxError) return null;
    throw error;
  }
}
