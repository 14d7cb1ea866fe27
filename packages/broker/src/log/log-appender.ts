/**
 * How batches get into a log: checked, given offsets, noted in indexes, epochs and producer state, and
 * queued for the disk. All of it at once, or nothing.
 *
 * What is allowed to be appended, and in which order, is the replica's affair (append-line.ts,
 * ../replica/partition.ts); when an append becomes part of the log for everybody else is told at the
 * head of partition-log.ts.
 */
import { KafkaError } from '@odradek/protocol';
import type { AppendBudget } from './append-budget.ts';
import {
  type AppendSet,
  duplicateResult,
  followerSet,
  type LeaderAppend,
  leaderSet,
  validBatches,
} from './append-sets.ts';
import type { LogCondition } from './log-condition.ts';
import type { LogParts } from './log-state.ts';
import type { AppendOrigin, AppendResult } from './log-types.ts';
import { prepareInWorker } from './prepare-batch.ts';
import type { Segment } from './segment.ts';
import { type AbortedTransaction, noteBatch } from './transaction-index.ts';
import { rollSegment } from './upkeep.ts';

const NONE_ABORTED: readonly AbortedTransaction[] = [];

/** In whose name something is appended. */
export interface LeaderOfAppend {
  readonly leaderEpoch: number;
  readonly origin: AppendOrigin;
}

export interface LogAppenderOptions {
  /** `topic-partition`, for messages. */
  readonly name: string;
  readonly parts: LogParts;
  readonly condition: LogCondition;
  /** Batches stay out of the tail cache. */
  readonly isFuture: boolean;
  saveEpochs(): void;
  /** Brings what is written to the medium, beside the writes that follow. */
  flushInBackground(): void;
}

export class LogAppender {
  readonly #options: LogAppenderOptions;
  readonly #parts: LogParts;

  constructor(options: LogAppenderOptions) {
    this.#options = options;
    this.#parts = options.parts;
  }

  /** Bytes that wait to be appended count like those that wait to be written. */
  get budget(): AppendBudget {
    return this.#parts.resources.budget;
  }

  /**
   * Appends as the partition's leader: checks, assigns offsets by patching `records` in place, and
   * queues a copy of them. The buffer is the caller's again when this returns.
   * @throws KafkaError as validateClientBatch, and OUT_OF_ORDER_SEQUENCE_NUMBER,
   * INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, TRANSACTION_COORDINATOR_FENCED,
   * RECORD_LIST_TOO_LARGE, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER (being cut or closed)
   */
  asLeader(records: Buffer, leader: LeaderOfAppend): AppendResult {
    const append = this.#leaderAppend(leader);
    return this.#lead(validBatches(records, append, 'patient'), append);
  }

  /** As `asLeader`; null when it would hold up the event loop: see `prepare`. */
  atOnce(records: Buffer, leader: LeaderOfAppend): AppendResult | null {
    const append = this.#leaderAppend(leader);
    const batches = validBatches(records, append, 'at-once');
    return batches === null ? null : this.#lead(batches, append);
  }

  /**
   * Checks and makes ready what `prepared` is to append, in a worker if it is much.
   * @param records the log's from now on
   */
  prepare(
    records: Buffer<ArrayBuffer>,
    origin: AppendOrigin,
    signal: AbortSignal,
  ): Buffer | Promise<Buffer> {
    const { config, wallTimeMs } = this.#leaderAppend({ origin, leaderEpoch: -1 });
    const judgement = { origin, config, wallTimeMs };
    return (
      validBatches(records, judgement, 'at-once') ??
      prepareInWorker(this.#parts.resources.environment.workers, records, judgement, signal)
    );
  }

  /** Appends what was prepared for this log; throws as `asLeader` does. */
  prepared(batches: Buffer, leader: LeaderOfAppend): AppendResult {
    return this.#lead(batches, this.#leaderAppend(leader));
  }

  /**
   * Appends a copy of what the leader sent, as it is. A last batch that is cut short is left out.
   * @param maxLeaderEpoch batches of a later epoch, and all behind them, are left out
   * @throws UnexpectedAppendOffset when the first batch lies below the log's end
   * @throws KafkaError CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER (being cut or closed)
   */
  asFollower(records: Buffer, maxLeaderEpoch = Number.POSITIVE_INFINITY): AppendResult {
    const { condition, name } = this.#options;
    condition.requireOpen();
    const { resources, state } = this.#parts;
    const wallTimeMs = resources.environment.clock.wallTime();
    const set = followerSet(records, { name, nextOffset: state.nextOffset, maxLeaderEpoch });
    return this.#accept(set, wallTimeMs);
  }

  #leaderAppend({ leaderEpoch, origin }: LeaderOfAppend): LeaderAppend {
    this.#options.condition.requireOpen();
    const { resources, state } = this.#parts;
    const { config, nextOffset } = state;
    const wallTimeMs = resources.environment.clock.wallTime();
    return { origin, config, wallTimeMs, nextOffset, leaderEpoch };
  }

