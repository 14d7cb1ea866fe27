/** The small parts that order and bound work: doors, shared runs, open files, chores. */
import { describe, expect, test } from '@jest/globals';
import { AtMost } from '../../src/log/at-most.ts';
import { Chores } from '../../src/log/chores.ts';
import { Coalesced } from '../../src/log/coalesced.ts';
import { forEachConcurrently } from '../../src/log/for-each-concurrently.ts';
import { OpenFiles } from '../../src/log/open-files.ts';
import { MemoryDisk } from './memory-disk.ts';
import { timedEnvironment } from './support.ts';

/** Work that ends when it is told to. */
function held() {
  const ends: (() => void)[] = [];
  const work = (): Promise<void> => new Promise((resolve) => ends.push(resolve));
  return { ends, work };
}

const turns = (): Promise<void> => timedEnvironment(new MemoryDisk()).settle(3);

describe('a door for so many', () => {
  test('lets no more through, in order, also after failures', async () => {
    const door = new AtMost(2);
    const { ends, work } = held();
    const order: number[] = [];
    const all = [0, 1, 2, 3].map((index) =>
      door.run(() => {
        order.push(index);
        return index === 0 ? work().then(() => Promise.reject(new Error('failed'))) : work();
      }),
    );
    await turns();
    expect(order).toEqual([0, 1]);
    ends[0]?.();
    await expect(all[0]).rejects.toThrow('failed');
    await turns();
    expect(order).toEqual([0, 1, 2]);
    for (let index = 1; index < 4; index++) {
      ends[index]?.();
      await turns();
    }
    await Promise.all(all.slice(1));
    expect(order).toEqual([0, 1, 2, 3]);
  });
});

describe('a shared run', () => {
  test('one that began before a call does not count for it', async () => {
    const { ends, work } = held();
    const shared = new Coalesced(work);
    const first = shared.run();
    const second = shared.run();
    const third = shared.run();
    expect([ends.length, second === third, first === second]).toEqual([1, true, false]);
    ends[0]?.();
    await first;
    await turns();
    expect(ends).toHaveLength(2);
    ends[1]?.();
    await Promise.all([second, third]);
    const fourth = shared.run();
    expect(ends).toHaveLength(3);
    ends[2]?.();
    await fourth;
  });
});

describe('open files', () => {
  test('are never more than allowed, and everybody gets a turn', async () => {
    const disk = new MemoryDisk();
    const files = new OpenFiles(disk, 2);
    let most = 0;
    const paths = Array.from({ length: 12 }, (_, index) => `/f${index % 5}`);
    await Promise.all(
      paths.map((path) =>
        files.use(path, async (file) => {
          most = Math.max(most, disk.openCount);
          await turns();
          await file.write([Buffer.from('x')], 0);
        }),
      ),
    );
    expect(most).toBe(2);
    await files.close();
    expect(disk.openCount).toBe(0);
  });

  test('reading makes no file, and a failure is not remembered', async () => {
    const disk = new MemoryDisk();
    const files = new OpenFiles(disk);
    await expect(files.read('/f', (file) => file.sizeBytes())).rejects.toThrow('ENOENT');
    expect(disk.files.has('/f')).toBe(false);
    disk.put('/f', 'abc');
    expect(await files.read('/f', (file) => file.sizeBytes())).toBe(3);
  });
});

describe('for each, a few at a time', () => {
  test('stops after a failure, when those under way have ended', async () => {
    const done: number[] = [];
    const running = forEachConcurrently([1, 2, 3, 4, 5, 6], 2, async (item) => {
      await turns();
      if (item === 2) throw new Error('two');
      done.push(item);
    });
    await expect(running).rejects.toThrow('two');
    expect(done.every((item) => item < 4)).toBe(true);
    expect(done).toContain(1);
  });
});

describe('chores', () => {
  test('come round, one at a time, until they are stopped', async () => {
    const environment = timedEnvironment(new MemoryDisk());
    const chores = new Chores(environment);
    const { ends, work } = held();
    chores.every(100, 10, work);
    chores.every(Number.POSITIVE_INFINITY, 0, () => Promise.reject(new Error('never')));
    environment.pass(10);
    environment.pass(500);
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await environment.settle(3);
    environment.pass(99);
    expect(ends).toHaveLength(1);
    environment.pass(1);
    expect(ends).toHaveLength(2);
    const stopped = chores.stop();
    ends[1]?.();
    await stopped;
    environment.pass(1000);
    expect(ends).toHaveLength(2);
  });
});
