/**
 * The requests that the broker answers, out of its handlers: each file of packages/broker/src/api that makes one is asked
 * for which versions. Nothing is started and nothing is handled.
 */
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { apiByKey } from '@odradek/protocol';
import type { RegisteredHandler } from '../packages/broker/src/api/registry.ts';

const folder = resolve(import.meta.dirname, '../packages/broker/src/api');
const LAST_KEY = 200;

/** Stands for whatever a handler will need once it handles something. */
const dependency: object = new Proxy(() => dependency, { get: () => dependency });

/** All handlers that there are, ascending by key. */
export async function brokerHandlers(): Promise<readonly RegisteredHandler[]> {
  const handlers: RegisteredHandler[] = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
    const exports: Record<string, unknown> = await import(pathToFileURL(join(folder, file)).href);
    for (const [name, make] of Object.entries(exports)) {
      if (name.endsWith('Handler') && typeof make === 'function')
        handlers.push(make(dependency, dependency, dependency));
    }
  }
  return handlers.sort((left, right) => left.api.key - right.api.key);
}

/** One row for every request kind that Kafka has. */
export async function brokerApiTable(): Promise<string> {
  const handlers = new Map((await brokerHandlers()).map((each) => [each.api.key, each]));
  const rows: string[] = [];
  for (let key = 0; key <= LAST_KEY; key++) {
    const api = apiByKey(key);
    if (api === undefined) continue;
    const handler = handlers.get(key);
    const served = handler === undefined ? '—' : range(handler.versions);
    const known = range([api.minVersion, api.maxVersion]);
    rows.push(`| ${key} | ${api.name} | ${served} | ${known} |`);
  }
  return [
    '| key | request | served | known to the codecs |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

const range = ([min, max]: readonly [number, number]): string =>
  min === max ? `${min}` : `${min}–${max}`;
