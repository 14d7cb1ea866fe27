/** Goal: node-zookeeper-client, unmodified, finds what it expects of a ZooKeeper. */
import { createRequire } from 'node:module';
import { afterEach, expect, test } from '@jest/globals';
import { Servers } from '../support/server.ts';

type Done<T> = (error: Error | null, result: T) => void;

interface Transaction {
  check(path: string, version: number): Transaction;
  create(path: string, data: Buffer): Transaction;
  setData(path: string, data: Buffer, version: number): Transaction;
  remove(path: string, version: number): Transaction;
  commit(done: Done<readonly unknown[]>): void;
}

interface Client {
  once(event: 'connected' | 'disconnected', listener: () => void): void;
  connect(): void;
  close(): void;
  create(path: string, data: Buffer | null, mode: number, done: Done<string>): void;
  getData(path: string, watcher: (event: Event) => void, done: Done<Buffer>): void;
  getData(path: string, done: Done<Buffer>): void;
  setData(path: string, data: Buffer, version: number, done: Done<{ version: number }>): void;
  getChildren(path: string, done: Done<readonly string[]>): void;
  transaction(): Transaction;
}

interface Event {
  getType(): number;
}

/** The parts of the library that are used here; it brings no types of its own. */
interface Library {
  createClient(connect: string, options: { readonly sessionTimeout: number }): Client;
  readonly CreateMode: { readonly PERSISTENT: number; readonly EPHEMERAL_SEQUENTIAL: number };
  readonly Event: { readonly NODE_DATA_CHANGED: number };
  readonly Exception: { readonly NO_NODE: number };
}

const zookeeper = createRequire(import.meta.url)('node-zookeeper-client') as Library;

const servers = new Servers();
afterEach(() => servers.stopAll());

function connect(port: number): Promise<Client> {
  const client = zookeeper.createClient(`127.0.0.1:${port}`, { sessionTimeout: 10_000 });
  return new Promise((resolve) => {
    client.once('connected', () => resolve(client));
    client.connect();
  });
}

const call = <T>(start: (done: Done<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => {
    start((error, result) => (error ? reject(error) : resolve(result)));
  });

test('nodes, data, children, watches, transactions, ephemerals', async () => {
  const { port } = await servers.start();
  const client = await connect(port);
  const { PERSISTENT, EPHEMERAL_SEQUENTIAL } = zookeeper.CreateMode;
  const bytes = (text: string): Buffer => Buffer.from(text);
  await expect(
    call<string>((done) => client.create('/a', bytes('one'), PERSISTENT, done)),
  ).resolves.toBe('/a');
  await expect(
    call<string>((done) => client.create('/a/s-', null, EPHEMERAL_SEQUENTIAL, done)),
  ).resolves.toBe('/a/s-0000000000');

  const event = new Promise<Event>((resolve) => client.getData('/a', resolve, () => {}));
  const stat = await call<{ version: number }>((done) =>
    client.setData('/a', bytes('two'), 0, done),
  );
  expect(stat.version).toBe(1);
  expect((await event).getType()).toBe(zookeeper.Event.NODE_DATA_CHANGED);
  expect(String(await call<Buffer>((done) => client.getData('/a', done)))).toBe('two');
  expect(await call<readonly string[]>((done) => client.getChildren('/a', done))).toEqual([
    's-0000000000',
  ]);

  const failing = client.transaction().check('/a', 1).create('/b', bytes('x')).remove('/nope', -1);
  await expect(call((done) => failing.commit(done))).rejects.toMatchObject({
    code: zookeeper.Exception.NO_NODE,
  });
  const working = client
    .transaction()
    .check('/a', 1)
    .create('/b', bytes('x'))
    .setData('/b', bytes('y'), 0);
  await expect(call<readonly unknown[]>((done) => working.commit(done))).resolves.toHaveLength(3);

  const closed = new Promise<void>((resolve) => client.once('disconnected', resolve));
  client.close();
  await closed;
  const other = await connect(port);
  expect(await call<readonly string[]>((done) => other.getChildren('/a', done))).toEqual([]);
  other.close();
});
