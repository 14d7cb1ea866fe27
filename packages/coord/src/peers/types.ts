/**
 * What servers say to each other, and the links on which they say it. How that becomes bytes is in
 * frame.ts and codec.ts; what it means is decided in core/quorum.
 *
 * Elections (port 2183) are notes without an order between servers. Replication (port 2182) is one
 * stream each way between a learner and its leader, in order and without loss while it stands.
 */
import type { Notification, Vote } from '../core/quorum/vote.ts';
import type { LogEntry } from '../replica/types.ts';

export type { Notification, Vote };

/** From a learner. */
export type LearnerMessage =
  | {
      readonly kind: 'hello';
      readonly isObserver: boolean;
      /** With `acceptedEpoch`, from the same leader; may not bind yet (MarkKeeper.name). */
      readonly clusterId: string | null;
      readonly acceptedEpoch: number;
      readonly currentEpoch: number;
      /** The last one in its log. */
      readonly lastZxid: bigint;
      readonly isNew: boolean;
      /** Its log could not be cut as it was told: only a snapshot helps. */
      readonly needsSnapshot: boolean;
      readonly ensembleVersion: bigint;
    }
  /** The epoch is promised, on disk. */
  | {
      readonly kind: 'epochAccepted';
      readonly epoch: number;
      /** null: it had promised this epoch before, and is not counted twice. */
      readonly currentEpoch: number | null;
      readonly lastZxid: bigint;
    }
  /** The leader's history is on this disk, and the epoch is the current one there. */
  | { readonly kind: 'synchronised'; readonly epoch: number }
  /** Everything up to here is on this disk. */
  | { readonly kind: 'ack'; readonly zxid: bigint }
  | { readonly kind: 'pong'; readonly ping: number }
  | { readonly kind: 'confirm'; readonly id: number }
  | { readonly kind: 'tell'; readonly bytes: Uint8Array };

/** From a leader. */
export type LeaderMessage =
  /** Not now, and why: it does not lead, or does not take this learner. */
  | { readonly kind: 'refused'; readonly reason: string }
  | {
      readonly kind: 'newEpoch';
      readonly epoch: number;
      /** The ensemble's name for ever: whoever has none takes it over, with the epoch. */
      readonly clusterId: string;
      /** Taken over with it by whoever has no data. */
      readonly fence: number;
      readonly ensembleText: string;
    }
  /** The learner's log is the beginning of ours. */
  | { readonly kind: 'diff' }
  /** It is up to `zxid`; the rest must go. */
  | { readonly kind: 'truncate'; readonly zxid: bigint }
  /** It is not: a snapshot that began at `zxid` follows, then everything after it. */
  | { readonly kind: 'snapshot'; readonly zxid: bigint }
  | { readonly kind: 'snapshotPart'; readonly entries: readonly Uint8Array[] }
  | { readonly kind: 'snapshotEnd' }
  /** In order; everything up to `committedZxid` is certain. */
  | {
      readonly kind: 'proposals';
      readonly entries: readonly LogEntry[];
      readonly committedZxid: bigint;
    }
  /** The history ends here; to be made durable and answered by `synchronised`. */
  | { readonly kind: 'newLeader'; readonly epoch: number; readonly ensembleText: string }
  /** A quorum has the history: serve. */
  | { readonly kind: 'upToDate'; readonly committedZxid: bigint }
  | { readonly kind: 'commit'; readonly zxid: bigint }
  | { readonly kind: 'ping'; readonly ping: number }
  | { readonly kind: 'confirmed'; readonly id: number }
  /** These members are certain; who leads them, if it is not the sender any more. */
  | {
      readonly kind: 'activate';
      readonly ensembleText: string;
      readonly designatedLeaderId: number;
    }
  | { readonly kind: 'tell'; readonly bytes: Uint8Array };

/** One direction of a replication stream that stands. */
export interface PeerLink<Out> {
  readonly peerId: number;
  /**
   * Queues; messages of one turn of the event loop leave together. The same message object is sent to many
   * links in a row, so that it need be made bytes only once.
   */
  send(message: Out): void;
  /** Queued and not taken by the network. */
  readonly unsentBytes: number;
  /** Resolves when less than half of the limit of unsent bytes is left, or the link is gone. */
  whenWritable(): Promise<void>;
  /**
   * Nothing is heard until `resume`, and the other side finds its way full: for a disk that is slower than
   * the network. A few messages that have arrived may still come, and the end of the link may be missed.
   */
  pause(): void;
  resume(): void;
  /** No more is heard after this. What was sent before still leaves, as far as it can. @param reason for the log */
  close(reason: string): void;
}

export interface LinkHandler<In> {
  message(message: In): void;
  /** The last call; not made after our own `close`. */
  closed(reason: string): void;
}

/** Who this server says it is to others. Asked anew for every link. */
export interface PeerIdentity {
  readonly serverId: number;
  /** null as long as it has not had the whole history of an ensemble. */
  readonly clusterId: string | null;
  /** The highest fence of a forced take-over that it knows of, met ones included; 0: none. */
  readonly fence: number;
}

/** Ports 2182 and 2183 of one server. Implemented in peers/, by a simple network in tests. */
export interface PeerNetwork {
  /** Listens on this server's two ports. @throws AddressInUse */
  start(handlers: PeerNetworkHandlers): Promise<void>;
  /** Whom to know from now on, by the text of the ensemble. Links to others are closed. */
  reconfigure(ensembleText: string): void;
  /** Best effort: what cannot be sent now is replaced by the next note to the same server. */
  notify(serverId: number, notification: Notification): void;
  /** @throws PeerUnreachable with the reason, also when the other side refuses the greeting */
  connect(
    leaderId: number,
    attach: (link: PeerLink<LearnerMessage>) => LinkHandler<LeaderMessage>,
  ): Promise<void>;
  /** Closes listeners and links. */
  stop(): Promise<void>;
}

export interface PeerNetworkHandlers {
  readonly identity: () => PeerIdentity;
  notified(from: number, notification: Notification): void;
  /** The way to that server's election port stands, or does not any more. */
  reachable(serverId: number, isReachable: boolean): void;
  /** That server has seen a take-over that left this one behind: its links are refused from now on. */
  fenced(fence: number, peerId: number): void;
  /** Somebody wants to learn from this server. null: we do not lead, it is told so. */
  learner(link: PeerLink<LeaderMessage>): LinkHandler<LearnerMessage> | null;
}
