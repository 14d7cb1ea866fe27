/** Goal: which names and which lists are accepted, as the original accepts them. */
import { expect, test } from '@jest/globals';
import {
  AclTable,
  basicSchemes,
  type Identity,
  maskedEntries,
  openAcl,
  permission,
  permits,
  type RawAclEntry,
  resolveAcl,
} from '../../src/core/tree/acl.ts';
import { ipMatches, isIpPattern } from '../../src/core/tree/ip-pattern.ts';
import { isValidPath, nameOf, parentOf, sequenceSuffix } from '../../src/core/tree/path.ts';

test.each([
  ['/', true],
  ['/a', true],
  ['/a/b.c', true],
  ['/...', true],
  ['/.a', true],
  ['/a..', true],
  ['/ü/\u00a0', true],
  ['/a b', true],
  ['', false],
  ['a', false],
  ['/a/', false],
  ['//', false],
  ['/a//b', false],
  ['/.', false],
  ['/..', false],
  ['/a/./b', false],
  ['/a/../b', false],
  ['/a/..', false],
  ['/\u0000', false],
  ['/\u001f', false],
  ['/\u007f', false],
  ['/\u009f', false],
  ['/\ue000', false],
  ['/\ufff0', false],
  ['/\u{1f600}', false],
])('path %j: %j', (path, valid) => {
  expect(isValidPath(path)).toBe(valid);
});

test('parents, names and numbers', () => {
  expect([parentOf('/a'), parentOf('/a/b'), parentOf('/'), parentOf('/a//b')]).toEqual([
    '/',
    '/a',
    '/',
    '/a/',
  ]);
  expect(nameOf('/a/b')).toBe('b');
  expect(sequenceSuffix(7)).toBe('0000000007');
  expect(sequenceSuffix(2 ** 31)).toBe('2147483648');
  expect(sequenceSuffix(12_345_678_901)).toBe('12345678901');
});

test.each([
  ['1.2.3.4', '1.2.3.4', true],
  ['1.2.3.4', '1.2.3.5', false],
  ['10.0.0.0/8', '10.9.8.7', true],
  ['10.0.0.0/8', '11.0.0.0', false],
  ['10.128.0.0/9', '10.129.0.1', true],
  ['10.128.0.0/9', '10.1.0.1', false],
  ['0.0.0.0/0', '9.9.9.9', true],
  ['::1', '::1', true],
  ['fe80::/10', 'fe80::1%eth0', true],
  ['2001:db8::/32', '2001:db8:1::5', true],
  ['2001:db8::/32', '2001:db9::5', false],
  ['1.2.3.4', '::ffff:1.2.3.4', true],
  ['::1', '1.2.3.4', false],
])('ip %s for %s: %j', (pattern, address, matches) => {
  expect(ipMatches(pattern, address)).toBe(matches);
});

test.each([
  '1.2.3',
  '1.2.3.4/33',
  '256.1.1.1',
  '1.2.3.4/',
  '1.2.3.4/8/8',
  ':::1',
  '1::2::3',
  '::/129',
  'x',
])('%s is no address', (text) => {
  expect(isIpPattern(text)).toBe(false);
});

const entry = (perms: number, scheme: string | null, id: string | null): RawAclEntry => ({
  perms,
  id: { scheme, id },
});
const user: readonly Identity[] = [
  { scheme: 'ip', id: '10.0.0.1' },
  { scheme: 'digest', id: 'u:hash' },
];

test.each<{ what: string; list: readonly RawAclEntry[] | null; resolved: unknown }>([
  { what: 'null', list: null, resolved: null },
  { what: 'empty', list: [], resolved: null },
  { what: 'world of somebody', list: [entry(31, 'world', 'me')], resolved: null },
  { what: 'an unknown scheme', list: [entry(31, 'x509', 'CN=a')], resolved: null },
  { what: 'a null scheme', list: [entry(31, null, 'a')], resolved: null },
  { what: 'digest without hash', list: [entry(31, 'digest', 'a:')], resolved: null },
  { what: 'digest with two colons', list: [entry(31, 'digest', 'a:b:c')], resolved: null },
  {
    what: 'digest without user',
    list: [entry(1, 'digest', ':b')],
    resolved: [entry(1, 'digest', ':b')],
  },
  { what: 'auth', list: [entry(3, 'auth', 'x')], resolved: [entry(3, 'digest', 'u:hash')] },
  {
    what: 'auth without an id',
    list: [entry(3, 'auth', null)],
    resolved: [entry(3, 'digest', 'u:hash')],
  },
  { what: 'digest without an id', list: [entry(3, 'digest', null)], resolved: null },
  {
    what: 'duplicates',
    list: [entry(1, 'world', 'anyone'), entry(1, 'world', 'anyone'), entry(2, 'ip', '1.1.1.1')],
    resolved: [entry(1, 'world', 'anyone'), entry(2, 'ip', '1.1.1.1')],
  },
])('resolving $what', ({ list, resolved }) => {
  expect(resolveAcl(list, user, basicSchemes)).toEqual(resolved);
});

test('auth needs an identity that was proved', () => {
  const stranger = [{ scheme: 'ip', id: '10.0.0.1' }];
  expect(resolveAcl([entry(31, 'auth', '')], stranger, basicSchemes)).toBeNull();
});

test('entries grant by bit and identity, super always, an empty list everything', () => {
  const acl = {
    isOpen: false,
    entries: [
      { perms: permission.read, id: { scheme: 'world', id: 'anyone' } },
      { perms: permission.write, id: { scheme: 'digest', id: 'u:hash' } },
      { perms: permission.admin, id: { scheme: 'ip', id: '10.0.0.0/24' } },
    ],
  };
  const stranger = [{ scheme: 'ip', id: '9.9.9.9' }];
  expect(permits(acl, permission.read, stranger)).toBe(true);
  expect(permits(acl, permission.write, stranger)).toBe(false);
  expect(permits(acl, permission.write, user)).toBe(true);
  expect(permits(acl, permission.admin, user)).toBe(true);
  expect(permits(acl, permission.delete, user)).toBe(false);
  expect(permits(acl, permission.delete, [{ scheme: 'super', id: '' }])).toBe(true);
  expect(permits({ isOpen: false, entries: [] }, permission.all, stranger)).toBe(true);
});

test('a list is held once, and only as long as somebody uses it', () => {
  const table = new AclTable();
  const entries = [{ perms: 1, id: { scheme: 'world', id: 'anyone' } }];
  const first = table.acquire(entries);
  expect(table.acquire(entries.map((one) => ({ ...one })))).toBe(first);
  table.release(first);
  expect(table.size).toBe(1);
  table.release(first);
  expect(table.size).toBe(0);
  expect(table.acquire(openAcl.entries)).toBe(openAcl);
});

test('hashes are masked', () => {
  expect(maskedEntries([{ perms: 31, id: { scheme: 'digest', id: 'u:secret' } }])).toEqual([
    { perms: 31, id: { scheme: 'digest', id: 'u:x' } },
  ]);
});
