/** The network port over real loopback sockets: what is sent arrives, and every ending is told once. */
import { afterEach, expect, test } from '@jest/globals';
import type { Connection, ConnectionHandler, Listener } from '../../src/environment.ts';
import { AddressInUse, ConnectFailed, ListenFailed } from '../../src/errors.ts';
import { silentLog } from '../../src/log.ts';
import { nodeClock } from '../../src/node/clock.ts';
import { nodeEnvironment } from '../../src/node/environment.ts';
import { nodeNetwork } from '../../src/node/network.ts';

const { network } = nodeEnvironment();
const LOOPBACK = '127.0.0.1';
const TIMEOUT_MS = 10_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What one side of a connection saw, with promises for what is still to come. */
class Side implements ConnectionHandler {
  readonly chunks: Buffer[] = [];
  readonly closes: (Error | undefined)[] = [];
  drains = 0;
  ends = 0;
  connection: Connection | null = null;
  readonly #waiting: { holds: () => boolean; resolve: () => void }[] = [];
  /** Present only when the side wants to keep its half open. */
  end?: () => void;

  constructor({ keepsHalfOpen = false } = {}) {
    if (keepsHalfOpen)
      this.end = () => {
        this.ends++;
        this.look();
      };
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get receivedBytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  data(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk));
    this.look();
  }

  drain(): void {
    this.drains++;
    this.look();
  }

  close(error?: Error): void {
    this.closes.push(error);
    this.look();
  }

  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ holds, resolve });
      this.look();
    });
  }

  protected look(): void {
    for (const { holds, resolve } of this.#waiting) if (holds()) resolve();
  }
}

async function pair(
  client = new Side(),
  server = new Side(),
  host: string | null = LOOPBACK,
): Promise<{ client: Side; server: Side; near: Connection; far: Connection; listener: Listener }> {
  let accepted: (connection: Connection) => void = () => undefined;
  const farSide = new Promise<Connection>((resolve) => {
    accepted = resolve;
  });
  const listener = await network.listen({ host, port: 0 }, (connection) => {
    server.connection = connection;
    accepted(connection);
    return server;
  });
  const near = await network.connect(
    { host: LOOPBACK, port: listener.port, timeoutMs: TIMEOUT_MS },
    (connection) => {
      client.connection = connection;
      return client;
    },
  );
  const far = await farSide;
  cleanups.push(() => {
    near.destroy();
    far.destroy();
    return listener.close();
  });
  return { client, server, near, far, listener };
}

test('bytes travel both ways, corked writes in order', async () => {
  const { client, server, near, far } = await pair();
  near.cork();
  near.write(Buffer.from('one '));
  near.write(new Uint8Array(Buffer.from('two')));
  near.uncork();
  await server.until(() => server.receivedBytes === 7);
  expect(server.bytes.toString()).toBe('one two');
  far.write(Buffer.from('three'));
  await client.until(() => client.receivedBytes === 5);
  expect(client.bytes.toString()).toBe('three');
});

test('both sides know their peer; an IPv4 peer of a dual-stack listener is shown as IPv4', async () => {
  const { near, far, listener } = await pair(new Side(), new Side(), null);
  expect(near.remotePort).toBe(listener.port);
  expect(far.localPort).toBe(listener.port);
  expect(far.remotePort).toBe(near.localPort);
  expect(far.remoteAddress).toBe(LOOPBACK);
});

test('a peer that does not read holds the writer back; drain comes once it reads again', async () => {
  const { client, server, near, far } = await pair();
  far.pause();
  const chunk = Buffer.alloc(1 << 20, 7);
  let sentBytes = 0;
  let goOn = true;
  while (goOn) {
    goOn = near.write(chunk);
    sentBytes += chunk.length;
    // The loop ends: an event loop that is not given back never empties the queue.
  }
  for (let n = 0; n < 16; n++) {
    near.write(chunk);
    sentBytes += chunk.length;
  }
  expect(near.unsentBytes).toBeGreaterThan(0);
  expect(client.drains).toBe(0);
  far.resume();
  await client.until(() => client.drains === 1);
  await server.until(() => server.receivedBytes === sentBytes);
  expect(near.unsentBytes).toBe(0);
});

/** Wants the bytes behind the first 100 in a place of its own, and notes how they came. */
class Roomy extends Side {
  readonly place = Buffer.alloc(1_000_000);
  filledBytes = 0;

  get seenBytes(): number {
    return this.receivedBytes + this.filledBytes;
  }

  room(): Buffer | null {
    const isWanted = this.receivedBytes >= 100 && this.filledBytes < this.place.length;
    return isWanted ? this.place.subarray(this.filledBytes) : null;
  }

  filled(sizeBytes: number): void {
    this.filledBytes += sizeBytes;
    this.look();
  }
}

