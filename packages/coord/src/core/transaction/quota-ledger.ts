/**
 * Usage of quotas as it will be once every prepared transaction is applied, and what would go beyond
 * a limit.
 *
 * The tree holds the usage as of the last applied transaction; writes that are on their way are
 * added here, so that a client cannot overshoot by sending many at once. Kept and undone together
 * with the outstanding nodes (outstanding.ts). Costs nothing while nobody has set a quota.
 */
import { Fifo } from '../fifo.ts';
import type { Quotas, QuotaUsage } from '../tree/quota.ts';

/** A limit that a write goes beyond. */
export interface QuotaExcess {
  /** The path with the limit. */
  readonly path: string;
  readonly what: 'count' | 'bytes';
  /** A soft limit is only told of. */
  readonly isHard: boolean;
  readonly limit: number;
  /** With the write in question. */
  readonly usage: number;
}

interface Charge extends QuotaUsage {
  /** The path with the limits. */
  readonly path: string;
  readonly zxid: bigint;
}

export class QuotaLedger {
  readonly #quotas: Quotas;
  /** Sums of the charges below, by the path with the limits. */
  readonly #pending = new Map<string, QuotaUsage>();
  readonly #queue = new Fifo<Charge>();
  #current: Charge[] = [];

  constructor(quotas: Quotas) {
    this.#quotas = quotas;
  }

  /**
   * The limits that `count` more nodes and `bytes` more bytes at `path` would go beyond, hard ones
   * first. Less of something is always allowed.
   */
  excesses(path: string, count: number, bytes: number): readonly QuotaExcess[] {
    const quota = this.#quotaAbove(path);
    if (quota === null || quota.usage === null) return none;
    const pending = this.#pending.get(quota.path) ?? nothing;
    const { limits } = quota;
    const excesses: QuotaExcess[] = [];
    const check = (what: 'count' | 'bytes', isHard: boolean, limit: number, more: number): void => {
      const usage = (quota.usage?.[what] ?? 0) + pending[what] + more;
      if (limit < 0 || more <= 0 || usage <= limit) return;
      excesses.push({ path: quota.path, what, isHard, limit, usage });
    };
    check('count', true, limits.countHard, count);
    check('bytes', true, limits.bytesHard, bytes);
    check('count', false, limits.count, count);
    check('bytes', false, limits.bytes, bytes);
    return excesses;
  }

  /** The transaction being prepared adds this much at `path`, or takes it away. */
  charge(path: string, count: number, bytes: number, zxid: bigint): void {
    const quota = this.#quotas.isEmpty ? null : this.#quotas.pathAbove(path);
    if (quota === null || (count === 0 && bytes === 0)) return;
    this.#current.push({ path: quota, count, bytes, zxid });
    this.#add(quota, count, bytes);
  }

  keep(): void {
    if (this.#current.length === 0) return;
    for (const charge of this.#current) this.#queue.push(charge);
    this.#current = [];
  }

  undo(): void {
    if (this.#current.length === 0) return;
    for (const { path, count, bytes } of this.#current) this.#add(path, -count, -bytes);
    this.#current = [];
  }

  /** The tree has caught up with `zxid`. */
  applied(zxid: bigint): void {
    const queue = this.#queue;
    for (let next = queue.peek(); next !== undefined && next.zxid <= zxid; next = queue.peek()) {
      queue.shift();
      this.#add(next.path, -next.count, -next.bytes);
    }
  }

  #quotaAbove(path: string): ReturnType<Quotas['of']> {
    const above = this.#quotas.isEmpty ? null : this.#quotas.pathAbove(path);
    return above === null ? null : this.#quotas.of(above);
  }

  #add(path: string, count: number, bytes: number): void {
    const known = this.#pending.get(path) ?? nothing;
    const sum = { count: known.count + count, bytes: known.bytes + bytes };
    if (sum.count === 0 && sum.bytes === 0) this.#pending.delete(path);
    else this.#pending.set(path, sum);
  }
}

const nothing: QuotaUsage = { count: 0, bytes: 0 };
const none: readonly QuotaExcess[] = [];
