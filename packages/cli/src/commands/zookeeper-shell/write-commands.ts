/** Commands that make, change and remove nodes: create, set, delete, deleteall. */
import { operations, type RawSession } from '@odradek/client';
import { createFlags, ZooKeeperError } from '@odradek/protocol';
import { renderStat } from '../../stat-block.ts';
import { type AclEntries, OPEN_ACL, readAcl } from './acl-text.ts';
import { integerOf } from './arguments.ts';
import { ANY_VERSION, type ShellCommand } from './command.ts';
import { about, codeText, RequestFailed, ShellError } from './failures.ts';
import { checkedPath } from './paths.ts';
import { breadthFirst } from './tree-walk.ts';

/** Limit of the encoding of a time to live. */
const TTL_MS_MAX = 1_099_511_627_775n;
/** Nodes that deleteall removes in one change, unless told otherwise. */
const DELETE_BATCH_SIZE = 1000;
/** Path text in one change: servers refuse frames above 1 MiB. */
const DELETE_BATCH_BYTES = 512 * 1024;

const create: ShellCommand = {
  usage: '[-s] [-e] [-c] [-t ttl] path [data] [acl]',
  wordsMin: 1,
  options: {
    c: { about: 'container' },
    e: { about: 'ephemeral' },
    s: { about: 'sequential' },
    t: { takesValue: true, about: 'ttl' },
  },
  async run({ has, valueFor, words: [path = '', text, aclText] }, { session, stderr }) {
    const [isEphemeral, isSequential, isContainer] = [has('e'), has('s'), has('c')];
    if (isContainer && (isEphemeral || isSequential))
      throw new ShellError(
        '-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.',
      );
    const ttl = ttlOf(valueFor('t'));
    if (ttl !== null && isEphemeral)
      throw new ShellError('TTLs cannot be used with Ephemeral znodes');
    if (ttl !== null && isContainer)
      throw new ShellError('TTLs cannot be used with Container znodes');
    const acl = await aclOf(aclText, stderr);
    checkedPath(path, isSequential);
    if (ttl !== null && (ttl <= 0n || ttl > TTL_MS_MAX))
      throw new ShellError(`ttl must be positive and cannot be larger than: ${TTL_MS_MAX}`);
    const data = text === undefined ? null : Buffer.from(text);
    const fields = { path, data, acl };
    const created = isContainer
      ? session.call(operations.createContainer, { ...fields, flags: createFlags.container })
      : ttl === null
        ? session.call(operations.create, { ...fields, flags: flagsOf(isEphemeral, isSequential) })
        : session.call(operations.createTtl, {
            ...fields,
            flags: isSequential ? createFlags.ttlSequential : createFlags.ttl,
            ttl,
          });
    try {
      await stderr(`Created ${(await about(path, created)).path}\n`);
    } catch (failure) {
      if (failure instanceof RequestFailed && failure.code === 'INVALID_ACL')
        await stderr(`${codeText(failure.code, path)}\n`);
      if (failure instanceof RequestFailed && failure.code === 'EPHEMERAL_ON_LOCAL_SESSION')
        await stderr('Unable to create ephemeral node on a local session\n');
      throw failure;
    }
  },
};

const set: ShellCommand = {
  usage: 'path data [-s] [-v version] [-b]',
  wordsMin: 2,
  showsOptions: true,
  options: {
    b: { about: 'Supply data in base64 format' },
    s: { about: 'Print znode stats additionally' },
    v: { takesValue: true, about: 'Set with an expected version' },
  },
  async run({ has, valueFor, words: [path = '', text = ''] }, { session, stdout }) {
    const data = has('b') ? decodedBase64(text) : Buffer.from(text);
    const version = versionOf(valueFor('v'));
    const { stat } = await about(
      path,
      session.call(operations.setData, { path: checkedPath(path), data, version }),
    );
    if (has('s')) await stdout(renderStat(stat));
  },
};

