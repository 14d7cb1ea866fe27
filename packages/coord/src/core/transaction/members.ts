/**
 * The members of an ensemble as transactions and the config node hold them.
 *
 * A change of members is a setData of the config node whose text ends with the version that is the zxid
 * of that very transaction; so no other write of that node can be taken for one.
 */

import type { Node } from '../tree/node.ts';
import { CONFIG_PATH } from '../tree/tree.ts';
import type { TransactionRecord } from './record.ts';

/** The text of the members from this transaction on; null when it is about something else. */
export function membersOfRecord({ zxid, change }: TransactionRecord): string | null {
  if (change.kind !== 'setData' || change.path !== CONFIG_PATH) return null;
  return membersMadeBy(zxid, change.data);
}

/** The members as a transaction left them in the config node; null when none did. */
export function membersOfNode(node: Pick<Node, 'data' | 'mzxid'> | undefined): string | null {
  return node === undefined ? null : membersMadeBy(node.mzxid, node.data);
}

/** The version that a text of members ends with; 0: they come from a file. */
export function versionOf(text: string): bigint {
  const digits = /(?:^|\n)version=([0-9a-f]+)$/.exec(text)?.[1];
  return digits === undefined ? 0n : BigInt(`0x${digits}`);
}

/** The same members as of another transaction. */
export function withVersion(text: string, zxid: bigint): string {
  const members = text.replace(/\n?version=[0-9a-f]*$/, '');
  return `${members}\nversion=${zxid.toString(16)}`;
}

function membersMadeBy(zxid: bigint, data: Buffer | null): string | null {
  if (zxid === 0n) return null; // Shown, and made by nobody.
  const text = data?.toString('utf8') ?? '';
  return text.endsWith(`\nversion=${zxid.toString(16)}`) ? text : null;
}
