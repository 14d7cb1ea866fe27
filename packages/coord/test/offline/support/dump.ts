/** Everything that a client with all rights can see on a server. */
import {
  authPacket,
  getAclRequest,
  getAclResponse,
  getChildrenResponse,
  getDataResponse,
  opCodes,
} from '@odradek/protocol';
import { copyOfStat, type Stat } from '../../../src/core/tree/node.ts';
import type { Tree } from '../../../src/core/tree/tree.ts';
import { RawClient } from '../../support/raw-client.ts';
import { read } from '../../support/requests.ts';

/** A node as text, so that differences are readable. */
export type Dump = ReadonlyMap<string, string>;

const text = (value: unknown): string =>
  JSON.stringify(value, (_name, field: unknown) =>
    typeof field === 'bigint' ? `0x${BigInt.asUintN(64, field).toString(16)}` : field,
  );

const lineOf = (data: Buffer | null, stat: Stat, acl: unknown): string =>
  text({ data: data === null ? null : data.toString('hex'), stat, acl });

const sorted = (dump: ReadonlyMap<string, string>): Dump =>
  new Map([...dump].sort(([left], [right]) => (left < right ? -1 : 1)));

export async function dumpServer(port: number): Promise<Dump> {
  const client = await RawClient.open(port);
  const credentials = { type: 0, scheme: 'digest', auth: Buffer.from('super:secret') };
  await client.request(-4, opCodes.auth, authPacket.encode(credentials));
  const dump = new Map<string, string>();
  const pending = ['/'];
  let xid = 0;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    client.send(++xid, opCodes.getData, read(path));
    client.send(++xid, opCodes.getAcl, getAclRequest.encode({ path }));
    client.send(++xid, opCodes.getChildren, read(path));
    const { data, stat } = getDataResponse.decode((await client.reply()).body);
    const { acl } = getAclResponse.decode((await client.reply()).body);
    const { children } = getChildrenResponse.decode((await client.reply()).body);
    dump.set(path, lineOf(data, stat, acl));
    for (const name of children) pending.push(path === '/' ? `/${name}` : `${path}/${name}`);
  }
  await client.request(++xid, opCodes.closeSession);
  client.destroy();
  return sorted(dump);
}

/** The same of a tree in memory. */
export function dumpTree(tree: Tree): Dump {
  const dump = new Map<string, string>();
  for (const { path, data } of tree.stored()) {
    const node = tree.get(path);
    if (node !== undefined) dump.set(path, lineOf(data, copyOfStat(node), node.acl.entries));
  }
  return sorted(dump);
}
