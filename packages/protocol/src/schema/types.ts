/**
 * The words in which messages are declared. A declaration is an object of fields; its TypeScript
 * types are inferred, one for what decoding yields and one for what encoding accepts, and a codec
 * is compiled from it for each version (compile.ts).
 *
 * Field names, versions, tags and defaults are those of Kafka's message definitions. Jute's types
 * are in jute.ts.
 */
import {
  ALWAYS,
  type FixedKind,
  LATEST,
  type LengthForm,
  type MemberNode,
  NEVER,
  naturalDefault,
  type TypeNode,
  type VersionRange,
} from './node.ts';

/** Never there at run time: carries the two TypeScript types of a declaration. */
export declare const shape: unique symbol;

/** A type on the wire: `Out` comes out of decoding, `In` may be given to encoding. */
export class Type<Out, In = Out> {
  declare readonly [shape]?: { readonly out: Out; readonly in: In };
  readonly node: TypeNode;
  constructor(node: TypeNode) {
    this.node = node;
  }
}

/** A field that may be left out when encoding: it has a default. */
export class OptionalField<Out, In = Out> {
  declare readonly [shape]?: { readonly out: Out; readonly in: In };
  readonly member: Omit<MemberNode, 'name'>;
  constructor(member: Omit<MemberNode, 'name'>) {
    this.member = member;
  }
}

export type Fields = Readonly<Record<string, Type<unknown> | OptionalField<unknown>>>;

type OutOf<F> = F extends { readonly [shape]?: { readonly out: infer Out } } ? Out : never;
type InOf<F> = F extends { readonly [shape]?: { readonly in: infer In } } ? In : never;
type OptionalNames<F> = {
  [Name in keyof F]: F[Name] extends OptionalField<unknown> ? Name : never;
}[keyof F];
type Flat<T> = { [Name in keyof T]: T[Name] };

/** What decoding a struct of these fields yields: all of them. */
export type BodyOfFields<F extends Fields> = { readonly [Name in keyof F]: OutOf<F[Name]> };

/** What encoding a struct of these fields accepts: those with a default may be left out. */
export type InputOfFields<F extends Fields> = Flat<
  { readonly [Name in Exclude<keyof F, OptionalNames<F>>]: InOf<F[Name]> } & {
    readonly [Name in OptionalNames<F>]?: InOf<F[Name]> | undefined;
  }
>;

function fixed<T>(kind: FixedKind): Type<T> {
  return new Type<T>({ kind });
}

/** One byte; anything but zero reads as true. */
export const bool = fixed<boolean>('bool');
export const int8 = fixed<number>('int8');
export const int16 = fixed<number>('int16');
export const uint16 = fixed<number>('uint16');
export const int32 = fixed<number>('int32');
export const uint32 = fixed<number>('uint32');
/** 64 bits as a plain number: offsets, timestamps, epochs. Values beyond 2^53 are malformed. */
export const int64 = fixed<number>('int64');
/** 64 bits of which all may be used: producer ids, hashes. */
export const bigint64 = fixed<bigint>('bigint64');
export const float64 = fixed<number>('float64');
/** 16 bytes as 22 characters of URL-safe base64; `ZERO_UUID` means "none". */
export const uuid = fixed<string>('uuid');

export const string = new Type<string>({ kind: 'string', form: 'kafka', nullable: NEVER });
export const nullableString = new Type<string | null>({
  kind: 'string',
  form: 'kafka',
  nullable: ALWAYS,
});
/** Keeps its int16 length even in flexible versions: the client id of the request header. */
export const classicNullableString = new Type<string | null>({
  kind: 'string',
  form: 'classic',
  nullable: ALWAYS,
});
export const bytes = new Type<Buffer>({ kind: 'bytes', form: 'kafka', nullable: NEVER });
export const nullableBytes = new Type<Buffer | null>({
  kind: 'bytes',
  form: 'kafka',
  nullable: ALWAYS,
});

/** Record batches as they are: decoded as a slice, encoded from a buffer or a list of buffers. */
export const records = new Type<Buffer, Buffer | readonly Buffer[]>({
  kind: 'records',
  form: 'kafka',
  nullable: NEVER,
});
export const nullableRecords = new Type<Buffer | null, Buffer | readonly Buffer[] | null>({
  kind: 'records',
  form: 'kafka',
  nullable: ALWAYS,
});

/** A group of fields, with a tagged section of its own in flexible versions. */
export function struct<F extends Fields>(fields: F): Type<BodyOfFields<F>, InputOfFields<F>> {
  return new Type(structNode(fields, 'kafka', NEVER));
}

