/**
 * Quotas: setquota, listquota, delquota. A quota is two nodes that clients write under /zookeeper/quota;
 * the server watches over what they say. Limits: soft ones are warned about, hard ones enforced.
 * A chroot is the client's affair: quotas live at the server's root, by the server's paths.
 */
import { operations, type RawSession } from '@odradek/client';
import { createFlags, ZooKeeperError } from '@odradek/protocol';
import { OPEN_ACL } from './acl-text.ts';
import { ANY_VERSION, type ShellCommand, type ShellSurroundings } from './command.ts';
import { about, ShellError } from './failures.ts';
import { checkedPath } from './paths.ts';
import { type QuotaLimits, quotaLimits, quotaText } from './quota-text.ts';

const ROOT = '/zookeeper/quota';
const LIMITS = 'zookeeper_limits';
const STATS = 'zookeeper_stats';
const AT_THE_ROOT = { ignoreChroot: true } as const;
const NO_LIMITS: QuotaLimits = { count: -1n, bytes: -1n, countHard: -1n, bytesHard: -1n };
const QUOTA_OPTIONS = ['n', 'b', 'N', 'B'] as const;
const FIELDS: Readonly<Record<(typeof QUOTA_OPTIONS)[number], keyof QuotaLimits>> = {
  n: 'count',
  b: 'bytes',
  N: 'countHard',
  B: 'bytesHard',
};

const quotaOptions = (takesValue: boolean) => ({
  n: { takesValue, about: 'num soft quota' },
  b: { takesValue, about: 'bytes soft quota' },
  N: { takesValue, about: 'num hard quota' },
  B: { takesValue, about: 'bytes hard quota' },
});

const setquota: ShellCommand = {
  usage: '-n|-b|-N|-B val path',
  wordsMin: 1,
  options: quotaOptions(true),
  oneOf: { names: QUOTA_OPTIONS, required: true },
  async run({ valueFor, words: [path = ''] }, { session, stdout, stderr }) {
    if (path.startsWith(ROOT)) {
      await stderr(`cannot set a quota under the path: ${ROOT}\n`);
      return;
    }
    const option = QUOTA_OPTIONS.find((name) => valueFor(name) !== undefined) ?? 'n';
    const limit = valueFor(option) ?? '';
    const complaint = complaintAbout(option, limit);
    if (complaint !== null) {
      await stderr(`${complaint}\n`);
      return;
    }
    checkedPath(path);
    await mustExist(session, path);
    const full = serverPath(session, path);
    checkedPath(`${ROOT}${full}`);
    await refuseBesideOthers(session, full);
    const before = await readLimits(session, full);
    const limits = { ...(before ?? NO_LIMITS), [FIELDS[option]]: BigInt(limit) };
    await (before === null ? makeQuota(session, full, limits) : writeLimits(session, full, limits));
    await warnIfExceeded(session, full, limits, stdout);
  },
};

const listquota: ShellCommand = {
  usage: 'path',
  wordsMin: 1,
  options: {},
  async run({ words: [path = ''] }, { session, stdout, stderr }) {
    const home = `${ROOT}${serverPath(session, path)}`;
    await stderr(`absolute path is ${home}/${LIMITS}\n`);
    const limits = await readText(session, `${home}/${LIMITS}`);
    if (limits === null) {
      await stderr(`quota for ${path} does not exist.\n`);
      return;
    }
    await stdout(`Output quota for ${path} ${limits}\n`);
    const stats = await readText(session, `${home}/${STATS}`);
    if (stats !== null) await stdout(`Output stat for ${path} ${stats}\n`);
  },
};

const delquota: ShellCommand = {
  usage: '[-n|-b|-N|-B] path',
  wordsMin: 1,
  options: quotaOptions(false),
  oneOf: { names: QUOTA_OPTIONS, required: false },
  async run({ has, words: [path = ''] }, { session, stdout }) {
    const full = serverPath(session, path);
    const limits = await readLimits(session, full);
    if (limits === null) {
      await stdout(`Quota does not exist for ${path}\n`);
      return;
    }
    const option = QUOTA_OPTIONS.find((name) => has(name));
    if (option === undefined) await removeQuota(session, full);
    else await writeLimits(session, full, { ...limits, [FIELDS[option]]: -1n });
  },
};

export const quotaCommands = { delquota, listquota, setquota };

/** A byte limit of nothing makes sense, a count of no nodes does not. */
function complaintAbout(option: (typeof QUOTA_OPTIONS)[number], limit: string): string | null {
  if (!/^[+-]?\d{1,18}$/.test(limit))
    return 'NumberFormatException happens when parsing the option value';
  const isCount = option === 'n' || option === 'N';
  if (isCount && BigInt(limit) <= 0n) return 'the num quota must be greater than zero';
  if (!isCount && BigInt(limit) < 0n)
    return 'the bytes quota must be greater than or equal to zero';
  return null;
}

function serverPath({ chroot }: RawSession, path: string): string {
  if (chroot === '') return path;
  return path === '/' ? chroot : `${chroot}${path}`;
}

