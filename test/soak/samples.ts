/** Looks at a broker's process, its folder and its page of metrics, once a second. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { usage } from '../../bench/process-usage.ts';
import type { Sample } from './bounds.ts';

const MEGABYTE = 1e6;
const METRICS_TIMEOUT_MS = 2_000;

export interface Watched {
  readonly pid: number;
  readonly logDirectory: string;
  readonly metricsPort: number;
  /** The compacted topic. */
  readonly table: string;
}

export async function sample(
  { pid, logDirectory, metricsPort, table }: Watched,
  seconds: number,
): Promise<Sample> {
  return {
    seconds,
    memoryMegabytes: usage(pid).nowMegabytes,
    handles: existsSync(`/proc/${pid}/fd`) ? readdirSync(`/proc/${pid}/fd`).length : 0,
    diskMegabytes: sizeBytesOf(logDirectory) / MEGABYTE,
    tableMegabytes: sizeBytesOf(logDirectory, `${table}-`) / MEGABYTE,
    loopDelayMs: await metric(metricsPort, 'event_loop_delay_max_ms'),
  };
}

/** What files really take: indexes are made larger than what is in them. */
const BLOCK_BYTES = 512;

/**
 * Of a folder with all that is in it; what disappears meanwhile counts for nothing.
 * @param prefix only entries of the folder itself whose names begin so
 */
export function sizeBytesOf(folder: string, prefix = ''): number {
  let sizeBytes = 0;
  for (const entry of entriesOf(folder)) {
    if (!entry.name.startsWith(prefix)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) sizeBytes += sizeBytesOf(path);
    else sizeBytes += (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * BLOCK_BYTES;
  }
  return sizeBytes;
}

function entriesOf(folder: string): ReturnType<typeof readEntries> {
  try {
    return readEntries(folder);
  } catch {
    return [];
  }
}

const readEntries = (folder: string) => readdirSync(folder, { withFileTypes: true });

async function metric(port: number, name: string): Promise<number> {
  try {
    const signal = AbortSignal.timeout(METRICS_TIMEOUT_MS);
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`, { signal })).text();
    const [, value] = new RegExp(`^\\w*${name} ([\\d.e+-]+)$`, 'm').exec(page) ?? [];
    return value === undefined ? -1 : Number(value);
  } catch {
    return -1;
  }
}
