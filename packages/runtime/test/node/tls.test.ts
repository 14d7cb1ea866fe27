/**
 * The network port over TLS, on real sockets: who gets in, who does not, and that what gets in is
 * told apart. Certificates are made here.
 */
import { once } from 'node:events';
import { connect as openSocket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import type {
  ClientTls,
  Connection,
  ConnectionHandler,
  Listener,
  ServerTls,
} from '../../src/environment.ts';
import { ConnectFailed, UnusableTls } from '../../src/errors.ts';
import type { Log, LogFields } from '../../src/log.ts';
import { nodeClock } from '../../src/node/clock.ts';
import { nodeNetwork } from '../../src/node/network.ts';
import { currentTlsVersions } from '../../src/tls/cipher-suites.ts';
import { subjectOf } from '../../src/tls/distinguished-name.ts';
import type { TlsIdentity } from '../../src/tls/key-store.ts';
import { Authority, type Made, oid } from '../support/certificates.ts';

const HOST = '127.0.0.1';
const TIMEOUT_MS = 10_000;

const authority = new Authority();
const stranger = new Authority('Another authority');
const identityOf = ({ key, certificate }: Made): TlsIdentity => ({
  key,
  certificates: certificate,
});
const server = identityOf(
  authority.issue({ subject: [[oid.commonName, 'server']], hosts: [HOST, 'localhost'] }),
);
const client = identityOf(authority.issue({ subject: [[oid.commonName, 'client']] }));
const terms = {
  authorities: [authority.certificate],
  versions: currentTlsVersions,
  ciphers: null,
};

const serverTls = (differences: Partial<ServerTls> = {}): ServerTls => ({
  ...terms,
  identity: server,
  clientAuthentication: 'none',
  alsoPlain: false,
  handshakeMsMax: TIMEOUT_MS,
  handshakesPerAddressMax: 100,
  ...differences,
});
const clientTls = (differences: Partial<ClientTls> = {}): ClientTls => ({
  ...terms,
  identity: null,
  verifyHostName: true,
  ...differences,
});

const lines: string[] = [];
const log: Log = {
  error: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  warn: (message: string, fields?: LogFields) => lines.push(`${message} ${fields?.reason}`),
  child: () => log,
};
const network = nodeNetwork({ clock: nodeClock, log, poison: true });

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  lines.length = 0;
});

/** Answers every chunk with who sent it, and itself. */
async function echo(tls: ServerTls): Promise<Listener> {
  const listener = await network.listen({ host: HOST, port: 0, tls }, (connection) => {
    const peer = connection.tls?.peerCertificate;
    const who = connection.tls === undefined ? 'plain' : peer ? subjectOf(peer) : 'nobody';
    return {
      data: (chunk) => connection.write(Buffer.from(`${who}:${chunk}`)),
      close: () => undefined,
    };
  });
  cleanups.push(() => listener.close());
  return listener;
}

class Heard implements ConnectionHandler {
  readonly #chunks: Buffer[] = [];
  #isClosed = false;
  #look: () => void = () => undefined;

