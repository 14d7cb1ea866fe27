/** The limits of the links between servers, by name and unit. */

export interface PeerLimits {
  /** Connections that have not greeted yet, on both ports together; beyond it new ones are cut. */
  readonly ungreetedMax: number;
  /** A link whose peer leaves so many bytes unread is given up. */
  readonly unsentBytesMax: number;
  /** A link that was lost is tried again after this, doubled each time up to the second. */
  readonly redialMsMin: number;
  readonly redialMsMax: number;
  /** An election link comes about within this, or is tried anew: a cut that heals is noticed as soon. */
  readonly electionConnectMs: number;
  /** An election link is probed this often. */
  readonly probeMs: number;
  /** After so many probes without a sign of life an election link is given up. */
  readonly missedProbesMax: number;
  /** What a closed link still has to send may take so long. */
  readonly lingerMs: number;
  /** The same line about the same peer is logged at most this often. */
  readonly logIntervalMs: number;
}

export const DEFAULT_PEER_LIMITS: PeerLimits = {
  ungreetedMax: 256,
  unsentBytesMax: 128 * 1024 * 1024,
  redialMsMin: 10,
  redialMsMax: 500,
  electionConnectMs: 2_000,
  probeMs: 500,
  missedProbesMax: 4,
  lingerMs: 1_000,
  logIntervalMs: 60_000,
};
