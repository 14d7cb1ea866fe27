/**
 * What is measured: each row is a kind of load. The chosen twenty or so tell the most in a quarter of an hour; `all` is
 * every combination of medium, partitions, size, batching, acks and codec that makes sense.
 */
import type { Codec } from '@odradek/protocol';
import type { Medium } from './contestants.ts';

interface RowBase {
  readonly name: string;
  readonly medium: Medium;
  readonly partitions: number;
  /** Bytes of a record's value. */
  readonly sizeBytes: number;
  /** Of the chosen ones, which are measured when no filter says otherwise. */
  readonly isChosen: boolean;
  /** The prototype takes part. */
  readonly withPrototype: boolean;
}

/** Requests made beforehand: the client costs next to nothing. */
export interface RawProduceRow extends RowBase {
  readonly kind: 'raw-produce';
  readonly recordsPerBatch: number;
  readonly acks: -1 | 0 | 1;
  readonly codec: Codec;
  readonly connections: number;
  readonly inFlight: number;
  /** Requests per second; 'half': of what the slowest of the contestants takes at full load; 0: full load. */
  readonly rate: number | 'half';
}

/** Reading from the beginning of a topic with 1 GB, again and again. */
export interface RawFetchRow extends RowBase {
  readonly kind: 'raw-fetch';
  readonly connections: number;
}

/** librdkafka as it is used. */
export interface ClientProduceRow extends RowBase {
  readonly kind: 'client-produce';
  readonly isSingle: boolean;
  readonly acks: -1 | 0 | 1;
  readonly codec: Codec;
  readonly instances: number;
  /** Messages per second, as above. */
  readonly rate: number | 'half';
}

export interface ClientConsumeRow extends RowBase {
  readonly kind: 'client-consume';
  readonly instances: number;
}

/** A producer at a steady rate and a consumer at the log's end; with another one that reads the whole log meanwhile. */
export interface TailRow extends RowBase {
  readonly kind: 'tail';
  readonly messagesPerSecond: number;
  readonly withCatchUp: boolean;
}

/** A steady producer while consumers read another topic, which is not in memory, from its beginning. */
export interface BesideReadersRow extends Omit<RawProduceRow, 'kind' | 'rate'> {
  readonly kind: 'beside-readers';
  /** Requests per second. */
  readonly rate: number;
  /** Connections that read, one request each; 0: nobody reads. */
  readonly readers: number;
}

/** Apache's own performance tools, which only brokers understand. */
interface ApacheRowBase extends RowBase {
  readonly messages: number;
}
export interface ApacheProduceRow extends ApacheRowBase {
  readonly kind: 'apache-produce';
}
export interface ApacheConsumeRow extends ApacheRowBase {
  readonly kind: 'apache-consume';
}

export type Row =
  | RawProduceRow
  | RawFetchRow
  | ClientProduceRow
  | ClientConsumeRow
  | TailRow
  | BesideReadersRow
  | ApacheProduceRow
  | ApacheConsumeRow;

const chosen = { medium: 'tmpfs', isChosen: true, withPrototype: false } as const;

/** Eight connections that pipeline one-record requests. */
const single = {
  ...chosen,
  kind: 'raw-produce',
  recordsPerBatch: 1,
  partitions: 16,
  sizeBytes: 100,
  acks: 1,
  codec: 'none',
  connections: 8,
  inFlight: 100,
  rate: 0,
} as const;

/** Batches of about a megabyte, as busy producers make them. */
const batched = {
  ...chosen,
  kind: 'raw-produce',
  recordsPerBatch: 900,
  partitions: 16,
  sizeBytes: 1024,
  acks: 1,
  codec: 'none',
  connections: 8,
  inFlight: 2,
  rate: 0,
} as const;

const client = {
  ...chosen,
  kind: 'client-produce',
  partitions: 16,
  sizeBytes: 1024,
  isSingle: false,
  acks: 1,
  codec: 'none',
  instances: 1,
  rate: 0,
} as const;

