/**
 * Disks that break or fill up when told to, below one folder and for one process: permissions do not stop root, and
 * volumes of one's own need rights; a library in front of the C library (failing-disk.c) needs a compiler and no rights.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { constants, endianness } from 'node:os';
import { join } from 'node:path';
import type { Workspace } from './workspace.ts';

export interface FailingDisk {
  /** For the process whose disk it is. */
  readonly environment: Readonly<Record<string, string>>;
  /** From now on everything below `folder` fails. */
  breakDown(folder: string): void;
  /** From now on there is no room below `folder`; what is there can be read. */
  fillUp(folder: string): void;
  /** From now on all is well. */
  heal(): void;
  close(): void;
}

/** What failing-disk.c maps. */
const ORDER_BYTES = 1024;

/** @returns why there is none on this machine, or the library to use */
export function buildFailingDisk(
  workspace: Workspace,
): { readonly library: string } | { readonly refused: string } {
  const library = workspace.path('failing-disk.so');
  const source = join(import.meta.dirname, 'failing-disk.c');
  const compiled = spawnSync('gcc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  });
  if (compiled.error !== undefined) return { refused: 'there is no gcc' };
  return compiled.status === 0 ? { library } : { refused: `gcc: ${compiled.stderr.trim()}` };
}

export function failingDisk(workspace: Workspace, library: string, name: string): FailingDisk {
  const path = workspace.path(`${name}-failing-disk`);
  writeFileSync(path, Buffer.alloc(ORDER_BYTES));
  // The process maps the file: it must be written in place and never get shorter.
  const file = openSync(path, 'r+');
  const write = (bytes: Buffer, at: number): void =>
    void writeSync(file, bytes, 0, bytes.length, at);
  const order = (error: number, isFull: boolean, folder: string): void => {
    write(words(0), 0); // Nothing fails while the rest is half written.
    write(Buffer.from(`${folder}\0`), 8);
    write(words(error, isFull ? 1 : 0), 0);
  };
  return {
    environment: { LD_PRELOAD: library, ODRADEK_FAILING_DISK: path, UV_USE_IO_URING: '0' },
    breakDown: (folder) => order(constants.errno.EIO, false, folder),
    fillUp: (folder) => order(constants.errno.ENOSPC, true, folder),
    heal: () => write(words(0), 0),
    close: () => closeSync(file),
  };
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries())
    if (endianness() === 'LE') bytes.writeInt32LE(value, index * 4);
    else bytes.writeInt32BE(value, index * 4);
  return bytes;
}
