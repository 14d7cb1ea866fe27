/**
 * Whatever happens to a file, reading it ends: with what is in it, or with an error that names file
 * and place. Every cut of every fixture's files is tried, and flipped bits anywhere.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { nodeEnvironment, silentLog } from '@odradek/runtime';
import fc from 'fast-check';
import { backUp } from '../../src/offline/backup.ts';
import { ForeignDataDamaged, OfflineRefused } from '../../src/offline/errors.ts';
import { type ListedFile, listFile } from '../../src/offline/list-file.ts';
import { adler32 } from '../../src/offline/original/adler32.ts';
import { readLog } from '../../src/offline/original/log-reader.ts';
import { readSnapshot } from '../../src/offline/original/snapshot-reader.ts';
import { restoreBackup } from '../../src/offline/restore.ts';
import { silent } from '../../src/offline/state.ts';
import { encodeEntry, encodeRecord } from '../../src/server/record-codec.ts';
import { StorageDamaged, StorageNotUsable } from '../../src/storage/errors.ts';
import { MemoryDisk } from '../storage/memory-disk.ts';
import { append, DATA, open } from '../storage/set-up.ts';
import { create, SESSION, State } from '../support/state.ts';
import { diskWith, type FixtureFile, filesOf, fixtureNames } from './support/fixtures.ts';

const everything = { fromZxid: null, toZxid: null };

/** The items of one file, as text; what is thrown is thrown. */
async function itemsOf({ path, bytes }: FixtureFile): Promise<readonly string[]> {
  const disk = diskWith([{ path, bytes }]);
  const items: string[] = [];
  const reading = path.includes('/log.') ? readLog(disk, path) : readSnapshot(disk, path);
  for await (const item of reading) {
    if (item.kind !== 'end') items.push(text(item));
  }
  return items;
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_name, field: unknown) =>
    typeof field === 'bigint' ? String(field) : field,
  );

/** @returns the items, or null when the file was refused in the way that it should be */
async function readable(file: FixtureFile): Promise<readonly string[] | null> {
  try {
    return await itemsOf(file);
  } catch (error) {
    if (!(error instanceof ForeignDataDamaged)) throw error;
    expect(error.message).toContain(file.path);
    return null;
  }
}

const cut = ({ path, bytes }: FixtureFile, sizeBytes: number): FixtureFile => ({
  path,
  bytes: bytes.subarray(0, sizeBytes),
});

const flipped = ({ path, bytes }: FixtureFile, bit: number): FixtureFile => {
  const changed = Buffer.from(bytes);
  changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
  return { path, bytes: changed };
};

test('Adler-32 is the one of RFC 1950, whole or in pieces', () => {
  expect(adler32(Buffer.from('Wikipedia'))).toBe(0x11e60398);
  const bytes = Buffer.alloc(100_000, 0xff);
  expect(adler32(bytes.subarray(33_333), adler32(bytes.subarray(0, 33_333)))).toBe(adler32(bytes));
});

describe.each(fixtureNames)('files of ZooKeeper %s', (name) => {
  const files = filesOf(name);
  const snapshot = files.findLast(({ path }) => path.includes('/snapshot.')) as FixtureFile;
  const log = files.find(({ path }) => path.endsWith('/log.1')) as FixtureFile;

  test('a snapshot cut anywhere is refused, but where an older version would have ended it', async () => {
    const whole = (await itemsOf(snapshot)).join();
    for (let sizeBytes = 0; sizeBytes < snapshot.bytes.length; sizeBytes += 1) {
      const items = await readable(cut(snapshot, sizeBytes));
      if (items !== null && items.join() !== whole) expect(items.join()).toBe(whole);
    }
  });

  test('a log cut anywhere gives the transactions in front of the cut', async () => {
    const whole = await itemsOf(log);
    const writtenBytes = log.bytes.findLastIndex((byte) => byte !== 0) + 1;
    let longest = 0;
    for (let sizeBytes = 0; sizeBytes <= writtenBytes; sizeBytes += 1) {
      const items = await readable(cut(log, sizeBytes));
      if (items === null) {
        expect(sizeBytes).toBeLessThan(16); // In the header.
        continue;
      }
      const isPrefix = items.every((item, index) => item === whole[index]);
      if (!isPrefix || items.length < longest) expect(items).toEqual(whole.slice(0, longest));
      longest = items.length;
    }
    expect(longest).toBe(whole.length);
  });

  test('a flipped bit in a snapshot is seen', async () => {
    const whole = await itemsOf(snapshot);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: snapshot.bytes.length * 8 - 1 }), async (bit) => {
        const items = await readable(flipped(snapshot, bit));
        // The headers of gzip and of snappy's framing have bytes that nobody reads.
        if (items !== null) expect(items).toEqual(whole);
        if (items !== null) expect(snapshot.path).toMatch(/\.(gz|snappy)$/);
      }),
      { numRuns: 300 },
    );
  });

  test('a flipped bit in a log is seen, or was in the last entry, which then is not there', async () => {
    const whole = await itemsOf(log);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: log.bytes.length * 8 - 1 }), async (bit) => {
        const items = await readable(flipped(log, bit));
        if (items === null) return;
        expect(items).toEqual(whole.slice(0, items.length));
        expect(items.length).toBeGreaterThanOrEqual(whole.length - 1);
      }),
      { numRuns: 300 },
    );
  });

  test('a record of zeros that hides others is damage, and not the end', async () => {
    const zeroed = Buffer.from(log.bytes);
    const first = zeroed.readInt32BE(16 + 8);
    zeroed.fill(0, 16 + 12 + first + 1, 16 + 12 + first + 1 + 12);
    await expect(itemsOf({ path: log.path, bytes: zeroed })).rejects.toThrow(
      /there are others behind it/,
    );
  });
});

