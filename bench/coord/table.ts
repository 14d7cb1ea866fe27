/** The table of a benchmark with a peer beside ours: a row for each kind of load, and the ratio. */
import type { LoadResult } from './load.ts';

export interface Row extends LoadResult {
  readonly cpuMicrosPerRequest: number;
}

/** @param other the peer's rows; null: it was not measured */
export function printTable(
  own: ReadonlyMap<string, Row>,
  other: ReadonlyMap<string, Row> | null,
): void {
  const cell = (row: Row | undefined): string =>
    row === undefined
      ? '| | | '
      : `| ${row.requestsPerSecond} | ${row.p99Ms.toFixed(2)} | ${row.cpuMicrosPerRequest.toFixed(1)} `;
  console.log('| | ours/s | p99 ms | CPU us | Apache/s | p99 ms | CPU us | ratio |');
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const [what, row] of own) {
    const theirs = other?.get(what);
    const ratio =
      theirs === undefined ? '' : (row.requestsPerSecond / theirs.requestsPerSecond).toFixed(2);
    const errors = row.errors + (theirs?.errors ?? 0);
    console.log(
      `| ${what} ${cell(row)}${cell(theirs)}| ${ratio} |${errors > 0 ? ` ${errors} errors` : ''}`,
    );
  }
}
