/**
 * One connection against a scripted broker: negotiation with downgrade, pipelining and order, limits,
 * time-outs in virtual time, and everything that ends a connection.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { apis, UnsupportedVersion } from '@odradek/protocol';
import {
  BrokerConnection,
  type BrokerConnectionOptions,
} from '../../src/connection/broker-connection-host.ts';
import { ConnectionClosed, LimitReached, RequestTimedOut } from '../../src/errors.ts';
import { FakeBroker } from '../fake-broker.ts';
import { ManualTime, until } from '../manual-time.ts';

let broker: FakeBroker;
let time: ManualTime;
let connections: BrokerConnection[];

beforeEach(async () => {
  broker = await new FakeBroker().start();
  time = new ManualTime();
  connections = [];
});

afterEach(async () => {
  for (const connection of connections) connection.close();
  await broker.stop();
  expect(broker.failures).toEqual([]);
});

async function connect(options: Partial<BrokerConnectionOptions> = {}): Promise<BrokerConnection> {
  const connection = await BrokerConnection.connect({
    host: '127.0.0.1',
    port: broker.port,
    clientId: 'me',
    environment: time.environment(),
    ...options,
  });
  connections.push(connection);
  return connection;
}

const heartbeat = (generationId: number) => ({ groupId: 'g', generationId, memberId: 'm' });
const failureOf = (failed: Promise<unknown>): Promise<unknown> =>
  failed.then(
    () => 'no failure',
    (error: unknown) => error,
  );

describe('versions', () => {
  test('are asked for once and cut to what both sides have', async () => {
    broker.on(apis.heartbeat, () => null, [1, 2]);
    const connection = await connect({ negotiate: true });
    expect(broker.received).toEqual(['ApiVersions v3']);
    expect(connection.versionOf(apis.heartbeat)).toBe(2);
    expect(connection.versionOf(apis.heartbeat, 1)).toBe(1);
    expect(() => connection.versionOf(apis.heartbeat, 0)).toThrow(UnsupportedVersion);
    expect(() => connection.versionOf(apis.metadata)).toThrow(UnsupportedVersion);
    expect(connection.versionOrNull(apis.metadata)).toBeNull();
  });

  test('a broker that refuses version 3 is asked again in its own', async () => {
    broker.apiVersionsMax = 1;
    broker.on(apis.heartbeat, () => null);
    const connection = await connect({ negotiate: true });
    expect(broker.received).toEqual(['ApiVersions v3', 'ApiVersions v1']);
    expect(connection.versionOf(apis.heartbeat)).toBe(4);
  });

  test('without negotiation the broker is taken to have ours, but no unstable one', async () => {
    const connection = await connect();
    expect(broker.received).toEqual([]);
    expect(connection.versionOf(apis.apiVersions)).toBe(4);
  });
});

describe('requests', () => {
  test('are pipelined and answered in order', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    broker.on(apis.heartbeat, async ({ generationId }, { clientId }) => {
      expect(clientId).toBe('me');
      if (generationId === 0) await gate;
      return { errorCode: generationId };
    });
    const connection = await connect();
    const order: number[] = [];
    const all = [0, 1, 2].map((n) =>
      connection
        .send(apis.heartbeat, 4, heartbeat(n))
        .then(({ errorCode }) => order.push(errorCode)),
    );
    await until(() => broker.received.length === 3);
    expect(connection.unansweredCount).toBe(3);
    release();
    await Promise.all(all);
    expect(order).toEqual([0, 1, 2]);
    expect(connection.unansweredCount).toBe(0);
  });

  test('beyond the limit wait their turn; beyond that are refused', async () => {
    let held: (() => void)[] = [];
    broker.on(
      apis.heartbeat,
      () => new Promise((resolve) => held.push(() => resolve({ errorCode: 0 }))),
    );
    const connection = await connect({ maxInFlightRequests: 2 });
    const first = [1, 2, 3, 4, 5].map((n) => connection.send(apis.heartbeat, 4, heartbeat(n)));
    await until(() => held.length === 2);
    expect(connection.unansweredCount).toBe(2);
    const rest = Array.from({ length: 16_384 - 3 }, (_, n) =>
      failureOf(connection.send(apis.heartbeat, 4, heartbeat(n))),
    );
    expect(await failureOf(connection.send(apis.heartbeat, 4, heartbeat(0)))).toBeInstanceOf(
      LimitReached,
    );
    let isDone = false;
    void Promise.all(first).then(() => {
      isDone = true;
    });
    await until(() => {
      for (const release of held) release();
      held = [];
      return isDone;
    });
    connection.close();
    expect((await Promise.all(rest)).at(-1)).toBeInstanceOf(ConnectionClosed);
  });

  test('a body that cannot be encoded fails alone', async () => {
    broker.on(apis.heartbeat, () => ({ errorCode: 0 }));
    const connection = await connect();
    expect(
      await failureOf(
        connection.send(apis.heartbeat, 4, { ...heartbeat(1), groupId: 7 as unknown as string }),
      ),
    ).toBeInstanceOf(Error);
    expect(await connection.send(apis.heartbeat, 4, heartbeat(1))).toMatchObject({ errorCode: 0 });
  });

  test('that have no answer do not disturb those that have', async () => {
    broker.on(apis.produce, () => null).on(apis.heartbeat, () => ({ errorCode: 0 }));
    const connection = await connect();
    connection.sendUnanswered(apis.produce, 9, {
      transactionalId: null,
      acks: 0,
      timeoutMs: 1,
      topicData: [],
    });
    expect(await connection.send(apis.heartbeat, 4, heartbeat(1))).toMatchObject({ errorCode: 0 });
    expect(broker.received).toEqual(['Produce v9', 'Heartbeat v4']);
  });
});

describe('the end', () => {
  test('no answer in time: that request timed out, the others lost their connection', async () => {
    broker.on(apis.heartbeat, () => null);
    const connection = await connect({ requestTimeoutMs: 1_000 });
    const slow = failureOf(connection.send(apis.heartbeat, 4, heartbeat(1), { timeoutMs: 5_000 }));
    const usual = failureOf(connection.send(apis.heartbeat, 4, heartbeat(2)));
    const reasons: Error[] = [];
    connection.onClose((reason) => reasons.push(reason));
    time.advance(999);
    expect(connection.isClosed).toBe(false);
    time.advance(1);
    expect(await usual).toBeInstanceOf(RequestTimedOut);
    expect(await slow).toMatchObject({ code: 'CONNECTION_CLOSED', retriable: true });
    expect(reasons).toHaveLength(1);
    expect(connection.isClosed).toBe(true);
  });

  test('an answered request disarms its time-out', async () => {
    broker.on(apis.heartbeat, () => ({ errorCode: 0 }));
    const connection = await connect({ requestTimeoutMs: 1_000 });
    await connection.send(apis.heartbeat, 4, heartbeat(1));
    time.advance(999);
    await connection.send(apis.heartbeat, 4, heartbeat(2));
    time.advance(10_000);
    expect(connection.isClosed).toBe(false);
  });

  test.each([
    { name: 'the broker hangs up', bytes: null },
    { name: 'an answer to no request', bytes: '00000004 00000fff' },
    { name: 'a negative frame size', bytes: 'ffffffff' },
    { name: 'a frame that is too large', bytes: '7fffffff' },
    { name: 'an answer that ends too early', bytes: '00000006 00000001 0000' },
  ])('$name', async ({ bytes }) => {
    broker.on(apis.heartbeat, (_, { connection }) => {
      if (bytes === null) connection.destroy();
      return bytes === null ? null : Buffer.from(bytes.replaceAll(' ', ''), 'hex');
    });
    const connection = await connect();
    const failures = [1, 2].map((n) => failureOf(connection.send(apis.heartbeat, 4, heartbeat(n))));
    const [first, second] = await Promise.all(failures);
    expect(second).toBeInstanceOf(ConnectionClosed);
    if (!(first instanceof ConnectionClosed))
      expect(first).toMatchObject({ code: 'MALFORMED_MESSAGE' });
    expect(await failureOf(connection.send(apis.heartbeat, 4, heartbeat(3)))).toBeInstanceOf(
      ConnectionClosed,
    );
  });

  test('nobody listens', async () => {
    await broker.stop();
    expect(await failureOf(connect())).toMatchObject({ code: 'CONNECT_FAILED', retriable: true });
  });

  test('a broker that never tells its versions', async () => {
    const deaf = await time.environment().network.listen({ host: '127.0.0.1', port: 0 }, () => ({
      data: () => undefined,
      close: () => undefined,
    }));
    let failure: unknown = null;
    void failureOf(connect({ port: deaf.port, negotiate: true, connectTimeoutMs: 500 })).then(
      (error) => {
        failure = error;
      },
    );
    await until(() => {
      time.advance(100);
      return failure !== null;
    });
    expect(failure).toBeInstanceOf(RequestTimedOut);
    await deaf.close();
  });
});
