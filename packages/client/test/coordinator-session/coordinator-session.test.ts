/**
 * The supervised session against a server over loopback that falls silent, forgets sessions, splits
 * frames and answers with unknown codes. Time is virtual: silence of seconds takes no time here.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ZooKeeperError } from '@odradek/protocol';
import {
  CoordinatorSession,
  MultiFailed,
  type SessionEvent,
  type WatchEvent,
} from '../../src/coordinator-session/index.ts';
import { ManualTime, until } from '../manual-time.ts';
import { FakeCoordinator } from './fake-coordinator.ts';

const SESSION_TIMEOUT_MS = 6_000;

let server: FakeCoordinator;
let time: ManualTime;
let sessions: CoordinatorSession[];

beforeEach(async () => {
  server = await new FakeCoordinator().start();
  time = new ManualTime();
  sessions = [];
});

afterEach(async () => {
  await server.stop();
  for (const session of sessions) {
    const closed = session.close();
    time.advance(10_000);
    await closed;
  }
});

function open(connect = server.address): { session: CoordinatorSession; events: SessionEvent[] } {
  const session = CoordinatorSession.open({
    connect,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    environment: time.environment(),
  });
  sessions.push(session);
  const events: SessionEvent[] = [];
  session.onEvent((event) => events.push(event));
  return { session, events };
}

async function connected(connect?: string): Promise<ReturnType<typeof open>> {
  const opened = open(connect);
  await opened.session.whenConnected();
  return opened;
}

const codeOf = (failed: Promise<unknown>): Promise<string> =>
  failed.then(
    () => 'no failure',
    (error: unknown) => (error instanceof ZooKeeperError ? error.code : String(error)),
  );

describe('operations', () => {
  test('create, read, change, list, remove', async () => {
    const { session } = await connected();
    expect(await session.create('/a', 'first')).toBe('/a');
    expect(await session.create('/a/n-', null, { sequential: true })).toBe('/a/n-0000000000');
    expect(await session.create('/a/e', null, { ephemeral: true })).toBe('/a/e');
    expect((await session.get('/a'))?.data.toString()).toBe('first');
    expect((await session.get('/a/e'))?.data).toEqual(Buffer.alloc(0));
    expect((await session.exists('/a/e'))?.ephemeralOwner).toBe(session.sessionId);
    expect((await session.children('/a'))?.names).toEqual(['e', 'n-0000000000']);
    expect((await session.set('/a', Buffer.from('second'), 0)).version).toBe(1);
    expect(await codeOf(session.set('/a', 'third', 0))).toBe('BAD_VERSION');
    expect(await codeOf(session.remove('/a'))).toBe('NOT_EMPTY');
    await session.remove('/a/e');
    expect(await session.exists('/a/e')).toBeNull();
    expect(await session.get('/nowhere')).toBeNull();
    expect(await session.children('/nowhere')).toBeNull();
  });

  test('null data and version 0, which the library would turn into something else', async () => {
    const { session } = await connected();
    await session.create('/a', 'x');
    await session.set('/a', null, 0);
    expect(server.nodes.get('/a')?.data).toBeNull();
    expect(await codeOf(session.multi([{ kind: 'check', path: '/a', version: 0 }]))).toBe(
      'BAD_VERSION',
    );
    expect(await codeOf(session.multi([{ kind: 'set', path: '/a', data: 'y', version: 0 }]))).toBe(
      'BAD_VERSION',
    );
    expect(await codeOf(session.multi([{ kind: 'remove', path: '/a', version: 0 }]))).toBe(
      'BAD_VERSION',
    );
  });

  test('multi: all or nothing, and which step failed', async () => {
    const { session } = await connected();
    const results = await session.multi([
      { kind: 'create', path: '/m', data: null, ephemeral: true },
      { kind: 'set', path: '/m', data: 'x', version: 0 },
      { kind: 'check', path: '/m', version: 1 },
    ]);
    expect(results).toMatchObject([
      { kind: 'create', path: '/m' },
      { kind: 'set', stat: { version: 1, ephemeralOwner: session.sessionId } },
      { kind: 'check' },
    ]);
    const failed = await session
      .multi([
        { kind: 'set', path: '/m', data: 'y' },
        { kind: 'create', path: '/m', data: null },
        { kind: 'remove', path: '/m' },
      ])
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(MultiFailed);
    expect(failed).toMatchObject({ code: 'NODE_EXISTS', operationIndex: 1 });
    expect((await session.get('/m'))?.data.toString()).toBe('x');
    expect(await session.multi([])).toEqual([]);
  });

  test('a chroot stands in front of every path and out of sight', async () => {
    const { session } = await connected(`${server.address}/kafka/dev`);
    await session.ensurePath('/');
    await session.ensurePath('/brokers/ids');
    expect(server.nodes.has('/kafka/dev/brokers/ids')).toBe(true);
    const events: WatchEvent[] = [];
    await session.children('/', (event) => events.push(event));
    await session.get('/new', (event) => events.push(event));
    expect(await session.create('/new', null)).toBe('/new');
    expect(events).toEqual([
      { kind: 'created', path: '/new' },
      { kind: 'children', path: '/' },
    ]);
    expect(await session.multi([{ kind: 'create', path: '/m', data: null }])).toEqual([
      { kind: 'create', path: '/m' },
    ]);
  });

  test.each(['', 'a', '/a/', '//a', '/a//b', '/a/../b', '/.', '/a\0b'])(
    'the path %j never reaches the server',
    async (path) => {
      const { session } = await connected();
      expect(await codeOf(session.get(path))).toBe('BAD_ARGUMENTS');
      expect(server.received).toEqual([]);
    },
  );

  test('data that no server takes is refused here', async () => {
    const { session } = await connected();
    expect(await codeOf(session.create('/a', Buffer.alloc(1_048_576)))).toBe('BAD_ARGUMENTS');
  });

  test('codes that the library does not know arrive as they are', async () => {
    const { session } = await connected();
    for (const [wire, code] of [
      [-118, 'SESSION_MOVED'],
      [-125, 'QUOTA_EXCEEDED'],
      [-999, 'SYSTEM_ERROR'],
    ] as const) {
      server.nextError = wire;
      expect(await codeOf(session.create('/x', null))).toBe(code);
    }
    expect(server.peers.size).toBe(1);
  });

  test('frames byte by byte, and thousands in one chunk', async () => {
    const { session } = await connected();
    server.dribbling = true;
    expect(await session.create('/slow', 'x')).toBe('/slow');
    server.dribbling = false;
    server.holding = true;
    const answers: unknown[] = [];
    const all = Array.from({ length: 128 }, () => session.get('/slow'));
    for (const one of all) void one.then((answer) => answers.push(answer));
    await until(() => server.received.length >= 129);
    for (let n = 0; n < 20_000; n += 1) session.get('/slow').then(() => answers.push(n), String);
    server.release();
    await Promise.all(all);
    await until(() => answers.length === 128 + 20_000);
    expect(Math.max(...answers.filter((n) => typeof n === 'number'))).toBe(19_999);
  });

  test('requests beyond the limit are refused, not kept', async () => {
    server.holding = true;
    const { session } = open();
    const failures: unknown[] = [];
    for (let n = 0; n < 65_536; n += 1) session.exists('/').catch(() => undefined);
    session.exists('/').catch((error: unknown) => failures.push(error));
    await until(() => failures.length === 1);
    expect(failures).toMatchObject([{ code: 'THROTTLED_OP', retriable: true }]);
  });
});

describe('watches', () => {
  test('are woken once, each watcher once per path', async () => {
    const { session } = await connected();
    const events: WatchEvent[] = [];
    const watcher = (event: WatchEvent): void => void events.push(event);
    await session.get('/w', watcher);
    await session.exists('/w', watcher);
    await session.create('/w', null);
    await session.set('/w', '1');
    expect(events).toEqual([{ kind: 'created', path: '/w' }]);
    await session.get('/w', watcher);
    await session.children('/w', watcher);
    for (let n = 0; n < 20; n += 1) await session.get('/w', () => undefined); // No warnings.
    await session.set('/w', '2');
    await session.create('/w/c', null);
    await session.remove('/w/c');
    expect(events.slice(1)).toEqual([
      { kind: 'changed', path: '/w' },
      { kind: 'children', path: '/w' },
    ]);
  });

  test('survive a broken link, and what happened meanwhile is told', async () => {
    const { session, events } = await connected();
    const seen: WatchEvent[] = [];
    const watcher = (event: WatchEvent): void => void seen.push(event);
    for (const path of ['/same', '/changed', '/gone', '/list']) await session.create(path, null);
    for (const path of ['/same', '/changed', '/gone']) await session.get(path, watcher);
    await session.exists('/born', watcher);
    await session.children('/list', watcher);
    await session.children('/same', watcher);
    const other = await connected();
    server.holding = true; // The first session's link learns nothing of what follows.
    void codeOf(other.session.set('/changed', 'x'));
    void codeOf(other.session.remove('/gone'));
    void codeOf(other.session.create('/born', null));
    void codeOf(other.session.create('/list/c', null));
    await until(() => server.nodes.has('/list/c'));
    server.holding = false;
    server.cutLinks();
    await until(() => events.length === 3 && other.events.length === 3);
    await session.set('/same', '1');
    await until(() => seen.length === 5);
    expect(seen.map(({ kind, path }) => `${kind} ${path}`).sort()).toEqual([
      'changed /changed',
      'changed /same',
      'children /list',
      'created /born',
      'deleted /gone',
    ]);
    expect(server.lastZxidsSeen.at(-1)).not.toBe(0n);
  });

  test('go with an expired session, and are told so', async () => {
    const { session, events } = await connected();
    const seen: WatchEvent[] = [];
    await session.exists('/x', (event) => seen.push(event));
    server.expireAll();
    server.cutLinks();
    await until(() => events.length === 4);
    expect(seen).toEqual([{ kind: 'session', path: '/x' }]);
    await session.create('/x', null);
    expect(seen).toHaveLength(1);
  });

  test('a watcher that throws hurts nobody', async () => {
    const { session } = await connected();
    const seen: WatchEvent[] = [];
    await session.exists('/x', () => {
      throw new Error('mine');
    });
    await session.exists('/x', (event) => seen.push(event));
    await session.create('/x', null);
    expect(seen).toHaveLength(1);
    expect(session.state).toBe('connected');
  });
});

describe('the life of a session', () => {
  test('silence is noticed within two thirds of the time-out; the session goes on', async () => {
    const { session, events } = await connected();
    const { sessionId } = session;
    expect([session.state, session.inDoubt]).toEqual(['connected', false]);
    server.silent = true;
    time.advance(3_999);
    expect(session.inDoubt).toBe(false);
    time.advance(1);
    expect([session.state, session.inDoubt]).toEqual(['doubtful', true]);
    expect(events.at(-1)).toEqual({ kind: 'doubtful' });
    server.silent = false;
    await session.whenConnected();
    expect(events.at(-1)).toEqual({ kind: 'connected', newSession: false, sessionId });
    expect(session.inDoubt).toBe(false);
  });

  test('pings keep a quiet session out of doubt', async () => {
    const { session, events } = await connected();
    for (let second = 1; second <= 30; second += 1) {
      time.advance(1_000);
      await until(() => server.received.length === second);
      await session.exists('/'); // Behind the ping: its answer has arrived too.
      server.received.pop();
    }
    expect(events.map(({ kind }) => kind)).toEqual(['connected']);
  });

  test('the granted time-out counts, not the wanted one', async () => {
    server.grantedTimeoutMs = 3_000;
    const { session } = await connected();
    server.silent = true;
    time.advance(2_000);
    expect(session.inDoubt).toBe(true);
    server.silent = false;
    await session.whenConnected();
    expect(server.wantedTimeouts).toEqual([SESSION_TIMEOUT_MS, SESSION_TIMEOUT_MS]);
  });

  test('expiry: told, then a new session; what waited fails', async () => {
    const { session, events } = await connected();
    await session.create('/e', null, { ephemeral: true });
    const first = session.sessionId;
    server.silent = true;
    time.advance(4_000);
    const waiting = codeOf(session.create('/late', null));
    server.expireAll();
    server.silent = false;
    await until(() => events.length === 4);
    expect(events.map(({ kind }) => kind)).toEqual([
      'connected',
      'doubtful',
      'expired',
      'connected',
    ]);
    expect(events[3]).toMatchObject({ newSession: true });
    expect(session.sessionId).not.toBe(first);
    expect(await waiting).toBe('SESSION_EXPIRED');
    expect(await session.exists('/e')).toBeNull();
    expect(await session.create('/e', null, { ephemeral: true })).toBe('/e');
  });

  test('a broken link: reads are asked again, writes fail and say so', async () => {
    const { session } = await connected();
    await session.create('/a', 'x');
    server.holding = true;
    const read = session.get('/a');
    const write = codeOf(session.create('/b', null));
    const readToo = session.exists('/b');
    await until(() => server.received.length === 4);
    server.holding = false;
    server.cutLinks();
    expect((await read)?.data.toString()).toBe('x');
    expect(await write).toBe('CONNECTION_LOSS');
    expect(await readToo).not.toBeNull();
  });

  test('garbage from the server costs the link, not the process', async () => {
    const { session, events } = await connected();
    for (const hex of [
      'ffffffff',
      '7fffffff',
      '00000002 0102',
      '00000010 00000063 0000000000000001 00000000',
      '00000018 ffffffff 0000000000000001 00000000 00000003 00000003',
    ]) {
      const before = events.length;
      server.sendGarbage(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
      await until(() => events.length === before + 2);
      expect(events.at(-1)).toMatchObject({ kind: 'connected', newSession: false });
    }
    expect(await session.create('/fine', null)).toBe('/fine');
  });

  test('half a frame of a broken link is forgotten', async () => {
    const { session, events } = await connected();
    server.sendGarbage(Buffer.from('0000001000', 'hex'));
    server.cutLinks();
    await until(() => events.length === 3);
    expect(await session.create('/fine', null)).toBe('/fine');
  });

  test('a server that does not answer the handshake is left for the next', async () => {
    const deaf = await new FakeCoordinator().start();
    deaf.deafHandshake = true;
    const { session } = open(`${deaf.address},${server.address}`);
    let isOpen = false;
    void session.whenConnected().then(() => {
      isOpen = true;
    });
    // Which of the two is tried first is left to chance.
    await until(() => isOpen || deaf.peers.size > 0);
    if (!isOpen) time.advance(SESSION_TIMEOUT_MS / 2);
    await session.whenConnected();
    expect(server.sessions.size).toBe(1);
    await deaf.stop();
  });

  test('it waits for a server that is not there yet', async () => {
    const address = server.address;
    await server.stop();
    const { session } = open(address);
    const created = session.create('/early', null);
    expect(session.state).toBe('connecting');
    expect(session.sessionId).toBeNull();
    server = await restartAt(address);
    const opened = session.whenConnected();
    let isOpen = false;
    void opened.then(() => {
      isOpen = true;
    });
    await until(() => {
      time.advance(100);
      return isOpen;
    });
    expect(await created).toBe('/early');
  });

  test('close ends the session at the server and fails what comes after', async () => {
    const { session, events } = await connected();
    await session.create('/e', null, { ephemeral: true });
    const before = session.create('/before', null);
    await session.close();
    expect(await before).toBe('/before');
    expect(server.sessions.size).toBe(0);
    expect(server.nodes.has('/e')).toBe(false);
    expect(session.state).toBe('closed');
    expect(events.at(-1)).toEqual({ kind: 'closed' });
    expect(await codeOf(session.get('/'))).toBe('SESSION_EXPIRED');
    await session.close();
  });

  test('close does not wait for ever for a silent server', async () => {
    const { session } = await connected();
    server.silent = true;
    const closed = session.close();
    time.advance(2_000);
    await closed;
    expect(session.state).toBe('closed');
  });
});

async function restartAt(address: string): Promise<FakeCoordinator> {
  const fake = new FakeCoordinator();
  await fake.start(Number(address.split(':')[1]));
  return fake;
}
