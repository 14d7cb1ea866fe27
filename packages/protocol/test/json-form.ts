/**
 * Bodies in the JSON form of the vectors: bytes as base64, 64-bit numbers as plain ones, fields
 * that the version lacks left out. Both ways, led by the declaration.
 */
import { type MemberNode, type TypeNode, within } from '../src/schema/node.ts';

type Json = unknown;
type Fields = Record<string, unknown>;

export function fromJson(members: readonly MemberNode[], json: Json): Fields {
  const given = json as Fields;
  return Object.fromEntries(
    members
      .filter(({ name }) => name in given)
      .map(({ name, type }) => [name, valueFromJson(type, given[name])]),
  );
}

function valueFromJson(type: TypeNode, json: Json): unknown {
  if (json === null) return null;
  switch (type.kind) {
    case 'bigint64':
      return BigInt(json as number);
    case 'bytes':
    case 'records':
      return Buffer.from(json as string, 'base64');
    case 'array':
      return (json as Json[]).map((element) => valueFromJson(type.element, element));
    case 'struct':
      return fromJson(type.members, json);
    default:
      return json;
  }
}

export function toJson(members: readonly MemberNode[], body: unknown, version: number): Fields {
  return Object.fromEntries(
    members
      .filter(({ versions }) => within(versions, version))
      .map(({ name, type }) => [name, valueToJson(type, (body as Fields)[name], version)]),
  );
}

function valueToJson(type: TypeNode, value: unknown, version: number): Json {
  if (value === null) return null;
  switch (type.kind) {
    case 'bigint64':
      return Number(value);
    case 'bytes':
    case 'records':
      return (value as Buffer).toString('base64');
    case 'array':
      return (value as unknown[]).map((element) => valueToJson(type.element, element, version));
    case 'struct':
      return toJson(type.members, value, version);
    default:
      return value;
  }
}

/** The names of the fields in `json`, as a tree: what a decoded body is compared on. */
export function onlyFieldsOf(json: Json, full: Json): Json {
  if (Array.isArray(json) && Array.isArray(full)) {
    return full.map((element, index) =>
      index < json.length ? onlyFieldsOf(json[index], element) : element,
    );
  }
  if (json !== null && full !== null && typeof json === 'object' && typeof full === 'object') {
    return Object.fromEntries(
      Object.entries(full)
        .filter(([name]) => name in json)
        .map(([name, value]) => [name, onlyFieldsOf((json as Fields)[name], value)]),
    );
  }
  return full;
}
