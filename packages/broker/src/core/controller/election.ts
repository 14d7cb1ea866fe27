/**
 * Who should lead a partition, for each reason an election is held. Given the stored state and who
 * is alive, each flavour names the next leader and ISR, or null when nobody may lead.
 *
 * The rule under all of them: a leader comes out of the ISR, so that nothing acknowledged is lost;
 * the one exception is an unclean election, which is asked for by configuration. Every result has a
 * leader epoch one above the stored one.
 */
import { type LeaderAndIsr, NO_LEADER, RECOVERED, RECOVERING } from './state.ts';

/** A partition to elect a leader for. */
export interface Candidacy {
  /** Replicas in order of preference. */
  readonly assignment: readonly number[];
  readonly stored: LeaderAndIsr;
  /** Whether this replica's broker is alive and its directory works; shutting down counts as not. */
  readonly isOnline: (brokerId: number) => boolean;
}

/** The first state of a new partition; null when no replica is alive. */
export function firstLeader(
  assignment: readonly number[],
  isOnline: (brokerId: number) => boolean,
): LeaderAndIsr | null {
  const isr = assignment.filter(isOnline);
  const leader = isr[0];
  if (leader === undefined) return null;
  return { leader, leaderEpoch: 0, isr, leaderRecoveryState: RECOVERED };
}

/** The leader is gone: the first live replica of the ISR, or, if `uncleanAllowed`, any live one. */
export function electAfterLoss(
  { assignment, stored, isOnline }: Candidacy,
  uncleanAllowed: boolean,
): LeaderAndIsr | null {
  const inSync = assignment.find((id) => isOnline(id) && stored.isr.includes(id));
  if (inSync !== undefined)
    return successor(stored, inSync, stored.isr.filter(isOnline), stored.leaderRecoveryState);
  const unclean = uncleanAllowed ? assignment.find(isOnline) : undefined;
  return unclean === undefined ? null : successor(stored, unclean, [unclean], RECOVERING);
}

/** The first replica, if it is alive and in the ISR. */
export function electPreferred({ assignment, stored, isOnline }: Candidacy): LeaderAndIsr | null {
  const preferred = assignment[0];
  if (preferred === undefined || !isOnline(preferred) || !stored.isr.includes(preferred))
    return null;
  return successor(stored, preferred, stored.isr, stored.leaderRecoveryState);
}

/** The leader's broker wants to stop: the first live ISR member that is not stopping as well. */
export function electForShutdown(
  { assignment, stored, isOnline }: Candidacy,
  isShuttingDown: (brokerId: number) => boolean,
): LeaderAndIsr | null {
  const stays = (id: number): boolean => !isShuttingDown(id);
  const leader = assignment.find((id) => isOnline(id) && stored.isr.includes(id) && stays(id));
  if (leader === undefined) return null;
  return successor(stored, leader, stored.isr.filter(stays), stored.leaderRecoveryState);
}

/**
 * A replica went away: out of the ISR, and out of office if it led. The last member stays in the
 * ISR, because it is the only one known to have everything.
 */
export function withoutReplica(stored: LeaderAndIsr, brokerId: number): LeaderAndIsr {
  const leader = stored.leader === brokerId ? NO_LEADER : stored.leader;
  const isr = stored.isr.length === 1 ? stored.isr : stored.isr.filter((id) => id !== brokerId);
  return successor(stored, leader, isr, stored.leaderRecoveryState);
}

function successor(
  stored: LeaderAndIsr,
  leader: number,
  isr: readonly number[],
  leaderRecoveryState: number,
): LeaderAndIsr {
  return { leader, leaderEpoch: stored.leaderEpoch + 1, isr, leaderRecoveryState };
}
