/**
 * Kafka's own message definitions and vectors, when they lie beside the project, and how their
 * names and versions map to ours.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = fileURLToPath(new URL('../../../../shared/reference/', import.meta.url));

/** The two lines of releases: the last with ZooKeeper, and what is new or differs after it. */
export const lines = ['kafka-messages', 'kafka-messages-4'] as const;
export type Line = (typeof lines)[number];

/** Why the comparison cannot be made, or null when it can. */
export const missing = lines.every((line) => existsSync(join(home, line)))
  ? null
  : `${home} is not there: Kafka's definitions and vectors are not compared`;

export interface Definition {
  readonly name: string;
  readonly type: string;
  readonly apiKey?: number;
  readonly validVersions: string;
  readonly flexibleVersions: string;
  readonly latestVersionUnstable?: boolean;
  readonly fields: readonly DefinedField[];
  readonly commonStructs?: readonly {
    readonly name: string;
    readonly fields: readonly DefinedField[];
  }[];
}

export interface DefinedField {
  readonly name: string;
  readonly type: string;
  readonly versions?: string;
  readonly nullableVersions?: string;
  readonly taggedVersions?: string;
  readonly tag?: number | string;
  readonly default?: unknown;
  readonly ignorable?: boolean;
  readonly flexibleVersions?: string;
  readonly fields?: readonly DefinedField[];
}

export interface Vector {
  readonly message: string;
  readonly version: number;
  readonly case: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly hex: string;
}

/** All definitions of a line, without those that exist for the tests of Kafka's own generator. */
export function definitions(line: Line, folder?: string): Definition[] {
  return readdirSync(join(home, line), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && (folder ?? entry.name) === entry.name)
    .filter((entry) => entry.name !== 'test' || folder === 'test')
    .flatMap(({ name }) => {
      const path = join(home, line, name);
      return readdirSync(path).map((file) => parse(readFileSync(join(path, file), 'utf8')));
    });
}

export function vectors(line: Line): Vector[] {
  return parseLines(readFileSync(join(home, line, 'vectors.jsonl'), 'utf8'));
}

export function parseLines(text: string): Vector[] {
  return text
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => JSON.parse(row) as Vector);
}

/** JSON with comments: those outside of strings are dropped. */
function parse(text: string): Definition {
  const bare = text.replace(/"(?:[^"\\]|\\.)*"|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (part) =>
    part.startsWith('"') ? part : '',
  );
  return JSON.parse(bare) as Definition;
}

export function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/** Definitions that go by another name here: renamed by a later release, or two that are one. */
const ALIASES: Readonly<Record<string, string>> = {
  ListClientMetricsResourcesRequest: 'listConfigResourcesRequest',
  ListClientMetricsResourcesResponse: 'listConfigResourcesResponse',
  LegacyOffsetCommitKey: 'offsetCommitKey',
  LegacyOffsetCommitValue: 'offsetCommitValue',
};

export function exportName(name: string): string {
  return ALIASES[name] ?? lowerFirst(name);
}

/** Fields that a later release renamed; which of the two names is ours differs. */
const FIELD_ALIASES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // The 4.x name covers what the field may hold with KIP-848; both lines mean the same bytes.
  TxnOffsetCommitRequest: { generationIdOrMemberEpoch: 'generationId' },
  VoteRequest: {
    candidateEpoch: 'replicaEpoch',
    candidateId: 'replicaId',
    candidateDirectoryId: 'replicaDirectoryId',
  },
  ListClientMetricsResourcesResponse: {
    clientMetricsResources: 'configResources',
    name: 'resourceName',
  },
};

export function fieldName(message: string, name: string): string {
  const lower = lowerFirst(name);
  return FIELD_ALIASES[message]?.[lower] ?? lower;
}

/** Renames the fields of a vector's value. */
export function withOurNames(message: string, value: unknown): unknown {
  if (FIELD_ALIASES[message] === undefined) return value;
  if (Array.isArray(value)) return value.map((element) => withOurNames(message, element));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      fieldName(message, name),
      withOurNames(message, member),
    ]),
  );
}

/**
 * Early-access forms of the 3.9 line that a later release changed under the same version number.
 * Ours is the released one.
 */
export const REPLACED: ReadonlySet<string> = new Set([
  'kafka-messages ReadShareGroupStateSummaryResponse 0',
  'kafka-messages ShareGroupMetadataValue 0',
]);