test.each(['accepted', 'connected'])(
  'a handler of an %s connection that has room receives right into it',
  async (which) => {
    const roomy = new Roomy();
    const other = new Side();
    const { near, far } = await (which === 'accepted' ? pair(other, roomy) : pair(roomy, other));
    const sender = which === 'accepted' ? near : far;
    sender.write(Buffer.alloc(100, 1));
    await roomy.until(() => roomy.seenBytes === 100);
    sender.write(Buffer.alloc(1_000_000, 2));
    await roomy.until(() => roomy.seenBytes === 1_000_100);
    expect(roomy.place.equals(Buffer.alloc(1_000_000, 2))).toBe(true);
    sender.write(Buffer.alloc(70_000, 3));
    await roomy.until(() => roomy.seenBytes === 1_070_100);
    expect(roomy.bytes.subarray(-70_000).equals(Buffer.alloc(70_000, 3))).toBe(true);
  },
);

test('received bytes are gone after the call where mistakes are looked for', async () => {
  const poisoned = nodeNetwork({ clock: nodeClock, log: silentLog, poison: true });
  const kept: Buffer[] = [];
  const server = new Side();
  server.data = (chunk) => {
    kept.push(chunk);
    Side.prototype.data.call(server, chunk);
  };
  const listener = await poisoned.listen({ host: LOOPBACK, port: 0 }, () => server);
  cleanups.push(() => listener.close());
  const near = await network.connect(
    { host: LOOPBACK, port: listener.port, timeoutMs: TIMEOUT_MS },
    () => new Side(),
  );
  cleanups.push(() => near.destroy());
  near.write(Buffer.from('received'));
  await server.until(() => server.receivedBytes === 8);
  expect(server.bytes.toString()).toBe('received');
  expect(Buffer.concat(kept)).toEqual(Buffer.alloc(8, 0xdb));
});

test('a write tells when its bytes are with the operating system, or never will be', async () => {
  const { server, near, far } = await pair();
  await new Promise<void>((taken) => near.write(Buffer.from('one'), taken));
  await server.until(() => server.receivedBytes === 3);
  far.pause();
  const order: number[] = [];
  const allTold = new Promise<void>((resolve) => {
    for (let n = 0; n < 40; n++)
      near.write(Buffer.alloc(1 << 20, n), () => {
        order.push(n);
        if (order.length === 40) resolve();
      });
  });
  near.destroy();
  await allTold;
  expect(new Set(order).size).toBe(40);
  await new Promise<void>((taken) => near.write(Buffer.from('too late'), taken));
});

test('end sends what is queued, and both sides hear of the close once', async () => {
  const { client, server, near } = await pair();
  near.write(Buffer.alloc(3_000_000, 1));
  near.end();
  near.end();
  expect(near.write(Buffer.from('too late'))).toBe(false);
  await server.until(() => server.closes.length > 0);
  await client.until(() => client.closes.length > 0);
  expect(server.receivedBytes).toBe(3_000_000);
  expect(client.closes).toEqual([undefined]);
  expect(server.closes).toEqual([undefined]);
});

test('a side with an end handler may answer after the peer sent its last byte', async () => {
  const { client, server, near, far } = await pair(new Side(), new Side({ keepsHalfOpen: true }));
  near.write(Buffer.from('?'));
  near.end();
  await server.until(() => server.ends === 1);
  far.write(Buffer.from('!'));
  far.end();
  await client.until(() => client.closes.length > 0);
  expect(client.bytes.toString()).toBe('!');
});

test('destroy closes both sides; every call afterwards does nothing', async () => {
  const { client, server, near } = await pair();
  near.destroy();
  expect(client.closes).toEqual([]); // Never inside the call.
  await client.until(() => client.closes.length > 0);
  await server.until(() => server.closes.length > 0);
  near.destroy();
  near.end();
  near.pause();
  near.resume();
  near.cork();
  near.uncork();
  expect(near.write(Buffer.from('x'))).toBe(false);
  expect(client.closes).toHaveLength(1);
  expect(server.closes).toHaveLength(1);
});

test('a taken port is AddressInUse, a foreign address ListenFailed', async () => {
  const { listener } = await pair();
  const accept = (): ConnectionHandler => new Side();
  await expect(network.listen({ host: LOOPBACK, port: listener.port }, accept)).rejects.toThrow(
    AddressInUse,
  );
  await expect(network.listen({ host: '192.0.2.1', port: 0 }, accept)).rejects.toThrow(
    ListenFailed,
  );
});

test('a closed listener accepts nobody, keeps the established, and frees the port at once', async () => {
  const { server, near, listener } = await pair();
  await listener.close();
  await listener.close();
  await expect(
    network.connect(
      { host: LOOPBACK, port: listener.port, timeoutMs: TIMEOUT_MS },
      () => new Side(),
    ),
  ).rejects.toThrow(ConnectFailed);
  near.write(Buffer.from('still here'));
  await server.until(() => server.receivedBytes === 10);
  const again = await network.listen({ host: LOOPBACK, port: listener.port }, () => new Side());
  expect(again.port).toBe(listener.port);
  await again.close();
});

test('a refused connection says so, with the cause', async () => {
  const { listener } = await pair();
  await listener.close();
  const refusal = await network
    .connect({ host: 'localhost', port: listener.port, timeoutMs: TIMEOUT_MS }, () => new Side())
    .then(
      () => null,
      (error: ConnectFailed) => error,
    );
  expect(refusal?.message).toBe(`cannot connect to localhost:${listener.port}: connection refused`);
  expect(refusal).toMatchObject({ code: 'CONNECT_FAILED', retriable: true });
  expect(refusal?.cause).toBeDefined();
});
