/**
 * Goal: requests of a connection are executed and answered in order whatever the peer does, and no
 * peer can make us hold more than was agreed. Method: the real acceptor on real sockets, raw bytes
 * from a plain client, handlers that finish when the test says so; time is pushed by hand.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import {
  apis,
  encodeRequest,
  FrameSplitter,
  KafkaError,
  kafkaErrorOf,
  type Message,
} from '@odradek/protocol';
import { BufferPool, type LogFields, nodeEnvironment, type Timers } from '@odradek/runtime';
import { apiVersionsHandler } from '../../src/api/api-versions.ts';
import { ApiRegistry, handler, type RegisteredHandler } from '../../src/api/registry.ts';
import { Acceptor, type AcceptorOptions } from '../../src/network/acceptor.ts';
import { ByteBudget } from '../../src/network/byte-budget.ts';
import { OVERLAPPING_REQUESTS_MAX } from '../../src/network/connection.ts';
import { ManualTime } from '../manual-time.ts';

const MIB = 1024 * 1024;
const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Broker {
  readonly acceptor: Acceptor;
  readonly port: number;
  readonly time: ManualTime;
  readonly requests: ByteBudget;
  readonly answers: ByteBudget;
  readonly lines: { message: string; fields: LogFields }[];
}

/** Turns are real, since sockets are; deadlines wait for the test. */
async function start(
  handlers: readonly RegisteredHandler[],
  changes: Partial<AcceptorOptions> = {},
): Promise<Broker> {
  const time = new ManualTime();
  const real = nodeEnvironment({ poison: true });
  const timers: Timers = { wakeAt: time.timers.wakeAt, afterTurn: real.timers.afterTurn };
  const lines: { message: string; fields: LogFields }[] = [];
  const note = (message: string, fields: LogFields = {}) => void lines.push({ message, fields });
  const log = { error: note, warn: note, info: note, debug: note, child: () => log };
  const registry = new ApiRegistry().register(...handlers);
  registry.register(apiVersionsHandler(registry));
  const requests = changes.requests ?? new ByteBudget(64 * MIB);
  const answers = changes.answers ?? new ByteBudget(64 * MIB);
  const acceptor = await Acceptor.bind(
    [{ listenerName: 'PLAINTEXT', host: '127.0.0.1', port: 0 }],
    {
      network: real.network,
      clock: time.clock,
      timers,
      log,
      registry,
      requestMaxBytes: 2 * MIB,
      maxIdleMs: 60_000,
      maxConnections: 100,
      maxConnectionsFrom: () => 100,
      requests,
      answers,
      buffers: new BufferPool({ poison: true }),
      ...changes,
    },
  );
  acceptor.open();
  cleanUps.push(async () => {
    await acceptor.close(0);
  });
  const port = acceptor.ports.get('PLAINTEXT') ?? 0;
  return { acceptor, port, time, requests, answers, lines };
}

/** A client that sends bytes and keeps the frames that come back. */
class Client {
  readonly socket: Socket;
  readonly frames: Buffer[] = [];
  isClosed = false;
  readonly #splitter = new FrameSplitter({ maxFrameBytes: 256 * MIB });

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) =>
      this.#splitter.push(chunk, (frame) => this.frames.push(frame)),
    );
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
    });
  }

  static async connect(port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    cleanUps.push(() => void socket.destroy());
    return new Client(socket);
  }

  send(...parts: readonly (Buffer | readonly Buffer[])[]): void {
    this.socket.write(Buffer.concat(parts.flat()));
  }

  get correlationIds(): number[] {
    return this.frames.map((frame) => frame.readInt32BE(0));
  }
}

/** Waits for what sockets bring about. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200_000; turn += 1) {
    if (holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never came true: ${holds.toString()}`);
}

/** Enough turns for anything that is on its way to arrive. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const heartbeat = (correlationId: number, groupId = 'g'): Buffer[] =>
  encodeRequest(apis.heartbeat, 4, correlationId, 'test', {
    groupId,
    generationId: 1,
    memberId: 'm',
  });

/** A handler whose answers the test gives, in any order. */
function held(mayOverlap: boolean) {
  const begun: { groupId: string; answer(): void; fail(error: Error): void }[] = [];
  const registered = handler(
    apis.heartbeat,
    [0, 4],
    (request) =>
      new Promise((resolve, reject) => {
        begun.push({
          groupId: request.groupId,
          answer: () => resolve({ errorCode: 0 }),
          fail: reject,
        });
      }),
    { mayOverlap },
  );
  return { begun, registered };
}

