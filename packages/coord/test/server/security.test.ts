/**
 * Goal: who is who, and who may do what, over real sockets: TLS with client certificates, one port
 * for both, SASL, enforced authentication, and permissions in every operation, inside a multi too.
 */
import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { afterEach, expect, test } from '@jest/globals';
import {
  authPacket,
  createRequest,
  createTtlRequest,
  deleteRequest,
  zookeeperErrorCodes as errors,
  getAclRequest,
  getAclResponse,
  multiEnd,
  multiHeader,
  opCodes,
  saslRequest,
  saslResponse,
  setAclRequest,
  setDataRequest,
  Writer,
  whoAmIResponse,
} from '@odradek/protocol';
import { Authority, type Made, oid } from '../../../runtime/test/support/certificates.ts';
import { ManualTime } from '../support/manual-time.ts';
import { RawClient, word } from '../support/raw-client.ts';
import { create, dataOf, read, remove, set } from '../support/requests.ts';
import { Servers, type TestServer } from '../support/server.ts';

const servers = new Servers();
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await servers.stopAll();
});

const authority = new Authority();
const HOST = '127.0.0.1';
const server = authority.issue({ subject: [[oid.commonName, 'server']], hosts: [HOST] });
const alice = authority.issue({
  subject: [
    [oid.organization, 'Acme'],
    [oid.commonName, 'alice'],
  ],
});
const admin = authority.issue({ subject: [[oid.commonName, 'admin']], hosts: [HOST] });
const stranger = new Authority('another').issue({ subject: [[oid.commonName, 'alice']] });
const ALICE = 'CN=alice,O=Acme';

const showing = (who: Made | null): ConnectionOptions => ({
  ca: authority.certificate,
  ...(who === null ? {} : { key: who.key, cert: who.certificate }),
});

/** A server over TLS; `settings` on top. */
async function startTls(settings: Record<string, string | number> = {}): Promise<TestServer> {
  const directory = await servers.directory();
  await writeFile(join(directory, 'key.pem'), server.certificate + server.key);
  await writeFile(join(directory, 'trust.pem'), authority.certificate);
  return servers.start({
    secureClientPort: 0,
    'ssl.keyStore.location': join(directory, 'key.pem'),
    'ssl.trustStore.location': join(directory, 'trust.pem'),
    'X509AuthenticationProvider.superUser': 'CN=admin',
    ...settings,
  });
}

async function startSasl(settings: Record<string, string | number> = {}): Promise<TestServer> {
  const directory = await servers.directory();
  const file = join(directory, 'jaas.conf');
  await writeFile(
    file,
    'Server {\n org.apache.zookeeper.server.auth.DigestLoginModule required\n user_bob="secret"\n user_root="toor";\n};\n',
  );
  return servers.start({ 'java.security.auth.login.config': file, superUser: 'root', ...settings });
}

async function open(port: number, tls?: ConnectionOptions): Promise<RawClient> {
  const client = await RawClient.open(port, tls === undefined ? {} : { tls });
  clients.push(client);
  return client;
}

const auth = (scheme: string, data: string): Buffer =>
  authPacket.encode({ type: 0, scheme, auth: Buffer.from(data) });

const aclOf = (
  scheme: string,
  id: string,
  perms = 31,
): { perms: number; id: { scheme: string; id: string } }[] => [{ perms, id: { scheme, id } }];

const createFor = (path: string, acl: ReturnType<typeof aclOf>): Buffer =>
  createRequest.encode({ path, data: Buffer.from('x'), acl, flags: 0 });

async function whoAmI(client: RawClient): Promise<string[]> {
  const { body } = await client.request(1, opCodes.whoAmI);
  return whoAmIResponse
    .decode(body)
    .clientInfo.map(({ authScheme, user }) => `${authScheme}:${user}`);
}

/** Whether a connection over TLS comes to a session. */
async function getsIn(port: number, who: Made | null): Promise<boolean> {
  const client = await RawClient.connect(port, showing(who)).catch(() => null);
  if (client === null) return false;
  clients.push(client);
  return (await client.greet().catch(() => null)) !== null;
}

const md5 = (...parts: (string | Buffer)[]): Buffer =>
  createHash('md5')
    .update(Buffer.concat(parts.map((part) => Buffer.from(part))))
    .digest();

