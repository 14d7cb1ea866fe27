/** Goal: what is promised about who is let in is kept, or stops the start with file, line and key. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ConfigError, nodeEnvironment, parseProperties, silentLog } from '@odradek/runtime';
import { Authority, oid } from '../../../runtime/test/support/certificates.ts';
import { type ReadZooCfg, readZooCfg } from '../../src/index.ts';
import { loadSecurity, type Security } from '../../src/security/security.ts';

const environment = nodeEnvironment({ log: silentLog });
let directory = '';
const authority = new Authority();
const server = authority.issue({ subject: [[oid.commonName, 'server']] });
const expired = authority.issue({
  subject: [[oid.commonName, 'old']],
  validTo: '2021-01-01T00:00:00Z',
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'odradek-security-'));
  const files = {
    'key.pem': server.certificate + server.key,
    'expired.pem': expired.certificate + expired.key,
    'trust.pem': authority.certificate,
    'jaas.conf':
      'Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_super="a" user_b="c"; };',
    'kerberos.conf': 'Server { com.sun.security.auth.module.Krb5LoginModule required; };',
    'nobody.conf': 'Server { org.apache.zookeeper.server.auth.DigestLoginModule required; };',
    'broken.conf': 'Server {\n oops',
    password: 'secret\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** `@` stands for the folder of the files. */
const read = (text: string): ReadZooCfg =>
  readZooCfg(parseProperties(`dataDir=/d\n${text.replaceAll('@', directory)}`, 'zoo.cfg'), {
    source: 'zoo.cfg',
    homeDirectory: '/nowhere',
  });
const load = async (text: string): Promise<Security> =>
  loadSecurity(environment, read(text).values);

const TLS =
  'secureClientPort=0\nssl.keyStore.location=@/key.pem\nssl.trustStore.location=@/trust.pem';
const SASL = 'java.security.auth.login.config=@/jaas.conf';

test.each([
  { text: 'secureClientPort=2281', says: /zoo\.cfg:2: secureClientPort=2281: TLS needs ssl\.key/ },
  { text: 'client.portUnification=true', says: /portUnification=true: TLS needs ssl\.keyStore/ },
  {
    text: 'secureClientPort=0\nssl.keyStore.location=@/key.pem',
    says: /ssl\.clientAuth \(not given\): with need .*ssl\.trustStore\.location/,
  },
  {
    text: `${TLS}\nssl.clientAuth=maybe`,
    says: /zoo\.cfg:5: ssl\.clientAuth=maybe: must be one of/,
  },
  { text: `${TLS}\nssl.enabledProtocols=TLSv1,TLSv1.3`, says: /zoo\.cfg:5: .*without a gap/ },
  { text: `${TLS}\nssl.protocol=SSLv3`, says: /ssl\.protocol=SSLv3: must be versions of TLS/ },
  { text: `${TLS}\nssl.crl=true`, says: /zoo\.cfg:5: ssl\.crl=true: .*revoked/ },
  { text: `${TLS}\nssl.ocsp=true`, says: /ssl\.ocsp=true/ },
  { text: `${TLS}\nssl.context.supplier.class=a.B`, says: /Java class cannot be loaded/ },
  { text: `${TLS}\nssl.keyStore.type=BCFKS`, says: /must be one of PEM, PKCS12, JKS/ },
  {
    text: `${TLS}\nssl.keyStore.location=@/none.pem`,
    says: /zoo\.cfg:5: .*none\.pem: there is no such file/,
  },
  {
    text: `${TLS}\nssl.keyStore.location=@`,
    says: /ssl\.keyStore\.location=.*cannot be read: EISDIR/,
  },
  {
    text: `${TLS}\nssl.keyStore.location=@/trust.pem`,
    says: /trust\.pem: there is no private key in it/,
  },
  {
    text: `${TLS}\nssl.keyStore.location=@/expired.pem`,
    says: /expired\.pem: its certificate expired/,
  },
  { text: `${TLS}\nssl.trustStore.location=@/jaas.conf`, says: /neither PEM nor PKCS12/ },
  {
    text: `${TLS}\nssl.keyStore.passwordPath=@/nowhere`,
    says: /zoo\.cfg:5: ssl\.keyStore\.passwordPath=.*no such file/,
  },
  {
    text: 'java.security.auth.login.config=@/none',
    says: /zoo\.cfg:2: java.*none: there is no such file/,
  },
  { text: `${SASL}\nsasl.serverconfig=Other`, says: /it has no section Other/ },
  { text: 'java.security.auth.login.config=@/kerberos.conf', says: /no Kerberos/ },
  { text: 'java.security.auth.login.config=@/nobody.conf', says: /has no user_<name>/ },
  { text: 'java.security.auth.login.config=@/broken.conf', says: /broken\.conf: it ends where/ },
  { text: `${SASL}\nfips-mode=true`, says: /fips-mode=true: DIGEST-MD5/ },
  { text: 'sessionRequireClientSASLAuth=true', says: /needs java\.security\.auth\.login\.config/ },
  {
    text: 'enforce.auth.enabled=true',
    says: /enforce\.auth\.enabled=true: needs enforce\.auth\.sch/,
  },
  {
    text: 'enforce.auth.enabled=true\nenforce.auth.schemes=sasl',
    says: /zoo\.cfg:3: enforce\.auth\.schemes=sasl: sasl is not offered; offered are ip, digest/,
  },
  { text: 'DigestAuthenticationProvider.digestAlg=CRC', says: /digestAlg=CRC: must be a hash/ },
])('refused: $text', async ({ text, says }) => {
  const error = await load(text).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ConfigError);
  expect(String(error)).toMatch(says);
});

