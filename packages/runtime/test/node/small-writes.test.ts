/**
 * Goal: whatever becomes of the thread that small writes go through, each write ends once, with its bytes in the file or
 * with the error of the system, and none is carried out that was given to somebody else meanwhile.
 * Method: the built thread over real files against a model in memory; and programs made for the test in its place, which
 * stop where the test wants and go on when a file appears, or die. No span of time decides a test.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { invariant } from '../../src/errors.ts';
import { builtModule } from '../../src/node/built-module.ts';
import { nodeDisk } from '../../src/node/disk.ts';
import { type SmallWrite, SmallWriter, SmallWrites } from '../../src/node/small-writes.ts';
import { ORDERS_MAX, RING_BYTES } from '../../src/node/small-writes-ring.ts';

const built = (name: string): string => {
  const url = pathToFileURL(join(import.meta.dirname, `../../src/node/${name}.ts`)).href;
  const found = builtModule(url);
  invariant(found !== null, 'the project is built');
  return found;
};
const PROGRAM = built('small-writes-thread');
const RING = built('small-writes-ring');

const BEGIN = `
import { existsSync, writeFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { CLAIMED, HEAD, QUEUED, WriteRing } from '${RING}';
const { states, counts } = new WriteRing(workerData);
const pause = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
parentPort.postMessage(null);
while (Atomics.load(counts, HEAD) === 0) pause();
`;
/** Looks at nothing before the file is there. */
const late = (go: string): string =>
  `${BEGIN} while (!existsSync('${go}')) pause(); await import('${PROGRAM}');`;
/** Begins the first write, says so by a file, and does nothing more. */
const dying = (begun: string, go: string): string => `${BEGIN}
  if (Atomics.compareExchange(states, 0, QUEUED, CLAIMED) === QUEUED) writeFileSync('${begun}', '');
  while (!existsSync('${go}')) pause();
  process.exit(1);`;

let root = '';
let folder = '';
let count = 0;
const descriptors: number[] = [];
const writers: SmallWriter[] = [];

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'odradek-small-writes-'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(() => {
  folder = mkdtempSync(join(root, 'test-'));
});
afterEach(async () => {
  for (const writer of writers.splice(0)) await writer.end();
  for (const fd of descriptors.splice(0)) closeSync(fd);
});

const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

async function writerOf(program: string): Promise<{ writer: SmallWriter; ended: Promise<void> }> {
  let tell = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const writer = new SmallWriter(program, tell);
  writers.push(writer);
  while (!writer.isReady) await aWhile();
  return { writer, ended };
}

function programOf(text: string): string {
  const path = join(folder, `program-${count++}.mjs`);
  writeFileSync(path, text);
  return pathToFileURL(path).href;
}

function open(flags = 'w+'): { fd: number; path: string } {
  const path = join(folder, `file-${count++}`);
  if (flags === 'r') writeFileSync(path, '');
  const fd = openSync(path, flags);
  descriptors.push(fd);
  return { fd, path };
}

/** Resolves with the bytes written; null when it was not taken. */
function write(writer: SmallWriter, order: Omit<SmallWrite, 'written'>): Promise<number> | null {
  let settle: SmallWrite['written'] = () => undefined;
  const done = new Promise<number>((resolve, reject) => {
    settle = (error, bytesWritten) => (error ? reject(error) : resolve(bytesWritten));
  });
  const sizeBytes = order.buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return writer.take({ ...order, written: settle }, sizeBytes) ? done : null;
}

