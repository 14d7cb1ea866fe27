/**
 * Group commit: what the partitions of one data directory want to have on the medium before they
 * acknowledge it.
 *
 * While one group is on its way the next one gathers; when nothing is on its way, a group takes all
 * that comes in one turn of the event loop. A group of several partitions is one durable write to
 * the flush journal, beside the usual writes to their segments. A partition that is alone, has much
 * to write, or whose segment is not covered by the journal so far, forces its own segment.
 */
import { DiskError, type Environment } from '@odradek/runtime';
import { AtMost } from '../at-most.ts';
import {
  FlushJournal,
  type FlushJournalOptions,
  GROUP_BYTES_MAX,
  type JournalEntry,
} from './journal.ts';
import { frameBytes } from './journal-format.ts';

/** Batches larger than this are not written twice: a sync of their own costs no more. */
export const JOURNALED_BYTES_MAX = 128 * 1024;

/** After so many groups of one partition, that partition takes leave of the journal. */
const LONE_GROUPS_MAX = 16;

/** Segments that are forced to the medium at once: the rest of libuv's four threads is for others. */
const CONCURRENT_FLUSHES_MAX = 2;

/** One partition's batches that are to be on the medium. */
export interface Commit {
  readonly entry: JournalEntry;
  readonly sizeBytes: number;
  /** All before these batches is on the medium or in the journal, so the journal may have them. */
  readonly isCovered: boolean;
  /** All before these batches is on the medium, in their segment or an older one. */
  readonly isSettled: boolean;
  /** Hands the batches to the operating system, as without flushing. */
  write(): Promise<void>;
  /** Writes the batches, and forces them and all before them to the medium, without the journal. */
  writeThrough(): Promise<void>;
  /** It is done, one way or the other; called before anything else follows from it. */
  done(): void;
}

interface Waiting {
  /** null for a cut. */
  readonly commit: Commit | null;
  readonly entry: JournalEntry;
  readonly framesBytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What was done so far. */
export interface FlushCounts {
  /** Durable writes to the journal. */
  journalWrites: number;
  /** Appends that these made durable. */
  journaled: number;
  /** Appends that forced a segment of their own. */
  direct: number;
}

/** Of several directories together. */
export function sumOfFlushes(all: readonly Readonly<FlushCounts>[]): FlushCounts {
  const sum = { journalWrites: 0, journaled: 0, direct: 0 };
  for (const { journalWrites, journaled, direct } of all) {
    sum.journalWrites += journalWrites;
    sum.journaled += journaled;
    sum.direct += direct;
  }
  return sum;
}

export class GroupCommit {
  readonly journal: FlushJournal;
  readonly counts: FlushCounts = { journalWrites: 0, journaled: 0, direct: 0 };
  readonly #environment: Environment;
  readonly #directory: string;
  readonly #flushes = new AtMost(CONCURRENT_FLUSHES_MAX);
  readonly #waiting: Waiting[] = [];
  /** Cuts that wait for room in the journal. */
  readonly #blocked: Waiting[] = [];
  #isBusy = false;
  #loneGroups = 0;
  #isClosing = false;
  #isStopped = false;

