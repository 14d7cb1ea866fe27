/** Backup, restore and check on data of a server of ours, stopped or beside a running one. */
import { describe, expect, test } from '@jest/globals';
import { DirectoryLocked, nodeEnvironment } from '@odradek/runtime';
import { treeDigest } from '../../src/digest/tree-digest.ts';
import { backUp } from '../../src/offline/backup.ts';
import { checkDataDirectory } from '../../src/offline/check.ts';
import { OfflineRefused } from '../../src/offline/errors.ts';
import { loadSurveyed } from '../../src/offline/own-data.ts';
import { restoreBackup } from '../../src/offline/restore.ts';
import { silent } from '../../src/offline/state.ts';
import { encodeEntry, encodeRecord } from '../../src/server/record-codec.ts';
import { StorageDamaged } from '../../src/storage/errors.ts';
import { survey } from '../../src/storage/recovery.ts';
import type { ReplicatedStorage } from '../../src/storage/types.ts';
import { MemoryDisk } from '../storage/memory-disk.ts';
import { append, DATA, FOLDER, open } from '../storage/set-up.ts';
import { contents, create, remove, State, set } from '../support/state.ts';

const { clock, timers, random } = nodeEnvironment();
const from = { dataDirectory: DATA, logDirectory: null };
const online = { ...from, online: true };
const offline = { ...from, online: false };

/** A server that wrote transactions 1 to 41, with snapshots at 11, 21 and 31; still running. */
interface Served {
  readonly disk: MemoryDisk;
  readonly storage: ReplicatedStorage;
  /** What the tree was after each transaction, by zxid. */
  readonly history: readonly unknown[];
}

async function serve(): Promise<Served> {
  const disk = new MemoryDisk();
  const { storage } = await open(disk);
  const state = new State();
  const history: unknown[] = [null, contents(state.tree)];
  let logged = 0;
  const log = async (): Promise<void> => {
    const fresh = state.records.slice(logged);
    logged = state.records.length;
    // Each in a group of its own: what is not in the last group was certainly on the disk.
    for (const record of fresh) {
      await append(storage, [Number(record.zxid), encodeRecord(record)] as const);
    }
  };
  for (let n = 0; n < 40; n += 1) {
    if (n % 4 === 3) state.write(n % 8 === 3 ? set(`/n${n - 1}`) : remove(`/n${n - 1}`));
    else state.write(create(`/n${n}`, n % 5 === 0 ? 1 : 0, `data ${n}`));
    history.push(contents(state.tree));
    if (n % 10 !== 9 || n === 39) continue;
    await log();
    const entries = [...state.sessions.all()].map((session) =>
      encodeEntry({ kind: 'session', session }),
    );
    for (const node of state.tree.stored()) entries.push(encodeEntry({ kind: 'node', node }));
    await storage.writeSnapshot(state.zxid, entries);
  }
  await log();
  return { disk, storage, history };
}

const stop = async (served: Served): Promise<Served> => {
  await served.storage.close();
  return served;
};

const on = (disk: MemoryDisk) => ({ clock, timers, random, disk });

async function treeIn(disk: MemoryDisk, folder: string): Promise<unknown> {
  const found = await survey(
    disk,
    { dataFolder: folder, logFolder: folder },
    nodeEnvironment().log,
  );
  return contents((await loadSurveyed(disk, found, silent)).state.tree);
}

const backupOptions = { from, to: '/backup', upToZxid: null, wholeHistory: false };

