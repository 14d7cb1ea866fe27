/**
 * The log of a server across all its roles: what is logged, what of it is on the disk, what is
 * committed and what the tree has; the newest entries in memory, and those that wait for their commit.
 *
 * It judges nothing: what may be cut, replaced or committed is said by the machines (core/quorum).
 */
import { invariant, type OdradekError } from '@odradek/runtime';
import { Fifo } from '../core/fifo.ts';
import type { History, ReplicatedStorage } from '../storage/types.ts';
import type { Members } from './members.ts';
import { entryBytes, RecentEntries } from './recent-entries.ts';
import type { LogEntry, ReplicatedState } from './types.ts';

/** Hears of the log; one at a time, the role that the server has. */
export interface LogListener {
  /** Everything up to here is on the disk; once for each group that was synced together. */
  durable(zxid: bigint): void;
}

export interface ReplicatedLogParts {
  readonly storage: ReplicatedStorage;
  readonly state: ReplicatedState;
  readonly members: Members;
  /** How much of the newest entries stays in memory. */
  readonly recentBytes: number;
  /** The disk failed: nothing more is durable, now or later. */
  readonly failed: (error: OdradekError) => void;
  /** The members that were next are certain now. */
  readonly membersChanged: () => void;
}

const nobody: LogListener = { durable: () => undefined };

export class ReplicatedLog {
  readonly #parts: ReplicatedLogParts;
  readonly #recent: RecentEntries;
  /** Appended, and not durable yet. */
  readonly #syncing = new Fifo<LogEntry>();
  /** Logged, and not applied: to be applied once they are committed. */
  #unapplied = new Fifo<LogEntry>();
  #unappliedBytes = 0;
  #listener = nobody;
  #loggedZxid: bigint;
  #durableZxid: bigint;
  #committedZxid = 0n;
  #isTellingDurable = false;
  #isLoading = false;
  #isSpilled = false;
  /** The last change of members that was appended. */
  #lastChange: LogEntry | null = null;
  readonly #waitingForDurable: (() => void)[] = [];
  /** The last of the operations that change the log as a whole. */
  #work: Promise<unknown> = Promise.resolve();
  readonly #onDurable = (): void => this.#oneDurable();
  readonly #onFailed = (error: OdradekError): void => this.#parts.failed(error);

  constructor(parts: ReplicatedLogParts) {
    this.#parts = parts;
    this.#loggedZxid = parts.storage.log.lastZxid;
    this.#durableZxid = this.#loggedZxid;
    this.#recent = new RecentEntries(parts.recentBytes, this.#loggedZxid);
  }

  /** The last one in the log, certain or not. */
  get loggedZxid(): bigint {
    return this.#loggedZxid;
  }

  get durableZxid(): bigint {
    return this.#durableZxid;
  }

  /** Known to be certain: after a start nothing is. */
  get committedZxid(): bigint {
    return this.#committedZxid;
  }

  get appliedZxid(): bigint {
    return this.#parts.state.appliedZxid;
  }

  /** Logged, and not committed or not applied for another reason. */
  get unappliedBytes(): number {
    return this.#unappliedBytes;
  }

  /** What waits to be applied is on the disk only: the tree must be made anew with `reload`. */
  get isSpilled(): boolean {
    return this.#isSpilled;
  }

  get isLoading(): boolean {
    return this.#isLoading;
  }

  listen(listener: LogListener | null): void {
    this.#listener = listener ?? nobody;
  }

  /** Zxids rise; the caller has checked that this one follows. */
  append(entry: LogEntry): void {
    const { storage, members } = this.#parts;
    if (entry.ensembleText !== null) {
      members.logged(entry.zxid, entry.ensembleText);
      this.#lastChange = entry;
    }
    this.#loggedZxid = entry.zxid;
    this.#syncing.push(entry);
    this.#unapplied.push(entry);
    this.#unappliedBytes += entryBytes(entry);
    this.#recent.push(entry);
    storage.log.append(entry.record, entry.zxid, this.#onDurable, this.#onFailed);
  }

  /** Everything up to here is certain. Applies what is logged of it, in order. */
  commit(zxid: bigint): void {
    if (zxid <= this.#committedZxid) return;
    this.#committedZxid = zxid;
    this.#applyCommitted();
  }

  /** Resolves when nothing cuts, replaces or reloads any more. */
  async whenIdle(): Promise<void> {
    for (let work: Promise<unknown> | null = null; work !== this.#work; ) {
      work = this.#work;
      await work.catch(() => undefined); // Told to whoever asked for it.
    }
  }

  /**
   * Cuts the log after `zxid`, on the disk.
   * @returns whether the tree has more than that: then it must be made anew with `reload`
   * @throws CutTooDeep, DiskError
   */
  truncate(zxid: bigint): Promise<boolean> {
    return this.#do(async () => {
      await this.#whenDurable();
      await this.#parts.storage.truncate(zxid);
      const kept = new Fifo<LogEntry>();
      this.#unappliedBytes = 0;
      for (let entry = this.#unapplied.shift(); entry; entry = this.#unapplied.shift()) {
        if (entry.zxid > zxid) break;
        kept.push(entry);
        this.#unappliedBytes += entryBytes(entry);
      }
      this.#unapplied = kept;
      this.#recent.truncate(zxid);
      this.#endsAt(zxid);
      this.#parts.members.cut(zxid);
      const mustReload = this.appliedZxid > zxid || this.#isSpilled;
      if (mustReload) this.#isLoading = true;
      return mustReload;
    });
  }

