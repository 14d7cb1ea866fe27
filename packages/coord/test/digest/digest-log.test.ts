/** Goal: what is kept from transaction to transaction is what counting the whole tree gives. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { WriteRequest } from '../../src/core/transaction/request.ts';
import { DigestLog } from '../../src/digest/digest-log.ts';
import { treeDigest } from '../../src/digest/tree-digest.ts';
import { create, remove, State, set } from '../support/state.ts';

const EVERY = 128n;
const NOTED_MAX = 1024;

const paths = fc.constantFrom('/a', '/b', '/a/x', '/a/y', '/a/x/z', '/zookeeper/quota/a');
const single: fc.Arbitrary<WriteRequest> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(paths, fc.nat(3)).map(([path, flags]) => create(path, flags)) },
  { weight: 2, arbitrary: paths.map((path) => remove(path)) },
  { weight: 3, arbitrary: fc.tuple(paths, fc.string()).map(([path, data]) => set(path, -1, data)) },
  {
    weight: 1,
    arbitrary: paths.map(
      (path): WriteRequest => ({
        kind: 'setAcl',
        path,
        acl: [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }],
        version: -1,
      }),
    ),
  },
);
const requests: fc.Arbitrary<WriteRequest> = fc.oneof(
  { weight: 20, arbitrary: single },
  {
    weight: 2,
    arbitrary: fc.tuple(paths, paths).map(
      ([one, two]): WriteRequest => ({
        kind: 'multi',
        operations: [create(one), set(two, -1, 'm')],
      }),
    ),
  },
  { weight: 1, arbitrary: fc.constant<WriteRequest>({ kind: 'closeSession' }) },
);

test('every noted digest is the one of the tree at that transaction', () => {
  fc.assert(
    fc.property(fc.array(requests, { minLength: 300, maxLength: 500 }), (row) => {
      const state = new State();
      for (const request of row.slice(0, 20)) state.write(request);
      const digests = new DigestLog(state.tree);
      const expected: string[] = [];
      const write = (request: WriteRequest): void => {
        const record = state.prepare(request);
        digests.applying(record.change);
        state.apply(record);
        digests.applied(record.zxid);
        if (record.zxid % EVERY === 0n) expected.push(`${record.zxid}: ${treeDigest(state.tree)}`);
      };
      for (const request of row) {
        write(request);
        // Whose session ended begins another one.
        if (request.kind === 'closeSession')
          write({ kind: 'createSession', timeoutMs: 4000, password: Buffer.alloc(16) });
      }
      expect(expected.length).toBeGreaterThan(1);
      expect(digests.noted.map(({ zxid, digest }) => `${zxid}: ${digest}`)).toEqual(expected);
    }),
    { numRuns: 30 },
  );
});

test('the oldest are forgotten', () => {
  const digests = new DigestLog(new State().tree);
  for (let n = 1n; n <= BigInt(NOTED_MAX) + 5n; n += 1n) digests.applied(n * EVERY);
  expect(digests.noted).toHaveLength(NOTED_MAX);
  expect(digests.noted[0]?.zxid).toBe(6n * EVERY);
});
