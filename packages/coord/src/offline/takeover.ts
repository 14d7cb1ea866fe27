/**
 * The forced take-over on the data directory of one survivor: what it would mean, and doing it.
 *
 * Nothing of the data changes. Only the mark does, which says from then on who the members are, from
 * which epoch on they decide, and that everybody who does not know of it has no say.
 */
import { crc32c } from '@odradek/protocol/zookeeper';
import { type Ensemble, formatEnsemble, parseEnsemble } from '../core/quorum/ensemble.ts';
import { type Takeover, takeoverOf } from '../core/quorum/takeover.ts';
import { membersOfNode } from '../core/transaction/members.ts';
import { CONFIG_PATH } from '../core/tree/tree.ts';
import { formatMark, markPath, readMark, type StoredMark } from '../storage/mark.ts';
import { type StorageFolders, survey } from '../storage/recovery.ts';
import { OfflineRefused } from './errors.ts';
import {
  existingFolders,
  loadSurveyed,
  locked,
  logTo,
  type OfflineEnvironment,
  type OwnDirectories,
} from './own-data.ts';
import type { Progress } from './state.ts';

export interface TakeoverOptions extends OwnDirectories {
  /** Which server this directory belongs to. */
  readonly serverId: number;
  /** Members as the server's files say; the data may know newer ones. */
  readonly members: Ensemble;
  /** Participants that are down for good. */
  readonly lost: readonly number[];
}

export interface TakeoverReport extends Takeover {
  /** The members that count until now. */
  readonly current: Ensemble;
  /** Of the last transaction here; what only the lost servers know after it is gone. */
  readonly lastZxid: bigint;
  /** When it was made, as its server's clock said; null when there is none in the log. */
  readonly lastTimeMs: number | null;
  /** Equal on all survivors, or they would not go on together. */
  readonly fingerprint: string;
}

/**
 * Asks `confirm` with everything prepared and the directory locked, and does it when that is true.
 * @returns what was done, or null when it was not confirmed
 * @throws DirectoryLocked when the server runs; InvalidEnsemble and OfflineRefused when it makes no sense;
 *   StorageDamaged, DiskError
 */
export async function takeOver(
  { disk }: OfflineEnvironment,
  options: TakeoverOptions,
  progress: Progress,
  confirm: (report: TakeoverReport) => Promise<boolean>,
): Promise<TakeoverReport | null> {
  const folders = await existingFolders(disk, options);
  return await locked(disk, folders, async () => {
    const mark = await markOf(disk, folders);
    const report = await prepare(disk, folders, mark, options, progress);
    if (!(await confirm(report))) return null;
    const { fence, acceptedEpoch, members } = report;
    const forced = { fence, acceptedEpoch, forcedMembers: formatEnsemble(members) };
    await disk.replaceFile(markPath(folders.dataFolder), formatMark({ ...mark, ...forced }));
    return report;
  });
}

type Disk = OfflineEnvironment['disk'];

async function markOf(disk: Disk, { dataFolder }: StorageFolders): Promise<StoredMark> {
  const mark = await readMark(disk, dataFolder);
  if (mark === null || mark.clusterId === null) {
    throw new OfflineRefused(
      `${dataFolder} never belonged to an ensemble, so there is nothing to take over`,
    );
  }
  if (mark.isNew) {
    throw new OfflineRefused(
      `${dataFolder} was never synchronised and has none of the ensemble's data: choose another survivor`,
    );
  }
  if (mark.metFence > mark.fence) {
    throw new OfflineRefused(
      `${dataFolder} was left behind by a take-over itself (its fence is ${mark.fence}, there is one of ${mark.metFence})`,
    );
  }
  return mark;
}

async function prepare(
  disk: Disk,
  folders: StorageFolders,
  mark: StoredMark,
  { serverId, members, lost }: TakeoverOptions,
  progress: Progress,
): Promise<TakeoverReport> {
  const builder = await loadSurveyed(disk, await survey(disk, folders, logTo(progress)), progress);
  const { state, lastTimeMs } = builder;
  const recorded = membersOfNode(state.tree.get(CONFIG_PATH));
  const known = [
    members,
    ...[recorded, mark.forcedMembers].flatMap((text) =>
      text === null ? [] : [parseEnsemble(text)],
    ),
  ];
  const current = known.reduce((newest, other) =>
    other.version > newest.version ? other : newest,
  );
  const takeover = takeoverOf(current, mark, lost);
  // An observer goes on with them as well: without the fence it would be taken for one of the lost.
  if (lost.includes(serverId) || !current.servers.has(serverId)) {
    throw new OfflineRefused(
      `this is server ${serverId}, which is not among those that go on (${takeover.survivors.join(', ')})`,
    );
  }
  return {
    ...takeover,
    current,
    lastZxid: state.zxid,
    lastTimeMs,
    fingerprint: crc32c(Buffer.from(formatEnsemble(takeover.members)))
      .toString(16)
      .padStart(8, '0'),
  };
}
