/**
 * Goal: each checker says nothing about a history that is right, and finds the one thing that is wrong with
 * each of its neighbours.
 */
import { describe, expect, test } from '@jest/globals';
import type { Change, TransactionRecord } from '@odradek/coord';
import { checkAnswers } from '../../src/checkers/answers.ts';
import { CommittedOrder } from '../../src/checkers/committed-order.ts';
import { checkFinalTrees } from '../../src/checkers/final-tree.ts';
import { Leaders } from '../../src/checkers/leaders.ts';
import { decides } from '../../src/checkers/majority.ts';
import { checkSessionOrder } from '../../src/checkers/session-order.ts';
import { checkSessions } from '../../src/checkers/sessions.ts';
import { VersionedTree } from '../../src/checkers/versioned-tree.ts';
import { checkWatches } from '../../src/checkers/watches.ts';
import type {
  Arrival,
  Exchange,
  KeeperAnswer,
  KeeperRequest,
  LinkHistory,
  SessionHistory,
} from '../../src/keeper/history.ts';

const SESSION = 0x100n;
const MS = 1_000;

const record = (zxid: number, change: Change, sessionId = SESSION): TransactionRecord => ({
  zxid: BigInt(zxid),
  timeMs: 5,
  sessionId,
  change,
});
const opened = (zxid: number, sessionId = SESSION): TransactionRecord =>
  record(zxid, { kind: 'createSession', timeoutMs: 400, password: Buffer.alloc(16) }, sessionId);
const closed = (zxid: number, paths: string[] = []): TransactionRecord =>
  record(zxid, { kind: 'closeSession', paths });
const create = (path: string, nth: number, data = '', owner = 0n): Change => ({
  kind: 'create',
  path,
  data: Buffer.from(data),
  acl: null,
  owner,
  parentCreationCount: nth,
});
const set = (path: string, data: string, version: number): Change => ({
  kind: 'setData',
  path,
  data: Buffer.from(data),
  version,
});

/** The history that all neighbours are made of. */
const RIGHT: readonly TransactionRecord[] = [
  opened(1),
  record(2, create('/r', 1)),
  record(3, set('/r', 'x', 1)),
  record(4, create('/r/q-0000000000', 1, 'q')),
  record(5, create('/r/e', 2, 'e', SESSION)),
  record(6, set('/r', 'y', 2)),
  closed(7, ['/r/e']),
];

function orderOf(records: readonly TransactionRecord[]): CommittedOrder {
  const order = new CommittedOrder();
  order.loading('a', 0n);
  for (const each of records) order.applied('a', each, Number(each.zxid) * MS);
  return order;
}

const treeOf = (records: readonly TransactionRecord[]): VersionedTree =>
  new VersionedTree(orderOf(records).transactions);

function exchange(
  request: KeeperRequest,
  answer: KeeperAnswer | null,
  calledAtMs: number,
  answeredAtMs = calledAtMs + 1,
): Exchange {
  return { request, answer, calledAtUs: calledAtMs * MS, answeredAtUs: answeredAtMs * MS };
}

function linkOf(arrivals: readonly Arrival[], lost: readonly Exchange[] = []): LinkHistory {
  const answered = arrivals.flatMap((each) => (each.kind === 'answer' ? [each.exchange] : []));
  return {
    client: 'c',
    server: 'a',
    sessionId: SESSION,
    timeoutMs: 400,
    establishedAtUs: 0,
    lastZxidSeen: 0n,
    exchanges: [...answered, ...lost],
    arrivals: [...arrivals],
    faults: [],
  };
}

function sessionOf(links: LinkHistory[], rest: Partial<SessionHistory> = {}): SessionHistory {
  return {
    client: 'c',
    sessionId: SESSION,
    timeoutMs: 400,
    openedAtUs: 0,
    links,
    refusedAtUs: null,
    closeAskedAtUs: null,
    ...rest,
  };
}

const answered = (each: Exchange): Arrival => ({ kind: 'answer', exchange: each });
const event = (type: number, path: string, zxid: number): Arrival => ({
  kind: 'event',
  event: { type, path, zxid: BigInt(zxid), atUs: 0 },
});