  /**
   * Puts a snapshot in the place of everything, on the disk. The tree must be made anew with `reload`.
   * @throws DiskError, and whatever `entries` throws; the old log stays then
   */
  replace(zxid: bigint, entries: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#do(async () => {
      await this.#whenDurable();
      await this.#parts.storage.replace(zxid, entries);
      this.#isLoading = true;
      this.#unapplied.clear();
      this.#unappliedBytes = 0;
      this.#recent.restart(zxid);
      // What is committed after it will be said anew.
      if (this.#committedZxid > zxid) this.#committedZxid = zxid;
      this.#endsAt(zxid);
    });
  }

  /** Forgets what waits to be applied, because it is too much for the memory. */
  spill(): void {
    this.#isSpilled = true;
    this.#unapplied.clear();
    this.#unappliedBytes = 0;
  }

  /** Makes the tree what the log says, certain or not. Entries may be appended meanwhile. */
  reload(): Promise<void> {
    this.#isLoading = true;
    return this.#do(async () => {
      const { storage, state, members } = this.#parts;
      this.#isSpilled = false; // What is logged from here on is kept again.
      members.loaded(await state.load(await storage.content()));
      this.#isLoading = false;
      const loadedZxid = this.appliedZxid;
      const change = this.#lastChange;
      // Logged while the tree was made anew.
      if (change !== null && change.zxid > loadedZxid && change.ensembleText !== null) {
        members.logged(change.zxid, change.ensembleText);
      }
      for (let entry = this.#unapplied.peek(); entry; entry = this.#unapplied.peek()) {
        if (entry.zxid > loadedZxid) break;
        this.#dropUnapplied();
      }
      this.#applyCommitted();
    });
  }

  /** The last logged zxid that is not above `zxid`, as far as it is known in memory. */
  recentFloor(zxid: bigint): bigint | null {
    return this.#recent.floor(zxid);
  }

  /** What follows a logged zxid, from memory; null when it does not reach back so far. */
  recentAfter(zxid: bigint, sizeBytesMax: number): readonly LogEntry[] | null {
    return this.#recent.after(zxid, sizeBytesMax);
  }

  /** What follows from the disk; null when it does not reach back so far. */
  history(zxid: bigint): Promise<History | null> {
    return this.#parts.storage.history(zxid);
  }

  #do<Result>(operation: () => Promise<Result>): Promise<Result> {
    const work = this.#work.catch(() => undefined).then(operation);
    this.#work = work;
    return work;
  }

  #endsAt(zxid: bigint): void {
    invariant(this.#syncing.length === 0, 'a log is cut when all of it is on the disk');
    this.#loggedZxid = zxid;
    this.#durableZxid = zxid;
    if (this.#lastChange !== null && this.#lastChange.zxid > zxid) this.#lastChange = null;
  }

  #oneDurable(): void {
    const entry = this.#syncing.shift();
    invariant(entry !== undefined, 'what is durable was appended');
    this.#durableZxid = entry.zxid;
    if (this.#isTellingDurable) return;
    this.#isTellingDurable = true;
    // Once for all records of the group, whose calls come one after the other.
    queueMicrotask(() => {
      this.#isTellingDurable = false;
      this.#listener.durable(this.#durableZxid);
      if (this.#syncing.length > 0) return;
      for (const resolve of this.#waitingForDurable.splice(0)) resolve();
    });
  }

  #whenDurable(): Promise<void> {
    if (this.#syncing.length === 0 && !this.#isTellingDurable) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waitingForDurable.push(resolve);
    });
  }

  #applyCommitted(): void {
    if (this.#isLoading || this.#isSpilled) return;
    const { state, members, membersChanged } = this.#parts;
    for (let entry = this.#unapplied.peek(); entry; entry = this.#unapplied.peek()) {
      if (entry.zxid > this.#committedZxid) break;
      this.#dropUnapplied();
      state.apply(entry);
    }
    if (members.committed(this.#committedZxid)) membersChanged();
  }

  #dropUnapplied(): void {
    const entry = this.#unapplied.shift();
    if (entry !== undefined) this.#unappliedBytes -= entryBytes(entry);
  }
}