/** A struct, or null. */
export function nullableStruct<F extends Fields>(
  fields: F | Type<BodyOfFields<F>, InputOfFields<F>>,
): Type<BodyOfFields<F> | null, InputOfFields<F> | null>;
export function nullableStruct<Out, In>(type: Type<Out, In>): Type<Out | null, In | null>;
export function nullableStruct(fields: Fields | Type<unknown>): Type<unknown> {
  return nullableIn(ALWAYS, fields instanceof Type ? fields : struct(fields));
}

/** A list of one type, or of structs of the given fields. */
export function arrayOf<Out, In>(element: Type<Out, In>): Type<readonly Out[], readonly In[]>;
export function arrayOf<F extends Fields>(
  element: F,
): Type<readonly BodyOfFields<F>[], readonly InputOfFields<F>[]>;
export function arrayOf(element: Type<unknown> | Fields): Type<unknown> {
  return new Type(arrayNode(element, 'kafka', NEVER));
}

/** A list, or null. */
export function nullableArrayOf<Out, In>(
  element: Type<Out, In>,
): Type<readonly Out[] | null, readonly In[] | null>;
export function nullableArrayOf<F extends Fields>(
  element: F,
): Type<readonly BodyOfFields<F>[] | null, readonly InputOfFields<F>[] | null>;
export function nullableArrayOf(element: Type<unknown> | Fields): Type<unknown> {
  return new Type(arrayNode(element, 'kafka', ALWAYS));
}

/** A first version, or a first and a last one. */
export type Versions = number | VersionRange;

/** The same type, where null is allowed in some versions only. */
export function nullableIn<Out, In>(
  versions: Versions,
  type: Type<Out, In>,
): Type<Out | null, In | null> {
  const { node } = type;
  if (!('nullable' in node)) throw new TypeError(`${node.kind} has no form for null`);
  return new Type<Out | null, In | null>({ ...node, nullable: rangeOf(versions) });
}

/**
 * Marks a field whose value is dropped where a version lacks it. Without the mark a value other
 * than the default is refused there, since the peer would act on something else than was meant.
 */
export const ignorable: unique symbol = Symbol('ignorable');

/**
 * Marks a tagged field that goes onto the wire whenever it is given, null included. Kafka's own
 * writers do so where its definitions have a bare null for a default; a missing field reads as null.
 */
export const explicit: unique symbol = Symbol('explicit');

type Mark = typeof ignorable | typeof explicit;

/** A field that only some versions have; `fallback` stands for it in the others. */
export function since<Out, In>(
  versions: Versions,
  type: Type<Out, In>,
  fallback?: NoInfer<In>,
  mark?: typeof ignorable,
): OptionalField<Out, In> {
  return optional(rangeOf(versions), null, type, fallback, mark);
}

/** A field of all versions that has a default. */
export function defaulted<Out, In>(
  type: Type<Out, In>,
  fallback?: NoInfer<In>,
): OptionalField<Out, In> {
  return optional(ALWAYS, null, type, fallback, undefined);
}

/** A field in the tagged section: absent from the wire while it has its default. */
export function tagged<Out, In>(
  tag: number,
  versions: Versions,
  type: Type<Out, In>,
  fallback?: NoInfer<In>,
  mark?: Mark,
): OptionalField<Out, In> {
  return optional(rangeOf(versions), tag, type, fallback, mark);
}

function optional<Out, In>(
  versions: VersionRange,
  tag: number | null,
  type: Type<Out, In>,
  fallback: In | undefined,
  mark: Mark | undefined,
): OptionalField<Out, In> {
  // Empty lists are one frozen list, since a default is handed out with every message decoded.
  const natural = fallback === undefined || (Array.isArray(fallback) && fallback.length === 0);
  return new OptionalField<Out, In>({
    type: type.node,
    versions,
    tag,
    fallback: natural ? naturalDefault(type.node) : fallback,
    ignorable: mark === ignorable,
    explicit: mark === explicit,
  });
}

function rangeOf(versions: Versions): VersionRange {
  return typeof versions === 'number' ? [versions, LATEST] : versions;
}

/** The run-time form of an object of fields. */
export function membersOf(fields: Fields): readonly MemberNode[] {
  return Object.entries(fields).map(([name, field]) =>
    field instanceof OptionalField
      ? { name, ...field.member }
      : {
          name,
          type: field.node,
          versions: ALWAYS,
          tag: null,
          fallback: undefined,
          ignorable: false,
          explicit: false,
        },
  );
}

/** The run-time form of a struct. */
export function structNode(fields: Fields, form: LengthForm, nullable: VersionRange): TypeNode {
  return { kind: 'struct', form, nullable, members: membersOf(fields) };
}

/** The run-time form of a list. */
export function arrayNode(
  element: Type<unknown> | Fields,
  form: LengthForm,
  nullable: VersionRange,
): TypeNode {
  const node = element instanceof Type ? element.node : structNode(element, form, NEVER);
  return { kind: 'array', form, nullable, element: node };
}
