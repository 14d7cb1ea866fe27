/**
 * What the server counts of its work: plain fields, added to on the hot path, read when somebody
 * looks at the metrics or says a four-letter word.
 */
import type { Meters, Metrics } from '@odradek/runtime';
import { countedMetrics, ensembleMetrics } from './metrics-table.ts';

/** A connection or the whole server: how long requests took, in ms. */
export class LatencyStats {
  #minMs = 0;
  #maxMs = 0;
  #sumMs = 0;
  #count = 0;

  add(ms: number): void {
    if (this.#count === 0 || ms < this.#minMs) this.#minMs = ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
    this.#sumMs += ms;
    this.#count += 1;
  }

  reset(): void {
    this.#minMs = 0;
    this.#maxMs = 0;
    this.#sumMs = 0;
    this.#count = 0;
  }

  get minMs(): number {
    return Math.floor(this.#minMs);
  }

  get maxMs(): number {
    return Math.floor(this.#maxMs);
  }

  get averageMs(): number {
    return this.#count === 0 ? 0 : this.#sumMs / this.#count;
  }

  /** With up to four decimals and at least one, as the original prints it. */
  get average(): string {
    return decimals(this.averageMs);
  }
}

/** A number with up to four decimals and at least one, as Java prints it. */
export function decimals(value: number): string {
  const rounded = Math.round(value * 10_000) / 10_000;
  return Number.isInteger(rounded) ? `${rounded}.0` : String(rounded);
}

export class ServerStats {
  readonly latency = new LatencyStats();
  packetsReceived = 0;
  packetsSent = 0;
  bytesReceived = 0;
  responseBytes = 0;
  watchBytes = 0;
  authFailures = 0;
  connectionsRejected = 0;
  /** To open or renew a session. */
  connectRequests = 0;
  /** Closed because of what their peers did or left undone. */
  connectionsDropped = 0;
  handshakesMissed = 0;
  revalidations = 0;
  staleSessionsExpired = 0;
  proposals = 0;
  commits = 0;
  /** Of records since this server leads, in bytes; -1: there was none. */
  lastProposalSize = -1;
  minProposalSize = -1;
  maxProposalSize = -1;
  /** Syncs of the log that took longer than the configured threshold. */
  slowSyncs = 0;
  /** -1 until there was one. */
  lastResponseBytes = -1;
  minResponseBytes = -1;
  maxResponseBytes = -1;
  readonly meters: Meters<typeof countedMetrics> & Meters<typeof ensembleMetrics>;
  readonly readLatency: Meters<typeof countedMetrics>['readlatency'];
  readonly updateLatency: Meters<typeof countedMetrics>['updatelatency'];

  constructor(metrics: Metrics) {
    const meters = { ...metrics.declare(countedMetrics), ...metrics.declare(ensembleMetrics) };
    this.meters = meters;
    this.readLatency = meters.readlatency;
    this.updateLatency = meters.updatelatency;
    meters.bytes_received_count.readFrom(() => this.bytesReceived);
    meters.response_bytes.readFrom(() => this.responseBytes);
    meters.watch_bytes.readFrom(() => this.watchBytes);
    meters.connection_request_count.readFrom(() => this.connectRequests);
    meters.connection_rejected.readFrom(() => this.connectionsRejected);
    meters.connection_drop_count.readFrom(() => this.connectionsDropped);
    meters.connection_revalidate_count.readFrom(() => this.revalidations);
    meters.sessionless_connections_expired.readFrom(() => this.handshakesMissed);
    meters.stale_sessions_expired.readFrom(() => this.staleSessionsExpired);
    meters.proposal_count.readFrom(() => this.proposals);
    meters.prep_processor_request_queued.readFrom(() => this.proposals);
    meters.sync_processor_request_queued.readFrom(() => this.proposals);
    meters.commit_count.readFrom(() => this.commits);
  }

  proposed(sizeBytes: number): void {
    this.lastProposalSize = sizeBytes;
    if (sizeBytes > this.maxProposalSize) this.maxProposalSize = sizeBytes;
    if (this.minProposalSize === -1 || sizeBytes < this.minProposalSize) {
      this.minProposalSize = sizeBytes;
    }
  }

  /** Another leadership begins. */
  resetProposals(): void {
    this.lastProposalSize = -1;
    this.minProposalSize = -1;
    this.maxProposalSize = -1;
  }

  sent(sizeBytes: number): void {
    this.packetsSent += 1;
    this.responseBytes += sizeBytes;
    this.lastResponseBytes = sizeBytes;
    if (sizeBytes > this.maxResponseBytes) this.maxResponseBytes = sizeBytes;
    if (this.minResponseBytes === -1 || sizeBytes < this.minResponseBytes) {
      this.minResponseBytes = sizeBytes;
    }
  }

  /** What `srst` forgets: counts and times, not what the server is. */
  reset(): void {
    this.latency.reset();
    this.packetsReceived = 0;
    this.packetsSent = 0;
    this.lastResponseBytes = -1;
    this.minResponseBytes = -1;
    this.maxResponseBytes = -1;
    this.readLatency.reset();
    this.updateLatency.reset();
  }
}
