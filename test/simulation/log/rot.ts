/**
 * A bit that turns on the medium. It may cost records, which are cut or refused, or served with a checksum that does not
 * match, as a consumer sees; but no batch may be served in the place of another, and none be passed over in silence.
 */
import {
  baseOffset,
  batchSize,
  checksumMatches,
  KafkaError,
  lastOffset,
  magic,
} from '@odradek/protocol';
import type { Draw, SimulatedDisk } from '@odradek/testkit';
import type { PartitionLog } from '../../../packages/broker/src/log/partition-log.ts';
import { foundIn } from './compacted-judge.ts';
import { hold } from './judge.ts';
import type { LogModel } from './log-model.ts';

/** Checkpoints, time and transaction indexes have no checksum, and nothing to be held against. */
const FILES = /\.(log|index|snapshot)$/;

/** Turns a bit that can be noticed. @returns where */
export function turnBit(disk: SimulatedDisk, draw: Draw): string {
  const paths = disk.paths().filter((path) => FILES.test(path) && disk.contentOf(path)?.length);
  if (paths.length === 0) return 'nothing';
  const path = draw.oneOf(paths);
  const content = disk.contentOf(path) ?? Buffer.alloc(0);
  let at = draw.below(content.length);
  while (path.endsWith('.log') && isUncovered(content, at)) at = draw.below(content.length);
  content[at] = (content[at] ?? 0) ^ (1 << draw.below(8));
  disk.plant(path, content);
  return `${path} at ${at}`;
}

/** Base offset and leader epoch stand outside of a batch's checksum, since brokers write them. */
function isUncovered(content: Buffer, at: number): boolean {
  let start = 0;
  for (let size = batchSize(content, start); size > 0 && start + size <= at; ) {
    start += size;
    size = start < content.length ? batchSize(content, start) : 0;
  }
  const inBatch = at - start;
  return inBatch < 8 || (inBatch >= 12 && inBatch < 16);
}

/**
 * @param isCompacted records may be missing that compaction has taken
 * @throws Breach
 */
export async function judgeRotten(
  model: LogModel,
  log: PartitionLog,
  isCompacted: boolean,
): Promise<void> {
  const end = log.logEndOffset;
  for (let at = log.logStartOffset; at < end; ) {
    let bytes: Buffer;
    let nextOffset: number;
    try {
      const slice = await log.read(at, 3_000, end, true);
      bytes = Buffer.from(Buffer.concat(slice.chunks));
      nextOffset = slice.nextOffset;
      for (const memory of slice.lent) memory.release();
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      return; // Refused.
    }
    if (!isServedRight(model, log, bytes, at, isCompacted)) return;
    if (nextOffset <= at) return;
    at = nextOffset;
  }
}

/** @returns false when the reader sees that something is wrong */
function isServedRight(
  model: LogModel,
  log: PartitionLog,
  bytes: Buffer,
  from: number,
  isCompacted: boolean,
): boolean {
  let expected = from;
  for (let at = 0; at < bytes.length; ) {
    const isOfNoFormat = bytes.length - at < 61 || magic(bytes, at) !== 2;
    const size = isOfNoFormat ? -1 : batchSize(bytes, at);
    if (size < 61 || !checksumMatches(bytes, at)) return false;
    const batch = bytes.subarray(at, at + size);
    const first = baseOffset(batch, 0);
    const known = isCompacted
      ? (foundIn(model, first, batch)?.batch ?? null)
      : model.known(first, batch);
    hold(known !== null, () => `${log.name}: what is served at ${first} was never appended there`);
    hold(
      first <= expected || known.after <= expected || isCompacted,
      () =>
        `${log.name}: ${first} is served behind ${expected}, and was appended behind ${known.after}`,
    );
    expected = lastOffset(batch, 0) + 1;
    at += size;
  }
  return true;
}
