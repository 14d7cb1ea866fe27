/**
 * What the four-letter words tell of the server's work: plain counters, added to on the hot path.
 */

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

  /** With up to four decimals and at least one, as the original prints it. */
  get average(): string {
    const average =
      this.#count === 0 ? 0 : Math.round((this.#sumMs / this.#count) * 10_000) / 10_000;
    return Number.isInteger(average) ? `${average}.0` : String(average);
  }
}

export class ServerStats {
  readonly latency = new LatencyStats();
  packetsReceived = 0;
  packetsSent = 0;
  bytesReceived = 0;
  authFailures = 0;
  connectionsRejected = 0;
  connectionsAccepted = 0;
  staleSessionsExpired = 0;
  proposals = 0;
  commits = 0;
  snapshots = 0;
  /** -1 until there was one. */
  lastResponseBytes = -1;
  minResponseBytes = -1;
  maxResponseBytes = -1;

  sent(sizeBytes: number): void {
    this.packetsSent += 1;
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
  }
}
