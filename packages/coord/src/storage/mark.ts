/**
 * The mark: what a server of an ensemble has promised, in one small file that is replaced as a whole.
 *
 * A few lines of text with a checksum in the last one, for people as well. A server that always ran
 * alone has none; without it the promises made so far would be forgotten, so a damaged one refuses
 * the start.
 */
import { join } from 'node:path';
import { crc32c } from '@odradek/protocol/zookeeper';
import type { Disk } from '@odradek/runtime';
import { StorageDamaged, StorageNotUsable } from './errors.ts';
import type { EnsembleMark } from './types.ts';

const MARK_FILE = 'mark';
const FIRST_LINE = '# What this server has promised to its ensemble. Not to be edited or copied.';
const REMEDY =
  'Without it this server does not know what it has promised: restore the file, or move the whole data ' +
  'directory away, and the server copies the state of the others';

/** The mark with what only the storage wants to know. */
export interface StoredMark extends EnsembleMark {
  /** See `isNew` of ReplicatedStorage: no whole history of an ensemble has been here yet. */
  readonly isNew: boolean;
}

/** Where the mark is, in the folder of snapshots. */
export const markPath = (dataFolder: string): string => join(dataFolder, MARK_FILE);

export function formatMark(mark: StoredMark): string {
  const text = [
    FIRST_LINE,
    `clusterId=${mark.clusterId ?? ''}`,
    `acceptedEpoch=${mark.acceptedEpoch}`,
    `currentEpoch=${mark.currentEpoch}`,
    `fence=${mark.fence}`,
    `metFence=${mark.metFence}`,
    `forcedMembers=${JSON.stringify(mark.forcedMembers)}`,
    `isNew=${mark.isNew}`,
    '',
  ].join('\n');
  return `${text}crc32c=${checksumOf(text)}\n`;
}

const checksumOf = (text: string): string =>
  crc32c(Buffer.from(text)).toString(16).padStart(8, '0');

/**
 * @returns null when there is no mark
 * @throws StorageDamaged, DiskError
 */
export async function readMark(disk: Disk, dataFolder: string): Promise<StoredMark | null> {
  const path = markPath(dataFolder);
  const bytes = await disk.readFile(path);
  if (bytes === null) return null;
  const mark = parseMark(bytes.toString());
  if (mark === null) throw new StorageDamaged(path, null, 'the mark file is damaged', REMEDY);
  return mark;
}

/** @returns null for a text that is none of ours, whole and right */
function parseMark(text: string): StoredMark | null {
  const checked = /^([\s\S]*\n)crc32c=([0-9a-f]{8})\n$/.exec(text);
  const [, body = '', checksum] = checked ?? [];
  if (checked === null || checksumOf(body) !== checksum) return null;
  const [, ...lines] = body.trimEnd().split('\n');
  const values = FIELDS.map(([name, pattern], index) => {
    const [key, ...rest] = lines[index]?.split('=') ?? [];
    const value = rest.join('=');
    return key === name && pattern.test(value) ? value : null;
  });
  if (lines.length !== FIELDS.length || values.includes(null)) return null;
  const [clusterId, acceptedEpoch, currentEpoch, fence, metFence, forcedMembers, isNew] = values;
  return {
    clusterId: clusterId === '' ? null : (clusterId ?? null),
    acceptedEpoch: Number(acceptedEpoch),
    currentEpoch: Number(currentEpoch),
    fence: Number(fence),
    metFence: Number(metFence),
    forcedMembers: textOf(forcedMembers ?? 'null'),
    isNew: isNew === 'true',
  };
}

const FIELDS: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['clusterId', /^[\w-]*$/],
  ['acceptedEpoch', /^\d+$/],
  ['currentEpoch', /^\d+$/],
  ['fence', /^\d+$/],
  ['metFence', /^\d+$/],
  ['forcedMembers', /^(null|"([^"\\]|\\.)*")$/],
  ['isNew', /^(true|false)$/],
];

/** @param json of our own making, checked */
function textOf(json: string): string | null {
  const value: unknown = JSON.parse(json);
  return typeof value === 'string' ? value : null;
}

/**
 * Whoever has transactions of an epoch has promised it before: else log and mark are not of one time.
 * @throws StorageDamaged
 */
