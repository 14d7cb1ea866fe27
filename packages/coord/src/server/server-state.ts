/**
 * The tree and the sessions as of the last applied transaction: loaded at the start, changed by every
 * committed transaction, written into snapshots. The same for a server alone and for one of an ensemble.
 *
 * What hangs on a transaction beyond that (who waits for it, what was outstanding because of it) belongs
 * to the present role, and comes here as a stint.
 */
import { type Clock, OdradekError } from '@odradek/runtime';
import { SessionTable } from '../core/session/session-table.ts';
import { type Applied, apply, type MutationListener, nobody } from '../core/transaction/apply.ts';
import { membersOfNode, membersOfRecord } from '../core/transaction/members.ts';
import { counterOf, type ZxidNotice, ZxidWatch } from '../core/transaction/number-spaces.ts';
import type { TransactionRecord } from '../core/transaction/record.ts';
import { CONFIG_PATH, Tree } from '../core/tree/tree.ts';
import { DigestLog, type NotedDigest } from '../digest/digest-log.ts';
import type { LoadedMembers, LogEntry, ReplicatedState } from '../replica/types.ts';
import type { LogRecord } from '../storage/types.ts';
import type { CoordinatorObserver } from './observer.ts';
import { LastZxid } from './outbox.ts';
import { decodeEntry, decodeRecord, encodeEntry, encodeNode } from './record-codec.ts';
import type { ServerStats } from './server-stats.ts';

/** Who waits for a transaction. */
export interface Waiter {
  /** The transaction is applied and is the last one that was. */
  complete(record: TransactionRecord, applied: Applied): void;
}

/** A committed transaction, and who waits for it here. */
export interface Expected {
  readonly record: TransactionRecord;
  readonly waiter: Waiter | null;
}

/** What hangs on transactions as long as a role lasts. */
export interface Stint {
  /** What is known of a committed entry beyond its bytes; null: nothing. */
  expected(entry: LogEntry): Expected | null;
  /** It is applied, and nobody was told yet. */
  reached(record: TransactionRecord): void;
  /** Whoever waited for it was told. */
  settled(record: TransactionRecord): void;
}

export interface StateParts {
  readonly clock: Clock;
  readonly stats: ServerStats;
  /** Watches. */
  readonly mutations: MutationListener;
  readonly observer: CoordinatorObserver | null;
  /** Whether digests of the tree are kept. */
  readonly keepsDigests: boolean;
  /** Of the snapshot that is loaded next. */
  readonly snapshotZxid: () => bigint;
  /** Everything is about to be made anew. */
  reloading(): void;
  /** It is. */
  loaded(): void;
  /** After each applied transaction. */
  applied(): void;
  /** The counter of zxids fills up. */
  announce(notice: ZxidNotice, zxid: bigint): void;
}

const ABANDONED = 'everything is loaded anew while a snapshot was written';

/** The tree that this snapshot was begun on is not the server's any more. */
export class SnapshotAbandoned extends OdradekError {
  override readonly name = 'SnapshotAbandoned';
  readonly code = 'SNAPSHOT_ABANDONED';
  readonly retriable = false;
}

export class ServerState implements ReplicatedState {
  readonly sessions = new SessionTable();
  readonly lastZxid = new LastZxid();
  /** null: nothing hangs on transactions at present. */
  stint: Stint | null = null;
  readonly #parts: StateParts;
  #tree = new Tree();
  /** null: none is kept. */
  #digests: DigestLog | null = null;
  #zxidWatch = new ZxidWatch(0);
  /** Rises with each load. */
  #generation = 0;
  #replayedCount = 0;

  constructor(parts: StateParts) {
    this.#parts = parts;
  }

  /** Another one after each load. */
  get tree(): Tree {
    return this.#tree;
  }

  get appliedZxid(): bigint {
    return this.lastZxid.value;
  }

  /** Digests of the tree since the last load; none unless they are kept. */
  get digests(): readonly NotedDigest[] {
    return this.#digests?.noted ?? [];
  }

  /** Records of the log that the last load took in. */
  get replayedCount(): number {
    return this.#replayedCount;
  }

