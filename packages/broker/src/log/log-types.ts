/**
 * What goes into and comes out of a partition's log. Types and two errors; no behaviour.
 */
import { OdradekError, type PooledBuffer } from '@odradek/runtime';

/** Where appended records ended up. */
export interface AppendResult {
  /** Base offset of the first batch; -1 when nothing was appended. */
  readonly firstOffset: number;
  /** Offset of the last record; the log has it on disk when `logEndOffset > lastOffset`. */
  readonly lastOffset: number;
  /** The stamp given with LogAppendTime (or that of the original, for a duplicate); else -1. */
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
  /** The largest timestamp of the appended batches; -1 without any. */
  readonly maxTimestamp: number;
  /** Last offset of the batch that holds `maxTimestamp`. */
  readonly offsetOfMaxTimestamp: number;
  /** True when an idempotent producer sent these batches before: nothing was appended. */
  readonly duplicate: boolean;
  readonly sizeBytes: number;
  readonly recordCount: number;
}

/**
 * Who appends: a client (everything is checked), a client that may send message sets of magic 0 and
 * 1 (they become a batch), or a coordinator of this broker (its own batches, of which there may be
 * several, control batches included).
 */
export type AppendOrigin = 'client' | 'old-client' | 'coordinator';

/** Whole batches, ready for the socket: the chunks are to be sent one after the other and never changed. */
export interface LogSlice {
  readonly chunks: readonly Buffer[];
  /**
   * The memory that the chunks lie in, held for the reader. Who is done with the chunks, and wants
   * the memory to be used again, releases each once; who does not leaves it to the garbage collector.
   */
  readonly lent: readonly PooledBuffer[];
  readonly sizeBytes: number;
  /** Base offset of the first batch, which may lie below the offset asked for; else that offset. */
  readonly firstOffset: number;
  /** The offset after the last batch: where to read on. The offset asked for when there is nothing. */
  readonly nextOffset: number;
}

/** A record found by its timestamp. */
export interface TimestampedOffset {
  readonly offset: number;
  readonly timestamp: number;
  /** Epoch of the leader that appended it, or -1 where the format does not keep it. */
  readonly leaderEpoch: number;
}

/** The end of an epoch in this log; (-1, -1) when it cannot be told. */
export interface EpochEnd {
  readonly epoch: number;
  readonly endOffset: number;
}

/**
 * A follower was handed batches that do not continue its log. The replica decides: when the log is
 * empty and `firstOffset < logEndOffset <= lastOffset`, it may start anew at `firstOffset`.
 */
export class UnexpectedAppendOffset extends OdradekError {
  override readonly name = 'UnexpectedAppendOffset';
  readonly code = 'UNEXPECTED_APPEND_OFFSET';
  readonly retriable = true;
  readonly firstOffset: number;
  readonly lastOffset: number;
  constructor(log: string, firstOffset: number, lastOffset: number, nextOffset: number) {
    super(
      `${log}: batches ${firstOffset}..${lastOffset} do not continue a log that ends at ${nextOffset}`,
    );
    this.firstOffset = firstOffset;
    this.lastOffset = lastOffset;
  }
}

/** Files of a log are damaged in a way that nothing was written to cause; says the file and the place. */
export class LogDamaged extends OdradekError {
  override readonly name = 'LogDamaged';
  readonly code = 'LOG_DAMAGED';
  readonly retriable = false;
}
