/** Goal: the files of config/two-sites are what docs/two-sites.md says: six servers, seven votes, one site that goes on. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { parseProperties } from '@odradek/runtime';
import { ensembleOf, type Membership } from '../../src/config/ensemble-settings.ts';
import { formatEnsemble } from '../../src/core/quorum/ensemble.ts';
import { planOf } from '../../src/core/quorum/plan.ts';
import { readZooCfg } from '../../src/index.ts';

const IDS = [1, 2, 3, 4, 5, 6];
const folder = resolve(import.meta.dirname, '../../../../config/two-sites');

async function membershipIn(id: number): Promise<Membership | null> {
  const file = `${folder}/server-${id}.properties`;
  const entries = parseProperties(await readFile(file, 'utf8'), file);
  const { values, warnings } = readZooCfg(entries, { source: file, homeDirectory: '/nowhere' });
  expect(warnings).toEqual([]);
  expect(values.dataDir).toBe(`/tmp/odradek/two-sites/${id}`);
  return ensembleOf(values, { myid: null, dynamicConfig: null });
}

test('six files, one ensemble, seven votes', async () => {
  const all = await Promise.all(IDS.map(membershipIn));
  expect(all.map((membership) => membership?.serverId)).toEqual(IDS);
  expect(all.flatMap((membership) => membership?.warnings)).toEqual([]);
  const texts = all.map((membership) => membership && formatEnsemble(membership.ensemble));
  expect(new Set(texts).size).toBe(1);
  const ensemble = all[0]?.ensemble;
  if (ensemble === undefined) throw new Error('no ensemble');
  const plan = planOf(
    ensemble,
    new Map([
      ['first', [1, 2, 3]],
      ['second', [4, 5, 6]],
    ]),
  );
  expect(plan.requirement).toBe('4 of 7 votes');
  expect(plan.weaknesses).toEqual(['site']);
  expect(plan.cuts.map(({ site, siteDecides }) => [site, siteDecides])).toEqual([
    ['first', true],
    ['second', false],
  ]);
});
