/**
 * CRC-32C (Castagnoli), the checksum of magic 2 batches, from the fastest implementation at hand.
 *
 * In order: fast-crc32c with its native part (built when it was installed, SSE 4.2), then
 * @node-rs/crc32 (prebuilt for each platform), then fast-crc32c's JavaScript, twenty times slower:
 * `crc32cImplementation` tells which one runs, so that a daemon can say so when it starts.
 * The CRC-32 of the older message sets is in message-set.ts.
 */
import { createRequire } from 'node:module';

/** `native`: fast-crc32c's addon. `prebuilt`: @node-rs/crc32. `javascript`: a table. */
export type Crc32cImplementation = 'native' | 'prebuilt' | 'javascript';

/** Takes the CRC of what went before as `initial`; 0 for nothing. */
type Calculate = (bytes: Uint8Array, initial?: number) => number;

/** The check value of the CRC catalogues: what every right implementation makes of "123456789". */
const CHECK_TEXT = Buffer.from('123456789');
const CHECK_VALUE = 0xe3069283;

const chosen = choose();

/** Which implementation runs in this process. */
export const crc32cImplementation: Crc32cImplementation = chosen.implementation;

/**
 * The CRC-32C of `bytes`.
 * @param initial the CRC of the bytes before these, to continue it; 0 to begin
 * @returns an unsigned 32-bit integer
 */
export function crc32c(bytes: Uint8Array, initial = 0): number {
  return chosen.calculate(bytes, initial);
}

/**
 * The CRC-32C of `buffer` from `skippedBytes` to its end, without making a view of that part.
 *
 * A CRC can be run backwards: starting from the wanted state at `skippedBytes` and undoing the
 * bytes before it gives the start value with which the CRC of the whole buffer is the CRC of the
 * tail. For a short prefix that costs less than a view, and leaves nothing to collect.
 */
export function crc32cOfTail(buffer: Uint8Array, skippedBytes: number): number {
  let state = -1;
  for (let index = skippedBytes - 1; index >= 0; index--) {
    const entry = entryByTopByte[state >>> 24] ?? 0;
    state = ((state ^ (table[entry] ?? 0)) << 8) | (entry ^ (buffer[index] ?? 0));
  }
  return chosen.calculate(buffer, ~state >>> 0);
}

/** One step of the CRC for each byte; the polynomial is 0x1EDC6F41, written with its bits reversed. */
const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
  }
  return remainder;
});

/** The top bytes of the table's entries are all different, which is why a step can be undone. */
const entryByTopByte = new Uint8Array(256);
for (const [entry, remainder] of table.entries()) entryByTopByte[remainder >>> 24] = entry;

function choose(): { implementation: Crc32cImplementation; calculate: Calculate } {
  const fast = load('fast-crc32c', 'calculate');
  if (fast !== null && nativePartRuns(fast)) return { implementation: 'native', calculate: fast };
  const prebuilt = load('@node-rs/crc32', 'crc32c');
  if (prebuilt !== null) return { implementation: 'prebuilt', calculate: prebuilt };
  if (fast !== null) return { implementation: 'javascript', calculate: fast };
  throw new Error('fast-crc32c is not installed, or does not compute CRC-32C: run npm install');
}

/** fast-crc32c does not say which of its two implementations it took: look at the native one. */
function nativePartRuns(fast: Calculate): boolean {
  try {
    const besideFast = createRequire(createRequire(import.meta.url).resolve('fast-crc32c'));
    const addon: unknown = besideFast('sse4_crc32');
    return (
      typeof addon === 'object' &&
      addon !== null &&
      Reflect.get(addon, 'hardware_support') === true &&
      Reflect.get(addon, 'calculate') === fast
    );
  } catch {
    return false; // Not built on this machine.
  }
}

function load(moduleName: string, functionName: string): Calculate | null {
  try {
    const loaded: unknown = createRequire(import.meta.url)(moduleName);
    if (typeof loaded !== 'object' || loaded === null) return null;
    const calculate: unknown = Reflect.get(loaded, functionName);
    if (typeof calculate !== 'function') return null;
    return calculate(CHECK_TEXT, 0) === CHECK_VALUE ? (calculate as Calculate) : null;
  } catch {
    return null; // No binary for this platform, or not installed.
  }
}