const chosenRows: readonly Row[] = [
  { ...batched, name: 'raw produce 1 KB, 900 KB batches', withPrototype: true },
  { ...batched, name: 'raw produce 1 KB, 900 KB batches, acks=0', acks: 0 },
  {
    ...batched,
    name: 'raw produce 100 B, 100 KB batches',
    sizeBytes: 100,
    recordsPerBatch: 900,
    withPrototype: true,
  },
  {
    ...batched,
    name: 'raw produce 100 B, 15 KB batches, 1000 partitions',
    sizeBytes: 100,
    recordsPerBatch: 140,
    partitions: 1000,
    inFlight: 20,
  },
  {
    ...batched,
    name: 'raw produce 100 KB records, 1 partition',
    sizeBytes: 100_000,
    recordsPerBatch: 1,
    partitions: 1,
  },
  ...(['gzip', 'snappy', 'lz4', 'zstd'] as const).map(
    (codec): RawProduceRow => ({
      ...batched,
      name: `raw produce 1 KB, 100 KB batches, ${codec}`,
      recordsPerBatch: 100,
      codec,
    }),
  ),
  { ...single, name: 'raw produce one record per request', withPrototype: true },
  { ...single, name: 'raw produce one record per request, acks=0', acks: 0 },
  { ...single, name: 'raw produce one record per request, acks=all', acks: -1 },
  { ...single, name: 'raw produce one record per request, half load', rate: 'half' },
  {
    ...chosen,
    kind: 'raw-fetch',
    name: 'raw fetch 1 KB, catch-up',
    partitions: 16,
    sizeBytes: 1024,
    connections: 4,
    withPrototype: true,
  },
  { ...client, name: 'librdkafka produce 100 B', sizeBytes: 100, withPrototype: true },
  { ...client, name: 'librdkafka produce 1 KB', withPrototype: true },
  { ...client, name: 'librdkafka produce 1 KB, half load', rate: 'half' },
  { ...client, name: 'librdkafka produce one record per request', sizeBytes: 100, isSingle: true },
  {
    ...chosen,
    kind: 'client-consume',
    name: 'librdkafka consume 100 B, catch-up',
    partitions: 16,
    sizeBytes: 100,
    instances: 1,
    withPrototype: true,
  },
  {
    ...chosen,
    kind: 'client-consume',
    name: 'librdkafka consume 1 KB, catch-up',
    partitions: 16,
    sizeBytes: 1024,
    instances: 1,
    withPrototype: true,
  },
  {
    ...chosen,
    kind: 'tail',
    name: 'tail 1 KB at 20000/s',
    partitions: 16,
    sizeBytes: 1024,
    messagesPerSecond: 20_000,
    withCatchUp: false,
  },
  {
    ...chosen,
    kind: 'tail',
    name: 'tail 1 KB at 20000/s beside catch-up',
    partitions: 16,
    sizeBytes: 1024,
    messagesPerSecond: 20_000,
    withCatchUp: true,
  },
  ...[0, 4, 16].map(
    (readers): BesideReadersRow => ({
      ...batched,
      kind: 'beside-readers',
      medium: 'disk',
      name: `raw produce 1 KB at 30000/s beside ${readers} catch-up readers`,
      recordsPerBatch: 20,
      inFlight: 100,
      rate: 30_000,
      readers,
    }),
  ),
  {
    ...chosen,
    kind: 'apache-produce',
    name: "Apache's producer 1 KB",
    partitions: 16,
    sizeBytes: 1024,
    messages: 1_000_000,
  },
  {
    ...chosen,
    kind: 'apache-consume',
    name: "Apache's consumer 1 KB",
    partitions: 16,
    sizeBytes: 1024,
    messages: 1_000_000,
  },
  { ...batched, medium: 'disk', name: 'raw produce 1 KB, 900 KB batches', withPrototype: true },
  { ...single, medium: 'disk', name: 'raw produce one record per request', withPrototype: true },
  { ...client, medium: 'disk', name: 'librdkafka produce 100 B', sizeBytes: 100 },
  {
    ...chosen,
    kind: 'client-consume',
    medium: 'disk',
    name: 'librdkafka consume 1 KB, catch-up',
    partitions: 16,
    sizeBytes: 1024,
    instances: 1,
  },
];

const media = ['tmpfs', 'disk'] as const;
const partitionCounts = [1, 16, 1000] as const;
const sizes = [100, 1024, 100_000] as const;
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** What a batch holds in the full matrix: about 100 KB, which each broker takes at its default limits. */
const MATRIX_BATCH_BYTES = 100_000;

const sizeName = (bytes: number): string =>
  bytes < 1000 ? `${bytes} B` : `${Math.round(bytes / 1000)} KB`;

function matrixRows(): readonly Row[] {
  const rows: Row[] = [];
  for (const medium of media)
    for (const partitions of partitionCounts)
      for (const sizeBytes of sizes) {
        const base = { medium, partitions, sizeBytes, isChosen: false, withPrototype: true };
        const what = `${sizeName(sizeBytes)}, ${partitions} partitions`;
        const perBatch = Math.max(1, Math.floor(MATRIX_BATCH_BYTES / sizeBytes));
        for (const acks of [0, 1, -1] as const) {
          rows.push(
            {
              ...batched,
              ...base,
              name: `matrix: raw produce ${what}, 100 KB batches, acks=${acks}`,
              acks,
              recordsPerBatch: perBatch,
              inFlight: 10,
            },
            {
              ...single,
              ...base,
              name: `matrix: raw produce ${what}, one record per request, acks=${acks}`,
              acks,
              inFlight: sizeBytes > 10_000 ? 10 : 100,
            },
          );
        }
        for (const codec of codecs)
          rows.push({
            ...client,
            ...base,
            name: `matrix: librdkafka produce ${what}, ${codec}`,
            codec,
          });
        rows.push(
          {
            ...client,
            ...base,
            name: `matrix: librdkafka produce ${what}, half load`,
            rate: 'half',
          },
          { ...base, kind: 'raw-fetch', name: `matrix: raw fetch ${what}`, connections: 4 },
          {
            ...base,
            kind: 'client-consume',
            name: `matrix: librdkafka consume ${what}, two instances`,
            instances: 2,
          },
        );
      }
  return rows;
}

/**
 * @param filters a row is taken when its name or medium contains one of these; none: the chosen ones
 * @param all the full matrix as well
 */
export function rowsFor(filters: readonly string[], all: boolean): readonly Row[] {
  const rows = all ? [...chosenRows, ...matrixRows()] : chosenRows;
  if (filters.length === 0) return rows;
  return rows.filter(({ name, medium }) =>
    filters.some((filter) => `${name}, ${medium}`.includes(filter)),
  );
}
