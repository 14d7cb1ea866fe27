/**
 * Goal: every write is checked in the original's order, against what is on its way, and all or nothing.
 */
import { expect, test } from '@jest/globals';
import { zookeeperErrorCodes as errors } from '@odradek/protocol';
import type { Operation } from '../../src/core/transaction/request.ts';
import { CONTAINER_OWNER, ttlOwner } from '../../src/core/tree/node.ts';
import { check, create, remove, SESSION, State, set } from '../support/state.ts';

const wireOf = (state: State, operation: Operation): number => {
  const change = state.write(operation);
  return change.kind === 'error' ? change.wire : 0;
};

function prepared(): State {
  const state = new State({ extendedTypes: true });
  for (const operation of [
    create('/p'),
    create('/p/child'),
    create('/e', 1),
    { ...create('/locked'), acl: [{ perms: 0, id: { scheme: 'world', id: 'anyone' } }] },
  ] as Operation[]) {
    expect(wireOf(state, operation)).toBe(0);
  }
  return state;
}

const ttl = (flags: number, ttlMs: bigint): Operation =>
  ({ ...create('/ttl', flags), variant: 'createTtl', ttlMs }) as Operation;
const container = (flags: number): Operation =>
  ({ ...create('/box', flags), variant: 'createContainer' }) as Operation;
const setAcl = (path: string, acl: unknown, version = -1): Operation =>
  ({ kind: 'setAcl', path, acl, version }) as Operation;
const anyone = [{ perms: 31, id: { scheme: 'world', id: 'anyone' } }];

test.each<{ what: string; operation: Operation; wire: number }>([
  {
    what: 'unknown flags, even with a bad path',
    operation: create('bad', 7),
    wire: errors.BAD_ARGUMENTS,
  },
  { what: 'TTL flags with create', operation: create('/x', 5), wire: errors.BAD_ARGUMENTS },
  { what: 'a path without a slash', operation: create('bad'), wire: errors.BAD_ARGUMENTS },
  {
    what: 'a bad list before a missing parent',
    operation: { ...create('/no/x'), acl: [] } as Operation,
    wire: errors.INVALID_ACL,
  },
  { what: 'a missing parent before a bad path', operation: create('/no//x'), wire: errors.NO_NODE },
  {
    what: 'no permission before a bad name',
    operation: create('/locked/..'),
    wire: errors.NO_AUTH,
  },
  { what: 'a bad name', operation: create('/p/..'), wire: errors.BAD_ARGUMENTS },
  { what: 'a node that exists', operation: create('/p'), wire: errors.NODE_EXISTS },
  { what: 'the root', operation: create('/'), wire: errors.NODE_EXISTS },
  {
    what: 'below an ephemeral',
    operation: create('/e/x'),
    wire: errors.NO_CHILDREN_FOR_EPHEMERALS,
  },
  { what: 'a number heals a bad end', operation: create('/p/', 2), wire: 0 },
  { what: 'flag 4 is a plain node outside a multi', operation: create('/x', 4), wire: 0 },
  { what: 'a TTL of 0', operation: ttl(5, 0n), wire: errors.BAD_ARGUMENTS },
  { what: 'a TTL of 2^40', operation: ttl(5, 2n ** 40n), wire: errors.BAD_ARGUMENTS },
  { what: 'a TTL of -1 with other flags', operation: ttl(0, -1n), wire: errors.BAD_ARGUMENTS },
  { what: 'a TTL node', operation: ttl(5, 1n), wire: 0 },
  { what: 'an ephemeral container', operation: container(1), wire: errors.BAD_ARGUMENTS },
  { what: 'a container', operation: container(4), wire: 0 },
  {
    what: 'delete: a system node',
    operation: remove('/zookeeper/quota'),
    wire: errors.BAD_ARGUMENTS,
  },
  { what: 'delete: a missing parent', operation: remove('/no/x'), wire: errors.NO_NODE },
  {
    what: 'delete: no permission on the parent',
    operation: remove('/locked/x'),
    wire: errors.NO_AUTH,
  },
  { what: 'delete: missing', operation: remove('/x'), wire: errors.NO_NODE },
  { what: 'delete: version before children', operation: remove('/p', 5), wire: errors.BAD_VERSION },
  { what: 'delete: children', operation: remove('/p', 0), wire: errors.NOT_EMPTY },
  { what: 'setData: bad path', operation: set('/p/'), wire: errors.BAD_ARGUMENTS },
  { what: 'setData: missing', operation: set('/x'), wire: errors.NO_NODE },
  {
    what: 'setData: permission before version',
    operation: set('/locked', 9),
    wire: errors.NO_AUTH,
  },
  { what: 'setData: version', operation: set('/p', 1), wire: errors.BAD_VERSION },
  {
    what: 'setData: version -2 is no wildcard',
    operation: set('/p', -2),
    wire: errors.BAD_VERSION,
  },
  { what: 'setAcl: list before node', operation: setAcl('/x', []), wire: errors.INVALID_ACL },
  { what: 'setAcl: missing', operation: setAcl('/x', anyone), wire: errors.NO_NODE },
  { what: 'setAcl: permission', operation: setAcl('/locked', anyone), wire: errors.NO_AUTH },
  { what: 'setAcl: version', operation: setAcl('/p', anyone, 3), wire: errors.BAD_VERSION },
])('$what', ({ operation, wire }) => {
  expect(wireOf(prepared(), operation)).toBe(wire);
});

test('without extended types there is no TTL node', () => {
  expect(wireOf(new State(), ttl(5, 1000n))).toBe(errors.UNIMPLEMENTED);
});

