/**
 * A disk that gets slow when told to, for one process. Throttling by control groups needs a disk of its own and
 * device-mapper a spare one; a library in front of the C library needs a compiler and no rights (slow-disk.c).
 */
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { endianness } from 'node:os';
import type { Workspace } from './workspace.ts';

export interface SlowDisk {
  /** For the process whose disk it is. */
  readonly environment: Readonly<Record<string, string>>;
  /** So many milliseconds more for every sync from now on; 0 is the disk's own speed. */
  setDelay(ms: number): void;
  /** Syncs so far, and writes that are as good as one. */
  syncs(): number;
  close(): void;
}

export function slowDisk(workspace: Workspace, library: string, name: string): SlowDisk {
  const isLittle = endianness() === 'LE';
  const word = (ms: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (isLittle) bytes.writeUInt32LE(ms);
    else bytes.writeUInt32BE(ms);
    return bytes;
  };
  const path = workspace.path(`${name}-delay-ms`);
  writeFileSync(path, Buffer.concat([word(0), word(0)]));
  // The process maps the file: it must be written in place and never get shorter.
  const file = openSync(path, 'r+');
  return {
    environment: { LD_PRELOAD: library, ODRADEK_SLOW_DISK: path, UV_USE_IO_URING: '0' },
    setDelay: (ms) => {
      writeSync(file, word(ms), 0, 4, 0);
    },
    syncs: () => {
      const bytes = Buffer.alloc(4);
      readSync(file, bytes, 0, 4, 4);
      return isLittle ? bytes.readUInt32LE() : bytes.readUInt32BE();
    },
    close: () => closeSync(file),
  };
}
