/** Random bodies for a declared message, in the shape that decoding yields. */
import fc from 'fast-check';
import { type MemberNode, type TypeNode, within } from '../src/schema/node.ts';

/** Everything a version can carry is random; what it cannot carry has its default. */
export function bodyOf(
  members: readonly MemberNode[],
  version: number,
): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(
    Object.fromEntries(
      members.map(({ name, type, versions, fallback }) => [
        name,
        within(versions, version)
          ? fallback === undefined
            ? anyOf(type, version)
            : fc.oneof(
                { weight: 1, arbitrary: fc.constant(fallback) },
                { weight: 3, arbitrary: anyOf(type, version) },
              )
          : fc.constant(fallback),
      ]),
    ),
    { noNullPrototype: true },
  );
}

const anyBuffer = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  // Around the size from which bytes are referenced and no longer copied.
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1000, max: 1100 }).map((size) => Buffer.alloc(size, size)),
  },
);

function anyOf(type: TypeNode, version: number): fc.Arbitrary<unknown> {
  const value = present(type, version);
  return 'nullable' in type && within(type.nullable, version)
    ? fc.oneof({ weight: 1, arbitrary: fc.constant(null) }, { weight: 4, arbitrary: value })
    : value;
}

function present(type: TypeNode, version: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'bool':
      return fc.boolean();
    case 'int8':
      return fc.integer({ min: -128, max: 127 });
    case 'int16':
      return fc.integer({ min: -32768, max: 32767 });
    case 'uint16':
      return fc.integer({ min: 0, max: 65535 });
    case 'int32':
      return fc.integer();
    case 'uint32':
      return fc.integer({ min: 0, max: 4294967295 });
    case 'int64':
      return fc.maxSafeInteger();
    case 'bigint64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'float64':
      return fc.double();
    case 'uuid':
      return fc
        .uint8Array({ minLength: 16, maxLength: 16 })
        .map((bytes) => Buffer.from(bytes).toString('base64url'));
    case 'string':
      return fc.oneof(
        { weight: 8, arbitrary: fc.string({ maxLength: 30 }) },
        { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
        { weight: 1, arbitrary: fc.string({ minLength: 120, maxLength: 140 }) },
      );
    case 'bytes':
    case 'records':
      return anyBuffer;
    case 'array':
      return fc.array(anyOf(type.element, version), { maxLength: 3 });
    case 'struct':
      return bodyOf(type.members, version);
  }
}
