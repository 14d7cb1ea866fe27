/**
 * The words of one shell command, read as the original's parser (commons-cli) reads them: single-dash
 * options anywhere among the words, letters that may stand together (`-sw`), values behind or attached
 * (`-v 3`, `-v3`, `-v=3`), `--` before words that begin with a dash, and its messages for mistakes.
 */
import { ShellError } from './failures.ts';

export interface ShellOption {
  readonly takesValue?: boolean;
  /** For the table that some usages show. */
  readonly about: string;
}

export interface ShellOptions {
  readonly options: Readonly<Record<string, ShellOption>>;
  /** At most one of these; exactly one if `required`. */
  readonly oneOf?: { readonly names: readonly string[]; readonly required: boolean };
}

export interface ParsedWords {
  has(option: string): boolean;
  /** The first value given. */
  valueFor(option: string): string | undefined;
  /** Words that are no options, without the command's name. */
  readonly words: readonly string[];
}

const PARSER = 'org.apache.commons.cli';

/**
 * @param args the words behind the command's name
 * @throws ShellError with the parser's own message
 */
export function parseWords(args: readonly string[], { options, oneOf }: ShellOptions): ParsedWords {
  const values = new Map<string, string[]>();
  const words: string[] = [];
  let open: string | null = null;
  let onlyWords = false;
  let chosen: string | null = null;

  const isKnown = (name: string): boolean => Object.hasOwn(options, name);
  const looksLikeOption = (token: string): boolean => {
    if (!token.startsWith('-') || token.length === 1) return false;
    const name = token.slice(1).split('=', 1)[0] ?? '';
    return isKnown(name) || isKnown(name.slice(0, 1));
  };
  const isValue = (token: string): boolean =>
    !looksLikeOption(token) || /^-\d+(\.\d+)?$/.test(token);
  const closeOpen = (): void => {
    if (open !== null) refuse('MissingArgumentException', `Missing argument for option: ${open}`);
  };
  const take = (name: string): void => {
    closeOpen();
    if (oneOf?.names.includes(name) === true) {
      if (chosen !== null && chosen !== name)
        refuse(
          'AlreadySelectedException',
          `The option '${name}' was specified but an option from this group has already been selected: '${chosen}'`,
        );
      chosen = name;
    }
    if (!values.has(name)) values.set(name, []);
    if (options[name]?.takesValue === true) open = name;
  };
  const give = (value: string): void => {
    if (open !== null) values.get(open)?.push(value);
    open = null;
  };
  const takeTogether = (token: string): void => {
    for (let at = 1; at < token.length; at += 1) {
      const letter = token[at] ?? '';
      if (!isKnown(letter)) refuse('UnrecognizedOptionException', `Unrecognized option: ${token}`);
      take(letter);
      if (open === null || at + 1 === token.length) continue;
      give(token.slice(at + 1));
      return;
    }
  };

  for (const token of args) {
    if (onlyWords) words.push(token);
    else if (token === '--') onlyWords = true;
    else if (open !== null && isValue(token)) give(unquoted(token));
    else if (!token.startsWith('-') || token === '-') {
      closeOpen();
      words.push(token);
    } else {
      const [name = '', ...value] = token.slice(1).split('=');
      if (token.startsWith('--'))
        refuse('UnrecognizedOptionException', `Unrecognized option: ${token}`);
      if (isKnown(token.slice(1))) take(token.slice(1));
      else if (value.length > 0 && options[name]?.takesValue === true) {
        take(name);
        give(value.join('='));
      } else takeTogether(token);
    }
  }
  closeOpen();
  if (oneOf?.required === true && chosen === null)
    refuse(
      'MissingOptionException',
      `Missing required option: [${oneOf.names.map((name) => `-${name} ${options[name]?.about}`).join(', ')}]`,
    );
  return {
    has: (option) => values.has(option),
    valueFor: (option) => values.get(option)?.[0],
    words,
  };
}

/** The table under a usage: each option, its value, what it is for. */
export function optionTable(options: ShellOptions['options']): string {
  const rows = Object.entries(options)
    .sort(([a], [b]) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))
    .map(
      ([name, { takesValue = false, about }]) =>
        [` -${name}${takesValue ? ' <arg>' : ''}`, about] as const,
    );
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, about]) => `${left.padEnd(width)}   ${about}\n`).join('');
}

function refuse(exception: string, message: string): never {
  throw new ShellError(`${PARSER}.${exception}: ${message}`);
}

function unquoted(token: string): string {
  return token.replace(/^(["'])(.*)\1$/s, '$2');
}

/** Java's reading of a decimal integer. @throws ShellError in Java's words */
export function integerOf(text: string, bits: 32 | 64 = 32): bigint {
  if (/^[+-]?\d+$/.test(text)) {
    const value = BigInt(text.replace(/^\+/, ''));
    if (value === BigInt.asIntN(bits, value)) return value;
  }
  throw new ShellError(`For input string: "${text}"`);
}
