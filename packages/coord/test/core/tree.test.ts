/**
 * Goal: how a tree holds its nodes (numbers in pages, children as a list through them) never shows.
 * Method: any row of mutations, beside a second tree of plain maps and sets.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openAcl } from '../../src/core/tree/acl.ts';
import { CONTAINER_OWNER, copyOfStat, Node } from '../../src/core/tree/node.ts';
import { NumberStore } from '../../src/core/tree/number-store.ts';
import { Tree } from '../../src/core/tree/tree.ts';

interface Plain {
  czxid: bigint;
  mzxid: bigint;
  pzxid: bigint;
  owner: bigint;
  ctime: number;
  mtime: number;
  version: number;
  data: string;
  readonly children: Set<string>;
}

const names = ['a', 'b', 'c', 'd'];
const parents = ['/zookeeper', '/zookeeper/a', '/zookeeper/b'];
const step = fc.record({
  kind: fc.constantFrom('create', 'create', 'create', 'delete', 'delete', 'set'),
  parent: fc.constantFrom(...parents),
  name: fc.constantFrom(...names),
  owner: fc.constantFrom(0n, 0n, CONTAINER_OWNER, 1n, -1n, 0x7fff_ffff_ffff_fffen),
  data: fc.string({ maxLength: 4 }),
});

test('a tree shows of every node what was done to it, and its children in the order they were made', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const tree = new Tree();
      const plain = new Map<string, Plain>();
      const childrenOf = (path: string): Set<string> | undefined => plain.get(path)?.children;
      steps.forEach(({ kind, parent, name, owner, data }, index) => {
        const path = `${parent}/${name}`;
        const zxid = BigInt(index + 1) << 31n;
        const timeMs = 1_700_000_000_000.5 + index;
        const above = parent === '/zookeeper' ? null : plain.get(parent);
        if (above === undefined) return;
        const known = plain.get(path);
        if (kind === 'create' && known === undefined) {
          tree.create(path, Buffer.from(data), null, owner, index, zxid, timeMs);
          plain.set(path, {
            ...{ czxid: zxid, mzxid: zxid, pzxid: zxid, owner, ctime: timeMs, mtime: timeMs },
            ...{ version: 0, data, children: new Set() },
          });
          childrenOf(parent)?.add(name);
          if (above !== null) above.pzxid = zxid;
        } else if (kind === 'delete' && known?.children.size === 0) {
          tree.delete(path, zxid);
          plain.delete(path);
          childrenOf(parent)?.delete(name);
          if (above !== null) above.pzxid = zxid;
        } else if (kind === 'set' && known !== undefined) {
          tree.setData(path, Buffer.from(data), index, zxid, timeMs);
          Object.assign(known, { version: index, mzxid: zxid, mtime: timeMs, data });
        }
      });
      for (const [path, { children, data, owner, ...numbers }] of plain) {
        const node = tree.get(path);
        if (node === undefined) throw new Error(`${path} is missing`);
        expect({ ...copyOfStat(node) }).toMatchObject(numbers);
        expect(node.owner).toBe(owner);
        expect(node.data?.toString()).toBe(data);
        expect([...(node.children ?? [])]).toEqual([...children]);
        expect(node.numChildren).toBe(children.size);
      }
      expect(tree.nodeCount).toBe(5 + plain.size);
      expect([...tree.mortals()].map(({ path }) => path).sort()).toEqual(
        [...plain].flatMap(([path, { owner }]) => (owner === CONTAINER_OWNER ? [path] : [])).sort(),
      );
    }),
    { numRuns: 400 },
  );
});

test('the place of a node that went is clean, and whoever still has the node sees nothing of the next', () => {
  const numbers = new NumberStore();
  const make = (path: string, zxid: bigint): Node =>
    new Node(path, null, openAcl, 7n, zxid, 5, numbers);
  const nodes = Array.from({ length: 3_000 }, (_, index) => make(`/${index}`, BigInt(index)));
  for (const node of nodes)
    Object.assign(node, { version: 3, aversion: 4, creationCount: 2 ** 40 });
  const gone = nodes[1_500];
  if (gone === undefined) throw new Error('there are 3000');
  gone.leave(numbers);
  gone.leave(numbers); // Once is enough.
  const next = make('/next', 99n);
  expect(copyOfStat(next)).toEqual({
    ...{ czxid: 99n, mzxid: 99n, pzxid: 99n, ctime: 5, mtime: 5, ephemeralOwner: 7n },
    ...{ version: 0, cversion: 0, aversion: 0, dataLength: 0, numChildren: 0 },
  });
  expect([gone.czxid, gone.owner, gone.mtime, gone.version]).toEqual([0n, 0n, 0, 0]);
  nodes.forEach((node, index) => {
    if (node === gone) return;
    expect([node.czxid, node.version, node.aversion, node.creationCount]).toEqual([
      ...[BigInt(index), 3, 4, 2 ** 40],
    ]);
  });
});
