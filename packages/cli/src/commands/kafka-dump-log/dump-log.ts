/** A `.log` file, or a Raft snapshot: a line for each batch, and if wanted one for each record. */
import { resolve } from 'node:path';
import { isControl, ProtocolError } from '@odradek/protocol';
import type { Disk } from '@odradek/runtime';
import { batchLine, recordsOf, type ShownRecord, timestampTypeOf } from './batch-lines.ts';
import type { ContentDecoder } from './decoders.ts';
import { DumpFailure } from './dump-failure.ts';
import type { Findings } from './findings.ts';
import { type BatchAt, LogFile } from './log-file.ts';
import { baseOffsetOf, snapshotEndOf } from './names.ts';
import type { Page } from './page.ts';

export interface LogOptions {
  readonly deep: boolean;
  /** null: no contents. */
  readonly decoder: ContentDecoder | null;
  readonly skipRecordMetadata: boolean;
  /** null: all of the file. */
  readonly maxBytes: number | null;
}

export async function dumpLog(
  disk: Disk,
  { path, name }: { readonly path: string; readonly name: string },
  options: LogOptions,
  { page, findings }: { readonly page: Page; readonly findings: Findings },
): Promise<void> {
  page.line(titleOf(name));
  const log = await LogFile.open(disk, path);
  const end = Math.min(log.sizeBytes, options.maxBytes ?? log.sizeBytes);
  let validBytes = 0;
  let before: number | null = null;
  try {
    for await (const batch of log.batches(0, end)) {
      if (page.line(batchLine(batch))) await page.flush();
      if (options.deep) {
        for await (const record of recordsOf(batch)) {
          if (before !== null && record.offset !== before + 1) {
            findings.gap(resolve(path), before, record.offset);
          }
          before = record.offset;
          page.text(metadataOf(batch, record, options));
          if (page.line(contentsOf(batch, record, options))) await page.flush();
        }
      }
      validBytes += batch.bytes.length;
    }
  } catch (failure) {
    if (!(failure instanceof ProtocolError)) throw failure;
    throw new DumpFailure(
      `${path}: the batch at position ${validBytes} cannot be read: ${failure.message}`,
      { cause: failure },
    );
  } finally {
    await log.close();
  }
  if (options.maxBytes === null && end > validBytes) {
    page.line(`Found ${end - validBytes} invalid bytes at the end of ${name}`);
  }
}

function titleOf(name: string): string {
  if (name.endsWith('.log')) return `Log starting offset: ${baseOffsetOf(name)}`;
  if (name === 'bootstrap.checkpoint') return 'KRaft bootstrap snapshot';
  const { offset, epoch } = snapshotEndOf(name);
  return `Snapshot end offset: ${offset}, epoch: ${epoch}`;
}

/** Printed before the contents are looked at, which may be what ends the dump. */
function metadataOf(batch: BatchAt, record: ShownRecord, options: LogOptions): string {
  if (options.skipRecordMetadata) return '';
  const { offset, timestamp, key, value, details } = record;
  const sizes = `keySize: ${key?.length ?? -1} valueSize: ${value?.length ?? -1}`;
  return `| offset: ${offset} ${timestampTypeOf(batch)}: ${timestamp} ${sizes}${details}`;
}

function contentsOf(batch: BatchAt, record: ShownRecord, options: LogOptions): string {
  const control = batch.magic >= 2 && isControl(batch.bytes, 0);
  if (options.decoder === null || control) return '';
  const { key, payload } = options.decoder(record);
  const prefix = options.skipRecordMetadata ? '| ' : ' ';
  return `${key === null ? '' : `${prefix}key: ${key}`}${payload === null ? '' : ` payload: ${payload}`}`;
}
