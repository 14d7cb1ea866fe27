/**
 * `.index` and `.timeindex`: their entries, and whether the log beside them has what they say.
 *
 * An index that a crash left behind has its full size, with zeros behind the entries: the dump ends
 * at the first of them.
 */
import { resolve } from 'node:path';
import { ProtocolError } from '@odradek/protocol';
import type { Disk } from '@odradek/runtime';
import { lastOffsetOf, recordsOf } from './batch-lines.ts';
import { DumpFailure } from './dump-failure.ts';
import type { Findings } from './findings.ts';
import { type BatchAt, LogFile } from './log-file.ts';
import { baseOffsetOf, siblingOf } from './names.ts';
import type { Page } from './page.ts';

const OFFSET_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;

export interface IndexOptions {
  readonly sanityOnly: boolean;
  readonly verifyOnly: boolean;
  /** Bytes of the log that are looked at for the batch of an entry. */
  readonly maxMessageSize: number;
}

interface Target {
  readonly page: Page;
  readonly findings: Findings;
}

interface NamedFile {
  readonly path: string;
  readonly name: string;
  /** As it was given, for lines. */
  readonly shown: string;
}

export async function dumpOffsetIndex(
  disk: Disk,
  { path, name, shown }: NamedFile,
  options: IndexOptions,
  { page, findings }: Target,
): Promise<void> {
  const base = baseOffsetOf(name);
  const log = await LogFile.open(disk, siblingOf(path, name, '.log'));
  try {
    const index = new OffsetEntries(await contentOf(disk, path), base);
    if (index.count === 0) {
      page.line(`${shown} is empty.`);
      return;
    }
    if (options.sanityOnly) {
      index.check(path);
      page.line(`${shown} passed sanity check.`);
      return;
    }
    for (let at = 0; at < index.count; at++) {
      const { offset, position } = index.entry(at);
      if (offset === base && at > 0) return;
      const end = Math.min(position + options.maxMessageSize, log.sizeBytes);
      const batch = await firstOf(log.batches(position, end));
      if (batch === null) {
        throw new DumpFailure(`${path}: no batch of the log is at position ${position}`);
      }
      if (lastOffsetOf(batch) !== offset) {
        findings.indexMismatch(resolve(path), offset, lastOffsetOf(batch));
      }
      if (!options.verifyOnly && page.line(`offset: ${offset} position: ${position}`)) {
        await page.flush();
      }
    }
  } finally {
    await log.close();
  }
}

export async function dumpTimeIndex(
  disk: Disk,
  { path, name, shown }: NamedFile,
  options: IndexOptions,
  { page, findings }: Target,
): Promise<void> {
  const base = baseOffsetOf(name);
  const log = await LogFile.open(disk, siblingOf(path, name, '.log'));
  try {
    const positions = new OffsetEntries(
      await contentOf(disk, siblingOf(path, name, '.index')),
      base,
    );
    const times = new TimeEntries(await contentOf(disk, path), base);
    if (options.sanityOnly) {
      times.check(path);
      page.line(`${shown} passed sanity check.`);
      return;
    }
    let before = -1;
    for (let at = 0; at < times.count; at++) {
      const { offset, timestamp } = times.entry(at);
      if (offset === base && at > 0) return;
      const batch = await batchReaching(log, positions.floor(offset), offset);
      if (batch === null || lastOffsetOf(batch) !== offset) {
        findings.offsetNotFound(resolve(path), offset, batch === null ? -1 : lastOffsetOf(batch));
      } else {
        const inLog = await largestTimestamp(log.path, batch);
        if (inLog !== timestamp) findings.timeMismatch(resolve(path), timestamp, inLog);
        if (before >= timestamp) findings.timeOutOfOrder(resolve(path), timestamp, before);
      }
      if (!options.verifyOnly && page.line(`timestamp: ${timestamp} offset: ${offset}`)) {
        await page.flush();
      }
      before = timestamp;
    }
  } finally {
    await log.close();
  }
}

async function batchReaching(
  log: LogFile,
  position: number,
  offset: number,
): Promise<BatchAt | null> {
  for await (const batch of log.batches(position, log.sizeBytes)) {
    if (lastOffsetOf(batch) >= offset) return batch;
  }
  return null;
}