  data(chunk: Buffer): void {
    this.#chunks.push(Buffer.from(chunk));
    this.#look();
  }
  close(): void {
    this.#isClosed = true;
    this.#look();
  }
  /** Everything up to `sizeBytes` bytes or the end. */
  async text(sizeBytes: number): Promise<string> {
    const isThere = (): boolean =>
      this.#isClosed || this.#chunks.reduce((sum, { length }) => sum + length, 0) >= sizeBytes;
    await new Promise<void>((resolve) => {
      this.#look = () => isThere() && resolve();
      this.#look();
    });
    return this.#isClosed && this.#chunks.length === 0
      ? 'closed'
      : Buffer.concat(this.#chunks).toString();
  }
}

async function connect(port: number, tls?: ClientTls): Promise<[Connection, Heard]> {
  const heard = new Heard();
  const address = { host: HOST, port, timeoutMs: TIMEOUT_MS };
  const connection = await network.connect(tls ? { ...address, tls } : address, () => heard);
  cleanups.push(() => connection.destroy());
  return [connection, heard];
}

/** What the server makes of a connection, or 'closed'. */
async function seenAs(port: number, tls?: ClientTls): Promise<string> {
  const [connection, heard] = await connect(port, tls);
  connection.write(Buffer.from('x'));
  return (await heard.text('plain:x'.length)).replace(/:x$/, '');
}

const wrong = identityOf(stranger.issue({ subject: [[oid.commonName, 'liar']] }));
const expired = identityOf(
  authority.issue({ subject: [[oid.commonName, 'old']], validTo: '2021-01-01T00:00:00Z' }),
);

test.each<{
  asks: ServerTls['clientAuthentication'];
  shows: string;
  identity: TlsIdentity | null;
  seen: string;
}>([
  { asks: 'none', shows: 'nothing', identity: null, seen: 'nobody' },
  { asks: 'none', shows: 'a certificate', identity: client, seen: 'nobody' },
  { asks: 'want', shows: 'nothing', identity: null, seen: 'nobody' },
  { asks: 'want', shows: 'a certificate', identity: client, seen: 'CN=client' },
  { asks: 'want', shows: 'a wrong one', identity: wrong, seen: 'closed' },
  { asks: 'need', shows: 'nothing', identity: null, seen: 'closed' },
  { asks: 'need', shows: 'a certificate', identity: client, seen: 'CN=client' },
  { asks: 'need', shows: 'a wrong one', identity: wrong, seen: 'closed' },
  { asks: 'need', shows: 'an expired one', identity: expired, seen: 'closed' },
])('$asks, and the client shows $shows: $seen', async ({ asks, identity, seen }) => {
  const { port } = await echo(serverTls({ clientAuthentication: asks }));
  expect(await seenAs(port, clientTls({ identity }))).toBe(seen);
  expect(lines).toHaveLength(seen === 'closed' ? 1 : 0);
});

test('versions: the newest that both speak, or none', async () => {
  const { port } = await echo(serverTls({ versions: { min: 'TLSv1.2', max: 'TLSv1.2' } }));
  const [connection] = await connect(port, clientTls());
  expect(connection.tls?.version).toBe('TLSv1.2');
  const newer = clientTls({ versions: { min: 'TLSv1.3', max: 'TLSv1.3' } });
  await expect(connect(port, newer)).rejects.toThrow(ConnectFailed);
});

test('a client believes no stranger, and no certificate of another host', async () => {
  const { port } = await echo(serverTls());
  const believer = clientTls({ authorities: [stranger.certificate] });
  await expect(connect(port, believer)).rejects.toThrow(/self-signed certificate/);
  const elsewhere = identityOf(authority.issue({ subject: [[oid.commonName, 'x']], hosts: ['h'] }));
  const listener = await echo(serverTls({ identity: elsewhere }));
  await expect(connect(listener.port, clientTls())).rejects.toThrow(/is not in the cert/);
  expect(await seenAs(listener.port, clientTls({ verifyHostName: false }))).toBe('nobody');
});

test('what does not go together is said before anything is bound', async () => {
  const mixed = { key: client.key, certificates: server.certificates };
  await expect(echo(serverTls({ identity: mixed }))).rejects.toThrow(UnusableTls);
  await expect(echo(serverTls({ ciphers: ['NO-SUCH-CIPHER'] }))).rejects.toThrow(/no cipher match/);
});

test('one port for both: told apart by the first byte', async () => {
  const { port } = await echo(serverTls({ alsoPlain: true, clientAuthentication: 'want' }));
  expect(await seenAs(port)).toBe('plain');
  expect(await seenAs(port, clientTls({ identity: client }))).toBe('CN=client');
  expect(await seenAs(port)).toBe('plain');
});

test('much of it, both ways, whole and in order', async () => {
  const sent = Buffer.alloc(3_000_000, 'abcdefghij');
  const got: Buffer[] = [];
  let finished: () => void = () => undefined;
  const whole = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const listener = await network.listen({ host: HOST, port: 0, tls: serverTls() }, () => ({
    data: (chunk) => got.push(Buffer.from(chunk)),
    close: () => finished(),
  }));
  cleanups.push(() => listener.close());
  const [connection] = await connect(listener.port, clientTls());
  connection.write(sent);
  connection.end();
  await whole;
  expect(Buffer.concat(got).equals(sent)).toBe(true);
});

test('who says nothing is cut off, before and behind the first byte', async () => {
  for (const [alsoPlain, first] of [
    [true, ''],
    [true, '\x16'],
    [false, ''],
    [false, 'no TLS'],
  ] as const) {
    const { port } = await echo(serverTls({ alsoPlain, handshakeMsMax: 20 }));
    const socket = openSocket({ host: HOST, port });
    socket.on('error', () => undefined).resume();
    if (first !== '') socket.write(first, 'latin1');
    await once(socket, 'close');
    expect(lines).toHaveLength(1);
    lines.length = 0;
  }
});

test('an address has its share of handshakes, and gets it back', async () => {
  const { port } = await echo(serverTls({ handshakesPerAddressMax: 1 }));
  const idle = openSocket({ host: HOST, port });
  await once(idle, 'connect');
  const hasty = openSocket({ host: HOST, port });
  hasty.on('error', () => undefined).resume();
  await once(hasty, 'close');
  expect(lines).toEqual(['no TLS connection too many handshakes are going on']);
  idle.destroy();
  await once(idle, 'close');
  // Whether the server has heard of that yet is not known here: it is asked until it has.
  for (;;) {
    const seen = await seenAs(port, clientTls()).catch(() => 'not yet');
    if (seen === 'not yet') continue;
    expect(seen).toBe('nobody');
    break;
  }
  // Connections that are established do not count.
  expect(await seenAs(port, clientTls())).toBe('nobody');
});

test('a renewed certificate is shown to the next one, and those who are there stay', async () => {
  const listener = await echo(serverTls());
  const [connection, heard] = await connect(listener.port, clientTls());
  const renewed = identityOf(stranger.issue({ subject: [[oid.commonName, 'new']], hosts: [HOST] }));
  listener.renewTls?.(serverTls({ identity: renewed }));
  await expect(connect(listener.port, clientTls())).rejects.toThrow(ConnectFailed);
  const believer = clientTls({ authorities: [stranger.certificate] });
  expect(await seenAs(listener.port, believer)).toBe('nobody');
  connection.write(Buffer.from('y'));
  expect(await heard.text('nobody:y'.length)).toBe('nobody:y');
});
