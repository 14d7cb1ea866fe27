/**
 * How the console producer makes a record of a line: `[headers<delimiter>][key<separator>]value`.
 * Works on bytes, so that keys and values need not be text.
 */
import { UsageError } from './options.ts';

export interface ReadRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

/** A line without what it must have; says which line. */
export class LineError extends Error {
  override readonly name = 'LineError';
}

const KNOWN = [
  'parse.key',
  'parse.headers',
  'key.separator',
  'headers.delimiter',
  'headers.separator',
  'headers.key.separator',
  'ignore.error',
  'null.marker',
];

/**
 * @param properties the reader's properties by name
 * @throws UsageError for unknown properties, and for separators that cannot be told apart
 */
export function lineReader(
  properties: ReadonlyMap<string, string>,
): (line: Buffer, lineNumber: number) => ReadRecord {
  for (const name of properties.keys()) {
    if (!KNOWN.includes(name)) {
      throw new UsageError(
        `${name} is not a property of the line reader; there are ${KNOWN.join(', ')}`,
      );
    }
  }
  const flag = (name: string): boolean => properties.get(name)?.trim().toLowerCase() === 'true';
  const parseKey = flag('parse.key');
  const parseHeaders = flag('parse.headers');
  const ignoreError = flag('ignore.error');
  const keySeparator = properties.get('key.separator') ?? '\t';
  const headersDelimiter = properties.get('headers.delimiter') ?? '\t';
  const headersSeparator = properties.get('headers.separator') ?? ',';
  const headerKeySeparator = properties.get('headers.key.separator') ?? ':';
  const nullMarker = properties.get('null.marker') ?? null;
  // The headers end where their delimiter first stands, so it may be the key's separator too, as it is by default.
  if (parseHeaders && new Set([headersDelimiter, headersSeparator, headerKeySeparator]).size < 3) {
    throw new UsageError(
      'headers.delimiter, headers.separator and headers.key.separator must differ from each other',
    );
  }
  if (
    nullMarker !== null &&
    [keySeparator, headersDelimiter, headersSeparator, headerKeySeparator].includes(nullMarker)
  ) {
    throw new UsageError('null.marker must differ from the separators');
  }
  const headersPattern = new RegExp(headersSeparator);
  const nullBytes = nullMarker === null ? null : Buffer.from(nullMarker);
  const field = (bytes: Buffer): Buffer | null =>
    nullBytes?.equals(bytes) === true ? null : bytes;

  const cut = (
    rest: Buffer,
    separator: string,
    what: string,
    lineNumber: number,
  ): readonly [Buffer | null, Buffer] => {
    const at = rest.indexOf(separator);
    if (at >= 0) return [rest.subarray(0, at), rest.subarray(at + Buffer.byteLength(separator))];
    if (ignoreError) return [null, rest];
    throw new LineError(
      `No ${what} separator found on line number ${lineNumber}: '${rest.toString()}'`,
    );
  };

  const headersOf = (bytes: Buffer | null, lineNumber: number): ReadRecord['headers'] => {
    if (bytes === null || field(bytes) === null || bytes.length === 0) return [];
    return bytes
      .toString()
      .split(headersPattern)
      .map((pair) => {
        const at = pair.indexOf(headerKeySeparator);
        if (at < 0) {
          if (ignoreError) return { key: pair, value: null };
          throw new LineError(
            `No header key separator found in pair '${pair}' on line number ${lineNumber}`,
          );
        }
        const key = pair.slice(0, at);
        if (key === nullMarker) {
          throw new LineError(
            `Header keys should not be equal to the null marker '${nullMarker}' on line number ${lineNumber}`,
          );
        }
        return { key, value: field(Buffer.from(pair.slice(at + headerKeySeparator.length))) };
      });
  };

  return (line, lineNumber) => {
    let rest = line;
    let headers: ReadRecord['headers'] = [];
    let key: Buffer | null = null;
    if (parseHeaders) {
      const [found, after] = cut(rest, headersDelimiter, 'headers', lineNumber);
      headers = headersOf(found, lineNumber);
      rest = after;
    }
    if (parseKey) {
      const [found, after] = cut(rest, keySeparator, 'key', lineNumber);
      key = found === null ? null : field(found);
      rest = after;
    }
    return { key, value: field(rest), headers };
  };
}
