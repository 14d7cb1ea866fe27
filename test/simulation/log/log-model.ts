/**
 * What a log was told and what it promised, as a plain list of batches: slow, and too simple to be wrong.
 * The log's own answers are held against it, in operation and after every crash.
 */

/** What a batch says of its producer. */
export interface ModelProducer {
  readonly id: bigint;
  readonly epoch: number;
  readonly kind: 'idempotent' | 'transactional' | 'commit' | 'abort';
  /** -1 for a marker. */
  readonly firstSequence: number;
  readonly coordinatorEpoch: number;
}

/** A record of a log that is compacted. */
export interface ModelRecord {
  readonly offset: number;
  readonly key: string;
  /** No two records have the same one. */
  readonly serial: number;
  readonly isTombstone: boolean;
  readonly timestamp: number;
}

export interface ModelBatch {
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** Where the log ended when this batch came. */
  readonly after: number;
  readonly epoch: number;
  /** Of the first record; each one is a millisecond younger than the one before. */
  readonly timestamp: number;
  readonly bytes: Buffer;
  readonly producer: ModelProducer | null;
  /** Of a log that is compacted; without markers. */
  readonly records: readonly ModelRecord[];
  /** What it was appended behind; null for the first one on its way. */
  readonly previous: ModelBatch | null;
}

export interface ModelAborted {
  readonly producerId: bigint;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly lastStableOffset: number;
}

export interface ModelProducerState {
  epoch: number;
  coordinatorEpoch: number;
  /** First offset of the open transaction, or -1. */
  openSince: number;
  /** Of this epoch. */
  batches: { readonly firstOffset: number; readonly lastSequence: number }[];
}

/** What follows from a list of batches. */
export interface ModelFacts {
  readonly producers: ReadonlyMap<bigint, ModelProducerState>;
  readonly aborted: readonly ModelAborted[];
}

/** How far compaction may have come, and what it may have taken. */
export class CompactionNotes {
  /** No pass on this way of the log has touched anything from here on. */
  reachMax = 0;
  /** When that was noted. */
  notedAtMs = 0;
  /** Since when, at the earliest, compaction may have seen a record: its tombstone's time counts from then. */
  readonly reachedSinceMs = new Map<ModelRecord, number>();
  /** Records that were gone, for good reasons, before a cut or a crash took these reasons away. */
  readonly excused = new Set<ModelRecord>();
  /** Batches that a loss of power took out of the midst of the log. */
  readonly lost = new Set<ModelBatch>();
}

export class LogModel {
  readonly topic: string;
  /** Everything on the way that the log went, those below its start included. */
  branch: readonly ModelBatch[] = [];
  /** Everything that was ever appended, by first offset: what a loss of power may bring back. */
  readonly ever = new Map<number, ModelBatch[]>();
  nextOffset = 0;
  /** Everything below was promised to outlive a kill. */
  acknowledged = 0;
  /** Everything below was promised to outlive a loss of power. */
  synced = 0;
  startOffset = 0;
  /** Where it ended when it was opened last. */
  openedAt = 0;
  /** The highest start that the log ever had on this way. */
  raisedStart = 0;
  /** A cut that has not returned: what was there before it. */
  cutFrom: readonly ModelBatch[] | null = null;
  /** Producer state was read from a snapshot. */
  isReloaded = false;
  /** It was begun anew in the midst of a crash, or lost everything: who wrote before, nobody can say. */
  hasUnknownPast = false;
  /** The power went since the log was last looked at. */
  lostPower = false;
  /** The log was begun anew, and nothing was synced since: what was before may come back. */
  begunAnew = false;
  /** How many records with a key it was given. */
  serials = 0;
  /** What compaction may have done so far; stays as it is where logs are not compacted. */
  readonly compaction = new CompactionNotes();

  constructor(topic: string) {
    this.topic = topic;
  }

  accept(batch: ModelBatch): void {
    this.branch = [...this.branch, batch];
    const others = this.ever.get(batch.firstOffset) ?? [];
    this.ever.set(batch.firstOffset, [...others, batch]);
    this.nextOffset = batch.lastOffset + 1;
  }

  /** The batch that was appended with these very bytes. */
  known(firstOffset: number, bytes: Uint8Array): ModelBatch | null {
    return (
      (this.ever.get(firstOffset) ?? []).findLast((batch) => batch.bytes.equals(bytes)) ?? null
    );
  }

  facts(): ModelFacts {
    return factsOf(this.branch);
  }
}

export function factsOf(batches: readonly ModelBatch[]): ModelFacts {
  const producers = new Map<bigint, ModelProducerState>();
  const aborted: ModelAborted[] = [];
  for (const { producer, firstOffset, lastOffset } of batches) {
    if (producer === null) continue;
    const { id, epoch, kind } = producer;
    const state = producers.get(id) ?? { epoch, coordinatorEpoch: -1, openSince: -1, batches: [] };
    producers.set(id, state);
    if (state.epoch !== epoch) {
      state.epoch = epoch;
      state.batches = [];
    }
    if (kind === 'idempotent' || kind === 'transactional') {
      const lastSequence = producer.firstSequence + lastOffset - firstOffset;
      state.batches = [...state.batches, { firstOffset, lastSequence }];
      if (kind === 'transactional' && state.openSince < 0) state.openSince = firstOffset;
      continue;
    }
    state.coordinatorEpoch = producer.coordinatorEpoch;
    const began = state.openSince;
    state.openSince = -1;
    if (kind !== 'abort' || began < 0) continue;
    const open = [...producers.values()].map(({ openSince }) => openSince).filter((at) => at >= 0);
    const lastStableOffset = Math.min(lastOffset + 1, ...open);
    aborted.push({ producerId: id, firstOffset: began, lastOffset, lastStableOffset });
  }
  return { producers, aborted };
}
