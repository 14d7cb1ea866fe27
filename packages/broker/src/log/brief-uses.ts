/**
 * A disk for files that are opened for a moment: notes that are replaced, snapshots, folders that are synced. So many
 * at a time: thousands of partitions that roll or change leaders in one turn would hold a descriptor each otherwise. What
 * stays open is open-files.ts's, which has its own bound.
 */
import type { Disk, DiskFile } from '@odradek/runtime';
import { AtMost } from './at-most.ts';

/** More would not be quicker: the system calls of all files share a pool of four threads. */
export const BRIEF_USES_MAX = 64;

/** Whoever has a file open here opens no second one before it is closed. */
export function forBriefUses(disk: Disk): Disk {
  const uses = new AtMost(BRIEF_USES_MAX);
  return {
    open: (path, mode) =>
      new Promise((resolve, reject) => {
        void uses.run(async () => {
          try {
            const file = await disk.open(path, mode);
            await new Promise<void>((closed) => resolve(withEnd(file, closed)));
          } catch (error) {
            reject(error);
          }
        });
      }),
    readFile: (path) => uses.run(() => disk.readFile(path)),
    replaceFile: (path, content) => uses.run(() => disk.replaceFile(path, content)),
    syncDirectory: (path) => uses.run(() => disk.syncDirectory(path)),
    status: (path) => disk.status(path),
    list: (path) => disk.list(path),
    survey: (path) => disk.survey(path),
    readPieces: (pieces) => disk.readPieces(pieces),
    makeDirectory: (path) => disk.makeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    setModifiedTime: (path, atMs) => disk.setModifiedTime(path, atMs),
    space: (path) => disk.space(path),
    lock: (lockFilePath) => disk.lock(lockFilePath),
  };
}

/** The same file, which tells when it is closed, or could not be. */
function withEnd(file: DiskFile, closed: () => void): DiskFile {
  return {
    path: file.path,
    sizeBytes: () => file.sizeBytes(),
    write: (buffers, position) => file.write(buffers, position),
    read: (target, position) => file.read(target, position),
    sync: () => file.sync(),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    close: () => file.close().finally(closed),
  };
}