describe('backup and restore', () => {
  test('beside a running server, everything acknowledged is in it, and comes back', async () => {
    const { disk, history } = await serve();
    const report = await backUp(on(disk), backupOptions, silent);
    expect(report).toMatchObject({
      path: '/backup',
      firstZxid: 31n,
      lastZxid: 41n,
      recordCount: 10,
    });
    const to = { dataDirectory: '/new', logDirectory: null };
    const restored = await restoreBackup(on(disk), { from: '/backup', to, upToZxid: null }, silent);
    expect(restored).toMatchObject({
      zxid: 41n,
      sessionCount: 1,
      written: '/new/odradek/snapshot.0000000000000029',
    });
    expect(await treeIn(disk, '/new/odradek')).toEqual(history[41]);
    const { storage } = await open(disk, {}, { dataDirectory: '/new' });
    expect(storage.recoveredZxid).toBe(41n);
    await storage.close();
  });

  test('as of any transaction that a backup of the whole history reaches', async () => {
    const { disk, history } = await stop(await serve());
    const report = await backUp(on(disk), { ...backupOptions, wholeHistory: true }, silent);
    expect(report).toMatchObject({ firstZxid: 11n, lastZxid: 41n });
    for (let zxid = 11; zxid <= 41; zxid += 1) {
      const to = { dataDirectory: `/at${zxid}`, logDirectory: null };
      const options = { from: '/backup', to, upToZxid: BigInt(zxid) };
      expect(await restoreBackup(on(disk), options, silent)).toMatchObject({ zxid: BigInt(zxid) });
      expect(await treeIn(disk, `/at${zxid}/odradek`)).toEqual(history[zxid]);
    }
    for (const upToZxid of [10n, 42n]) {
      const options = { from: '/backup', to: null, upToZxid };
      await expect(restoreBackup(on(disk), options, silent)).rejects.toThrow(/is not in it/);
    }
  });

  test('a backup up to an earlier transaction begins with a snapshot before it', async () => {
    const { disk, history } = await stop(await serve());
    const report = await backUp(on(disk), { ...backupOptions, upToZxid: 25n }, silent);
    expect(report).toMatchObject({ firstZxid: 21n, lastZxid: 25n, recordCount: 4 });
    const to = { dataDirectory: '/new', logDirectory: null };
    await restoreBackup(on(disk), { from: '/backup', to, upToZxid: null }, silent);
    expect(await treeIn(disk, '/new/odradek')).toEqual(history[25]);
    await expect(
      backUp(on(disk), { ...backupOptions, to: '/b', upToZxid: 99n }, silent),
    ).rejects.toThrow('the last transaction is 0x29, not 0x63');
  });

  test('nothing that is there is written over', async () => {
    const { disk } = await stop(await serve());
    await backUp(on(disk), backupOptions, silent);
    await expect(backUp(on(disk), backupOptions, silent)).rejects.toThrow(OfflineRefused);
    const options = { from: '/backup', to: from, upToZxid: null };
    await expect(restoreBackup(on(disk), options, silent)).rejects.toThrow(/is not empty/);
    await expect(backUp(on(disk), { ...backupOptions, to: '/nowhere/' }, silent)).rejects.toThrow(
      'there is no folder /nowhere/',
    );
    const named = await backUp(on(disk), { ...backupOptions, to: DATA }, silent);
    expect(named.path).toBe('/data/coord-backup.0000000000000029');
  });

  test('a full disk leaves no half backup behind', async () => {
    const { disk } = await stop(await serve());
    disk.fail('write', 'ENOSPC', { skip: 1, path: /backup/ });
    await expect(backUp(on(disk), backupOptions, silent)).rejects.toThrow('ENOSPC');
    expect(disk.paths().filter((path) => path.includes('backup'))).toEqual([]);
  });
});