async function largestTimestamp(path: string, batch: BatchAt): Promise<number> {
  let largest = -1;
  try {
    for await (const { timestamp } of recordsOf(batch)) largest = Math.max(largest, timestamp);
  } catch (failure) {
    if (!(failure instanceof ProtocolError)) throw failure;
    throw new DumpFailure(
      `${path}: the batch at position ${batch.position} cannot be read: ${failure.message}`,
      { cause: failure },
    );
  }
  return largest;
}

async function firstOf(batches: AsyncGenerator<BatchAt>): Promise<BatchAt | null> {
  for await (const batch of batches) return batch;
  return null;
}

async function contentOf(disk: Disk, path: string): Promise<Buffer> {
  const content = await disk.readFile(path);
  if (content === null) throw new DumpFailure(`${path}: no such file`);
  return content;
}

/** Entries (offset, position) of an offset index, as they lie in the file. */
class OffsetEntries {
  readonly count: number;
  readonly #bytes: Buffer;
  readonly #base: number;

  constructor(bytes: Buffer, base: number) {
    this.count = Math.floor(bytes.length / OFFSET_ENTRY_BYTES);
    this.#bytes = bytes;
    this.#base = base;
  }

  entry(index: number): { readonly offset: number; readonly position: number } {
    const at = index * OFFSET_ENTRY_BYTES;
    return {
      offset: this.#base + this.#bytes.readInt32BE(at),
      position: this.#bytes.readInt32BE(at + 4),
    };
  }

  /** A position at or before that of the batch which holds an offset. */
  floor(offset: number): number {
    let position = 0;
    for (let low = 0, high = this.count - 1; low <= high; ) {
      const middle = (low + high) >>> 1;
      const entry = this.entry(middle);
      // Zeros behind the entries stand for the base, and are above all that is looked for.
      const unused = middle > 0 && entry.offset === this.#base;
      if (!unused && entry.offset <= offset) {
        position = entry.position;
        low = middle + 1;
      } else {
        high = middle - 1;
      }
    }
    return position;
  }

  /** What a start of the broker checks. @throws DumpFailure */
  check(path: string): void {
    const { offset } = this.entry(this.count - 1);
    if (offset < this.#base) {
      throw new DumpFailure(
        `Corrupt index found: ${resolve(path)} has the last offset ${offset}, below its base offset ${this.#base}`,
      );
    }
    checkSize(path, this.#bytes, OFFSET_ENTRY_BYTES);
  }
}

/** Entries (timestamp, offset) of a time index. */
class TimeEntries {
  readonly count: number;
  readonly #bytes: Buffer;
  readonly #base: number;

  constructor(bytes: Buffer, base: number) {
    this.count = Math.floor(bytes.length / TIME_ENTRY_BYTES);
    this.#bytes = bytes;
    this.#base = base;
  }

  entry(index: number): { readonly timestamp: number; readonly offset: number } {
    const at = index * TIME_ENTRY_BYTES;
    return {
      timestamp: Number(this.#bytes.readBigInt64BE(at)),
      offset: this.#base + this.#bytes.readInt32BE(at + 8),
    };
  }

  /** What a start of the broker checks. @throws DumpFailure */
  check(path: string): void {
    if (this.count > 0) {
      const first = this.entry(0);
      const last = this.entry(this.count - 1);
      const found = `Corrupt time index found: ${resolve(path)} has`;
      if (last.timestamp < first.timestamp) {
        throw new DumpFailure(
          `${found} the last timestamp ${last.timestamp}, before its first ${first.timestamp}`,
        );
      }
      if (last.offset < this.#base) {
        throw new DumpFailure(
          `${found} the last offset ${last.offset}, below its base offset ${this.#base}`,
        );
      }
    }
    checkSize(path, this.#bytes, TIME_ENTRY_BYTES);
  }
}

function checkSize(path: string, bytes: Buffer, entryBytes: number): void {
  if (bytes.length % entryBytes === 0) return;
  throw new DumpFailure(
    `Corrupt index found: ${resolve(path)} has ${bytes.length} bytes, which is no multiple of ${entryBytes}`,
  );
}
