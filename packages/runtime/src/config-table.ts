/**
 * Configuration keys declared once: a table of name, type, default, rule and documentation, from
 * which come the typed values, the errors, the warnings and the docs page.
 *
 * Not here: the file format (properties.ts), the types of values (config-value.ts), and rules that
 * concern several keys, which belong to the daemon; it reports them through `refuse`.
 */
import type { Validator } from './config-validators.ts';
import {
  allowedValues,
  type ConfigType,
  type ConfigValue,
  type ConfigValueTypes,
  formatConfigValue,
  parseConfigValue,
  type ValueRule,
} from './config-value.ts';
import { ConfigError } from './errors.ts';
import { nearestName } from './nearest.ts';
import type { PropertyEntry } from './properties.ts';
import { HIDDEN } from './secret.ts';

/** Whether and for whom a value can change while the daemon runs; absent and false: only by a restart. */
export type ConfigChange = boolean | 'read-only' | 'per-broker' | 'cluster-wide';

interface DefinitionOf<Type extends ConfigType> {
  readonly type: Type;
  /** null: may stay unset. Left out: the key must be given. */
  readonly default?: ConfigValueTypes[Type] | null;
  readonly validate?: Validator<ConfigValueTypes[Type]>;
  /** One line for the docs page. */
  readonly doc: string;
  readonly dynamic?: ConfigChange;
  /** Other names that files use for this key. */
  readonly aliases?: readonly string[];
}

/** One key. */
export type ConfigDefinition = { [Type in ConfigType]: DefinitionOf<Type> }[ConfigType];
export type ConfigTable = Readonly<Record<string, ConfigDefinition>>;

/** The values a table's keys have in memory. */
export type ConfigValues<Table extends ConfigTable> = {
  readonly [Key in keyof Table]: Table[Key] extends { readonly default: null }
    ? ConfigValueTypes[Table[Key]['type']] | null
    : ConfigValueTypes[Table[Key]['type']];
};

export interface ConfigOptions {
  /** Named where a required key is missing. */
  readonly source: string;
  /** What `~` stands for. */
  readonly homeDirectory: string;
  /** Keys outside the table that somebody else reads: no warning about those. */
  readonly isForeign?: (key: string) => boolean;
}

export interface Config<Table extends ConfigTable> {
  readonly values: ConfigValues<Table>;
  /** The keys that were given, under their own names. */
  readonly explicit: ReadonlySet<string>;
  /** Sentences for the log: unknown keys, keys given twice. */
  readonly warnings: readonly string[];
  /** The error for a value that a rule over several keys forbids; `reason` reads on from the value. */
  refuse(key: keyof Table & string, reason: string): ConfigError;
}

/** Declares a table; keeps the literal types that {@link ConfigValues} infers from. */
export function defineConfig<const Table extends ConfigTable>(table: Table): Table {
  return table;
}

/**
 * Reads entries, in order: of several for one key from one source the last counts, and a later
 * source (the command line after the file) overrides an earlier one.
 * @throws ConfigError that names, for every wrong or missing key: file, line, key, value, what is allowed
 */
export function readConfig<Table extends ConfigTable>(
  table: Table,
  entries: readonly PropertyEntry[],
  options: ConfigOptions,
): Config<Table> {
  const { chosen, warnings } = choose(table, entries, options);
  const problems: string[] = [];
  const values: Record<string, ConfigValue | null> = {};
  for (const [key, definition] of Object.entries(table)) {
    const entry = chosen.get(key);
    if (entry !== undefined) {
      const outcome = parseConfigValue(
        definition as ValueRule<ConfigType>,
        entry.value,
        options.homeDirectory,
      );
      if ('value' in outcome) values[key] = outcome.value;
      else problems.push(describe(entry, definition, `must be ${outcome.allowed}`));
    } else if (definition.default !== undefined) {
      values[key] = definition.default;
    } else {
      const allowed = allowedValues(definition as ValueRule<ConfigType>);
      problems.push(`${options.source}: ${key} is missing: must be ${allowed}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return {
    values: values as ConfigValues<Table>,
    explicit: new Set(chosen.keys()),
    warnings,
    refuse(key, reason): ConfigError {
      const definition = table[key];
      const entry = chosen.get(key);
      if (definition === undefined || entry === undefined) {
        return new ConfigError(`${options.source}: ${key} (not given): ${reason}`);
      }
      return new ConfigError(describe(entry, definition, reason));
    },
  };
}

/** A value as it would stand in a file; null stays null, passwords are hidden. */
export function configText(definition: ConfigDefinition, value: ConfigValue | null): string | null {
  return value === null ? null : formatConfigValue<ConfigType>(definition.type, value);
}

/** The entry that counts for each key of the table, and what is odd about the others. */
function choose(
  table: ConfigTable,
  entries: readonly PropertyEntry[],
  { isForeign }: ConfigOptions,
): { chosen: Map<string, PropertyEntry>; warnings: string[] } {
  const keyOf = new Map<string, string>();
  for (const [key, { aliases }] of Object.entries(table)) {
    keyOf.set(key, key);
    for (const alias of aliases ?? []) keyOf.set(alias, key);
  }
  const chosen = new Map<string, PropertyEntry>();
  const warnings: string[] = [];
  for (const entry of entries) {
    const key = keyOf.get(entry.key);
    if (key === undefined) {
      if (isForeign?.(entry.key) === true) continue;
      const meant = nearestName(entry.key, keyOf.keys());
      const guess = meant === null ? '' : `; did you mean ${meant}?`;
      warnings.push(`${location(entry)}: unknown key ${entry.key}, ignored${guess}`);
      continue;
    }
    const earlier = chosen.get(key);
    if (earlier !== undefined && earlier.source === entry.source) {
      warnings.push(
        `${location(entry)}: ${entry.key} is given again; ${location(earlier)} is overridden`,
      );
    }
    chosen.set(key, entry);
  }
  return { chosen, warnings };
}

function location({ source, line }: PropertyEntry): string {
  return line === null ? source : `${source}:${line}`;
}

function describe(entry: PropertyEntry, definition: ConfigDefinition, reason: string): string {
  const shown = definition.type === 'password' ? HIDDEN : entry.value;
  return `${location(entry)}: ${entry.key}=${shown}: ${reason}`;
}
