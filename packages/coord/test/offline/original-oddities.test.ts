/** Forms of ZooKeeper's files that its servers write seldom or no longer, made by hand. */
import { expect, test } from '@jest/globals';
import {
  closeSessionTxn,
  createTxn,
  createTxnV0,
  errorTxn,
  type InputOf,
  multiTxn,
  setAclTxn,
  setDataTxn,
  storedAcl,
  storedFileHeader,
  storedNode,
  storedSession,
  txnDigest,
  txnHeader,
  Writer,
} from '@odradek/protocol';
import { kindOfOwner, ttlMsOf } from '../../src/core/tree/node.ts';
import { ForeignDataDamaged } from '../../src/offline/errors.ts';
import { adler32 } from '../../src/offline/original/adler32.ts';
import { loadOriginal } from '../../src/offline/original/load.ts';
import { diskWith, type FixtureFile } from './support/fixtures.ts';

const SESSION = 0x1000n;
const open = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];
const secret = [{ perms: 31, id: { scheme: 'digest', id: 'u:h' } }];

type Node = Partial<InputOf<typeof storedNode>> & { readonly path: string };

function snapshot(
  zxid: number,
  nodes: readonly Node[],
  acls: readonly InputOf<typeof storedAcl>[] = [],
): FixtureFile {
  const writer = new Writer();
  storedFileHeader.encodeInto(writer, { magic: 0x5a4b534e, version: 2, dbid: -1n });
  writer.int32(1);
  storedSession.encodeInto(writer, { id: SESSION, timeout: 4000 });
  writer.int32(acls.length);
  for (const acl of acls) storedAcl.encodeInto(writer, acl);
  for (const node of [{ path: '' }, { path: '/zookeeper' }, ...nodes]) {
    storedNode.encodeInto(writer, {
      data: null,
      acl: -1n,
      czxid: 1n,
      mzxid: 1n,
      pzxid: 1n,
      ctime: 1n,
      mtime: 1n,
      version: 0,
      cversion: 0,
      aversion: 0,
      ephemeralOwner: 0n,
      ...node,
    });
  }
  writer.juteString('/');
  const content = writer.finishWhole();
  const seal = new Writer();
  seal.bigint64(BigInt(adler32(content)));
  seal.juteString('/');
  const bytes = Buffer.concat([content, seal.finishWhole()]);
  return { path: `/zk/version-2/snapshot.${zxid.toString(16)}`, bytes };
}

type Transaction = readonly [zxid: number, type: number, ...parts: Buffer[]];

function log(...transactions: readonly Transaction[]): FixtureFile {
  const parts = [storedFileHeader.encode({ magic: 0x5a4b4c47, version: 2, dbid: 0n })];
  for (const [zxid, type, ...rest] of transactions) {
    const header = { clientId: SESSION, cxid: 1, zxid: BigInt(zxid), time: 5n, type };
    const record = Buffer.concat([txnHeader.encode(header), ...rest]);
    const head = Buffer.alloc(12);
    head.writeBigInt64BE(BigInt(adler32(record)));
    head.writeInt32BE(record.length, 8);
    parts.push(head, record, Buffer.from('B'));
  }
  const first = transactions[0]?.[0] ?? 1;
  return {
    path: `/zk/version-2/log.${first.toString(16)}`,
    bytes: Buffer.concat([...parts, Buffer.alloc(1024)]),
  };
}

async function load(files: readonly FixtureFile[], oldTtlMarks = false) {
  const warnings: string[] = [];
  const progress = { step: () => {}, warn: (text: string) => void warnings.push(text) };
  const source = { dataDirectory: '/zk', logDirectory: null, acceptLoss: false, oldTtlMarks };
  const { state } = await loadOriginal(diskWith(files), source, progress);
  return { ...state, state, tree: state.tree, sessions: state.sessions, warnings };
}

const create = (path: string, acl = open, ephemeral = false, parentCVersion = 1): Buffer =>
  createTxn.encode({ path, data: Buffer.from('x'), acl, ephemeral, parentCVersion });
const digest = txnDigest.encode({ version: 2, treeDigest: 7n });

test('a create of 3.3, which does not tell the parent’s counter, counts on', async () => {
  const old = (path: string): Buffer =>
    createTxnV0.encode({ path, data: null, acl: open, ephemeral: false });
  const { tree } = await load([
    snapshot(1, []),
    log([2, 1, old('/a')], [3, 1, old('/a/b')], [4, 1, old('/a/c')]),
  ]);
  expect(tree.get('/a')?.creationCount).toBe(2);
  expect(tree.get('/a')?.pzxid).toBe(4n);
});

test('the end of a session takes its nodes along, whether the record names them or not', async () => {
  const nodes = [{ path: '/e', ephemeralOwner: SESSION }];
  for (const body of [
    [],
    [digest],
    [closeSessionTxn.encode({ paths2Delete: ['/e'] })],
    [closeSessionTxn.encode({ paths2Delete: [] }), digest],
    // Twelve bytes, as a digest has.
    [closeSessionTxn.encode({ paths2Delete: ['/e12'] })],
  ]) {
    const { tree, sessions } = await load([snapshot(1, nodes), log([2, -11, ...body])]);
    expect(tree.get('/e')).toBeUndefined();
    expect(sessions.size).toBe(0);
  }
});