const prompt = handler(apis.heartbeat, [0, 4], () => ({ errorCode: 0 }));

test('pipelined requests are executed one after the other and answered in order', async () => {
  const { begun, registered } = held(false);
  const { port } = await start([registered]);
  const client = await Client.connect(port);
  client.send(heartbeat(1, 'a'), heartbeat(2, 'b'), heartbeat(3, 'c'));
  for (const [index, groupId] of ['a', 'b', 'c'].entries()) {
    await until(() => begun.length === index + 1);
    await quiet();
    expect(begun.map((one) => one.groupId).at(-1)).toBe(groupId);
    expect(begun).toHaveLength(index + 1);
    begun[index]?.answer();
  }
  await until(() => client.frames.length === 3);
  expect(client.correlationIds).toEqual([1, 2, 3]);
});

test('requests that may overlap are begun at once, and answered in order all the same', async () => {
  const { begun, registered } = held(true);
  const { port } = await start([registered]);
  const client = await Client.connect(port);
  client.send(heartbeat(1), heartbeat(2), heartbeat(3));
  await until(() => begun.length === 3);
  begun[2]?.answer();
  begun[1]?.answer();
  await quiet();
  expect(client.frames).toHaveLength(0);
  begun[0]?.answer();
  await until(() => client.frames.length === 3);
  expect(client.correlationIds).toEqual([1, 2, 3]);
});

test('a request that may not overlap waits for those before it, and those after it for it', async () => {
  const { begun, registered } = held(true);
  const { port } = await start([registered]);
  const client = await Client.connect(port);
  const versions = encodeRequest(apis.apiVersions, 0, 2, null, {});
  client.send(heartbeat(1), versions, heartbeat(3));
  await until(() => begun.length === 1);
  await quiet();
  expect(begun).toHaveLength(1);
  begun[0]?.answer();
  await until(() => client.frames.length === 2 && begun.length === 2);
  begun[1]?.answer();
  await until(() => client.frames.length === 3);
  expect(client.correlationIds).toEqual([1, 2, 3]);
});

test('no more than a bounded number of requests overlaps', async () => {
  const { begun, registered } = held(true);
  const { port } = await start([registered]);
  const client = await Client.connect(port);
  for (let n = 0; n < OVERLAPPING_REQUESTS_MAX + 50; n += 1) client.send(heartbeat(n));
  await until(() => begun.length === OVERLAPPING_REQUESTS_MAX);
  await quiet();
  expect(begun).toHaveLength(OVERLAPPING_REQUESTS_MAX);
  begun[0]?.answer();
  await until(() => begun.length === OVERLAPPING_REQUESTS_MAX + 1);
});

