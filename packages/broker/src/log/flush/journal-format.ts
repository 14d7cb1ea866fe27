/**
 * The format of the flush journal: groups of frames, each group one durable write. Pure bytes.
 *
 * A group begins at a multiple of 512 bytes, so that no sector holds parts of two, and says how
 * many frames follow. Groups are numbered through all files of a journal without a gap. Each names
 * the oldest group whose frames still mattered when it was written: what is older is only waiting
 * to be overwritten. The journal's id is drawn anew each time and known to nobody outside, so bytes
 * of a client that look like a group are not taken for one.
 *
 *   group: magic u32, CRC-32C u32 of the 40 bytes that follow, id 16 bytes, number u64,
 *          oldest live number u64, size of all frames u32, frame count u32
 *   frame: CRC-32C u32 of all that follows, size of the frame u32, kind u8, size of the topic u8,
 *          partition u32, leader epoch i32, incarnation u64, previous end u64, end u64, topic,
 *          batches as they lie in the segment
 *
 * All numbers are big endian. A frame of kind `cut` has no batches: frames of the same log with a
 * smaller incarnation are void, wherever they are.
 */
import { crc32c } from '@odradek/protocol';

/** Groups begin at multiples of this: what a medium writes as a whole or not at all. */
export const SECTOR_BYTES = 512;

/** `OFJ` and the version of the format. */
const MAGIC = 0x4f464a01;
export const GROUP_HEADER_BYTES = 48;
export const FRAME_HEADER_BYTES = 42;
export const JOURNAL_ID_BYTES = 16;
const KIND = { append: 1, cut: 2 } as const;

/** Topic names are ASCII, and at most 249 characters. */
const TOPIC_BYTES_MAX = 255;

/** A log's claim on the journal. */
export interface FrameHead {
  readonly kind: keyof typeof KIND;
  readonly topic: string;
  readonly partition: number;
  /** Greater after each cut of the log, unique in the journal. */
  readonly incarnation: number;
  /** Where the log ended before these batches. */
  readonly previousEnd: number;
  /** Where it ends with them. */
  readonly endOffset: number;
  /** Of the last batch; -1 when it has none. */
  readonly leaderEpoch: number;
}

export interface GroupHead {
  readonly journalId: Buffer;
  readonly number: number;
  readonly oldestLive: number;
}

/** A frame as it was found. */
export interface FoundFrame extends FrameHead {
  /** Position of its batches in the bytes that were looked at. */
  readonly batchesAt: number;
  readonly batchesBytes: number;
}

export interface FoundGroup extends GroupHead {
  readonly position: number;
  /** With header and padding. */
  readonly sizeBytes: number;
  /** Those that are sound, in order. */
  readonly frames: readonly FoundFrame[];
  /** All frames that were promised are there. */
  readonly isWhole: boolean;
}

/** Bytes of a frame in a group. */
export function frameBytes(topic: string, batchesBytes: number): number {
  return FRAME_HEADER_BYTES + topic.length + batchesBytes;
}

/** Bytes that a group takes up in a file. */
export function groupBytes(framesBytes: number): number {
  return Math.ceil((GROUP_HEADER_BYTES + framesBytes) / SECTOR_BYTES) * SECTOR_BYTES;
}

/** Puts groups together, one after the other, in memory that is used again. */
export class GroupWriter {
  #memory = Buffer.alloc(64 * 1024);
  #usedBytes = GROUP_HEADER_BYTES;
  #frameCount = 0;

  add(head: FrameHead, batches: readonly Buffer[]): void {
    let batchesBytes = 0;
    for (const buffer of batches) batchesBytes += buffer.length;
    const sizeBytes = frameBytes(head.topic, batchesBytes);
    const at = this.#usedBytes;
    this.#reserve(groupBytes(at + sizeBytes));
    const memory = this.#memory;
    if (head.topic.length > TOPIC_BYTES_MAX) throw new RangeError(`topic ${head.topic}`);
    memory.writeUInt32BE(sizeBytes, at + 4);
    memory.writeUInt8(KIND[head.kind], at + 8);
    memory.writeUInt8(head.topic.length, at + 9);
    memory.writeUInt32BE(head.partition, at + 10);
    memory.writeInt32BE(head.leaderEpoch, at + 14);
    writeNumber(memory, head.incarnation, at + 18);
    writeNumber(memory, head.previousEnd, at + 26);
    writeNumber(memory, head.endOffset, at + 34);
    let end = at + FRAME_HEADER_BYTES;
    end += memory.write(head.topic, end, 'latin1');
    for (const buffer of batches) end += buffer.copy(memory, end);
    memory.writeUInt32BE(crc32c(memory.subarray(at + 4, end)), at);
    this.#usedBytes = end;
    this.#frameCount += 1;
  }