/** A client's side of DIGEST-MD5 up to its response. @returns the reply to that */
async function sasl(
  client: RawClient,
  user: string,
  password: string,
): Promise<{ err: number; zxid: bigint; token: string | null }> {
  const first = await client.request(
    1,
    opCodes.sasl,
    saslRequest.encode({ token: Buffer.alloc(0) }),
  );
  expect(first).toMatchObject({ xid: 1, zxid: 0n, err: 0 });
  const challenge = String(saslResponse.decode(first.body).token);
  const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? '';
  expect(challenge).toContain('realm="zk-sasl-md5"');
  const uri = 'zookeeper/zk-sasl-md5';
  const a1 = md5(md5(`${user}:zk-sasl-md5:${password}`), `:${nonce}:abc`).toString('hex');
  const a2 = md5(`AUTHENTICATE:${uri}`).toString('hex');
  const response = md5(`${a1}:${nonce}:00000001:abc:auth:${a2}`).toString('hex');
  const token = Buffer.from(
    `charset=utf-8,username="${user}",realm="zk-sasl-md5",nonce="${nonce}",nc=00000001,cnonce="abc",digest-uri="${uri}",response=${response},qop=auth`,
  );
  const second = await client.request(2, opCodes.sasl, saslRequest.encode({ token }));
  expect(second.xid).toBe(2);
  const answer = saslResponse.decode(second.body).token;
  return { err: second.err, zxid: second.zxid, token: answer && String(answer) };
}

test('a client certificate is an identity, and its owner may what lists say', async () => {
  const { running } = await startTls();
  const port = running.securePort ?? 0;
  const owner = await open(port, showing(alice));
  expect(await whoAmI(owner)).toEqual([`ip:${HOST}`, `x509:${ALICE}`]);
  expect((await owner.request(1, opCodes.create, createFor('/own', aclOf('auth', '')))).err).toBe(
    0,
  );
  const { body } = await owner.request(2, opCodes.getAcl, getAclRequest.encode({ path: '/own' }));
  expect(getAclResponse.decode(body).acl).toEqual(aclOf('x509', ALICE));
  expect(dataOf((await owner.request(3, opCodes.getData, read('/own'))).body)).toBe('x');

  const other = await open(port, showing(admin));
  expect(await whoAmI(other)).toEqual([`ip:${HOST}`, 'super:', 'x509:CN=admin']);
  expect((await other.request(1, opCodes.getData, read('/own'))).err).toBe(0);

  // Asking for what one has changes nothing; asking for what one has not is refused.
  expect(await owner.request(-4, opCodes.auth, auth('x509', ''))).toMatchObject({ err: 0 });
  const list = createFor('/bad', aclOf('x509', 'no name'));
  expect((await owner.request(4, opCodes.create, list)).err).toBe(errors.INVALID_ACL);
});

test('who must show a certificate, and what becomes of those who do not', async () => {
  const need = await startTls();
  const port = need.running.securePort ?? 0;
  expect(await getsIn(port, alice)).toBe(true);
  expect(await getsIn(port, null)).toBe(false);
  expect(await getsIn(port, stranger)).toBe(false);
  const want = await startTls({ 'ssl.clientAuth': 'want' });
  const anonymous = await open(want.running.securePort ?? 0, showing(null));
  expect(await whoAmI(anonymous)).toEqual([`ip:${HOST}`]);
  const refusal = await anonymous.request(-4, opCodes.auth, auth('x509', ''));
  expect(refusal).toMatchObject({ xid: -4, zxid: 0n, err: errors.AUTH_FAILED });
  expect(await anonymous.untilClosed()).toEqual([]);
  expect(await getsIn(want.running.securePort ?? 0, stranger)).toBe(false);
});

test('a certificate for another address, if addresses are looked at', async () => {
  const { running, log } = await startTls({ 'ssl.clientHostnameVerification': 'true' });
  expect(await getsIn(running.securePort ?? 0, admin)).toBe(true);
  expect(await getsIn(running.securePort ?? 0, alice)).toBe(false);
  expect(log.lines).toContainEqual(expect.stringContaining('certificate is for another address'));
});

test('one port for plain and TLS, words included', async () => {
  const { port, running } = await startUnified();
  expect(running.securePort).toBeNull();
  expect(await whoAmI(await open(port))).toEqual([`ip:${HOST}`]);
  expect(await whoAmI(await open(port, showing(alice)))).toContain(`x509:${ALICE}`);
  expect(await word(port, 'ruok')).toBe('imok');
});

async function startUnified(): Promise<TestServer> {
  const directory = await servers.directory();
  await writeFile(join(directory, 'key.pem'), server.certificate + server.key);
  await writeFile(join(directory, 'trust.pem'), authority.certificate);
  return servers.start({
    'client.portUnification': 'true',
    'ssl.keyStore.location': join(directory, 'key.pem'),
    'ssl.trustStore.location': join(directory, 'trust.pem'),
  });
}

