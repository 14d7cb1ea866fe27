/**
 * Metrics: declared once in tables, counted in plain numbers, shown in Prometheus' text format.
 *
 * Whoever counts holds its series and adds to a field: no look-up, no label object per event. All
 * else happens when somebody asks for the page; prom-client, which writes it, is loaded then.
 */
import type { Metric, Registry } from 'prom-client';
import { invariant } from './errors.ts';

/** Series of one metric beyond this many share one with the label value OTHER. */
const MAX_SERIES = 1_000;
const OTHER = 'other';
/** Quantiles are those of this many latest observations. */
const SUMMARY_WINDOW = 1_024;

interface DefinitionBase {
  /** One line for the page. */
  readonly help: string;
  /** Label names; without any, the metric is one series. */
  readonly labels?: readonly string[];
}

export type MetricDefinition = Readonly<
  | ({ kind: 'counter' } & DefinitionBase)
  | ({ kind: 'gauge' } & DefinitionBase)
  /** `buckets`: upper bounds, rising; a last one without bound is added. */
  | ({ kind: 'histogram'; buckets: readonly number[] } & DefinitionBase)
  /** `quantiles`: the shares, between 0 and 1, whose values are shown; of the latest observations. */
  | ({ kind: 'summary'; quantiles: readonly number[] } & DefinitionBase)
>;

/** Metrics by name: snake case, with unit, counters ending in _total. */
export type MetricTable = Readonly<Record<string, MetricDefinition>>;

/** A number that only rises. */
export class Counter {
  #value = 0;
  #read: (() => number) | null = null;

  add(count = 1): void {
    this.#value += count;
  }

  /** From now on the value is asked for when the page is made. */
  readFrom(read: () => number): void {
    this.#read = read;
  }

  get value(): number {
    return this.#read === null ? this.#value : this.#read();
  }
}

/** A number that goes up and down. */
export class Gauge {
  #value = 0;
  #read: (() => number) | null = null;

  set(value: number): void {
    this.#value = value;
  }

  add(count: number): void {
    this.#value += count;
  }

  /** From now on the value is asked for when the page is made. */
  readFrom(read: () => number): void {
    this.#read = read;
  }

  get value(): number {
    return this.#read === null ? this.#value : this.#read();
  }
}

/** How often values fell up to each bound. */
export class Histogram {
  readonly bounds: readonly number[];
  /** One count for each bound, and one for what is above all. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let index = 0;
    while (index < this.bounds.length && value > (this.bounds[index] ?? 0)) index++;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  get sum(): number {
    return this.#sum;
  }

  /** How many values were at most each bound; the last number is how many there were. */
  cumulative(): number[] {
    let total = 0;
    return Array.from(this.#counts, (count) => {
      total += count;
      return total;
    });
  }
}

/** How values are spread: all of them by count, sum and extremes, the latest ones by quantiles. */
export class Summary {
  /** Made with the first value: most summaries of a server never get one. */
  #window: Float64Array | null = null;
  #count = 0;
  #sum = 0;
  #min = 0;
  #max = 0;