describe('agreement', () => {
  test('servers that apply the same, from wherever they begin', () => {
    const order = orderOf(RIGHT);
    order.loading('b', 3n);
    for (const each of RIGHT.slice(1, 5)) order.replayed('b', each);
    for (const each of RIGHT.slice(5)) order.applied('b', each, 9);
    expect(order.breaches).toEqual([]);
    expect(order.positionOf('b')).toBe(7n);
  });

  test.each([
    { wrong: 'one is left out', records: RIGHT.filter((_, index) => index !== 3) },
    {
      wrong: 'one is another',
      records: RIGHT.map((each) => (each.zxid === 3n ? record(3, set('/r', 'z', 1)) : each)),
    },
    { wrong: 'two are exchanged', records: [...RIGHT.slice(0, 3), ...RIGHT.slice(3, 5).reverse()] },
    { wrong: 'one comes twice', records: [...RIGHT, ...RIGHT.slice(-1)] },
    { wrong: 'one has another time', records: RIGHT.map((each) => ({ ...each, timeMs: 6 })) },
  ])('a server for which $wrong', ({ records }) => {
    const order = orderOf(RIGHT);
    order.loading('b', 0n);
    for (const each of records) order.applied('b', each, 9);
    expect(order.breaches).not.toEqual([]);
  });

  test('an end of a log that nobody committed counts only when the server goes on from it', () => {
    const order = orderOf(RIGHT);
    order.loading('b', 0n);
    for (const each of [...RIGHT, record(8, set('/r', 'nobody', 3))]) order.replayed('b', each);
    order.loading('b', 0n);
    for (const each of RIGHT) order.replayed('b', each);
    order.applied('b', record(9, set('/r', 'z', 3)), 9);
    expect(order.breaches).toEqual([]);
    order.applied('a', record(8, set('/r', 'nobody', 3)), 9);
    expect(order.breaches).toHaveLength(1);
  });
});

describe('transactions', () => {
  test('right ones', () => expect(treeOf(RIGHT).breaches).toEqual([]));

  test.each<{ wrong: string; records: TransactionRecord[] }>([
    {
      wrong: 'a version jumps',
      records: [record(2, create('/r', 1)), record(3, set('/r', 'x', 2))],
    },
    {
      wrong: 'a node is made twice',
      records: [record(2, create('/r', 1)), record(3, create('/r', 2))],
    },
    { wrong: 'there is no parent', records: [record(2, create('/r/x', 1))] },
    {
      wrong: 'a parent lives with its session',
      records: [record(2, create('/e', 1, '', SESSION)), record(3, create('/e/x', 1))],
    },
    { wrong: 'a session owns what it never made', records: [closed(2, ['/r'])] },
    {
      wrong: 'an ephemeral is forgotten',
      records: [record(2, create('/e', 1, '', SESSION)), closed(3)],
    },
    {
      wrong: 'a session writes after its end',
      records: [closed(2), record(3, create('/e', 1, '', SESSION))],
    },
    { wrong: 'a session ends twice', records: [closed(2), closed(3)] },
    {
      wrong: 'a number is given again',
      records: [
        record(2, create('/r', 1)),
        record(3, create('/r/q-0000000001', 1)),
        record(4, create('/r/p-0000000001', 2)),
      ],
    },
    { wrong: 'what is not there is deleted', records: [record(2, { kind: 'delete', path: '/r' })] },
  ])('$wrong', ({ records }) => {
    expect(treeOf([opened(1), ...records]).breaches).not.toEqual([]);
  });
});

describe('answers', () => {
  const judge = (request: KeeperRequest, answer: KeeperAnswer): string[] =>
    checkAnswers(
      [sessionOf([linkOf([answered(exchange(request, answer, 1))])])],
      orderOf(RIGHT),
      treeOf(RIGHT),
    );
  const write = { kind: 'setData', path: '/r', data: 'x', version: -1 } as const;
  const read = { kind: 'getData', path: '/r', watch: false } as const;
  const list = { kind: 'getChildren', path: '/r', watch: false } as const;

  test.each<[string, KeeperRequest, KeeperAnswer, boolean]>([
    ['a write at its zxid', write, { zxid: 3n, err: 0 }, true],
    ['a write at the zxid of another', write, { zxid: 6n, err: 0 }, false],
    ['a write that nobody committed', write, { zxid: 9n, err: 0 }, false],
    ['a refusal of what was carried out', write, { zxid: 3n, err: -103 }, false],
    ['a reading', read, { zxid: 5n, err: 0, data: 'x' }, true],
    ['an old reading at a new zxid', read, { zxid: 6n, err: 0, data: 'x' }, false],
    ['a reading of the future', read, { zxid: 3n, err: 0, data: 'y' }, false],
    ['no node where there is one', read, { zxid: 3n, err: -101 }, false],
    ['no node where there is none', read, { zxid: 1n, err: -101 }, true],
    ['children', list, { zxid: 5n, err: 0, children: ['e', 'q-0000000000'] }, true],
    ['a child too few', list, { zxid: 5n, err: 0, children: ['e'] }, false],
    ['another child', list, { zxid: 5n, err: 0, children: ['f', 'q-0000000000'] }, false],
    [
      'an ephemeral after its session',
      list,
      { zxid: 7n, err: 0, children: ['e', 'q-0000000000'] },
      false,
    ],
    [
      'a Stat that is wrong',
      read,
      {
        zxid: 6n,
        err: 0,
        data: 'y',
        stat: {
          czxid: 2n,
          mzxid: 3n,
          pzxid: 5n,
          version: 2,
          cversion: 2,
          ephemeralOwner: 0n,
          numChildren: 2,
        },
      },
      false,
    ],
  ])('%s', (_, request, answer, isRight) => {
    const found = judge(request, answer);
    if (isRight) expect(found).toEqual([]);
    else expect(found).toHaveLength(1);
  });
});

