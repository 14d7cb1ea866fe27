/**
 * A decoded message as JSON, the way Kafka's tools show one: fields by their names in the order of
 * the definition, those that the version has not left out, tagged ones only when they differ from
 * their default, bytes in base64, 64-bit numbers in digits. Reading JSON back is not here.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Message } from './api.ts';
import { type MemberNode, naturalDefault, type TypeNode, within } from './node.ts';

/** JSON text of what a version of a message was decoded to. */
export function messageToJson<Body, Input>(
  message: Message<Body, Input>,
  body: Body,
  version: number,
  /** Text that stands for a field instead, by its name wherever it occurs; null: its own value. */
  replace: (field: string, value: unknown) => string | null = () => null,
): string {
  return structToJson(message.members, body, { version, replace });
}

interface Form {
  readonly version: number;
  readonly replace: (field: string, value: unknown) => string | null;
}

function structToJson(members: readonly MemberNode[], body: unknown, form: Form): string {
  const values = body as Readonly<Record<string, unknown>>;
  const fields: string[] = [];
  for (const member of members) {
    const value = values[member.name];
    if (!within(member.versions, form.version)) continue;
    if (member.tag !== null && isDeepStrictEqual(value, defaultOf(member))) continue;
    const text = form.replace(member.name, value) ?? valueToJson(member.type, value, form);
    fields.push(`${JSON.stringify(member.name)}:${text}`);
  }
  return `{${fields.join(',')}}`;
}

function defaultOf({ fallback, type }: MemberNode): unknown {
  return fallback === undefined ? naturalDefault(type) : fallback;
}

function valueToJson(type: TypeNode, value: unknown, form: Form): string {
  if (value === null) return 'null';
  switch (type.kind) {
    case 'struct':
      return structToJson(type.members, value, form);
    case 'array':
      return `[${(value as readonly unknown[]).map((one) => valueToJson(type.element, one, form)).join(',')}]`;
    case 'bytes':
    case 'records':
      return `"${(value as Buffer).toString('base64')}"`;
    case 'string':
    case 'uuid':
      return JSON.stringify(value);
    default:
      return String(value);
  }
}
