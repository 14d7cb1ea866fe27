/**
 * Our declarations against Kafka's own definitions: for every message and every version, the same
 * fields in the same order, of the same types, with the same nulls, tags, defaults and treatment of
 * what a version cannot carry. Needs the definitions beside the project; without them the vectors
 * of the project still hold each message to its bytes.
 */
import { describe, expect, test } from '@jest/globals';
import type { Message } from '../../src/schema/api.ts';
import { type MemberNode, naturalDefault, type TypeNode, within } from '../../src/schema/node.ts';
import { allMessages, versionsOf } from '../all-messages.ts';
import * as reference from '../reference.ts';

type Range = readonly [from: number, to: number];
const NONE: Range = [1, 0];

function rangeOf(text: string | undefined): Range {
  if (text === undefined || text === 'none') return NONE;
  const [from, to] = text.replace('+', '-99').split('-').map(Number);
  if (from === undefined) throw new Error(`no range: ${text}`);
  return [from, to ?? from];
}

const isIn = ([from, to]: Range, version: number) => version >= from && version <= to;

/** What both sides are reduced to before they are compared, for one version. */
interface Described {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly tag: number | null;
  readonly fields: readonly Described[] | null;
}

function describeOurs(members: readonly MemberNode[], version: number): Described[] {
  return ordered(
    members
      .filter(({ versions }) => within(versions, version))
      .map(({ name, type, tag }) => ({ name, tag, ...describeType(type, version) })),
  );
}

function describeType(type: TypeNode, version: number): Omit<Described, 'name' | 'tag'> {
  const nullable = 'nullable' in type && within(type.nullable, version);
  if (type.kind === 'array') {
    const element = describeType(type.element, version);
    return { type: `[]${element.type}`, nullable, fields: element.fields };
  }
  if (type.kind === 'struct') {
    return { type: 'struct', nullable, fields: describeOurs(type.members, version) };
  }
  const classic = 'form' in type && type.form === 'classic' ? 'classic ' : '';
  const kind = type.kind === 'bigint64' ? 'int64' : type.kind;
  return { type: `${classic}${kind}`, nullable, fields: null };
}

class Theirs {
  readonly #definition: reference.Definition;
  readonly #structs = new Map<string, readonly reference.DefinedField[]>();

  constructor(definition: reference.Definition) {
    this.#definition = definition;
    for (const { name, fields } of definition.commonStructs ?? []) this.#collect(name, fields);
    this.#collect('', definition.fields);
  }

  #collect(name: string, fields: readonly reference.DefinedField[]): void {
    this.#structs.set(name, fields);
    for (const field of fields) {
      if (field.fields !== undefined) this.#collect(field.type.replace('[]', ''), field.fields);
    }
  }

  fieldsOf({ type, fields }: reference.DefinedField): readonly reference.DefinedField[] {
    return fields ?? this.#structs.get(type.replace('[]', '')) ?? [];
  }

  describe(fields: readonly reference.DefinedField[], version: number): Described[] {
    return ordered(
      fields
        .filter(({ versions, taggedVersions }) =>
          isIn(rangeOf(versions ?? taggedVersions), version),
        )
        .map((field) => {
          const base = field.type.replace('[]', '');
          const isStruct = /^[A-Z]/.test(base);
          const classic = field.flexibleVersions === 'none' ? 'classic ' : '';
          return {
            name: reference.fieldName(this.#definition.name, field.name),
            tag: isIn(rangeOf(field.taggedVersions), version) ? Number(field.tag) : null,
            type: `${field.type.startsWith('[]') ? '[]' : ''}${classic}${isStruct ? 'struct' : base}`,
            nullable: isIn(rangeOf(field.nullableVersions), version),
            fields: isStruct ? this.describe(this.fieldsOf(field), version) : null,
          };
        }),
    );
  }
}

/** Fields in line in their order, then tagged ones by tag. */
function ordered(fields: readonly Described[]): Described[] {
  return [...fields].sort((one, other) => (one.tag ?? -1) - (other.tag ?? -1));
}

/** Drops tagged fields of ours that an older release does not know yet: readers skip them. */
function asFarAsKnown(ours: readonly Described[], theirs: readonly Described[]): Described[] {
  return ours
    .filter(({ name, tag }) => tag === null || theirs.some((field) => field.name === name))
    .map((field) => {
      const known = theirs.find(({ name }) => name === field.name)?.fields;
      return field.fields === null || known === undefined || known === null
        ? field
        : { ...field, fields: asFarAsKnown(field.fields, known) };
    });
}

/** A request whose header has no room for a client id has none, which is null and not empty. */
const DEFAULTS_OF_OUR_OWN: ReadonlyMap<string, unknown> = new Map([
  ['RequestHeader.ClientId', null],
]);