describe('our own files', () => {
  const { clock, timers, random } = nodeEnvironment();
  let disk: MemoryDisk;
  const paths: string[] = [];

  beforeAll(async () => {
    const live = new MemoryDisk();
    const { storage } = await open(live);
    const state = new State();
    for (let n = 0; n < 20; n += 1) {
      state.write({ kind: 'multi', operations: [create(`/a${n}`), create(`/a${n}/b`, 1, 'data')] });
      if (n !== 9) continue;
      const entries = [...state.sessions.all()].map((session) =>
        encodeEntry({ kind: 'session', session }),
      );
      for (const node of state.tree.stored()) entries.push(encodeEntry({ kind: 'node', node }));
      await appendAll(storage, state.records);
      await storage.writeSnapshot(state.zxid, entries);
    }
    await appendAll(storage, state.records.slice(11));
    await storage.close();
    disk = live;
    const environment = { clock, timers, random, disk };
    const from = { dataDirectory: DATA, logDirectory: null };
    const { path } = await backUp(
      environment,
      { from, to: '/data/backup', upToZxid: null, wholeHistory: true },
      silent,
    );
    paths.push(path, ...disk.paths().filter((file) => /odradek\/(log|snapshot)\./.test(file)));
  });

  async function appendAll(
    storage: Awaited<ReturnType<typeof open>>['storage'],
    records: State['records'],
  ): Promise<void> {
    await append(
      storage,
      ...records.map((record) => [Number(record.zxid), encodeRecord(record)] as const),
    );
  }

  const planted = (path: string, bytes: Buffer): MemoryDisk => {
    const changed = disk.copy();
    changed.plant(path, bytes);
    return changed;
  };

  const listed = async (on: MemoryDisk, path: string): Promise<ListedFile & { text: string }> => {
    const lines: string[] = [];
    const file = await listFile(
      on,
      path,
      everything,
      async (record) => void lines.push(text(record)),
    );
    return { ...file, text: lines.join('\n') };
  };

  test('a log, a snapshot and a backup, cut or with a flipped bit, are damaged or tell the same', async () => {
    expect(paths).toHaveLength(4);
    for (const path of paths) {
      const content = disk.contentOf(path);
      const whole = await listed(disk, path);
      expect(whole.damage).toBeNull();
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            fc.record({ flip: fc.integer({ min: 0, max: content.length * 8 - 1 }) }),
            fc.record({ cutAt: fc.integer({ min: 64, max: content.length - 1 }) }),
          ),
          async (change) => {
            const bytes =
              'flip' in change
                ? flipped({ path, bytes: content }, change.flip).bytes
                : content.subarray(0, change.cutAt);
            const isMagic = 'flip' in change && change.flip < 64;
            const file = await listed(planted(path, bytes), path).catch((error: unknown) => {
              // A backup has any name: without its magic nobody can tell what it was.
              if (!(error instanceof OfflineRefused && isMagic)) throw error;
              return null;
            });
            if (file === null) return;
            expect(whole.text.startsWith(file.text)).toBe(true);
            if (whole.kind !== 'log') expect(file.damage).not.toBeNull();
            else if (file.text !== whole.text && file.damage === null && 'flip' in change) {
              expect(file.torn).not.toBeNull();
            }
          },
        ),
        { numRuns: 150 },
      );
    }
  });

  test('nothing comes back of a damaged backup', async () => {
    const [path] = paths as [string];
    const content = disk.contentOf(path);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: content.length * 8 - 1 }), async (bit) => {
        const changed = planted(path, flipped({ path, bytes: content }, bit).bytes);
        const environment = { clock, timers, random, disk: changed, log: silentLog };
        const to = { dataDirectory: '/new', logDirectory: null };
        const failure = await restoreBackup(
          environment,
          { from: path, to, upToZxid: null },
          silent,
        ).catch((error: unknown) => error);
        expect(failure instanceof StorageDamaged || failure instanceof StorageNotUsable).toBe(true);
        expect(changed.paths().filter((file) => file.startsWith('/new'))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  test('the session that owns the nodes is there', async () => {
    const { text: shown } = await listed(disk, paths[0] as string);
    expect(shown).toContain(`0x${SESSION.toString(16)}`);
  });

  afterAll(() => {
    paths.length = 0;
  });
});
