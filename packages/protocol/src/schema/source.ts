/**
 * The text of a codec in the making: lines, fresh names, constants, and expressions that both
 * directions need. Only declarations of our own end up in the text, never received data.
 */
import { MAX_STRING_BYTES } from '../wire/writer.ts';
import {
  FIXED_SIZE_BYTES,
  type LengthForm,
  type TypeNode,
  type VersionRange,
  within,
} from './node.ts';

/** For which version, in which form, code is being written. */
export interface Target {
  readonly version: number;
  /** Compact lengths and tagged sections. */
  readonly flexible: boolean;
}

export class Source {
  /** Values that the code refers to as `k[index]`. */
  readonly constants: unknown[] = [];
  readonly #lines: string[] = [];
  #names = 0;

  get text(): string {
    return this.#lines.join('\n');
  }

  add(line: string): void {
    this.#lines.push(line);
  }

  /** Adds a line to be filled in later and returns its number. */
  addOpen(): number {
    return this.#lines.push('') - 1;
  }

  fill(lineIndex: number, line: string): void {
    this.#lines[lineIndex] = line;
  }

  /** A variable name that no other line uses. */
  fresh(): string {
    this.#names++;
    return `v${this.#names}`;
  }

  /** An expression for a value of a declaration. */
  literal(value: unknown): string {
    if (typeof value === 'bigint') return `${value}n`;
    if (value === null || typeof value === 'number' || typeof value === 'boolean') {
      return String(value);
    }
    if (typeof value === 'string') return JSON.stringify(value);
    this.constants.push(value);
    return `k[${this.constants.length - 1}]`;
  }
}

/** `base + offset` as an index expression. */
export function index(offset: number): string {
  return offset === 0 ? 'p' : `p + ${offset}`;
}

export function isCompact(form: LengthForm, { flexible }: Target): boolean {
  return flexible && form === 'kafka';
}

export function allowsNull(nullable: VersionRange, { version }: Target): boolean {
  return within(nullable, version);
}

/** Bytes of a length or count in front of a value; compact ones have at least one. */
export function prefixSize(node: TypeNode & { readonly form: LengthForm }, target: Target): number {
  if (isCompact(node.form, target)) return 1;
  return node.kind === 'string' && node.form !== 'jute' ? 2 : 4;
}

/** Longest value behind a length, in bytes. */
export function maxSize(node: TypeNode & { readonly form: LengthForm }): number {
  return node.kind === 'string' && node.form !== 'jute' ? MAX_STRING_BYTES : 0x7fffffff;
}

/** The fewest bytes a value can take: what a count may promise is bounded by it. */
export function minSize(node: TypeNode, target: Target): number {
  switch (node.kind) {
    case 'string':
    case 'bytes':
    case 'records':
    case 'array':
      return prefixSize(node, target);
    case 'struct': {
      if (allowsNull(node.nullable, target)) return 1;
      let size = isCompact(node.form, target) ? 1 : 0;
      for (const member of node.members) {
        if (member.tag === null && within(member.versions, target.version)) {
          size += minSize(member.type, target);
        }
      }
      return size;
    }
    default:
      return FIXED_SIZE_BYTES[node.kind];
  }
}

/** An expression that tells whether the value named `value` is the default of its field. */
export function isDefault(node: TypeNode, value: string, fallback: unknown): string {
  if (fallback === null) return `${value} === null`;
  switch (node.kind) {
    case 'bytes':
    case 'records':
    case 'array':
      return `(${value} !== null && ${value}.length === 0)`;
    case 'struct': {
      const defaults = fallback as Readonly<Record<string, unknown>>;
      const tests = node.members.map(({ name, type }) => {
        const member = `${value}[${JSON.stringify(name)}]`;
        return `(${member} === undefined || ${isDefault(type, member, defaults[name])})`;
      });
      return `(${[`${value} !== null`, ...tests].join(' && ')})`;
    }
    case 'bigint64':
      return `${value} === ${String(fallback)}n`;
    case 'string':
    case 'uuid':
      return `${value} === ${JSON.stringify(fallback)}`;
    default:
      return `${value} === ${String(fallback)}`;
  }
}