test('a password is never shown', async () => {
  const text = `${TLS}\nssl.keyStore.password=hush-hush\nssl.keyStore.location=@/expired.pem`;
  expect(String(await load(text).catch((caught: unknown) => caught))).not.toContain('hush-hush');
});

test('TLS alone has no plain port; with clientPort there are both', () => {
  expect(read(TLS).values.clientPort).toBeNull();
  expect(read(`${TLS}\nclientPort=2181`).values.clientPort).toBe(2181);
  expect(read('').values.clientPort).toBe(2181);
});

test('TLS as it is spoken', async () => {
  const { tls } = await load(
    `${TLS}\nssl.clientAuth=WANT\nssl.enabledProtocols=TLSv1.2\nmaxClientCnxns=7\nzookeeper.ssl.ciphersuites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256`,
  );
  expect(tls).toMatchObject({
    clientAuthentication: 'want',
    versions: { min: 'TLSv1.2', max: 'TLSv1.2' },
    ciphers: ['ECDHE-ECDSA-AES128-GCM-SHA256'],
    handshakesPerAddressMax: 7,
    authorities: [authority.certificate],
  });
});

test('schemes that lists may name: those that somebody can have', async () => {
  const names = async (text: string): Promise<string[]> => [...(await load(text)).schemes.keys()];
  expect(await names('')).toEqual(['world', 'ip', 'digest']);
  expect(await names(TLS)).toEqual(['world', 'ip', 'digest', 'x509']);
  expect(await names(`${TLS}\nssl.clientAuth=none`)).toEqual(['world', 'ip', 'digest']);
  expect(await names(SASL)).toEqual(['world', 'ip', 'digest', 'sasl']);
  expect(await names('DigestAuthenticationProvider.enabled=false')).toEqual(['world', 'ip']);
  expect(
    await names('authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider'),
  ).toContain('sasl');
});

test('what lists may say under them', async () => {
  const { schemes } = await load(`${TLS}\n${SASL}`);
  const accepts = (scheme: string, id: string): boolean | undefined => schemes.get(scheme)?.(id);
  expect(accepts('sasl', 'bob')).toBe(true);
  expect(accepts('sasl', 'zookeeper/host@REALM')).toBe(true);
  expect(accepts('sasl', 'a@b@c')).toBe(false);
  expect(accepts('x509', 'CN=a,O=b')).toBe(true);
  expect(accepts('x509', 'a')).toBe(false);
});

test('users, super users, and their passwords', async () => {
  const { authentication } = await load(
    `${SASL}\nsuperUser=b\nsuperUser.2=c\nSASLAuthenticationProvider.superPassword=other`,
  );
  expect([...(authentication.sasl?.users ?? [])]).toEqual([
    ['super', 'other'],
    ['b', 'c'],
  ]);
  expect([...(authentication.sasl?.superUsers ?? [])]).toEqual(['b', 'c']);
});

test('providers that only Java can load are told of', () => {
  expect(read('authProvider.9=com.acme.Provider').warnings).toEqual([
    'authProvider.9=com.acme.Provider: a Java class cannot be loaded; its scheme is not offered',
  ]);
  expect(
    read('authProvider.1=org.apache.zookeeper.server.auth.IPAuthenticationProvider').warnings,
  ).toEqual([]);
});