async function mustExist(session: RawSession, path: string): Promise<void> {
  try {
    await session.call(operations.exists, { path, watch: false });
  } catch (failure) {
    if (failure instanceof ZooKeeperError && failure.code === 'NO_NODE')
      throw new ShellError(`${path} does not exist.`);
    await about(path, Promise.reject(failure));
  }
}

/** Quotas do not nest: none above, none below. */
async function refuseBesideOthers(session: RawSession, full: string): Promise<void> {
  const segments = full.split('/').slice(1);
  for (let depth = 1; depth < segments.length; depth += 1) {
    const above = `/${segments.slice(0, depth).join('/')}`;
    if ((await readText(session, `${ROOT}${above}/${LIMITS}`)) !== null)
      throw new ShellError(`${full} has a parent ${above} which has a quota`);
  }
  const open = (await quotaChildren(session, full)).map((name) => `${full}/${name}`);
  for (const below of open) {
    const names = await quotaChildren(session, below);
    if (names.includes(LIMITS) && !below.endsWith(`/${LIMITS}`))
      throw new ShellError(`${full} has a child ${below} which has a quota`);
    open.push(...names.map((name) => `${below}/${name}`));
  }
}

async function quotaChildren(session: RawSession, full: string): Promise<readonly string[]> {
  const path = `${ROOT}${full}`;
  const asked = session.call(operations.getChildren, { path, watch: false }, AT_THE_ROOT);
  return await unlessMissing(
    path,
    asked.then(({ children }) => children),
    [],
  );
}

async function makeQuota(session: RawSession, full: string, limits: QuotaLimits): Promise<void> {
  let path = ROOT;
  for (const segment of full.split('/').slice(1)) {
    path = `${path}/${segment}`;
    await makeNode(session, path, null);
  }
  await makeNode(session, `${path}/${LIMITS}`, quotaText(limits));
  // What it really is the server counts when the node is made.
  await makeNode(session, `${path}/${STATS}`, 'count=0,bytes=0');
}

async function makeNode(session: RawSession, path: string, text: string | null): Promise<void> {
  const data = text === null ? null : Buffer.from(text);
  const fields = { path, data, acl: OPEN_ACL, flags: createFlags.persistent };
  try {
    await session.call(operations.create, fields, AT_THE_ROOT);
  } catch (failure) {
    if (!(failure instanceof ZooKeeperError) || failure.code !== 'NODE_EXISTS')
      await about(path, Promise.reject(failure));
  }
}

async function writeLimits(session: RawSession, full: string, limits: QuotaLimits): Promise<void> {
  const path = `${ROOT}${full}/${LIMITS}`;
  const fields = { path, data: Buffer.from(quotaText(limits)), version: ANY_VERSION };
  await about(path, session.call(operations.setData, fields, AT_THE_ROOT));
}

/** With the nodes above it that hold nothing else any more. */
async function removeQuota(session: RawSession, full: string): Promise<void> {
  for (const name of [LIMITS, STATS]) await removeNode(session, `${ROOT}${full}/${name}`);
  for (let at = full; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    if ((await quotaChildren(session, at)).length > 0) return;
    await removeNode(session, `${ROOT}${at}`);
  }
}

async function removeNode(session: RawSession, path: string): Promise<void> {
  const asked = session.call(operations.delete, { path, version: ANY_VERSION }, AT_THE_ROOT);
  await unlessMissing(path, asked, undefined);
}

async function warnIfExceeded(
  session: RawSession,
  full: string,
  limits: QuotaLimits,
  stdout: ShellSurroundings['stdout'],
): Promise<void> {
  const used = quotaLimits((await readText(session, `${ROOT}${full}/${STATS}`)) ?? '');
  const isBelow = (limit: bigint, use: bigint): boolean => limit !== -1n && limit < use;
  if (isBelow(limits.count, used.count) || isBelow(limits.countHard, used.count))
    await stdout(
      `[Warning]: the count quota you create is less than the existing count:${used.count}\n`,
    );
  if (isBelow(limits.bytes, used.bytes) || isBelow(limits.bytesHard, used.bytes))
    await stdout(
      `[Warning]: the bytes quota you create is less than the existing bytes:${used.bytes}\n`,
    );
}

async function readLimits(session: RawSession, full: string): Promise<QuotaLimits | null> {
  const text = await readText(session, `${ROOT}${full}/${LIMITS}`);
  return text === null ? null : quotaLimits(text);
}

async function readText(session: RawSession, path: string): Promise<string | null> {
  const asked = session.call(operations.getData, { path, watch: false }, AT_THE_ROOT);
  return await unlessMissing(
    path,
    asked.then(({ data }) => data?.toString() ?? ''),
    null,
  );
}

async function unlessMissing<T>(path: string, request: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await request;
  } catch (failure) {
    if (failure instanceof ZooKeeperError && failure.code === 'NO_NODE') return otherwise;
    return await about(path, Promise.reject(failure));
  }
}