describe('order', () => {
  const read = { kind: 'getData', path: '/r', watch: false } as const;
  const sync = { kind: 'sync', path: '/' } as const;
  const write = (data: string): KeeperRequest => ({
    kind: 'setData',
    path: '/r',
    data,
    version: -1,
  });
  const at = (zxid: number): KeeperAnswer => ({ zxid: BigInt(zxid), err: 0 });
  const judge = (...links: Exchange[][]): string[] =>
    checkSessionOrder(
      links.map((exchanges, index) => ({
        ...sessionOf([linkOf(exchanges.filter(({ answer }) => answer !== null).map(answered))]),
        sessionId: BigInt(index),
      })),
      orderOf(RIGHT),
    );

  test('right', () => {
    expect(
      judge(
        [exchange(write('x'), at(3), 1), exchange(read, at(3), 4)],
        [exchange(sync, at(3), 4), exchange(read, at(5), 5), exchange(write('y'), at(6), 6)],
      ),
    ).toEqual([]);
  });
  test('an old state may be read by another session, unless it has synced', () => {
    const first = [exchange(write('x'), at(3), 1)];
    expect(judge(first, [exchange(read, at(2), 5)])).toEqual([]);
    expect(judge(first, [exchange(sync, at(2), 5)])).not.toEqual([]);
    expect(judge(first, [exchange(sync, at(3), 5), exchange(read, at(2), 7)])).not.toEqual([]);
  });
  test('a session that goes back', () => {
    expect(judge([exchange(write('x'), at(3), 1), exchange(read, at(2), 4)])).not.toEqual([]);
  });
  test('a write that is put before one that had returned', () => {
    expect(judge([exchange(write('y'), at(6), 1)], [exchange(write('x'), at(3), 5)])).not.toEqual(
      [],
    );
    expect(judge([exchange(write('y'), at(6), 1, 9)], [exchange(write('x'), at(3), 5)])).toEqual(
      [],
    );
  });
  test('writes of a session that change places, though nobody was told', () => {
    const lost = [exchange(write('y'), null, 1), exchange(write('x'), null, 2)];
    const links = [linkOf([], lost)];
    expect(checkSessionOrder([sessionOf(links)], orderOf(RIGHT))).not.toEqual([]);
    expect(
      checkSessionOrder([sessionOf([linkOf([], [...lost].reverse())])], orderOf(RIGHT)),
    ).toEqual([]);
  });
  test('a write that happens twice', () => {
    const twice = [...RIGHT, record(8, set('/r', 'y', 3))];
    expect(checkSessionOrder([], orderOf(twice))).toHaveLength(1);
  });
});

