/**
 * A lock on a folder as a file that names its holder, for an operating system interface (Node's)
 * without file locks.
 *
 * Taking it: the holder's identity is written to a file of its own and then hard-linked to the
 * lock's name, which fails when that name exists; so a lock file is always complete, and of two
 * starters at once one wins. A holder that is gone leaves its file behind. Whoever wants to replace
 * it must first take a second lock, named after the one generation (nonce) that is to be replaced,
 * and look again: while he holds that, nobody else may replace this generation, and if somebody
 * already did, he sees another nonce and starts over. A taker who dies on the way leaves his second
 * lock behind, which is replaced by the same rule.
 *
 * A process id alone does not identify a holder: after a restart, above all in a container, the
 * same number is somebody else. The start time of the process goes with it where /proc tells it.
 */
import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { DirectoryLocked, DiskError, invariant } from '../errors.ts';
import { isAlive, type ProcessIdentity, thisProcess } from './process-identity.ts';
import { systemCodeOf } from './system-error.ts';

/** Rounds lost against others who take or release the same lock, until we say it is held. */
const MAX_ATTEMPTS = 100;
const NONCE_BYTES = 6;

/** Locks held by this very process, by nonce: what tells them apart where /proc is not there. */
const held = new Set<string>();

interface LockContent extends ProcessIdentity {
  /** Names this generation of the lock file. */
  readonly nonce: string;
}

function render({ pid, startedAt, nonce }: LockContent): string {
  return `${pid}\n${startedAt ?? ''}\n${nonce}\n`;
}

/** @returns null for a file that we did not write, such as the empty one that Kafka leaves */
function parse(text: string): LockContent | null {
  const match = /^(\d+)\n([^\n]*)\n([0-9a-f]+)\n$/.exec(text);
  if (match === null) return null;
  const [, pid = '', startedAt = '', nonce = ''] = match;
  return { pid: Number(pid), startedAt: startedAt === '' ? null : startedAt, nonce };
}

/** A lock file as found: its holder where it names one, and a name for this generation of it. */
interface Found {
  readonly holder: LockContent | null;
  readonly generation: string;
}

async function inspect(path: string): Promise<Found | null> {
  try {
    const holder = parse(await readFile(path, 'utf8'));
    if (holder !== null) return { holder, generation: holder.nonce };
    return { holder, generation: `inode${(await stat(path)).ino}` };
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** The process that still holds what was found, or null when it is free to be replaced. */
async function liveHolder(path: string, found: Found): Promise<number | null> {
  const { holder } = found;
  if (holder === null) return await foreignHolder(path);
  if (holder.pid === process.pid && holder.startedAt === null) {
    return held.has(holder.nonce) ? holder.pid : null;
  }
  return (await isAlive(holder)) ? holder.pid : null;
}

/** Linux lists the holders of real file locks by inode: a JVM with Kafka in it would be there. */
async function foreignHolder(path: string): Promise<number | null> {
  try {
    const { ino } = await stat(path);
    const locks = await readFile('/proc/locks', 'utf8');
    for (const line of locks.split('\n')) {
      const match = /\s(\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line);
      if (match !== null && Number(match[2]) === ino) return Number(match[1]);
    }
  } catch {
    // No /proc here: then nothing is known about others.
  }
  return null;
}

async function writeIdentity(path: string, content: LockContent): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(render(content));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Gives `own` the name `path` unless that name is taken. */
async function linkUnlessTaken(own: string, path: string): Promise<boolean> {
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Puts `own` in place of a stale generation; false when somebody else was quicker. */
async function replaceStale(own: string, path: string, stale: Found): Promise<boolean> {
  const claim = await acquire(`${path}.${stale.generation}`);
  try {
    const now = await inspect(path);
    if (now?.generation !== stale.generation) return false;
    await rename(own, path);
    return true;
  } finally {
    await claim.release();
  }
}

/** A lock that this process holds. */
interface HeldLock {
  release(): Promise<void>;
}

async function acquire(path: string): Promise<HeldLock> {
  const nonce = randomBytes(NONCE_BYTES).toString('hex');
  const own = `${path}.${nonce}.tmp`;
  await writeIdentity(own, { ...(await thisProcess()), nonce });
  held.add(nonce);
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (await linkUnlessTaken(own, path)) return heldLock(path, nonce);
      const found = await inspect(path);
      if (found === null) continue; // Released in between.
      const holderPid = await liveHolder(path, found);
      if (holderPid !== null) throw new DirectoryLocked(path, holderPid);
      if (await replaceStale(own, path, found)) return heldLock(path, nonce);
    }
    throw new DirectoryLocked(path, null);
  } catch (error) {
    held.delete(nonce);
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

function heldLock(path: string, nonce: string): HeldLock {
  return {
    async release(): Promise<void> {
      if (!held.delete(nonce)) return;
      // Nobody replaces the lock of a living process, so between the look and the removal it stays ours.
      const found = await inspect(path);
      if (found?.holder?.nonce === nonce) await rm(path, { force: true });
    },
  };
}

/**
 * Takes the lock for this process.
 * @throws DirectoryLocked when another living process, or this one already, holds it
 */
export async function takeLock(path: string): Promise<HeldLock> {
  invariant(path !== '', 'a lock needs a path');
  try {
    return await acquire(path);
  } catch (error) {
    // A claim on a stale lock is held by somebody: name the lock the caller asked for.
    if (error instanceof DirectoryLocked) throw new DirectoryLocked(path, error.holderPid);
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw new DiskError(code, path, 'lock', { cause: error });
  }
}
