/**
 * The raw session against a server over loopback that falls silent, forgets sessions, splits frames and
 * breaks links. Time is virtual. That it speaks all of a real server's operations is held by the
 * transcripts of ZooKeeper's shell, which runs on it.
 */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ZooKeeperError } from '@odradek/protocol';
import { MultiFailed } from '../../src/coordinator-session/types.ts';
import { operations, RawSession, type WatchedEvent } from '../../src/raw-session/index.ts';
import { FakeCoordinator } from '../coordinator-session/fake-coordinator.ts';
import { ManualTime, until } from '../manual-time.ts';

const SESSION_TIMEOUT_MS = 6_000;

let server: FakeCoordinator;
let time: ManualTime;
let sessions: RawSession[];

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

function open(connect = server.address): { session: RawSession; events: WatchedEvent[] } {
  const session = RawSession.open({
    connect,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    environment: time.environment(),
  });
  sessions.push(session);
  const events: WatchedEvent[] = [];
  session.onEvent((event) => events.push(event));
  return { session, events };
}

async function connected(connect?: string): Promise<ReturnType<typeof open>> {
  const opened = open(connect);
  await until(() => opened.session.state === 'CONNECTED');
  return opened;
}

const codeOf = (failed: Promise<unknown>): Promise<string> =>
  failed.then(
    () => 'no failure',
    (error: unknown) => (error instanceof ZooKeeperError ? error.code : String(error)),
  );

const get = (session: RawSession, path: string, watch = false) =>
  session.call(operations.getData, { path, watch });

test('requests wait for the link and are answered in order, byte by byte if need be', async () => {
  server.put('/a', Buffer.from('data'));
  server.dribbling = true;
  const { session, events } = open();
  const answers = await Promise.all([get(session, '/a'), codeOf(get(session, '/none'))]);
  expect(answers[0].data).toEqual(Buffer.from('data'));
  expect(answers[1]).toBe('NO_NODE');
  expect(events).toEqual([{ state: 'SyncConnected', type: 'None', path: null, zxid: -1n }]);
});

test('an event names the zxid, once', async () => {
  server.put('/a', null);
  const { session, events } = await connected();
  await get(session, '/a', true);
  server.put('/a', Buffer.from('1'));
  server.put('/a', Buffer.from('2'));
  await get(session, '/a');
  const [event, ...more] = events.slice(1);
  expect(event).toMatchObject({ state: 'SyncConnected', type: 'NodeDataChanged', path: '/a' });
  expect(more).toEqual([]);
});

test('under a chroot, paths are the callers', async () => {
  server.put('/root', null);
  server.put('/root/a', Buffer.from('inner'));
  const { session, events } = await connected(`${server.address}/root`);
  expect((await get(session, '/a', true)).data).toEqual(Buffer.from('inner'));
  const fields = { data: null, acl: [], flags: 0 };
  expect(await session.call(operations.create, { path: '/b', ...fields })).toEqual({ path: '/b' });
  expect(server.nodes.has('/root/b')).toBe(true);
  const whole = await session.call(
    operations.getData,
    { path: '/root/a', watch: false },
    { ignoreChroot: true },
  );
  expect(whole.data).toEqual(Buffer.from('inner'));
  server.put('/root/a', null);
  await until(() => events.length === 2);
  expect(events[1]?.path).toBe('/a');
});

test('a broken link: what was sent fails, the session and its watches stay', async () => {
  server.put('/a', null);
  const { session, events } = await connected();
  await get(session, '/a', true);
  const { sessionId } = session;
  server.holding = true;
  const lost = codeOf(get(session, '/a'));
  await until(() => server.received.length >= 2);
  server.cutLinks();
  expect(await lost).toBe('CONNECTION_LOSS');
  server.release();
  server.put('/a', Buffer.from('meanwhile'));
  await until(() => events.length === 4);
  expect(events.map(({ state, type }) => `${state} ${type}`)).toEqual([
    'SyncConnected None',
    'Disconnected None',
    'SyncConnected None',
    'SyncConnected NodeDataChanged',
  ]);
  expect(session.sessionId).toBe(sessionId);
});

test('an expired session is the end', async () => {
  const { session, events } = await connected();
  server.expireAll();
  server.cutLinks();
  await until(() => session.state === 'CLOSED');
  expect(events.map(({ state }) => state)).toEqual(['SyncConnected', 'Disconnected', 'Expired']);
  expect(await codeOf(get(session, '/'))).toBe('SESSION_EXPIRED');
  expect(await codeOf(session.authenticate('digest', null))).toBe('SESSION_EXPIRED');
  expect(session.isAlive).toBe(false);
});

test('a server that falls silent is left', async () => {
  const { session, events } = await connected();
  server.silent = true;
  const lost = codeOf(get(session, '/'));
  time.advance(SESSION_TIMEOUT_MS);
  expect(await lost).toBe('CONNECTION_LOSS');
  expect(events.at(-1)?.state).toBe('Disconnected');
});

test('without any server, what waits fails once all were tried; later ones get their chance', async () => {
  const { address } = server;
  await server.stop();
  const { session } = open(`${address},${address}`);
  expect(await codeOf(get(session, '/'))).toBe('CONNECTION_LOSS');
  server = await new FakeCoordinator().start(Number(address.split(':')[1]));
  const answer = get(session, '/');
  time.advance(1_000);
  await until(() => session.state === 'CONNECTED');
  expect((await answer).stat.version).toBe(0);
});

test('a multi that fails names the step', async () => {
  server.put('/a', null);
  const { session } = await connected();
  const remove = (path: string) => ({ operation: operations.delete, body: { path, version: -1 } });
  const failed = await session.multi([remove('/a'), remove('/none')]).catch((error) => error);
  expect(failed).toBeInstanceOf(MultiFailed);
  expect(failed).toMatchObject({ code: 'NO_NODE', operationIndex: 1 });
  expect(server.nodes.has('/a')).toBe(true);
  await session.multi([remove('/a')]);
  expect(server.nodes.has('/a')).toBe(false);
});

test('closing tells the server, and is told as the last event', async () => {
  const { session, events } = await connected();
  await session.close();
  expect(server.sessions.size).toBe(0);
  expect(events.at(-1)).toEqual({ state: 'Closed', type: 'None', path: null, zxid: -1n });
  expect(session.state).toBe('CLOSED');
  await session.close();
});
