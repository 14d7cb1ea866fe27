/**
 * What was read, made fit for consumers that know less than it may hold.
 *
 * Fetch 0 to 3: magic 2 came later (KIP-98), so batches are converted to the format of the version,
 * unless the topic forbids it. Fetch before 10 knows no zstd. Errors that are younger than a version
 * are told by older names. What comes out is the answer's own memory, and the log has its back.
 *
 * One partition after the other, each no further than the answer has room for, and much of it in a
 * worker: convert-down.ts.
 */
import { errorCodes, KafkaError, type KafkaErrorName } from '@odradek/protocol';
import { UNFOLDED_BATCH_BYTES_MAX } from '../log/at-once.ts';
import { type Conversion, type ConversionPorts, convertDown } from './convert-down.ts';
import {
  type FetchRead,
  type FetchTerms,
  failure,
  giveBack,
  type PartitionRead,
  type ReplicaLookup,
} from './fetch-read.ts';

/** From this version on consumers are answered with what lies in the log. */
export const ANYTHING_SINCE = 10;
/** Magic 2 is known from this version on, magic 1 from the other. */
const MAGIC_2_SINCE = 4;
const MAGIC_1_SINCE = 2;
/** Before, the limits hold for each partition by itself, and cut even the first message. */
const WHOLE_FIRST_SINCE = 3;
/** KAFKA_STORAGE_ERROR is known from this version on (KIP-112). */
const STORAGE_ERROR_SINCE = 6;

export interface OlderFetchOptions extends ConversionPorts {
  readonly replicas: ReplicaLookup;
  /** Memory for answers. */
  readonly room: { take(bytes: number): void; give(bytes: number): void };
}

/** Makes what was read fit for a consumer's Fetch before {@link ANYTHING_SINCE}. */
export function readForOlder(
  read: FetchRead,
  terms: FetchTerms,
  version: number,
  options: OlderFetchOptions,
): FetchRead | Promise<FetchRead> {
  const reads = read.reads.map((each) => checked(each, terms, version, options.replicas));
  const known = { ...read, reads, sizeBytes: sizeOf(reads) };
  return version >= MAGIC_2_SINCE ? known : converted(known, terms, version, options);
}

const sizeOf = (reads: readonly PartitionRead[]): number =>
  reads.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

/** Refuses what cannot be told in this version. */
function checked(
  read: PartitionRead,
  terms: FetchTerms,
  version: number,
  replicas: ReplicaLookup,
): PartitionRead {
  const { target, answer } = read;
  const partition = replicas.replicaFor(target.topic, target.topicId, target.partition);
  const isHere = typeof partition !== 'string';
  const refused = (error: KafkaErrorName): PartitionRead => {
    giveBack(read.lent);
    return failure(target, terms, error, isHere ? partition : null);
  };
  if (answer.errorCode === errorCodes.KAFKA_STORAGE_ERROR && version < STORAGE_ERROR_SINCE)
    return refused('NOT_LEADER_OR_FOLLOWER');
  if (answer.errorCode !== 0) return read;
  if (!isHere) return refused(partition); // Gone meanwhile.
  const { compressionType, messageDownconversionEnable } = partition.log.config;
  if (compressionType === 'zstd') return refused('UNSUPPORTED_COMPRESSION_TYPE');
  if (version < MAGIC_2_SINCE && !messageDownconversionEnable)
    return refused('UNSUPPORTED_VERSION');
  return read;
}

async function converted(
  read: FetchRead,
  terms: FetchTerms,
  version: number,
  options: OlderFetchOptions,
): Promise<FetchRead> {
  const { room } = options;
  const reads: PartitionRead[] = [];
  let sizeBytes = 0;
  try {
    for (const each of read.reads) {
      const { target, answer, lent } = each;
      const { records } = answer;
      const older =
        !Array.isArray(records) || records.length === 0
          ? each
          : await withMessageSet(each, terms, records, options, {
              magic: version < MAGIC_1_SINCE ? 0 : 1,
              fromOffset: target.fetchOffset,
              limitBytes: Math.min(target.maxBytes, terms.maxBytes - sizeBytes),
              wholeFirst: sizeBytes === 0 && version >= WHOLE_FIRST_SINCE,
              unfoldedBytesMax: UNFOLDED_BATCH_BYTES_MAX,
            });
      if (older !== each) giveBack(lent);
      room.take(older.sizeBytes);
      sizeBytes += older.sizeBytes;
      reads.push(older);
    }
  } finally {
    room.give(sizeBytes);
  }
  return { ...read, reads, sizeBytes };
}

async function withMessageSet(
  read: PartitionRead,
  terms: FetchTerms,
  batches: readonly Buffer[],
  ports: ConversionPorts,
  conversion: Conversion,
): Promise<PartitionRead> {
  try {
    const records = await convertDown(batches, conversion, ports);
    const sizeBytes = records.reduce((sum, { length }) => sum + length, 0);
    return { ...read, sizeBytes, lent: [], answer: { ...read.answer, records } };
  } catch (error) {
    if (error instanceof KafkaError) return failure(read.target, terms, error.code, null);
    throw error;
  }
}
