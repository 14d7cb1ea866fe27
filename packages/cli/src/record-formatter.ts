/** The columns in which the console consumer prints a record: Kafka's default formatter, on bytes. */
import type { ConsumedRecord } from '@odradek/client';
import { UsageError } from './options.ts';

const KNOWN = [
  'print.timestamp',
  'print.partition',
  'print.offset',
  'print.headers',
  'print.key',
  'print.value',
  'key.separator',
  'line.separator',
  'headers.separator',
  'null.literal',
];

/**
 * Returns a function that appends a record's line to `out`, piece by piece, without copying key and value.
 * @throws UsageError for a property that this formatter does not have
 */
export function recordFormatter(
  properties: ReadonlyMap<string, string>,
): (record: ConsumedRecord, out: Buffer[]) => void {
  for (const name of properties.keys()) {
    if (!KNOWN.includes(name)) {
      throw new UsageError(
        `${name} is not a property of the output; there are ${KNOWN.join(', ')}`,
      );
    }
  }
  const flag = (name: string, otherwise = false): boolean =>
    (properties.get(name) ?? String(otherwise)).trim().toLowerCase() === 'true';
  const separator = Buffer.from(properties.get('key.separator') ?? '\t');
  const lineEnd = Buffer.from(properties.get('line.separator') ?? '\n');
  const headersSeparator = properties.get('headers.separator') ?? ',';
  const nullLiteral = properties.get('null.literal') ?? 'null';
  const nullBytes = Buffer.from(nullLiteral);

  const columns: ((record: ConsumedRecord) => Buffer)[] = [];
  if (flag('print.timestamp')) {
    columns.push(({ timestamp, timestampType }) =>
      Buffer.from(timestamp < 0 ? 'NO_TIMESTAMP' : `${timestampType}:${timestamp}`),
    );
  }
  if (flag('print.partition'))
    columns.push(({ partition }) => Buffer.from(`Partition:${partition}`));
  if (flag('print.offset')) columns.push(({ offset }) => Buffer.from(`Offset:${offset}`));
  if (flag('print.headers')) {
    columns.push(({ headers }) =>
      headers.length === 0
        ? Buffer.from('NO_HEADERS')
        : Buffer.from(
            headers
              .map(({ key, value }) => `${key}:${value === null ? nullLiteral : value.toString()}`)
              .join(headersSeparator),
          ),
    );
  }
  if (flag('print.key')) columns.push(({ key }) => key ?? nullBytes);
  if (flag('print.value', true)) columns.push(({ value }) => value ?? nullBytes);

  return (record, out) => {
    for (const [index, column] of columns.entries()) {
      if (index > 0) out.push(separator);
      out.push(column(record));
    }
    out.push(lineEnd);
  };
}
