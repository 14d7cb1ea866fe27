/**
 * What the documentation says about the tree is so: files and folders that it names exist, functions that
 * ARCHITECTURE.md names stand in the file named before them or anywhere in the packages, each package has its page.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const packages = readdirSync(join(root, 'packages'));

function sourcesOf(folder: string): string {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => read(`${folder}/${name}`))
    .join('\n');
}

const quoted = (text: string): string[] =>
  [...text.matchAll(/`([^`\n]+)`/g)].map(([, inside = '']) => inside);

test.each(pages)('%s names only files that are there', (page) => {
  const missing = quoted(read(page))
    .filter((name) => /^(packages|test|bench|docs|bin|config|tools)\/[\w./-]+$/.test(name))
    .filter((name) => !existsSync(join(root, name.replace(/\/\*.*$/, ''))));
  expect(missing).toEqual([]);
});

test.each(pages)('%s links only to files that are there', (page) => {
  const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(
    ([, to = '']) => to,
  );
  expect(links.filter((to) => !existsSync(join(root, page, '..', to)))).toEqual([]);
});

test('ARCHITECTURE.md names only functions and classes that are there', () => {
  const all = packages.map((name) => sourcesOf(`packages/${name}/src`)).join('\n');
  const names = quoted(read('docs/ARCHITECTURE.md')).filter(
    (name) => /^#?[a-zA-Z]{5,}$/.test(name) && name !== 'bench',
  );
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => !new RegExp(`(^|\\W)${name}\\b`, 'm').test(all))).toEqual([]);
});

describe('packages', () => {
  test.each(packages)('%s has a page of its own and says what each file is for', (name) => {
    expect(read(`packages/${name}/README.md`).length).toBeGreaterThan(600);
    const bare = readdirSync(join(root, `packages/${name}/src`), {
      recursive: true,
      encoding: 'utf8',
    })
      .filter((file) => file.endsWith('.ts'))
      .filter((file) => !/^(#!.*\n)?\/\*\*/.test(read(`packages/${name}/src/${file}`)));
    expect(bare).toEqual([]);
  });
});
