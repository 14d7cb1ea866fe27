/**
 * Command-line options as Kafka's tools take them: `--name value`, `--name=value`, one dash for two
 * before a whole name, dots in names, some options repeatable, some with a value that may be left out.
 * commander does the reading; this file holds the declaration, the dialect, and the table that a
 * wrong call is answered with. Deciding which options belong together is each tool's own affair.
 */
import { Command, CommanderError, Option } from 'commander';

type Kind = 'flag' | 'text' | 'number' | 'repeated' | 'optional';

/** One option of a tool. */
export interface OptionSpec<K extends Kind = Kind> {
  readonly kind: K;
  readonly about: string;
  /** What the argument is, as the table shows it: `String: topic`. */
  readonly hint?: string;
  readonly required?: boolean;
  /** Shown in the table; a tool applies it itself when it matters whether the user gave it. */
  readonly shownDefault?: string;
  /** Accepted but left out of the table: a spelling of an older release. */
  readonly hidden?: boolean;
}

type ValueOf<Spec> =
  Spec extends OptionSpec<infer K>
    ? K extends 'flag'
      ? boolean
      : K extends 'number'
        ? number | undefined
        : K extends 'repeated'
          ? readonly string[]
          : K extends 'optional'
            ? string | true | undefined
            : string | undefined
    : never;

/** The options of a tool by name, without the dashes. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** What a call gave, by the same names: false, empty or undefined where nothing was given. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]: ValueOf<Table[Name]>;
};

/** A call that cannot be carried out as it stands: the message and the option table go to standard error, exit code 1. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface ParsedOptions<Table extends OptionTable> {
  readonly values: OptionValues<Table>;
  /** Words that belong to no option. */
  readonly rest: readonly string[];
}

/**
 * Reads the words of a call.
 * @throws UsageError naming the option and what it wants
 */
export function parseOptions<const Table extends OptionTable>(
  tool: string,
  table: Table,
  words: readonly string[],
): ParsedOptions<Table> {
  const command = new Command(tool)
    .helpOption(false)
    .allowExcessArguments(true)
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: () => {} });
  command.argument('[words...]');
  const given = new Map<string, Given>();
  for (const [name, spec] of Object.entries(table)) {
    command.addOption(new Option(flagsOf(name, spec), spec.about));
    // Events, not commander's attributes: those fold names that differ only in dots and capitals.
    command.on(`option:${name}`, (value?: string | null) => take(given, name, spec, value ?? true));
  }
  try {
    command.parse(withTwoDashes(table, words), { from: 'user' });
  } catch (failure) {
    if (failure instanceof CommanderError) {
      throw new UsageError(failure.message.replace(/^error: /, ''), { cause: failure });
    }
    throw failure;
  }
  for (const [name, spec] of Object.entries(table)) {
    if (spec.required === true && !given.has(name)) {
      throw new UsageError(`Missing required option [${name}]`);
    }
  }
  return { values: valuesOf(table, given), rest: command.args };
}

/** The table of options, as Kafka's tools print it. */
export function renderUsage(description: string, table: OptionTable): string {
  const rows = Object.entries(table)
    .filter(([, spec]) => spec.hidden !== true)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, spec]) => [optionCell(name, spec), aboutCell(spec)] as const);
  const width = Math.max('Option'.length, ...rows.map(([left]) => left.length));
  const aboutWidth = 45;
  const lines = [
    `${'Option'.padEnd(width)}  Description`,
    `${'------'.padEnd(width)}  -----------`,
  ];
  for (const [left, about] of rows) {
    for (const [index, line] of wrap(about, aboutWidth).entries()) {
      lines.push(`${(index === 0 ? left : '').padEnd(width)}  ${line}`.trimEnd());
    }
  }
  return `${description}\n${lines.join('\n')}\n`;
}

type Given = true | string | readonly string[];

function flagsOf(name: string, { kind }: OptionSpec): string {
  if (kind === 'flag') return `--${name}`;
  return kind === 'optional' ? `--${name} [value]` : `--${name} <value>`;
}

function take(
  given: Map<string, Given>,
  name: string,
  spec: OptionSpec,
  value: true | string,
): void {
  const before = given.get(name);
  if (spec.kind === 'repeated') {
    given.set(name, [...(Array.isArray(before) ? before : []), String(value)]);
    return;
  }
  if (before !== undefined && spec.kind !== 'flag') {
    throw new UsageError(`Found multiple arguments for option ${name}, but it takes only one`);
  }
  if (spec.kind === 'number' && !/^-?\d+$/.test(String(value))) {
    throw new UsageError(
      `Cannot parse argument '${value}' of option ${name}: a whole number is expected`,
    );
  }
  given.set(name, value);
}

function valuesOf<Table extends OptionTable>(
  table: Table,
  given: ReadonlyMap<string, Given>,
): OptionValues<Table> {
  const values: Record<string, unknown> = {};
  for (const [name, { kind }] of Object.entries(table)) {
    const value = given.get(name);
    if (kind === 'flag') values[name] = value === true;
    else if (kind === 'repeated') values[name] = value ?? [];
    else values[name] = kind === 'number' && value !== undefined ? Number(value) : value;
  }
  // The one seam where the table's kinds become the values' types.
  return values as OptionValues<Table>;
}

function withTwoDashes(table: OptionTable, words: readonly string[]): string[] {
  return words.map((word) => {
    const match = /^-([a-z][\w.-]*)(=.*)?$/i.exec(word);
    const name = match?.[1];
    return name !== undefined && Object.hasOwn(table, name) ? `-${word}` : word;
  });
}

function optionCell(name: string, { kind, hint, required }: OptionSpec): string {
  const argument = hint ?? (kind === 'number' ? 'Integer' : 'String');
  const suffix = kind === 'flag' ? '' : kind === 'optional' ? ` [${argument}]` : ` <${argument}>`;
  return `${required === true ? '* ' : ''}--${name}${suffix}`;
}

function aboutCell({ about, required, shownDefault }: OptionSpec): string {
  const tail = shownDefault === undefined ? '' : ` (default: ${shownDefault})`;
  return `${required === true ? 'REQUIRED: ' : ''}${about}${tail}`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1] ?? '';
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
