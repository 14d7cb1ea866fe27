/**
 * Files under pressure: many users of many files with a small limit, slow and failing disks. Whatever happens, every use
 * ends, no more descriptors are open than allowed, and each is closed once.
 */
import { describe, expect, test } from '@jest/globals';
import { ConfigError, type Disk, DiskError, type DiskFile, silentLog } from '@odradek/runtime';
import fc from 'fast-check';
import { CLOSING_FILES_MAX, OpenFiles } from '../../src/log/open-files.ts';
import { openLogFilesMax } from '../../src/server/open-files.ts';

/** A disk whose operations take some turns, and which counts what is open. */
class CountingDisk {
  open = 0;
  mostOpen = 0;
  readonly #draw: () => number;

  constructor(draw: () => number) {
    this.#draw = draw;
  }

  async wait(): Promise<void> {
    for (let turns = this.#draw() % 5; turns > 0; turns -= 1)
      await new Promise<void>((resolve) => setImmediate(resolve));
  }

  asDisk(): Disk {
    const open = async (path: string): Promise<DiskFile> => {
      await this.wait();
      if (this.#draw() % 10 === 0) throw new DiskError('EMFILE', path, 'open');
      this.open += 1;
      this.mostOpen = Math.max(this.mostOpen, this.open);
      let isOpen = true;
      const close = async (): Promise<void> => {
        if (!isOpen) throw new Error(`${path} closed twice`);
        await this.wait();
        isOpen = false;
        this.open -= 1;
      };
      const use = async (): Promise<void> => {
        if (!isOpen) throw new Error(`${path} used after it was closed`);
        await this.wait();
        if (!isOpen) throw new Error(`${path} closed while it was used`);
      };
      return { path, close, sync: use } as Partial<DiskFile> as DiskFile;
    };
    return { open } as Partial<Disk> as Disk;
  }
}

test('every use ends, and no more are open than may be', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6 }),
      fc.array(
        fc.record({
          path: fc.integer({ min: 0, max: 12 }).map(String),
          kind: fc.constantFrom('use', 'use', 'read', 'drop'),
        }),
        { maxLength: 150 },
      ),
      fc.infiniteStream(fc.nat(1_000)),
      async (limit, uses, chances) => {
        const disk = new CountingDisk(() => chances.next().value ?? 0);
        const files = new OpenFiles(disk.asDisk(), limit);
        const ended = uses.map(async ({ path, kind }) => {
          await disk.wait();
          if (kind === 'drop') return files.drop(path);
          try {
            await files[kind](path, (file) => file.sync());
          } catch (error) {
            expect(error).toBeInstanceOf(DiskError);
          }
        });
        await Promise.all(ended);
        expect(disk.mostOpen).toBeLessThanOrEqual(limit + CLOSING_FILES_MAX);
        await files.close();
        for (let turn = 0; turn < 200 && disk.open > 0; turn++) await disk.wait();
        expect([disk.open, files.count]).toEqual([0, 0]);
      },
    ),
    { numRuns: 150 },
  );
});

test('one file that is always in use does not keep the others waiting', async () => {
  const disk = new CountingDisk(() => 1);
  const files = new OpenFiles(disk.asDisk(), 2);
  let isOver = false;
  const forEver = async (): Promise<void> => {
    // Two that take turns, so that the file is never without a user.
    let last = files.use('hot', (file) => file.sync());
    while (!isOver) {
      const next = files.use('hot', (file) => file.sync());
      await last;
      last = next;
    }
    await last;
  };
  const hot = forEver();
  for (let round = 0; round < 20; round++) {
    const others = ['a', 'b', 'c', 'd', 'b'].map((path) => files.use(path, (file) => file.sync()));
    await Promise.all(others);
  }
  isOver = true;
  await hot;
});

/** A file whose users wait for `go`. */
function heldFile(
  files: OpenFiles,
  path: string,
): { readonly done: Promise<void>; go: () => void } {
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => {
    go = resolve;
  });
  return { done: files.use(path, () => gate), go: () => go() };
}

test('who finds his file open meanwhile leaves the room to the next', async () => {
  const files = new OpenFiles(new CountingDisk(() => 1).asDisk(), 2);
  const one = heldFile(files, 'one');
  const two = heldFile(files, 'two');
  const first = heldFile(files, 'hot'); // Has to wait, and so has the next.
  const next = files.use('cold', (file) => file.sync());
  files.drop('one'); // Makes room, of which nobody is told while it is used;
  const newcomer = heldFile(files, 'hot'); // so another takes it.
  two.go();
  await next;
  for (const { go } of [one, first, newcomer]) go();
  await Promise.all([one.done, two.done, first.done, newcomer.done]);
});

test('when closing falls behind, opening waits for it and goes on after it', async () => {
  let openCount = 0;
  let closeAll = (): void => {};
  const closing = new Promise<void>((resolve) => {
    closeAll = resolve;
  });
  const open = async (path: string): Promise<DiskFile> => {
    openCount += 1;
    return { path, close: () => closing } as Partial<DiskFile> as DiskFile;
  };
  const files = new OpenFiles({ open } as Partial<Disk> as Disk, 1);
  const nothing = (): Promise<void> => Promise.resolve();
  for (let n = 0; n <= CLOSING_FILES_MAX; n++) await files.use(`${n}`, nothing);
  const next = files.use('next', nothing);
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(openCount).toBe(1 + CLOSING_FILES_MAX);
  closeAll();
  await next;
  expect(openCount).toBe(2 + CLOSING_FILES_MAX);
});

describe('how many may be the logs’', () => {
  test.each([
    { wanted: null, limit: 1_048_576, files: 10_000 },
    { wanted: null, limit: 4_096, files: 2_048 },
    { wanted: null, limit: 100, files: 64 },
    { wanted: null, limit: null, files: 512 },
    { wanted: 3_000, limit: 4_096, files: 3_000 },
    { wanted: 3_000, limit: null, files: 3_000 },
  ])('$wanted of $limit: $files', ({ wanted, limit, files }) => {
    expect(openLogFilesMax(wanted, limit, silentLog)).toBe(files);
  });

  test('more than the process may have are refused in words', () => {
    const asked = (): number => openLogFilesMax(4_090, 4_096, silentLog);
    expect(asked).toThrow(ConfigError);
    expect(asked).toThrow(/odradek\.log\.open\.files\.max=4090.*4096.*ulimit -n 8180.*3968/);
  });

  test('few are warned of', () => {
    const said: string[] = [];
    const log = { ...silentLog, warn: (message: string) => said.push(message) };
    openLogFilesMax(null, 256, log as unknown as typeof silentLog);
    expect(said.join()).toContain('ulimit -n');
    openLogFilesMax(null, 2_048, log as unknown as typeof silentLog);
    expect(said).toHaveLength(1);
  });
});
