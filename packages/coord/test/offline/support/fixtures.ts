/** Data directories that real servers left behind; make-fixtures.ts says how. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MemoryDisk } from '../../storage/memory-disk.ts';
import type { Dump } from './dump.ts';

export const fixtureFolder = resolve(import.meta.dirname, '../../fixtures/original');

export const fixtureNames: readonly string[] = readdirSync(fixtureFolder).sort();

/** Where {@link diskWith} puts the files. */
export const VERSION_FOLDER = '/zk/version-2';
export const DATA_DIRECTORY = '/zk';

export interface FixtureFile {
  /** On the disk in memory. */
  readonly path: string;
  readonly bytes: Buffer;
}

export function filesOf(name: string): readonly FixtureFile[] {
  const folder = join(fixtureFolder, name, 'version-2');
  return readdirSync(folder)
    .sort()
    .map((file) => ({
      path: `${VERSION_FOLDER}/${file}`,
      bytes: readFileSync(join(folder, file)),
    }));
}

/** The fixture on a disk in memory, which a test may damage. */
export function diskWith(files: readonly FixtureFile[]): MemoryDisk {
  const disk = new MemoryDisk();
  for (const { path, bytes } of files) disk.plant(path, bytes);
  return disk;
}

const linesOf = (name: string, file: string): readonly string[] =>
  readFileSync(join(fixtureFolder, name, file), 'utf8')
    .split('\n')
    .filter(Boolean);

export function expectedOf(name: string): Dump {
  return new Map(
    linesOf(name, 'expected.txt').map((line) => {
      const blank = line.indexOf(' ');
      return [line.slice(0, blank), line.slice(blank + 1)] as const;
    }),
  );
}

export interface FixtureSession {
  readonly id: bigint;
  readonly timeoutMs: number;
  readonly password: string;
}

export function sessionsOf(name: string): readonly FixtureSession[] {
  return linesOf(name, 'sessions.txt').map((line) => {
    const [id = '', timeoutMs, password = ''] = line.split(' ');
    return { id: BigInt.asIntN(64, BigInt(`0x${id}`)), timeoutMs: Number(timeoutMs), password };
  });
}
