/**
 * What a configuration value may be, beyond its type: each rule with the words that tell it, which
 * stand in the error and in the docs page alike.
 */

export interface Validator<Value> {
  /** Reads on from "must be ", such as "between 1 and 65535". */
  readonly allowed: string;
  accepts(value: Value): boolean;
}

export function between(min: number, max: number): Validator<number> {
  return {
    allowed: `between ${min} and ${max}`,
    accepts: (value) => value >= min && value <= max,
  };
}

export function atLeast(min: number): Validator<number> {
  return { allowed: `at least ${min}`, accepts: (value) => value >= min };
}

/** One of these words, exactly as written. */
export function oneOf(...words: readonly string[]): Validator<string> {
  return {
    allowed: words.length === 1 ? `${words[0]}` : `one of ${words.join(', ')}`,
    accepts: (value) => words.includes(value),
  };
}

/** One of these words, in upper or lower case. */
export function oneOfAnyCase(...words: readonly string[]): Validator<string> {
  const known = words.map((word) => word.toLowerCase());
  return {
    allowed: `one of ${words.join(', ')}`,
    accepts: (value) => known.includes(value.toLowerCase()),
  };
}

/** A text or a list with something in it. */
export const nonEmpty: Validator<{ readonly length: number }> = {
  allowed: 'not empty',
  accepts: (value) => value.length > 0,
};

/** @param allowed reads on from "must be " */
export function matching(pattern: RegExp, allowed: string): Validator<string> {
  return { allowed, accepts: (value) => pattern.test(value) };
}

/** Every entry of a list keeps the rule. */
export function each(rule: Validator<string>): Validator<readonly string[]> {
  return {
    allowed: `a list, each ${rule.allowed}`,
    accepts: (values) => values.every((value) => rule.accepts(value)),
  };
}

/** All of the rules together. */
export function allOf<Value>(...rules: readonly Validator<Value>[]): Validator<Value> {
  return {
    allowed: rules.map((rule) => rule.allowed).join(' and '),
    accepts: (value) => rules.every((rule) => rule.accepts(value)),
  };
}
