/**
 * What a leader is told, what it asks for in return, and what it begins with: the inputs and effects of
 * LeaderMachine (leader.ts).
 */
import type { QuorumRules } from './rules.ts';

/** A change of members that is in our log and not committed. */
export interface MemberChange {
  readonly zxid: bigint;
  readonly rules: QuorumRules;
  /** Whether this server may go on leading afterwards: it votes, on the same address. */
  readonly keepsLeader: boolean;
}

export interface LeaderOptions {
  readonly serverId: number;
  readonly rules: QuorumRules;
  /** Found in the log at the election. */
  readonly change: MemberChange | null;
  readonly acceptedEpoch: number;
  readonly currentEpoch: number;
  /** The last one in our log, which is our history. */
  readonly lastZxid: bigint;
  /** Up to here our log is on our disk. */
  readonly durableZxid: bigint;
  /** Known to be committed. */
  readonly committedZxid: bigint;
  /** Elected by all voters, none of whom has any data: then those count whose disk is new. */
  readonly isFirst: boolean;
  readonly tickMs: number;
  /** Ticks for each step up to being established. */
  readonly initLimit: number;
  /** Ticks of silence, and of lag, that a learner is allowed. */
  readonly syncLimit: number;
  /** From this counter on a new epoch is sought. */
  readonly handOverCounter: number;
}

export type LeaderInput =
  /** Once, at first. */
  | { readonly kind: 'begin' }
  | {
      readonly kind: 'hello';
      readonly from: number;
      readonly isObserver: boolean;
      readonly acceptedEpoch: number;
      readonly lastZxid: bigint;
      readonly isNew: boolean;
    }
  | {
      readonly kind: 'epochAccepted';
      readonly from: number;
      readonly epoch: number;
      readonly currentEpoch: number | null;
      readonly lastZxid: bigint;
    }
  /** The `saveMark` that was asked for last is on our disk. */
  | { readonly kind: 'markSaved' }
  /** The learner was sent everything up to our last proposal, and is sent all that follows. */
  | { readonly kind: 'attached'; readonly from: number }
  | { readonly kind: 'synchronised'; readonly from: number; readonly epoch: number }
  /** Our own log is on our disk up to here. */
  | { readonly kind: 'durable'; readonly zxid: bigint }
  | { readonly kind: 'ack'; readonly from: number; readonly zxid: bigint }
  | { readonly kind: 'pong'; readonly from: number; readonly ping: number }
  /** The link to a learner is gone. */
  | { readonly kind: 'gone'; readonly from: number }
  /** A voter says that it does not go by us: it looks for, or follows, somebody else. */
  | { readonly kind: 'contrary'; readonly from: number }
  /** Up to here proposals are on their way. Before an acknowledgement of them can come. */
  | { readonly kind: 'proposed'; readonly zxid: bigint; readonly change: MemberChange | null }
  /** Somebody asks whether we still lead. One at a time: `confirmed` answers. */
  | { readonly kind: 'confirm' }
  | { readonly kind: 'resign'; readonly reason: string };

export type LeaderEffect =
  | { readonly kind: 'saveMark'; readonly acceptedEpoch: number; readonly currentEpoch: number }
  | { readonly kind: 'newEpoch'; readonly to: number; readonly epoch: number }
  /** Bring its log in line, then `attached`. */
  | { readonly kind: 'feed'; readonly to: number }
  | { readonly kind: 'commit'; readonly zxid: bigint }
  | { readonly kind: 'established'; readonly epoch: number }
  | { readonly kind: 'upToDate'; readonly to: number }
  /** To all learners. */
  | { readonly kind: 'ping'; readonly ping: number }
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'drop'; readonly to: number; readonly reason: string }
  /** The change of members that was outstanding is committed. */
  | { readonly kind: 'activate'; readonly zxid: bigint; readonly designatedLeaderId: number }
  | { readonly kind: 'resigned'; readonly reason: string };
