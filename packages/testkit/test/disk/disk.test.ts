/**
 * Goal: what a loss of power may take from a simulated disk, it takes in some seed; what it may not, in none.
 */
import { expect, test } from '@jest/globals';
import type { Disk } from '@odradek/runtime';
import { SimulatedWorld } from '../../src/index.ts';
import type { SimulatedHost } from '../../src/world/host.ts';

const SEEDS = Array.from({ length: 60 }, (_, index) => index);

interface Machine {
  readonly world: SimulatedWorld;
  readonly host: SimulatedHost;
  readonly disk: Disk;
}

async function machine(seed: number): Promise<Machine> {
  const world = new SimulatedWorld(seed);
  const host = world.addHost('a');
  let disk: Disk | null = null;
  host.start((environment) => {
    disk = environment.disk;
  });
  await world.runFor(1);
  if (disk === null) throw new Error('not started');
  return { world, host, disk };
}

/** Waits in virtual time. */
async function done<T>({ world }: Machine, running: Promise<T>): Promise<T> {
  let isDone = false;
  running.then(
    () => {
      isDone = true;
    },
    () => {
      isDone = true;
    },
  );
  await world.runUntil(() => isDone, 60_000);
  return running;
}

async function fileWith(m: Machine, path: string, content: string, mode: 'write' | 'durable') {
  await done(m, m.disk.makeDirectory('/data'));
  const file = await done(m, m.disk.open(path, mode));
  await done(m, file.write([Buffer.from(content)], 0));
  return file;
}

test('what was synced is there after every loss of power', async () => {
  for (const seed of SEEDS) {
    const m = await machine(seed);
    const file = await fileWith(m, '/data/f', 'a'.repeat(2_000), 'write');
    await done(m, file.sync());
    await done(m, m.disk.syncDirectory('/data'));
    await done(m, file.write([Buffer.from('b'.repeat(2_000))], 2_000));
    m.host.losePower();
    expect(m.host.disk.contentOf('/data/f')?.toString().slice(0, 2_000)).toBe('a'.repeat(2_000));
  }
});

test('a durable write needs no sync; it makes durable only itself', async () => {
  const others = new Set<string>();
  for (const seed of SEEDS) {
    const m = await machine(seed);
    const file = await fileWith(m, '/data/f', 'a'.repeat(512), 'durable');
    const loose = await done(m, m.disk.open('/data/f', 'write'));
    await done(m, loose.write([Buffer.from('b'.repeat(512))], 512));
    await done(m, file.write([Buffer.from('c'.repeat(512))], 1_024));
    await done(m, m.disk.syncDirectory('/data'));
    m.host.losePower();
    const content = m.host.disk.contentOf('/data/f')?.toString() ?? '';
    expect(content.slice(0, 512)).toBe('a'.repeat(512));
    expect(content.slice(1_024)).toBe('c'.repeat(512));
    others.add(content.slice(512, 513));
  }
  expect([...others].sort()).toEqual(['\0', 'b']);
});

test('of what was not synced any sectors may be there, old, new, or as they were in between', async () => {
  const found = new Set<string>();
  for (const seed of SEEDS) {
    const m = await machine(seed);
    const file = await fileWith(m, '/data/f', 'a'.repeat(1_024), 'write');
    await done(m, file.sync());
    await done(m, m.disk.syncDirectory('/data'));
    await done(m, file.write([Buffer.from('b'.repeat(1_024))], 0));
    await done(m, file.write([Buffer.from('c'.repeat(1_024))], 0));
    m.host.losePower();
    const content = m.host.disk.contentOf('/data/f')?.toString() ?? '';
    found.add(content[0] + (content[512] ?? '-'));
  }
  for (const torn of ['aa', 'cc', 'ac', 'ca']) expect(found).toContain(torn);
  expect([...found].some((each) => each.includes('b'))).toBe(true);
});

test('a killed process loses nothing that the system had', async () => {
  for (const seed of SEEDS) {
    const m = await machine(seed);
    await fileWith(m, '/data/f', 'whole', 'write');
    m.host.kill();
    expect(m.host.disk.contentOf('/data/f')?.toString()).toBe('whole');
  }
});

test('names are certain once their folder was synced; a rename is whole or not at all', async () => {
  const found = new Set<string>();
  for (const seed of SEEDS) {
    const m = await machine(seed);
    const old = await fileWith(m, '/data/f', 'old', 'write');
    await done(m, old.sync());
    await done(m, m.disk.syncDirectory('/data'));
    const next = await fileWith(m, '/data/f.tmp', 'new', 'write');
    await done(m, next.sync());
    await done(m, m.disk.rename('/data/f.tmp', '/data/f'));
    m.host.losePower();
    found.add(`${m.host.disk.contentOf('/data/f')} ${m.host.disk.contentOf('/data/f.tmp')}`);
  }
  expect([...found].sort()).toEqual(['new null', 'old new', 'old null']);
});

test('replaceFile leaves the old or the new content, at whatever instant the power goes', async () => {
  const found = new Set<string>();
  for (const seed of SEEDS) {
    const m = await machine(seed);
    await done(m, m.disk.makeDirectory('/data'));
    await done(m, m.disk.replaceFile('/data/mark', 'old'));
    void m.disk.replaceFile('/data/mark', 'new');
    await m.world.runFor(seed / 15);
    m.host.losePower();
    found.add(String(m.host.disk.contentOf('/data/mark')));
  }
  expect([...found].sort()).toEqual(['new', 'old']);
});

test('a full disk takes no more, a failing one answers with its code, and a lock dies with its process', async () => {
  const m = await machine(1);
  const file = await fileWith(m, '/data/f', 'a', 'write');
  m.host.disk.fillUp(100);
  await expect(done(m, file.write([Buffer.alloc(200)], 1))).rejects.toThrow('ENOSPC');
  await done(m, file.write([Buffer.alloc(50)], 1));
  m.host.disk.failing = { code: 'EIO', operations: ['sync'], share: 1 };
  await expect(done(m, file.sync())).rejects.toThrow('EIO');
  await done(m, m.disk.lock('/data/lock'));
  await expect(done(m, m.disk.lock('/data/lock'))).rejects.toThrow('locked');
  m.host.kill();
  let isLocked = false;
  m.host.start(({ disk }) => {
    void disk.lock('/data/lock').then(() => {
      isLocked = true;
    });
  });
  await m.world.runFor(10);
  expect(isLocked).toBe(true);
});

test('a bit that turned is one bit of what was written', async () => {
  const m = await machine(2);
  const file = await fileWith(m, '/data/log.1', 'x'.repeat(3_000), 'write');
  await done(m, file.sync());
  expect(m.host.disk.rot(/log\./)).toContain('/data/log.1 at ');
  const content = m.host.disk.contentOf('/data/log.1') ?? Buffer.alloc(0);
  const changed = [...content].map((byte) => byte ^ 'x'.charCodeAt(0)).filter((bits) => bits !== 0);
  expect(changed).toHaveLength(1);
  expect(Number.isInteger(Math.log2(changed[0] ?? 3))).toBe(true);
});
