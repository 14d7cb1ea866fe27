/**
 * Batches of magic 2 written as message sets of magic 0 or 1, for consumers from before Kafka 0.11.
 *
 * Headers, producers and epochs are left out, with magic 0 timestamps too; control batches are for
 * nobody here. A compressed batch becomes wrapper messages with the same codec: more than one where
 * it unfolds to more than a wrapper should hold. Writing goes on until there is as much as the
 * reader has room for, and not further: what is small in magic 2 may be four times the size here.
 * The work is done in slices, between which the event loop may turn; large blocks are packed and
 * unpacked in libuv's pool.
 *
 * Where the reader's room ends, so does the set, at a whole message; only the first one may be cut,
 * which tells these readers that they need more room.
 */
import { MalformedMessage, ProtocolError } from '../../errors.ts';
import { KafkaError } from '../errors.ts';
import {
  batchSize,
  compressionOf,
  isControl,
  LOG_OVERHEAD,
  magic,
  recordCount,
  timestampType,
} from './batch-v2.ts';
import { openRecords, openRecordsAsync } from './decode-batch.ts';
import { decodeMessage, decodeMessageAsync } from './decode-message-set.ts';
import { type LegacyMagic, messageSize, writeMessage } from './message.ts';
import {
  AT_ONCE_BYTES,
  type MessageContent,
  MessageSet,
  type Packing,
  WRAPPER_BYTES,
  Wrapper,
} from './message-set.ts';

/** What a reader takes for a message that does not fit: longer than what is there of it. */
const UNFITTING_MESSAGE = Buffer.alloc(26);
UNFITTING_MESSAGE.writeBigInt64BE(-1n, 0);
UNFITTING_MESSAGE.writeInt32BE(0x7fff_ffff - LOG_OVERHEAD, 8);

export interface DownConversion {
  readonly magic: LegacyMagic;
  /** Records below are left out. */
  readonly fromOffset: number;
  /** The most bytes to write; see the head of the file for the first message. */
  readonly limitBytes: number;
  /** The first message is never cut, however little room there is. */
  readonly wholeFirst: boolean;
  /** The most bytes that one batch may unfold to. */
  readonly unfoldedBytesMax: number;
  /** Lets the event loop turn. */
  pause(): Promise<void>;
}

/** The messages of one batch, and what they have in common. */
interface Opened extends Packing {
  readonly contents: Iterable<MessageContent>;
}

/**
 * Converts whole batches of any magic that lie in `chunks`, one after the other; what is old enough
 * already is copied. What comes out does not lie in `chunks`.
 * @returns nothing when there was nothing; never nothing when all was left out
 * @throws KafkaError UNSUPPORTED_COMPRESSION_TYPE (zstd) or CORRUPT_MESSAGE for the first batch;
 * behind it, what cannot be converted only ends the set
 */
export async function downConvert(
  chunks: readonly Buffer[],
  conversion: DownConversion,
): Promise<readonly Buffer[]> {
  const set = new MessageSet(conversion);
  try {
    for (const chunk of chunks)
      for (let at = 0; at < chunk.length && !set.isFull; at += sizeOf(chunk, at))
        await convertBatch(chunk, at, conversion, set);
  } catch (error) {
    const refusal = refusalOf(error);
    if (set.sizeBytes === 0) throw refusal;
  }
  if (set.sizeBytes === 0 && !set.isFull && chunks.length > 0) return [UNFITTING_MESSAGE];
  return set.pieces();
}

function sizeOf(chunk: Buffer, at: number): number {
  const sizeBytes = batchSize(chunk, at);
  if (sizeBytes < 0) throw new MalformedMessage('a batch is cut short');
  return sizeBytes;
}

function refusalOf(error: unknown): KafkaError {
  if (error instanceof KafkaError) return error;
  if (error instanceof ProtocolError)
    return new KafkaError('CORRUPT_MESSAGE', error.message, { cause: error });
  throw error;
}

async function convertBatch(
  chunk: Buffer,
  at: number,
  conversion: DownConversion,
  set: MessageSet,
): Promise<void> {
  const format = magic(chunk, at);
  const sizeBytes = sizeOf(chunk, at);
  const isWhole = conversion.wholeFirst || sizeBytes <= conversion.limitBytes;
  if (format <= conversion.magic) {
    const position = set.reserve(sizeBytes, isWhole);
    if (position >= 0) chunk.copy(set.target, position, at, at + sizeBytes);
    return;
  }
  const opened =
    format === 2
      ? await openBatch(chunk, at, sizeBytes, conversion)
      : await openMessage(chunk, at, sizeBytes, conversion);
  if (opened === null) return;
  if (opened.codec === 'none') await writePlain(opened, conversion, isWhole, set);
  else await writeWrapped(opened, conversion, isWhole, set);
}

/** null for a batch that has nothing for such readers. */
async function openBatch(
  chunk: Buffer,
  at: number,
  sizeBytes: number,
  { unfoldedBytesMax: limitBytes }: DownConversion,
): Promise<Opened | null> {
  if (isControl(chunk, at) || recordCount(chunk, at) === 0) return null;
  const codec = compressionOf(chunk, at);
  if (codec === 'zstd')
    throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', 'older formats know no zstd');
  const cursor =
    sizeBytes < AT_ONCE_BYTES
      ? openRecords(chunk, at, { limitBytes })
      : await openRecordsAsync(chunk, at, { limitBytes });
  return {
    codec,
    timestampType: timestampType(chunk, at),
    contents: {
      *[Symbol.iterator]() {
        while (cursor.next())
          yield {
            offset: cursor.offset,
            timestamp: cursor.timestamp,
            key: cursor.key(),
            value: cursor.value(),
          };
      },
    },
  };
}

/** A message of magic 1 for a reader of magic 0. */
async function openMessage(
  chunk: Buffer,
  at: number,
  sizeBytes: number,
  { unfoldedBytesMax: limitBytes }: DownConversion,
): Promise<Opened> {
  const message =
    sizeBytes < AT_ONCE_BYTES
      ? decodeMessage(chunk, at, { limitBytes })
      : await decodeMessageAsync(chunk, at, { limitBytes });
  return {
    codec: message.compression,
    timestampType: message.timestampType,
    contents: message.records,
  };
}

async function writePlain(
  { timestampType, contents }: Opened,
  { magic, fromOffset, pause }: DownConversion,
  isWhole: boolean,
  set: MessageSet,
): Promise<void> {
  for (const content of contents) {
    if (content.offset < fromOffset) continue;
    const sizeBytes = messageSize(magic, content.key, content.value);
    if (set.endsSlice(sizeBytes)) await pause();
    const position = set.reserve(sizeBytes, isWhole);
    if (position >= 0)
      writeMessage(set.target, position, { ...content, magic, compression: 'none', timestampType });
    if (set.isFull) return;
  }
}

async function writeWrapped(
  opened: Opened,
  { magic, fromOffset, pause }: DownConversion,
  isWhole: boolean,
  set: MessageSet,
): Promise<void> {
  let wrapper = new Wrapper(magic, opened);
  for (const content of opened.contents) {
    if (content.offset < fromOffset) continue;
    if (wrapper.inside.endsSlice(messageSize(magic, content.key, content.value))) await pause();
    wrapper.add(content);
    if (wrapper.inside.sizeBytes < WRAPPER_BYTES) continue;
    await wrapper.close(set, isWhole);
    if (set.isFull) return;
    wrapper = new Wrapper(magic, opened);
  }
  if (wrapper.inside.sizeBytes > 0) await wrapper.close(set, isWhole);
}