const deleteOne: ShellCommand = {
  usage: '[-v version] path',
  wordsMin: 1,
  options: { v: { takesValue: true, about: 'version' } },
  async run({ valueFor, words: [path = '', oldVersion] }, { session, stderr }) {
    // As before ZooKeeper 3.5: the version behind the path.
    if (oldVersion !== undefined)
      await stderr(
        "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.\n",
      );
    const version = versionOf(oldVersion ?? valueFor('v'));
    await about(path, session.call(operations.delete, { path: checkedPath(path), version }));
  },
};

const deleteall: ShellCommand = {
  usage: 'path [-b batch size]',
  wordsMin: 1,
  options: { b: { takesValue: true, about: 'batch size' } },
  async run({ valueFor, words: [path = ''] }, { session, stderr }) {
    const wanted = valueFor('b') ?? String(DELETE_BATCH_SIZE);
    if (!/^[+-]?\d{1,9}$/.test(wanted)) throw new ShellError('-b argument must be an int value');
    const batchSize = Math.max(1, Number(wanted));
    const doomed = [...(await breadthFirst(session, checkedPath(path)))].reverse();
    for (const batch of batches(doomed, batchSize))
      if (!(await removed(session, batch))) {
        await stderr('Failed to delete some node(s) in the subtree!\n');
        return;
      }
  },
};

export const writeCommands = { create, delete: deleteOne, deleteall, set };

function ttlOf(text: string | undefined): bigint | null {
  if (text === undefined) return null;
  try {
    return integerOf(text, 64);
  } catch {
    throw new ShellError('-t argument must be a long value');
  }
}

function flagsOf(isEphemeral: boolean, isSequential: boolean): number {
  if (isEphemeral) return isSequential ? createFlags.ephemeralSequential : createFlags.ephemeral;
  return isSequential ? createFlags.persistentSequential : createFlags.persistent;
}

/** Entries that make no sense are named and left out; without any left there is nothing to ask for. */
async function aclOf(
  text: string | undefined,
  stderr: (text: string) => Promise<void>,
): Promise<AclEntries> {
  if (text === undefined) return OPEN_ACL;
  const { entries, complaints } = readAcl(text);
  for (const complaint of complaints) await stderr(`${complaint}\n`);
  if (entries.length > 0) return entries;
  await stderr(`${codeText('INVALID_ACL', null)}\n`);
  throw new RequestFailed(new ZooKeeperError('INVALID_ACL'), null);
}

export function versionOf(text: string | undefined): number {
  return text === undefined ? ANY_VERSION : Number(integerOf(text));
}

function decodedBase64(text: string): Buffer {
  const wrong = /[^A-Za-z0-9+/=]/.exec(text)?.[0];
  if (wrong !== undefined)
    throw new ShellError(`Illegal base64 character ${wrong.charCodeAt(0).toString(16)}`);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, ''))
    throw new ShellError('Input byte array has incorrect ending byte');
  return bytes;
}

function* batches(paths: readonly string[], size: number): Generator<readonly string[]> {
  let batch: string[] = [];
  let sizeBytes = 0;
  for (const path of paths) {
    const pathBytes = Buffer.byteLength(path);
    if (batch.length === size || sizeBytes + pathBytes > DELETE_BATCH_BYTES) {
      yield batch;
      batch = [];
      sizeBytes = 0;
    }
    batch.push(path);
    sizeBytes += pathBytes;
  }
  if (batch.length > 0) yield batch;
}

/** All of them in one change; false when the server refused it. */
async function removed(session: RawSession, paths: readonly string[]): Promise<boolean> {
  try {
    await session.multi(
      paths.map((path) => ({ operation: operations.delete, body: { path, version: ANY_VERSION } })),
    );
    return true;
  } catch (failure) {
    // Without a session nothing more will do, and that is what has to be said.
    if (!(failure instanceof ZooKeeperError) || failure.retriable || !session.isAlive)
      throw failure;
    return false;
  }
}
