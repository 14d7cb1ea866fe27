/** The table: for each line of load a line for each server, ours with the ratios to the others. */
import type { Figures } from './loads.ts';

/** Medians of one line's rounds, by server, in the order in which they are printed. */
export type Line = ReadonlyMap<string, Figures>;

/** A thread that works more than this part of the time is what the rest waits for. */
const BOUND_PART = 0.85;

export function printTable(
  title: string,
  lines: ReadonlyMap<string, Line>,
  coreCount: number,
): void {
  console.log(`\n${title}\n`);
  console.log(
    '| load | server | MB/s | messages/s | p50 ms | p99 ms | p99.9 ms | broker CPU s/GB | µs/message | peak MB | busy: broker, client | bound by |',
  );
  console.log(`|${' --- |'.repeat(12)}`);
  for (const [name, line] of lines) {
    let label = name;
    for (const [server, figures] of line) {
      console.log(row(label, server, figures, coreCount));
      label = '';
    }
    const [own, ...others] = [...line];
    if (own === undefined) continue;
    for (const [server, theirs] of others) console.log(ratioRow(own[0], own[1], server, theirs));
  }
}

function row(label: string, server: string, figures: Figures, coreCount: number): string {
  const cells = [
    label,
    server,
    (figures.bytesPerSecond / 1e6).toFixed(figures.bytesPerSecond < 1e7 ? 1 : 0),
    figures.messagesPerSecond.toFixed(0),
    ...[figures.p50Ms, figures.p99Ms, figures.p999Ms].map(latency),
    figures.cpuSecondsPerGb.toFixed(2),
    figures.cpuMicrosPerMessage.toFixed(figures.cpuMicrosPerMessage < 1 ? 3 : 1),
    figures.peakMegabytes.toFixed(0),
    `${percent(figures.serverCores)}, ${percent(figures.clientCores)}`,
    boundBy(figures, coreCount) + (figures.failed > 0 ? `; ${figures.failed} failed` : ''),
  ];
  return `| ${cells.join(' | ')} |`;
}

const latency = (ms: number): string => (ms < 0 ? '' : ms.toFixed(ms < 10 ? 2 : 0));
const percent = (cores: number): string => `${(cores * 100).toFixed(0)} %`;

/** Both servers and clients in one machine: what was used up first. */
function boundBy(figures: Figures, coreCount: number): string {
  if (figures.clientCores > BOUND_PART) return 'client';
  if (figures.serverCores + figures.allClientsCores > BOUND_PART * coreCount) return 'machine';
  return figures.serverCores > BOUND_PART ? 'broker' : '';
}

function ratioRow(own: string, ours: Figures, other: string, theirs: Figures): string {
  const times = (of: (figures: Figures) => number): string => {
    const [one, two] = [of(ours), of(theirs)];
    return one < 0 || two <= 0 ? '' : `×${(one / two).toFixed(2)}`;
  };
  const cells = [
    '',
    `**${own} / ${other}**`,
    times(({ bytesPerSecond }) => bytesPerSecond),
    times(({ messagesPerSecond }) => messagesPerSecond),
    times(({ p50Ms }) => p50Ms),
    times(({ p99Ms }) => p99Ms),
    times(({ p999Ms }) => p999Ms),
    times(({ cpuSecondsPerGb }) => cpuSecondsPerGb),
    times(({ cpuMicrosPerMessage }) => cpuMicrosPerMessage),
    times(({ peakMegabytes }) => peakMegabytes),
    '',
    '',
  ];
  return `| ${cells.join(' | ')} |`;
}

/** The median of each figure by itself. */
export function medianOf(rounds: readonly Figures[]): Figures {
  const of = (value: (figures: Figures) => number): number =>
    rounds.map(value).sort((a, b) => a - b)[Math.floor(rounds.length / 2)] ?? Number.NaN;
  return {
    messagesPerSecond: of((each) => each.messagesPerSecond),
    bytesPerSecond: of((each) => each.bytesPerSecond),
    p50Ms: of((each) => each.p50Ms),
    p99Ms: of((each) => each.p99Ms),
    p999Ms: of((each) => each.p999Ms),
    failed: rounds.reduce((sum, { failed }) => sum + failed, 0),
    cpuSecondsPerGb: of((each) => each.cpuSecondsPerGb),
    cpuMicrosPerMessage: of((each) => each.cpuMicrosPerMessage),
    peakMegabytes: of((each) => each.peakMegabytes),
    serverCores: of((each) => each.serverCores),
    clientCores: of((each) => each.clientCores),
    allClientsCores: of((each) => each.allClientsCores),
  };
}