test('renewed certificates are taken up, broken ones are not', async () => {
  const time = new ManualTime();
  time.wallMs = Date.UTC(2030, 0, 1);
  const directory = await servers.directory();
  const file = join(directory, 'key.pem');
  /** In one step, as tools that renew certificates do it. */
  const put = async (text: string): Promise<void> => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };
  await put(server.certificate + server.key);
  await writeFile(join(directory, 'trust.pem'), authority.certificate);
  const { running, log } = await servers.start(
    {
      secureClientPort: 0,
      'ssl.keyStore.location': file,
      'ssl.trustStore.location': join(directory, 'trust.pem'),
      'client.certReload': 'true',
    },
    { clock: time, timers: time },
  );
  const port = running.securePort ?? 0;
  const lineAfterLook = async (text: string): Promise<void> => {
    while (!log.lines.some((line) => line.includes(text))) {
      time.advance(10_000, 10_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  expect(await getsIn(port, alice)).toBe(true);
  await put('half a certifi');
  await lineAfterLook('renewed certificates are no good');
  expect(log.lines.join()).toMatch(/key\.pem: it is neither PEM nor PKCS12/);
  expect(await getsIn(port, alice)).toBe(true);
  const renewed = new Authority('the next one').issue({
    subject: [[oid.commonName, 'server']],
    hosts: [HOST],
  });
  await put(renewed.certificate + renewed.key);
  await lineAfterLook('renewed certificates are in use');
  expect(await getsIn(port, alice)).toBe(false); // It does not believe that authority.
});

test('SASL: the right password, and what it opens', async () => {
  const { port } = await startSasl();
  const bob = await open(port);
  const { err, zxid, token } = await sasl(bob, 'bob', 'secret');
  expect({ err, zxid, token }).toEqual({
    err: 0,
    zxid: 0n,
    token: expect.stringMatching(/^rspauth=[0-9a-f]{32}$/),
  });
  expect(await whoAmI(bob)).toEqual([`ip:${HOST}`, 'sasl:bob']);
  expect((await bob.request(3, opCodes.create, createFor('/bob', aclOf('sasl', 'bob')))).err).toBe(
    0,
  );
  const nobody = await open(port);
  expect((await nobody.request(1, opCodes.getData, read('/bob'))).err).toBe(errors.NO_AUTH);
  const root = await open(port);
  expect((await sasl(root, 'root', 'toor')).err).toBe(0);
  expect(await whoAmI(root)).toEqual([`ip:${HOST}`, 'sasl:root', 'super:']);
  expect((await root.request(3, opCodes.getData, read('/bob'))).err).toBe(0);
  // SASL is no matter of auth packets.
  expect((await root.request(-4, opCodes.auth, auth('sasl', 'bob'))).err).toBe(errors.AUTH_FAILED);
});

test.each([
  { settings: {}, err: errors.AUTH_FAILED, stays: false },
  { settings: { allowSaslFailedClients: 'true' }, err: 0, stays: true },
  {
    settings: { sessionRequireClientSASLAuth: 'true', allowSaslFailedClients: 'true' },
    err: errors.SESSION_CLOSED_REQUIRE_SASL_AUTH,
    stays: false,
  },
])('SASL: a wrong password with $settings', async ({ settings, err, stays }) => {
  const { port, log } = await startSasl(settings);
  const client = await open(port);
  expect(await sasl(client, 'bob', 'wrong')).toEqual({ err, zxid: 0n, token: null });
  if (stays) expect(await whoAmI(client)).toEqual([`ip:${HOST}`]);
  else expect(await client.untilClosed()).toEqual([]);
  expect(log.lines).toContainEqual(expect.stringContaining('wrong password of user bob'));
});

test('without SASL an empty token says so, and nothing is lost', async () => {
  const { port } = await servers.start();
  const client = await open(port);
  const reply = await client.request(
    1,
    opCodes.sasl,
    saslRequest.encode({ token: Buffer.alloc(0) }),
  );
  expect(reply.frame.toString('hex')).toBe('00000001000000000000000000000000ffffffff');
  expect(await whoAmI(client)).toEqual([`ip:${HOST}`]);
});

test('who has to authenticate is told so, whatever it asks', async () => {
  const { port } = await servers.start({
    'enforce.auth.enabled': 'true',
    'enforce.auth.schemes': 'digest,x509',
    'authProvider.x': 'org.apache.zookeeper.server.auth.X509AuthenticationProvider',
  });
  for (const [opCode, body] of [
    [opCodes.getData, read('/')],
    [opCodes.create, create('/a')],
    [opCodes.ping, Buffer.alloc(0)],
    [opCodes.closeSession, Buffer.alloc(0)],
  ] as const) {
    const client = await open(port);
    expect(await client.request(7, opCode, body)).toMatchObject({
      xid: 7,
      zxid: 0n,
      err: errors.SESSION_CLOSED_REQUIRE_SASL_AUTH,
    });
    expect(await client.untilClosed()).toEqual([]);
  }
  const known = await open(port);
  known.send(-4, opCodes.auth, auth('digest', 'u:p'));
  known.send(1, opCodes.create, create('/a')); // Right behind it, as clients do.
  expect(await known.reply()).toMatchObject({ xid: -4, zxid: 0n, err: 0 });
  expect(await known.reply()).toMatchObject({ xid: 1, err: 0 });
});

test('required SASL lets nobody in without', async () => {
  const { port } = await startSasl({ sessionRequireClientSASLAuth: 'true' });
  const client = await open(port);
  expect((await client.request(-4, opCodes.auth, auth('digest', 'u:p'))).err).toBe(0);
  expect((await sasl(client, 'bob', 'secret')).err).toBe(0);
  expect((await client.request(3, opCodes.create, create('/a'))).err).toBe(0);
  const other = await open(port);
  expect((await other.request(1, opCodes.create, create('/b'))).err).toBe(
    errors.SESSION_CLOSED_REQUIRE_SASL_AUTH,
  );
});

test('a client of another ensemble is cut off without a word', async () => {
  const { port } = await servers.start({
    'authProvider.1': 'org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider',
    ensembleAuthName: 'blue, green',
  });
  const client = await open(port);
  expect((await client.request(-4, opCodes.auth, auth('ensemble', 'green'))).err).toBe(0);
  client.send(-4, opCodes.auth, auth('ensemble', 'red'));
  expect(await client.untilClosed()).toEqual([]);
});

test('the hash of the digest scheme', async () => {
  const { port } = await servers.start({ 'DigestAuthenticationProvider.digestAlg': 'SHA-256' });
  const client = await open(port);
  await client.request(-4, opCodes.auth, auth('digest', 'u:p'));
  await client.request(1, opCodes.create, createFor('/d', aclOf('auth', '')));
  const { body } = await client.request(2, opCodes.getAcl, getAclRequest.encode({ path: '/d' }));
  const hash = createHash('sha256').update('u:p').digest('base64');
  expect(getAclResponse.decode(body).acl).toEqual(aclOf('digest', `u:${hash}`));
});

/** What each operation needs, on a node /n and its parent /, as permission bits. */
const wishes: readonly {
  what: string;
  opCode: number;
  body: Buffer;
  parent?: number;
  node?: number;
  inMulti?: boolean;
  /** There is no such operation outside of a multi. */
  onlyInMulti?: boolean;
}[] = [
  { what: 'create', opCode: opCodes.create, body: create('/p/n/c'), node: 4, inMulti: true },
  { what: 'create2', opCode: opCodes.create2, body: create('/p/n/c'), node: 4, inMulti: true },
  {
    what: 'createContainer',
    opCode: opCodes.createContainer,
    body: create('/p/n/c', '', 4),
    node: 4,
    inMulti: true,
  },
  {
    what: 'createTTL',
    opCode: opCodes.createTtl,
    body: createTtlRequest.encode({
      path: '/p/n/c',
      data: null,
      acl: aclOf('world', 'anyone'),
      flags: 5,
      ttl: 1000n,
    }),
    node: 4,
    inMulti: true,
  },
  { what: 'delete', opCode: opCodes.delete, body: remove('/p/n'), parent: 8, inMulti: true },
  { what: 'setData', opCode: opCodes.setData, body: set('/p/n', 'y'), node: 2, inMulti: true },
  {
    what: 'check',
    opCode: opCodes.check,
    body: deleteRequest.encode({ path: '/p/n', version: -1 }),
    node: 1,
    inMulti: true,
    onlyInMulti: true,
  },
  { what: 'exists', opCode: opCodes.exists, body: read('/p/n'), node: 1 },
  { what: 'getData', opCode: opCodes.getData, body: read('/p/n'), node: 1 },
  { what: 'getChildren', opCode: opCodes.getChildren, body: read('/p/n'), node: 1 },
  { what: 'getChildren2', opCode: opCodes.getChildren2, body: read('/p/n'), node: 1 },
  {
    what: 'getAllChildrenNumber',
    opCode: opCodes.getAllChildrenNumber,
    body: getAclRequest.encode({ path: '/p/n' }),
    node: 1,
  },
  {
    what: 'getACL',
    opCode: opCodes.getAcl,
    body: getAclRequest.encode({ path: '/p/n' }),
    node: 1 | 16,
  },
  {
    what: 'setACL',
    opCode: opCodes.setAcl,
    body: setAclRequest.encode({ path: '/p/n', acl: aclOf('world', 'anyone'), version: -1 }),
    node: 16,
  },
];

/** A server with /p and /p/n that the world may do `perms` with, and a stranger to both. */
async function guarded(parent: number, node: number, settings = {}): Promise<RawClient> {
  const { port } = await servers.start({ extendedTypesEnabled: 'true', ...settings });
  const maker = await open(port);
  await maker.request(1, opCodes.create, create('/p'));
  await maker.request(2, opCodes.create, createFor('/p/n', aclOf('world', 'anyone', node)));
  const acl = aclOf('world', 'anyone', parent);
  await maker.request(3, opCodes.setAcl, setAclRequest.encode({ path: '/p', acl, version: -1 }));
  return open(port);
}

function multiOf(opCode: number, body: Buffer): Buffer {
  const writer = new Writer();
  const harmless = setDataRequest.encode({ path: '/', data: null, version: -1 });
  multiHeader.encodeInto(writer, { type: opCodes.setData, done: false, err: -1 });
  writer.bytes(harmless);
  multiHeader.encodeInto(writer, { type: opCode, done: false, err: -1 });
  writer.bytes(body);
  multiHeader.encodeInto(writer, multiEnd);
  return writer.finishWhole();
}

test.each(wishes)('$what needs its permission and no other', async (wish) => {
  const { opCode, body, parent = 0, node = 0, inMulti = false, onlyInMulti = false } = wish;
  const bare = await guarded(31 & ~parent, 31 & ~node);
  if (inMulti) {
    const { body: results } = await bare.request(1, opCodes.multi, multiOf(opCode, body));
    // First "would have been fine", then the refusal.
    expect(results.toString('hex')).toMatch(
      /^ffffffff000000000000000000ffffffff00ffffff9affffff9a/,
    );
  }
  if (onlyInMulti) {
    const allowed = await guarded(parent, node);
    const { body: results } = await allowed.request(1, opCodes.multi, multiOf(opCode, body));
    expect(results.toString('hex')).toMatch(/0000000d0000000000ffffffff01ffffffff$/);
    return;
  }
  expect((await bare.request(2, opCode, body)).err).toBe(errors.NO_AUTH);
  // For getACL one of its two bits is enough.
  const enough = node === 17 ? [1, 16] : [node];
  for (const perms of enough) {
    expect((await (await guarded(parent, perms)).request(1, opCode, body)).err).toBe(0);
  }
});

test('a multi that is allowed goes through, with skipACL whatever it touches', async () => {
  const { opCode, body } = wishes[0] ?? { opCode: 0, body: Buffer.alloc(0) };
  const client = await guarded(0, 0, { skipACL: 'yes' });
  const { err, body: results } = await client.request(1, opCodes.multi, multiOf(opCode, body));
  expect([err, results.readInt32BE(0)]).toEqual([0, opCodes.setData]);
  // Lists are looked at all the same.
  const list = createFor('/x', aclOf('nothing', 'y'));
  expect((await client.request(2, opCodes.create, list)).err).toBe(errors.INVALID_ACL);
});

test('who authenticates as the super user may everything', async () => {
  const client = await guarded(0, 0, {
    'DigestAuthenticationProvider.superDigest': 'super:lK75jTNcA+U9vtVEw5vB51mj/w4=',
  });
  expect((await client.request(1, opCodes.getData, read('/p/n'))).err).toBe(errors.NO_AUTH);
  await client.request(-4, opCodes.auth, auth('digest', 'super:secret'));
  expect((await client.request(2, opCodes.getData, read('/p/n'))).err).toBe(0);
  expect((await client.request(3, opCodes.delete, remove('/p/n'))).err).toBe(0);
});

test('a port that is taken leaves nothing bound behind', async () => {
  const first = await startTls();
  const taken = first.running.securePort ?? 0;
  await expect(startTls({ secureClientPort: taken })).rejects.toThrow(/in use/);
  await expect(startTls({ 'ssl.ciphersuites': 'TLS_NO_SUCH' })).rejects.toThrow(/no cipher match/);
});
