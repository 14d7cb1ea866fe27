/**
 * Operations as they are drawn by chance: paths good and bad, versions, lists, flags, watches, damaged bodies.
 * Not drawn: what is known to kill or corrupt the original, and what the two answer differently on purpose
 * (docs/coordination-differences.md).
 */
import fc from 'fast-check';
import {
  type AclName,
  aclNames,
  type HeldWatches,
  type Operation,
  type Part,
  type ReadPart,
  type Request,
  type Since,
} from './sequence.ts';

export const paths = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom('@/a', '@/b', '@/a/x', '@/a/y', '@', '@/a/x/z') },
  {
    weight: 8,
    arbitrary: fc.constantFrom('@/e', '@/é', '@/a.b', '@/...', '@/a/s-', '@/s-', '@/a/', '@/b/s-'),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        fc.constantFrom('@/a/s-', '@/s-', '@/a/', '@/b/s-', '@/'),
        fc.integer({ min: 0, max: 5 }),
      )
      .map(([stem, count]) => `${stem}${String(count).padStart(10, '0')}`),
  },
  { weight: 3, arbitrary: fc.constantFrom('/', '/zookeeper', '/zookeeper/config', '/nope/x') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      null,
      '',
      'a',
      '@/',
      '@//a',
      '/.',
      '@/.',
      '@/..',
      '@/./x',
      '@/a/../b',
      '@/\u0000',
      '@/a\u0001',
      '@/\u007f',
      '@/\u0085',
      '@/\u00a0',
      '@/\ue000',
      '@/\uf8ff',
      '@/\uf900',
      '@/\uffef',
      '@/\ufff0',
      '@/\u{1f600}',
      '@/\u200b',
    ),
  },
);
/** A null path is unreadable to us; the original takes it for a good one in addWatch. */
const named = paths.map((path) => path ?? '');
/** Reading the root's children would be reading the names of all sequences so far. */
export const listedPaths = paths.map((path) => (path === '/' || path === '' ? '/zookeeper' : path));
export const plainPaths = fc.constantFrom(
  '@/a',
  '@/b',
  '@/a/x',
  '@/a/y',
  '@',
  '@/e',
  '@/a/x/z',
  '/nope',
);
const data = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('x', 'data', 'é\u0000é') },
  { weight: 1, arbitrary: fc.constantFrom(null, '', 'y'.repeat(2000)) },
);
export const versions = fc.oneof(
  { weight: 5, arbitrary: fc.constant(-1) },
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 2) },
  { weight: 1, arbitrary: fc.constantFrom(-2, 99, 2 ** 31 - 1, -(2 ** 31)) },
);
export const aclsNamed = (names: readonly AclName[]): fc.Arbitrary<AclName> =>
  fc.constantFrom(...names);
const acls = fc.oneof(
  { weight: 12, arbitrary: fc.constant<AclName>('open') },
  { weight: 3, arbitrary: fc.constantFrom<AclName>('auth', 'digest or read', 'read', 'digest') },
  { weight: 2, arbitrary: fc.constantFrom(...aclNames) },
);
export const flags = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 0, 1, 2, 3) },
  { weight: 1, arbitrary: fc.constantFrom(4, 5, 6, 7, -1) },
);
const ttls = fc.constantFrom(60_000, 1, 0, -5, 2 ** 40 - 1, 2 ** 40);
const watch = fc.oneof(
  { weight: 3, arbitrary: fc.constant(false) },
  { weight: 2, arbitrary: fc.constant(true) },
);

export const creates: fc.Arbitrary<Part> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      op: fc.constantFrom('create', 'create', 'create2'),
      path: paths,
      data,
      acl: acls,
      flags,
    }),
  },
  {
    weight: 2,
    // With other flags the original makes what it should refuse.
    arbitrary: fc.record({
      op: fc.constant('createContainer'),
      path: paths,
      data,
      acl: acls,
      flags: fc.constantFrom(0, 4, 4, 7, -1),
    }),
  },
  {
    weight: 1,
    // Other flags with ttl -1 end the original for good.
    arbitrary: fc.record({
      op: fc.constant('createTtl'),
      path: paths,
      acl: acls,
      flags: fc.constantFrom(5, 6),
      ttl: ttls,
    }),
  },
);
const changes: fc.Arbitrary<Part> = fc.oneof(
  // Without a path and with flags that do not exist: two mistakes, of which the original names the other.
  {
    weight: 5,
    arbitrary: creates.map((part) => (part.path === null ? { ...part, path: '' } : part)),
  },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('delete'), path: paths, version: versions }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('setData'), path: paths, data, version: versions }),
  },
);
const parts: fc.Arbitrary<Part> = fc.oneof(
  { weight: 4, arbitrary: changes },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('check'), path: paths, version: versions }) },
);
const readParts: fc.Arbitrary<ReadPart> = fc.record({
  op: fc.constantFrom('getData', 'getChildren'),
  path: listedPaths,
});
const ended = fc.integer({ min: 0, max: 19 }).map((drawn) => drawn > 0);
const multis: fc.Arbitrary<Operation> = fc.record({
  op: fc.constant('multi'),
  parts: fc.array(
    fc.oneof<fc.WeightedArbitrary<Part | ReadPart>[]>(
      { weight: 30, arbitrary: parts },
      { weight: 1, arbitrary: readParts },
    ),
    { maxLength: 5 },
  ),
  ended,
});
const multiReads: fc.Arbitrary<Operation> = fc.record({
  op: fc.constant('multiRead'),
  parts: fc.array(
    fc.oneof<fc.WeightedArbitrary<Part | ReadPart>[]>(
      { weight: 30, arbitrary: readParts },
      { weight: 1, arbitrary: parts },
    ),
    { maxLength: 4 },
  ),
  ended,
});

