/**
 * JSON as the original's admin server prints it: blanks around colons and inside brackets, lists on
 * one line, and 64-bit numbers as bare numbers, which scripts that cut the text by eye rely on.
 */

export type Json =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json };

export function prettyJson(value: Json, indent = ''): string {
  if (value === null || typeof value !== 'object') {
    return typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
  }
  if (isList(value)) {
    if (value.length === 0) return '[ ]';
    return `[ ${value.map((item) => prettyJson(item, indent)).join(', ')} ]`;
  }
  const deeper = `${indent}  `;
  const members = Object.entries(value).map(
    ([name, member]) => `${deeper}${JSON.stringify(name)} : ${prettyJson(member, deeper)}`,
  );
  return members.length === 0 ? '{ }' : `{\n${members.join(',\n')}\n${indent}}`;
}

const isList = (value: object): value is readonly Json[] => Array.isArray(value);
