/**
 * Brings one learner's log in line with the leader's: decides how (core/quorum/sync.ts), sends what is
 * missing from memory, from the disk or as a snapshot, and puts the learner into the live stream at a
 * moment when nothing lies between. A learner that reads slowly slows down its own feed only.
 */
import { type Clock, millis, type Timers } from '@odradek/runtime';
import { planSync } from '../core/quorum/sync.ts';
import type { LeaderMessage, PeerLink } from '../peers/types.ts';
import type { ReplicaLimits } from './limits.ts';
import { entryBytes } from './recent-entries.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import type { LogEntry, ReplicatedState } from './types.ts';

/** How many feeds of each kind are under way on this server. */
export interface FeedCounts {
  snapshots: number;
  diffs: number;
}

export interface FeedParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: ReplicatedLog;
  readonly state: ReplicatedState;
  readonly limits: ReplicaLimits;
  readonly counts: FeedCounts;
  readonly link: PeerLink<LeaderMessage>;
  /** It has everything now. Called once, with nothing logged between the last message and this call. */
  readonly attach: () => void;
  /** It cannot be fed, or not now. */
  readonly failed: (reason: string) => void;
  /** What the feed does, for the log. */
  readonly began: (how: string) => void;
}

export class LearnerFeed {
  readonly #parts: FeedParts;
  #isOver = false;

  constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  stop(): void {
    this.#isOver = true;
  }

  /**
   * Runs to its end, or until `stop`.
   * @param learnerZxid the last one in the learner's log
   * @param needsSnapshot its log cannot be built on
   * @throws DiskError, StorageDamaged when our own log cannot be read
   */
  async run(learnerZxid: bigint, needsSnapshot: boolean): Promise<void> {
    const { log, link, counts, limits, began, failed } = this.#parts;
    const floor = needsSnapshot
      ? null
      : (log.recentFloor(learnerZxid) ?? (await log.history(learnerZxid))?.startZxid ?? null);
    if (this.#isOver) return;
    const plan = planSync(learnerZxid, floor);
    const kind = plan.kind === 'snapshot' ? 'snapshots' : 'diffs';
    const most = kind === 'snapshots' ? limits.snapshotFeeds : limits.diffFeeds;
    if (counts[kind] >= most) {
      failed(`${counts[kind]} other learners are being sent their ${kind}`);
      return;
    }
    counts[kind] += 1;
    try {
      began(plan.kind);
      if (plan.kind === 'snapshot') {
        const zxid = await this.#sendSnapshot();
        await this.#sendFrom(zxid);
        return;
      }
      link.send(
        plan.kind === 'truncate' ? { kind: 'truncate', zxid: plan.zxid } : { kind: 'diff' },
      );
      await this.#sendFrom(plan.zxid);
    } finally {
      counts[kind] -= 1;
    }
  }

  /** @returns the zxid that it began at: everything after it is still to be sent */
  async #sendSnapshot(): Promise<bigint> {
    const { log, state, link, limits, clock } = this.#parts;
    const zxid = log.appliedZxid;
    link.send({ kind: 'snapshot', zxid });
    let entries: Uint8Array[] = [];
    let sizeBytes = 0;
    let sentBytes = 0;
    const beganAt = clock.now();
    let sliceEndsAt = clock.now() + limits.snapshotSliceMs;
    for (const entry of state.entries()) {
      entries.push(new Uint8Array(entry)); // The next one may be written to the same place.
      sizeBytes += entry.byteLength;
      if (sizeBytes < limits.feedChunkBytes && clock.now() < sliceEndsAt) continue;
      link.send({ kind: 'snapshotPart', entries });
      sentBytes += sizeBytes;
      entries = [];
      sizeBytes = 0;
      await this.#turn();
      await this.#pace(beganAt, sentBytes, limits.snapshotBytesPerSecond);
      if (this.#isOver) return zxid;
      sliceEndsAt = clock.now() + limits.snapshotSliceMs;
    }
    if (entries.length > 0) link.send({ kind: 'snapshotPart', entries });
    link.send({ kind: 'snapshotEnd' });
    return zxid;
  }

  async #sendFrom(startZxid: bigint): Promise<void> {
    const { log, limits, attach, failed } = this.#parts;
    let zxid = startZxid;
    for (let isFirst = true; !this.#isOver; isFirst = false) {
      // What is little goes at once, and the learner is in step in the same turn.
      if (!isFirst && (log.recentAfter(zxid, 1)?.length ?? 1) > 0) await this.#turn();
      if (this.#isOver) return;
      const entries = log.recentAfter(zxid, limits.feedChunkBytes);
      const last = entries?.at(-1);
      if (entries === null) {
        const reached = await this.#sendFromDisk(zxid);
        if (reached === null) {
          failed('the log does not reach back to where the learner is');
          return;
        }
        zxid = reached;
      } else if (last === undefined) {
        attach();
        return;
      } else {
        this.#sendEntries(entries);
        zxid = last.zxid;
      }
    }
  }

  /** @returns how far it came; null when the disk does not reach back so far */
  async #sendFromDisk(startZxid: bigint): Promise<bigint | null> {
    const { log, state, limits, clock } = this.#parts;
    const beganAt = clock.now();
    let sentBytes = 0;
    const history = await log.history(startZxid);
    if (history === null || history.startZxid !== startZxid) return null;
    let zxid = startZxid;
    let entries: LogEntry[] = [];
    let sizeBytes = 0;
    for await (const { zxid: next, payload } of history.records) {
      if (this.#isOver) return zxid;
      const record = new Uint8Array(payload); // It is read into memory that is read into again.
      const entry = {
        zxid: next,
        record,
        origin: null,
        ensembleText: state.ensembleTextOf(record),
      };
      entries.push(entry);
      sizeBytes += entryBytes(entry);
      zxid = next;
      if (sizeBytes < limits.feedChunkBytes) continue;
      this.#sendEntries(entries);
      sentBytes += sizeBytes;
      entries = [];
      sizeBytes = 0;
      await this.#turn();
      await this.#pace(beganAt, sentBytes, limits.historyBytesPerSecond);
    }
    if (entries.length > 0 && !this.#isOver) this.#sendEntries(entries);
    return zxid;
  }

  #sendEntries(entries: readonly LogEntry[]): void {
    const { link, log } = this.#parts;
    link.send({ kind: 'proposals', entries, committedZxid: log.committedZxid });
  }

  /** Until so much may have been sent. */
  async #pace(beganAt: number, sentBytes: number, bytesPerSecond: number): Promise<void> {
    const { clock, timers } = this.#parts;
    const dueAt = beganAt + (sentBytes / bytesPerSecond) * 1_000;
    if (dueAt <= clock.now()) return;
    await new Promise<void>((resolve) => {
      timers.wakeAt(millis(dueAt), resolve);
    });
  }

  /** Until the learner has read enough, and everybody else had a turn. */
  async #turn(): Promise<void> {
    const { link, timers } = this.#parts;
    await new Promise<void>((resolve) => {
      timers.afterTurn(resolve);
    });
    await link.whenWritable();
  }
}
