/** Goal: subjects read as Java prints them (the tables were made with its X500Principal); names of suites and versions. */
import { getCiphers } from 'node:tls';
import { expect, test } from '@jest/globals';
import { openSslSuite, tlsVersionRange } from '../../src/tls/cipher-suites.ts';
import { isDistinguishedName, subjectOf } from '../../src/tls/distinguished-name.ts';
import { Authority, der, oid, type Wish } from '../support/certificates.ts';

const authority = new Authority();

test.each<{ subject: Wish['subject']; text: string }>([
  { subject: [[oid.commonName, 'a']], text: 'CN=a' },
  {
    subject: [
      [oid.country, 'DE'],
      [oid.organization, 'Acme, Inc.'],
      [oid.unit, ' blanks '],
      [oid.commonName, 'Jörg "x" <y>=#;+\\'],
    ],
    text: 'CN=Jörg \\"x\\" \\<y\\>\\=\\#\\;\\+\\\\,OU=\\ blanks\\ ,O=Acme\\, Inc.,C=DE',
  },
  {
    subject: [
      [oid.domainComponent, der(0x16, Buffer.from('org'))],
      [oid.email, der(0x16, Buffer.from('a@b'))],
    ],
    text: '1.2.840.113549.1.9.1=#1603614062,DC=org',
  },
  { subject: [[oid.commonName, der(0x1e, Buffer.from('0041006e', 'hex'))]], text: 'CN=An' },
  { subject: [], text: '' },
])('subject $text', ({ subject, text }) => {
  expect(subjectOf(authority.issue({ subject }).der)).toBe(text);
});

test.each([
  ['CN=a', true],
  ['', true],
  ['foo=b', false],
  ['CN=a,O=b', true],
  ['CN=a;O=b', true],
  ['CN=a + UID=b , O=c', true],
  ['EMAILADDRESS=x@y,CN=q', true],
  ['1.2.3.4=#0401ff', true],
  ['OID.2.5.4.3=z', true],
  ['CN=', true],
  ['CN', false],
  ['=b', false],
  ['CN=a,', false],
  ['CN="a,b"', true],
  ['CN=a\\,b', true],
  ['CN=a<b', false],
  ['CN=a=b', true],
  ['CN=#zz', false],
  ['cn=lower', true],
  ['CN=a"b', false],
  ['C=DE,,O=x', false],
  ['CN=a\\', false],
  [' CN = a , O = b ', true],
])('%j is a name: %j', (text, valid) => {
  expect(isDistinguishedName(text)).toBe(valid);
});

test.each([
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', 'ECDHE-RSA-AES128-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384', 'ECDHE-ECDSA-AES256-SHA384'],
  ['TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 'ECDHE-RSA-AES256-SHA'],
  ['TLS_DHE_RSA_WITH_AES_128_GCM_SHA256', 'DHE-RSA-AES128-GCM-SHA256'],
  ['TLS_RSA_WITH_AES_256_GCM_SHA384', 'AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
  ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
])('%s is %s, which OpenSSL knows', (java, openSsl) => {
  expect(openSslSuite(java)).toBe(openSsl);
  expect(getCiphers()).toContain(openSsl.toLowerCase());
});

test.each([
  [['TLSv1.2'], { min: 'TLSv1.2', max: 'TLSv1.2' }],
  [['TLSv1.3', 'TLSv1.2'], { min: 'TLSv1.2', max: 'TLSv1.3' }],
  [['TLSv1.1', 'TLSv1.3'], null],
  [['SSLv3'], null],
  [['SSLv3', 'TLSv1.2'], null],
  [[], null],
])('versions %j: %j', (names, range) => {
  expect(tlsVersionRange(names)).toEqual(range);
});