const since = fc.constantFrom<Since>('ever', 'start', 'now', 'now', 'future');
const pathLists = fc.array(plainPaths, { maxLength: 3 });
export const held: fc.Arbitrary<HeldWatches> = fc.oneof(
  fc.record({ since, data: pathLists, exist: pathLists, child: pathLists }),
  fc.record({
    since,
    data: pathLists,
    exist: pathLists,
    child: pathLists,
    persistent: pathLists,
    recursive: pathLists,
  }),
);

const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 26, arbitrary: changes },
  {
    weight: 14,
    arbitrary: fc.record({
      op: fc.constantFrom('exists', 'getData'),
      path: paths.map((path) => (path === '' ? '/' : path)), // The original leaves a watch on '' that never fires.
      watch,
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      op: fc.constantFrom('getChildren', 'getChildren2'),
      path: listedPaths,
      watch,
    }),
  },
  { weight: 8, arbitrary: multis },
  { weight: 3, arbitrary: multiReads },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constantFrom('getAcl', 'sync', 'getEphemerals'),
      // The original spells characters above U+FFFF wrongly when sync gives the path back.
      path: paths.map((path) => path?.replace(/[^\0-\uffff]/gu, '') ?? null),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('getAllChildrenNumber'),
      path: paths.map((path) => (path === '' ? '/' : path)), // By its other name the original's root counts itself.
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('setAcl'),
      path: paths.map((path) => (path?.startsWith('@') ? path : '@/a')),
      acl: acls,
      version: versions,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('addWatch'),
      path: named,
      mode: fc.constantFrom(0, 0, 1, 1, 2, -1),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constantFrom('removeWatches', 'checkWatches'),
      path: plainPaths,
      type: fc.constantFrom(1, 2, 3, 3, 4, 5, 0, 6),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('setWatches'), held }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('ping', 'whoAmI') }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('reconfig'),
      joining: fc.constantFrom(
        null,
        'server.2=localhost:2889:3889:participant;2182',
        'nonsense',
        '',
      ),
      leaving: fc.constantFrom(null, '1', '2,3', ''),
      members: fc.constantFrom(null, null, 'server.1=localhost:2888:3888'),
      config: fc.constantFrom(-1, 0, 5),
    }),
  },
);

const damages = fc.oneof(
  fc.record({ kind: fc.constant('cut'), bytes: fc.integer({ min: 1, max: 24 }) }),
  fc.record({ kind: fc.constant('longer'), bytes: fc.integer({ min: 1, max: 5 }) }),
  fc.record({
    kind: fc.constant('flip'),
    at: fc.nat(80),
    mask: fc.integer({ min: 1, max: 255 }),
  }),
);
const holdsTtl = (operation: Operation): boolean =>
  operation.op === 'createTtl' ||
  (operation.op === 'multi' && operation.parts.some(({ op }) => op === 'createTtl'));
/**
 * A flipped byte can make a TTL node of another part of a multi; and a list with a negative count, which the
 * original takes for an empty one.
 */
const unflippable: ReadonlySet<Operation['op']> = new Set([
  'multi',
  'multiRead',
  'create',
  'create2',
  'createContainer',
  'createTtl',
  'setAcl',
  'setWatches',
]);
export const requests: fc.Arbitrary<Request> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ operation: operations }) },
  {
    weight: 1,
    arbitrary: fc
      .record({ operation: operations, damage: damages })
      .map(({ operation, damage }) =>
        holdsTtl(operation) || (damage.kind === 'flip' && unflippable.has(operation.op))
          ? { operation }
          : { operation, damage },
      ),
  },
);
