/** The log over winston: lines go where they should, levels that are off cost nothing. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import { openLog } from '../../src/index.ts';

test('one line per event, with the names of nested components; the level can change', async () => {
  const stream = new PassThrough();
  const { log, setLevel, close } = await openLog({ level: 'info', format: 'text', to: stream });
  const part = log.child('coord').child('storage');
  part.info('opened', { files: 3 });
  part.debug('not shown');
  setLevel('debug');
  part.debug('shown');
  setLevel('error');
  log.warn('not shown');
  log.error('shown too');
  await close();
  stream.end();
  const lines = (await text(stream)).trimEnd().split('\n');
  expect(lines.map((line) => line.slice(25))).toEqual([
    'INFO  [coord.storage] opened files=3',
    'DEBUG [coord.storage] shown',
    'ERROR shown too',
  ]);
  expect(lines[0]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /);
});

test('an event below the level does not even look at its fields', async () => {
  const stream = new PassThrough();
  const { log, close } = await openLog({ level: 'warn', format: 'json', to: stream });
  let looks = 0;
  const fields = {
    get size() {
      looks++;
      return 1;
    },
  };
  log.debug('off', fields);
  expect(looks).toBe(0);
  log.warn('on', fields);
  await close();
  stream.end();
  expect(looks).toBeGreaterThan(0);
  expect(JSON.parse(await text(stream))).toMatchObject({ level: 'warn', message: 'on', size: 1 });
});

test('to a file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'odradek-log-'));
  const path = join(folder, 'server.log');
  const { log, close } = await openLog({
    level: 'info',
    format: 'text',
    to: { path, maxSizeBytes: 1_000_000, maxFiles: 2 },
  });
  log.info('kept');
  await close();
  expect(await readFile(path, 'utf8')).toMatch(/ INFO {2}kept\n$/);
  await rm(folder, { recursive: true });
});