test('writes to several files, any number in a turn, leave what they should, in order for each file', async () => {
  const { writer } = await writerOf(PROGRAM);
  const piece = fc.record({
    file: fc.nat(4),
    buffers: fc.array(fc.uint8Array({ minLength: 1, maxLength: 3000 }), {
      minLength: 1,
      maxLength: 4,
    }),
    endsTurn: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 60 }), async (pieces) => {
      const files = Array.from({ length: 5 }, () => ({ ...open(), expected: Buffer.alloc(0) }));
      let settled: Promise<number>[] = [];
      for (const { file, buffers, endsTurn } of pieces) {
        const target = files[file];
        invariant(target !== undefined, 'one of five');
        const done = write(writer, { fd: target.fd, buffers, position: target.expected.length });
        expect(done).not.toBeNull();
        target.expected = Buffer.concat([target.expected, ...buffers]);
        if (done !== null) settled.push(done);
        if (!endsTurn) continue;
        await Promise.all(settled);
        settled = [];
        while (!writer.isIdle) await aWhile(); // It takes nothing while it seems stuck.
      }
      await Promise.all(settled);
      while (!writer.isIdle) await aWhile();
      for (const { path, expected } of files)
        expect(readFileSync(path).equals(expected)).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test('the ring takes no more than it has places and bytes for, and all again when that is done', async () => {
  const { writer } = await writerOf(PROGRAM);
  for (const sizeBytes of [1, 16_000, 1, 16_000]) {
    const { fd, path } = open();
    const buffers = [Buffer.alloc(sizeBytes, 7)];
    const settled: Promise<number>[] = [];
    const next = (): Promise<number> | null =>
      write(writer, { fd, buffers, position: settled.length * sizeBytes });
    for (let done = next(); done !== null; done = next()) settled.push(done);
    const most = Math.min(ORDERS_MAX, Math.floor(RING_BYTES / sizeBytes));
    expect(settled.length).toBeLessThanOrEqual(most);
    // One may not lie in one piece at the end of the ring.
    expect(settled.length).toBeGreaterThanOrEqual(most - 1);
    await Promise.all(settled);
    while (!writer.isIdle) await aWhile();
    expect(readFileSync(path).equals(Buffer.alloc(settled.length * sizeBytes, 7))).toBe(true);
  }
});

test('what the system refuses fails with what it says', async () => {
  const { writer } = await writerOf(PROGRAM);
  const { fd } = open('r');
  const buffers = [Buffer.from('no')];
  await expect(write(writer, { fd, buffers, position: 0 })).rejects.toMatchObject({
    code: 'EBADF',
  });
});

test('a thread that does not go on loses what it has not begun, and writes none of it later', async () => {
  const go = join(folder, 'go');
  const { writer } = await writerOf(programOf(late(go)));
  const { fd, path } = open();
  const first = [Buffer.from('first')];
  await write(writer, { fd, buffers: first, position: 0 });
  expect(readFileSync(path, 'utf8')).toBe('first');
  // Somebody else's bytes there: the thread must not come back with the old ones.
  expect(write(writer, { fd, buffers: first, position: 0 })).toBeNull();
  writeFileSync(path, 'other');
  writeFileSync(go, '');
  const { fd: other, path: otherPath } = open();
  let taken: Promise<number> | null = null;
  while (taken === null) {
    await aWhile();
    taken = write(writer, { fd: other, buffers: [Buffer.from('again')], position: 0 });
  }
  expect(await taken).toBe('again'.length);
  expect(readFileSync(otherPath, 'utf8')).toBe('again');
  expect(readFileSync(path, 'utf8')).toBe('other');
});

test('a thread that dies leaves its writes to the pool, those it has begun too', async () => {
  const [begun, go] = [join(folder, 'begun'), join(folder, 'go')];
  const { writer, ended } = await writerOf(programOf(dying(begun, go)));
  const files = [open(), open(), open()];
  const settled = files.map(({ fd }) =>
    write(writer, { fd, buffers: [Buffer.from('x')], position: 0 }),
  );
  while (!existsSync(begun)); // Without a turn of the event loop, which might call it back.
  await Promise.all(settled.slice(1));
  expect(files.map(({ path }) => readFileSync(path, 'utf8'))).toEqual(['', 'x', 'x']);
  writeFileSync(go, '');
  await Promise.all(settled);
  await ended;
  expect(readFileSync(files[0]?.path ?? '', 'utf8')).toBe('x');
});

test('a crowd of small writes begins a thread, which ends when there are no more', async () => {
  const smallWrites = new SmallWrites({ crowdCount: 2, idleMs: 20 });
  const disk = nodeDisk(smallWrites);
  const files = await Promise.all(
    [1, 2, 3, 4].map((name) => disk.open(join(folder, String(name)), 'write')),
  );
  for (let round = 0; round < 2; round += 1) {
    let at = 0;
    await files[0]?.write([Buffer.from('alone')], 0);
    expect(smallWrites.hasThread).toBe(false);
    do {
      const position = at;
      await Promise.all(
        files.map((file) => file.write([Buffer.from('ab'), Buffer.from('c')], position)),
      );
      at += 3;
    } while (at < 3000 || !smallWrites.hasThread);
    for (const { path } of files)
      expect(readFileSync(path, 'utf8').slice(0, at)).toBe('abc'.repeat(at / 3));
    while (smallWrites.hasThread) await aWhile();
  }
  for (const file of files) await file.close();
});

test('a thread that cannot begin is tried once, and the pool does its work', async () => {
  const tried = join(folder, 'tried');
  const program = programOf(`
    import { appendFileSync } from 'node:fs';
    appendFileSync('${tried}', 'once ');
    throw new Error('no room');`);
  const smallWrites = new SmallWrites({ crowdCount: 1, program });
  const { fd, path } = open();
  const crowd = async (): Promise<void> => {
    await Promise.all(
      [0, 1, 2].map(
        (position) =>
          new Promise<void>((done) => {
            const buffers = [Buffer.from('x')];
            smallWrites.write({ fd, buffers, position, written: () => done() }, 1);
          }),
      ),
    );
  };
  await crowd();
  expect(smallWrites.hasThread).toBe(true);
  while (smallWrites.hasThread) await aWhile();
  await crowd();
  expect(smallWrites.hasThread).toBe(false);
  expect(readFileSync(path, 'utf8')).toBe('xxx');
  expect(readFileSync(tried, 'utf8')).toBe('once ');
});

test('files whose writes are durable by themselves keep out of it', async () => {
  const smallWrites = new SmallWrites({ crowdCount: 1 });
  const disk = nodeDisk(smallWrites);
  const files = await Promise.all(
    [1, 2, 3].map((name) => disk.open(join(folder, String(name)), 'durable')),
  );
  for (let at = 0; at < 5; at += 1)
    await Promise.all(files.map((file) => file.write([Buffer.from('x')], at)));
  expect(smallWrites.hasThread).toBe(false);
  for (const file of files) await file.close();
});
