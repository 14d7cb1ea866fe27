/**
 * The format of Java's .properties files, read and written, with the line each entry came from.
 *
 * Entries come in the order of the file and a key may come twice; which one counts, and what a value
 * means, is up to config-table.ts. Values keep blanks at their end, as in Java.
 *
 * @see java.util.Properties.load(Reader)
 */
import { ConfigError } from './errors.ts';

export interface PropertyEntry {
  readonly key: string;
  readonly value: string;
  /** Where the entry begins in its file, from 1; null when it does not come from a file. */
  readonly line: number | null;
  /** The file's name, or what else it came from, such as 'command line'. */
  readonly source: string;
}

/** What `--override key=value` entries name as their source. */
export const COMMAND_LINE = 'command line';

/** One entry's text with its continuation lines joined, escapes still in it. */
interface LogicalLine {
  readonly text: string;
  readonly line: number;
}

/** @throws ConfigError for a \u that is not followed by four hexadecimal digits */
export function parseProperties(text: string, source: string): PropertyEntry[] {
  return logicalLines(text).map(({ text: entry, line }) => {
    const { keyEnd, valueStart } = boundaries(entry);
    return {
      key: withoutEscapes(entry.slice(0, keyEnd), source, line),
      value: withoutEscapes(entry.slice(valueStart), source, line),
      line,
      source,
    };
  });
}

/**
 * Reads the argument of `--override`: the key ends at the first '='.
 * @throws ConfigError when there is no '=' or nothing before it
 */
export function parseOverride(argument: string): PropertyEntry {
  const equals = argument.indexOf('=');
  const key = argument.slice(0, Math.max(equals, 0)).trim();
  if (key === '') throw new ConfigError(`${COMMAND_LINE}: "${argument}": must be key=value`);
  return { key, value: argument.slice(equals + 1).trim(), line: null, source: COMMAND_LINE };
}

/** Writes entries so that {@link parseProperties} and Java read the same keys and values back. */
export function formatProperties(
  entries: Iterable<Readonly<{ key: string; value: string }>>,
): string {
  let text = '';
  for (const { key, value } of entries) {
    // Blanks end a key anywhere, but only at its beginning would they be lost from a value.
    text += `${withEscapes(key, /[ =:#!]/g)}=${withEscapes(value, /^ +|^[#!]/g)}\n`;
  }
  return text;
}

const isBlank = (character: string | undefined): boolean =>
  character === ' ' || character === '\t' || character === '\f';

/** Position of the first character at or after `start` that is not blank. */
function skipBlanks(text: string, start: number): number {
  let at = start;
  while (isBlank(text[at])) at++;
  return at;
}

function logicalLines(text: string): LogicalLine[] {
  const found: LogicalLine[] = [];
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/);
  for (let index = 0; index < lines.length; index++) {
    const line = index + 1;
    let entry = lines[index] ?? '';
    entry = entry.slice(skipBlanks(entry, 0));
    if (entry === '' || entry.startsWith('#') || entry.startsWith('!')) continue;
    while (continues(entry)) {
      index++;
      const next = lines[index] ?? '';
      entry = entry.slice(0, -1) + next.slice(skipBlanks(next, 0));
    }
    if (entry !== '') found.push({ text: entry, line });
  }
  return found;
}

/** An odd number of backslashes at the end: the last one escapes the line's end. */
function continues(entry: string): boolean {
  let backslashes = 0;
  while (entry[entry.length - 1 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}

/** The key ends at the first bare '=', ':' or blank; blanks and one separator are skipped after it. */
function boundaries(entry: string): { keyEnd: number; valueStart: number } {
  let keyEnd = 0;
  for (; keyEnd < entry.length; keyEnd++) {
    const character = entry[keyEnd];
    if (character === '\\') keyEnd++;
    else if (character === '=' || character === ':' || isBlank(character)) break;
  }
  let valueStart = skipBlanks(entry, keyEnd);
  if (entry[valueStart] === '=' || entry[valueStart] === ':') {
    valueStart = skipBlanks(entry, valueStart + 1);
  }
  return { keyEnd: Math.min(keyEnd, entry.length), valueStart };
}

const CONTROL_ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

function withoutEscapes(text: string, source: string, line: number): string {
  return text.replace(/\\(u[\s\S]{0,4}|[\s\S]|$)/g, (_, escaped: string) => {
    if (!escaped.startsWith('u')) return CONTROL_ESCAPES[escaped] ?? escaped;
    if (!/^u[0-9a-fA-F]{4}$/.test(escaped)) {
      throw new ConfigError(
        `${source}:${line}: "\\${escaped}": \\u must be followed by four hexadecimal digits`,
      );
    }
    return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  });
}

function withEscapes(text: string, special: RegExp): string {
  return text
    .replace(/\\/g, '\\\\')
    .replace(/\t/g, '\\t')
    .replace(/\n/g, '\\n')
    .replace(/\r/g, '\\r')
    .replace(/\f/g, '\\f')
    .replace(special, (characters) => characters.replace(/./g, '\\$&'));
}
