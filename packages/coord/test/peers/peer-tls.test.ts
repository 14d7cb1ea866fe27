/**
 * TLS between servers, on real sockets: who shows no certificate, or a wrong one, is not talked to;
 * servers that still speak without it are, while the ensemble moves from one to the other.
 */
import { afterEach, expect, test } from '@jest/globals';
import { currentTlsVersions, nodeEnvironment, silentLog, type TlsIdentity } from '@odradek/runtime';
import { Authority, type Made, oid } from '../../../runtime/test/support/certificates.ts';
import type { PeerTls } from '../../src/peers/peer-tls.ts';
import { note, Server, type ServerOptions, until } from './set-up.ts';

const HOST = '127.0.0.1';
const { network } = nodeEnvironment({ log: silentLog });

const authority = new Authority();
const stranger = new Authority('Another authority');
const identityOf = ({ key, certificate }: Made): TlsIdentity => ({
  key,
  certificates: certificate,
});
const issued = (by: Authority, hosts: readonly string[]): TlsIdentity =>
  identityOf(by.issue({ subject: [[oid.commonName, 'server']], hosts }));

function tlsWith(identity: TlsIdentity, changes: { alsoPlain?: boolean } = {}): PeerTls {
  const terms = {
    authorities: [authority.certificate],
    versions: currentTlsVersions,
    ciphers: null,
    identity,
  };
  return {
    server: {
      ...terms,
      clientAuthentication: 'need',
      alsoPlain: changes.alsoPlain ?? false,
      handshakeMsMax: 5_000,
      handshakesPerAddressMax: 10,
    },
    client: { ...terms, verifyHostName: true },
    verifyCallers: true,
  };
}

const good = issued(authority, [HOST]);
const running: Server[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.network.stop()));
});

async function membersText(): Promise<string> {
  const listeners = await Promise.all(
    Array.from({ length: 4 }, () =>
      network.listen({ host: HOST, port: 0 }, () => ({ data() {}, close() {} })),
    ),
  );
  const [a, b, c, d] = listeners.map(({ port }) => port);
  for (const listener of listeners) await listener.close();
  return `server.1=${HOST}:${a}:${b}\nserver.2=${HOST}:${c}:${d}`;
}

async function start(id: number, options: ServerOptions): Promise<Server> {
  const server = new Server(network, id, options);
  running.push(server);
  await server.start();
  return server;
}

test('two servers with certificates of the authority talk', async () => {
  const text = await membersText();
  const one = await start(1, { text, tls: tlsWith(good) });
  const two = await start(2, { text, tls: tlsWith(good) });
  await until(() => one.reaches(2) && two.reaches(1));
  one.network.notify(2, note(4));
  await until(() => two.notes.length === 1);
  const inbox = await two.follow(1);
  await until(() => one.learners.length === 1);
  one.learners[0]?.link.send({ kind: 'snapshotPart', entries: [Buffer.alloc(3_000_000, 5)] });
  await until(() => inbox.messages.length === 1);
  const [part] = inbox.messages;
  expect(part?.kind === 'snapshotPart' && part.entries[0]?.every((byte) => byte === 5)).toBe(true);
});

test.each([
  ['no TLS at all', null],
  ['a certificate of another authority', tlsWith(issued(stranger, [HOST]))],
  ['a certificate made out to another host', tlsWith(issued(authority, ['elsewhere.example']))],
])('who calls with %s is not talked to, and both sides say so', async (_, tls) => {
  const text = await membersText();
  const one = await start(1, { text, tls: tlsWith(good) });
  const two = await start(2, { text, tls });
  await expect(two.follow(1)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
  await until(() => two.lines.some((line) => /no link to a server .*server 1/.test(line)));
  await until(() => one.lines.length > 0);
  expect(one.learners).toEqual([]);
  expect(one.reaches(2) || two.reaches(1)).toBe(false);
});

test('while servers move to TLS, those that have it call the others without', async () => {
  const text = await membersText();
  const one = await start(1, { text, tls: tlsWith(good, { alsoPlain: true }) });
  const plain = await start(2, { text });
  await until(() => one.reaches(2) && plain.reaches(1));
  await plain.follow(1);
  await one.follow(2);
  await plain.network.stop();
  running.splice(running.indexOf(plain), 1);
  await until(() => !one.reaches(2));
  const moved = await start(2, { text, tls: tlsWith(good, { alsoPlain: true }) });
  await until(() => one.reaches(2) && moved.reaches(1));
});

test('renewed certificates are used for new links', async () => {
  const text = await membersText();
  const one = await start(1, { text, tls: tlsWith(issued(stranger, [HOST])) });
  const two = await start(2, { text, tls: tlsWith(good) });
  await expect(two.follow(1)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
  one.network.renewTls(tlsWith(good));
  await until(() => one.reaches(2) && two.reaches(1));
  await two.follow(1);
});
