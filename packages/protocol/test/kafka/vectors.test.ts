/**
 * Golden bytes: messages as Kafka's own serialisers write them, both ways, and every strict prefix
 * of each refused. A few hundred lie in ../vectors/ and are always compared; the full set, two
 * lines of releases, when it is beside the project.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { MalformedMessage } from '../../src/errors.ts';
import type { Message } from '../../src/schema/api.ts';
import type { MemberNode } from '../../src/schema/node.ts';
import { allMessages } from '../all-messages.ts';
import { fromJson, onlyFieldsOf, toJson } from '../json-form.ts';
import * as reference from '../reference.ts';

/** Checks one vector; the prefixes in a loop of its own, since there are half a million. */
function check(message: Message<unknown>, vector: reference.Vector, version: number): void {
  const bytes = Buffer.from(vector.hex, 'hex');
  const value = reference.withOurNames(vector.message, vector.value);
  const decoded = message.decode(bytes, version);
  expect(onlyFieldsOf(value, toJson(message.members, decoded, version))).toEqual(value);
  const encoded = message.encode(fromJson(message.members, value), version);
  expect(encoded.toString('hex')).toBe(vector.hex);
  const again = Buffer.concat(message.encodeChunks(decoded, version));
  // Fields that are written whenever given appear in what was decoded without them.
  if (hasExplicit(message.members)) expect(message.decode(again, version)).toEqual(decoded);
  else expect(again.toString('hex')).toBe(vector.hex);
  for (let size = 0; size < bytes.length; size++) {
    let refusal: unknown = null;
    try {
      message.decode(bytes.subarray(0, size), version);
    } catch (error) {
      refusal = error;
    }
    if (!(refusal instanceof MalformedMessage)) {
      throw new Error(`${size} of ${bytes.length} bytes: ${String(refusal ?? 'accepted')}`);
    }
  }
}

function hasExplicit(members: readonly MemberNode[]): boolean {
  return members.some(({ explicit, type }) => {
    const inner = type.kind === 'array' ? type.element : type;
    return explicit || (inner.kind === 'struct' && hasExplicit(inner.members));
  });
}

function messageOf(name: string): Message<unknown> {
  const message = allMessages.get(reference.exportName(name));
  if (message === undefined) throw new Error(`${name} is not declared`);
  return message;
}

function title({ message, version, case: kind }: reference.Vector): string {
  return `${message} v${version} ${kind}`;
}

describe('vectors of the project', () => {
  const folder = new URL('../vectors/', import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl'));
  test.each(files)('%s', (file) => {
    const vectors = reference.parseLines(readFileSync(new URL(file, folder), 'utf8'));
    expect(vectors.length).toBeGreaterThan(50);
    for (const vector of vectors) {
      try {
        check(messageOf(vector.message), vector, vector.version);
      } catch (error) {
        throw new Error(title(vector), { cause: error });
      }
    }
  });
});

test('every message has a vector of ours, but one that Kafka itself gives no bytes for', () => {
  const folder = new URL('../vectors/', import.meta.url);
  const covered = new Set(
    readdirSync(folder)
      .flatMap((file) => reference.parseLines(readFileSync(new URL(file, folder), 'utf8')))
      .map(({ message }) => reference.exportName(message)),
  );
  const bare = [...allMessages.keys()].filter((name) => !covered.has(name));
  expect(bare).toEqual(['subscriptionInfoData']);
});

if (reference.missing !== null) {
  console.log(reference.missing);
}
const whenThere = reference.missing === null ? describe : describe.skip;

whenThere.each(reference.lines)('all vectors of %s', (line) => {
  const vectors = reference.missing === null ? reference.vectors(line) : [];
  // In 4.x the kind of a coordinator's key is no longer its version.
  const kinds = new Map(
    (reference.missing === null ? reference.definitions(line) : [])
      .filter(({ type }) => type === 'coordinator-key')
      .map(({ name, apiKey }) => [name, apiKey ?? 0]),
  );
  const groups = [...new Set(vectors.map(({ message }) => message))];
  test.each(groups)('%s', (name) => {
    const message = messageOf(name);
    for (const vector of vectors) {
      if (vector.message !== name) continue;
      if (reference.REPLACED.has(`${line} ${name} ${vector.version}`)) continue;
      try {
        check(message, vector, kinds.get(name) ?? vector.version);
      } catch (error) {
        throw new Error(title(vector), { cause: error });
      }
    }
  });
});
