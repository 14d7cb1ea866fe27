/**
 * Why there is no leader, in one sentence for whoever has to mend it: how many votes are here, who
 * is missing, whose disk is new, who goes by other members.
 */
import type { QuorumRules } from './rules.ts';
import { describeVote, type Notification, type Vote } from './vote.ts';

/** What an election knows; live, to be read at once. */
export interface ElectionView {
  readonly serverId: number;
  readonly isLooking: boolean;
  readonly round: number;
  readonly proposal: Vote | null;
  /** This server's disk is. */
  readonly isNew: boolean;
  /** The last note of each, since we look. */
  readonly heard: ReadonlyMap<number, Notification>;
  /** Out of reach. */
  readonly gone: ReadonlySet<number>;
  readonly current: QuorumRules;
  /** A change of members that is not certain. */
  readonly pending: QuorumRules | null;
  readonly ensembleVersion: bigint;
}

/** Participants of the current members that are here: this server, and whoever was heard of. */
export function presentIn({ serverId, heard, gone, current }: ElectionView): readonly number[] {
  return current.voters.filter((id) => id === serverId || (heard.has(id) && !gone.has(id)));
}

/** @returns null when this server does not look for a leader */
export function obstacleOf(view: ElectionView): string | null {
  if (!view.isLooking) return null;
  const { current, pending } = view;
  const present = presentIn(view);
  const missing = current.voters.filter((id) => !present.includes(id));
  if (!current.isQuorum(present)) {
    return (
      `${current.describe(present)} are here (${servers(present)}) and ${current.requirement} are needed; ` +
      `missing: ${missing.map((id) => absence(view, id)).join(', ')}${otherMembers(view)}`
    );
  }
  if (pending !== null && !pending.isQuorum(present)) {
    return (
      `a change of members is under way, and by the new ones only ${pending.describe(present)} are here ` +
      `while ${pending.requirement} are needed; missing: ${servers(pending.voters.filter((id) => !present.includes(id)))}`
    );
  }
  const unknown = newOnes(view, present);
  if (unknown.length > 0 && !current.isQuorum(present.filter((id) => !unknown.includes(id)))) {
    if (unknown.length === present.length) {
      return missing.length === 0
        ? 'all participants are new and agree on their first leader just now'
        : `the disks of all that are here (${servers(present)}) are new, and a first start wants all participants; missing: ${missing.map((id) => absence(view, id)).join(', ')}`;
    }
    return (
      `the disk of ${servers(unknown)} is new and has no vote before it is synchronised, and without it there is no quorum; ` +
      'if nothing was ever acknowledged there, put an empty file named initialize into its dataDir and restart it'
    );
  }
  const settled = present.filter((id) => isSettled(view.heard.get(id)));
  if (settled.length > 0) {
    const leaders = new Set(settled.map((id) => view.heard.get(id)?.vote.leaderId ?? -1));
    return `${servers(settled)} still ${settled.length === 1 ? 'has' : 'have'} a leader (${servers([...leaders])}) that is not followed by a quorum${otherMembers(view)}`;
  }
  const candidate = view.proposal === null ? 'nobody' : describeVote(view.proposal);
  return `${current.describe(present)} are here and vote just now, this server for ${candidate}${otherMembers(view)}`;
}

function newOnes(view: ElectionView, present: readonly number[]): readonly number[] {
  return present.filter((id) =>
    id === view.serverId ? view.isNew : view.heard.get(id)?.isNew === true,
  );
}

const isSettled = (note: Notification | undefined): boolean =>
  note !== undefined && note.state !== 'looking';

function absence({ gone }: ElectionView, id: number): string {
  return `server ${id} (${gone.has(id) ? 'cannot be reached' : 'says nothing'})`;
}

function servers(ids: readonly number[]): string {
  if (ids.length === 0) return 'nobody';
  return `${ids.length === 1 ? 'server' : 'servers'} ${ids.join(', ')}`;
}

/** Members that differ can be the reason, and are worth a word in any case. */
function otherMembers({ heard, ensembleVersion }: ElectionView): string {
  const newer = [...heard].filter(([, note]) => note.ensembleVersion > ensembleVersion);
  if (newer.length === 0) return '';
  return `; ${servers(newer.map(([id]) => id))} already ${newer.length === 1 ? 'goes' : 'go'} by newer members than this server`;
}
