/**
 * Goal: key stores as keytool and openssl write them are opened, and one that cannot be is refused
 * with words that help. The fixtures hold one key, its certificate and the authority's, under the
 * password "changeit".
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { readAuthorities, readIdentity, UnreadableStore } from '../../src/tls/key-store.ts';
import { Authority, oid } from '../support/certificates.ts';

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../fixtures/${name}`, import.meta.url));
const NOW_MS = Date.UTC(2030, 0, 1);
const PASSWORD = 'changeit';

const subjects = (pem: string): string[] =>
  (pem.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g) ?? []).map((one) =>
    new X509Certificate(one).subject.replaceAll('\n', ','),
  );

test.each(['keytool.p12', 'openssl-3des.p12', 'openssl-nomac.p12', 'encrypted.pem'])(
  '%s: key and chain, the own certificate first',
  (name) => {
    const { key, certificates } = readIdentity(fixture(name), PASSWORD, NOW_MS);
    expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect(subjects(certificates)).toEqual(['O=Odradek,OU=Tests,CN=fixture', 'CN=Fixture CA']);
  },
);

test('a key encrypted in the old way of PEM', () => {
  const { key, certificates } = readIdentity(fixture('encrypted-ec.pem'), PASSWORD, NOW_MS);
  expect(new X509Certificate(certificates).checkPrivateKey(createPrivateKey(key))).toBe(true);
});

test('a trust store holds certificates alone', () => {
  expect(subjects(readAuthorities(fixture('trust.p12'), PASSWORD).join(''))).toEqual([
    'CN=Fixture CA',
  ]);
  expect(readAuthorities(fixture('encrypted.pem'), PASSWORD)).toHaveLength(2);
});

const authority = new Authority();
const made = authority.issue({ subject: [[oid.commonName, 'a']] });
const other = authority.issue({ subject: [[oid.commonName, 'b']] });
const expired = authority.issue({
  subject: [[oid.commonName, 'old']],
  validTo: '2021-01-01T00:00:00Z',
});

test.each<{ what: string; store: Buffer | string; password?: string; says: RegExp }>([
  { what: 'a JKS store', store: fixture('trust.jks'), says: /JKS.*keytool -importkeystore/ },
  { what: 'RC2', store: fixture('openssl-rc2.p12'), says: /old or unknown method.*openssl pkcs12/ },
  { what: 'a trust store', store: fixture('trust.p12'), says: /no private key/ },
  {
    what: 'a wrong password',
    store: fixture('keytool.p12'),
    password: 'x',
    says: /password is wrong/,
  },
  {
    what: 'it without MAC',
    store: fixture('openssl-nomac.p12'),
    password: 'x',
    says: /password is wrong/,
  },
  { what: 'it in PEM', store: fixture('encrypted.pem'), password: 'x', says: /password is wrong/ },
  {
    what: 'no password',
    store: fixture('encrypted.pem'),
    password: '',
    says: /no password is given/,
  },
  {
    what: 'another key',
    store: made.certificate + other.key,
    says: /none of its certificates belongs/,
  },
  { what: 'a key alone', store: made.key, says: /no certificate in it/ },
  { what: 'an expired one', store: expired.certificate + expired.key, says: /expired on Jan {2}1/ },
  { what: 'no store at all', store: 'hello', says: /neither PEM nor PKCS12/ },
  { what: 'nothing', store: '', says: /neither PEM nor PKCS12/ },
  {
    what: 'a damaged certificate',
    store: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
    says: /a certificate in it is damaged/,
  },
])('refused: $what', ({ store, password = PASSWORD, says }) => {
  const open = (): unknown => readIdentity(Buffer.from(store), password, NOW_MS);
  expect(open).toThrow(UnreadableStore);
  expect(open).toThrow(says);
});

test('one that is not valid yet', () => {
  const open = (): unknown =>
    readIdentity(Buffer.from(made.certificate + made.key), '', Date.UTC(2019, 0, 1));
  expect(open).toThrow(/valid only from/);
});

test('a store cut short anywhere is refused, never half read', () => {
  const store = fixture('trust.p12');
  for (let size = 4; size < store.length; size += 7) {
    expect(() => readAuthorities(store.subarray(0, size), PASSWORD)).toThrow(UnreadableStore);
  }
});