  /** @returns the group, which stays as it is until the next `add` */
  seal({ journalId, number, oldestLive }: GroupHead): Buffer {
    const memory = this.#memory;
    const sizeBytes = groupBytes(this.#usedBytes - GROUP_HEADER_BYTES);
    memory.writeUInt32BE(MAGIC, 0);
    journalId.copy(memory, 8);
    writeNumber(memory, number, 24);
    writeNumber(memory, oldestLive, 32);
    memory.writeUInt32BE(this.#usedBytes - GROUP_HEADER_BYTES, 40);
    memory.writeUInt32BE(this.#frameCount, 44);
    memory.writeUInt32BE(crc32c(memory.subarray(8, GROUP_HEADER_BYTES)), 4);
    memory.fill(0, this.#usedBytes, sizeBytes);
    this.#usedBytes = GROUP_HEADER_BYTES;
    this.#frameCount = 0;
    return memory.subarray(0, sizeBytes);
  }

  #reserve(sizeBytes: number): void {
    if (this.#memory.length >= sizeBytes) return;
    const larger = Buffer.alloc(Math.max(sizeBytes, 2 * this.#memory.length));
    this.#memory.copy(larger, 0, 0, this.#usedBytes);
    this.#memory = larger;
  }
}

/** Every group of a file, in the order of their places: those that matter and what is left of older ones. */
export function findGroups(file: Buffer): FoundGroup[] {
  const groups: FoundGroup[] = [];
  for (let at = 0; at + GROUP_HEADER_BYTES <= file.length; ) {
    const group = groupAt(file, at);
    if (group !== null) groups.push(group);
    // What a broken group says of its size is not to be relied on: look at every sector.
    at += group?.isWhole ? group.sizeBytes : SECTOR_BYTES;
  }
  return groups;
}

function groupAt(file: Buffer, at: number): FoundGroup | null {
  if (file.readUInt32BE(at) !== MAGIC) return null;
  const checked = file.subarray(at + 8, at + GROUP_HEADER_BYTES);
  if (file.readUInt32BE(at + 4) !== crc32c(checked)) return null;
  const frames: FoundFrame[] = [];
  const framesBytes = file.readUInt32BE(at + 40);
  const frameCount = file.readUInt32BE(at + 44);
  const start = at + GROUP_HEADER_BYTES;
  const end = Math.min(start + framesBytes, file.length);
  for (let from = start; frames.length < frameCount; ) {
    const frame = frameAt(file, from, end);
    if (frame === null) break;
    frames.push(frame);
    from = frame.batchesAt + frame.batchesBytes;
  }
  return {
    journalId: Buffer.from(file.subarray(at + 8, at + 8 + JOURNAL_ID_BYTES)),
    number: readNumber(file, at + 24),
    oldestLive: readNumber(file, at + 32),
    position: at,
    sizeBytes: groupBytes(framesBytes),
    frames,
    isWhole: frames.length === frameCount,
  };
}

function frameAt(file: Buffer, at: number, end: number): FoundFrame | null {
  if (at + FRAME_HEADER_BYTES > end) return null;
  const sizeBytes = file.readUInt32BE(at + 4);
  const topicBytes = file.readUInt8(at + 9);
  const headBytes = FRAME_HEADER_BYTES + topicBytes;
  if (sizeBytes < headBytes || at + sizeBytes > end) return null;
  if (file.readUInt32BE(at) !== crc32c(file.subarray(at + 4, at + sizeBytes))) return null;
  const kind = file.readUInt8(at + 8);
  if (kind !== KIND.append && kind !== KIND.cut) return null;
  return {
    kind: kind === KIND.cut ? 'cut' : 'append',
    topic: file.toString('latin1', at + FRAME_HEADER_BYTES, at + headBytes),
    partition: file.readUInt32BE(at + 10),
    leaderEpoch: file.readInt32BE(at + 14),
    incarnation: readNumber(file, at + 18),
    previousEnd: readNumber(file, at + 26),
    endOffset: readNumber(file, at + 34),
    batchesAt: at + headBytes,
    batchesBytes: sizeBytes - headBytes,
  };
}

/** A whole number below 2^53 as u64. */
function writeNumber(memory: Buffer, value: number, at: number): void {
  memory.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  memory.writeUInt32BE(value >>> 0, at + 4);
}

function readNumber(memory: Buffer, at: number): number {
  return memory.readUInt32BE(at) * 2 ** 32 + memory.readUInt32BE(at + 4);
}