  constructor(options: Omit<FlushJournalOptions, 'freed'>) {
    this.#environment = options.environment;
    this.#directory = options.directory;
    this.journal = new FlushJournal({ ...options, freed: () => this.#unblock() });
  }

  /** Resolves when the batches are written and on the medium. */
  commit(commit: Commit): Promise<void> {
    const framesBytes = frameBytes(commit.entry.head.topic, commit.sizeBytes);
    return new Promise((resolve, reject) => {
      this.#add({ commit, entry: commit.entry, framesBytes, resolve, reject });
    });
  }

  /** Resolves when frames of this log in the journal are void for good: it has no more batches there that matter. */
  voidFrames(entry: JournalEntry): Promise<void> {
    const { topic, partition } = entry.head;
    if (this.#isStopped) return Promise.reject(this.#failure());
    if (this.#isClosing || !this.journal.holds(`${topic}-${partition}`)) return Promise.resolve();
    const framesBytes = frameBytes(topic, 0);
    return new Promise((resolve, reject) => {
      this.#add({ commit: null, entry, framesBytes, resolve, reject });
    });
  }

  /** Logs are about to be closed in order; the journal goes afterwards, and needs no more said about them. */
  closing(): void {
    this.#isClosing = true;
  }

  /** Everything is on the medium by other means: the journal goes. */
  close(): Promise<void> {
    return this.journal.remove();
  }

  /** The directory has failed. */
  stop(): void {
    this.#isStopped = true;
    this.journal.stop();
    for (const { reject } of this.#blocked.splice(0)) reject(this.#failure());
  }

  #failure(): DiskError {
    return new DiskError('EIO', this.#directory, 'flush');
  }

  #add(waiting: Waiting): void {
    this.#waiting.push(waiting);
    if (this.#isBusy) return;
    this.#isBusy = true;
    // Others that are written to in this turn come with it.
    this.#environment.timers.afterTurn(() => void this.#run());
  }

  #unblock(): void {
    for (const waiting of this.#blocked.splice(0)) this.#add(waiting);
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      if (!this.#isStopped) await this.#commitGroup(group);
      else for (const { reject } of group) reject(this.#failure());
    }
    this.#isBusy = false;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    const count = this.#waiting.findIndex((waiting) => {
      if (waiting.commit === null || mayBeJournaled(waiting.commit)) bytes += waiting.framesBytes;
      return bytes > GROUP_BYTES_MAX;
    });
    return this.#waiting.splice(0, count < 0 ? this.#waiting.length : count);
  }

  async #commitGroup(group: readonly Waiting[]): Promise<void> {
    const [first] = group;
    if (group.length === 1 && first !== undefined && this.#goesAlone(first)) {
      await this.#writeThrough(first);
      return;
    }
    const journaled: Waiting[] = [];
    let framesBytes = 0;
    for (const waiting of group) {
      if (waiting.commit !== null && !mayBeJournaled(waiting.commit)) {
        // Its own sync, beside the others: they need not wait for it.
        void this.#flushes.run(() => this.#writeThrough(waiting));
      } else {
        journaled.push(waiting);
        framesBytes += waiting.framesBytes;
      }
    }
    if (journaled.length === 0) return;
    if (this.journal.hasRoom(framesBytes)) await this.#writeToJournal(journaled);
    else await this.#withoutJournal(journaled);
  }

  /** Tells whether a group of one does better without the journal. */
  #goesAlone({ commit }: Waiting): boolean {
    if (commit === null) return false;
    this.#loneGroups += 1;
    if (!mayBeJournaled(commit) || commit.isSettled) return true;
    return this.#loneGroups > LONE_GROUPS_MAX;
  }

  /**
   * The group ends when its segments are written as well: from then on a sync of these segments
   * settles it, which the journal relies on when a file of it is full.
   */
  async #writeToJournal(group: readonly Waiting[]): Promise<void> {
    if (group.length > 1) this.#loneGroups = 0;
    this.counts.journalWrites += 1;
    const inJournal = this.journal.write(group.map(({ entry }) => entry));
    await Promise.all(
      group.map(async ({ commit, resolve, reject }) => {
        try {
          if (commit !== null) {
            this.counts.journaled += 1;
            await Promise.all([commit.write(), inJournal]);
          } else await inJournal;
          commit?.done();
          resolve();
        } catch (error) {
          reject(error);
        }
      }),
    );
  }

  async #withoutJournal(group: readonly Waiting[]): Promise<void> {
    await Promise.all(
      group.map((waiting) => {
        if (waiting.commit !== null) return this.#flushes.run(() => this.#writeThrough(waiting));
        this.#blocked.push(waiting);
        return Promise.resolve();
      }),
    );
  }

  async #writeThrough({ commit, resolve, reject }: Waiting): Promise<void> {
    this.counts.direct += 1;
    try {
      // It may have waited for others that failed: nothing is to be touched any more.
      if (this.#isStopped) throw this.#failure();
      await commit?.writeThrough();
      commit?.done();
      resolve();
    } catch (error) {
      reject(error);
    }
  }
}

function mayBeJournaled({ isCovered, sizeBytes }: Commit): boolean {
  return isCovered && sizeBytes <= JOURNALED_BYTES_MAX;
}
