/** What the tools on data directories of the coordination server share: options, progress, the last lines. */
import type { OwnDirectories, Progress, StateSummary } from '@odradek/coord/offline';
import type { CommandContext } from './context.ts';
import { UsageError } from './options.ts';

/**
 * A transaction id as ZooKeeper prints it (0x…), or in decimal digits; null when not given.
 * @throws UsageError
 */
export function zxidOption(name: string, text: string | undefined): bigint | null {
  if (text === undefined) return null;
  if (/^(0x[0-9a-f]{1,16}|\d{1,19})$/i.test(text)) return BigInt.asIntN(64, BigInt(text));
  throw new UsageError(
    `Cannot parse argument '${text}' of option ${name}: a zxid is expected, such as 0x1f or 31`,
  );
}

/** @throws UsageError unless exactly one word is left over */
export function onlyWord(what: string, rest: readonly string[]): string {
  const [word] = rest;
  if (word === undefined || rest.length > 1)
    throw new UsageError(`Exactly one ${what} is expected`);
  return word;
}

export const directoriesOf = (
  dataDirectory: string,
  logDirectory: string | undefined,
): OwnDirectories => ({ dataDirectory, logDirectory: logDirectory ?? null });

/** Progress and warnings go to standard error, where they do not mix with results. */
export function progressTo({ stderr }: CommandContext): Progress {
  return {
    step: (text) => void stderr(`${text}\n`),
    warn: (text) => void stderr(`WARNING: ${text}\n`),
  };
}

export const hex = (zxid: bigint): string => `0x${BigInt.asUintN(64, zxid).toString(16)}`;

/** What there is in a data directory, on one line. */
export function summaryLine({
  zxid,
  nodeCount,
  ephemeralCount,
  sessionCount,
  dataBytes,
}: StateSummary): string {
  return `zxid ${hex(zxid)}, ${nodeCount} nodes (${ephemeralCount} ephemeral), ${sessionCount} sessions, ${dataBytes} bytes of paths and data`;
}

/** For --json: 64-bit numbers as hexadecimal text, failures as their message. */
export const jsonOf = (value: unknown): string =>
  JSON.stringify(value, (_name, field: unknown) => {
    if (typeof field === 'bigint') return hex(field);
    return field instanceof Error ? field.message : field;
  });
