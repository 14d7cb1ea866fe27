/**
 * Does something grow? Samples of a process that lives long go up and down with its garbage; what counts is whether
 * the end lies above the beginning, once it has warmed up. Pure.
 */

/** One look at the broker. */
export interface Sample {
  readonly seconds: number;
  readonly memoryMegabytes: number;
  readonly handles: number;
  readonly diskMegabytes: number;
  /** What of it is the compacted topic's. */
  readonly tableMegabytes: number;
  /** Longest delay of the event loop in the last second, ms; -1: not known. */
  readonly loopDelayMs: number;
}

export interface Bounds {
  /** Samples before this part of the run are the warm-up. */
  readonly warmUpPart: number;
  readonly memoryMegabytesMax: number;
  readonly memoryGrowthMegabytesMax: number;
  readonly handlesMax: number;
  readonly handlesGrowthMax: number;
  readonly diskMegabytesMax: number;
  readonly tableMegabytesMax: number;
}

/** First and last fifth of the samples are compared. */
const COMPARED_PART = 0.2;

export interface Finding {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
}

/** @returns one finding for each bound, kept or not */
export function judge(samples: readonly Sample[], bounds: Bounds): readonly Finding[] {
  const warm = samples.slice(Math.floor(samples.length * bounds.warmUpPart));
  const most = (of: (sample: Sample) => number): number => Math.max(...warm.map(of));
  const memory = (sample: Sample): number => sample.memoryMegabytes;
  const handles = (sample: Sample): number => sample.handles;
  return [
    { what: 'memory, MB', value: most(memory), limit: bounds.memoryMegabytesMax },
    {
      what: 'growth of memory, MB',
      value: growth(warm.map(memory)),
      limit: bounds.memoryGrowthMegabytesMax,
    },
    { what: 'handles', value: most(handles), limit: bounds.handlesMax },
    {
      what: 'growth of handles',
      value: growth(warm.map(handles)),
      limit: bounds.handlesGrowthMax,
    },
    {
      what: 'disk, MB',
      value: most(({ diskMegabytes }) => diskMegabytes),
      limit: bounds.diskMegabytesMax,
    },
    {
      what: 'disk of the compacted topic, MB',
      value: most(({ tableMegabytes }) => tableMegabytes),
      limit: bounds.tableMegabytesMax,
    },
  ];
}

/** How much the median of the last fifth lies above that of the first. */
export function growth(values: readonly number[]): number {
  const count = Math.max(1, Math.floor(values.length * COMPARED_PART));
  return medianOf(values.slice(-count)) - medianOf(values.slice(0, count));
}

export function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
