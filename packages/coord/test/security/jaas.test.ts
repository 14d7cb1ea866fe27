/** Goal: login files are read as Java reads them, and what is wrong in one is named with its line. */
import { expect, test } from '@jest/globals';
import { MalformedJaas, parseJaas } from '../../src/security/jaas.ts';

test('sections, modules, options, comments', () => {
  const sections = parseJaas(`
    // users
    Server {
      org.apache.zookeeper.server.auth.DigestLoginModule required
        user_super="adm;in \\"1\\""   /* two
        lines */
        user_bob=plain;
    };
    "Client" { a.B optional; c.D sufficient x='y'; };
  `);
  expect([...sections.keys()]).toEqual(['Server', 'Client']);
  const [digest] = sections.get('Server') ?? [];
  expect(digest?.className).toBe('org.apache.zookeeper.server.auth.DigestLoginModule');
  expect([...(digest?.options ?? [])]).toEqual([
    ['user_super', 'adm;in "1"'],
    ['user_bob', 'plain'],
  ]);
  expect(sections.get('Client')?.map(({ className }) => className)).toEqual(['a.B', 'c.D']);
});

test('an empty file has no sections', () => {
  expect(parseJaas('\n// nothing\n').size).toBe(0);
});

test.each([
  ['Server', /ends where "\{" should be/],
  ['Server {', /ends where/],
  ['Server {\n a.B must;\n};', /line 2: "must" where required, requisite, sufficient, optional/],
  ['Server {\n a.B required\n x y;\n};', /line 3: "y" where "=" should be/],
  ['Server { a.B required; }', /ends where ";" should be/],
  ['Server {\n a.B required x="y;\n};', /line 2: a quotation mark without its twin/],
  ['= {};', /line 1: "=" where the name of a section/],
])('%j is refused', (text, says) => {
  expect(() => parseJaas(text)).toThrow(MalformedJaas);
  expect(() => parseJaas(text)).toThrow(says);
});
