/**
 * The newest data of each producer that a partition remembers: the batch with its last sequence
 * number must outlive its records, or the producer's next batch would look like a gap. Typed arrays,
 * for there may be tens of thousands and they go to another thread.
 */
export interface LastRecordColumns {
  readonly producerIds: BigInt64Array;
  /** Offset of the producer's last data record; -1 when only a marker is known. */
  readonly lastOffsets: Float64Array;
  readonly epochs: Int16Array;
}

export interface LastRecord {
  readonly lastOffset: number;
  readonly epoch: number;
}

/** What of a producer's entry counts here. */
export interface ActiveProducer {
  readonly producerId: bigint;
  readonly epoch: number;
  readonly batches: readonly { readonly lastOffset: number }[];
}

export function lastRecordColumns(
  producers: Iterable<ActiveProducer>,
  count: number,
): LastRecordColumns {
  const columns = {
    producerIds: new BigInt64Array(count),
    lastOffsets: new Float64Array(count),
    epochs: new Int16Array(count),
  };
  let row = 0;
  for (const { producerId, epoch, batches } of producers) {
    columns.producerIds[row] = producerId;
    columns.lastOffsets[row] = batches.at(-1)?.lastOffset ?? -1;
    columns.epochs[row] = epoch;
    row += 1;
  }
  return columns;
}

export function lastRecordsOf(columns: LastRecordColumns): ReadonlyMap<bigint, LastRecord> {
  const { producerIds, lastOffsets, epochs } = columns;
  const records = new Map<bigint, LastRecord>();
  for (const [row, producerId] of producerIds.entries()) {
    records.set(producerId, { lastOffset: lastOffsets[row] ?? -1, epoch: epochs[row] ?? -1 });
  }
  return records;
}
