/**
 * The digest of a tree, as ZooKeeper computes it since 3.6: the sum of a CRC-32 per node over path,
 * data and stat. Two servers with the same digest have the same tree, and an import can be compared
 * with what the original noted in its log. The nodes below /zookeeper are left out: some of them
 * differ from server to server.
 */
import { crc32 } from 'node:zlib';
import type { StoredNode, Tree } from '../core/tree/tree.ts';

/** The version of this way to compute it, which stands beside each stored digest. */
export const DIGEST_VERSION = 2;

const STAT_BYTES = 60;
const SYSTEM = '/zookeeper/';
const ROOT = '/';

/** What of a node goes into it. */
export type DigestedNode = Omit<StoredNode, 'acl'>;

/** Over all nodes: a million take a second or two. */
export function treeDigest(tree: Tree): bigint {
  let sum = 0n;
  // Sums of 32-bit numbers stay exact for two million nodes; then they are carried over.
  let part = 0;
  let count = 0;
  for (const node of tree.stored()) {
    part += nodeDigest(node);
    if (++count % 1_000_000 === 0) {
      sum += BigInt(part);
      part = 0;
    }
  }
  return BigInt.asIntN(64, sum + BigInt(part));
}

const stat = Buffer.alloc(STAT_BYTES);

/** What a node adds; 0 for one that is left out. */
export function nodeDigest(node: DigestedNode): number {
  if (node.path.startsWith(SYSTEM)) return 0;
  stat.writeBigInt64BE(node.czxid, 0);
  stat.writeBigInt64BE(node.mzxid, 8);
  stat.writeBigInt64BE(node.pzxid, 16);
  stat.writeBigInt64BE(BigInt(node.ctime), 24);
  stat.writeBigInt64BE(BigInt(node.mtime), 32);
  stat.writeInt32BE(node.version, 40);
  stat.writeInt32BE(node.creationCount | 0, 44);
  stat.writeInt32BE(node.aversion, 48);
  stat.writeBigInt64BE(node.owner, 52);
  let crc = crc32(node.path === ROOT ? '' : node.path);
  if (node.data !== null) crc = crc32(node.data, crc);
  return crc32(stat, crc);
}