export function requireMarkUpTo(mark: EnsembleMark, lastZxid: bigint, dataFolder: string): void {
  const epoch = epochOf(lastZxid);
  if (epoch <= mark.acceptedEpoch && mark.currentEpoch <= mark.acceptedEpoch) return;
  throw new StorageDamaged(
    markPath(dataFolder),
    null,
    `the mark file says that epoch ${mark.acceptedEpoch} was promised last and ${mark.currentEpoch} is the current one, ` +
      `but the last transaction is of epoch ${epoch}: it is older than the data beside it`,
    REMEDY,
  );
}

/**
 * Alone a server would give zxids to transactions that the others give to theirs, and nobody could
 * tell them apart when it came back to them.
 * @throws StorageNotUsable
 */
export function refuseAlone({ clusterId }: EnsembleMark, dataFolder: string): void {
  if (clusterId === null) return;
  throw new StorageNotUsable(
    `${dataFolder} is the data of a member of ensemble ${clusterId}, but the configuration has no other servers: ` +
      'put the server lines back; or, to go on with this server alone for good, remove the file ' +
      `${markPath(dataFolder)} and never use the data of the other members with it again`,
  );
}

/** A zxid is the epoch of its leader and a counter, 32 bits each. */
const epochOf = (zxid: bigint): number => Number(zxid >> 32n);

/** Of a server that has no mark yet. */
export const firstMark = (lastZxid: bigint): EnsembleMark => ({
  clusterId: null,
  acceptedEpoch: epochOf(lastZxid),
  currentEpoch: epochOf(lastZxid),
  fence: 0,
  metFence: 0,
  forcedMembers: null,
});

/**
 * The mark of an opened storage, and whether what is there may be trusted.
 *
 * An empty disk may be that of a member who has lost everything, and whose vote could then help
 * somebody who lacks what it had acknowledged. So it is new until it has the whole history of a
 * leader (its current epoch rises above 0), unless the operator has put a file `initialize` into
 * dataDir, which is good for one time, or has set db.autocreate.
 */
export class MarkKeeper {
  readonly #disk: Disk;
  readonly #dataFolder: string;
  readonly #initializePath: string;
  #stored: StoredMark;
  #consumesInitialize: boolean;

  private constructor(
    disk: Disk,
    folders: { readonly dataDirectory: string; readonly dataFolder: string },
    stored: StoredMark,
    consumesInitialize: boolean,
  ) {
    this.#disk = disk;
    this.#dataFolder = folders.dataFolder;
    this.#initializePath = initializePath(folders.dataDirectory);
    this.#stored = stored;
    this.#consumesInitialize = consumesInitialize;
  }

  /** @throws StorageDamaged, DiskError */
  static async open(
    disk: Disk,
    folders: { readonly dataDirectory: string; readonly dataFolder: string },
    found: { readonly lastZxid: bigint; readonly isEmpty: boolean; readonly autocreate: boolean },
  ): Promise<MarkKeeper> {
    const { dataDirectory, dataFolder } = folders;
    const mark = await readMark(disk, dataFolder);
    if (mark !== null) requireMarkUpTo(mark, found.lastZxid, dataFolder);
    const initialize = (await disk.status(initializePath(dataDirectory))) !== null;
    const stored = mark ?? { ...firstMark(found.lastZxid), isNew: found.isEmpty };
    const trusted = { ...stored, isNew: stored.isNew && !initialize && !found.autocreate };
    return new MarkKeeper(disk, folders, trusted, initialize);
  }

  get mark(): EnsembleMark {
    const { isNew: _, ...mark } = this.#stored;
    return mark;
  }

  get isNew(): boolean {
    return this.#stored.isNew;
  }

  async save(mark: EnsembleMark): Promise<void> {
    const isNew = this.#stored.isNew && mark.currentEpoch === 0;
    const stored = { ...mark, isNew };
    await this.#disk.replaceFile(markPath(this.#dataFolder), formatMark(stored));
    this.#stored = stored;
    if (!this.#consumesInitialize) return;
    // Only now: had it gone before the mark was there, a crash would leave an untrusted disk again.
    await this.#disk.remove(this.#initializePath);
    this.#consumesInitialize = false;
  }
}

/** ZooKeeper's name for it, beside myid. */
const initializePath = (dataDirectory: string): string => join(dataDirectory, 'initialize');
