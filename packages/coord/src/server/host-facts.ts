/**
 * Facts of the machine that monitoring asks for: sizes of folders, open files. Looked up when asked.
 */
import { join } from 'node:path';
import type { Disk, HostFacts } from '@odradek/runtime';
import type { Named } from './server-info.ts';

/** Bytes of all files in a folder and below; 0 when it is not there. */
export async function folderBytes(disk: Disk, folder: string): Promise<number> {
  let sizeBytes = 0;
  for (const { name, kind } of await disk.list(folder)) {
    const path = join(folder, name);
    if (kind === 'directory') sizeBytes += await folderBytes(disk, path);
    else sizeBytes += (await disk.status(path))?.sizeBytes ?? 0;
  }
  return sizeBytes;
}

/** Files this process has open and may have open; null where the system does not tell. */
export async function openFiles(disk: Disk): Promise<{ count: number; max: number } | null> {
  const entries = await disk.list('/proc/self/fd');
  const limits = await disk.readFile('/proc/self/limits');
  const max = /^Max open files\s+(\d+)/m.exec(limits?.toString('latin1') ?? '')?.[1];
  return entries.length === 0 || max === undefined
    ? null
    : { count: entries.length, max: Number(max) };
}

const MIB = 1024 * 1024;

/** Node's names of processors as Java has them. */
const javaArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'aarch64' };

/**
 * The lines of `envi`, in the original's order. Where it tells of Java this tells of Node, which
 * scripts and people understand better than a line that is missing.
 */
export function environmentLines(facts: HostFacts): readonly Named<string>[] {
  const mebibytes = (bytes: number): string => `${Math.floor(bytes / MIB)}MB`;
  return [
    ['host.name', facts.hostName],
    ['java.version', `${facts.nodeVersion} (Node.js)`],
    ['java.vendor', 'Node.js'],
    ['java.home', facts.nodeHome],
    ['java.class.path', facts.script],
    ['java.library.path', ''],
    ['java.io.tmpdir', facts.temporaryFolder],
    ['java.compiler', `V8 ${facts.v8Version}`],
    ['os.name', facts.osName],
    ['os.arch', javaArchitectures[facts.osArchitecture] ?? facts.osArchitecture],
    ['os.version', facts.osVersion],
    ['user.name', facts.userName],
    ['user.home', facts.userHome],
    ['user.dir', facts.workingFolder],
    ['os.memory.free', mebibytes(facts.freeMemoryBytes)],
    ['os.memory.max', mebibytes(facts.totalMemoryBytes)],
    ['os.memory.total', mebibytes(facts.residentMemoryBytes)],
  ];
}
