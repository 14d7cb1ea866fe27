/**
 * Data directories that real servers of 3.4 to 3.9 left behind when they were killed: what is
 * loaded is what their clients saw, whichever snapshot or log it comes from.
 */
import { describe, expect, test } from '@jest/globals';
import { ForeignDataDamaged, OfflineRefused } from '../../src/offline/errors.ts';
import { type LoadedOriginal, loadOriginal } from '../../src/offline/original/load.ts';
import { derivedPassword } from '../../src/offline/original/session-password.ts';
import type { MemoryDisk } from '../storage/memory-disk.ts';
import { type Dump, dumpTree } from './support/dump.ts';
import {
  DATA_DIRECTORY,
  diskWith,
  expectedOf,
  type FixtureFile,
  filesOf,
  fixtureNames,
  sessionsOf,
  VERSION_FOLDER,
} from './support/fixtures.ts';

const source = {
  dataDirectory: DATA_DIRECTORY,
  logDirectory: null,
  acceptLoss: false,
  oldTtlMarks: false,
};

async function load(
  disk: MemoryDisk,
  options: Partial<typeof source> = {},
): Promise<LoadedOriginal & { readonly warnings: readonly string[] }> {
  const warnings: string[] = [];
  const progress = { step: () => {}, warn: (text: string) => void warnings.push(text) };
  return { ...(await loadOriginal(disk, { ...source, ...options }, progress)), warnings };
}

/** 3.4 has no /zookeeper/config; later servers, and ours, make it when they start from its data. */
function withoutConfigNode(name: string, dump: Dump): Dump {
  const isOld = name.startsWith('3.4');
  return new Map([...dump].filter(([path]) => !(isOld && /^\/zookeeper(\/config)?$/.test(path))));
}

const seen = (name: string, { state }: LoadedOriginal): Dump =>
  withoutConfigNode(name, dumpTree(state.tree));

const isSnapshot = ({ path }: FixtureFile): boolean => path.includes('/snapshot.');
const damagedCopy = (file: FixtureFile, at: number): FixtureFile => {
  const bytes = Buffer.from(file.bytes);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  return { path: file.path, bytes };
};

test('there are fixtures of every line of releases from 3.4 to 3.9', () => {
  const lines = fixtureNames.map((name) => name.split('.').slice(0, 2).join('.'));
  expect(new Set(lines)).toEqual(new Set(['3.4', '3.5', '3.6', '3.7', '3.8', '3.9']));
});

describe.each(fixtureNames)('%s', (name) => {
  const files = filesOf(name);
  const snapshots = files.filter(isSnapshot);
  const logs = files.filter((file) => !isSnapshot(file));
  const expected = withoutConfigNode(name, expectedOf(name));
  const hasDigest = !/^3\.[45]/.test(name);

  test('loads as its clients saw it, sessions with their passwords included', async () => {
    const loaded = await load(diskWith(files));
    expect(seen(name, loaded)).toEqual(expected);
    expect(loaded.digestMatches).toBe(hasDigest ? true : null);
    expect(loaded.warnings).toEqual([]);
    for (const { id, timeoutMs, password } of sessionsOf(name)) {
      const session = loaded.state.sessions.get(id);
      expect(session?.timeoutMs).toBe(timeoutMs);
      expect(session?.password.toString('hex')).toBe(password);
    }
  });

  test('loads the same from the log alone, and from every snapshot with the log behind it', async () => {
    expect(seen(name, await load(diskWith(logs)))).toEqual(expected);
    for (const snapshot of snapshots) {
      const loaded = await load(diskWith([...logs, snapshot]));
      expect(loaded.snapshot).toBe(snapshot.path);
      expect(seen(name, loaded)).toEqual(expected);
    }
  });

  test('a damaged snapshot is said and the one before it taken', async () => {
    const newest = snapshots.toSorted((a, b) => zxidOf(b) - zxidOf(a))[0] as FixtureFile;
    const others = files.filter((file) => file !== newest);
    const broken = damagedCopy(newest, Math.floor(newest.bytes.length / 2));
    const loaded = await load(diskWith([...others, broken]));
    expect(seen(name, loaded)).toEqual(expected);
    expect(loaded.snapshot).not.toBe(newest.path);
    expect(loaded.warnings[0]).toContain(newest.path);
  });

  test('a missing log file is a gap, which is named and not jumped over', async () => {
    const ordered = logs.toSorted((a, b) => zxidOf(a) - zxidOf(b));
    const [first, , ...rest] = ordered as [FixtureFile, FixtureFile, ...FixtureFile[]];
    const disk = diskWith([first, ...rest]);
    await expect(load(disk)).rejects.toThrow(ForeignDataDamaged);
    await expect(load(disk)).rejects.toThrow(/what was between is missing/);
    const accepted = await load(disk, { acceptLoss: true });
    expect(accepted.warnings.join()).toContain('ACCEPTED');
    const alone = await load(diskWith([first]));
    expect(dumpTree(accepted.state.tree)).toEqual(dumpTree(alone.state.tree));
  });

  test('a snapshot without the log that it needs is refused', async () => {
    const beginning = logs.filter((log) => zxidOf(log) !== 1);
    await expect(load(diskWith(beginning))).rejects.toThrow(/missing/);
  });
});

const zxidOf = ({ path }: FixtureFile): number =>
  Number.parseInt(/\.([0-9a-f]+)/.exec(path)?.[1] ?? '', 16);

test('the password of a session is the one that java.util.Random gives', () => {
  // As a server of 3.8 answered.
  const [session] = sessionsOf('3.8.0-debian');
  expect(derivedPassword(session?.id ?? 0n).toString('hex')).toBe(session?.password);
});

test('a folder without ZooKeeper in it is refused in one sentence', async () => {
  const disk = diskWith([{ path: `${VERSION_FOLDER}/acceptedEpoch`, bytes: Buffer.from('1') }]);
  await expect(load(disk)).rejects.toThrow(OfflineRefused);
  await expect(load(disk, { dataDirectory: '/elsewhere' })).rejects.toThrow(
    /no \/elsewhere\/version-2/,
  );
});
