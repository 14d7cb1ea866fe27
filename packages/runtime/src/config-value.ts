/**
 * The types of configuration values: text into value, value into text, and what is allowed, in words.
 * A `long` is a number here: what lies beyond the exactly representable integers, such as Kafka's
 * "9223372036854775807 for no limit", becomes the outermost of them and is written out in full again.
 */
import type { Validator } from './config-validators.ts';
import { Secret } from './secret.ts';

/** What each type's values are in memory. */
export interface ConfigValueTypes {
  string: string;
  int: number;
  long: number;
  short: number;
  double: number;
  boolean: boolean;
  list: readonly string[];
  password: Secret;
  path: string;
  pathList: readonly string[];
  class: string;
}

export type ConfigType = keyof ConfigValueTypes;
export type ConfigValue = ConfigValueTypes[ConfigType];

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** How one type is read and written. */
interface TypeRules<Value> {
  /** In words, reading on from "must be ". */
  readonly allowed: string;
  /** @returns null when the text is no such value */
  parse(text: string, homeDirectory: string): Value | null;
  format(value: Value): string;
}

function integer(name: string, min: number, max: number): TypeRules<number> {
  return {
    allowed: `${name} from ${min} to ${max}`,
    parse(text) {
      if (!/^[+-]?\d+$/.test(text)) return null;
      const value = Number(text);
      return value >= min && value <= max ? value + 0 : null;
    },
    format: String,
  };
}

const long: TypeRules<number> = {
  allowed: `an integer from ${INT64_MIN} to ${INT64_MAX}`,
  parse(text) {
    if (!/^[+-]?\d{1,30}$/.test(text)) return null;
    const exact = BigInt(text.replace(/^\+/, ''));
    if (exact > INT64_MAX || exact < INT64_MIN) return null;
    if (exact > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
    if (exact < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
    return Number(exact);
  },
  format(value) {
    if (value >= Number.MAX_SAFE_INTEGER) return String(INT64_MAX);
    if (value <= Number.MIN_SAFE_INTEGER) return String(INT64_MIN);
    return String(value);
  },
};

/** As Java writes a double, which is what operators and tools compare with: 0.5, 1.0, 1.0E7. */
function javaDouble(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e7)) {
    return Number.isInteger(value) ? value.toFixed(1) : String(value);
  }
  const [mantissa = '', exponent = ''] = value.toExponential().split('e');
  return `${mantissa.includes('.') ? mantissa : `${mantissa}.0`}E${Number(exponent)}`;
}

const double: TypeRules<number> = {
  allowed: 'a number',
  parse(text) {
    if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return null;
    const value = Number(text);
    return Number.isFinite(value) ? value : null;
  },
  format: javaDouble,
};

const boolean: TypeRules<boolean> = {
  allowed: 'true or false',
  parse(text) {
    const word = text.toLowerCase();
    if (word !== 'true' && word !== 'false') return null;
    return word === 'true';
  },
  format: String,
};

const string: TypeRules<string> = {
  allowed: 'a text',
  parse: (text) => text,
  format: (value) => value,
};

const splitList = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

const list: TypeRules<readonly string[]> = {
  allowed: 'a list separated by commas',
  parse: splitList,
  format: (values) => values.join(','),
};

/** `~` alone or in front of a slash is the home folder; other users' homes are not known here. */
function expandHome(path: string, homeDirectory: string): string {
  if (path === '~') return homeDirectory;
  return path.startsWith('~/') ? homeDirectory + path.slice(1) : path;
}

const rules: { readonly [Type in ConfigType]: TypeRules<ConfigValueTypes[Type]> } = {
  string,
  int: integer('an integer', -(2 ** 31), 2 ** 31 - 1),
  long,
  short: integer('an integer', -(2 ** 15), 2 ** 15 - 1),
  double,
  boolean,
  list,
  password: {
    allowed: 'a text',
    parse: (text) => new Secret(text),
    format: String,
  },
  path: { ...string, allowed: 'a path', parse: expandHome },
  pathList: {
    ...list,
    allowed: 'a list of paths separated by commas',
    parse: (text, homeDirectory) => splitList(text).map((path) => expandHome(path, homeDirectory)),
  },
  class: { ...string, allowed: 'a class name' },
};

/** A type with the rule its values keep: the part of a definition that parsing needs. */
export interface ValueRule<Type extends ConfigType> {
  readonly type: Type;
  readonly validate?: Validator<ConfigValueTypes[Type]>;
}

/**
 * Reads one value; blanks around it do not count.
 * @returns the value, or in `allowed` what it should have been, reading on from "must be "
 */
export function parseConfigValue<Type extends ConfigType>(
  rule: ValueRule<Type>,
  text: string,
  homeDirectory: string,
): { readonly value: ConfigValueTypes[Type] } | { readonly allowed: string } {
  const { type, validate } = rule;
  const value = rules[type].parse(text.trim(), homeDirectory);
  const accepted = value !== null && (validate === undefined || validate.accepts(value));
  return accepted ? { value } : { allowed: allowedValues(rule) };
}

/** A value as it would stand in a file; passwords are hidden. */
export function formatConfigValue<Type extends ConfigType>(
  type: Type,
  value: ConfigValueTypes[Type],
): string {
  return rules[type].format(value);
}

/** What a key takes, in words, reading on from "must be ". */
export function allowedValues<Type extends ConfigType>({
  type,
  validate,
}: ValueRule<Type>): string {
  const { allowed } = rules[type];
  if (validate === undefined) return allowed;
  // A text's own rule says it all; a number's leaves open that it is to be a whole one.
  const numeric = type === 'int' || type === 'long' || type === 'short';
  if (numeric) return `an integer ${validate.allowed}`;
  return type === 'double' ? `a number ${validate.allowed}` : validate.allowed;
}
