/**
 * Writes a state as a snapshot that ZooKeeper 3.4 to 3.9 starts from: its oldest form, without a
 * digest, which each version reads and then computes for itself.
 */
import { dirname, join } from 'node:path';
import {
  storedAcl,
  storedFileHeader,
  storedNode,
  storedSession,
  Writer,
} from '@odradek/protocol/zookeeper';
import type { Disk } from '@odradek/runtime';
import type { AclEntry } from '../../core/tree/acl.ts';
import { OfflineRefused } from '../errors.ts';
import type { Progress, State } from '../state.ts';
import { ADLER32_START, adler32 } from './adler32.ts';
import { FILE_VERSION, OPEN_ACL_ID, SNAPSHOT_MAGIC } from './snapshot-reader.ts';

const FOLDER = 'version-2';
const UNFINISHED = '.tmp';
const CHUNK_BYTES = 1024 * 1024;
const COUNTER_MAX = 2 ** 31 - 1;
const NO_DATABASE = -1n;

/**
 * @param dataDirectory ZooKeeper's dataDir; its folder version-2 is made and must not hold anything
 * @returns the snapshot's path
 * @throws OfflineRefused, DiskError
 */
export async function writeOriginalSnapshot(
  disk: Disk,
  dataDirectory: string,
  state: State,
  progress: Progress,
): Promise<string> {
  const folder = join(dataDirectory, FOLDER);
  const [first] = await disk.list(folder);
  if (first !== undefined) {
    throw new OfflineRefused(
      `${folder} is not empty (there is ${first.name}): choose another directory`,
    );
  }
  await disk.makeDirectory(folder);
  const path = join(folder, `snapshot.${BigInt.asUintN(64, state.zxid).toString(16)}`);
  const file = await disk.open(path + UNFINISHED, 'write');
  try {
    await file.truncate(0);
    let position = 0;
    for (const chunk of chunksOf(state, progress)) {
      await file.write([chunk], position);
      position += chunk.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(path + UNFINISHED, path);
  await disk.syncDirectory(folder);
  await disk.syncDirectory(dirname(folder));
  return path;
}

function* chunksOf({ tree, sessions }: State, progress: Progress): Iterable<Buffer> {
  let checksum = ADLER32_START;
  let writer = new Writer();
  const taken = (): Buffer => {
    const chunk = writer.finishWhole();
    checksum = adler32(chunk, checksum);
    writer = new Writer();
    return chunk;
  };
  storedFileHeader.encodeInto(writer, {
    magic: SNAPSHOT_MAGIC,
    version: FILE_VERSION,
    dbid: NO_DATABASE,
  });
  writer.int32(sessions.size);
  for (const { id, timeoutMs } of sessions.all())
    storedSession.encodeInto(writer, { id, timeout: timeoutMs });
  const lists = new AclNumbers();
  for (const { acl } of tree.stored()) lists.add(acl);
  writer.int32(lists.all.length);
  for (const { id, acl } of lists.all) storedAcl.encodeInto(writer, { id, acl });
  let pendingBytes = 0;
  let cappedCounters = 0;
  for (const node of tree.stored()) {
    if (node.creationCount > COUNTER_MAX) cappedCounters += 1;
    storedNode.encodeInto(writer, {
      path: node.path === '/' ? '' : node.path,
      data: node.data,
      acl: lists.numberOf(node.acl),
      czxid: node.czxid,
      mzxid: node.mzxid,
      ctime: BigInt(node.ctime),
      mtime: BigInt(node.mtime),
      version: node.version,
      cversion: Math.min(node.creationCount, COUNTER_MAX),
      aversion: node.aversion,
      ephemeralOwner: node.owner,
      pzxid: node.pzxid,
    });
    pendingBytes += 100 + node.path.length + (node.data?.length ?? 0);
    if (pendingBytes < CHUNK_BYTES) continue;
    pendingBytes = 0;
    yield taken();
  }
  writer.juteString('/');
  yield taken();
  writer.bigint64(BigInt(checksum));
  writer.juteString('/');
  yield taken();
  if (cappedCounters > 0) {
    progress.warn(
      `${cappedCounters} nodes had more than 2^31 children in their time: ZooKeeper will refuse sequential names below them`,
    );
  }
}

/** Numbers for the lists that differ; the open one has none. */
class AclNumbers {
  readonly all: { readonly id: bigint; readonly acl: readonly AclEntry[] }[] = [];
  readonly #byKey = new Map<string, bigint>();

  add(acl: readonly AclEntry[] | null): void {
    if (acl === null) return;
    const key = JSON.stringify(acl);
    if (this.#byKey.has(key)) return;
    const id = BigInt(this.all.length + 1);
    this.#byKey.set(key, id);
    this.all.push({ id, acl });
  }

  numberOf(acl: readonly AclEntry[] | null): bigint {
    return acl === null ? OPEN_ACL_ID : (this.#byKey.get(JSON.stringify(acl)) ?? OPEN_ACL_ID);
  }
}