  async load(content: {
    readonly snapshot: AsyncIterable<Uint8Array> | null;
    readonly records: AsyncIterable<LogRecord>;
    readonly zxid: bigint;
  }): Promise<LoadedMembers> {
    const { clock, stats, observer, snapshotZxid, reloading } = this.#parts;
    const { meters } = stats;
    reloading();
    this.#generation += 1;
    const tree = new Tree();
    this.#tree = tree;
    const { sessions } = this;
    sessions.forgetGlobal();
    observer?.loading(content.snapshot === null ? 0n : snapshotZxid());
    const startedAtMs = clock.now();
    if (content.snapshot !== null) {
      for await (const bytes of content.snapshot) {
        const entry = decodeEntry(bytes);
        if (entry.kind === 'node') tree.restore(entry.node);
        else sessions.open(entry.session);
      }
    }
    const loadedAtMs = clock.now();
    meters.startup_snap_load_time.observe(loadedAtMs - startedAtMs);
    let ensembleText = membersOfNode(tree.get(CONFIG_PATH));
    let ensembleTextBefore: string | null = null;
    let count = 0;
    for await (const { payload } of content.records) {
      const record = decodeRecord(payload);
      apply(record, tree, sessions, nobody);
      observer?.replayed(record);
      count += 1;
      const text = membersOfRecord(record);
      if (text === null) continue;
      ensembleTextBefore = ensembleText;
      ensembleText = text;
    }
    tree.recovered();
    this.#digests = this.#parts.keepsDigests ? new DigestLog(tree) : null;
    this.lastZxid.set(content.zxid);
    this.#zxidWatch = new ZxidWatch(counterOf(content.zxid));
    this.#replayedCount = count;
    meters.startup_txns_loaded.observe(count);
    meters.startup_txns_load_time.observe(clock.now() - loadedAtMs);
    this.#parts.loaded();
    return { ensembleText, ensembleTextBefore };
  }

  apply(entry: LogEntry): void {
    const expected = this.stint?.expected(entry) ?? null;
    if (expected === null) this.perform(decodeRecord(entry.record), null);
    else this.perform(expected.record, expected.waiter);
  }

  /** Carries out a committed transaction and tells everybody whom it concerns. */
  perform(record: TransactionRecord, waiter: Waiter | null): void {
    const { stats, mutations, observer } = this.#parts;
    const { stint, lastZxid } = this;
    // Notifications carry the zxid of what they tell of, so it is set before the watches fire.
    lastZxid.set(record.zxid);
    this.#digests?.applying(record.change);
    const applied = apply(record, this.#tree, this.sessions, mutations);
    this.#digests?.applied(record.zxid);
    stint?.reached(record);
    stats.commits += 1;
    waiter?.complete(record, applied);
    stint?.settled(record);
    observer?.applied(record);
    const notice = this.#zxidWatch.applied(lastZxid.low >>> 0);
    if (notice !== null) this.#parts.announce(notice, record.zxid);
    this.#parts.applied();
  }

  ensembleTextOf(record: Uint8Array): string | null {
    const bytes = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
    // Nearly no record names it, and decoding takes much longer than looking.
    return bytes.includes(CONFIG_PATH) ? membersOfRecord(decodeRecord(record)) : null;
  }

  /**
   * Sessions first, so that replay knows them; both as they are when they are reached.
   * @throws SnapshotAbandoned from the iteration, when everything is loaded anew meanwhile
   */
  *entries(): Iterable<Uint8Array> {
    const generation = this.#generation;
    for (const session of this.sessions.all()) {
      if (generation !== this.#generation) throw new SnapshotAbandoned(ABANDONED);
      yield encodeEntry({ kind: 'session', session });
    }
    for (const node of this.#tree.all()) {
      if (generation !== this.#generation) throw new SnapshotAbandoned(ABANDONED);
      yield encodeNode(node);
    }
  }

  /**
   * Members that no transaction made: shown in the config node, without being a change of it.
   * Those that a transaction made stay.
   */
  showMembers(text: string): void {
    const node = this.#tree.get(CONFIG_PATH);
    if (node === undefined || membersOfNode(node) !== null) return;
    this.#tree.setData(CONFIG_PATH, Buffer.from(text), node.version, node.mzxid, node.mtime);
  }
}