  #lead(batches: Buffer, append: LeaderAppend): AppendResult {
    const { producers, logStartOffset } = this.#parts.state;
    const set = leaderSet(batches, append);
    const sender = append.origin === 'coordinator' ? 'coordinator' : 'client';
    const verdict = producers.checkAll(set.producers, sender);
    if (verdict.kind === 'refuse') throw new KafkaError(verdict.code, verdict.detail);
    if (verdict.kind === 'duplicate') return duplicateResult(verdict.of, logStartOffset);
    return this.#accept(set, append.wallTimeMs);
  }

  /** Takes a checked set into memory and the queue. */
  #accept(set: AppendSet, wallTimeMs: number): AppendResult {
    const { bytes, batches, recordCount, maxTimestamp, offsetOfMaxTimestamp } = set;
    const { state, resources, queue } = this.#parts;
    const { epochs, producers, config } = state;
    const first = batches[0];
    const last = batches.at(-1);
    const firstOffset = first?.firstOffset ?? -1;
    const lastOffset = last?.lastOffset ?? state.nextOffset - 1;
    if (first !== undefined && last !== undefined) {
      const segment = this.#segmentFor(set, firstOffset, lastOffset, wallTimeMs);
      const epochsBefore = epochs.version;
      for (const batch of batches) {
        if (batch.leaderEpoch < 0) epochs.clear();
        else epochs.assign(batch.leaderEpoch, batch.firstOffset);
        if (!segment.append(batch, config.indexIntervalBytes)) continue;
        for (const entries of segment.indexEntries) resources.indexes.grew(entries);
      }
      if (epochs.version !== epochsBefore) this.#options.saveEpochs();
      let aborted = NONE_ABORTED;
      for (const batch of set.producers) {
        const transaction = noteBatch(producers, batch);
        if (transaction !== null) aborted = [...aborted, transaction];
      }
      const nextOffset = lastOffset + 1;
      state.nextOffset = nextOffset;
      const { tails } = resources;
      const stored = this.#options.isFuture
        ? tails.storeAside(bytes)
        : tails.store(bytes, state.tail);
      queue.append({ segment, stored, firstOffset, nextOffset, aborted });
    }
    return {
      firstOffset,
      lastOffset,
      logAppendTimeMs: set.logAppendTimeMs,
      logStartOffset: state.logStartOffset,
      maxTimestamp,
      offsetOfMaxTimestamp,
      duplicate: false,
      sizeBytes: bytes.length,
      recordCount,
    };
  }

  /** The active segment, or a new one when the set does not belong into it any more. */
  #segmentFor(
    set: AppendSet,
    firstOffset: number,
    lastOffset: number,
    wallTimeMs: number,
  ): Segment {
    const { segments, config, nextOffset } = this.#parts.state;
    const { maxTimestamp } = set;
    const claim = { sizeBytes: set.bytes.length, lastOffset, maxTimestamp };
    if (!segments.active.mustRoll(claim, config, wallTimeMs)) return segments.active;
    const baseOffset = Math.max(nextOffset, firstOffset);
    return rollSegment(this.#parts, baseOffset, () => this.#options.flushInBackground());
  }
}
