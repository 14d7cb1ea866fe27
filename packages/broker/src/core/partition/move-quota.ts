/**
 * How fast replicas may be copied between directories: so many bytes per second on average over the
 * newest windows, as Kafka measures it. What was copied counts when it has been copied, so a quota is
 * overdrawn by at most one read and then waited for. Pure: it is told the time.
 */
export interface MoveQuotaOptions {
  /** alter.log.dirs.replication.quota.window.num */
  readonly windowCount: number;
  /** alter.log.dirs.replication.quota.window.size.seconds, in milliseconds */
  readonly windowMs: number;
}

interface Window {
  readonly beganAtMs: number;
  bytes: number;
}

export class MoveQuota {
  readonly #options: MoveQuotaOptions;
  #windows: Window[] = [];

  constructor(options: MoveQuotaOptions) {
    this.#options = options;
  }

  /** So many bytes were copied. */
  spent(bytes: number, nowMs: number): void {
    this.#forgetOld(nowMs);
    const newest = this.#windows.at(-1);
    if (newest !== undefined && nowMs - newest.beganAtMs < this.#options.windowMs)
      newest.bytes += bytes;
    else this.#windows.push({ beganAtMs: nowMs, bytes });
  }

  /**
   * How long copying has to pause now.
   * @param bytesPerSecond the quota; Infinity for none, 0 stops all moves
   * @returns milliseconds; Infinity when it would be for ever
   */
  pauseMs(bytesPerSecond: number, nowMs: number): number {
    this.#forgetOld(nowMs);
    const [oldest] = this.#windows;
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return 0;
    if (bytesPerSecond <= 0) return Number.POSITIVE_INFINITY;
    if (oldest === undefined) return 0;
    let bytes = 0;
    for (const window of this.#windows) bytes += window.bytes;
    const dueMs = (bytes / bytesPerSecond) * 1000;
    // Less than a window says nothing about a rate.
    if (dueMs <= this.#options.windowMs) return 0;
    return Math.max(0, Math.ceil(dueMs - (nowMs - oldest.beganAtMs)));
  }

  #forgetOld(nowMs: number): void {
    const { windowCount, windowMs } = this.#options;
    const from = nowMs - windowCount * windowMs;
    this.#windows = this.#windows.filter(({ beganAtMs }) => beganAtMs > from);
  }
}
