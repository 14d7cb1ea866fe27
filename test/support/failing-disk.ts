/**
 * Disks that break or fill up when told to, below one folder and for one process: permissions do not stop root, and
 * volumes of one's own need rights; a library in front of the C library (failing-disk.c) needs a compiler and no rights.
 */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { constants, endianness } from 'node:os';
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
