/**
 * A hundred thousand watches and ten thousand sessions on one coordination server, and a client that reads none of a
 * million notifications: what they cost. The server is a process of its own; the memory shown is its own.
 *
 *   npx tsx --conditions=@odradek/source bench/coord-scale.ts [sessions] [watches] [notifications]
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readZooCfg, startCoordinator } from '@odradek/coord';
import {
  addWatchRequest,
  multiEnd,
  multiHeader,
  opCodes,
  setDataRequest,
  Writer,
} from '@odradek/protocol';
import { nodeEnvironment, parseProperties } from '@odradek/runtime';
import { RawClient } from '../packages/coord/test/support/raw-client.ts';
import { create, read, set } from '../packages/coord/test/support/requests.ts';

const SERVE = 'serve';
const SESSION_MS = 600_000;
const BATCH = 500;
const CHANGES_PER_MULTI = 1_000;
const MIB = 1024 * 1024;

/** What the server's process says when it is asked. */
interface Report {
  readonly port: number;
  readonly residentBytes: number;
  /** Lines of its log that tell of connections it closed. */
  readonly closings: readonly string[];
}

if (process.argv[2] === SERVE) await serve(process.argv[3] ?? '');
else await run(process.argv.slice(2).map(Number));

async function serve(directory: string): Promise<void> {
  const closings: string[] = [];
  const note = (message: string, fields?: object): void => {
    if (message.includes('closed')) closings.push(`${message} ${JSON.stringify(fields)}`);
  };
  const log = { error: note, warn: note, info: () => {}, debug: () => {}, child: () => log };
  const text = `dataDir=${directory}\nclientPort=0\ntickTime=60000\nmaxClientCnxns=0`;
  const options = { source: 'zoo.cfg', homeDirectory: '/' };
  const { values } = readZooCfg(parseProperties(text, 'zoo.cfg'), options);
  const server = await startCoordinator(nodeEnvironment({ log }), values);
  const report = (): void => {
    const residentBytes = process.memoryUsage.rss();
    process.send?.({ port: server.port, residentBytes, closings } satisfies Report);
  };
  process.on('message', report);
  process.on('disconnect', () => void server.stop());
  report();
}

async function run([
  sessions = 10_000,
  watches = 100_000,
  notifications = 1_000_000,
]: readonly number[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'odradek-scale-'));
  const server = fork(import.meta.filename, [SERVE, directory], { execArgv: process.execArgv });
  const { port, residentBytes } = await reported(server);
  console.log(`idle: ${mebibytes(residentBytes)}`);
  const measure = async (what: string, part: () => Promise<unknown>): Promise<void> => {
    const beganAt = performance.now();
    await part();
    const ms = Math.round(performance.now() - beganAt);
    console.log(`${what}: ${ms} ms, ${mebibytes((await asked(server)).residentBytes)}`);
  };
  await crowd(port, sessions, watches, measure);
  await deafClient(port, notifications, server, measure);
  server.disconnect();
  await once(server, 'exit');
  await rm(directory, { recursive: true });
}

type Measure = (what: string, part: () => Promise<unknown>) => Promise<void>;

async function crowd(
  port: number,
  sessions: number,
  watches: number,
  measure: Measure,
): Promise<void> {
  const writer = await RawClient.open(port, { timeoutMs: SESSION_MS });
  await writer.request(1, opCodes.create, create('/shared', 'x'));
  const clients: RawClient[] = [];
  await measure(`${sessions} sessions opened`, () =>
    inBatches(Array.from({ length: sessions }), async () => {
      clients.push(await RawClient.open(port, { timeoutMs: SESSION_MS }));
    }),
  );
  const each = Math.ceil(watches / sessions);
  await measure(`${each * sessions} watches set`, () =>
    inBatches(clients, async (client, index) => {
      for (let one = 0; one < each; one += 1) {
        client.send(one, opCodes.exists, read(`/watched-${index}-${one}`, true));
      }
      for (let one = 0; one < each; one += 1) await client.reply();
    }),
  );
  await measure('one watch of all sessions on one node', () =>
    inBatches(clients, (client) => client.request(1, opCodes.getData, read('/shared', true))),
  );
  await measure('its change told to all', async () => {
    await writer.request(2, opCodes.setData, set('/shared', 'y'));
    for (const client of clients) await client.reply();
  });
  await measure('all sessions closed', async () => {
    for (const client of clients) client.send(9, opCodes.closeSession);
    await Promise.all(clients.map((client) => client.untilClosed()));
  });
  writer.destroy();
}

async function deafClient(
  port: number,
  notifications: number,
  server: ChildProcess,
  measure: Measure,
): Promise<void> {
  const path = `/${'long'.repeat(200)}`;
  const writer = await RawClient.open(port, { timeoutMs: SESSION_MS });
  const deaf = await RawClient.open(port, { timeoutMs: SESSION_MS });
  await deaf.request(1, opCodes.create, create(path));
  await deaf.request(2, opCodes.addWatch, addWatchRequest.encode({ path, mode: 0 }));
  deaf.pause();
  const body = new Writer();
  for (let change = 0; change < CHANGES_PER_MULTI; change += 1) {
    multiHeader.encodeInto(body, { type: opCodes.setData, done: false, err: -1 });
    body.copy(setDataRequest.encode({ path, data: null, version: -1 }));
  }
  multiHeader.encodeInto(body, multiEnd);
  const changes = body.finishWhole();
  let peakBytes = 0;
  await measure(`${notifications} notifications for a client that reads none`, async () => {
    for (let told = 0; told < notifications; told += CHANGES_PER_MULTI) {
      await writer.request(3, opCodes.multi, changes);
      peakBytes = Math.max(peakBytes, (await asked(server)).residentBytes);
    }
  });
  const { closings } = await asked(server);
  console.log(`  at most ${mebibytes(peakBytes)}; the log: ${closings.join(' ').slice(0, 200)}`);
  deaf.destroy();
  writer.destroy();
}

async function inBatches<Item>(
  items: readonly Item[],
  part: (item: Item, index: number) => Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < items.length; from += BATCH) {
    const batch = items.slice(from, from + BATCH);
    await Promise.all(batch.map((item, index) => part(item, from + index)));
  }
}

async function reported(server: ChildProcess): Promise<Report> {
  const [report] = await once(server, 'message');
  return report;
}

function asked(server: ChildProcess): Promise<Report> {
  const answer = reported(server);
  server.send('report');
  return answer;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}
