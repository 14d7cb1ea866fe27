/**
 * The types of Jute, ZooKeeper's record format: no versions, no tags, int32 lengths throughout, -1
 * for null. Compiled by the same machinery as Kafka's.
 */
import { ALWAYS, NEVER } from './node.ts';
import {
  arrayNode,
  type BodyOfFields,
  bigint64,
  bool,
  type Fields,
  float64,
  type InputOfFields,
  int8,
  int32,
  structNode,
  Type,
} from './types.ts';

function vector<Out, In>(element: Type<Out, In>): Type<readonly Out[], readonly In[]>;
function vector<F extends Fields>(
  element: F,
): Type<readonly BodyOfFields<F>[], readonly InputOfFields<F>[]>;
function vector(element: Type<unknown> | Fields): Type<unknown> {
  return new Type(arrayNode(element, 'jute', NEVER));
}

function nullableVector<Out, In>(
  element: Type<Out, In>,
): Type<readonly Out[] | null, readonly In[] | null>;
function nullableVector<F extends Fields>(
  element: F,
): Type<readonly BodyOfFields<F>[] | null, readonly InputOfFields<F>[] | null>;
function nullableVector(element: Type<unknown> | Fields): Type<unknown> {
  return new Type(arrayNode(element, 'jute', ALWAYS));
}

function struct<F extends Fields>(fields: F): Type<BodyOfFields<F>, InputOfFields<F>> {
  return new Type(structNode(fields, 'jute', NEVER));
}

export const jute = {
  byte: int8,
  bool,
  int: int32,
  /** All 64 bits: zxids and session ids need them. */
  long: bigint64,
  double: float64,
  ustring: new Type<string>({ kind: 'string', form: 'jute', nullable: NEVER }),
  nullableUstring: new Type<string | null>({ kind: 'string', form: 'jute', nullable: ALWAYS }),
  /** A slice of the input. */
  buffer: new Type<Buffer>({ kind: 'bytes', form: 'jute', nullable: NEVER }),
  nullableBuffer: new Type<Buffer | null>({ kind: 'bytes', form: 'jute', nullable: ALWAYS }),
  vector,
  nullableVector,
  /** A record inside a record. */
  struct,
} as const;