test('a multi of which one operation failed does nothing', async () => {
  const failed = multiTxn.encode({
    txns: [
      { type: 1, data: create('/a') },
      { type: -1, data: errorTxn.encode({ err: -101 }) },
      { type: -1, data: errorTxn.encode({ err: -2 }) },
    ],
  });
  const { tree, state } = await load([snapshot(1, []), log([2, 14, failed])]);
  expect(tree.get('/a')).toBeUndefined();
  expect(state.zxid).toBe(2n);
});

test('a reconfiguration is a change of the configuration node', async () => {
  const change = setDataTxn.encode({
    path: '/zookeeper/config',
    data: Buffer.from('v'),
    version: 4,
  });
  const { tree } = await load([snapshot(1, []), log([2, 16, change])]);
  expect(tree.get('/zookeeper/config')).toMatchObject({ version: 4, mzxid: 2n });
});

test('a list of access that came after the snapshot’s lists is found in the log', async () => {
  const late = { path: '/late', acl: 9n, czxid: 2n, mzxid: 2n, pzxid: 2n };
  const found = await load([snapshot(1, [late]), log([2, 1, create('/late', secret)])]);
  expect(found.tree.get('/late')?.acl.entries).toEqual(secret);
  expect(found.warnings).toEqual([]);
  const other = { path: '/late', acl: 9n };
  const changed = setAclTxn.encode({ path: '/late', acl: secret, version: 1 });
  const mended = await load([snapshot(1, [other]), log([2, 7, changed])]);
  expect(mended.tree.get('/late')?.acl.entries).toEqual(secret);
  expect(mended.warnings).toEqual([]);
});

test('a list of access that is nowhere closes the node, and is said', async () => {
  const { tree, warnings } = await load([snapshot(1, [{ path: '/lost', acl: 9n }])]);
  expect(tree.get('/lost')?.acl.entries).toEqual([
    { perms: 0, id: { scheme: 'world', id: 'anyone' } },
  ]);
  expect(warnings).toEqual([
    'the access list of /lost is nowhere in the files: only a super user can use or change it now',
  ]);
});

test('nodes of sessions that are gone are left out, and said', async () => {
  const nodes = [{ path: '/e', ephemeralOwner: 0x77n }, { path: '/p' }];
  const { tree, warnings } = await load([snapshot(1, nodes)]);
  expect(tree.get('/e')).toBeUndefined();
  expect(tree.get('/p')).toBeDefined();
  expect(warnings).toEqual(['session 0x77 is gone: its nodes /e are left out']);
});

test('a time to live as 3.5.3 marked it is one when that is said', async () => {
  const ephemeralOwner = BigInt.asIntN(64, (1n << 63n) | 60_000n);
  const { tree } = await load([snapshot(1, [{ path: '/ttl', ephemeralOwner }])], true);
  const owner = tree.get('/ttl')?.owner ?? 0n;
  expect([kindOfOwner(owner), ttlMsOf(owner)]).toEqual(['ttl', 60_000]);
});

test('a snapshot that shows later transactions than the log has is refused', async () => {
  const later = snapshot(1, [{ path: '/a', czxid: 3n, mzxid: 3n, pzxid: 3n }]);
  await expect(load([later, log([2, 1, create('/b')])])).rejects.toThrow(
    /shows effects of transaction 0x3, but the log ends at 0x2/,
  );
});

test('a later epoch goes on at its beginning and nowhere else', async () => {
  const epoch = 2 ** 32;
  const { state } = await load([snapshot(5, []), log([2 * epoch + 1, 1, create('/a')])]);
  expect(state.zxid).toBe(BigInt(2 * epoch + 1));
  await expect(load([snapshot(5, []), log([2 * epoch + 2, 1, create('/a')])])).rejects.toThrow(
    /is missing/,
  );
});

test.each([
  ['an unknown type', [2, 99], /unknown type 99/],
  [
    'a multi in a multi',
    [2, 14, multiTxn.encode({ txns: [{ type: 14, data: Buffer.alloc(4) }] })],
    /multi inside/,
  ],
  [
    'bytes behind the record',
    [2, -1, errorTxn.encode({ err: -1 }), Buffer.alloc(3)],
    /3 bytes behind/,
  ],
  ['a record that is cut short', [2, 1, Buffer.alloc(3)], /is cut short/],
] as [string, Transaction, RegExp][])(
  '%s is damage, with file and byte',
  async (_what, transaction, message) => {
    const files = [snapshot(1, []), log(transaction)];
    await expect(load(files)).rejects.toThrow(ForeignDataDamaged);
    await expect(load(files)).rejects.toThrow(message);
    await expect(load(files)).rejects.toThrow('/zk/version-2/log.2 at byte 16');
  },
);