test('a request in any number of pieces is one request', async () => {
  const { port } = await start([prompt]);
  const client = await Client.connect(port);
  for (const byte of Buffer.concat(heartbeat(7))) {
    client.send(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => client.frames.length === 1);
  expect(client.correlationIds).toEqual([7]);
});

const syncGroup = (correlationId: number, assignment: Buffer): Buffer[] =>
  encodeRequest(apis.syncGroup, 3, correlationId, 'test', {
    groupId: 'g',
    generationId: 1,
    memberId: 'm',
    assignments: [{ memberId: 'm', assignment }],
  });

test.each([100, 5_000, 50_000, 500_000])(
  'what a handler keeps of a request of %i bytes is not overwritten by what comes later',
  async (sizeBytes) => {
    const kept: Buffer[] = [];
    const keeping = handler(apis.syncGroup, [3, 3], ({ assignments }) => {
      for (const { assignment } of assignments) kept.push(assignment);
      return { errorCode: 0, assignment: Buffer.alloc(0) };
    });
    const { port } = await start([keeping]);
    const client = await Client.connect(port);
    for (let n = 1; n <= 10; n++) client.send(syncGroup(n, Buffer.alloc(sizeBytes, n)));
    await until(() => client.frames.length === 10);
    for (const [index, bytes] of kept.entries())
      expect(bytes.equals(Buffer.alloc(sizeBytes, index + 1))).toBe(true);
  },
);

test.each([100, 500_000])(
  'the memory of a request of %i bytes is used again when its handler keeps nothing',
  async (sizeBytes) => {
    const seen: number[] = [];
    const handed = new Set<ArrayBufferLike>();
    const forgetful = handler(
      apis.syncGroup,
      [3, 3],
      ({ assignments }) => {
        for (const { assignment } of assignments) {
          handed.add(assignment.buffer);
          if (assignment.every((byte) => byte === assignment[0])) seen.push(assignment[0] ?? -1);
        }
        return { errorCode: 0, assignment: Buffer.alloc(0) };
      },
      { keepsNothing: true },
    );
    const { port } = await start([forgetful]);
    const client = await Client.connect(port);
    for (let n = 1; n <= 10; n++) {
      client.send(syncGroup(n, Buffer.alloc(sizeBytes, n)));
      await until(() => client.frames.length === n);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(handed.size).toBe(1);
  },
);

test('a request that waits does not change while others arrive', async () => {
  const { begun, registered } = held(false);
  const { port } = await start([registered]);
  const client = await Client.connect(port);
  client.send(heartbeat(1, 'first'));
  await until(() => begun.length === 1);
  client.send(heartbeat(2, 'second'));
  await quiet();
  const other = await Client.connect(port);
  other.send(heartbeat(3, 'x'.repeat(1_000)));
  await until(() => begun.length === 2);
  begun[0]?.answer();
  await until(() => begun.length === 3);
  expect(begun.map(({ groupId }) => groupId)).toEqual(['first', 'x'.repeat(1_000), 'second']);
});

test('a handler is told of each answer once: sent, or dropped with its connection', async () => {
  const { begun, registered } = held(true);
  const told: number[] = [];
  const telling = { ...registered, sent: () => void told.push(told.length) };
  const { port, acceptor } = await start([telling]);
  const client = await Client.connect(port);
  client.send(heartbeat(1), heartbeat(2), heartbeat(3));
  await until(() => begun.length === 3);
  begun[0]?.answer();
  await until(() => client.frames.length === 1 && told.length === 1);
  begun[2]?.answer(); // Waits for the one before it.
  await quiet();
  expect(told).toHaveLength(1);
  client.socket.resetAndDestroy(); // An ordinary end would leave it waiting for its answers.
  await until(() => acceptor.connectionCount === 0);
  expect(told).toHaveLength(2);
  begun[1]?.answer();
  await until(() => told.length === 3);
});

test('a peer that sends and does not read is no longer read from', async () => {
  const bigAnswer = handler(apis.metadata, [12, 12], () => ({
    brokers: [],
    topics: [],
    clusterId: 'x'.repeat(30_000),
    controllerId: -1,
  }));
  const { port, requests, answers } = await start([bigAnswer]);
  const client = await Client.connect(port);
  client.socket.pause();
  // About as big as its answer, so that both directions fill up at the same pace.
  const clientId = 'c'.repeat(30_000);
  const request = Buffer.concat(encodeRequest(apis.metadata, 12, 1, clientId, { topics: null }));
  const many = Buffer.concat(Array.from({ length: 10 }, () => request));
  let sentBytes = 0;
  // Until our own socket buffers are full too: what it takes then stays bounded.
  let isFull = false;
  while (!isFull && sentBytes < 400 * MIB) {
    const isTaken = client.socket.write(many);
    sentBytes += many.length;
    await quiet();
    isFull = !isTaken && client.socket.writableLength > 1 * MIB;
  }
  expect(isFull).toBe(true);
  expect(requests.usedBytes).toBeLessThan(200 * 1024);
  expect(answers.usedBytes).toBeLessThan(2 * MIB);
  expect(answers.usedBytes).toBeGreaterThan(0);
  const asked = sentBytes / request.length;
  client.socket.resume();
  await until(() => client.frames.length === asked);
  await until(() => answers.usedBytes === 0 && requests.usedBytes === 0);
});

test('when all connections together hold too much, none is read until there is room', async () => {
  const { begun, registered } = held(false);
  const requests = new ByteBudget(100_000);
  const { port } = await start([registered], { requests });
  const clients = await Promise.all(Array.from({ length: 4 }, () => Client.connect(port)));
  const big = 'g'.repeat(30_000);
  for (const client of clients) client.send(heartbeat(1, big));
  await until(() => begun.length === 4);
  expect(requests.isExhausted).toBe(true);
  // A second request of each must wait unread, half a frame included.
  for (const client of clients) client.send(heartbeat(2, big));
  await quiet();
  expect(requests.usedBytes).toBeLessThan(4 * 31_000);
  // A small one on an idle connection gets through: it may be what the others wait for.
  const small = await Client.connect(port);
  small.send(heartbeat(9, 'small'));
  await until(() => begun.some(({ groupId }) => groupId === 'small'));
  for (let n = 0; n < 9; n += 1) {
    await until(() => begun.length > n);
    begun[n]?.answer();
  }
  await until(() => clients.every(({ frames }) => frames.length === 2));
  await until(() => requests.usedBytes === 0);
});

const uint16s = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(2 * values.length);
  for (const [index, value] of values.entries()) bytes.writeInt16BE(value, 2 * index);
  return bytes;
};
const framed = (payload: Buffer, size = payload.length): Buffer => {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(size);
  return Buffer.concat([prefix, payload]);
};

test.each([
  {
    name: 'an HTTP request',
    bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    reason: /frame of \d+ bytes/,
  },
  { name: 'a negative size', bytes: framed(Buffer.alloc(8), -5), reason: /frame of -5 bytes/ },
  { name: 'an empty frame', bytes: framed(Buffer.alloc(0)), reason: /frame of 0 bytes/ },
  {
    name: 'an oversized frame',
    bytes: framed(Buffer.alloc(8), 2 * MIB + 1),
    reason: /are allowed/,
  },
  {
    name: 'a frame too short for a header',
    bytes: framed(Buffer.alloc(3)),
    reason: /request of 3 bytes/,
  },
  {
    name: 'an api that does not exist',
    bytes: framed(Buffer.concat([uint16s(9999, 0), Buffer.alloc(6)])),
    reason: /9999/,
  },
  {
    name: 'an api that is not served',
    bytes: Buffer.concat(encodeRequest(apis.vote, 0, 1, null, { clusterId: null, topics: [] })),
    api: /52/,
    reason: /does not serve/,
  },
  {
    name: 'a version that is not served',
    bytes: Buffer.concat(
      encodeRequest(apis.produce, 2, 1, null, { acks: 1, timeoutMs: 1, topicData: [] }),
    ),
    api: /Produce v2/,
    reason: /versions 3 to 11/,
  },
  {
    name: 'a body that is cut short',
    bytes: framed(Buffer.concat(heartbeat(1)).subarray(4, -4)),
    api: /Heartbeat v4/,
    reason: /./,
  },
  {
    name: 'a body with bytes behind it',
    bytes: framed(Buffer.concat([Buffer.concat(heartbeat(1)).subarray(4), Buffer.alloc(2)])),
    api: /Heartbeat v4/,
    reason: /after the end/,
  },
])(
  '$name: what came before is answered, the connection closed, one line logged',
  async ({ bytes, reason, api }) => {
    const produce = handler(apis.produce, [3, 11], () => ({ responses: [] }));
    const { port, lines, acceptor } = await start([prompt, produce]);
    const client = await Client.connect(port);
    const other = await Client.connect(port);
    client.send(heartbeat(1), bytes);
    await until(() => client.isClosed);
    expect(client.correlationIds).toEqual([1]);
    expect(lines).toHaveLength(1);
    const [line] = lines;
    expect(line?.message).toBe('connection closed');
    expect(line?.fields.peer).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(line?.fields.reason).toMatch(reason);
    if (api !== undefined) expect(line?.fields.api).toMatch(api);
    await until(() => acceptor.connectionCount === 1);
    other.send(heartbeat(5));
    await until(() => other.frames.length === 1);
  },
);

test('a peer that leaves in the middle of a frame is told of in the log', async () => {
  const { port, lines, acceptor, requests } = await start([prompt]);
  const client = await Client.connect(port);
  client.send(Buffer.concat(heartbeat(1)).subarray(0, 12));
  await until(() => requests.usedBytes > 0);
  client.socket.end();
  await until(() => acceptor.connectionCount === 0);
  expect(lines.map(({ fields }) => fields.reason)).toEqual([
    'the peer left in the middle of a frame',
  ]);
  expect(requests.usedBytes).toBe(0);
});

test('a peer that has sent its last request still gets its answers', async () => {
  const { begun, registered } = held(false);
  const { port } = await start([registered]);
  const client = await Client.connect(port);
  client.send(heartbeat(1), heartbeat(2));
  client.socket.end();
  for (const index of [0, 1]) {
    await until(() => begun.length === index + 1);
    await quiet();
    begun[index]?.answer();
  }
  await until(() => client.isClosed);
  expect(client.correlationIds).toEqual([1, 2]);
});

test('a handler that throws costs its connection and nothing else', async () => {
  const broken = handler(apis.heartbeat, [0, 4], ({ groupId }) => {
    if (groupId === 'bad') throw new TypeError('not a function');
    return { errorCode: 0 };
  });
  const { port, lines } = await start([broken]);
  const client = await Client.connect(port);
  const other = await Client.connect(port);
  client.send(heartbeat(1, 'bad'));
  await until(() => client.isClosed);
  expect(lines).toHaveLength(1);
  expect(lines[0]?.fields).toMatchObject({ api: 'Heartbeat v4' });
  other.send(heartbeat(2, 'good'));
  await until(() => other.frames.length === 1);
});

test('an answer that cannot be encoded costs its connection and nothing else', async () => {
  const broken = handler(apis.heartbeat, [0, 4], () => ({ errorCode: 1_000_000 }));
  const { port, lines } = await start([broken]);
  const client = await Client.connect(port);
  client.send(heartbeat(1));
  await until(() => client.isClosed);
  expect(lines.map(({ message }) => message)).toEqual([
    'an answer could not be encoded; its connection is closed',
  ]);
});

test('a KafkaError thrown by a handler closes the connection without an answer', async () => {
  const unanswered = handler(apis.heartbeat, [0, 4], () => {
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER');
  });
  const { port, lines } = await start([unanswered]);
  const client = await Client.connect(port);
  client.send(heartbeat(1));
  await until(() => client.isClosed);
  expect(client.frames).toHaveLength(0);
  expect(lines[0]?.fields.reason).toBe('NOT_LEADER_OR_FOLLOWER');
});

test('null means no answer, and the next request is answered', async () => {
  const silent = handler(apis.heartbeat, [0, 4], ({ groupId }) =>
    groupId === 'silent' ? null : { errorCode: 0 },
  );
  const { port } = await start([silent]);
  const client = await Client.connect(port);
  client.send(heartbeat(1, 'silent'), heartbeat(2), heartbeat(3, 'silent'), heartbeat(4));
  await until(() => client.frames.length === 2);
  expect(client.correlationIds).toEqual([2, 4]);
});

const decodeBody = <M extends Message<unknown>>(
  message: M,
  frame: Buffer,
  version: number,
  headerBytes: number,
) => message.decode(frame.subarray(headerBytes), version) as ReturnType<M['decode']>;

test('ApiVersions in a version we do not have is answered in version 0, and the client can go on', async () => {
  const { port } = await start([prompt]);
  const client = await Client.connect(port);
  const future = Buffer.concat([
    uint16s(18, 99),
    Buffer.of(0, 0, 0, 5),
    uint16s(1),
    Buffer.from('c'),
    Buffer.of(0, 1, 2, 3),
  ]);
  client.send(framed(future));
  await until(() => client.frames.length === 1);
  const [refused] = client.frames;
  expect(refused?.readInt32BE(0)).toBe(5);
  const body = decodeBody(apis.apiVersions.response, refused ?? Buffer.alloc(0), 0, 4);
  expect(kafkaErrorOf(body.errorCode)).toBe('UNSUPPORTED_VERSION');
  expect(body.apiKeys).toContainEqual({ apiKey: 18, minVersion: 0, maxVersion: 4 });
  client.send(
    encodeRequest(apis.apiVersions, 4, 6, 'c', {
      clientSoftwareName: 'x',
      clientSoftwareVersion: '1',
    }),
  );
  await until(() => client.frames.length === 2);
  const offered = decodeBody(apis.apiVersions.response, client.frames[1] ?? Buffer.alloc(0), 4, 4);
  expect(offered).toMatchObject({ errorCode: 0 });
  expect(offered.apiKeys).toEqual([
    { apiKey: 12, minVersion: 0, maxVersion: 4 },
    { apiKey: 18, minVersion: 0, maxVersion: 4 },
  ]);
});

test.each([
  { name: 'x', version: '1', error: 'NONE' },
  { name: 'apache-kafka-java', version: '3.9.1', error: 'NONE' },
  { name: '-x', version: '1', error: 'INVALID_REQUEST' },
  { name: 'x', version: '', error: 'INVALID_REQUEST' },
  { name: 'a b', version: '1', error: 'INVALID_REQUEST' },
])('a client called "$name" "$version": $error', async ({ name, version, error }) => {
  const { port } = await start([]);
  const client = await Client.connect(port);
  client.send(
    encodeRequest(apis.apiVersions, 3, 1, 'c', {
      clientSoftwareName: name,
      clientSoftwareVersion: version,
    }),
  );
  await until(() => client.frames.length === 1);
  const body = decodeBody(apis.apiVersions.response, client.frames[0] ?? Buffer.alloc(0), 3, 4);
  expect(kafkaErrorOf(body.errorCode)).toBe(error);
});

test('an idle connection is closed, one with a request running is not', async () => {
  const { begun, registered } = held(false);
  const { port, time, acceptor } = await start([registered]);
  const idle = await Client.connect(port);
  const busy = await Client.connect(port);
  busy.send(heartbeat(1));
  await until(() => begun.length === 1 && acceptor.connectionCount === 2);
  time.pass(60_000);
  await until(() => idle.isClosed);
  expect(busy.isClosed).toBe(false);
  begun[0]?.answer();
  await until(() => busy.frames.length === 1);
  time.pass(60_000);
  await until(() => busy.isClosed);
});

test('connections above the limits are turned away', async () => {
  const { port, acceptor, lines } = await start([prompt], { maxConnections: 2 });
  const first = await Client.connect(port);
  await Client.connect(port);
  await until(() => acceptor.connectionCount === 2);
  const third = await Client.connect(port);
  await until(() => third.isClosed);
  expect(lines[0]?.fields.limit).toBe('max.connections=2');
  first.socket.destroy();
  await until(() => acceptor.connectionCount === 1);
  const fourth = await Client.connect(port);
  fourth.send(heartbeat(1));
  await until(() => fourth.frames.length === 1);
});

test('connections above the limit of one address are turned away', async () => {
  const { port, acceptor, lines } = await start([prompt], { maxConnectionsFrom: () => 1 });
  await Client.connect(port);
  await until(() => acceptor.connectionCount === 1);
  const second = await Client.connect(port);
  await until(() => second.isClosed);
  expect(lines[0]?.fields.limit).toBe('max.connections.per.ip=1');
});

test('closing answers what is running, then lets everybody go', async () => {
  const { begun, registered } = held(false);
  const { port, acceptor, time } = await start([registered]);
  const client = await Client.connect(port);
  const silent = await Client.connect(port);
  client.send(heartbeat(1));
  await until(() => begun.length === 1 && acceptor.connectionCount === 2);
  let isClosed = false;
  const closed = acceptor.close(1_000).then(() => {
    isClosed = true;
  });
  await quiet();
  expect(isClosed).toBe(false);
  begun[0]?.answer();
  await until(() => client.isClosed && silent.isClosed);
  await closed;
  expect(client.correlationIds).toEqual([1]);
  expect(time.armedCount).toBe(0);
});

test('a peer that does not go is dropped when the grace is over', async () => {
  const { begun, registered } = held(false);
  const { port, acceptor, time } = await start([registered]);
  const client = await Client.connect(port);
  client.send(heartbeat(1));
  await until(() => begun.length === 1);
  const closed = acceptor.close(1_000);
  await quiet();
  time.pass(1_000);
  await closed;
  await until(() => client.isClosed);
  expect(client.frames).toHaveLength(0);
});