  observe(value: number): void {
    this.#window ??= new Float64Array(SUMMARY_WINDOW);
    this.#window[this.#count % SUMMARY_WINDOW] = value;
    if (this.#count === 0 || value < this.#min) this.#min = value;
    if (this.#count === 0 || value > this.#max) this.#max = value;
    this.#count += 1;
    this.#sum += value;
  }

  reset(): void {
    this.#window = null;
    this.#count = 0;
    this.#sum = 0;
    this.#min = 0;
    this.#max = 0;
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  get min(): number {
    return this.#min;
  }

  get max(): number {
    return this.#max;
  }

  get average(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /** For each share, the value that this share of the latest observations is at most; 0 without any. */
  quantiles(shares: readonly number[]): readonly number[] {
    const latest = (this.#window ?? new Float64Array(0))
      .slice(0, Math.min(this.#count, SUMMARY_WINDOW))
      .sort();
    return shares.map((share) => latest[Math.max(0, Math.ceil(share * latest.length) - 1)] ?? 0);
  }
}

interface SeriesTypes {
  counter: Counter;
  gauge: Gauge;
  histogram: Histogram;
  summary: Summary;
}
export type Series = SeriesTypes[keyof SeriesTypes];

/** One series for each combination of label values; hold on to it where you count often. */
export interface Family<Each, Labels extends readonly string[]> {
  of(...values: { readonly [Index in keyof Labels]: string }): Each;
  /** Forgets all series: for those that are set anew before each page. */
  clear(): void;
}

/** What a table's metrics are in the program. */
export type Meters<Table extends MetricTable> = {
  readonly [Name in keyof Table]: Table[Name] extends {
    readonly labels: infer Labels extends readonly string[];
  }
    ? Family<SeriesTypes[Table[Name]['kind']], Labels>
    : SeriesTypes[Table[Name]['kind']];
};

/** Declares a table; keeps the literal types that {@link Meters} infers from. */
export function defineMetrics<const Table extends MetricTable>(table: Table): Table {
  return table;
}

/** The series of one metric. */
class SeriesSet {
  readonly name: string;
  readonly definition: MetricDefinition;
  readonly #series = new Map<
    string,
    { readonly values: readonly string[]; readonly series: Series }
  >();

  constructor(name: string, definition: MetricDefinition) {
    this.name = name;
    this.definition = definition;
  }

  of(...values: readonly string[]): Series {
    const key = JSON.stringify(values);
    const known = this.#series.get(key);
    if (known !== undefined) return known.series;
    const others = values.map(() => OTHER);
    const full = this.#series.size >= MAX_SERIES && key !== JSON.stringify(others);
    if (full) return this.of(...others);
    const series = newSeries(this.definition);
    this.#series.set(key, { values, series });
    return series;
  }

  clear(): void {
    this.#series.clear();
  }

  find(...values: readonly string[]): Series | undefined {
    return this.#series.get(JSON.stringify(values))?.series;
  }

  all(): Iterable<{ readonly values: readonly string[]; readonly series: Series }> {
    return this.#series.values();
  }

  /** As prom-client writes it. */
  snapshot(): PageEntry {
    const labelNames = this.definition.labels ?? [];
    const values: PageValue[] = [];
    for (const { values: labelValues, series } of this.#series.values()) {
      const labels = Object.fromEntries(
        labelNames.map((label, index) => [label, labelValues[index] ?? '']),
      );
      if (series instanceof Histogram) values.push(...histogramValues(this.name, series, labels));
      else if (series instanceof Summary)
        values.push(...summaryValues(this.name, series, this.definition, labels));
      else values.push({ value: series.value, labels });
    }
    return { name: this.name, help: this.definition.help, type: this.definition.kind, values };
  }
}

type Labels = Readonly<Record<string, string>>;

interface PageValue {
  readonly metricName?: string;
  readonly value: number;
  readonly labels: Labels;
}

interface PageEntry {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly PageValue[];
}

function newSeries(definition: MetricDefinition): Series {
  switch (definition.kind) {
    case 'counter':
      return new Counter();
    case 'gauge':
      return new Gauge();
    case 'histogram':
      return new Histogram(definition.buckets);
    case 'summary':
      return new Summary();
  }
}

function histogramValues(name: string, histogram: Histogram, labels: Labels): PageValue[] {
  const counts = histogram.cumulative();
  const values = counts.map((value, index) => ({
    metricName: `${name}_bucket`,
    value,
    labels: { ...labels, le: String(histogram.bounds[index] ?? '+Inf') },
  }));
  return [
    ...values,
    { metricName: `${name}_sum`, value: histogram.sum, labels },
    { metricName: `${name}_count`, value: counts.at(-1) ?? 0, labels },
  ];
}

function summaryValues(
  name: string,
  summary: Summary,
  definition: MetricDefinition,
  labels: Labels,
): PageValue[] {
  const shares = definition.kind === 'summary' ? definition.quantiles : [];
  const quantiles = summary.quantiles(shares).map((value, index) => ({
    value: summary.count === 0 ? Number.NaN : value,
    labels: { ...labels, quantile: String(shares[index]) },
  }));
  return [
    ...quantiles,
    { metricName: `${name}_sum`, value: summary.sum, labels },
    { metricName: `${name}_count`, value: summary.count, labels },
  ];
}

/** One metric with its series, for whoever shows them in another form than the page. */
export interface ShownMetric {
  readonly name: string;
  readonly definition: MetricDefinition;
  readonly series: Iterable<{ readonly values: readonly string[]; readonly series: Series }>;
}

/** All metrics of one daemon. */
export class Metrics {
  readonly #sets = new Map<string, SeriesSet>();

  /** Adds a table's metrics. */
  declare<Table extends MetricTable>(table: Table): Meters<Table> {
    const meters: Record<string, Series | SeriesSet> = {};
    for (const [name, definition] of Object.entries(table)) {
      invariant(!this.#sets.has(name), `metric ${name} is declared twice`);
      const set = new SeriesSet(name, definition);
      this.#sets.set(name, set);
      meters[name] = definition.labels === undefined ? set.of() : set;
    }
    return meters as Meters<Table>;
  }

  /** The current value of a counter or gauge; null when there is no such series. */
  valueOf(name: string, ...labelValues: readonly string[]): number | null {
    const series = this.#sets.get(name)?.find(...labelValues);
    return series instanceof Counter || series instanceof Gauge ? series.value : null;
  }

  /** Every metric, in the order of declaring. */
  *all(): IterableIterator<ShownMetric> {
    for (const set of this.#sets.values()) {
      yield { name: set.name, definition: set.definition, series: set.all() };
    }
  }

  /** The page, in Prometheus' text format. */
  async render(): Promise<string> {
    const registry = await newRegistry();
    for (const set of this.#sets.values()) {
      const page = { name: set.name, get: () => Promise.resolve(set.snapshot()) };
      // The registry asks its metrics for nothing but a name and their values.
      registry.registerMetric(page as unknown as Metric);
    }
    return registry.metrics();
  }
}

async function newRegistry(): Promise<Registry> {
  const { Registry } = (await import('prom-client')).default;
  return new Registry();
}
