/**
 * Which sessions have not been heard of for too long.
 *
 * Sessions sit in buckets of one tick by the time they are due, so that expiring is one look per
 * tick and not one timer per session. Hearing of a session only notes the time (once per received
 * chunk, the hottest path of all); its bucket is corrected when the bucket comes up. A session ends
 * between its time-out and one tick later, never before.
 *
 * When the tick itself comes late by more than a tick, this process was suspended, and the sign of
 * life of every session may be waiting in its socket: nobody is judged before one more tick.
 */
import type { Machine, Millis, Tick } from '@odradek/runtime';

/** What the machine knows of one session; whoever hears of it writes `heardAtMs`. */
export interface Lease {
  readonly sessionId: bigint;
  timeoutMs: number;
  /** Monotonic. */
  heardAtMs: number;
  /** The server whose clients may write in its name; NOBODY: whoever does so first. */
  ownerId: number;
}

/** No server has this id. */
export const NOBODY = -1;

interface PlacedLease extends Lease {
  dueMs: number;
}

export interface ExpiryEffect {
  readonly kind: 'expire';
  readonly sessionId: bigint;
}

export class SessionExpiry implements Machine<Tick, ExpiryEffect> {
  readonly #tickMs: number;
  readonly #leases = new Map<bigint, PlacedLease>();
  readonly #buckets = new Map<number, Set<PlacedLease>>();
  /** After a suspension: judge nobody before this time. */
  #graceUntilMs = 0;

  /** @param tickMs width of a bucket, > 0 */
  constructor(tickMs: number) {
    this.#tickMs = tickMs;
  }

  /** Starts to watch a session, or gives a known one another time-out and a fresh start. */
  track(sessionId: bigint, timeoutMs: number, now: number): Lease {
    const known = this.#leases.get(sessionId);
    if (known !== undefined) {
      this.#take(known);
      known.timeoutMs = timeoutMs;
      known.heardAtMs = now;
      this.#place(known);
      return known;
    }
    const lease = { sessionId, timeoutMs, heardAtMs: now, ownerId: NOBODY, dueMs: 0 };
    this.#leases.set(sessionId, lease);
    this.#place(lease);
    return lease;
  }

  /** The session has ended. */
  forget(sessionId: bigint): void {
    const lease = this.#leases.get(sessionId);
    if (lease === undefined) return;
    this.#leases.delete(sessionId);
    this.#take(lease);
  }

  /** Nobody is watched any more. */
  clear(): void {
    this.#leases.clear();
    this.#buckets.clear();
  }

  /** undefined for a session that is not watched. */
  leaseOf(sessionId: bigint): Lease | undefined {
    return this.#leases.get(sessionId);
  }

  /** As it is at present; undefined for a session that is not watched. */
  timeoutOf(sessionId: bigint): number | undefined {
    return this.#leases.get(sessionId)?.timeoutMs;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** When sessions would end as of what was heard of them, in order. */
  due(): readonly { readonly dueMs: number; readonly sessionIds: readonly bigint[] }[] {
    const byDue = new Map<number, bigint[]>();
    for (const lease of this.#leases.values()) {
      const dueMs = this.#dueOf(lease);
      const ids = byDue.get(dueMs);
      if (ids === undefined) byDue.set(dueMs, [lease.sessionId]);
      else ids.push(lease.sessionId);
    }
    return [...byDue]
      .sort(([a], [b]) => a - b)
      .map(([dueMs, sessionIds]) => ({ dueMs, sessionIds }));
  }

  /** The next time a bucket is due. */
  deadline(): Millis | null {
    let earliest = Number.POSITIVE_INFINITY;
    for (const dueMs of this.#buckets.keys()) earliest = Math.min(earliest, dueMs);
    if (earliest === Number.POSITIVE_INFINITY) return null;
    return Math.max(earliest, this.#graceUntilMs) as Millis;
  }

  /** Expired sessions are no longer watched: the effect is given once. */
  step(_tick: Tick, now: Millis): ExpiryEffect[] {
    const wantedAt = this.deadline();
    if (wantedAt === null || now < wantedAt) return [];
    if (now - wantedAt > this.#tickMs) {
      this.#graceUntilMs = now + this.#tickMs;
      return [];
    }
    const expired: ExpiryEffect[] = [];
    for (const [dueMs, leases] of [...this.#buckets].sort(([a], [b]) => a - b)) {
      if (dueMs > now) break;
      for (const lease of [...leases]) {
        leases.delete(lease);
        if (this.#dueOf(lease) > now) {
          this.#place(lease);
        } else {
          this.#leases.delete(lease.sessionId);
          expired.push({ kind: 'expire', sessionId: lease.sessionId });
        }
      }
      this.#buckets.delete(dueMs);
    }
    return expired;
  }

  #dueOf(lease: Lease): number {
    return (Math.floor((lease.heardAtMs + lease.timeoutMs) / this.#tickMs) + 1) * this.#tickMs;
  }

  #place(lease: PlacedLease): void {
    lease.dueMs = this.#dueOf(lease);
    const bucket = this.#buckets.get(lease.dueMs);
    if (bucket === undefined) this.#buckets.set(lease.dueMs, new Set([lease]));
    else bucket.add(lease);
  }

  #take(lease: PlacedLease): void {
    const bucket = this.#buckets.get(lease.dueMs);
    if (bucket?.delete(lease) && bucket.size === 0) this.#buckets.delete(lease.dueMs);
  }
}