describe('watches', () => {
  const watching = (zxid: number): Arrival =>
    answered(
      exchange({ kind: 'getData', path: '/r', watch: true }, { zxid: BigInt(zxid), err: 0 }, 1),
    );
  const seen = (zxid: number): Arrival =>
    answered(exchange({ kind: 'sync', path: '/' }, { zxid: BigInt(zxid), err: 0 }, 2));
  const back = (since: number, zxid: number, lists: object): Arrival =>
    answered(
      exchange(
        {
          kind: 'setWatches',
          relativeZxid: BigInt(since),
          data: [],
          exist: [],
          child: [],
          persistent: [],
          recursive: [],
          ...lists,
        },
        { zxid: BigInt(zxid), err: 0 },
        1,
      ),
    );
  const lasting = answered(
    exchange({ kind: 'addWatch', path: '/r', mode: 'recursive' }, { zxid: 3n, err: 0 }, 1),
  );

  test.each<[string, Arrival[], boolean]>([
    ['told in time', [watching(3), event(3, '/r', 6), seen(6)], true],
    ['told too late', [watching(3), seen(6), event(3, '/r', 6)], false],
    ['never told', [watching(3), seen(7)], false],
    ['not yet due', [watching(3), seen(5)], true],
    ['told twice', [watching(3), event(3, '/r', 6), event(3, '/r', 6)], false],
    ['told of something else', [watching(3), event(2, '/r', 6)], false],
    ['told without having asked', [event(3, '/r', 6)], false],
    ['told of what was seen already', [watching(6), event(3, '/r', 6)], false],
    ['out of order', [watching(3), seen(7), event(3, '/r', 6)], false],
    [
      'everything below',
      [
        lasting,
        event(1, '/r/q-0000000000', 4),
        event(1, '/r/e', 5),
        event(3, '/r', 6),
        event(2, '/r/e', 7),
        seen(7),
      ],
      true,
    ],
    ['one below is missed', [lasting, event(1, '/r/q-0000000000', 4), event(3, '/r', 6)], false],
    [
      'one below comes twice',
      [lasting, event(1, '/r/q-0000000000', 4), event(1, '/r/q-0000000000', 4)],
      false,
    ],
    [
      'missed and told on coming back',
      [event(3, '/r', -1), back(3, 6, { data: ['/r'] }), seen(7)],
      true,
    ],
    ['missed and not told on coming back', [back(3, 6, { data: ['/r'] })], false],
    [
      'nothing missed, and told all the same',
      [event(3, '/r', -1), back(3, 5, { data: ['/r'] })],
      false,
    ],
    ['set again on coming back', [back(3, 5, { data: ['/r'] }), event(3, '/r', 6), seen(6)], true],
    ['a child that came meanwhile', [event(4, '/r', -1), back(3, 4, { child: ['/r'] })], true],
    ['a node that came meanwhile', [event(1, '/r/e', -1), back(3, 5, { exist: ['/r/e'] })], true],
  ])('%s', (_, arrivals, isRight) => {
    const found = checkWatches([linkOf(arrivals)], treeOf(RIGHT));
    if (isRight) expect(found).toEqual([]);
    else expect(found).not.toEqual([]);
  });
});

describe('sessions, trees, leaders, majorities', () => {
  const tree = treeOf(RIGHT.map((each) => each));

  test('a session may end by its client, or after its time-out', () => {
    // It ended 6 ms after it began.
    expect(checkSessions([sessionOf([], { closeAskedAtUs: 6 * MS })], tree)).toEqual([]);
    expect(checkSessions([sessionOf([])], tree)).toHaveLength(1);
    expect(checkSessions([sessionOf([], { timeoutMs: 6 })], tree)).toEqual([]);
    expect(checkSessions([sessionOf([], { timeoutMs: 7 })], tree)).toHaveLength(1);
  });
  test('nobody is told of an end that has not come', () => {
    const early = { closeAskedAtUs: 1, refusedAtUs: 2 };
    expect(checkSessions([sessionOf([], early)], tree)).toHaveLength(1);
    expect(checkSessions([sessionOf([], early)], treeOf(RIGHT.slice(0, 6)))).toHaveLength(1);
  });
  test('all trees at the end', () => {
    const right = ['/', '/r', '/r/q-0000000000'];
    expect(checkFinalTrees([{ server: 'a', paths: right }], tree)).toEqual([]);
    expect(checkFinalTrees([{ server: 'a', paths: right.slice(1) }], tree)).toHaveLength(1);
    expect(checkFinalTrees([{ server: 'a', paths: [...right, '/r/e'] }], tree)).toHaveLength(1);
  });
  test('one leader for an epoch', () => {
    const leaders = new Leaders();
    leaders.took('a', 'leading', 1, 0);
    leaders.took('b', 'following', 1, 0);
    leaders.took('b', 'leading', 2, 1);
    expect(leaders.breaches).toEqual([]);
    leaders.took('c', 'leading', 2, 2);
    expect(leaders.breaches).toHaveLength(1);
  });
  test('more than half of the votes', () => {
    const voters = [
      { name: 'a', weight: 2 },
      { name: 'b', weight: 1 },
      { name: 'c', weight: 1 },
      { name: 'd', weight: 0 },
    ];
    expect(decides(voters, ['a', 'b'])).toBe(true);
    expect(decides(voters, ['b', 'c', 'd'])).toBe(false);
    expect(decides(voters, ['a'])).toBe(false);
  });
});
