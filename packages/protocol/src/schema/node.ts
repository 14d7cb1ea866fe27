/**
 * What a declaration is made of at run time: a small tree that the compiler (compile.ts) and the
 * tests walk. The combinators of types.ts and jute.ts build it and carry its TypeScript types.
 */

/** First and last version, both included. */
export type VersionRange = readonly [from: number, to: number];

/** "In every version from now on". */
export const LATEST = 32767;
/** "In every version." */
export const ALWAYS: VersionRange = [0, LATEST];
/** "In no version." */
export const NEVER: VersionRange = [LATEST, -1];

export function within(range: VersionRange, version: number): boolean {
  return version >= range[0] && version <= range[1];
}

export type FixedKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'bigint64'
  | 'float64'
  | 'uuid';

/** Bytes that each fixed-size kind takes. */
export const FIXED_SIZE_BYTES: Readonly<Record<FixedKind, number>> = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  bigint64: 8,
  float64: 8,
  uuid: 16,
};

/**
 * How lengths and counts are written: `kafka` is classic or compact by the message's version,
 * `classic` never becomes compact, `jute` has int32 everywhere and no tagged fields.
 */
export type LengthForm = 'kafka' | 'classic' | 'jute';

export interface FixedNode {
  readonly kind: FixedKind;
}
export interface StringNode {
  readonly kind: 'string';
  readonly form: LengthForm;
  readonly nullable: VersionRange;
}
/** `records` are bytes that may also be given as a list of buffers, written one after the other. */
export interface BytesNode {
  readonly kind: 'bytes' | 'records';
  readonly form: LengthForm;
  readonly nullable: VersionRange;
}
export interface ArrayNode {
  readonly kind: 'array';
  readonly form: LengthForm;
  readonly nullable: VersionRange;
  readonly element: TypeNode;
}
export interface StructNode {
  readonly kind: 'struct';
  readonly form: LengthForm;
  readonly nullable: VersionRange;
  readonly members: readonly MemberNode[];
}
export type TypeNode = FixedNode | StringNode | BytesNode | ArrayNode | StructNode;

export interface MemberNode {
  readonly name: string;
  readonly type: TypeNode;
  /** Where the field is on the wire. */
  readonly versions: VersionRange;
  /** Number in the tagged section; null for a field in line. */
  readonly tag: number | null;
  /** The value when the field is absent or not given; undefined: it must be given. */
  readonly fallback: unknown;
  /** A value that the version cannot carry is dropped; otherwise it is refused. */
  readonly ignorable: boolean;
  /** A tagged field that is written whenever it is given, even with its default. */
  readonly explicit: boolean;
}

const NO_BYTES = Buffer.alloc(0);
const NO_ELEMENTS: readonly never[] = Object.freeze([]);

/** The value of a type when nothing says otherwise: zero, empty, or a struct of defaults. */
export function naturalDefault(node: TypeNode): unknown {
  switch (node.kind) {
    case 'bool':
      return false;
    case 'bigint64':
      return 0n;
    case 'uuid':
      return 'AAAAAAAAAAAAAAAAAAAAAA';
    case 'string':
      return '';
    case 'bytes':
    case 'records':
      return NO_BYTES;
    case 'array':
      return NO_ELEMENTS;
    case 'struct':
      return Object.freeze(
        Object.fromEntries(
          node.members.map(({ name, type, fallback }) => [
            name,
            fallback === undefined ? naturalDefault(type) : fallback,
          ]),
        ),
      );
    default:
      return 0;
  }
}