test('kinds of nodes are in their owner', () => {
  const state = prepared();
  state.write(ttl(6, 1000n));
  state.write(container(0));
  expect(state.tree.get('/ttl0000000003')?.owner).toBe(ttlOwner(1000));
  expect(state.tree.get('/box')?.owner).toBe(CONTAINER_OWNER);
  expect(state.tree.get('/box')?.ephemeralOwner).toBe(0n);
  expect(state.tree.get('/e')?.ephemeralOwner).toBe(SESSION);
});

test('writes on their way are seen by those behind them', () => {
  const state = new State();
  const records = [
    state.prepare(create('/a')),
    state.prepare(create('/a/s-', 2)),
    state.prepare(create('/a/s-', 2)),
    state.prepare(set('/a', 0)),
    state.prepare(set('/a', 1)),
    state.prepare(set('/a', 1)),
    state.prepare(remove('/a')),
    state.prepare(remove('/a/s-0000000000')),
    state.prepare(remove('/a/s-0000000001')),
    state.prepare(remove('/a', 2)),
    state.prepare(create('/a')),
  ];
  const outcome = records.map(({ change }) =>
    change.kind === 'error' ? change.wire : change.kind,
  );
  expect(outcome).toEqual([
    'create',
    'create',
    'create',
    'setData',
    'setData',
    errors.BAD_VERSION,
    errors.NOT_EMPTY,
    'delete',
    'delete',
    'delete',
    'create',
  ]);
  for (const record of records) state.apply(record);
  expect(state.preparer.outstandingCount).toBe(0);
  expect(state.tree.get('/a')).toMatchObject({ version: 0, numChildren: 0, cversion: 0 });
  expect(state.tree.get('/')).toMatchObject({ numChildren: 2, cversion: -1 + 3 });
});

test('a multi sees its own earlier operations, and numbers go on', () => {
  const state = new State();
  const change = state.write({
    kind: 'multi',
    operations: [
      create('/m'),
      create('/m/s-', 2),
      create('/m/s-', 2),
      set('/m', 0),
      set('/m', 1),
      check('/m', 2),
      create('/m/gone'),
      remove('/m/gone'),
    ],
  });
  expect(change.kind).toBe('multi');
  const { zxid } = state;
  expect(state.tree.get('/m')).toMatchObject({
    czxid: zxid,
    mzxid: zxid,
    pzxid: zxid,
    version: 2,
    numChildren: 2,
    cversion: 4,
  });
  expect([...(state.tree.get('/m')?.children ?? [])]).toEqual(['s-0000000000', 's-0000000001']);
});

test('a multi that fails leaves no trace, neither in the tree nor in what is on its way', () => {
  const state = new State();
  state.write(create('/kept', 0, 'old'));
  const pending = state.prepare(set('/kept', 0));
  const failed = state.prepare({
    kind: 'multi',
    operations: [
      set('/kept', 1),
      remove('/kept'),
      create('/new'),
      remove('/missing'),
      create('/more'),
    ],
  });
  expect(failed.change).toEqual({ kind: 'error', wire: errors.NO_NODE, failedIndex: 3 });
  const next = state.prepare(set('/kept', 1));
  expect(next.change).toMatchObject({ kind: 'setData', version: 2 });
  expect(state.prepare(create('/new')).change.kind).toBe('create');
  for (const record of [pending, failed, next]) state.apply(record);
  expect(state.tree.get('/kept')?.version).toBe(2);
});

test('the end of a session takes its ephemerals, those on their way included, and then it may not write', () => {
  const state = new State();
  state.write(create('/z', 1));
  state.write(create('/a', 1));
  state.write(create('/deleted', 1));
  const records = [
    state.prepare(create('/m', 1)),
    state.prepare(remove('/deleted')),
    state.prepare({ kind: 'closeSession' }),
    state.prepare(create('/late', 1)),
    state.prepare({ kind: 'closeSession' }),
    state.prepare(create('/z'), 0x200n),
  ];
  expect(records[2]?.change).toEqual({ kind: 'closeSession', paths: ['/a', '/m', '/z'] });
  const expired = { kind: 'error', wire: errors.SESSION_EXPIRED, failedIndex: -1 };
  expect(records.slice(3).map(({ change }) => change)).toEqual([expired, expired, expired]);
  for (const record of records) state.apply(record);
  expect(state.sessions.has(SESSION)).toBe(false);
  expect(state.tree.ephemeralCount).toBe(0);
  expect([...(state.tree.get('/')?.children ?? [])]).toEqual(['zookeeper']);
});

test('the reaper looks again: what was used meanwhile stays', () => {
  const state = new State();
  state.write(container(4));
  state.prepare(create('/box/child'));
  expect(state.prepare({ kind: 'reap', path: '/box' }, 0n).change).toMatchObject({
    wire: errors.NOT_EMPTY,
  });
  const plain = new State();
  plain.write(create('/plain'));
  expect(plain.write({ kind: 'reap', path: '/plain' }, 0n)).toMatchObject({
    wire: errors.BAD_ARGUMENTS,
  });
  plain.write(container(4));
  expect(plain.write({ kind: 'reap', path: '/box' }, 0n)).toEqual({ kind: 'delete', path: '/box' });
});

test('numbers of sequential nodes do not end at 2^31', () => {
  const state = new State();
  state.write(create('/p'));
  const node = state.tree.get('/p');
  if (node !== undefined) node.creationCount = 2 ** 31;
  expect(state.write(create('/p/s-', 2))).toMatchObject({ path: '/p/s-2147483648' });
  expect(state.write(create('/p/s-', 2))).toMatchObject({ path: '/p/s-2147483649' });
});
