/**
 * Goal: whatever moment a snapshot began and ended at, snapshot plus log is the live tree.
 * Method: any row of writes; a fuzzy snapshot is read in slices while they are applied; then recovery
 * as the server does it.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SessionTable } from '../../src/core/session/session-table.ts';
import { apply, nobody } from '../../src/core/transaction/apply.ts';
import type { WriteRequest } from '../../src/core/transaction/request.ts';
import { CONTAINER_OWNER, ttlOwner } from '../../src/core/tree/node.ts';
import { type StoredNode, storedForm, Tree } from '../../src/core/tree/tree.ts';
import {
  decodeEntry,
  decodeRecord,
  encodeEntry,
  encodeNode,
  encodeRecord,
  UnreadableRecord,
} from '../../src/server/record-codec.ts';
import { contents, create, remove, SESSION, State, set } from '../support/state.ts';

const path = fc.constantFrom('/a', '/b', '/a/x', '/a/y', '/b/x', '/a/x/deep');
const operation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(path, fc.constantFrom(0, 0, 0, 1, 2))
      .map(([at, flags]) => create(at, flags, at)),
  },
  { weight: 3, arbitrary: path.map((at) => remove(at)) },
  { weight: 2, arbitrary: path.map((at) => set(at, -1, 'changed')) },
  {
    weight: 1,
    arbitrary: path.map((at) => ({
      kind: 'setAcl' as const,
      path: at,
      acl: [{ perms: 31, id: { scheme: 'ip', id: '1.1.1.1/0' } }],
      version: -1,
    })),
  },
);
const request: fc.Arbitrary<WriteRequest> = fc.oneof(
  { weight: 8, arbitrary: operation },
  {
    weight: 2,
    arbitrary: fc
      .array(operation, { maxLength: 4 })
      .map((operations) => ({ kind: 'multi' as const, operations })),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'closeSession' as const }) },
);

test('recovery from a fuzzy snapshot and the log gives the live tree', () => {
  fc.assert(
    fc.property(
      fc.array(request, { maxLength: 60 }),
      fc.nat(59),
      fc.array(fc.nat(4), { minLength: 60, maxLength: 60 }),
      (requests, beginsAt, slices) => {
        const state = new State({ skipAcl: true });
        const snapshot: Buffer[] = [];
        let snapshotZxid: bigint | null = null;
        let nodes: Iterator<Parameters<Tree['restore']>[0]> | null = null;
        const pull = (count: number): void => {
          for (let taken = 0; nodes !== null && taken < count; taken += 1) {
            const { done, value } = nodes.next();
            if (done) return;
            snapshot.push(encodeEntry({ kind: 'node', node: value }));
          }
        };
        for (const [index, one] of requests.entries()) {
          if (index === beginsAt) {
            snapshotZxid = state.zxid;
            for (const session of state.sessions.all()) {
              snapshot.push(encodeEntry({ kind: 'session', session }));
            }
            nodes = state.tree.stored();
          }
          if (one.kind !== 'createSession' && !state.sessions.has(SESSION))
            state.openSession(SESSION);
          state.write(one);
          pull(slices[index] ?? 0);
        }
        pull(Number.POSITIVE_INFINITY);

        const tree = new Tree();
        const sessions = new SessionTable();
        for (const bytes of snapshot) {
          const entry = decodeEntry(bytes);
          if (entry.kind === 'node') tree.restore(entry.node);
          else sessions.open(entry.session);
        }
        for (const record of state.records) {
          if (snapshotZxid !== null && record.zxid <= snapshotZxid) continue;
          apply(decodeRecord(encodeRecord(record)), tree, sessions, nobody);
        }
        expect(contents(tree)).toEqual(contents(state.tree));
        expect([...sessions.all()]).toEqual([...state.sessions.all()]);
        expect(tree.dataSizeBytes).toBe(state.tree.dataSizeBytes);
        expect(tree.nodeCount).toBe(state.tree.nodeCount);
        expect([...tree.ephemeralsOf(SESSION)].sort()).toEqual(
          [...state.tree.ephemeralsOf(SESSION)].sort(),
        );
      },
    ),
    { numRuns: 300 },
  );
});

test('what a snapshot has of a later life of a node is left alone by the log of an earlier one', () => {
  const state = new State();
  for (const one of [
    create('/b', 0, 'first'),
    set('/b'),
    remove('/b'),
    create('/b'),
    create('/b/x'),
  ]) {
    state.write(one);
  }
  const tree = new Tree();
  for (const node of state.tree.stored()) tree.restore(node); // Begun before all that, ended after it.
  for (const record of state.records) apply(record, tree, new SessionTable(), nobody);
  expect(contents(tree)).toEqual(contents(state.tree));
  expect([...(tree.get('/b')?.children ?? [])]).toEqual(['x']);
});

test('the tree keeps its equations after any row of writes', () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 60 }), (requests) => {
      const state = new State({ skipAcl: true });
      for (const one of requests) state.write(one);
      for (const { path: at } of state.tree.stored()) {
        const node = state.tree.get(at);
        if (node === undefined) throw new Error(`${at} is listed and not there`);
        expect(node.pzxid >= node.czxid && node.mzxid >= node.czxid).toBe(true);
        const below = [...state.tree.stored()].filter(
          ({ path: other }) => other !== '/' && other.slice(0, other.lastIndexOf('/') || 1) === at,
        );
        expect(node.numChildren).toBe(below.length);
        expect(node.cversion).toBe(2 * node.creationCount - below.length);
      }
      const root = state.tree.get('/');
      if (root !== undefined) {
        expect(state.tree.countDescendants(root)).toBe([...state.tree.stored()].length - 1);
      }
      expect(state.preparer.outstandingCount).toBe(0);
    }),
  );
});

test.each([
  { what: 'no msgpack', bytes: Buffer.from([0xc1]) },
  { what: 'no list', bytes: Buffer.from([0x05]) },
  { what: 'too few fields', bytes: Buffer.from([0x91, 0x01]) },
  { what: 'an unknown kind', bytes: Buffer.from([0x91, 0x63]) },
])('a record that is $what is refused', ({ bytes }) => {
  expect(() => decodeRecord(bytes)).toThrow(UnreadableRecord);
  expect(() => decodeEntry(bytes)).toThrow(UnreadableRecord);
});

test('a node is written to a snapshot as it is, whatever it holds, by the short way and by the long one', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 });
  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  const time = fc.double({ min: 0, max: 2 ** 50, noNaN: true });
  const size = fc.oneof(fc.nat(300), fc.constantFrom(255, 256, 1_023, 1_024, 70_000));
  const inHex = (node: StoredNode): unknown => ({ ...node, data: node.data?.toString('hex') });
  const list = fc.constantFrom(null, [{ perms: 31, id: { scheme: 'ip', id: '1.1.1.1/0' } }], []);
  fc.assert(
    fc.property(
      fc.record({
        path: text.map((name) => `/${name}`),
        data: fc.option(size.map((sizeBytes) => Buffer.alloc(sizeBytes, 0xe9))),
        acl: list,
        owner: fc.oneof(int64, fc.constantFrom(0n, CONTAINER_OWNER, ttlOwner(5))),
        ...{ czxid: int64, mzxid: int64, pzxid: int64, ctime: time, mtime: time },
        ...{ version: int32, aversion: int32, creationCount: fc.nat() },
      }),
      (stored) => {
        const tree = new Tree();
        tree.restore(stored);
        const node = tree.get(stored.path);
        if (node === undefined) throw new Error('it was just restored');
        const expected = inHex(stored);
        expect(inHex(storedForm(node))).toEqual(expected);
        for (const bytes of [encodeNode(node), encodeEntry({ kind: 'node', node: stored })]) {
          const entry = decodeEntry(bytes);
          expect(entry.kind === 'node' && inHex(entry.node)).toEqual(expected);
        }
      },
    ),
    { numRuns: 500 },
  );
});