describe('check', () => {
  test('whole files: what a start would do, with the digest of its tree', async () => {
    const { disk, history } = await stop(await serve());
    const before = disk.paths();
    const report = await checkDataDirectory(on(disk), offline, silent);
    expect(report).toMatchObject({ gaps: [], refusal: null });
    expect(report.files.every(({ damage, torn }) => damage === null && torn === null)).toBe(true);
    expect(report.start).toMatchObject({ zxid: 41n, replayed: 10, tornBytes: 0 });
    const found = await survey(
      disk,
      { dataFolder: FOLDER, logFolder: FOLDER },
      nodeEnvironment().log,
    );
    const { state } = await loadSurveyed(disk, found, silent);
    expect(contents(state.tree)).toEqual(history[41]);
    expect(report.start?.digest).toBe(treeDigest(state.tree));
    expect(disk.paths()).toEqual(before);
  });

  test('a running server keeps it out, unless it is told of it', async () => {
    const { disk } = await serve();
    await expect(checkDataDirectory(on(disk), offline, silent)).rejects.toThrow(DirectoryLocked);
    const report = await checkDataDirectory(on(disk), online, silent);
    expect(report.start).toMatchObject({ zxid: 41n });
  });

  test('an unfinished write at the end is said, and no damage', async () => {
    const { disk } = await stop(await serve());
    const last = disk.paths().findLast((path) => path.includes('/log.')) as string;
    disk.plant(last, disk.contentOf(last).subarray(0, -5));
    const report = await checkDataDirectory(on(disk), offline, silent);
    expect(report.start).toMatchObject({ zxid: 40n });
    expect(report.start?.tornBytes).toBeGreaterThan(0);
    expect(report.files.find(({ path }) => path === last)?.torn).not.toBeNull();
  });

  test('damage in the log refuses, damage in an old snapshot is only said, a gap is named', async () => {
    const damaged = async (pick: (paths: string[]) => string | undefined) => {
      const { disk } = await stop(await serve());
      const path = pick(disk.paths()) as string;
      const bytes = disk.contentOf(path);
      bytes[200] = (bytes[200] as number) ^ 1;
      disk.plant(path, bytes);
      return checkDataDirectory(on(disk), offline, silent);
    };
    const inLog = await damaged((paths) => paths.findLast((path) => path.includes('/log.')));
    expect(inLog.start).toBeNull();
    expect(inLog.refusal).toBeInstanceOf(StorageDamaged);
    const inOldSnapshot = await damaged((paths) =>
      paths.find((path) => path.includes('/snapshot.')),
    );
    expect(inOldSnapshot.start).toMatchObject({ zxid: 41n });
    expect(inOldSnapshot.files.filter(({ damage }) => damage !== null)).toHaveLength(1);
    const { disk } = await stop(await serve());
    const [first, second] = disk.paths().filter((path) => path.includes('/log.')) as [
      string,
      string,
    ];
    await disk.remove(second);
    const gap = await checkDataDirectory(on(disk), offline, silent);
    expect(gap.gaps).toHaveLength(1);
    expect(gap.gaps[0]).toContain('but the file before it ends with 0xb');
    expect(gap.start).toMatchObject({ zxid: 41n });
    expect(first).toContain('/log.');
  });

  test('a folder that no server ever had is refused', async () => {
    await expect(checkDataDirectory(on(new MemoryDisk()), offline, silent)).rejects.toThrow(
      '/data is no data directory of the coordination server: there is no /data/odradek',
    );
  });
});

describe('data of a member of an ensemble', () => {
  const promised = {
    clusterId: 'Aq3_x-9',
    acceptedEpoch: 3,
    currentEpoch: 2,
    fence: 0,
    metFence: 0,
    forcedMembers: null,
  };

  test('the mark is told, and a damaged one is why a start would refuse', async () => {
    const { disk, storage } = await serve();
    await storage.saveMark(promised);
    await storage.close();
    const report = await checkDataDirectory(on(disk), offline, silent);
    expect(report).toMatchObject({ mark: promised, install: null, refusal: null });
    disk.plant(`${FOLDER}/mark`, Buffer.from('acceptedEpoch=3'));
    const damaged = await checkDataDirectory(on(disk), offline, silent);
    expect(damaged).toMatchObject({ mark: null, start: null, refusal: { path: `${FOLDER}/mark` } });
  });

  test('a snapshot that was being installed is what counts, for a check and in a backup', async () => {
    const { disk, storage, history } = await serve();
    const content = disk.contentOf(`${FOLDER}/snapshot.0000000000000015`);
    await storage.close();
    // As after a crash right behind the instant from which the old files count no more.
    disk.plant(`${FOLDER}/install.0000000000000015`, content);
    const report = await checkDataDirectory(on(disk), offline, silent);
    expect(report.install).toBe(`${FOLDER}/install.0000000000000015`);
    expect(report.start).toMatchObject({ zxid: 21n, replayed: 0 });
    await backUp(on(disk), backupOptions, silent);
    const to = { dataDirectory: '/new', logDirectory: null };
    await restoreBackup(on(disk), { from: '/backup', to, upToZxid: null }, silent);
    expect(await treeIn(disk, '/new/odradek')).toEqual(history[21]);
    const { storage: started } = await open(disk);
    expect(started.recoveredZxid).toBe(21n);
    await started.close();
  });
});