function defaultOf(field: reference.DefinedField, type: TypeNode): unknown {
  const given = field.default;
  if (given === undefined || given === '') return naturalDefault(type);
  if ((given === null || given === 'null') && field.nullableVersions !== undefined) return null;
  switch (type.kind) {
    case 'bool':
      return String(given) === 'true';
    case 'bigint64':
      return BigInt(given as string);
    case 'string':
      return given;
    case 'struct':
      return naturalDefault(type);
    default:
      return Number(given);
  }
}

/** Defaults and treatment of unknown values, which hold for all versions at once. */
function compareDefaults(
  theirs: Theirs,
  message: string,
  fields: readonly reference.DefinedField[],
  members: readonly MemberNode[],
  validVersions: Range,
): void {
  for (const field of fields) {
    const present = rangeOf(field.versions ?? field.taggedVersions);
    if (present[0] > validVersions[1] || present[1] < validVersions[0]) continue;
    const name = reference.fieldName(message, field.name);
    const member = members.find((candidate) => candidate.name === name);
    if (member === undefined) throw new Error(`${message}.${name} is not declared`);
    if (member.fallback === undefined) {
      expect({ name, default: field.default }).toEqual({ name, default: undefined });
    } else {
      expect({ name, default: member.fallback }).toEqual({
        name,
        default: DEFAULTS_OF_OUR_OWN.has(`${message}.${field.name}`)
          ? DEFAULTS_OF_OUR_OWN.get(`${message}.${field.name}`)
          : defaultOf(field, member.type),
      });
    }
    const everywhere = present[0] <= validVersions[0] && present[1] >= validVersions[1];
    if (!everywhere) {
      expect({ name, ignorable: member.ignorable }).toEqual({
        name,
        ignorable: field.ignorable === true,
      });
    }
    const inner = member.type.kind === 'array' ? member.type.element : member.type;
    if (inner.kind === 'struct') {
      const within: Range = [
        Math.max(present[0], validVersions[0]),
        Math.min(present[1], validVersions[1]),
      ];
      compareDefaults(theirs, message, theirs.fieldsOf(field), inner.members, within);
    }
  }
}

const whenThere = reference.missing === null ? describe : describe.skip;
const definitions =
  reference.missing === null ? reference.lines.map((line) => reference.definitions(line)) : [];
const [before = [], after = []] = definitions;
const renewed = new Set(after.map(({ name }) => name));

whenThere.each(reference.lines)('definitions of %s', (line) => {
  const ours = line === 'kafka-messages' ? before : after;
  test.each(ours.map((definition) => [definition.name, definition] as const))(
    '%s',
    (name, definition) => {
      const message = allMessages.get(reference.exportName(name));
      if (message === undefined) throw new Error(`${name} is not declared`);
      const theirs = new Theirs(definition);
      const valid = rangeOf(definition.validVersions);
      if (definition.type === 'request' || definition.type === 'response') {
        expect(message.spec.key).toBe(definition.apiKey);
      }
      for (let version = valid[0]; version <= valid[1]; version++) {
        if (reference.REPLACED.has(`${line} ${name} ${version}`)) continue;
        const number = definition.type === 'coordinator-key' ? (definition.apiKey ?? 0) : version;
        const expected = theirs.describe(definition.fields, version);
        const declared = describeOurs(message.members, number);
        const compared = line === 'kafka-messages' ? asFarAsKnown(declared, expected) : declared;
        expect({ version, fields: compared }).toEqual({ version, fields: expected });
        expect(message.isFlexible(number)).toBe(
          isIn(rangeOf(definition.flexibleVersions), version),
        );
        expect(versionsOf(message)).toContain(number);
      }
      // Where a later release says something else about a field, that holds.
      if (line === 'kafka-messages' && renewed.has(name)) return;
      compareDefaults(theirs, name, definition.fields, message.members, valid);
    },
  );
});

whenThere('as a whole', () => {
  test('nothing is declared that Kafka does not have, and no version either', () => {
    const known = new Map<string, Set<number>>();
    for (const definition of [...before, ...after]) {
      const versions = known.get(reference.exportName(definition.name)) ?? new Set<number>();
      const [from, to] = rangeOf(definition.validVersions);
      for (let version = from; version <= to; version++) {
        versions.add(definition.type === 'coordinator-key' ? (definition.apiKey ?? 0) : version);
      }
      known.set(reference.exportName(definition.name), versions);
    }
    const declared = new Map(
      [...allMessages].map(([name, message]: [string, Message<unknown>]) => [
        name,
        new Set(versionsOf(message)),
      ]),
    );
    expect(declared).toEqual(known);
  });

  test('versions that the definitions call unstable, in the newest line, are marked', () => {
    for (const { type, name, latestVersionUnstable, validVersions } of after) {
      if (type !== 'request' || latestVersionUnstable !== true) continue;
      const message = allMessages.get(reference.exportName(name));
      expect({ name, unstable: message?.spec.unstable }).toEqual({
        name,
        unstable: expect.arrayContaining([rangeOf(validVersions)[1]]),
      });
    }
  });
});

if (reference.missing !== null) console.log(reference.missing);
